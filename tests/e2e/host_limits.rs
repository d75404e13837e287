//! A limit of the host is trouble of the host, worth another try, and no bug.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use devops_e2e::{Run, TestEnv, finish, outside};
use devops_fakes::s3::{ACCESS_KEY, SECRET_KEY};
use rustix::{fs::chmod, process::geteuid};

use crate::s3push::S3TestEnv;

/// A user of whom nothing else runs: the kernel counts the processes of a user, not of a tree.
fn unused_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    1_000_000 + std::process::id() % 1_000_000 * 100 + n % 100
}

/// Makes a folder with something to back up, into which every user can write.
fn work() -> Option<TestEnv> {
    if !geteuid().is_root() {
        outside::skip("only root can become a user of whom nothing runs");
        return None;
    }
    outside::program("prlimit")?;
    let env = TestEnv::new();
    env.write("source/file", "content");
    env.write("archives/none", "");
    env.run("devops-backup", ["create", "source", "."]).expect_code(0);
    for (path, mode) in [("archives", 0o777), ("source/file", 0o644), (&archive(&env), 0o644)] {
        chmod(env.path(path), mode.into()).unwrap();
    }
    Some(env)
}

fn archive(env: &TestEnv) -> String {
    let names = devops_e2e::names_in(&env.path(""));
    names.into_iter().find(|name| name.ends_with(".tar.gz")).unwrap()
}

/// Runs a tool with a limit, as a user of its own, of whom no process is left afterwards.
fn limited(env: &TestEnv, limit: &str, args: &[&str]) -> Run {
    let tool = env.tool(args[0]);
    let mut command = env.program("prlimit");
    command.arg(limit).arg(tool.get_program()).args(&args[1..]);
    let user = unused_user();
    command.env("HOME", Path::new("/nonexistent")).env("RUST_BACKTRACE", "1").uid(user).gid(user);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        command.env(name, value);
    }
    let run = finish(&mut command);
    assert_eq!(processes_of(user), [0; 0], "{}", run.stderr);
    run
}

/// Returns the processes of a user.
fn processes_of(user: u32) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.path().into());
    let theirs = all.filter(|path: &PathBuf| path.metadata().is_ok_and(|meta| meta.uid() == user));
    theirs.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}

#[track_caller]
fn check_limit(run: &Run, hint: &str) {
    run.expect_code(75);
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    assert!(!run.stderr.contains("a bug") && !run.stderr.contains("panicked"), "{}", run.stderr);
}

const PUT: [&str; 5] =
    ["devops-s3push", "put", "source/file", "s3://bucket/key", "--endpoint-url=http://127.0.0.1:1"];
const SERVE: [&str; 3] = ["devops-monitor", "serve", "--bind=127.0.0.1:0"];
const CREATE: [&str; 4] = ["devops-backup", "create", "source", "archives"];
const RUN: [&str; 4] = ["devops-basics", "run", "--", "true"];
/// Only ends by itself where a test fails.
const RUN_LONG: [&str; 5] = ["devops-basics", "run", "--", "sleep", "60"];

#[test]
fn where_no_thread_can_be_started_what_to_raise_is_said() {
    let Some(env) = work() else { return };
    let archive = archive(&env);
    let verify = ["devops-backup", "verify", &archive];

    // Three are the tool's own.
    for (args, most) in [
        (&CREATE[..], 3),
        (&verify, 3),
        (&PUT, 3),
        (&RUN, 5),
        (&RUN_LONG, 7),
        (&SERVE, 6),
        (&["devops-tf", "run"], 2),
    ] {
        for n in 1..=most {
            check_limit(&limited(&env, &format!("--nproc={n}"), args), "`ulimit -u`");
        }
    }
}

#[test]
fn a_check_that_has_no_thread_says_so_of_its_target() {
    let Some(env) = work() else { return };

    let run = limited(&env, "--nproc=3", &["devops-basics", "service", "tcp://127.0.0.1:1"]);

    run.expect_code(75);
    assert!(
        run.stdout.contains("unknown (tcp, the host starts no further thread"),
        "{}",
        run.stdout
    );
}

#[test]
fn where_no_file_can_be_opened_what_to_raise_is_said() {
    let Some(env) = work() else { return };

    for (args, most) in [(&CREATE[..], 10), (&PUT, 10), (&RUN, 10), (&SERVE, 16)] {
        for n in (4..=most).step_by(2) {
            check_limit(&limited(&env, &format!("--nofile={n}"), args), "`ulimit -n`");
        }
    }
    assert_eq!(devops_e2e::names_in(&env.path("archives")), ["none"]);
}

/// Makes a tree that takes more open files to walk than a few.
fn deep_tree(env: &TestEnv, name: &str) {
    for depth in 0..8 {
        let folder = (0..depth).fold(PathBuf::from(name), |path, n| path.join(n.to_string()));
        env.write(folder.join("file"), "content");
    }
}

/// Runs a tool with limits on open files, from few to many: either it is done, or what to raise is said.
fn check_files(env: &TestEnv, args: &[&str]) {
    let run = |n: u32| {
        let run = limited(env, &format!("--nofile={n}"), args);
        if run.code != 0 {
            check_limit(&run, "`ulimit -n`");
        }
        run.code
    };
    let codes = [6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 256].map(run);
    assert!(codes.contains(&0) && codes.contains(&75), "{args:?}: {codes:?}");
}

#[test]
fn a_limit_of_files_is_no_difference_and_no_file_that_is_left_out() {
    let Some(env) = work() else { return };
    deep_tree(&env, "deep");
    env.run("devops-backup", ["create", "deep", "kept"]).expect_code(0);
    let archive = format!("kept/{}", devops_e2e::names_in(&env.path("kept"))[0]);
    chmod(env.path(&archive), 0o644.into()).unwrap();

    for args in [
        &["devops-backup", "verify", &archive, "--against", "deep"][..],
        &["devops-backup", "create", "deep", "archives", "--dry-run"],
        &["devops-backup", "create", "deep", "archives", "--full"],
    ] {
        check_files(&env, args);
    }
}

#[test]
fn a_limit_of_files_ends_the_work_on_a_tree() {
    let setting = S3TestEnv::new();
    let env = &setting.env;
    if !geteuid().is_root() {
        return outside::skip("only root can become a user of whom nothing runs");
    }
    if outside::program("prlimit").is_none() {
        return;
    }
    for n in 0..20 {
        env.write(format!("tree/{n}"), "content");
    }
    fs::create_dir(env.path("to")).unwrap();
    chmod(env.path("to"), 0o777.into()).unwrap();
    let endpoint = format!("--endpoint-url={}", setting.server.endpoint());
    let common = ["--retry-time=0s", "--region=us-east-1", "--overwrite", &endpoint];

    for args in [["put", "tree", "s3://backups/t/"], ["get", "s3://backups/t/", "to"]] {
        check_files(env, &[&["devops-s3push"], &args[..], &common].concat());
    }
}

#[test]
fn where_memory_runs_out_what_to_raise_is_said() {
    if outside::program("prlimit").is_none() {
        return;
    }
    let env = TestEnv::new();
    env.write("source/file", vec![b'x'; 4 << 20]);
    env.run("devops-backup", ["create", "source", "kept"]).expect_code(0);
    let archive = format!("kept/{}", devops_e2e::names_in(&env.path("kept"))[0]);
    let run = |mebibytes: u64, args: &[&str]| {
        let mut command = env.program("prlimit");
        let tool = env.tool("devops-backup");
        command.arg(format!("--as={}", mebibytes << 20)).arg(tool.get_program()).args(args);
        finish(&mut command)
    };
    // Below that not even the loader of programs has what it needs.
    let least = (1..4096).find(|&n| run(n, &["--version"]).code == 0).unwrap();

    for args in [&["create", "source", "archives", "--full"][..], &["verify", &archive]] {
        let mut codes = Vec::new();
        for n in least.. {
            let run = run(n, args);
            codes.push(run.code);
            if run.code == 0 {
                break;
            }
            check_limit(&run, "memory");
        }
        assert!(codes.contains(&75), "{args:?}: {codes:?}");
    }
    assert_eq!(devops_e2e::names_in(&env.path("archives")).len(), 1);
}
