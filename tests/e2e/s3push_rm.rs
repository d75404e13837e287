//! `devops-s3push rm` and `prune`.

use crate::s3push::{S3TestEnv, json_lines};

#[test]
fn rm_removes_what_is_named_and_nothing_where_anything_is_amiss() {
    let setting = S3TestEnv::new();
    for key in ["a.txt", "logs/1", "logs/2", "logs-old/3"] {
        setting.server.put("backups", key, b"12345");
    }

    let missing = setting.run(&["rm", "s3://backups/a.txt", "s3://backups/lost"]);
    let folder = setting.run(&["rm", "s3://backups/logs/"]);
    let recursive = ["rm", "s3://backups/logs", "--recursive"];
    let refused = setting.run(&[&recursive[..], &["--max-delete", "1"]].concat());
    let planned = setting.run(&[&recursive[..], &["--dry-run"]].concat());
    assert_eq!(setting.server.keys("backups").len(), 4);
    let done = setting.run(&[&recursive[..], &["--max-delete", "2", "--json"]].concat());
    let one = setting.run(&["rm", "s3://backups/a.txt"]);

    missing.expect_code(5);
    assert!(missing.stderr.contains("no object `s3://backups/lost`"), "{}", missing.stderr);
    folder.expect_code(2);
    assert!(folder.stderr.contains("hint: pass --recursive"), "{}", folder.stderr);
    refused.expect_code(11);
    assert!(refused.stderr.contains("2 would be removed"), "{}", refused.stderr);
    planned.expect_code(0);
    assert_eq!(
        planned.stdout,
        "would remove s3://backups/logs/1\nwould remove s3://backups/logs/2\n"
    );
    done.expect_code(0);
    let lines = json_lines(&done.stdout);
    assert_eq!((&lines[0]["type"], &lines[0]["key"]), (&"removed".into(), &"logs/1".into()));
    assert_eq!((&lines[2]["removed"], &lines[2]["bytes_freed"]), (&2.into(), &10.into()));
    one.expect_code(0);
    assert_eq!(one.stdout, "removed s3://backups/a.txt\n");
    assert_eq!(setting.server.keys("backups"), ["logs-old/3"]);
}

#[test]
fn a_delete_marker_is_not_sold_as_a_deletion_and_a_locked_version_is_named() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    setting.server.keep_versions("backups");
    let lock = ["--lock-mode", "governance", "--lock-until", "2999-03-01T12:00:00Z"];
    setting.run(&[&["put", "a.txt", "s3://backups/a.txt"][..], &lock].concat()).expect_code(0);

    let hidden = setting.run(&["rm", "s3://backups/a.txt"]);
    let locked = setting.run(&["rm", "s3://backups/a.txt", "--versions"]);

    hidden.expect_code(0);
    assert_eq!(hidden.stdout, "hid s3://backups/a.txt\n");
    assert!(hidden.stderr.contains("their versions stay"), "{}", hidden.stderr);
    locked.expect_code(3);
    assert!(locked.stderr.contains("it is locked until 2999-03-01T12:00:00Z"), "{}", locked.stderr);
    assert_eq!(setting.server.versions("backups").len(), 2);
}

#[test]
fn prune_shows_its_reasons_and_then_does_the_same() {
    let setting = S3TestEnv::new();
    setting.env.write("source/a", "1");
    for _ in 0..3 {
        setting.env.run("devops-backup", ["create", "source", "made"]).expect_code(0);
    }
    setting.run(&["put", "made", "s3://backups/daily/"]).expect_code(0);
    let prune = |args: &[&str]| setting.run(&[&["prune", "s3://backups/daily/"], args].concat());

    let empty = prune(&[]);
    let planned = prune(&["--keep-last", "1", "--keep-within", "1s", "--dry-run"]);
    let refused = prune(&["--keep-last", "1", "--max-delete", "1"]);
    assert_eq!(setting.server.keys("backups").len(), 3);
    let done = prune(&["--keep-last", "1", "--json"]);

    empty.expect_code(2);
    assert!(empty.stderr.contains("`--keep-`"), "{}", empty.stderr);
    planned.expect_code(0);
    assert!(planned.stdout.contains("one of the last, within 1s"), "{}", planned.stdout);
    assert!(planned.stderr.contains("would keep"), "{}", planned.stderr);
    refused.expect_code(11);
    done.expect_code(0);
    let lines = json_lines(&done.stdout);
    assert_eq!((&lines[0]["type"], &lines[0]["action"]), (&"archive".into(), &"keep".into()));
    assert_eq!(lines[0]["reasons"], serde_json::json!(["one of the last"]));
    assert_eq!((&lines[3]["kept"], &lines[3]["removed"]), (&1.into(), &2.into()));
    assert_eq!(setting.server.keys("backups").len(), 1);
}

#[test]
fn a_prune_refuses_to_remove_too_much_and_names_what_does_not_count() {
    let setting = S3TestEnv::new();
    setting.env.write("source/a", "1");
    for _ in 0..12 {
        setting.env.run("devops-backup", ["create", "source", "made"]).expect_code(0);
    }
    setting.run(&["put", "made", "s3://backups/daily/"]).expect_code(0);
    let begun = "daily/backup-2026-01-01.tar.gz.age";
    setting.server.put("backups", begun, b"age-encryption.org/v1\n");
    let prune = |args: &[&str]| {
        let fixed = ["prune", "s3://backups/daily/", "--keep-last", "1"];
        setting.run(&[&fixed[..], args].concat())
    };

    let refused = prune(&[]);
    let dry = prune(&["--dry-run"]);
    assert_eq!(setting.server.keys("backups").len(), 13);
    let done = prune(&["--max-delete", "11"]);

    for refused in [&refused, &dry] {
        refused.expect_code(11);
        assert!(refused.stderr.contains("`--max-delete 11`"), "{}", refused.stderr);
    }
    done.expect_code(3);
    let said = "does not count: it is cut off or damaged";
    assert!(
        done.stdout.lines().any(|line| line.contains(begun) && line.contains(said)),
        "{}",
        done.stdout
    );
    assert_eq!(setting.server.keys("backups").len(), 2);
}

#[test]
fn a_prune_of_another_name_is_an_error_that_names_what_is_there() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "h/shop-2026-11-01.tar.gz", b"x");

    let run = setting.run(&["prune", "s3://backups/h/", "--keep-last", "2"]);

    run.expect_code(5);
    assert_eq!(
        run.stderr,
        "error: there is no archive named `backup` in `s3://backups/h/`, but archives named `shop`\n\
         hint: pass the --name of the archives, or another folder\n"
    );
}

#[test]
fn a_put_with_the_rules_of_a_prune_sends_nothing_that_it_removes() {
    let setting = S3TestEnv::new();
    setting.env.write("source/a", "1");
    for _ in 0..4 {
        setting.env.run("devops-backup", ["create", "source", "made"]).expect_code(0);
    }
    let rules = ["--keep-last", "2"];
    let put = ["put", "made", "s3://backups/daily/", "--json"];

    let dry = setting.run(&[&put[..], &rules, &["--dry-run"]].concat());
    let first = setting.run(&[&put[..], &rules].concat());
    let pruned = setting.run(&[&["prune", "s3://backups/daily/"], &rules[..]].concat());
    let again = setting.run(&[&put[..], &["--newest", "2"]].concat());
    let told = setting.run(&["put", "made", "s3://backups/daily/", "--newest", "1"]);
    let single = setting.run(&[
        "put",
        "source/a",
        "s3://backups/daily/",
        "--newest",
        "1",
        "--keep-last",
        "1",
    ]);

    let counts = |run: &devops_e2e::Run| {
        let summary = json_lines(run.expect_code(0).stdout.as_str()).pop().expect("a summary");
        (summary["stored"].as_u64(), summary["unchanged"].as_u64(), summary["unselected"].as_u64())
    };
    assert_eq!(counts(&dry), (None, Some(0), Some(2)));
    assert_eq!(counts(&first), (Some(2), Some(0), Some(2)));
    assert!(pruned.expect_code(0).stderr.contains("kept 2, removed 0"), "{}", pruned.stderr);
    assert_eq!(counts(&again), (Some(0), Some(2), Some(2)));
    told.expect_code(0);
    assert!(told.stderr.contains("Leaving out 3 of 4 files, by --newest\n"), "{}", told.stderr);
    single.expect_code(0);
    setting.run(&["put", "made", "s3://backups/daily/", "--newest", "0"]).expect_code(2);
}
