//! Commands that the tools start, and the terminal: they have it as they would under a shell.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::fd::OwnedFd,
    process::Command,
};

use devops_e2e::{Running, TestEnv, outside};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::s3push::S3TestEnv;

const TOOL: &str = "devops-basics";

/// A terminal of our own, with a command that has it as its controlling terminal.
struct Screen {
    person: File,
    running: Running,
}

/// Opens a terminal: what types, and what the tool reads.
pub(crate) fn terminal() -> (File, File) {
    let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (File::from(master), slave)
}

impl Screen {
    fn start(env: &TestEnv, command: &Command) -> Self {
        let (person, terminal) = terminal();
        let mut session = env.program("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args()).stdin(terminal);
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self { person, running: Running::start(session) }
    }

    fn tool(env: &TestEnv, args: &[&str]) -> Self {
        Self::start(env, env.tool(TOOL).args(args))
    }

    /// Runs a script of a shell with job control, to which the tool is `$0`.
    fn script(env: &TestEnv, script: &str) -> Self {
        let tool = env.tool(TOOL);
        let script = format!("set -m\n{script}");
        // bash controls jobs by the terminal on its stderr.
        let on_terminal = "exec bash -c \"$1\" \"$0\" 2>/dev/tty";
        let mut shell = env.program("sh");
        Self::start(env, shell.args(["-c", on_terminal]).arg(tool.get_program()).arg(script))
    }

    fn types(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }
}

#[test]
fn a_command_that_reads_the_terminal_gets_its_line() {
    let env = TestEnv::new();
    let asks = "read line </dev/tty; echo got=$line";
    let reads = "read line; echo got=$line";
    let tool = env.tool(TOOL).get_program().to_str().unwrap().to_owned();
    for args in [
        &["run", "--", "sh", "-c", asks][..],
        &["run", "--", "sh", "-c", reads],
        &["run", "--retries", "1", "--", "sh", "-c", reads],
        &["run", "--", &tool, "run", "--", "sh", "-c", asks],
        &["each", "#", "--", "sh", "-c", asks],
    ] {
        let mut screen = Screen::tool(&env, args);

        screen.types("a word\n");

        let run = screen.running.finish();
        assert!(run.expect_code(0).stdout.contains("got=a word"), "{args:?}: {run:?}");
    }
}

#[test]
fn a_hook_and_a_producer_get_their_line_too() {
    let setting = S3TestEnv::new();
    let env = &setting.env;
    let asks = "read line </dev/tty; echo got=$line";
    let folder = env.home().join(".config/devops");
    fs::create_dir_all(&folder).unwrap();
    let (source, dest) = (env.write("source", "content"), env.path("backups"));
    let config = format!(
        "[backup.profile.home]\nsource = {source:?}\ndest = {dest:?}\nbefore = ['{asks} >&2; exit 9']\n"
    );
    let mut file = File::create(folder.join("config.toml")).unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let put = ["put", "--from-command", "s3://backups/s", "--", "sh", "-c"];
    let script = format!("{asks} >&2");
    let producer = setting.command(&[&put[..], &[&script]].concat());
    let mut hook = env.tool("devops-backup");
    hook.args(["run", "home"]);

    for (command, code) in [(hook, 1), (producer, 0)] {
        let mut screen = Screen::start(env, &command);
        screen.types("a word\n");

        let run = screen.running.finish();

        assert!(run.expect_code(code).stderr.contains("got=a word"), "{}", run.stderr);
    }
}

#[test]
fn commands_that_read_the_terminal_at_the_same_time_take_turns() {
    let env = TestEnv::new();
    let script = "read line </dev/tty; echo got=$line {}";
    let args = ["each", "a", "b", "--parallel", "2", "--", "sh", "-c", script];
    let mut screen = Screen::tool(&env, &args);

    screen.types("one\n");
    screen.running.wait_for("got=one");
    screen.types("two\n");
    screen.running.wait_for("got=two");

    screen.running.finish().expect_code(0);
}

#[test]
fn a_key_that_ends_a_command_ends_the_tool_that_runs_it() {
    let env = TestEnv::new();
    let script = "read line </dev/tty; echo got=$line; exec sleep 600";
    for (key, code) in [("\x03", 130), ("\x1c", 131)] {
        let args = ["run", "--retries", "5", "--", "sh", "-c", script];
        let mut screen = Screen::tool(&env, &args);

        screen.types("a\n");
        screen.running.wait_for("got=a");
        screen.types(key);

        screen.running.finish().expect_code(code);
    }
}

#[test]
fn a_script_has_the_terminal_again_after_a_command_that_took_it() {
    let env = TestEnv::new();
    let script = r#"
        "$0" run -- sh -c 'read one </dev/tty; echo one=$one; stty -echo; kill -9 $$'
        echo code=$?
        stty | grep -c -e '-echo '
        read two; echo two=$two"#;
    let mut screen = Screen::script(&env, script);

    screen.types("a\n");
    screen.running.wait_for("one=a");
    screen.running.wait_for("code=137");
    screen.types("b\n");

    assert!(screen.running.finish().expect_code(0).stdout.ends_with("0\ntwo=b\n"));
}

#[test]
fn a_command_that_has_the_terminal_is_suspended_with_the_tool_and_resumed() {
    let env = TestEnv::new();
    let script = r#"
        "$0" run -- sh -c 'read a; echo a=$a; read b; echo b=$b'
        echo suspended=$?
        fg"#;
    let mut screen = Screen::script(&env, script);

    screen.types("one\n");
    screen.running.wait_for("a=one");
    screen.types("\x1a");
    screen.running.wait_for("suspended=148");
    screen.types("two\n");
    screen.running.wait_for("b=two");

    screen.running.finish().expect_code(0);
}

#[test]
fn a_command_in_the_background_waits_until_it_is_in_the_foreground() {
    let env = TestEnv::new();
    let script = r#"
        "$0" run -- sh -c 'read a </dev/tty; echo a=$a' &
        until jobs | grep -q Stopped; do sleep 0.01; done
        fg"#;
    let mut screen = Screen::script(&env, script);

    screen.types("one\n");
    screen.running.wait_for("a=one");

    screen.running.finish().expect_code(0);
}

#[test]
fn a_command_that_can_never_have_the_terminal_is_named() {
    let asks = "until [ -e go ]; do sleep 0.01; done; read line </dev/tty; echo got=$line";
    for (args, code) in [("run --", 125), ("each '#' --", 1)] {
        let env = TestEnv::new();
        // No shell can bring to the foreground what has lost its own.
        let script = format!(
            "( (\"$0\" {args} sh -c '{asks}' >out 2>err; echo $? >code) & )
             touch go
             until [ -s code ]; do sleep 0.01; done
             cat code err"
        );
        let run = Screen::script(&env, &script).running.finish();

        run.expect_code(0);
        assert!(run.stdout.starts_with(&format!("{code}\n")), "{}", run.stdout);
        assert!(run.stdout.contains("command `sh` wants the terminal"), "{}", run.stdout);
    }
}

/// Returns a command that runs a tool as the first process of its own process namespace.
fn as_first_process(env: &TestEnv, args: &[&str]) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        outside::skip("only root makes a process namespace");
        return None;
    }
    let mut command = env.program("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]).arg(env.tool(TOOL).get_program()).args(args);
    Some(command)
}

/// Leaves orphans, and ends when none of them is a zombie any more.
const ORPHANS: &str = "
    for i in 1 2 3 4 5 6 7 8; do (sh -c 'exec true' &); done
    while grep -qs '^State:.Z' /proc/[0-9]*/status; do sleep 0.01; done
    echo clean; exit 4";

#[test]
fn the_first_process_reaps_orphans_and_loses_no_exit_code() {
    let env = TestEnv::new();
    let args = ["run", "--", "sh", "-c", ORPHANS];
    let Some(first) = as_first_process(&env, &args) else { return };

    let run = Running::start(first).finish();

    assert_eq!(run.expect_code(4).stdout, "clean\n");
}

#[test]
fn a_subreaper_reaps_orphans_too() {
    let Some(python) = outside::program("python3") else { return };
    let env = TestEnv::new();
    let adopt = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = env.program(python);
    command.args(["-c", adopt]).arg(env.tool(TOOL).get_program()).args(["run", "--", "sh", "-c"]);
    let script = "
        (sh -c 'echo $$ >orphan' &)
        until [ -s orphan ]; do sleep 0.01; done
        while [ -e /proc/$(cat orphan) ]; do sleep 0.01; done
        exit 4";
    command.arg(script);

    Running::start(command).finish().expect_code(4);
}

#[test]
fn the_first_process_passes_signals_on() {
    let env = TestEnv::new();
    let script = "trap 'echo stopped; exit 3' TERM; kill -TERM 1; while :; do sleep 0.01; done";
    let Some(first) = as_first_process(&env, &["run", "--", "sh", "-c", script]) else { return };

    let run = Running::start(first).finish();

    assert_eq!(run.expect_code(3).stdout, "stopped\n");
}
