//! What `devops-s3push` says to people and to programs when something is amiss or left out.

use std::{fs, os::unix::fs::symlink};

use devops_e2e::{Run, finish, names_in, without_root};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::s3push::{S3TestEnv, json_lines};

fn last(run: &Run) -> Value {
    json_lines(&run.stdout).pop().expect("there is an event")
}

/// Returns the key, kind and message of each object that a summary names as failed.
fn failed(summary: &Value) -> Vec<(String, String)> {
    assert_eq!(summary["type"], "summary", "{summary}");
    let text = |object: &Value, name: &str| object[name].as_str().unwrap().to_owned();
    let failed = summary["failed"].as_array().expect("a list").iter();
    failed.map(|object| (text(object, "key"), text(object, "kind"))).collect()
}

#[test]
fn every_put_that_began_ends_in_a_summary_that_names_what_failed() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "new");
    setting.server.put("backups", "a.txt", b"old");
    setting.server.put("backups", "s", b"old");
    let exists = |key: &str| vec![(key.to_owned(), "exists".to_owned())];

    let file = setting.run(&["put", "a.txt", "s3://backups", "--json"]);
    let stream = setting.env.path("a.txt");
    let stream = fs::File::open(stream).unwrap();
    let stream = finish(setting.command(&["put", "-", "s3://backups/s", "--json"]).stdin(stream));
    let from = ["put", "--json", "--from-command", "s3://backups/t", "--", "false"];
    let command = setting.run(&from);
    let missing = setting.run(&[&from[..5], &["no-such-command"]].concat());

    file.expect_code(1);
    assert_eq!(failed(&last(&file)), exists("a.txt"));
    assert_eq!(last(&file)["failed"][0]["path"], "a.txt");
    assert_eq!(last(&file)["failed"][0]["bucket"], "backups");
    stream.expect_code(1);
    assert_eq!(failed(&last(&stream)), exists("s"));
    command.expect_code(1);
    assert_eq!(failed(&last(&command)), [("t".to_owned(), "failed".to_owned())]);
    missing.expect_code(127);
    assert_eq!(failed(&last(&missing)), [("t".to_owned(), "command_not_found".to_owned())]);
}

#[test]
fn a_put_that_a_signal_ends_names_what_is_not_stored() {
    let setting = S3TestEnv::new();
    setting.env.write("tree/a", "a");
    setting.env.write("tree/b", "b");
    setting.server.faults(&["PutObject:stall:after=1:always"]);

    let mut put = setting.start(&["put", "tree", "s3://backups", "--json"]);
    put.wait_for(r#""type":"object""#);
    put.signal(Signal::TERM);
    let run = put.finish();

    run.expect_code(143);
    let summary = last(&run);
    assert_eq!(summary["stored"], 1);
    let kinds: Vec<_> = failed(&summary).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["interrupted"]);
}

#[test]
fn what_ends_a_whole_tree_is_named_for_each_file_that_was_not_stored() {
    let setting = S3TestEnv::new();
    for name in ["a", "b", "c"] {
        setting.env.write(format!("tree/{name}"), name);
    }
    setting.server.put("backups", "a", b"a");

    setting.server.faults(&["PutObject:denied:always"]);
    let denied = setting.run(&["put", "tree", "s3://backups", "--json"]);

    denied.expect_code(77);
    let summary = last(&denied);
    let mut failed = failed(&summary);
    failed.sort();
    let permission = |key: &str| (key.to_owned(), "permission".to_owned());
    assert_eq!(failed, [permission("b"), permission("c")]);
    assert_eq!((&summary["stored"], &summary["unchanged"]), (&0.into(), &1.into()));
}

#[test]
fn what_is_skipped_is_in_the_json_of_a_dry_run_and_of_a_comparison() {
    let setting = S3TestEnv::new();
    setting.env.write("tree/a.txt", "a");
    setting.env.write("tree/b.txt", "b");
    symlink("a.txt", setting.env.path("tree/link")).unwrap();
    setting.server.put("backups", "a.txt", b"a");
    let skipped = json!([{"path": "tree/link", "reason": "a symbolic link"}]);

    let planned = setting.run(&["put", "tree", "s3://backups", "--dry-run", "--json"]);
    let compared = setting.run(&["verify", "tree", "s3://backups/", "--json"]);

    planned.expect_code(3);
    let summary = last(&planned);
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["skipped"], skipped);
    assert_eq!((&summary["planned"], &summary["unchanged"]), (&1.into(), &1.into()));
    assert_eq!(summary["dry_run"], true);
    compared.expect_code(10);
    let summary = last(&compared);
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["skipped"], skipped);
    assert_eq!((&summary["same"], &summary["missing"]), (&1.into(), &1.into()));
}

#[test]
fn every_event_about_an_object_names_its_bucket() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 20 << 20);

    let run = setting.run(&["put", "a.bin", "s3://backups", "--json"]);

    run.expect_code(0);
    let events = json_lines(&run.stdout);
    assert!(events.iter().any(|event| event["type"] == "part"), "{}", run.stdout);
    for event in events.iter().filter(|event| event["key"].is_string()) {
        assert_eq!(event["bucket"], "backups", "{event}");
    }
}

#[test]
fn with_json_a_warning_is_an_object_too() {
    let setting = S3TestEnv::new();
    setting.env.write("tree/a.txt", "a");
    symlink("a.txt", setting.env.path("tree/link")).unwrap();

    let run = setting.run(&["put", "tree", "s3://backups", "--json"]);

    run.expect_code(3);
    let said = [
        json!({"type": "warning", "message": "skipped `tree/link`: a symbolic link"}),
        json!({"type": "warning", "message": "1 of 2 files was not stored"}),
    ];
    assert_eq!(json_lines(&run.stderr), said);
}

#[test]
fn a_bucket_that_does_not_exist_is_named_by_every_command() {
    let setting = S3TestEnv::new();
    setting.env.write("tree/a.txt", "a");
    let uri = "s3://nowhere/x";
    let prefix = "s3://nowhere/x/";
    let commands: [&[&str]; 23] = [
        &["put", "tree/a.txt", uri],
        &["put", "tree/a.txt", uri, "--dry-run"],
        &["put", "tree", prefix],
        &["put", "--from-command", uri, "--", "echo", "x"],
        &["get", uri, "x"],
        &["get", prefix, "x"],
        &["get", prefix, "x", "--at", "1d"],
        &["list", prefix],
        &["list", prefix, "--versions"],
        &["copy", uri, "s3://backups/x"],
        &["move", prefix, "s3://backups/x/"],
        &["undelete", uri],
        &["sync", prefix, "down"],
        &["verify", "tree/a.txt", uri],
        &["verify", "tree", prefix],
        &["rm", uri],
        &["rm", prefix, "--recursive"],
        &["prune", prefix, "--keep-last", "1"],
        &["sync", "tree", prefix],
        &["uploads", "list", prefix],
        &["uploads", "abort", prefix],
        &["thaw", uri],
        &["presign", uri],
    ];
    for command in commands {
        let run = setting.run(command);

        run.expect_code(5);
        let line = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(
            line.contains("the bucket `nowhere` does not exist"),
            "{command:?}: {}",
            run.stderr
        );
        assert_eq!(run.stdout, "", "{command:?}");
    }
    let lost = setting.run(&["rm", "s3://backups/x"]);
    lost.expect_code(5);
    assert!(lost.stderr.contains("no object `s3://backups/x`"), "{}", lost.stderr);
}

#[test]
fn a_receipt_that_cannot_be_written_is_noticed_before_anything_is_sent() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "a");
    fs::create_dir(setting.env.path("folder")).unwrap();
    for (flag, what) in [("--receipt", "receipt"), ("--metrics-file", "metrics file")] {
        let put = ["put", "a.txt", "s3://backups", flag];

        let missing = setting.run(&[&put[..], &["missing/r"]].concat());
        let folder = setting.run(&[&put[..], &["folder"]].concat());
        let mut denied = setting.command(&[&put[..], &["r"]].concat());
        let denied = finish(without_root(&mut denied));

        missing.expect_code(5);
        let words = format!(
            "error: the {what} could not be written\n  caused by: there is no folder `missing`"
        );
        assert!(missing.stderr.contains(&words), "{}", missing.stderr);
        assert_ne!(folder.code, 0);
        assert!(folder.stderr.contains("`folder`"), "{}", folder.stderr);
        denied.expect_code(77);
        assert!(denied.stderr.contains(what), "{}", denied.stderr);
    }
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    let args = ["put", "a.txt", "s3://backups", "--receipt", "r", "--metrics-file", "m"];
    setting.run(&args).expect_code(0);
    assert!(fs::read_to_string(setting.env.path("r")).unwrap().contains("a.txt"));
    assert!(setting.env.path("m").exists());
}

#[test]
fn a_file_whose_name_begins_with_a_dash_is_put_from_behind_the_dashes() {
    let setting = S3TestEnv::new();
    setting.env.write("-x", "dash");
    setting.env.write("-", "a file");
    let input = fs::File::open(setting.env.write("in", "the input")).unwrap();

    setting.run(&["put", "--", "-x", "s3://backups/"]).expect_code(0);
    setting.run(&["put", "in", "--", "-x", "s3://backups/both/"]).expect_code(0);
    setting.run(&["put", "./-", "s3://backups/file"]).expect_code(0);
    finish(setting.command(&["put", "--", "-", "s3://backups/input"]).stdin(input)).expect_code(0);
    let forgotten = setting.run(&["put", "s3://backups/s", "--", "echo", "x"]);
    let nowhere = setting.run(&["put", "--from-command", "--", "echo", "x"]);

    assert_eq!(setting.server.keys("backups"), ["-x", "both/-x", "both/in", "file", "input"]);
    assert_eq!(setting.object("-x"), b"dash");
    assert_eq!(setting.object("file"), b"a file");
    assert_eq!(setting.object("input"), b"the input");
    forgotten.expect_code(2);
    assert!(forgotten.stderr.contains("hint: pass --from-command"), "{}", forgotten.stderr);
    nowhere.expect_code(2);
    assert!(nowhere.stderr.contains("give the S3_URI before --"), "{}", nowhere.stderr);
}

#[test]
fn what_cannot_be_stored_or_kept_is_refused_before_any_request() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "a");
    let put = ["put", "a.txt", "s3://backups"];
    let stream = ["put", "--from-command", "s3://backups/s", "--part-size", "64MiB"];
    let stream = [&stream[..], &["--max-memory", "32MiB", "--", "touch", "ran"]].concat();
    for (args, said) in [
        ([&put[..], &["--metadata", "a b=1"]].concat(), "`a b` cannot be the name of a header"),
        ([&put[..], &["--metadata", "größe=1"]].concat(), "`größe` cannot be the name of a header"),
        ([&put[..], &["--metadata", "a=1\n2"]].concat(), "`a` has a control character"),
        ([&put[..], &["--content-type", ""]].concat(), "--content-type"),
        ([&put[..], &["--max-memory", "1MiB"]].concat(), "5.0 MiB"),
        (stream, "64.0 MiB is the least that works"),
    ] {
        let run = setting.run(&args);

        run.expect_code(2);
        assert!(run.stderr.contains(said), "{args:?}: {}", run.stderr);
    }
    assert!(!setting.env.path("ran").exists());
    assert!(setting.server.log().is_empty());
    setting.run(&[&put[..], &["--metadata", "x-y_z=größe"]].concat()).expect_code(0);
}

#[test]
fn a_base_that_is_not_there_is_named() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "a");
    setting.env.write("data/a", "a");
    setting.env.run("devops-backup", ["create", "data", "."]).expect_code(0);
    let archive =
        names_in(&setting.env.path("")).into_iter().find(|name| name.ends_with(".tar.gz"));
    let archive = archive.expect("an archive");
    for file in ["a.txt", &archive] {
        let run = setting.run(&["put", file, "s3://backups", "--base", "s3://backups/lost"]);

        run.expect_code(0);
        assert!(run.stderr.contains("`s3://backups/lost`"), "{}", run.stderr);
    }
}

#[test]
fn a_stream_that_is_too_long_is_not_given_a_length() {
    let setting = S3TestEnv::new();
    let put = |size: &str, flags: &[&str]| {
        let input = fs::File::open(setting.env.write("in", vec![b'x'; 100_000])).unwrap();
        let args = [&["put", "-", "s3://backups/s", "--expect-size", size][..], flags].concat();
        finish(setting.command(&args).stdin(input))
    };

    let (long, short) = (put("70000", &[]), put("123456", &[]));
    let spooled = put("70000", &["--spool", "."]);

    for run in [long, spooled] {
        run.expect_code(1);
        assert!(
            run.stderr.contains("`-` has more than 70000 bytes, expected 70000"),
            "{}",
            run.stderr
        );
    }
    short.expect_code(1);
    assert!(short.stderr.contains("`-` has 100000 bytes, expected 123456"), "{}", short.stderr);
}

#[test]
fn a_name_that_is_no_glob_is_a_file_that_is_not_there() {
    let setting = S3TestEnv::new();

    let no_glob = setting.run(&["put", "a[b.txt", "s3://backups"]);
    let no_match = setting.run(&["put", "a[b].txt", "s3://backups"]);

    no_glob.expect_code(5);
    assert!(no_glob.stderr.contains("`a[b.txt`"), "{}", no_glob.stderr);
    assert!(!no_glob.stderr.contains("glob"), "{}", no_glob.stderr);
    no_match.expect_code(5);
    assert!(no_match.stderr.contains("no file matches `a[b].txt`"), "{}", no_match.stderr);
}

#[test]
fn a_get_into_a_folder_that_is_missing_names_the_folder() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "k", b"x");
    for flags in [&["missing/file"][..], &["missing/file", "--dry-run"], &["missing/", "--dry-run"]]
    {
        let run = setting.run(&[&["get", "s3://backups/k"][..], flags].concat());

        run.expect_code(5);
        let words = "error: there is no folder `missing`\n";
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    setting.run(&["get", "s3://backups/k", "missing/too/"]).expect_code(0);
    assert_eq!(fs::read(setting.env.path("missing/too/k")).unwrap(), b"x");
}

#[test]
fn a_key_without_an_object_leads_to_what_is_there() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "host1/a", b"x");
    setting.env.write("host1/a", "x");
    setting.env.write("tree/a/b", "x");

    for (source, said) in [
        ("s3://backups/host1", "`s3://backups/host1/`"),
        ("s3://backups/host1/data-*.gz", "`s3://backups/host1/` with --include 'data-*.gz'"),
        ("s3://backups/*", "`s3://backups/` with --include '*'"),
    ] {
        for destination in ["new/", "-"] {
            let run = setting.run(&["get", source, destination]);
            run.expect_code(5);
            assert!(run.stderr.contains(said), "{}", run.stderr);
        }
    }
    let none = setting.run(&["get", "s3://backups/host2", "new/"]);
    assert!(!none.stderr.contains("hint:"), "{}", none.stderr);
    let onto_folder = setting.run(&["get", "s3://backups/host1/a", "tree/a"]);
    onto_folder.expect_code(0);
    let in_tree = setting.run(&["get", "s3://backups/host1/", "tree"]);
    in_tree.expect_code(1);
    assert!(in_tree.stderr.contains("a folder has that name"), "{}", in_tree.stderr);
}

#[test]
fn a_hint_that_many_files_share_is_given_once() {
    let setting = S3TestEnv::new();
    for name in ["a", "b", "c"] {
        setting.env.write(format!("tree/{name}"), "new");
        setting.server.put("backups", name, b"old");
    }

    let run = setting.run(&["put", "tree", "s3://backups"]);
    let json = setting.run(&["put", "tree", "s3://backups", "--json"]);

    run.expect_code(1);
    assert_eq!(run.stderr.matches("exists already").count(), 3, "{}", run.stderr);
    assert_eq!(run.stderr.matches("pass --overwrite to replace it").count(), 1, "{}", run.stderr);
    assert_eq!(last(&json)["failed"][2]["hint"], "pass --overwrite to replace it");
}

#[test]
fn that_nothing_is_there_is_said_unless_quiet_is_wanted() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a", b"a");
    let table: [(&[&str], &str); 2] = [
        (&["list", "s3://backups/none/"], "there is no object under `s3://backups/none/`\n"),
        (
            &["prune", "s3://backups/none/", "--keep-last", "1"],
            "there is no archive named `backup` in `s3://backups/none/`\n",
        ),
    ];
    for (args, line) in table {
        let told = setting.run(args);
        let quiet = setting.run(&[args, &["-q"]].concat());

        told.expect_code(0);
        assert!(told.stderr.contains(line), "{}", told.stderr);
        quiet.expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }
    assert_eq!(setting.run(&["list", "s3://backups/"]).stderr, "");
}

#[test]
fn a_program_reads_what_either_prune_would_remove_alike() {
    let setting = S3TestEnv::new();
    fs::create_dir(setting.env.path("here")).unwrap();
    for day in ["01", "02"] {
        let name = format!("backup-2026-11-{day}.tar.gz");
        setting.env.write("data/a", day);
        setting.env.run("devops-backup", ["create", "data", "out"]).expect_code(0);
        let made = names_in(&setting.env.path("out")).pop().expect("an archive");
        let archive = fs::read(setting.env.path("out").join(made)).unwrap();
        setting.env.write(format!("here/{name}"), &archive);
        setting.server.put("backups", &name, &archive);
    }
    let flags = ["--keep-last", "1", "--dry-run", "--json"];

    let here = setting.env.run("devops-backup", [&["prune", "here"][..], &flags].concat());
    let there = setting.run(&[&["prune", "s3://backups/"][..], &flags].concat());

    let size = setting.object("backup-2026-11-01.tar.gz").len();
    for (run, folder) in [(here, "here/"), (there, "s3://backups/")] {
        run.expect_code(0);
        let lines = json_lines(&run.stdout);
        let removed: Vec<_> = lines.iter().filter(|line| line["action"] == "remove").collect();
        let archive = format!("{folder}backup-2026-11-01.tar.gz");
        assert_eq!(removed.len(), 1, "{}", run.stdout);
        assert_eq!(removed[0]["archive"], archive.as_str());
        let summary = lines.last().expect("a summary");
        assert_eq!((&summary["to_remove"], &summary["kept"]), (&1.into(), &1.into()));
        assert_eq!(summary["bytes_to_free"], size, "{}", run.stdout);
        assert_eq!((&summary["removed"], &summary["bytes_freed"]), (&0.into(), &0.into()));
    }
}
