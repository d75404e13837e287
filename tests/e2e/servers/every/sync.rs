//! A folder and a prefix that are made the same.

use crate::servers::{
    client::store,
    rig::{MIB, Rig, bytes, event},
};

#[test]
fn a_second_sync_sends_nothing_and_a_change_is_all_that_a_third_sends() {
    let rig = Rig::new();
    rig.env.write("site/a.txt", "same");
    rig.env.write("site/sub/ü b+c.txt", "odd");
    rig.env.write("site/empty", "");
    rig.env.write("site/large.bin", bytes(18 * MIB));
    let sync = ["sync", "site", &rig.uri("w/"), "--json"];
    let counts = |run: &devops_e2e::Run| {
        let summary = event(run, "summary");
        [&summary["stored"], &summary["unchanged"], &summary["bytes_sent"]]
            .map(|n| n.as_u64().unwrap())
    };
    let size = 18 * MIB as u64;

    let first = rig.run(&sync);
    let second = rig.run(&sync);
    // Of the same size, so that only the content tells.
    rig.env.write("site/a.txt", "SAME");
    let third = rig.run(&sync);
    let mut changed = bytes(18 * MIB);
    changed[9 * MIB] ^= 1;
    rig.env.write("site/large.bin", &changed);
    let fourth = rig.run(&sync);
    let last = rig.run(&sync);

    assert_eq!(counts(first.expect_code(0)), [4, 0, size + 7]);
    assert_eq!(counts(second.expect_code(0)), [0, 4, 0]);
    assert_eq!(counts(third.expect_code(0)), [1, 3, 4]);
    assert_eq!(counts(fourth.expect_code(0)), [1, 3, size]);
    assert_eq!(counts(last.expect_code(0)), [0, 4, 0]);
    rig.check("w/a.txt", b"SAME");
    rig.check("w/large.bin", &changed);
    rig.check("w/empty", b"");
    rig.check("w/sub/ü b+c.txt", b"odd");
}

#[test]
fn what_somebody_else_stored_is_known_by_its_content() {
    let rig = Rig::new();
    rig.env.write("site/a.txt", "same");
    rig.env.write("site/b.txt", "new");
    store(&rig.bucket, "a.txt", b"same");
    store(&rig.bucket, "b.txt", b"old");

    let run = rig.run(&["sync", "site", &rig.uri(""), "--json"]);

    let summary = event(run.expect_code(0), "summary");
    assert_eq!((&summary["stored"], &summary["unchanged"]), (&1.into(), &1.into()));
    rig.check("b.txt", b"new");
}

#[test]
fn what_has_no_file_is_deleted_only_when_asked_and_only_within_the_limit() {
    let rig = Rig::new();
    rig.env.write("site/a.txt", "a");
    for key in ["w/gone 1", "w/gone+2", "w/gone/3", "beside"] {
        store(&rig.bucket, key, b"x");
    }
    let sync = ["sync", "site", &rig.uri("w/")];
    let with = |flags: &[&str]| rig.run(&[&sync[..], flags].concat());

    with(&[]).expect_code(0);
    let without = rig.keys().len();
    let refused = with(&["--delete", "--max-delete", "2"]);
    let dry = with(&["--delete", "--dry-run"]);
    let before = rig.keys().len();
    let done = with(&["--delete", "--max-delete", "3"]);

    assert_eq!((without, before), (5, 5));
    refused.expect_code(11);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    assert_eq!(dry.expect_code(0).stdout.matches("would delete ").count(), 3);
    assert_eq!(done.expect_code(0).stdout.matches("Deleted ").count(), 3);
    assert_eq!(rig.keys(), ["beside", "w/a.txt"]);
    std::fs::remove_file(rig.env.path("site/a.txt")).unwrap();
    with(&["--delete"]).expect_code(11);
    assert_eq!(rig.keys(), ["beside", "w/a.txt"]);
}
