//! `devops-backup` as a user runs it.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, UNIX_EPOCH},
};

use devops_e2e::{Run, Running, TestEnv, finish, names_in, outside, wait_until, without_root};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};
use serde_json::Value;

const TOOL: &str = "devops-backup";

/// Writes a file too large to be compressed before a test can act, of bytes that do not compress.
fn write_large(env: &TestEnv, name: &str, mib: usize) -> PathBuf {
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..mib << 17)
        .flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state ^ state >> 29).to_le_bytes()
        })
        .collect();
    env.write(name, noise)
}

/// Writes sockets, each of which is named on stderr: a tool whose stderr is not read waits there.
///
/// Their names take more than 64 KiB.
pub(crate) fn write_sockets(env: &TestEnv, folder: &str) {
    let folder = env.path(folder);
    fs::create_dir_all(&folder).unwrap();
    for n in 0..400 {
        let path = folder.join(format!("{n:0>250}"));
        mknodat(CWD, path, FileType::Socket, Mode::RWXU, 0).unwrap();
    }
}

fn finished(folder: &Path) -> Vec<String> {
    let mut names = names_in(folder);
    // What is hidden is unfinished, or a lock.
    names.retain(|name| !name.starts_with('.'));
    names
}

/// Creates an archive of `source` in `backups` and returns its path.
#[track_caller]
fn create(env: &TestEnv, source: &str) -> PathBuf {
    let run = env.run(TOOL, ["create", source, "backups"]);
    run.expect_code(0);
    let line = run.stdout.trim_end();
    let path = line.strip_prefix("Successfully created backup: ").expect("the line of the seed");
    env.path(path)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A tree with everything a backup meets.
fn write_zoo(env: &TestEnv) {
    env.write("zoo/plain.txt", "hello\n");
    env.write("zoo/empty", "");
    env.write(format!("zoo/{}/{}/deep", "d".repeat(200), "e".repeat(200)), "deep");
    env.write(format!("zoo/{}", "n".repeat(255)), "long name");
    env.write("zoo/with space\nand newline", "odd");
    env.write("zoo/grüße", "utf-8");
    env.write("zoo/large", "0123456789abcdef".repeat(200_000));
    let zoo = env.path("zoo");
    let not_utf8 = OsStr::from_bytes(b"caf\xe9");
    env.write(Path::new("zoo").join(not_utf8), "latin-1");
    let deep = Path::new("zoo").join("x".repeat(250)).join("y".repeat(250));
    env.write(deep.join(not_utf8), "long and latin-1");
    fs::create_dir(zoo.join("empty folder")).unwrap();
    fs::hard_link(zoo.join("plain.txt"), zoo.join("second name")).unwrap();
    symlink("plain.txt", zoo.join("link")).unwrap();
    symlink("t".repeat(300), zoo.join("long link")).unwrap();
    symlink("nowhere/", zoo.join("dangling")).unwrap();
    let long_odd_target = [b"t".repeat(200), b"\xff".to_vec()].concat();
    symlink(OsStr::from_bytes(&long_odd_target), zoo.join("odd link")).unwrap();
    mknodat(CWD, zoo.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    fs::set_permissions(zoo.join("empty"), Permissions::from_mode(0o400)).unwrap();
    for (name, time) in [
        ("plain.txt", UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789)),
        ("empty", UNIX_EPOCH - Duration::from_hours(24)),
        ("empty folder", UNIX_EPOCH + Duration::new(1_111_111_111, 5_000)),
        ("large", UNIX_EPOCH + Duration::from_secs(10_000_000_000)),
    ] {
        File::open(zoo.join(name)).unwrap().set_modified(time).unwrap();
    }
}

/// Describes a tree by find: every path with its type, mode, size, time, links and content.
#[track_caller]
fn described(env: &TestEnv, folder: &Path) -> String {
    let script = r"cd $0 && export LC_ALL=C && find . ! -type d -printf '%P %y %m %s %T@ %n %l\0' | sort -z | tr '\0' '\n'
        find . -mindepth 1 -type d -printf '%P %y %m %T@\0' | sort -z | tr '\0' '\n'
        find . -type f -print0 | sort -z | xargs -0 sha256sum -z | tr '\0' '\n'";
    let run = finish(env.program("sh").args(["-c", script]).arg(folder));
    run.expect_code(0);
    run.stdout
}

#[track_caller]
fn expect_same_tree(env: &TestEnv, folder: &Path) {
    assert_eq!(described(env, folder), described(env, &env.path("zoo")));
}

fn run_in(env: &TestEnv, program: &Path, args: &[&OsStr]) -> Run {
    finish(env.program(program).args(args))
}

#[test]
fn every_tar_reads_the_archive_and_gives_the_same_bytes() {
    let (Some(bsdtar), Some(python)) = (outside::program("bsdtar"), outside::program("python3"))
    else {
        return;
    };
    let env = TestEnv::new();
    write_zoo(&env);
    let archive = create(&env, "zoo");
    let [gnu, bsd] = ["gnu", "bsd"].map(|name| env.path(name));
    fs::create_dir(&gnu).unwrap();
    fs::create_dir(&bsd).unwrap();

    let tested = run_in(&env, Path::new("gzip"), &["-t".as_ref(), archive.as_ref()]);
    tested.expect_code(0);
    assert_eq!(tested.stderr, "");
    // GNU tar remarks on times before 1970 and in the future, and restores them.
    let gnu_args = ["--warning=no-timestamp".as_ref()];
    for (program, first, to) in
        [(Path::new("tar"), &gnu_args[..], &gnu), (bsdtar.as_path(), &[], &bsd)]
    {
        let args = ["-xpzf".as_ref(), archive.as_os_str(), "-C".as_ref(), to.as_ref()];
        let run = run_in(&env, program, &[first, &args].concat());
        run.expect_code(0);
        assert_eq!(run.stderr, "", "{}", program.display());
        expect_same_tree(&env, to);
    }
    for mode in ["r:gz", "r|gz"] {
        let to = env.path(mode);
        let script = "import sys, tarfile
with tarfile.open(sys.argv[1], sys.argv[2]) as tar: tar.extractall(sys.argv[3])";
        let args = ["-c", script].map(OsStr::new);
        let args = [args[0], args[1], archive.as_ref(), mode.as_ref(), to.as_ref()];
        run_in(&env, &python, &args).expect_code(0);
        let content = |folder: &Path| {
            // Python rounds times to a float.
            let run = finish(env.program("diff").args(["-r", "--no-dereference"]).args([
                "--exclude=fifo".as_ref(),
                folder.as_os_str(),
                env.path("zoo").as_ref(),
            ]));
            (run.code, run.stdout)
        };
        assert_eq!(content(&to), (0, String::new()), "{mode}");
    }
}

#[test]
fn restore_gives_back_what_create_took() {
    let env = TestEnv::new();
    write_zoo(&env);
    let archive = create(&env, "zoo");

    let verified = env.run(TOOL, ["verify".as_ref(), archive.as_os_str()]);
    let restored =
        env.run(TOOL, ["restore".as_ref(), archive.as_os_str(), "--to".as_ref(), "back".as_ref()]);

    verified.expect_code(0);
    restored.expect_code(0);
    assert!(restored.stdout.starts_with("Restored "), "{}", restored.stdout);
    assert_eq!(restored.stderr, "");
    expect_same_tree(&env, &env.path("back"));
}

#[test]
fn the_archive_of_the_tools_own_tar_is_restored_too() {
    let env = TestEnv::new();
    write_zoo(&env);
    for format in ["gnu", "posix"] {
        let archive = env.path(format!("{format}.tgz"));
        let format_flag = format!("--format={format}");
        let zoo = env.path("zoo");
        let args = [format_flag.as_ref(), "-czf".as_ref(), archive.as_os_str(), "-C".as_ref()];
        let made = finish(env.program("tar").args(args).arg(&zoo).arg("."));
        made.expect_code(0);

        let run = env
            .run(TOOL, ["restore".as_ref(), archive.as_os_str(), "--to".as_ref(), format.as_ref()]);

        run.expect_code(0);
        if format == "posix" {
            expect_same_tree(&env, &env.path(format));
        }
    }
}

#[test]
fn the_summary_is_one_json_object() {
    let env = TestEnv::new();
    env.write("source/a", "12345");
    let _socket = UnixListener::bind(env.path("source/socket")).unwrap();

    let run = env.run(TOOL, ["create", "source", "backups", "--json", "--sha256"]);

    run.expect_code(0);
    assert_eq!(run.stderr, "");
    let mut summary = json(&run.stdout);
    let archive = env.path(summary["archive"].as_str().unwrap());
    let sum = finish(env.program("sha256sum").arg(&archive)).stdout;
    assert_eq!(summary["sha256"].as_str(), sum.split(' ').next());
    assert_eq!(summary["bytes_out"].as_u64(), Some(archive.metadata().unwrap().len()));
    for changing in ["archive", "bytes_out", "seconds", "sha256"] {
        assert!(summary.as_object_mut().unwrap().remove(changing).is_some(), "{changing}");
    }
    assert_eq!(
        summary,
        serde_json::json!({
            "type": "summary",
            "bytes_in": 5,
            "bytes_reused": 0,
            "entries": 2,
            "files": 1,
            "skipped": [{"path": "socket", "reason": "a socket has no content"}],
            "changed_while_read": [],
        })
    );
}

#[test]
fn an_unreadable_file_and_folder_are_named_with_exit_code_3() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    env.write("source/secret", "2");
    env.write("source/closed/b", "3");
    for name in ["source/secret", "source/closed"] {
        fs::set_permissions(env.path(name), Permissions::from_mode(0o000)).unwrap();
    }
    fs::create_dir(env.path("backups")).unwrap();
    fs::set_permissions(env.path("backups"), Permissions::from_mode(0o777)).unwrap();

    let mut tool = env.tool(TOOL);
    let run = finish(without_root(tool.args(["create", "source", "backups", "--json"])));
    fs::set_permissions(env.path("source/closed"), Permissions::from_mode(0o755)).unwrap();

    run.expect_code(3);
    let summary = json(&run.stdout);
    let skipped: Vec<_> =
        summary["skipped"].as_array().unwrap().iter().map(|left| &left["path"]).collect();
    assert_eq!(skipped, ["closed", "secret"]);
    assert!(run.stderr.contains("secret"), "{}", run.stderr);
    let archive = env.path(summary["archive"].as_str().unwrap());
    env.run(TOOL, ["verify".as_ref(), archive.as_os_str()]).expect_code(0);
    let listed = finish(env.program("tar").arg("-tzf").arg(&archive));
    assert_eq!(listed.stdout, "./\na\nclosed/\n");
}

#[test]
fn a_missing_source_is_5_and_leaves_nothing() {
    let env = TestEnv::new();

    let run = env.run(TOOL, ["create", "missing", "backups"]);

    run.expect_code(5);
    assert!(run.stderr.contains("`missing`"), "{}", run.stderr);
    assert_eq!(names_in(&env.path("")), [""; 0]);
}

#[test]
fn another_source_needs_another_name() {
    let env = TestEnv::new();
    env.write("one/a", "1");
    env.write("two/a", "1");
    create(&env, "one");

    let refused = env.run(TOOL, ["create", "two", "backups"]);
    let named = env.run(TOOL, ["create", "two", "backups", "--name", "two"]);

    refused.expect_code(2);
    assert!(refused.stderr.contains("`--name`"), "{}", refused.stderr);
    named.expect_code(0);
    assert_eq!(names_in(&env.path("backups")).len(), 2);
}

#[test]
fn what_is_excluded_stays_out_also_by_file() {
    let env = TestEnv::new();
    for name in ["keep", "a.log", "cache/x", "tmp/y"] {
        env.write(format!("source/{name}"), "1");
    }
    env.write("patterns", "# what we do not need\n*.log\n");

    let run = env.run(
        TOOL,
        [
            "create",
            "source",
            "backups",
            "--exclude",
            "cache",
            "--exclude",
            "/tmp",
            "--exclude-from",
            "patterns",
            "--dry-run",
        ],
    );

    run.expect_code(0);
    assert_eq!(run.stdout, ".\nkeep\n");
    assert!(!env.path("backups").exists());
}

#[test]
fn a_kill_at_any_moment_leaves_no_half_archive() {
    let env = TestEnv::new();
    write_large(&env, "source/large", 48);
    let backups = env.path("backups");
    let partial_size = || {
        let partial = names_in(&backups).into_iter().find(|name| name.ends_with(".partial"))?;
        Some(backups.join(partial).metadata().ok()?.len())
    };

    for bytes in [0, 1, 1 << 20, 8 << 20, 24 << 20] {
        let running = env.start(TOOL, ["create", "source", "backups"]);
        wait_until("the archive has grown", || {
            partial_size().is_some_and(|size| size >= bytes) || !finished(&backups).is_empty()
        });
        running.signal(Signal::KILL);
        running.finish();

        for name in finished(&backups) {
            env.run(TOOL, ["verify".into(), backups.join(&name)]).expect_code(0);
            fs::remove_file(backups.join(name)).unwrap();
        }
    }
    create(&env, "source");
    assert_eq!(names_in(&backups).len(), 1, "the leftovers are gone: {:?}", names_in(&backups));
}

#[test]
fn an_interrupt_leaves_no_archive_and_is_130() {
    let env = TestEnv::new();
    write_sockets(&env, "source/a");
    write_large(&env, "source/large", 64);
    let backups = env.path("backups");

    let mut tool = env.tool(TOOL);
    tool.args(["create", "source", "backups", "--level", "12"]);
    let running = Running::start_unread(tool);
    wait_until("the archive has begun", || {
        names_in(&backups).iter().any(|name| name.ends_with(".partial"))
    });
    running.signal(Signal::INT);
    let run = running.finish();

    run.expect_code(130);
    assert_eq!(run.stdout, "");
    assert_eq!(names_in(&backups), [""; 0]);
}

#[test]
fn a_file_size_limit_leaves_no_archive_and_is_1() {
    let env = TestEnv::new();
    write_large(&env, "source/large", 4);

    let tool = env.tool(TOOL);
    let script = r#"ulimit -f 1024; exec "$0" create source backups"#;
    let run = finish(env.program("sh").args(["-c", script]).arg(tool.get_program()));

    run.expect_code(1);
    assert!(run.stderr.contains("error: failed to write `backups/backup-"), "{}", run.stderr);
    assert_eq!(names_in(&env.path("backups")), [""; 0]);
}

#[test]
fn a_dash_writes_the_archive_to_stdout() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let archive = env.path("a.tar.gz");

    let mut tool = env.tool(TOOL);
    tool.args(["create", "source", "-"]).stdout(File::create(&archive).unwrap());
    let run = finish(&mut tool);

    run.expect_code(0);
    assert!(run.stderr.contains("2 entries"), "{}", run.stderr);
    env.run(TOOL, ["verify".as_ref(), archive.as_os_str()]).expect_code(0);
}

#[test]
fn a_closed_pipe_fails_a_backup_to_stdout() {
    let env = TestEnv::new();
    write_large(&env, "source/large", 2);

    let mut tool = env.tool(TOOL);
    tool.args(["create", "source", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    drop(child.stdout.take());
    let run = Run::from(child.wait_with_output().unwrap());

    run.expect_code(1);
    assert!(run.stderr.contains("standard output"), "{}", run.stderr);
}

#[test]
fn an_archive_is_not_written_to_a_terminal() {
    let Some(python) = outside::program("python3") else { return };
    let env = TestEnv::new();
    env.write("source/a", "1");

    let script =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let tool = env.tool(TOOL);
    let mut command: Command = env.program(python);
    command.args(["-c", script]).arg(tool.get_program()).args(["create", "source", "-"]);
    let run = finish(&mut command);

    run.expect_code(2);
    assert!(run.stdout.contains("not written to a terminal"), "{}", run.stdout);
}

#[test]
fn damage_is_10_and_no_archive_is_2() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let archive = create(&env, "source");
    let bytes = fs::read(&archive).unwrap();
    env.write("cut.tar.gz", &bytes[..200]);
    env.write("text", "hello");

    let damaged = env.run(TOOL, ["verify".as_ref(), archive.as_os_str(), "cut.tar.gz".as_ref()]);
    let text = env.run(TOOL, ["verify", "text"]);
    let missing = env.run(TOOL, ["verify", "missing"]);
    let restored = env.run(TOOL, ["restore", "cut.tar.gz", "--to", "back"]);

    damaged.expect_code(10);
    let lines: Vec<_> = damaged.stdout.lines().collect();
    assert!(lines[0].contains(": whole, ") && !lines[1].contains(": whole, "), "{lines:?}");
    assert!(damaged.stdout.contains("cut.tar.gz: damaged after"), "{}", damaged.stdout);
    text.expect_code(2);
    missing.expect_code(5);
    restored.expect_code(10);
}

#[test]
fn what_cannot_be_verified_has_a_status_too() {
    let env = TestEnv::new();
    env.write("text", "hello");
    let expect = |path: &str, code: i32, status: &str| {
        let run = env.run(TOOL, ["verify", "--json", path]);
        let line: Value = serde_json::from_str(run.expect_code(code).stdout.trim()).unwrap();

        assert_eq!(line["status"], status);
        assert_eq!(line["whole"], false);
        assert_eq!(line["archive"], path);
    };

    expect("missing.tar.gz", 5, "missing");
    expect("text", 2, "not-an-archive");
    expect(".", 2, "not-an-archive");
}

#[test]
fn restore_names_what_exists_with_exit_code_3() {
    let env = TestEnv::new();
    env.write("source/a", "new");
    env.write("source/d/b", "new");
    let archive = create(&env, "source");
    env.write("back/a", "old");
    let restore = |args: &[&str]| {
        let mut tool = env.tool(TOOL);
        finish(tool.arg("restore").arg(&archive).args(["--to", "back"]).args(args))
    };

    let kept = restore(&[]);
    kept.expect_code(3);
    assert!(kept.stderr.contains("`a`: it exists already"), "{}", kept.stderr);
    assert_eq!(fs::read_to_string(env.path("back/a")).unwrap(), "old");

    restore(&["--overwrite", "always"]).expect_code(0);
    assert_eq!(fs::read_to_string(env.path("back/a")).unwrap(), "new");

    restore(&["missing"]).expect_code(5);
    restore(&["d/b", "--strip-components", "1"]).expect_code(0);
    assert_eq!(fs::read_to_string(env.path("back/b")).unwrap(), "new");
}

#[test]
fn list_shows_entries_as_text_and_json() {
    let env = TestEnv::new();
    env.write("source/d/a.txt", "12345");
    File::open(env.path("source/d/a.txt")).unwrap().set_modified(UNIX_EPOCH).unwrap();
    fs::set_permissions(env.path("source/d/a.txt"), Permissions::from_mode(0o640)).unwrap();
    let archive = create(&env, "source");
    let list = |args: &[&str]| {
        let mut tool = env.tool(TOOL);
        finish(tool.arg("list").arg(&archive).args(args))
    };

    let text = list(&["*.txt"]);
    let json_lines = list(&["--json", "d"]);
    let nothing = list(&["*.zip"]);

    text.expect_code(0);
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let owner = format!("{}:{}", uid.as_raw(), gid.as_raw());
    let expected = format!("-rw-r----- {owner:>11}            5 1970-01-01 00:00:00 d/a.txt\n");
    assert_eq!(text.stdout, expected);
    json_lines.expect_code(0);
    let lines: Vec<_> = json_lines.stdout.lines().map(json).collect();
    assert_eq!(lines[0]["type"], "archive");
    assert_eq!(lines[0]["source"], env.path("source").canonicalize().unwrap().to_str().unwrap());
    assert_eq!(lines[2]["path"], "d/a.txt");
    assert_eq!(lines[2]["mtime"], "1970-01-01T00:00:00Z");
    assert_eq!(lines.len(), 3);
    nothing.expect_code(5);
}

#[test]
fn prune_shows_its_reasons_and_then_does_the_same() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    for _ in 0..3 {
        create(&env, "source");
    }
    let prune = |args: &[&str]| {
        let mut tool = env.tool(TOOL);
        finish(tool.args(["prune", "backups"]).args(args))
    };

    let empty = prune(&[]);
    let planned = prune(&["--keep-last", "1", "--keep-within", "1s", "--dry-run"]);
    assert_eq!(names_in(&env.path("backups")).len(), 3);
    let done = prune(&["--keep-last", "1", "--json"]);

    empty.expect_code(2);
    assert!(empty.stderr.contains("`--keep-`"), "{}", empty.stderr);
    planned.expect_code(0);
    assert!(planned.stdout.contains("one of the last, within 1s"), "{}", planned.stdout);
    done.expect_code(0);
    let lines: Vec<_> = done.stdout.lines().map(json).collect();
    assert_eq!(lines[0]["action"], "keep");
    assert_eq!(lines[0]["reasons"], serde_json::json!(["one of the last"]));
    assert_eq!((&lines[3]["kept"], &lines[3]["removed"]), (&1.into(), &2.into()));
    assert_eq!(names_in(&env.path("backups")).len(), 1);
}

#[test]
fn prune_refuses_to_remove_more_than_may_go_at_once() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    for _ in 0..12 {
        create(&env, "source");
    }
    let prune = |args: &[&str]| {
        let mut tool = env.tool(TOOL);
        finish(tool.args(["prune", "backups", "--keep-last", "1"]).args(args))
    };

    let refused = [prune(&[]), prune(&["--dry-run"]), prune(&["--max-delete", "3"])];
    assert_eq!(names_in(&env.path("backups")).len(), 12);
    let allowed = prune(&["--max-delete", "11"]);

    for refused in &refused {
        refused.expect_code(11);
        assert!(refused.stderr.contains("`--max-delete 11`"), "{}", refused.stderr);
    }
    assert!(
        refused[0].stderr.contains("11 archives would go, and 10 may"),
        "{}",
        refused[0].stderr
    );
    allowed.expect_code(0);
    assert_eq!(names_in(&env.path("backups")).len(), 1);
}

#[test]
fn what_does_not_count_is_named_and_the_prune_is_partial() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let good = create(&env, "source");
    fs::copy(&good, env.path("backups/backup-2026-01-01.tar.gz")).unwrap();
    fs::remove_file(&good).unwrap();
    env.write("backups/backup-2026-01-02.tar.gz", [0; 900]);

    let args = ["prune", "backups", "--keep-last", "1"];
    let text = env.run(TOOL, args);
    let lines = env.run(TOOL, [&args[..], &["--json"]].concat());

    text.expect_code(3);
    let said = "warning: `backups/backup-2026-01-02.tar.gz` does not count: ";
    assert!(text.stderr.contains(said), "{}", text.stderr);
    lines.expect_code(3);
    let zeros = lines
        .stdout
        .lines()
        .map(json)
        .find(|line| line["path"] == "backups/backup-2026-01-02.tar.gz");
    let zeros = zeros.expect("a line for each archive");
    assert_eq!(zeros["action"], "keep");
    assert!(zeros["reasons"][0].as_str().unwrap().starts_with("does not count: "), "{zeros}");
    assert_eq!(names_in(&env.path("backups")).len(), 2);
}

#[test]
fn an_archive_is_for_its_owner_alone_or_for_whom_the_flags_say() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let gid = rustix::process::getegid().as_raw().to_string();
    let create_with = |args: &[&str]| {
        let run = env.run(TOOL, [&["create", "source", "backups", "--json"][..], args].concat());
        run.expect_code(0);
        let archive = env.path(json(&run.stdout)["archive"].as_str().unwrap());
        fs::metadata(archive).unwrap().permissions().mode() & 0o7777
    };

    assert_eq!(create_with(&[]), 0o600);
    assert_eq!(create_with(&["--mode", "0640", "--group", &gid]), 0o640);
    for wrong in [
        ["--mode", "666"],
        ["--mode", "602"],
        ["--mode", "400"],
        ["--mode", "4600"],
        ["--mode", "x"],
        ["--group", "no such group"],
    ] {
        let refused = env.run(TOOL, ["create", "source", "none", wrong[0], wrong[1]]);
        refused.expect_code(2);
        assert!(!env.path("none").exists(), "{wrong:?}");
    }
}

#[test]
fn reproducible_archives_follow_the_source_date() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let reproduce = |dest: &str, epoch: &str| {
        let mut tool = env.tool(TOOL);
        tool.args(["create", "source", dest, "--reproducible"]).env("SOURCE_DATE_EPOCH", epoch);
        let run = finish(&mut tool);
        (
            run.code,
            names_in(&env.path(dest)).first().map(|name| fs::read(env.path(dest).join(name))),
        )
    };

    let [(first, one), (second, two)] = ["one", "two"].map(|dest| reproduce(dest, "1000000000"));

    assert_eq!((first, second), (0, 0));
    assert_eq!(one.unwrap().unwrap(), two.unwrap().unwrap());
    assert_eq!(reproduce("three", "yesterday").0, 2);
}
