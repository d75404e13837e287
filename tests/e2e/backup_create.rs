//! `devops-backup create`: streams, patterns, and what it says of a source.

use std::{fs, process::Command};

use devops_e2e::{Run, TestEnv, finish, names_in, outside};
use rustix::{
    fs::{XattrFlags, setxattr},
    process::geteuid,
};
use serde_json::Value;

const TOOL: &str = "devops-backup";

/// Returns the entries of an archive that a run printed on stdout into a file.
fn entries(env: &TestEnv, args: &[&str]) -> (Run, Vec<String>) {
    let mut command = env.tool(TOOL);
    command.args(["create", "source", "out", "--full"]).args(args);
    let run = finish(&mut command);
    let mut names = names_in(&env.path("out"));
    names.retain(|name| name.ends_with(".tar.gz"));
    let archive = env.path("out").join(names.pop().expect("an archive"));
    let list = finish(env.program("tar").arg("-tzf").arg(&archive));
    fs::remove_file(archive).unwrap();
    (run, list.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn a_stream_becomes_an_archive_of_one_file() {
    let env = TestEnv::new();
    let dump = "insert into t values (1);\n".repeat(200_000);
    let args = ["create", "-", "out", "--stdin-name", "app.sql"];
    for _ in 0..2 {
        env.run_with_input(TOOL, args, &dump).expect_code(0);
    }
    let mut names = names_in(&env.path("out"));
    names.retain(|name| !name.starts_with('.'));
    assert_eq!(names.len(), 2, "{names:?}");
    let archive = env.path("out").join(&names[0]).display().to_string();

    assert_eq!(env.run(TOOL, ["cat", &archive, "app.sql"]).stdout, dump);
    assert_eq!(env.run(TOOL, ["list", &archive, "--json"]).stdout.matches("app.sql\"").count(), 2);
    let through =
        env.run_with_input(TOOL, ["create", "-", "-", "--stdin-name", "a", "--quiet"], "");
    through.expect_code(0);
    // Another stream is another series.
    env.run_with_input(TOOL, ["create", "-", "out", "--stdin-name", "b.sql"], "").expect_code(2);
    let empty = ["create", "-", "other", "--stdin-name", "b.sql"];
    let empty = env.run_with_input(TOOL, empty, "");
    empty.expect_code(0);
    assert!(empty.stderr.contains("`-` is empty: so is the archive"), "{}", empty.stderr);
    for (args, said) in [
        (&["create", "-", "out"][..], "`--stdin-name`"),
        (&["create", "out", "out", "--stdin-name", "a"], "SOURCE of `-`"),
        (&["create", "-", "out", "--stdin-name", "a/b"], "not the name of a file"),
    ] {
        let run = env.run(TOOL, args);
        run.expect_code(2);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

#[test]
fn patterns_that_match_nothing_and_sources_that_are_empty_are_named() {
    let env = TestEnv::new();
    env.write("source/secret.key", "1");
    env.write("source/a", "1");
    env.write("list", b"\xef\xbb\xbf*.key\r\n*.tmp\r\n");

    let (run, found) = entries(&env, &["--exclude-from", "list", "--exclude", "{b,c}", "--json"]);

    run.expect_code(0);
    assert_eq!(found, ["./", "a"]);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["unmatched_patterns"], serde_json::json!(["*.tmp", "{b,c}"]));
    for pattern in ["*.tmp", "{b,c}"] {
        let line = format!("the pattern `{pattern}` matched nothing");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
    assert!(!run.stderr.contains("empty"), "{}", run.stderr);
    let (nothing, found) = entries(&env, &["--exclude", "*"]);
    nothing.expect_code(0);
    assert_eq!(found, ["./"]);
    assert!(nothing.stderr.contains("`source` is empty: so is the archive"), "{}", nothing.stderr);
    let mut list = env.tool(TOOL);
    list.args(["create", "source", "out", "--dry-run"]).env("DEVOPS_BACKUP_EXCLUDE", "*.key\na");
    assert_eq!(finish(&mut list).stdout, ".\n");
}

#[test]
fn attributes_that_cannot_be_seen_are_said_once() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    env.write("source/b", "1");
    let is_set = geteuid().is_root()
        && setxattr(env.path("source/a"), "trusted.t", b"1", XattrFlags::empty()).is_ok();
    if !is_set || outside::program("setpriv").is_none() {
        outside::skip("attributes of trusted.* need root with CAP_SYS_ADMIN");
        return;
    }
    let without = |args: &[&str]| {
        let tool = env.tool(TOOL);
        let mut command: Command = env.program("setpriv");
        command.args(["--bounding-set", "-all,+dac_read_search", "--inh-caps", "-all"]);
        finish(command.arg(tool.get_program()).args(["create", "source", "out"]).args(args))
    };

    let (unseen, seen) = (without(&[]), env.run(TOOL, ["create", "source", "out"]));
    let reproducible = without(&["--reproducible"]);

    for run in [&unseen, &seen, &reproducible] {
        run.expect_code(0);
    }
    assert_eq!(unseen.stderr.matches("trusted.*").count(), 1, "{}", unseen.stderr);
    assert!(!seen.stderr.contains("trusted"), "{}", seen.stderr);
    assert!(!reproducible.stderr.contains("trusted"), "{}", reproducible.stderr);
}

#[test]
fn a_timer_is_not_written_for_a_time_that_there_is_not() {
    let env = TestEnv::new();
    env.write("config.toml", "[backup.profile.home]\nsource = [\"/srv\"]\ndest = \"/mnt\"\n");
    let timer = |when| env.run(TOOL, ["timer", "--config", "config.toml", "--on-calendar", when]);

    timer("Mon *-*-* 03:00").expect_code(0);
    let bogus = timer("bogus");

    bogus.expect_code(2);
    assert_eq!(bogus.stdout, "");
    assert!(bogus.stderr.contains("`bogus`") && bogus.stderr.contains("systemd.time(7)"));
}
