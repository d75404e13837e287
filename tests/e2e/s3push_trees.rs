//! `devops-s3push` with many files and objects at once, as a user runs it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::{Duration, SystemTime},
};

use devops_e2e::{names_in, wait_until};
use rustix::process::Signal;
use serde_json::Value;

use crate::s3push::{MIB, S3TestEnv, bytes, json_lines};

fn last(text: &str) -> Value {
    json_lines(text).pop().expect("a summary")
}

#[test]
fn a_put_replaces_what_is_another_and_leaves_what_is_the_same() {
    let setting = S3TestEnv::new();
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

/// A folder `site` with three files, and a prefix with one that is the same, one that is not and one more.
fn differing() -> S3TestEnv {
    let setting = S3TestEnv::new();
    for (name, content) in [("a.txt", "same"), ("b.txt", "new"), ("c/d.txt", "x")] {
        setting.env.write(format!("site/{name}"), content);
    }
    for (key, content) in [("w/a.txt", "same"), ("w/b.txt", "old"), ("w/gone.txt", "y")] {
        setting.server.put("backups", key, content.as_bytes());
    }
    setting
}

#[test]
fn a_sync_says_what_it_would_do_does_it_and_then_finds_nothing_to_do() {
    let setting = differing();
    let sync = ["sync", "site", "s3://backups/w/", "--delete"];

    let dry = setting.run(&[&sync[..], &["--dry-run"]].concat());
    let before = setting.server.keys("backups");
    let real = setting.run(&[&sync[..], &["--json"]].concat());
    let again = setting.run(&[&sync[..], &["--json"]].concat());

    dry.expect_code(0);
    let mut lines: Vec<_> = dry.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "would delete s3://backups/w/gone.txt (1 B)",
            "would leave s3://backups/w/a.txt (4 B, unchanged)",
            "would put site/c/d.txt to s3://backups/w/c/d.txt (1 B)",
            "would replace s3://backups/w/b.txt with site/b.txt (3 B)",
        ]
    );
    assert_eq!(before.len(), 3);
    real.expect_code(0);
    let summary = last(&real.stdout);
    let counts = ["stored", "unchanged", "deleted"].map(|name| summary[name].clone());
    assert_eq!(counts, [2, 1, 1].map(Value::from));
    assert_eq!(setting.server.keys("backups"), ["w/a.txt", "w/b.txt", "w/c/d.txt"]);
    assert_eq!(setting.object("w/b.txt"), b"new");
    again.expect_code(0);
    assert_eq!(
        (&last(&again.stdout)["stored"], &last(&again.stdout)["deleted"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn a_sync_that_looks_like_a_mistake_changes_nothing() {
    let setting = differing();
    fs::create_dir(setting.env.path("empty")).expect("a folder");
    let sync = |args: &[&str]| setting.run(&[&["sync"], args].concat());

    setting.env.write("unmounted/.keep", "");
    let empty = sync(&["empty", "s3://backups/w/", "--delete", "--max-delete", "9"]);
    let unmounted = sync(&["unmounted", "s3://backups/w/", "--delete", "--max-delete", "9"]);

    empty.expect_code(11);
    assert!(empty.stderr.contains("the folder has no files"), "{}", empty.stderr);
    unmounted.expect_code(11);
    assert!(
        unmounted.stderr.contains("no object has a file in the folder"),
        "{}",
        unmounted.stderr
    );
    assert!(unmounted.stderr.contains("hint: is the folder mounted"), "{}", unmounted.stderr);
    sync(&["site", "s3://backups/w/", "--delete", "--max-delete", "0"]).expect_code(11);
    sync(&["missing", "s3://backups/w/", "--delete", "--max-delete", "9"]).expect_code(5);
    sync(&["site", "s3://backups/w", "--delete"]).expect_code(2);
    sync(&["site", "s3://backups/w/", "--max-delete", "9"]).expect_code(2);
    assert_eq!(setting.server.keys("backups"), ["w/a.txt", "w/b.txt", "w/gone.txt"]);
    assert_eq!(setting.server.count("PutObject"), 0);
}

#[test]
fn a_listing_that_lacks_what_is_stored_deletes_nothing() {
    for before in [Some("new"), None] {
        let setting = differing();
        setting.env.write("site/B.txt", "new");
        if let Some(old) = before {
            setting.server.put("backups", "w/B.txt", old.as_bytes());
        }
        setting.server.faults(&["ListObjectsV2:hide=w/B.txt:always"]);

        let run = setting.run(&["sync", "site", "s3://backups/w/", "--delete", "--json"]);

        run.expect_code(11);
        assert!(
            run.stderr.contains("`s3://backups/w/B.txt` is stored, and the listing"),
            "{}",
            run.stderr
        );
        let summary = last(&run.stdout);
        assert_eq!((&summary["deleted"], &summary["failed"]), (&0.into(), &serde_json::json!([])));
        assert_eq!(setting.object("w/gone.txt"), b"y");
        assert_eq!(setting.object("w/B.txt"), b"new");
    }
}

#[test]
fn nothing_is_deleted_when_not_everything_was_stored() {
    let setting = differing();
    symlink("a.txt", setting.env.path("site/link")).expect("a link");
    setting.server.put("backups", "w/link", b"kept");
    setting.server.faults(&["PutObject:conflict:always"]);

    let failed = setting.run(&["sync", "site", "s3://backups/w/", "--delete"]);
    setting.server.clear_faults();
    let skipped = setting.run(&["sync", "site", "s3://backups/w/", "--delete"]);

    failed.expect_code(3);
    assert!(failed.stderr.contains("nothing is deleted"), "{}", failed.stderr);
    skipped.expect_code(3);
    assert!(skipped.stdout.contains("Deleted s3://backups/w/gone.txt (1 B)"), "{}", skipped.stdout);
    assert_eq!(setting.object("w/link"), b"kept");
}

#[test]
fn the_objects_under_a_prefix_become_files_in_a_folder() {
    let setting = S3TestEnv::new();
    for (key, content) in [("w/a", "1"), ("w/b/c", "2"), ("w/f/", "4"), ("w/../x", "3")] {
        setting.server.put("backups", key, content.as_bytes());
    }
    let get = ["get", "s3://backups/w/", "out"];

    let dry = setting.run(&[&get[..], &["--dry-run"]].concat());
    let is_dry = !setting.env.path("out").exists();
    let first = setting.run(&get);
    let again = setting.run(&[&get[..], &["--json", "--exclude", "f", "--exclude", "x"]].concat());
    setting.env.write("out/a", "other");
    let refused = setting.run(&[&get[..], &["--include", "a"]].concat());

    dry.expect_code(3);
    assert!(is_dry && dry.stdout.contains("would get s3://backups/w/a to out/a (1 B)"));
    first.expect_code(3);
    assert_eq!(first.stdout.matches("Downloaded s3://backups/w/").count(), 2);
    assert_eq!(first.stderr.matches("skipped `s3://backups/w/").count(), 2);
    let read = |name: &str| fs::read(setting.env.path(name)).expect("a file");
    assert_eq!((read("out/a"), read("out/b/c")), (b"other".to_vec(), b"2".to_vec()));
    again.expect_code(0);
    assert_eq!(last(&again.stdout)["unchanged"], 2);
    refused.expect_code(1);
    setting.run(&["get", "s3://backups/nothing/", "out"]).expect_code(5);
}

#[test]
fn an_object_in_an_archive_is_said_to_be_there() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "w/cold", b"x");
    setting.server.put("backups", "w/warm", b"y");
    setting.server.faults(&["GetObject:archived"]);

    let one = setting.run(&["get", "s3://backups/w/cold", "."]);
    setting.server.faults(&["GetObject:archived"]);
    let of_many = setting.run(&["get", "s3://backups/w/", "out"]);

    one.expect_code(1);
    assert!(one.stderr.contains("InvalidObjectState"), "{}", one.stderr);
    assert!(one.stderr.contains("hint: it is archived"), "{}", one.stderr);
    of_many.expect_code(3);
    assert_eq!(names_in(&setting.env.path("out")).len(), 1);
}

#[test]
fn a_get_that_was_killed_goes_on_where_it_stopped() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "large", &bytes(20 * MIB));
    setting.server.faults(&["GetObject:stall:after=1:always"]);
    let journal = setting.env.path(".large.s3get-journal");
    let get = ["get", "s3://backups/large", "."];

    let running = setting.start(&get);
    wait_until("a range is there", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("range"))
    });
    let meanwhile = setting.run(&get);
    running.signal(Signal::KILL);
    running.finish();
    setting.server.clear_faults();
    let n_before = setting.server.count("GetObject");
    let mode = fs::metadata(setting.env.path(".large.s3get-part")).expect("it is there").mode();
    let again = setting.run(&get);

    meanwhile.expect_code(75);
    assert_eq!(mode & 0o777, 0o600);
    again.expect_code(0);
    assert!(again.stderr.contains("Going on with s3://backups/large: "), "{}", again.stderr);
    assert_eq!(setting.server.count("GetObject") - n_before, 2);
    assert!(fs::read(setting.env.path("large")).expect("the file") == bytes(20 * MIB));
    assert_eq!(
        names_in(&setting.env.path(".")).iter().filter(|name| name.contains("s3get")).count(),
        0
    );
}

#[test]
fn markers_of_folders_become_folders_and_empty_folders_are_named() {
    let setting = S3TestEnv::new();
    for marker in ["p/", "p/sub/", "p/deep/er/"] {
        setting.server.put("backups", marker, b"");
    }
    setting.server.put("backups", "p/sub/f", b"1");
    setting.server.put("backups", "q/full/", b"not a marker");

    let markers = setting.run(&["get", "s3://backups/p/", "got"]);
    let content = setting.run(&["get", "s3://backups/q/", "other"]);

    markers.expect_code(0);
    assert!(setting.env.path("got/deep/er").is_dir());
    assert_eq!(fs::read(setting.env.path("got/sub/f")).unwrap(), b"1");
    content.expect_code(3);
    assert!(content.stderr.contains("q/full/`: its key ends with `/`"), "{}", content.stderr);

    for command in ["put", "sync"] {
        let up = setting.run(&[command, "got", "s3://backups/up/", "--exclude", "none"]);
        up.expect_code(0);
        assert!(up.stderr.contains("`got/deep/er` is an empty folder"), "{}", up.stderr);
        assert!(!up.stderr.contains("got/sub` is"), "{}", up.stderr);
    }
}

#[test]
fn a_file_whose_size_hides_its_content_is_not_stored_as_an_empty_one() {
    let setting = S3TestEnv::new();
    setting.env.write("d/a", "");
    symlink("/proc/cpuinfo", setting.env.path("d/cpuinfo")).unwrap();

    let alone = setting.run(&["put", "/proc/cpuinfo", "s3://backups/c"]);
    let tree = setting.run(&["put", "d", "s3://backups/", "--follow-symlinks"]);

    alone.expect_code(1);
    assert!(alone.stderr.contains("has no bytes, and has some"), "{}", alone.stderr);
    assert!(alone.stderr.contains("put - s3://"), "{}", alone.stderr);
    tree.expect_code(3);
    assert_eq!(setting.server.keys("backups"), ["a"]);
}

#[test]
fn modes_and_times_go_up_and_come_back_on_request() {
    let setting = S3TestEnv::new();
    let file = setting.env.write("tree/bin/run", "#!/bin/sh\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4750)).unwrap();
    let large = setting.file("tree/large", 11 << 20);
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_584_097_909, 123_000_000);
    for path in [&file, &large] {
        fs::File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }
    let times = |path: &str| fs::metadata(setting.env.path(path)).unwrap().modified().unwrap();
    let mode = |path: &str| fs::metadata(setting.env.path(path)).unwrap().mode() & 0o7777;

    setting.run(&["put", "tree", "s3://backups/t/", "--preserve"]).expect_code(0);
    setting.run(&["get", "s3://backups/t/", "back", "--preserve"]).expect_code(0);
    setting.run(&["get", "s3://backups/t/", "plain"]).expect_code(0);
    let one = ["get", "s3://backups/t/bin/run", "one", "--preserve", "--mode", "600"];
    setting.run(&one).expect_code(0);

    let metadata = setting.server.object("backups", "t/bin/run").unwrap().metadata().clone();
    assert_eq!(metadata["mtime"], "1584097909.123");
    assert_eq!(metadata["mode"], "104750");
    assert_eq!(metadata["s3cmd-attrs"], "mode:35304/mtime:1584097909");
    assert_eq!((times("back/bin/run"), times("back/large"), times("one")), (then, then, then));
    assert_ne!(times("plain/bin/run"), then);
    assert_eq!((mode("back/bin/run"), mode("one")), (0o750, 0o600));
    assert_ne!(mode("plain/bin/run"), 0o750);
    let stream = setting.run(&["put", "-", "s3://backups/s", "--preserve"]);
    stream.expect_code(2);
}
