//! `devops-s3push` with many files and objects at once, as a user runs it.

use std::fs;

use serde_json::Value;

use crate::s3push::{Setting, json_lines};

fn last(text: &str) -> Value {
    json_lines(text).pop().expect("a summary")
}

#[test]
fn a_put_replaces_what_is_another_and_leaves_what_is_the_same() {
    let setting = Setting::new();
    setting.env.write("site/a.txt", "same");
    setting.env.write("site/b.txt", "new");
    setting.server.put("backups", "w/a.txt", b"same");
    setting.server.put("backups", "w/b.txt", b"old");
    let put = ["put", "site", "s3://backups/w/", "--if-changed"];

    let first = setting.run(&[&put[..], &["--json"]].concat());
    let again = setting.run(&put);

    first.expect_code(0);
    let summary = last(&first.stdout);
    assert_eq!((&summary["stored"], &summary["unchanged"]), (&1.into(), &1.into()));
    again.expect_code(0);
    assert_eq!(again.stdout.matches("Unchanged: s3://backups/w/").count(), 2);
    assert_eq!(setting.object("w/b.txt"), b"new");
    setting.run(&[&put[..], &["--overwrite"]].concat()).expect_code(2);
    setting.run(&["put", "-", "s3://backups/x", "--if-changed"]).expect_code(2);
    fs::remove_dir_all(setting.env.path("site")).expect("the folder goes");
    setting.run(&put).expect_code(5);
}
