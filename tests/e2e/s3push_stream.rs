//! `devops-s3push put` of streams: from a command, by way of a spool, into several places.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use devops_e2e::{Run, Running, binaries::binary, finish, names_in, wait_until};
use devops_fakes::s3::Entry;
use rustix::process::Signal;

use crate::{
    s3push::{LONG, MIB, S3TestEnv, bytes, json_lines},
    s3push_resume::is_aborted,
};

/// Puts what a shell command writes under the key `s`.
fn put_from(setting: &S3TestEnv, script: &str, flags: &[&str]) -> Run {
    let put = ["put", "--from-command", "s3://backups/s"];
    setting.run(&[&put[..], flags, &["--", "sh", "-c", script]].concat())
}

fn assert_nothing_is_left(setting: &S3TestEnv) {
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_backup_is_put_while_it_is_made() {
    let setting = S3TestEnv::new();
    setting.file("home/a.bin", 20 * MIB);
    let backup = binary("devops-backup");
    let put = ["put", "--from-command", "s3://backups/home.tar.gz", "--"];
    let command = [backup.to_str().unwrap(), "create", "home", "-"];

    let run = setting.run(&[&put[..], &command[..]].concat());

    run.expect_code(0);
    assert!(
        run.stdout.starts_with("Upload Successful! s3://backups/home.tar.gz ("),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("proof full"), "{}", run.stdout);
    assert!(run.stderr.contains("2 entries, 20.0 MiB in"), "{}", run.stderr);
    setting.run(&["get", "s3://backups/home.tar.gz", "back.tar.gz"]).expect_code(0);
    setting.env.run("devops-backup", ["restore", "back.tar.gz", "--to", "back"]).expect_code(0);
    assert!(fs::read(setting.env.path("back/a.bin")).unwrap() == bytes(20 * MIB));
}

#[test]
fn only_a_command_that_succeeds_has_its_output_stored() {
    let setting = S3TestEnv::new();

    let failed =
        put_from(&setting, "head -c 20000000 /dev/zero; echo why >&2; exec >&-; exit 3", &[]);
    failed.expect_code(1);
    let message =
        "error: failed to read the output of `sh`\n  caused by: command `sh` exited with code 3\n";
    assert!(failed.stderr.contains(message), "{}", failed.stderr);
    assert!(failed.stderr.contains("\nwhy\n"), "{}", failed.stderr);
    let killed = put_from(&setting, "echo x; kill -9 $$", &["--json"]);
    killed.expect_code(1);
    let error: serde_json::Value = serde_json::from_str(killed.stderr.trim_end()).unwrap();
    assert!(error["message"].as_str().unwrap().contains("was killed by SIGKILL"), "{error}");
    assert_nothing_is_left(&setting);

    let empty = put_from(&setting, "true", &[]);
    empty.expect_code(0);
    assert!(empty.stderr.contains("`sh` wrote nothing: the object is empty"), "{}", empty.stderr);
    assert_eq!(setting.object("s"), b"");
}

#[test]
fn what_is_wrong_with_a_command_is_said_before_anything_is_sent() {
    let setting = S3TestEnv::new();
    setting.env.write("no-program", "text");
    let from = ["put", "--from-command", "s3://backups/s"];
    let refused = |args: &[&str], code: i32, message: &str| {
        let run = setting.run(args);
        run.expect_code(code);
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
    };

    refused(
        &[&from[..], &["--", "no-such-command"]].concat(),
        127,
        "`no-such-command` was not found",
    );
    refused(&[&from[..], &["--", "./no-program"]].concat(), 126, "cannot be executed");
    refused(&from, 2, "--from-command needs a command");
    refused(&["put", "--from-command", "x", "s3://backups/s", "--", "true"], 2, "there is no PATH");
    refused(&["put", "-", "s3://backups/s", "--", "true"], 2, "pass --from-command");
    refused(&["put", "--from-command", "s3://backups", "--", "true"], 2, "give a key");
    refused(&["put", "s3://backups/s"], 2, "what is to be put");
    refused(&["put", "a", "b"], 2, "invalid value 'b' for '<S3_URI>'");
    setting.env.write("devops.toml", "[s3push.put]\nfrom_command = true\n");
    refused(&[&from[..], &["--", "true"]].concat(), 78, "from_command");
    assert_nothing_is_left(&setting);
}

#[test]
fn a_signal_ends_a_deaf_command_and_its_upload() {
    let setting = S3TestEnv::new();
    let pid = setting.env.path("pid");
    let script = format!(
        "trap '' TERM INT; echo $$ >{}; head -c 20000000 /dev/zero; while :; do sleep 600; done",
        pid.display()
    );
    let put = ["put", "--from-command", "s3://backups/s", "--", "sh", "-c", &script];
    let put = setting.start(&put);
    let has_begun = |log: &[Entry]| log.iter().any(|e| e.operation == "UploadPart");
    assert!(setting.server.wait_for(has_begun, LONG));

    let signalled = Instant::now();
    put.signal(Signal::TERM);

    put.finish().expect_code(143);
    assert!(signalled.elapsed() < Duration::from_mins(1), "{:?}", signalled.elapsed());
    assert!(setting.server.wait_for(is_aborted, LONG));
    assert!(setting.server.wait_until_idle(LONG));
    assert_nothing_is_left(&setting);
    let process = PathBuf::from("/proc").join(fs::read_to_string(pid).unwrap().trim());
    wait_until("the command is gone", || !process.exists());
}

fn spooled(setting: &S3TestEnv) -> Vec<String> {
    names_in(&setting.env.path("spools"))
}

fn put_spooled(setting: &S3TestEnv, input: &[u8]) -> Command {
    fs::create_dir_all(setting.env.path("spools")).unwrap();
    let path = setting.env.write("input", input);
    let mut command = setting.command(&["put", "-", "s3://backups/s", "--spool", "spools"]);
    command.stdin(fs::File::open(path).unwrap());
    command
}

#[test]
fn a_spooled_stream_that_was_killed_goes_on_without_its_input() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["UploadPart:stall:part=3:always"]);
    let put = Running::start(put_spooled(&setting, &bytes(33 * MIB)));
    let others = |log: &[Entry]| {
        log.iter().filter(|e| e.operation == "UploadPart" && e.status == Some(200)).count() == 4
    };
    assert!(setting.server.wait_for(others, LONG));
    put.signal(Signal::KILL);
    put.finish().expect_code(137);
    setting.server.clear_faults();
    assert!(setting.server.wait_until_idle(LONG));
    assert_eq!(spooled(&setting).len(), 1);
    fs::remove_file(setting.env.path("input")).unwrap();

    let shown = setting.run(&["resume", "--dry-run"]);
    let run = setting.run(&["resume"]);

    shown.expect_code(0);
    assert!(shown.stdout.contains(" to s3://backups/s (33.0 MiB)"), "{}", shown.stdout);
    run.expect_code(0);
    assert!(run.stderr.contains("Going on with the upload of "), "{}", run.stderr);
    assert!(setting.object("s") == bytes(33 * MIB));
    assert_eq!(setting.server.count("UploadPart"), 6);
    assert_eq!(spooled(&setting), [""; 0]);
}

/// Lets a command write files of 2 MiB at most, as on a disk that is full then.
fn with_small_files(setting: &S3TestEnv, command: &Command) -> Command {
    let mut shell = setting.env.program("sh");
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell.args(["-c", "ulimit -f 4096; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn a_spool_that_finds_no_room_or_a_stream_that_ends_early_leaves_nothing() {
    let setting = S3TestEnv::new();
    let command = put_spooled(&setting, &bytes(9 * MIB));
    let input = fs::File::open(setting.env.path("input")).unwrap();

    let full = finish(with_small_files(&setting, &command).stdin(input));
    let missing = finish(put_spooled(&setting, b"x").args(["--spool", "elsewhere"]));
    let short = finish(put_spooled(&setting, b"x").args(["--expect-size", "2"]));

    full.expect_code(1);
    assert!(full.stderr.contains("error: failed to write `"), "{}", full.stderr);
    missing.expect_code(5);
    short.expect_code(1);
    assert!(short.stderr.contains("`-` has 1 byte, expected 2"), "{}", short.stderr);
    assert_eq!(spooled(&setting), [""; 0]);
    assert_nothing_is_left(&setting);
}

#[test]
fn files_go_to_several_places_each_with_its_own_result() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 20 * MIB);
    let put = ["put", "a.bin", "s3://backups/x/", "--also", "s3://backups/y.bin"];

    let both = setting.run(&put);
    let partial =
        setting.run(&["put", "a.bin", "s3://backups", "--also", "s3://missing/", "--json"]);
    setting.server.put("backups", "taken", b"other");
    let none = setting.run(&["put", "a.bin", "s3://backups/taken", "--also", "s3://missing"]);
    let twice = setting.run(&["put", "a.bin", "s3://backups", "--also", "s3://backups/a.bin"]);

    both.expect_code(0);
    assert_eq!(both.stdout.matches("Upload Successful! s3://backups/").count(), 2);
    assert!(setting.object("x/a.bin") == bytes(20 * MIB));
    assert!(setting.object("y.bin") == bytes(20 * MIB));
    partial.expect_code(3);
    let events = json_lines(&partial.stdout);
    let object = events.iter().find(|event| event["type"] == "object").unwrap();
    assert_eq!((&object["bucket"], &object["key"]), (&"backups".into(), &"a.bin".into()));
    let failed = &events.last().unwrap()["failed"];
    assert_eq!(
        (&failed[0]["bucket"], &failed[0]["kind"]),
        (&"missing".into(), &"not_found".into())
    );
    none.expect_code(1);
    assert!(none.stderr.contains("`s3://backups/taken` was not stored: "), "{}", none.stderr);
    assert!(none.stderr.contains("`s3://missing/a.bin` was not stored: "), "{}", none.stderr);
    assert_eq!(setting.object("taken"), b"other");
    twice.expect_code(2);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_stream_goes_to_several_places_each_with_its_own_result() {
    let setting = S3TestEnv::new();
    let script = "head -c 20000000 /dev/zero";

    let both = put_from(&setting, script, &["--also", "s3://backups/t"]);
    // One of them is there now.
    let partial = put_from(&setting, script, &["--also", "s3://backups/u"]);
    let none = put_from(&setting, script, &["--also", "s3://backups/t"]);

    both.expect_code(0);
    partial.expect_code(3);
    assert!(partial.stderr.contains("`s3://backups/s` was not stored: "), "{}", partial.stderr);
    none.expect_code(1);
    for key in ["s", "t", "u"] {
        assert!(setting.object(key) == vec![0; 20_000_000], "{key}");
    }
}

#[test]
fn an_object_goes_to_stdout_and_what_is_said_of_it_to_stderr() {
    let setting = S3TestEnv::new();
    let text = "one line\n".repeat(1 << 20);
    setting.server.put("backups", "a.txt", text.as_bytes());
    let get = ["get", "s3://backups/a.txt", "-"];

    let plain = setting.run(&get);
    let as_json = setting.run(&[&get[..], &["--json"]].concat());
    let missing = setting.run(&["get", "s3://backups/b.txt", "-"]);
    let prefix = setting.run(&["get", "s3://backups/", "-"]);

    for run in [&plain, &as_json] {
        assert!(run.expect_code(0).stdout == text, "{}", run.stderr);
    }
    let told = "Downloaded s3://backups/a.txt to stdout (9.0 MiB, crc64nvme ";
    assert!(plain.stderr.contains(told), "{}", plain.stderr);
    let object: serde_json::Value = serde_json::from_str(&as_json.stderr).unwrap();
    assert_eq!((&object["type"], &object["proof"]), (&"object".into(), &"full".into()));
    missing.expect_code(5);
    prefix.expect_code(2);
    assert_eq!(missing.stdout + &prefix.stdout, "");
}

#[test]
fn bytes_that_are_not_the_objects_end_in_10_although_they_went_to_stdout() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"text");
    setting.server.faults(&["HeadObject:wrong-checksum"]);

    let run = setting.run(&["get", "s3://backups/a.txt", "-"]);

    run.expect_code(10);
    assert_eq!(run.stdout, "text");
}

#[test]
fn a_reader_that_has_enough_ends_a_get_silently() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 20 * MIB);
    setting.run(&["put", "a.bin", "s3://backups/a.bin"]).expect_code(0);
    let mut get = setting.command(&["get", "s3://backups/a.bin", "-", "-q"]);
    let mut get = get.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    get.stdout.take().unwrap().read_exact(&mut first).unwrap();

    let ended = get.wait_with_output().unwrap();

    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_dry_run_into_a_stream_sends_no_byte_and_what_is_for_files_is_said() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"content");
    let pipe = setting.env.path("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let get = |to: &str, flags: &[&str]| {
        setting.run(&[&["get", "s3://backups/a.txt", to][..], flags].concat())
    };

    for (to, shown) in [("-", "stdout"), ("/dev/stdout", "/dev/stdout"), ("pipe", "pipe")] {
        let dry = get(to, &["--dry-run"]);

        dry.expect_code(0);
        assert_eq!(dry.stdout, format!("would get s3://backups/a.txt to {shown} (7 B)\n"));
    }
    let moded = get("-", &["--mode", "0640"]);
    moded.expect_code(0);
    assert_eq!(moded.stdout, "content");
    let words = "--mode and --group are for files: a stream stays as it is";
    assert!(moded.stderr.contains(words), "{}", moded.stderr);
    setting.run(&["get", "s3://backups/", "-", "--dry-run"]).expect_code(2);
    get("-", &["--dry-run", "--include", "*"]).expect_code(2);
    assert!(!setting.env.path("-").exists());
}
