//! `devops-s3push` with buckets and versions: the way back to what was there.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use devops_e2e::finish;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::s3push::{S3TestEnv, json_lines};

/// Returns the present, when it is past for a store that tells milliseconds.
fn now() -> String {
    let now = SystemTime::now();
    while now.elapsed().is_ok_and(|elapsed| elapsed < Duration::from_millis(2)) {
        std::thread::yield_now();
    }
    OffsetDateTime::from(now).format(&Rfc3339).expect("a time")
}

/// A setting with a bucket that keeps versions.
fn with_versions() -> S3TestEnv {
    let setting = S3TestEnv::new();
    setting.server.keep_versions("backups");
    setting
}

impl S3TestEnv {
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.env.path(path)).expect("a file")
    }

    fn listed(&self, args: &[&str]) -> Vec<Value> {
        json_lines(&self.run(&[args, &["--json"]].concat()).expect_code(0).stdout)
    }
}

#[test]
fn what_was_overwritten_or_deleted_comes_back() {
    let setting = with_versions();
    for (key, content) in [("p/a", "one"), ("p/b", "kept"), ("p/c/d", "gone")] {
        setting.server.put("backups", key, content.as_bytes());
    }
    let then = now();
    setting.server.put("backups", "p/a", b"two");
    setting.server.put("backups", "p/new", b"new");
    setting.run(&["rm", "s3://backups/p/c/d"]).expect_code(0);

    let versions = setting.listed(&["list", "s3://backups/p/", "--versions"]);
    let id = versions[1]["version_id"].as_str().expect("an id");
    let one = setting.run(&["get", "s3://backups/p/a", "one", "--version-id", id]);
    let before = setting.run(&["get", "s3://backups/p/a", "-", "--at", &then]);
    let tree = setting.run(&["get", "s3://backups/p/", "tree", "--at", &then]);
    let never = setting.run(&["get", "s3://backups/p/new", ".", "--at", &then]);
    let early = setting.run(&["get", "s3://backups/p/", "early", "--at", "2020-01-01"]);

    let facts = |version: &Value| {
        let is = |name: &str| version[name].as_bool().expect("a bool");
        (version["key"].as_str().expect("a key").to_owned(), is("latest"), is("delete_marker"))
    };
    let facts: Vec<_> = versions.iter().map(facts).collect();
    let wanted = [
        ("p/a", true, false),
        ("p/a", false, false),
        ("p/b", true, false),
        ("p/c/d", true, true),
        ("p/c/d", false, false),
        ("p/new", true, false),
    ];
    assert_eq!(facts, wanted.map(|(key, latest, marker)| (key.to_owned(), latest, marker)));
    one.expect_code(0);
    assert_eq!(setting.read("one"), "one");
    let marker = versions[3]["version_id"].as_str().expect("an id");
    for to in ["marker", "-"] {
        let marker = setting.run(&["get", "s3://backups/p/c/d", to, "--version-id", marker]);
        marker.expect_code(5);
        assert!(marker.stderr.contains("is a delete marker"), "{}", marker.stderr);
        assert!(marker.stderr.contains("list s3://backups/p/c/d --versions"), "{}", marker.stderr);
    }
    assert!(one.stdout.contains(&format!("s3://backups/p/a?versionId={id} to ")), "{}", one.stdout);
    assert_eq!(before.expect_code(0).stdout, "one");
    tree.expect_code(0);
    assert_eq!(
        ["a", "b", "c/d"].map(|name| setting.read(&format!("tree/{name}"))),
        ["one", "kept", "gone"]
    );
    assert!(!setting.env.path("tree/new").exists());
    for nothing in [never, early] {
        nothing.expect_code(5);
        assert!(
            nothing.stderr.contains("there was nothing at `s3://backups/p/"),
            "{}",
            nothing.stderr
        );
    }
}

#[test]
fn undelete_removes_the_markers_and_nothing_else() {
    let setting = with_versions();
    for key in ["p/a", "p/b", "p/c.log", "q"] {
        setting.server.put("backups", key, key.as_bytes());
    }
    setting.run(&["rm", "s3://backups/p", "--recursive"]).expect_code(0);
    setting.run(&["rm", "s3://backups/p/a"]).expect_code(5);
    setting.run(&["rm", "s3://backups/q"]).expect_code(0);
    let undelete = |args: &[&str]| setting.run(&[&["undelete"], args].concat());

    let dry = undelete(&["s3://backups/p", "--recursive", "--dry-run"]);
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    let folder = undelete(&["s3://backups/p/", "--recursive", "--exclude", "*.log"]);
    let again = undelete(&["s3://backups/p/a"]);
    let refused = undelete(&["s3://backups/p/"]);
    let missing = undelete(&["s3://backups/none"]);
    setting.server.faults(&["DeleteObjects:denied", "DeleteObject:denied"]);
    let denied = undelete(&["s3://backups/q", "--json"]);
    let n_versions = setting.server.versions("backups").len();
    setting.server.clear_faults();
    // As a store does that lists another marker, or none.
    setting.server.faults(&["HeadObject:not-found"]);
    let hidden = undelete(&["s3://backups/q"]);

    assert_eq!(dry.expect_code(0).stdout.matches("would undelete s3://backups/p/").count(), 3);
    assert_eq!(folder.expect_code(0).stdout.matches("Undeleted s3://backups/p/").count(), 2);
    assert_eq!(setting.server.keys("backups"), ["p/a", "p/b", "q"]);
    assert_eq!(setting.object("p/a"), b"p/a");
    again.expect_code(0);
    assert_eq!(again.stderr, "s3://backups/p/a is not deleted\n");
    refused.expect_code(2);
    missing.expect_code(5);
    denied.expect_code(77);
    let summary = json_lines(&denied.stdout).pop().expect("a summary");
    assert_eq!((&summary["type"], &summary["undeleted"]), (&"summary".into(), &0.into()));
    let failed = &summary["failed"][0];
    assert_eq!((&failed["key"], &failed["kind"]), (&"q".into(), &"permission".into()));
    assert_eq!(json_lines(&denied.stderr).pop().expect("an error")["code"], 77);
    assert_eq!(n_versions, 6);
    hidden.expect_code(1);
    assert_eq!(hidden.stdout, "");
    assert!(hidden.stderr.contains("the store still has no object there"), "{}", hidden.stderr);
}

#[test]
fn a_bucket_without_versions_knows_the_present_alone() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "p/a", b"one");

    let at = setting.run(&["get", "s3://backups/p/", "out", "--at", "0s"]);
    let one = setting.run(&["get", "s3://backups/p/a", ".", "--at", "0s"]);
    let both = setting.run(&["get", "s3://backups/p/a", ".", "--at", "0s", "--version-id", "x"]);
    let prefix = setting.run(&["get", "s3://backups/p/", ".", "--version-id", "x"]);

    let id = setting.run(&["get", "s3://backups/p/a", ".", "--version-id", "x"]);
    let list = setting.run(&["list", "s3://backups/p/", "--versions"]);
    let back = setting.run(&["undelete", "s3://backups/p/none"]);
    let all = setting.run(&["undelete", "s3://backups/p/", "--recursive"]);

    for (run, code) in [(at, 1), (one, 1), (id, 5), (list, 0), (back, 5), (all, 0)] {
        run.expect_code(code);
        assert!(run.stderr.contains("versioning is off in `backups`"), "{}", run.stderr);
    }
    both.expect_code(2);
    prefix.expect_code(2);
    assert!(!setting.env.path("out").exists());
}

#[test]
fn a_bucket_is_made_and_listed_by_level_and_in_sum() {
    let setting = S3TestEnv::new();
    let list = |args: &[&str]| setting.run(&[&["list", "s3://made/"], args].concat());

    let made = setting.run(&["mb", "s3://made"]);
    setting.run(&["mb", "s3://made/prefix"]).expect_code(2);
    for key in ["a", "b/c", "b/d/e", "f/g"] {
        setting.server.put("made", key, b"12345");
    }
    let level = list(&["--delimiter", "/", "--summarize"]);
    let deeper = setting.run(&["list", "s3://made/b/", "--delimiter", "/", "--json"]);
    let sum = list(&["--summarize"]);

    made.expect_code(0);
    assert_eq!(made.stdout, "Made bucket s3://made\n");
    let last_words = |text: &str| {
        let word = |line: &str| line.rsplit("  ").next().unwrap_or_default().to_owned();
        text.lines().map(word).collect::<Vec<_>>()
    };
    let total = "total: 2 prefixes, 1 object, 5 B";
    assert_eq!(last_words(&level.expect_code(0).stdout), ["a", "b/", "f/", total]);
    assert!(level.stdout.contains("       PRE  b/\n"), "{}", level.stdout);
    let kinds: Vec<_> = json_lines(&deeper.expect_code(0).stdout)
        .iter()
        .map(|line| line["type"].as_str().expect("a type").to_owned())
        .collect();
    assert_eq!(kinds, ["object", "prefix"]);
    assert_eq!(sum.expect_code(0).stdout.lines().last(), Some("total: 4 objects, 20 B"));
}

#[test]
fn a_folder_is_mirrored_down_with_the_guards_of_a_mirror_up() {
    let setting = S3TestEnv::new();
    for (key, content) in [("w/a", "new"), ("w/b/c", "missing"), ("w/same", "same")] {
        setting.server.put("backups", key, content.as_bytes());
    }
    for (name, content) in [("a", "old"), ("gone", "x"), ("same", "same")] {
        setting.env.write(format!("site/{name}"), content);
    }
    setting.env.write("other/gone", "x");
    let sync = ["sync", "s3://backups/w/", "site", "--delete"];

    let dry = setting.run(&[&sync[..], &["--dry-run"]].concat());
    let kept = setting.read("site/gone");
    let real = setting.run(&[&sync[..], &["--json"]].concat());
    let again = setting.listed(&sync);
    let apart = setting.run(&["sync", "s3://backups/w/", "other", "--delete", "--max-delete", "9"]);
    let empty = setting.run(&["sync", "s3://backups/none/", "site"]);

    let mut lines: Vec<_> = dry.expect_code(0).stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "would delete site/gone",
            "would get s3://backups/w/b/c to site/b/c (7 B)",
            "would leave site/same (4 B, unchanged)",
            "would replace site/a with s3://backups/w/a (3 B)",
        ]
    );
    assert_eq!(kept, "x");
    let summary = json_lines(&real.expect_code(0).stdout).pop().expect("a summary");
    assert_eq!(
        (&summary["fetched"], &summary["unchanged"], &summary["deleted"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(
        ["a", "b/c", "same"].map(|name| setting.read(&format!("site/{name}"))),
        ["new", "missing", "same"]
    );
    assert!(!setting.env.path("site/gone").exists());
    assert_eq!(again.last().map(|summary| summary["unchanged"].clone()), Some(3.into()));
    apart.expect_code(11);
    assert!(apart.stderr.contains("hint: is the folder mounted"), "{}", apart.stderr);
    empty.expect_code(5);
    assert_eq!(setting.read("other/gone"), "x");
    std::os::unix::fs::symlink("nowhere", setting.env.path("site/link")).expect("a link");
    fs::create_dir(setting.env.path("site/empty")).expect("a folder");
    for args in [&sync[..], &[&sync[..], &["--dry-run"]].concat()] {
        let left = setting.run(args);
        left.expect_code(3);
        for words in ["kept `site/link`: a symbolic link", "`site/empty` is an empty folder"] {
            assert!(left.stderr.contains(words), "{}", left.stderr);
        }
    }
    fs::remove_file(setting.env.path("site/link")).expect("it is removed");
    for flag in
        [&["--sse", "AES256"][..], &["--tag=a=b"], &["--follow-symlinks"], &["--no-restart"]]
    {
        let refused = setting.run(&[&sync[..], flag].concat());
        assert!(refused.expect_code(2).stderr.contains("is for objects that are stored"));
    }
    let mut quiet = setting.command(&sync);
    quiet.env("DEVOPS_S3PUSH_SSE", "AES256").env("DEVOPS_S3PUSH_RESTART", "1");
    finish(&mut quiet).expect_code(0);
    setting.run(&["sync", "site", "other"]).expect_code(2);
    setting.run(&["sync", "s3://backups/w/", "s3://backups/x/"]).expect_code(2);
}

#[test]
fn objects_are_copied_and_moved_without_passing_here() {
    let setting = S3TestEnv::new();
    for key in ["p/a", "p/b/c", "p/b/d.log"] {
        setting.server.put("backups", key, key.as_bytes());
    }
    setting.server.put("other", "q/b/c", b"taken");

    let one = setting.run(&["cp", "s3://backups/p/a", "s3://other/"]);
    let dry = setting.run(&["copy", "s3://backups/p/", "s3://other/q/", "--dry-run"]);
    let some = setting.run(&["copy", "s3://backups/p/", "s3://other/q/", "--exclude", "*.log"]);
    let moved = setting.run(&["move", "s3://backups/p/", "s3://other/q/", "--overwrite", "--json"]);
    let inside = setting.run(&["move", "s3://other/q/", "s3://other/q/deeper/"]);
    let missing = setting.run(&["copy", "s3://backups/p/a", "s3://other/x"]);
    for (into, dry_run) in
        [("s3://other/q/a", false), ("s3://other/q/", false), ("s3://other/q/", true)]
    {
        for command in ["copy", "move"] {
            let args = [command, "s3://other/q/a", into, "--overwrite", "--dry-run"];
            let itself = setting.run(&args[..if dry_run { 5 } else { 4 }]);
            itself.expect_code(2);
            assert!(
                itself.stderr.contains("is both what is copied and where to"),
                "{}",
                itself.stderr
            );
        }
    }

    let file = setting.run(&["cp", "a.txt", "s3://other/"]);
    assert!(file.expect_code(2).stderr.contains("`put` stores files"), "{}", file.stderr);
    assert_eq!(
        one.expect_code(0).stdout,
        "Copied s3://backups/p/a to s3://other/a (3 B, proof full)\n"
    );
    assert_eq!(dry.expect_code(3).stdout.matches("would copy s3://backups/p/").count(), 2);
    assert!(dry.stderr.contains("`s3://backups/p/b/c` would not be copied: "), "{}", dry.stderr);
    some.expect_code(3);
    assert!(some.stderr.contains("`s3://backups/p/b/c` was not copied: "), "{}", some.stderr);
    let summary = json_lines(&moved.expect_code(0).stdout).pop().expect("a summary");
    assert_eq!((&summary["moved"], &summary["failed"]), (&3.into(), &serde_json::json!([])));
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    assert_eq!(setting.server.keys("other"), ["a", "q/a", "q/b/c", "q/b/d.log"]);
    assert_eq!(setting.server.object("other", "q/b/c").expect("it").bytes(), b"p/b/c");
    inside.expect_code(2);
    missing.expect_code(5);
    assert_eq!(setting.server.count("GetObject"), 0);
}

#[test]
fn a_dry_run_of_a_copy_looks_at_both_objects() {
    let setting = S3TestEnv::new();
    for (key, content) in [("a", "one"), ("same", "one"), ("other", "two"), ("p/a", "one")] {
        setting.server.put("backups", key, content.as_bytes());
    }
    let dry = |command: &str, from: &str, to: &str, more: &[&str]| {
        let (from, to) = (format!("s3://backups/{from}"), format!("s3://backups/{to}"));
        setting.run(&[&[command, &from, &to, "--dry-run"], more].concat())
    };

    for command in ["copy", "move"] {
        for (from, to, more, wanted) in [
            (
                "a",
                "new",
                &[][..],
                Ok(format!("would {command} s3://backups/a to s3://backups/new (3 B)")),
            ),
            ("a", "other", &[], Err(1)),
            (
                "a",
                "other",
                &["--if-changed"],
                Ok(format!(
                    "would {command} s3://backups/a to s3://backups/other (3 B, replaces what is there)"
                )),
            ),
            ("none", "new", &[], Err(5)),
            ("p", "new", &[], Err(5)),
        ] {
            let run = dry(command, from, to, more);
            match wanted {
                Ok(line) => assert_eq!(run.expect_code(0).stdout, line + "\n"),
                Err(code) => assert_eq!(run.expect_code(code).stdout, ""),
            }
            assert_eq!(run.stderr.contains("end the prefix with a slash"), from == "p");
        }
    }
    let left = dry("copy", "a", "same", &[]);
    assert_eq!(left.expect_code(0).stdout, "would leave s3://backups/same (3 B, unchanged)\n");
    let gone = dry("move", "a", "same", &[]);
    assert_eq!(
        gone.expect_code(0).stdout,
        "would move s3://backups/a to s3://backups/same (3 B, the same content is there)\n"
    );
    for operation in ["CopyObject", "DeleteObject", "GetObject"] {
        assert_eq!(setting.server.count(operation), 0);
    }
}

#[test]
fn a_move_to_the_same_content_is_a_move_everywhere() {
    let setting = S3TestEnv::new();
    for key in ["p/a", "p/b", "q/a", "r", "s"] {
        setting.server.put("backups", key, b"one");
    }
    let moved = |args: &[&str]| setting.run(&[&["move"], args].concat());

    let text = moved(&["s3://backups/r", "s3://backups/s"]);
    let dry = moved(&["s3://backups/p/", "s3://backups/q/", "--dry-run", "--json"]);
    let real = moved(&["s3://backups/p/", "s3://backups/q/", "--json"]);

    assert_eq!(
        text.expect_code(0).stdout,
        "Moved s3://backups/r to s3://backups/s (3 B, proof full)\n"
    );
    let mut planned = json_lines(&dry.expect_code(0).stdout);
    let summary = planned.pop().expect("a summary");
    assert_eq!((&summary["planned"], &summary["unchanged"]), (&2.into(), &0.into()));
    assert!(planned.iter().all(|plan| plan["action"] == "move"), "{planned:?}");
    let mut objects = json_lines(&real.expect_code(0).stdout);
    let summary = objects.pop().expect("a summary");
    assert_eq!(
        (&summary["moved"], &summary["unchanged"], &summary["bytes_copied"]),
        (&2.into(), &0.into(), &3.into())
    );
    objects.sort_by_key(|object| object["key"].to_string());
    let facts = |object: &Value| (object["outcome"].clone(), object["bytes_copied"].clone());
    assert_eq!(
        objects.iter().map(facts).collect::<Vec<_>>(),
        [("moved".into(), 0.into()), ("moved".into(), 3.into())]
    );
    assert_eq!(setting.server.keys("backups"), ["q/a", "q/b", "s"]);
}

#[test]
fn what_is_below_a_prefix_goes_up_a_level() {
    let setting = S3TestEnv::new();
    for key in ["old/a", "old/b/c"] {
        setting.server.put("backups", key, key.as_bytes());
    }
    let up = |args: &[&str]| {
        setting.run(&[&["move", "s3://backups/old/", "s3://backups/"], args].concat())
    };

    up(&[]).expect_code(0);
    assert_eq!(setting.server.keys("backups"), ["a", "b/c"]);
    assert_eq!(setting.object("b/c"), b"old/b/c");

    for key in ["old/x", "old/old/x"] {
        setting.server.put("backups", key, key.as_bytes());
    }
    for args in [&[][..], &["--overwrite"], &["--dry-run"]] {
        let refused = up(args);
        refused.expect_code(2);
        assert!(refused.stderr.contains("would take the place of `s3://backups/old/x`"));
    }
    assert_eq!(setting.server.keys("backups"), ["a", "b/c", "old/old/x", "old/x"]);
    up(&["--exclude", "old/**"]).expect_code(0);
    up(&[]).expect_code(0);
    assert_eq!(setting.server.keys("backups"), ["a", "b/c", "old/x", "x"]);
    assert_eq!(
        (setting.object("x"), setting.object("old/x")),
        (b"old/x".into(), b"old/old/x".into())
    );
}

#[test]
fn a_bucket_that_is_there_is_not_made_again() {
    let setting = S3TestEnv::new();

    let own = setting.run(&["mb", "s3://backups", "--json"]);
    for name in ["Backups", "a_b", "192.168.1.1", "ab-"] {
        let bad = setting.run(&["mb", &format!("s3://{name}")]);
        let words = format!("`{name}` is no name for a bucket");
        assert!(bad.expect_code(2).stderr.contains(&words), "{}", bad.stderr);
    }
    let n_asked = setting.server.count("CreateBucket");
    // As a store answers that has the bucket of someone else, or tells less.
    setting.server.faults(&["HeadBucket:denied:always"]);
    let hidden = setting.run(&["mb", "s3://others"]);

    assert_eq!(json_lines(&own.expect_code(0).stdout)[0]["made"], false);
    assert_eq!(n_asked, 0);
    assert_eq!(hidden.expect_code(0).stdout, "Made bucket s3://others\n");
}
