//! `core::process` with children that misbehave.

#![allow(clippy::disallowed_methods, reason = "a test may write plain files")]

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use devops_core::{
    cancel::Cancel,
    kind::{HasKind, Kind},
    process::{
        Captured, ChildExit, ChildStatus, CommandReaderError, CommandSpec, OrphanPolicy,
        ProcessError, ProcessEvent, SignalReason, StdStream, StdinPolicy, StopPolicy, capture,
        read_command, run,
    },
};

/// Longer than any of these tests takes, unless something hangs.
const FOREVER: Duration = Duration::from_mins(1);

fn sh(script: &str) -> CommandSpec {
    CommandSpec::new("sh").arg("-c").arg(script)
}

fn captured(spec: &CommandSpec) -> Captured {
    capture(spec, &Cancel::new(), usize::MAX).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs `spec` and calls `on_line` with every line of stdout.
fn run_lines(spec: &CommandSpec, cancel: &Cancel, mut on_line: impl FnMut(&str)) -> ChildExit {
    run(spec, cancel, &mut |event| {
        if let ProcessEvent::Line { stream: StdStream::Stdout, bytes } = event {
            on_line(text(&bytes));
        }
    })
    .unwrap()
}

fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    // A zombie that its adopter has not reaped yet is gone, too.
    stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + FOREVER;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition never came true");
        std::thread::yield_now();
    }
}

#[test]
fn keeps_the_streams_apart_and_every_byte() {
    let spec = sh(r"printf 'a\0b\377\nlast'; printf 'error\r\n' >&2; exit 7");
    let mut lines = Vec::new();

    let exit = run(&spec, &Cancel::new(), &mut |event| {
        if let ProcessEvent::Line { stream, bytes } = event {
            lines.push((stream, bytes));
        }
    })
    .unwrap();

    lines.sort_by_key(|(stream, _)| *stream == StdStream::Stderr);
    assert_eq!(exit.status, ChildStatus::Code(7));
    assert!(!exit.is_success());
    assert_eq!(
        lines,
        [
            (StdStream::Stdout, b"a\0b\xff".to_vec()),
            (StdStream::Stdout, b"last".to_vec()),
            (StdStream::Stderr, b"error\r".to_vec()),
        ]
    );
}

#[test]
fn no_shell_reads_the_arguments() {
    let spec = CommandSpec::new("printf").args([r"%s\n", "$(id)", "*", "a b", "`x`", ""]);

    assert_eq!(text(&captured(&spec).stdout), "$(id)\n*\na b\n`x`\n\n");
}

#[test]
fn a_flood_on_both_streams_arrives_whole() {
    let spec = sh("yes out | head -c 8000000 & yes error | head -c 8000000 >&2; wait");

    let captured = captured(&spec);

    assert_eq!((captured.stdout.len(), captured.stderr.len()), (8_000_000, 8_000_000));
    assert!(!captured.truncated);
}

#[test]
fn a_slow_consumer_does_not_hold_the_child_up() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let spec = sh("yes line | head -n 2000000; : >\"$1\"").arg("sh").arg(&done);
    let mut n_lines = 0;

    let exit = run_lines(&spec, &Cancel::new(), |_| {
        if n_lines == 0 {
            wait_until(|| done.exists());
        }
        n_lines += 1;
    });

    assert_eq!((exit.status, n_lines), (ChildStatus::Code(0), 2_000_000));
}

#[test]
fn capture_stops_at_its_limit_and_the_child_goes_on() {
    let spec = sh("yes | head -c 1000000; echo end >&2");

    let captured = capture(&spec, &Cancel::new(), 10).unwrap();

    assert!(captured.truncated && captured.exit.is_success());
    assert_eq!((text(&captured.stdout), text(&captured.stderr)), ("y\ny\ny\ny\ny\n", "end\n"));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_keep_us() {
    let spec = sh("sleep 600 & echo $!");
    let started = Instant::now();

    let captured = captured(&spec);

    assert_eq!(captured.exit.status, ChildStatus::Code(0));
    assert!(started.elapsed() < FOREVER);
    let grandchild = text(&captured.stdout).trim();
    assert!(!is_gone(grandchild), "what a command leaves running on purpose is not ours to kill");
    kill(grandchild);
}

fn kill(pid: &str) {
    captured(&CommandSpec::new("kill").args(["-9", pid]));
}

/// Runs with longer and longer timeouts until the child was ready before its end came: an attempt in
/// which it was not proves nothing.
fn with_time_enough<T>(mut attempt: impl FnMut(Duration) -> Option<T>) -> T {
    let mut timeouts = [300, 3_000, 30_000].into_iter().map(Duration::from_millis);
    timeouts.find_map(&mut attempt).expect("a child is ready within half a minute")
}

#[test]
fn a_timeout_ends_the_whole_group_even_if_it_ignores_sigterm() {
    let mut spec = sh(
        "(trap '' TERM; echo $$; while :; do sleep 600; done) & trap '' TERM; echo $!; wait; wait",
    );
    spec.grace_period = Duration::from_millis(300);

    let (exit, pids) = with_time_enough(|timeout| {
        spec.timeout = Some(timeout);
        let mut pids = Vec::new();
        let exit = run_lines(&spec, &Cancel::new(), |pid| pids.push(pid.to_owned()));
        (pids.len() == 2).then_some((exit, pids))
    });

    assert!(exit.timed_out);
    assert_eq!(exit.status, ChildStatus::Signal(9));
    wait_until(|| pids.iter().all(|pid| is_gone(pid)));
}

#[test]
fn a_grandchild_that_outlives_its_terminated_parent_is_killed_after_the_grace() {
    let mut spec =
        sh("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 600; done' & exec sleep 600");
    spec.grace_period = Duration::from_millis(300);
    let cancel = Cancel::new();
    let mut pids = Vec::new();

    let exit = run_lines(&spec, &cancel, |pid| {
        pids.push(pid.to_owned());
        cancel.cancel(15);
    });

    assert_eq!(exit.status, ChildStatus::Signal(15));
    assert!(!exit.timed_out);
    wait_until(|| pids.iter().all(|pid| is_gone(pid)));
}

#[test]
fn a_stopped_command_is_continued_so_that_it_can_end() {
    for (stop, signal) in [(StopPolicy::TerminateGroup, "TERM"), (StopPolicy::InterruptOnce, "INT")]
    {
        let script = format!("trap 'echo cleaned; exit 3' {signal}; echo $$; kill -STOP $$; :");
        let mut spec = sh(&script);
        (spec.stop, spec.grace_period) = (stop, FOREVER);
        let (cancel, mut lines) = (Cancel::new(), Vec::new());

        let exit = run_lines(&spec, &cancel, |line| {
            if lines.is_empty() {
                let stat = Path::new("/proc").join(line).join("stat");
                wait_until(|| fs::read_to_string(&stat).unwrap().contains(") T "));
                cancel.cancel(15);
            }
            lines.push(line.to_owned());
        });

        assert_eq!((exit.status, lines[1].as_str()), (ChildStatus::Code(3), "cleaned"));
    }
}

#[test]
fn a_second_signal_kills_the_group_at_once() {
    let mut spec = sh("trap 'echo terminated' TERM; echo ready; while :; do sleep 0.02; done");
    spec.grace_period = FOREVER;
    let cancel = Cancel::new();

    let exit = run_lines(&spec, &cancel, |_| cancel.cancel(2));

    assert_eq!(exit.status, ChildStatus::Signal(9));
}

/// Answers every SIGINT, until a file tells it to go.
const COUNTS: &str = r#"
    trap 'echo INT' INT; trap 'echo TERM' TERM; trap 'echo HUP' HUP
    echo ready; while [ ! -e "$1" ]; do sleep 0.02; done
"#;

/// Sends one of `signals` after each line the child says, and returns what it says.
fn signals_seen(signals: &[&[i32]]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let mut spec = sh(COUNTS).arg("sh").arg(&done);
    spec.stop = StopPolicy::InterruptOnce;
    let cancel = Cancel::new();
    let (mut left, mut seen) = (signals.iter(), Vec::new());

    run_lines(&spec, &cancel, |line| {
        seen.push(line.to_owned());
        match left.next() {
            Some(burst) => burst.iter().for_each(|&signal| cancel.cancel(signal)),
            None => fs::write(&done, "").unwrap(),
        }
    });
    seen
}

#[test]
fn any_first_signal_becomes_one_sigint() {
    for signal in [1, 2, 15] {
        assert_eq!(signals_seen(&[&[signal]]), ["ready", "INT"]);
    }
}

#[test]
fn a_second_signal_from_the_user_is_a_second_sigint_and_a_second_hangup_is_none() {
    assert_eq!(signals_seen(&[&[15], &[2]]), ["ready", "INT", "INT"]);
    assert_eq!(signals_seen(&[&[1, 1]]), ["ready", "INT"]);
}

#[test]
fn a_third_signal_kills_a_child_that_ignores_the_first_two() {
    let mut spec = sh("trap '' INT; echo ready; exec sleep 600");
    spec.stop = StopPolicy::InterruptOnce;
    let cancel = Cancel::new();
    let mut sent = Vec::new();

    let exit = run(&spec, &cancel, &mut |event| match event {
        ProcessEvent::Line { .. } => (0..3).for_each(|_| cancel.cancel(2)),
        ProcessEvent::Signalled { signal, reason } => sent.push((signal, reason)),
        ProcessEvent::Started { .. } => {}
    })
    .unwrap();

    let received = SignalReason::Received(2);
    assert_eq!(exit.status, ChildStatus::Signal(9));
    assert_eq!(sent, [(2, received), (2, received), (9, received)]);
}

/// Counts the signals until a file tells it to go.
const LAUNCHED: &str =
    r#"trap "echo INT" INT; echo ready; while [ ! -e "$0" ]; do sleep 0.02; done; echo saved"#;

/// Interrupts a launcher once its program is ready; returns what the program says, and how the launcher ended.
///
/// `xargs` starts its program in its own group, and dies of a SIGINT without passing it on.
fn launched(program: &str, launched: &'static [&'static str]) -> (Vec<String>, ChildStatus) {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let shell = dir.path().join(program);
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &shell).unwrap();
    let mut spec = CommandSpec::new("xargs").arg(&shell).arg("-c").arg(LAUNCHED).arg(&done);
    spec.stdin = StdinPolicy::Bytes(b"x\n".to_vec());
    spec.stop = StopPolicy::InterruptOnce;
    spec.launched = launched;
    let cancel = Cancel::new();
    let mut said = Vec::new();
    let exit = run_lines(&spec, &cancel, |line| {
        said.push(line.to_owned());
        match line {
            "ready" => cancel.cancel(15),
            "INT" => fs::write(&done, "").unwrap(),
            _ => {}
        }
    });
    (said, exit.status)
}

#[test]
fn an_interrupt_goes_to_the_program_behind_its_launcher() {
    let (said, end) = launched("tool_1.2", &["tool"]);

    assert_eq!(
        (said, end),
        (["ready", "INT", "saved"].map(str::to_owned).to_vec(), ChildStatus::Code(0))
    );
}

#[test]
fn what_a_launcher_leaves_that_dies_of_the_interrupt_gets_it_and_is_waited_for() {
    let (said, end) = launched("unknown", &["tool"]);

    assert_eq!(
        (said, end),
        (["ready", "INT", "saved"].map(str::to_owned).to_vec(), ChildStatus::Signal(2))
    );
}

#[test]
fn a_timeout_of_a_child_that_is_interrupted_sends_one_sigint() {
    let mut spec = sh("trap 'echo stopping; exit 3' INT; echo ready; while :; do sleep 0.02; done");
    spec.stop = StopPolicy::InterruptOnce;

    let captured = with_time_enough(|timeout| {
        spec.timeout = Some(timeout);
        let captured = captured(&spec);
        text(&captured.stdout).starts_with("ready").then_some(captured)
    });

    assert!(captured.exit.timed_out);
    assert_eq!(captured.exit.status, ChildStatus::Code(3));
    assert!(text(&captured.stdout).ends_with("stopping\n"));
}

#[test]
fn the_child_leads_its_own_group() {
    let mut pids = Vec::new();
    let spec = sh("ps -o pgid= -p $$ || cut -d' ' -f5 /proc/$$/stat");

    run(&spec, &Cancel::new(), &mut |event| match event {
        ProcessEvent::Started { pid } => pids.push(pid.to_string()),
        ProcessEvent::Line { bytes, .. } => pids.push(text(&bytes).trim().to_owned()),
        ProcessEvent::Signalled { .. } => {}
    })
    .unwrap();

    assert_eq!(pids[0], pids[1]);
}

#[test]
fn nothing_is_started_once_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel(15);

    let error = capture(&sh("echo started"), &cancel, 100).unwrap_err();

    assert!(matches!(error, ProcessError::Interrupted(cancelled) if cancelled.signal == 15));
}

#[test]
fn feeds_stdin_and_survives_a_child_that_does_not_read_it() {
    let mut spec = CommandSpec::new("cat");
    spec.stdin = StdinPolicy::Bytes(vec![b'x'; 1_000_000]);
    assert_eq!(captured(&spec).stdout.len(), 1_000_000);

    spec.program = "true".into();
    assert!(captured(&spec).exit.is_success());
}

#[test]
fn the_environment_can_be_changed_or_emptied() {
    let mut spec = sh("echo ${KEPT-unset} ${HOME-unset}").env("KEPT", "yes").env_remove("HOME");
    assert_eq!(text(&captured(&spec).stdout), "yes unset\n");

    spec = CommandSpec::new("/usr/bin/env").env("ONLY", "one");
    spec.clear_env = true;
    assert_eq!(text(&captured(&spec).stdout), "ONLY=one\n");
}

#[test]
fn runs_in_its_folder_or_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = CommandSpec::new("pwd");
    spec.dir = Some(dir.path().canonicalize().unwrap());
    assert_eq!(
        text(&captured(&spec).stdout).trim_end(),
        spec.dir.clone().unwrap().to_str().unwrap()
    );

    spec.dir = Some(dir.path().join("missing"));
    let error = capture(&spec, &Cancel::new(), 100).unwrap_err();
    assert!(matches!(error, ProcessError::Dir { .. }));
    assert_eq!(error.kind(), Kind::NotFound);
}

fn script(dir: &Path, content: &str, mode: u32) -> CommandSpec {
    let path = dir.join("script");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    CommandSpec::new(path)
}

fn start_error(spec: &CommandSpec) -> (Kind, String) {
    let error = capture(spec, &Cancel::new(), 100).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn tells_missing_from_not_executable() {
    let dir = tempfile::tempdir().unwrap();

    let (kind, message) = start_error(&CommandSpec::new("no-such-command-here"));
    assert_eq!(kind, Kind::CommandNotFound);
    assert_eq!(message, "command `no-such-command-here` was not found");
    let missing = CommandSpec::new(dir.path().join("missing"));
    assert_eq!(start_error(&missing).0, Kind::CommandNotFound);
    assert_eq!(start_error(&CommandSpec::new("")).0, Kind::CommandNotFound);

    assert_eq!(start_error(&script(dir.path(), "", 0o644)).0, Kind::NotExecutable);
    assert_eq!(start_error(&script(dir.path(), "no magic", 0o755)).0, Kind::NotExecutable);
    assert_eq!(start_error(&CommandSpec::new(dir.path())).0, Kind::NotExecutable);
    assert_eq!(start_error(&CommandSpec::new("echo").arg("a\0b")).0, Kind::Usage);
}

#[test]
fn names_a_missing_interpreter() {
    let dir = tempfile::tempdir().unwrap();
    let interpreter = dir.path().join("missing").display().to_string();
    let mut spec = script(dir.path(), &format!("#!{interpreter} -x\n"), 0o755);

    let (kind, message) = start_error(&spec);
    assert_eq!(kind, Kind::NotExecutable);
    let expected = format!("its interpreter `{interpreter}` was not found");
    assert!(message.ends_with(&expected), "{message}");

    spec.program = "script".into();
    spec = spec.env("PATH", dir.path());
    assert_eq!(start_error(&spec).0, Kind::NotExecutable);
}

#[test]
fn a_child_that_outlives_us_gently_runs_as_any_other() {
    let mut spec = sh("grep -c . /proc/self/status >/dev/null; echo fine");
    spec.orphan = OrphanPolicy::Interrupt;

    let captured = captured(&spec);

    assert_eq!((captured.exit.status, text(&captured.stdout)), (ChildStatus::Code(0), "fine\n"));
}

/// Reads all that a command produces, with the error that its end may be.
fn reader(spec: &CommandSpec, cancel: &Cancel) -> (Vec<u8>, io::Result<()>) {
    let (mut reader, command) = read_command(spec, cancel, |_| {}).unwrap();
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes).map(|_| ());
    command.end();
    (bytes, read)
}

fn producer_error(read: io::Result<()>) -> CommandReaderError {
    let error = read.unwrap_err();
    error.get_ref().and_then(|inner| inner.downcast_ref()).cloned().unwrap()
}

#[test]
fn what_a_command_produces_waits_for_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let spec = sh("head -c 5000000 /dev/zero; : >\"$1\"").arg("sh").arg(&done);
    let (mut reader, command) = read_command(&spec, &Cancel::new(), |_| {}).unwrap();
    let mut first = [1];

    reader.read_exact(&mut first).unwrap();
    // It has been at work, and no pipe holds 5 MB.
    let was_done = done.exists();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();

    assert!(!was_done && done.exists());
    assert_eq!((first, rest.len()), ([0], 4_999_999));
    command.end();
}

#[test]
fn a_command_that_fails_after_its_last_byte_has_not_produced_all() {
    let spec = sh("echo x; exec >&-; exit 3");

    let (bytes, read) = reader(&spec, &Cancel::new());

    assert_eq!(text(&bytes), "x\n");
    let error = producer_error(read);
    assert_eq!(
        error,
        CommandReaderError::Failed { program: "sh".into(), end: ChildStatus::Code(3) }
    );
    assert_eq!(error.to_string(), "command `sh` exited with code 3");
    let (_, killed) = reader(&sh("echo x; kill -9 $$"), &Cancel::new());
    assert_eq!(producer_error(killed).to_string(), "command `sh` was killed by SIGKILL");
}

#[test]
fn the_end_of_the_output_is_not_the_end_of_the_command() {
    let cancel = Cancel::new();
    let (mut reader, command) =
        read_command(&sh("echo $$; exec >&-; exec sleep 600"), &cancel, |_| {}).unwrap();
    let mut pid = [0; 32];
    let n = reader.read(&mut pid).unwrap();
    let waiting = std::thread::spawn(move || reader.read(&mut [0; 10]));

    cancel.cancel(15);

    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(Kind::of_io(&error), Kind::Interrupted);
    command.end();
    assert!(is_gone(text(&pid[..n]).trim()));
}

#[test]
fn output_that_a_grandchild_keeps_open_is_not_whole() {
    let (bytes, read) = reader(&sh("sleep 600 & echo $!"), &Cancel::new());

    let error = producer_error(read);
    assert_eq!(error, CommandReaderError::HeldOpen { program: "sh".into() });
    kill(text(&bytes).trim());
}

#[test]
fn a_flood_on_stderr_does_not_hold_a_producer_up() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let spec = sh("yes error | head -c 8000000 >&2; echo done");
    let (mut reader, command) =
        read_command(&spec, &Cancel::new(), move |bytes| sender.send(bytes.len()).unwrap())
            .unwrap();
    let mut out = String::new();

    reader.read_to_string(&mut out).unwrap();

    command.end();
    assert_eq!((out.as_str(), receiver.iter().sum::<usize>()), ("done\n", 8_000_000));
}

#[test]
fn a_producer_that_nobody_wants_is_killed_after_its_grace() {
    let mut spec = sh("trap '' TERM; echo $$; while :; do sleep 600; done");
    spec.grace_period = Duration::from_millis(200);
    let (mut reader, command) = read_command(&spec, &Cancel::new(), |_| {}).unwrap();
    let mut pid = [0; 32];
    let n = reader.read(&mut pid).unwrap();

    command.end();

    assert!(is_gone(text(&pid[..n]).trim()));
}

#[test]
fn a_command_that_produces_nothing_is_no_error() {
    let (bytes, read) = reader(&CommandSpec::new("true"), &Cancel::new());

    read.unwrap();
    assert_eq!(bytes, b"");
    let missing = read_command(&CommandSpec::new("no-such-command-here"), &Cancel::new(), |_| {});
    assert_eq!(missing.err().unwrap().kind(), Kind::CommandNotFound);
}
