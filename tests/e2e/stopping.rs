//! The first signal ends every command soon, whatever it does; only a child has its own time.

use std::{
    fs::{self, File},
    io::{Write, pipe},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use devops_e2e::{Running, TestEnv, finish, wait_until};
use rustix::{
    io::ioctl_fionread,
    process::{Pid, Signal, kill_process},
};

/// Makes an archive of a few bytes, and the folder it was made of, with a hole that takes hours to read.
fn hole(env: &TestEnv) {
    let file = File::create(env.write("holes/file", "")).unwrap();
    // Not every file system takes files of this size.
    file.set_len(2 << 40).or_else(|_| file.set_len(1 << 40)).unwrap();
    // A tar of this sort has whole seconds.
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(400_000)).unwrap();
    finish(env.program("tar").args(["-S", "-czf", "holes.tgz", "-C", "holes", "file"]))
        .expect_code(0);
}

#[test]
fn a_signal_ends_what_goes_through_a_hole() {
    let env = TestEnv::new();
    hole(&env);
    let mut command = env.tool("devops-backup");
    let mut child =
        command.args(["cat", "holes.tgz", "file"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("it computes", || ticks(&child) > 10);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();

    wait_for_the_end(&mut child);

    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_hole_larger_than_any_disk_is_compared_at_once() {
    let env = TestEnv::new();
    hole(&env);

    for args in
        [&["diff", "holes.tgz", "holes.tgz"][..], &["verify", "holes.tgz", "--against", "holes"]]
    {
        env.run("devops-backup", args).expect_code(0);
    }
}

/// The end comes two seconds after the signal; a busy machine may need longer to get there.
const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn wait_for_the_end(child: &mut Child) {
    let sent = Instant::now();
    wait_until("it ends", || {
        assert!(sent.elapsed() < SOON, "it did not end soon");
        child.try_wait().unwrap().is_some()
    });
}

/// Returns the processor time that a child has had, as in proc(5).
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let behind = stat.rsplit_once(") ").map_or("", |(_, behind)| behind);
    behind.split(' ').nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
}

/// Starts a command that writes more than its reader takes, and sends it a signal when it waits.
fn stuck(env: &TestEnv, args: &[&str], signal: Signal) -> (Option<i32>, String) {
    let (reader, writer) = pipe().unwrap();
    let said = env.path("said");
    let mut command: Command = env.tool("devops-backup");
    command.args(args).stdout(writer).stderr(File::create(&said).unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    wait_until("the pipe is full", || {
        let before = ioctl_fionread(&reader).unwrap();
        before > 0 && state(&child) == Some('S')
    });
    kill_process(Pid::from_child(&child), signal).unwrap();
    wait_for_the_end(&mut child);
    (child.wait().unwrap().code(), fs::read_to_string(said).unwrap())
}

fn state(child: &Child) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn a_signal_ends_what_waits_for_a_reader_that_does_not_read() {
    let env = TestEnv::new();
    env.write("source/file", vec![b'x'; 4 << 20]);
    env.run("devops-backup", ["create", "source", "."]).expect_code(0);
    let archive = devops_e2e::names_in(&env.path("")).into_iter().find(|name| name.ends_with("gz"));
    let archive = archive.unwrap();

    let text = stuck(&env, &["cat", &archive, "file"], Signal::TERM);
    let json = stuck(&env, &["cat", &archive, "file", "--json"], Signal::INT);

    assert_eq!((text.0, json.0), (Some(143), Some(130)));
    // On a busy machine the end does not wait for the message.
    assert!(["", "error: interrupted by SIGTERM\n"].contains(&text.1.as_str()), "{}", text.1);
    assert!(
        json.1.is_empty() || json.1.contains(r#""code":130,"kind":"interrupted""#),
        "{}",
        json.1
    );
}

#[test]
fn a_child_that_needs_its_time_to_stop_has_it() {
    let env = TestEnv::new();
    let script = "trap 'sleep 6; echo stopped; exit 7' TERM; echo up; while :; do sleep 0.05; done";
    let mut command = env.tool("devops-basics");
    command.args(["run", "--", "sh", "-c", script]);
    let mut running = Running::start(command);
    running.wait_for("up");

    running.signal(Signal::TERM);
    let run = running.finish();

    run.expect_code(7);
    assert!(run.stdout.ends_with("stopped\n"), "{}", run.stdout);
}

/// Writes a profile `home` whose last hook takes so long, and then leaves a file `tidied`.
fn profile(env: &TestEnv, before: &str, seconds: u32) {
    env.write("source/file", "content");
    let folder = env.home().join(".config/devops");
    fs::create_dir_all(&folder).unwrap();
    let config = format!(
        "[backup.profile.home]\nsource = \"{}\"\ndest = \"{}\"\nbefore = [\"{before}\"]\n\
         finally = [\"sleep {seconds}; echo tidied > '{}'\"]\n",
        env.path("source").display(),
        env.path("backups").display(),
        env.path("tidied").display()
    );
    File::create(folder.join("config.toml")).unwrap().write_all(config.as_bytes()).unwrap();
}

#[test]
fn a_hook_that_clears_up_has_its_time() {
    let env = TestEnv::new();
    profile(&env, "echo up; exec sleep 600", 5);
    let mut running = env.start("devops-backup", ["run", "home"]);
    running.wait_for("up");

    running.signal(Signal::TERM);
    let run = running.finish();

    run.expect_code(143);
    assert_eq!(fs::read_to_string(env.path("tidied")).unwrap(), "tidied\n");
}

#[test]
fn a_hook_that_clears_up_runs_though_the_work_before_it_is_slow_to_stop() {
    let env = TestEnv::new();
    // More than a pipe takes: telling it is the slow step.
    let up = env.path("up");
    profile(&env, &format!("yes | head -n 100000; touch '{}'", up.display()), 0);
    let mut command = env.tool("devops-backup");
    command.args(["run", "home"]);
    let running = Running::start_unread(command);
    wait_until("the hook has written all", || up.exists());

    running.signal(Signal::TERM);
    let sent = Instant::now();
    wait_until("the usual time to stop is over", || sent.elapsed() > Duration::from_millis(2500));
    let run = running.finish();

    run.expect_code(143);
    assert_eq!(fs::read_to_string(env.path("tidied")).unwrap(), "tidied\n");
}
