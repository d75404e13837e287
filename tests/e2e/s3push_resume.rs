//! `devops-s3push` uploads that break off, and what goes on with them.

use std::fs;

use devops_e2e::{Run, Running, finish, names_in};
use devops_fakes::s3::Entry;
use rustix::process::Signal;

use crate::s3push::{LONG, MIB, S3TestEnv, bytes, json_lines};

/// Five parts of the usual size.
const SIZE: usize = 33 * MIB;
const PUT: [&str; 3] = ["put", "a.bin", "s3://backups"];

pub(crate) fn journals(setting: &S3TestEnv) -> Vec<String> {
    let folder = setting.env.home().join(".local/state/devops/s3push");
    if folder.exists() { names_in(&folder) } else { Vec::new() }
}

fn taken(log: &[Entry]) -> Vec<u32> {
    let is_taken = |entry: &&Entry| entry.operation == "UploadPart" && entry.status == Some(200);
    let mut taken: Vec<u32> = log.iter().filter(is_taken).filter_map(|entry| entry.part).collect();
    taken.sort_unstable();
    taken
}

/// Returns whether an upload was aborted: after a signal the tool does not wait long for the answer.
pub(crate) fn is_aborted(log: &[Entry]) -> bool {
    log.iter().any(|entry| entry.operation == "AbortMultipartUpload" && entry.status.is_some())
}

/// Starts a put that hangs at this part, and waits until all others are there.
fn stuck_at(setting: &S3TestEnv, part: u32, args: &[&str]) -> Running {
    setting.server.faults(&[&format!("UploadPart:stall:part={part}:always")]);
    let before = taken(&setting.server.log()).len();
    let put = setting.start(args);
    let others =
        |log: &[Entry]| taken(log).len() >= before + 4 && log.iter().any(|e| e.part == Some(part));
    assert!(setting.server.wait_for(others, LONG), "the other parts never came");
    put
}

/// Ends a put that hangs, and lets everything go well from then on.
fn end(setting: &S3TestEnv, put: Running, signal: Signal) -> Run {
    put.signal(signal);
    let run = put.finish();
    setting.server.clear_faults();
    assert!(setting.server.wait_until_idle(LONG));
    run
}

/// Checks that the object is there, each part was sent once, and nothing is left over.
fn check(setting: &S3TestEnv) {
    assert!(setting.object("a.bin") == bytes(SIZE));
    assert_eq!(taken(&setting.server.log()), [1, 2, 3, 4, 5]);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
    assert_eq!(journals(setting), [""; 0]);
}

#[test]
fn a_put_killed_at_any_part_goes_on_and_sends_no_finished_part_again() {
    for part in 1..=5 {
        let setting = S3TestEnv::new();
        setting.file("a.bin", SIZE);
        let put = stuck_at(&setting, part, &PUT);
        end(&setting, put, Signal::KILL).expect_code(137);
        assert_eq!(setting.server.keys("backups"), [""; 0]);

        let run = setting.run(&PUT);

        run.expect_code(0);
        assert!(run.stderr.contains("Going on with the upload of "), "{}", run.stderr);
        assert!(run.stdout.contains("proof full"), "{}", run.stdout);
        check(&setting);
    }
}

#[test]
fn a_put_killed_at_its_completion_goes_on_and_sends_nothing() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", SIZE);
    setting.server.faults(&["CompleteMultipartUpload:stall:always"]);
    let put = setting.start(&PUT);
    let completing = |log: &[Entry]| log.iter().any(|e| e.operation == "CompleteMultipartUpload");
    assert!(setting.server.wait_for(completing, LONG));
    end(&setting, put, Signal::KILL).expect_code(137);

    let run = setting.run(&[&PUT[..], &["--json"]].concat());

    run.expect_code(0);
    let events = json_lines(&run.stdout);
    let resumed = events.iter().find(|event| event["type"] == "resumed").expect("it goes on");
    assert_eq!((&resumed["parts"], &resumed["size"]), (&5.into(), &SIZE.into()));
    let object = events.iter().find(|event| event["type"] == "object").expect("an object");
    assert_eq!((&object["bytes_sent"], &object["parts"]), (&0.into(), &5.into()));
    check(&setting);
}

#[test]
fn an_interrupted_put_says_how_to_go_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let setting = S3TestEnv::new();
        setting.file("a.bin", SIZE);
        let put = stuck_at(&setting, 3, &PUT);

        let run = end(&setting, put, signal);

        run.expect_code(code);
        assert_eq!(setting.server.keys("backups"), [""; 0]);
        let id = journals(&setting)[0].trim_end_matches(".jsonl").to_owned();
        let hint =
            format!("hint: go on with the same command, or with `devops-s3push resume {id}`");
        assert!(run.stderr.contains(&hint), "{}", run.stderr);
        setting.run(&["resume", &id]).expect_code(0);
        check(&setting);
    }
}

#[test]
fn a_put_that_is_not_to_be_resumed_is_aborted() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", SIZE);
    let args = [&PUT[..], &["--no-resume"]].concat();
    let put = stuck_at(&setting, 3, &args);

    let run = end(&setting, put, Signal::TERM);

    run.expect_code(143);
    assert!(!run.stderr.contains("resume"), "{}", run.stderr);
    assert!(setting.server.wait_for(is_aborted, LONG));
    assert_eq!(setting.server.pending_uploads("backups"), 0);
    assert_eq!(journals(&setting), [""; 0]);
    setting.run(&[&args[..], &["--restart"]].concat()).expect_code(2);
}

#[test]
fn a_source_that_was_changed_is_put_anew_and_not_resumed() {
    for command in [&PUT[..], &["sync", "tree", "s3://backups/"]] {
        let setting = S3TestEnv::new();
        setting.file("tree/a.bin", SIZE);
        let args: Vec<_> =
            command.iter().map(|&arg| if arg == "a.bin" { "tree/a.bin" } else { arg }).collect();
        let put = stuck_at(&setting, 3, &args);
        end(&setting, put, Signal::KILL);
        let path = setting.env.write("tree/a.bin", vec![7; SIZE]);

        let resumed = setting.run(&["resume"]);
        let anew = setting.run(&args);

        resumed.expect_code(11);
        let changed = format!(
            "`{}` is not what it was when its upload to `s3://backups/a.bin` began",
            path.display()
        );
        let refusal = format!(
            "error: {changed}\nhint: `put` or `sync` of it aborts that upload and begins anew\n"
        );
        assert!(resumed.stderr.ends_with(&refusal), "{}", resumed.stderr);
        anew.expect_code(0);
        let told = format!(
            "warning: aborting what an earlier run sent to s3://backups/a.bin, and beginning anew: {changed}\n"
        );
        assert!(anew.stderr.contains(&told), "{}", anew.stderr);
        assert!(setting.object("a.bin") == vec![7; SIZE]);
        assert_eq!(setting.server.pending_uploads("backups"), 0);
        assert_eq!(journals(&setting), [""; 0]);
    }
}

#[test]
fn two_processes_do_not_send_the_same_file() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", SIZE);
    let put = stuck_at(&setting, 3, &PUT);

    let second = setting.run(&PUT);
    let dropped = setting.run(&["resume", "--drop"]);

    second.expect_code(75);
    assert!(second.stderr.contains("error: another process is uploading `"), "{}", second.stderr);
    dropped.expect_code(75);
    end(&setting, put, Signal::KILL);
    setting.run(&PUT).expect_code(0);
    check(&setting);
}

#[test]
fn none_of_several_is_a_failure_and_a_single_one_keeps_its_own_code() {
    let setting = S3TestEnv::new();
    for name in ["a.bin", "b.bin"] {
        setting.file(name, SIZE);
        let put = stuck_at(&setting, 3, &["put", name, "s3://backups"]);
        end(&setting, put, Signal::KILL);
        fs::remove_file(setting.env.path(name)).unwrap();
    }
    let summary = |run: &Run| json_lines(&run.stdout).pop().expect("a summary");

    let both = setting.run(&["resume", "--json"]);
    let id = setting.run(&["resume", "--dry-run"]).stdout[..12].to_owned();
    let one = setting.run(&["resume", &id, "--json"]);

    both.expect_code(1);
    assert!(both.stderr.contains("none of 2 files was stored"), "{}", both.stderr);
    assert_eq!(summary(&both)["failed"].as_array().map(Vec::len), Some(2));
    one.expect_code(5);
    assert_eq!(summary(&one)["failed"][0]["kind"], "not_found");
}

#[test]
fn resume_goes_on_with_all_and_names_what_it_cannot() {
    let setting = S3TestEnv::new();
    for name in ["a.bin", "b.bin"] {
        setting.file(name, SIZE);
        let put = stuck_at(&setting, 3, &["put", name, "s3://backups"]);
        end(&setting, put, Signal::KILL);
    }
    fs::remove_file(setting.env.path("b.bin")).unwrap();

    let shown = setting.run(&["resume", "--dry-run"]);
    let elsewhere = setting.run(&["resume", "--endpoint-url", "http://127.0.0.1:1"]);
    let run = setting.run(&["resume"]);
    let again = setting.run(&["resume"]);
    let given_up = setting.run(&["resume", "--drop"]);

    shown.expect_code(0);
    assert_eq!(shown.stdout.lines().count(), 2);
    assert!(shown.stdout.contains("/a.bin to s3://backups/a.bin (33.0 MiB)"), "{}", shown.stdout);
    elsewhere.expect_code(0);
    assert_eq!(elsewhere.stderr, "no upload to http://127.0.0.1:1 is unfinished\n");
    run.expect_code(3);
    assert!(run.stderr.contains("b.bin` was not stored: failed to read"), "{}", run.stderr);
    again.expect_code(5);
    given_up.expect_code(0);
    assert!(given_up.stdout.starts_with("dropped "), "{}", given_up.stdout);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
    assert_eq!(journals(&setting), [""; 0]);
    assert!(setting.object("a.bin") == bytes(SIZE));
    setting.run(&["resume"]).expect_code(0);
    setting.run(&["resume", "0123456789ab"]).expect_code(5);
}

#[test]
fn an_upload_that_cannot_be_dropped_is_named() {
    let setting = S3TestEnv::new();
    for name in ["a.bin", "b.bin"] {
        setting.file(name, SIZE);
        let put = stuck_at(&setting, 3, &["put", name, "s3://backups"]);
        end(&setting, put, Signal::KILL);
    }
    setting.server.faults(&["AbortMultipartUpload:denied:times=3"]);

    let some = setting.run(&["resume", "--drop"]);
    let one = setting.run(&["resume", "--drop"]);
    let rest = setting.run(&["resume", "--drop"]);

    some.expect_code(1);
    assert_eq!(
        some.stderr.matches(" was not dropped: AbortMultipartUpload: AccessDenied").count(),
        2
    );
    one.expect_code(3);
    assert_eq!(one.stdout.lines().count(), 1);
    rest.expect_code(0);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
    assert_eq!(journals(&setting), [""; 0]);
}

#[test]
fn uploads_leaves_alone_what_can_be_resumed() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", SIZE);
    let put = stuck_at(&setting, 3, &PUT);
    end(&setting, put, Signal::KILL);
    let abort = ["uploads", "abort", "s3://backups", "--older-than", "0s"];

    let listed = setting.run(&["uploads", "list", "s3://backups"]);
    let left = setting.run(&abort);
    let pending = setting.server.pending_uploads("backups");
    let aborted = setting.run(&[&abort[..], &["--resumable"]].concat());
    let put = stuck_at(&setting, 3, &PUT);
    end(&setting, put, Signal::KILL);
    fs::remove_file(setting.env.path("a.bin")).unwrap();
    let orphan = setting.run(&abort);

    orphan.expect_code(0);
    assert!(orphan.stdout.contains("a.bin"), "{}", orphan.stdout);
    assert!(listed.stdout.contains("  (resume "), "{}", listed.stdout);
    left.expect_code(0);
    assert_eq!((left.stdout.as_str(), pending), ("", 1));
    aborted.expect_code(0);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
    assert_eq!(journals(&setting), [""; 0]);
}

#[test]
fn a_tree_goes_on_where_it_stopped() {
    let setting = S3TestEnv::new();
    setting.file("tree/a.bin", SIZE);
    setting.file("tree/b.txt", 10);
    let args = ["put", "tree", "s3://backups"];
    let put = stuck_at(&setting, 3, &args);
    let small =
        |log: &[Entry]| log.iter().any(|e| e.operation == "PutObject" && e.status.is_some());
    assert!(setting.server.wait_for(small, LONG));
    end(&setting, put, Signal::TERM).expect_code(143);

    setting.run(&args).expect_code(0);

    check(&setting);
    assert_eq!(setting.server.count("PutObject"), 1);
}

#[test]
fn a_host_without_a_place_for_the_journal_is_warned_and_puts_all_the_same() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", SIZE);
    let warning = ": an interrupted upload is aborted";

    let file = setting.env.write("no-folder", "");
    let mut nowhere = setting.command(&PUT);
    let nowhere = finish(nowhere.env("XDG_STATE_HOME", file));
    let mut homeless = setting.command(&[&PUT[..], &["--overwrite"]].concat());
    let homeless = finish(homeless.env_remove("HOME").env_remove("XDG_STATE_HOME"));
    // A limit for files is the full disk that anybody can make.
    let tool = setting.command(&[]);
    let mut full = setting.env.program("sh");
    full.args(["-c", r#"ulimit -f 0; exec "$0" put a.bin s3://backups --overwrite"#]);
    full.arg(tool.get_program());
    full.envs(tool.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let full = finish(&mut full);

    for run in [nowhere, homeless, full] {
        run.expect_code(0);
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    }
    assert!(setting.object("a.bin") == bytes(SIZE));
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_signal_ends_every_phase() {
    for operation in
        ["HeadObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
    {
        let setting = S3TestEnv::new();
        setting.file("a.bin", SIZE);
        setting.server.faults(&[&format!("{operation}:stall:always")]);
        let put = setting.start(&PUT);
        let asked = |log: &[Entry]| log.iter().any(|entry| entry.operation == operation);
        assert!(setting.server.wait_for(asked, LONG), "{operation}");

        end(&setting, put, Signal::INT).expect_code(130);

        setting.run(&PUT).expect_code(0);
        assert!(setting.object("a.bin") == bytes(SIZE), "{operation}");
    }
}
