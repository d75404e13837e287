//! Archives in a bucket that keeps versions and locks them.

use serde_json::{Value, json};

use crate::servers::{
    client::call,
    every::prune::archives,
    rig::{Rig, event},
};

fn key(day: u32) -> String {
    format!("daily/backup-2026-01-{day:02}.tar.gz")
}

/// A bucket with locks and an archive of each of four days, of which the second is locked.
fn locked() -> Rig {
    let rig = Rig::with_bucket(&json!({"ObjectLockEnabledForBucket": true}));
    archives(&rig, &[1, 2, 3, 4]);
    let until = "2999-03-01T12:00:00Z";
    let retention = json!({"Mode": "GOVERNANCE", "RetainUntilDate": until});
    let args = json!({"Bucket": rig.bucket, "Key": key(2), "Retention": retention});
    call("put_object_retention", &args);
    rig
}

/// Returns how many versions and delete markers each day has.
fn versions(rig: &Rig) -> [(usize, usize); 4] {
    let all = call("list_object_versions", &json!({"Bucket": rig.bucket}));
    let count = |list: &str, day: u32| {
        let entries = all[list].as_array().cloned().unwrap_or_default();
        entries.iter().filter(|entry| entry["Key"] == key(day)).count()
    };
    [1, 2, 3, 4].map(|day| (count("Versions", day), count("DeleteMarkers", day)))
}

#[test]
fn an_archive_that_is_locked_is_kept_and_named() {
    let rig = locked();
    let prune = ["prune", &rig.uri("daily/"), "--keep-last", "1", "--versions", "--json"];

    let planned = rig.run(&[&prune[..], &["--dry-run"]].concat());
    let before = versions(&rig);
    let done = rig.run(&prune);

    planned.expect_code(3);
    assert_eq!(before, [(1, 0); 4]);
    done.expect_code(3);
    let lines = done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["key"] == key(2)).unwrap();
    assert_eq!(line["action"], "keep");
    assert_eq!(line["reasons"], json!(["it is locked until 2999-03-01T12:00:00Z"]));
    assert!(done.stderr.contains("1 kept by locks alone"), "{}", done.stderr);
    assert_eq!(event(&done, "summary")["removed"], 2);
    assert_eq!(versions(&rig), [(0, 0), (1, 0), (0, 0), (1, 0)]);
}

#[test]
fn without_versions_asked_for_nothing_is_lost_for_good() {
    let rig = locked();

    let run = rig.run(&["prune", &rig.uri("daily/"), "--keep-last", "1", "--json"]);

    run.expect_code(3);
    let summary = event(&run, "summary");
    assert_eq!((&summary["hidden"], &summary["removed"]), (&2.into(), &0.into()), "{summary}");
    assert_eq!(versions(&rig), [(1, 1), (1, 0), (1, 1), (1, 0)]);
    assert_eq!(rig.keys(), [key(2), key(4)]);
}

#[test]
fn what_is_kept_is_locked_for_as_long_as_the_rules_keep_it() {
    let rig = locked();
    let prune = ["prune", &rig.uri("daily/"), "--keep-daily", "3", "--lock-mode", "governance"];

    rig.run(&prune).expect_code(0);

    let head = rig.head(&key(4));
    assert_eq!(head["ObjectLockMode"], "GOVERNANCE", "{head}");
    // A lock is never made shorter.
    assert_eq!(rig.head(&key(2))["ObjectLockRetainUntilDate"], "2999-03-01T12:00:00Z");
}
