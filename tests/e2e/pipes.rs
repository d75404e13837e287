//! Named pipes where a file is meant: one signal ends the wait, or the pipe is refused at once.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use devops_e2e::{TestEnv, wait_until};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat},
    process::Signal,
};

fn pipe_in(env: &TestEnv) -> PathBuf {
    let path = env.path("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    path
}

/// Waits until somebody reads the pipe, and opens its other end.
fn writer_to(pipe: &Path) -> File {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut opened = None;
    wait_until("the pipe is read", || {
        opened = OpenOptions::new().write(true).custom_flags(flags).open(pipe).ok();
        opened.is_some()
    });
    opened.unwrap()
}

/// What reads a file that a person named.
const READERS: [(&str, &[&str]); 12] = [
    ("devops-backup", &["list", "pipe"]),
    ("devops-backup", &["verify", "pipe"]),
    ("devops-backup", &["restore", "pipe", "--to", "restored"]),
    ("devops-backup", &["--config", "pipe", "list", "x.tar.gz"]),
    ("devops-basics", &["--config", "pipe", "hello"]),
    ("devops-monitor", &["--config", "pipe", "sample"]),
    ("devops-s3push", &["--config", "pipe", "list", "s3://bucket/"]),
    ("devops-tf", &["--config", "pipe", "plan"]),
    ("devops-backup", &["create", "source", "backups", "--exclude-from", "pipe"]),
    ("devops-basics", &["providers", "--file", "pipe", "list"]),
    ("devops-basics", &["each", "--from", "pipe", "--", "true"]),
    ("devops-monitor", &["serve", "--bind", "127.0.0.1:0", "--auth-file", "pipe"]),
];

#[test]
fn one_signal_ends_a_tool_that_waits_for_a_pipe() {
    let env = TestEnv::new();
    env.write("source/file", "text");
    for (tool, args) in READERS {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            // A new one each time: a child that another test starts just now may hold the last one open.
            let pipe = pipe_in(&env);
            let running = env.start(tool, args);
            let writer = writer_to(&pipe);

            running.signal(signal);

            let run = running.finish();
            assert_eq!(run.code, code, "{tool} {args:?}\n{}", run.stderr);
            drop(writer);
            fs::remove_file(pipe).unwrap();
        }
    }
}

#[test]
fn a_pipe_with_a_writer_is_read_to_its_end() {
    let env = TestEnv::new();
    let pipe = pipe_in(&env);
    let running = env.start("devops-basics", ["providers", "--file", "pipe", "list", "--lines"]);

    let mut writer = writer_to(&pipe);
    writer.write_all(b"aws\nazure\n").unwrap();
    drop(writer);

    assert_eq!(running.finish().expect_code(0).stdout, "aws\nazure\n");
}

#[test]
fn a_pipe_where_only_a_file_can_be_is_refused_at_once() {
    let env = TestEnv::new();
    pipe_in(&env);
    for (tool, args) in [
        ("devops-backup", &["create", "pipe", "backups"][..]),
        ("devops-tf", &["apply", "pipe"]),
        ("devops-tf", &["show", "pipe"]),
    ] {
        let run = env.run(tool, args);

        assert_eq!(run.code, 2, "{tool} {args:?}\n{}", run.stderr);
        assert!(run.stderr.contains("pipe"), "{}", run.stderr);
    }
}
