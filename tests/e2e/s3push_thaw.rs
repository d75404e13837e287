//! `devops-s3push` with objects in archives, as a user runs it.

use std::fs;

use serde_json::json;

use crate::{
    s3push::{S3TestEnv, json_lines},
    s3push_base::Home,
};

/// A prefix with an object in each of two archives, and one that can be read.
fn cold() -> S3TestEnv {
    let setting = S3TestEnv::new();
    for key in ["w/deep", "w/cold", "w/warm"] {
        setting.server.put("backups", key, b"12345");
    }
    setting.server.archive("backups", "w/deep", "DEEP_ARCHIVE");
    setting.server.archive("backups", "w/cold", "GLACIER");
    setting
}

#[test]
fn a_prefix_is_thawed_and_each_step_has_its_exit_code() {
    let setting = cold();
    let thaw = |args: &[&str]| setting.run(&[&["thaw", "s3://backups/w/"], args].concat());

    let planned = thaw(&["--dry-run"]);
    let before = thaw(&["--status"]);
    assert_eq!(setting.server.count("RestoreObject"), 0);
    let asked = thaw(&["--tier", "bulk", "--days", "2", "--json"]);
    let again = thaw(&[]);
    let late = thaw(&["--wait", "1s"]);
    setting.server.finish_restores("backups");
    let after = thaw(&["--status", "--json"]);
    let waited = thaw(&["--wait", "1s", "--days", "1"]);

    planned.expect_code(0);
    let mut lines: Vec<_> = planned.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "would ask for: s3://backups/w/cold (5 B, GLACIER)",
            "would ask for: s3://backups/w/deep (5 B, DEEP_ARCHIVE)",
        ]
    );
    assert!(planned.stderr.contains("2 would be asked for (10 B), 1 can be read"));
    before.expect_code(10);
    assert!(before.stdout.contains("archived: s3://backups/w/cold"), "{}", before.stdout);
    asked.expect_code(0);
    let summary = json_lines(&asked.stdout).pop().expect("a summary");
    assert_eq!((&summary["asked"], &summary["readable"]), (&json!(2), &json!(1)));
    again.expect_code(0);
    assert!(again.stdout.contains("thawing: s3://backups/w/deep"), "{}", again.stdout);
    assert_eq!(setting.server.count("RestoreObject"), 2);
    late.expect_code(75);
    assert!(late.stderr.contains("2 objects cannot be read yet"), "{}", late.stderr);
    after.expect_code(0);
    let first = &json_lines(&after.stdout)[0];
    assert_eq!((&first["type"], &first["state"]), (&json!("status"), &json!("thawed")));
    assert!(first["until"].as_str().is_some_and(|until| until.ends_with("T00:00:00Z")), "{first}");
    waited.expect_code(0);
    setting.run(&["get", "s3://backups/w/", "out"]).expect_code(0);
}

#[test]
fn what_needs_no_thawing_or_cannot_be_thawed_is_told_apart() {
    let setting = cold();
    let thaw = |args: &[&str]| setting.run(&[&["thaw"], args].concat());

    let warm = thaw(&["s3://backups/w/warm"]);
    let no_quick = thaw(&["s3://backups/w/", "--tier", "expedited"]);
    setting.server.faults(&["RestoreObject:no-expedited:always"]);
    setting.server.archive("backups", "w/cold", "GLACIER");
    let no_room = thaw(&["s3://backups/w/cold", "--tier", "expedited"]);

    warm.expect_code(0);
    assert_eq!(warm.stdout, "not archived: s3://backups/w/warm (5 B)\n");
    no_quick.expect_code(3);
    assert!(no_quick.stdout.contains("asked for: s3://backups/w/cold"), "{}", no_quick.stdout);
    assert!(
        no_quick.stderr.contains("there is no expedited retrieval from DEEP_ARCHIVE"),
        "{}",
        no_quick.stderr
    );
    no_room.expect_code(75);
    assert!(no_room.stderr.contains("hint: choose --tier standard"), "{}", no_room.stderr);
    thaw(&["s3://backups/lost"]).expect_code(5);
    thaw(&["s3://backups/lost/"]).expect_code(5);
    thaw(&["s3://backups/w/cold", "--days", "0"]).expect_code(2);
    thaw(&["s3://backups/w/cold", "--tier", "quick"]).expect_code(2);
    thaw(&["s3://backups/w/cold", "--exclude", "x"]).expect_code(2);
    thaw(&["s3://backups/w/cold", "--wait", "1s", "--status"]).expect_code(2);
}

#[test]
fn who_needs_an_archived_object_is_told_what_brings_it_back() {
    let setting = cold();
    setting.env.write("cold", "12345");

    let one = setting.run(&["get", "s3://backups/w/cold", "elsewhere"]);
    let many = setting.run(&["get", "s3://backups/w/", "out"]);
    let shallow = setting.run(&["verify", "cold", "s3://backups/w/cold"]);
    let deep = setting.run(&["verify", "cold", "s3://backups/w/cold", "--deep"]);
    setting.env.write("w/cold", "12345");
    setting.env.write("w/warm", "12345");
    let deep_of_many = setting.run(&["verify", "w", "s3://backups/w/", "--deep"]);

    shallow.expect_code(0);
    for run in [one, deep] {
        run.expect_code(1);
        let hint = "hint: it is archived: let `devops-s3push thaw s3://backups/w/cold` bring it";
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    many.expect_code(3);
    assert_eq!(fs::read(setting.env.path("out/warm")).expect("it was fetched"), b"12345");
    assert!(many.stderr.contains("`s3://backups/w/deep` was not fetched"), "{}", many.stderr);
    assert!(many.stderr.contains("`devops-s3push thaw s3://backups/w/`"), "{}", many.stderr);
    deep_of_many.expect_code(3);
    assert!(deep_of_many.stdout.starts_with("OK: s3://backups/w/warm"), "{}", deep_of_many.stdout);
    assert!(deep_of_many.stderr.contains("`s3://backups/w/cold` cannot be compared"));
}

#[test]
fn an_archive_is_not_made_of_one_that_is_archived() {
    let home = Home::new();
    let second = (home.archive(1), home.archive(2)).1;
    home.put("backups/home-2026-11-01.tar.gz", "s3://backups", &["--storage-class", "GLACIER"])
        .expect_code(0);
    let base = "s3://backups/home-2026-11-01.tar.gz";
    let archive = second.to_str().expect("UTF-8");

    let named = home.setting.run(&["put", archive, "s3://backups", "--base", base]);

    named.expect_code(0);
    assert!(named.stderr.contains(&format!("`devops-s3push thaw {base}`")), "{}", named.stderr);
    assert!(named.stderr.contains("Sending all of"), "{}", named.stderr);
    home.check("home-2026-11-02.tar.gz", &second);
}
