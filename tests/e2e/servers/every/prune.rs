//! Archives that the rules no longer keep.

use std::fs;

use serde_json::Value;

use crate::servers::{
    client::store,
    rig::{Rig, event},
};

/// Puts a whole archive of each of these days under `daily/`, which tells no time but that in its name.
pub(crate) fn archives(rig: &Rig, days: &[u32]) {
    rig.env.write("source/a", "1");
    let create = ["create", "source", "made", "--reproducible"];
    rig.env.run("devops-backup", create).expect_code(0);
    let made = fs::read_dir(rig.env.path("made")).unwrap().next().unwrap().unwrap();
    let archive = fs::read(made.path()).unwrap();
    for day in days {
        store(&rig.bucket, &format!("daily/backup-2026-01-{day:02}.tar.gz"), &archive);
    }
}

fn actions(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines
        .filter(|line| line["type"] == "archive")
        .map(|line| (text(&line, "key"), text(&line, "action")))
        .collect()
}

#[test]
fn prune_plans_by_the_rules_and_then_removes_just_that() {
    let rig = Rig::new();
    archives(&rig, &[1, 2, 3, 4]);
    store(&rig.bucket, "daily/other-2026-01-01.tar.gz", b"of another name");
    store(&rig.bucket, "daily/backup-notes.txt", b"no archive");
    let all = rig.keys();
    let prune = ["prune", &rig.uri("daily/"), "--keep-daily", "2", "--json"];
    let with = |flags: &[&str]| rig.run(&[&prune[..], flags].concat());

    let planned = with(&["--dry-run"]);
    let refused = with(&["--max-delete", "1"]);
    let before = rig.keys();
    let done = with(&["--max-delete", "2"]);
    let again = with(&[]);

    planned.expect_code(0);
    refused.expect_code(11);
    assert_eq!(before, all);
    done.expect_code(0);
    assert_eq!(actions(&planned.stdout), actions(&done.stdout));
    let summary = event(&done, "summary");
    assert_eq!((&summary["kept"], &summary["removed"]), (&2.into(), &2.into()));
    let left = [
        "daily/backup-2026-01-03.tar.gz",
        "daily/backup-2026-01-04.tar.gz",
        "daily/backup-notes.txt",
        "daily/other-2026-01-01.tar.gz",
    ];
    assert_eq!(rig.keys(), left);
    assert_eq!(event(&again, "summary")["removed"], 0);
}

#[test]
fn the_newest_archive_stays_and_one_that_is_damaged_counts_for_none() {
    let rig = Rig::new();
    archives(&rig, &[1, 2]);
    store(
        &rig.bucket,
        "daily/backup-2026-01-03.tar.gz",
        b"this is no archive, whatever it is called",
    );

    let run = rig.run(&["prune", &rig.uri("daily/"), "--keep-last", "1", "--json"]);

    run.expect_code(3);
    let action = |day: u32| {
        let key = format!("daily/backup-2026-01-{day:02}.tar.gz");
        let actions = actions(&run.stdout);
        actions.into_iter().find(|(of, _)| *of == key).unwrap().1
    };
    assert_eq!([1, 2, 3].map(action), ["remove", "keep", "keep"]);
    assert_eq!(rig.keys().len(), 2);
}
