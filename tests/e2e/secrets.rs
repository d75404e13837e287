//! No secret that a tool was given is in its logs, journals, receipts or the environment of its children.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
};

use devops_e2e::{Refusing, Run, Running, TestEnv, binaries::binary, finish, outside};
use devops_fakes::s3::SECRET_KEY;
use rustix::process::{Signal, geteuid};

use crate::s3push::{S3TestEnv, bytes};

const TOKEN: &str = "session-token-0b4e5f";
const CONTAINER_TOKEN: &str = "container-token-0b4e5f";
/// In base64 `a2V5LW9mLTMyLWJ5dGVzLTBiNGUtMGI0ZS0wYjRlLTA=`.
const CUSTOMER_KEY: &str = "key-of-32-bytes-0b4e-0b4e-0b4e-0";

/// Checks every file below a folder, links not followed.
fn check_files(folder: &Path, secrets: &[&str]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            check_files(&entry.path(), secrets);
        } else {
            let text = fs::read(entry.path()).unwrap_or_default();
            check(&String::from_utf8_lossy(&text), secrets, &entry.path().display().to_string());
        }
    }
}

#[track_caller]
fn check(text: &str, secrets: &[&str], place: &str) {
    for secret in secrets {
        assert!(!text.contains(secret), "`{secret}` is in {place}:\n{text}");
    }
}

/// Runs a command as verbosely as can be, in both forms of the log.
fn verbose(secrets: &[&str], args: &[&str], command: impl Fn(&[&str]) -> Command) -> Vec<Run> {
    let forms: [&[&str]; 3] = [&["-vvv"], &["-vvv", "--log-format", "json"], &["-vvv", "--json"]];
    let runs = forms.map(|form| {
        // The command behind `--` is not one of ours.
        let at = args.iter().position(|&arg| arg == "--").unwrap_or(args.len());
        let run = finish(&mut command(&[&args[..at], form, &args[at..]].concat()));
        check(&run.stderr, secrets, &format!("the stderr of {args:?}"));
        run
    });
    runs.into()
}

fn s3push(setting: &S3TestEnv, args: &[&str]) -> Command {
    let mut command = setting.command(args);
    command.env("AWS_SESSION_TOKEN", TOKEN).env("DEVOPS_LOG", "trace");
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN);
    command
}

#[test]
fn the_most_verbose_log_of_s3push_holds_no_secret() {
    let setting = S3TestEnv::new();
    setting.env.write("key", CUSTOMER_KEY);
    setting.env.write("tree/a", "a");
    setting.env.write("large", bytes(12 << 20));
    setting.server.put("backups", "there", b"x");
    let secrets = [SECRET_KEY, TOKEN, CONTAINER_TOKEN, "a2V5LW9mLTMyLWJ5dGVz", "key-of-32-bytes"];
    let customer = ["--sse-c-key-file", "key", "--retry-time", "0s"];
    let commands: [&[&str]; 14] = [
        &["put", "tree", "s3://backups/t/", "--overwrite", "--receipt", "receipt"],
        &["put", "large", "s3://backups/large", "--overwrite"],
        &["put", "--from-command", "s3://backups/env", "--overwrite", "--", "env"],
        &["sync", "tree", "s3://backups/s/"],
        &["sync", "s3://backups/t/", "down"],
        &["get", "s3://backups/there", "got", "--overwrite"],
        &["list", "s3://backups/"],
        &["verify", "tree", "s3://backups/t/", "--deep"],
        &["doctor", "s3://backups/"],
        &["resume", "--dry-run"],
        &["uploads", "list", "s3://backups/"],
        &["thaw", "s3://backups/there"],
        &["prune", "s3://backups/t/", "--keep-last", "1"],
        &["rm", "s3://backups/there"],
    ];

    for args in commands {
        for with_key in [false, true] {
            let takes_key = with_key && matches!(args[0], "put" | "sync" | "get" | "verify");
            let flags = if takes_key { &customer[..] } else { &customer[2..] };
            let at = args.iter().position(|&arg| arg == "--").unwrap_or(args.len());
            let args = [&args[..at], flags, &args[at..]].concat();
            for run in verbose(&secrets, &args, |args| s3push(&setting, args)) {
                check(&run.stdout, &secrets, &format!("the stdout of {args:?}"));
            }
        }
    }
    let heard = finish(&mut s3push(&setting, &["list", "s3://backups/", "-vvv"]));
    assert!(heard.stderr.contains("debug: "), "libraries are heard: {}", heard.stderr);
    // It prints an address with a token in it: that is its purpose.
    verbose(&secrets, &["presign", "s3://backups/env"], |args| s3push(&setting, args));

    let environment = String::from_utf8(setting.object("env")).unwrap();
    assert!(environment.contains("HOME="), "{environment}");
    check(&environment, &secrets, "the environment of a producer");
}

#[test]
fn what_s3push_leaves_for_a_resume_holds_no_secret() {
    let setting = S3TestEnv::new();
    setting.env.write("key", CUSTOMER_KEY);
    setting.env.write("large", bytes(20 << 20));
    setting.server.faults(&["UploadPart:denied:after=1:always"]);
    let put = ["put", "large", "s3://backups/large", "--sse-c-key-file", "key", "--part-size=5MiB"];

    let run = finish(&mut s3push(&setting, &[&put[..], &["-vvv"]].concat()));

    assert_ne!(run.code, 0);
    let secrets = [SECRET_KEY, TOKEN, "a2V5LW9mLTMyLWJ5dGVz", "key-of-32-bytes"];
    check(&run.stderr, &secrets, "stderr");
    let state = setting.env.home().join(".local/state/devops/s3push");
    assert!(!devops_e2e::names_in(&state).is_empty(), "there is a journal");
    check_files(&setting.env.home(), &secrets);
}

#[test]
fn backup_shows_neither_passphrases_nor_addresses() {
    let env = TestEnv::new();
    env.write("source/file", "content");
    env.write("passphrase", "passphrase-0b4e5f");
    let closed = Refusing::new();
    let address = closed.endpoint().replace("http://", "http://user:password-0b4e5f@");
    let config = format!(
        "[backup.profile.home]\nsource = \"{}\"\ndest = \"{}\"\nfinally = [\"env >&2\"]\n",
        env.path("source").display(),
        env.path("backups").display(),
    );
    let folder = env.home().join(".config/devops");
    fs::create_dir_all(&folder).unwrap();
    fs::File::create(folder.join("config.toml")).unwrap().write_all(config.as_bytes()).unwrap();
    let secrets = ["passphrase-0b4e5f", "password-0b4e5f", "ping-0b4e5f"];
    let command = |args: &[&str]| {
        let mut command = env.tool("devops-backup");
        command.args(args).env("DEVOPS_LOG", "trace");
        command
            .env("DEVOPS_BACKUP_HEALTHCHECK", format!("{address}/ping-0b4e5f"))
            .env("DEVOPS_BACKUP_WEBHOOK", format!("{address}/ping-0b4e5f"));
        command
    };

    let create = ["create", "source", "sealed", "--passphrase-file", "passphrase"];
    let mut runs = verbose(&secrets, &create, command);
    let archive = format!("sealed/{}", devops_e2e::names_in(&env.path("sealed"))[0]);
    runs.extend(verbose(&secrets, &["list", &archive, "--passphrase-file", "passphrase"], command));
    runs.extend(verbose(&secrets, &["run", "home"], command));

    for run in &runs {
        run.expect_code(0);
        check(&run.stdout, &secrets, "stdout");
    }
    assert!(runs[6].stderr.contains("HOME="), "the hook shows its environment: {}", runs[6].stderr);
    check_files(&env.home(), &secrets);
}

#[test]
fn tf_shows_no_value_of_a_variable() {
    let env = TestEnv::new();
    env.write("infra/fake-terraform.json", "{}");
    let secrets = ["value-0b4e5f", "ambient-0b4e5f"];
    let command = |args: &[&str]| {
        let mut command = env.tool("devops-tf");
        command
            .env("DEVOPS_TF_BIN", binary("fake-terraform"))
            .env("TF_VAR_other", "ambient-0b4e5f");
        command.env("DEVOPS_LOG", "trace").args(args);
        command
    };

    let with_variable = ["run", "infra", "--auto-approve", "--var", "pw=value-0b4e5f"];
    for args in [&with_variable[..3], &with_variable] {
        for run in verbose(&secrets, args, command) {
            check(&run.stdout, &secrets, "stdout");
        }
    }

    let log = fs::read_to_string(env.path("infra/fake-terraform.log")).unwrap();
    assert!(log.contains("plan ") && log.contains("apply "), "{log}");
    check(&log, &secrets, "the command lines of terraform");
}

#[test]
fn monitor_shows_no_login() {
    let env = TestEnv::new();
    env.write("logins", "token:t0ken-0b4e5f\n");
    let mut command = env.tool("devops-monitor");
    command.env("DEVOPS_LOG", "trace");
    command.args(["serve", "--bind", "127.0.0.1:0", "--auth-file", "logins", "-vvv"]);
    let mut running = Running::start(command);
    let line = running.wait_for("listening on http://");
    let address = line.rsplit("http://").next().unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t0ken-0b4e5f\r\n\
                   Connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();

    running.signal(Signal::TERM);
    let run = running.finish();

    run.expect_code(0);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    check(&(run.stdout + &run.stderr), &["t0ken-0b4e5f"], "the output of serve");
}

#[test]
fn no_dump_of_the_memory_is_made() {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};

    if !geteuid().is_root() {
        outside::skip("root's processes belong to root, dumped or not");
        return;
    }
    let setting = S3TestEnv::new();
    setting.env.write("file", "content");
    setting.server.faults(&["PutObject:stall:always"]);
    let mut command = s3push(&setting, &["put", "file", "s3://backups/k"]);
    command.env("HOME", "/nonexistent").uid(65534).gid(65534);
    let running = Running::start(command);
    let is_there =
        |log: &[devops_fakes::s3::Entry]| log.iter().any(|put| put.operation == "PutObject");
    assert!(setting.server.wait_for(is_there, crate::s3push::LONG));

    // The files of a process that cannot be dumped belong to root, as in proc(5).
    let pid = running.pid().as_raw_pid();
    let owner = fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();

    assert_eq!(owner, 0);
}
