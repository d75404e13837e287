//! What is removed from a bucket that keeps versions.

use serde_json::json;

use crate::servers::{
    client::{call, store},
    rig::Rig,
};

fn with_versions() -> Rig {
    let rig = Rig::new();
    let status = json!({"Bucket": rig.bucket, "VersioningConfiguration": {"Status": "Enabled"}});
    call("put_bucket_versioning", &status);
    rig
}

/// Returns how many versions and delete markers there are.
fn count(rig: &Rig) -> (usize, usize) {
    let all = call("list_object_versions", &json!({"Bucket": rig.bucket}));
    let count = |list: &str| all[list].as_array().map_or(0, Vec::len);
    (count("Versions"), count("DeleteMarkers"))
}

#[test]
fn a_delete_marker_is_not_sold_as_a_deletion() {
    let rig = with_versions();
    store(&rig.bucket, "a.txt", b"one");
    store(&rig.bucket, "a.txt", b"two");

    let run = rig.run(&["rm", &rig.uri("a.txt")]);

    run.expect_code(0);
    assert_eq!(run.stdout, format!("hid {}\n", rig.uri("a.txt")));
    assert!(run.stderr.contains("their versions stay"), "{}", run.stderr);
    assert_eq!(count(&rig), (2, 1));
    assert!(rig.is_free("a.txt"));
}

#[test]
fn all_versions_and_markers_of_an_object_go_when_they_are_asked_for() {
    let rig = with_versions();
    for key in ["a.txt", "a.txt2", "dir/b", "dir/c d+e"] {
        for content in ["one", "two"] {
            store(&rig.bucket, key, content.as_bytes());
        }
    }
    rig.run(&["rm", &rig.uri("a.txt")]).expect_code(0);

    let one = rig.run(&["rm", &rig.uri("a.txt"), "--versions"]);
    let neighbours = count(&rig);
    let refused =
        rig.run(&["rm", &rig.uri("dir/"), "--recursive", "--versions", "--max-delete", "3"]);
    let all = rig.run(&["rm", &rig.uri("dir/"), "--recursive", "--versions"]);

    assert_eq!(one.expect_code(0).stdout.lines().count(), 3);
    assert_eq!(neighbours, (6, 0));
    refused.expect_code(11);
    assert_eq!(all.expect_code(0).stdout.lines().count(), 4);
    assert_eq!(count(&rig), (2, 0));
    rig.check("a.txt2", b"two");
}

#[test]
fn a_version_that_is_locked_stays_and_is_named_and_nothing_older_comes_to_light() {
    let rig = Rig::with_bucket(&json!({"ObjectLockEnabledForBucket": true}));
    let lock = ["--lock-mode", "compliance", "--lock-until", "2999-03-01T12:00:00Z"];
    rig.put("a.txt", b"locked", &lock).expect_code(0);
    rig.put("a.txt", b"newer", &["--overwrite"]).expect_code(0);

    let run = rig.run(&["rm", &rig.uri("a.txt"), "--versions"]);

    run.expect_code(3);
    assert!(run.stderr.contains("it is locked until 2999-03-01T12:00:00Z"), "{}", run.stderr);
    assert!(run.stderr.contains("would come to light"), "{}", run.stderr);
    assert_eq!(count(&rig), (2, 0));
    rig.check("a.txt", b"newer");
}
