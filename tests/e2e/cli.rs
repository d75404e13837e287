//! What every tool shares: help, versions, config files, errors, closed pipes.

use std::{
    ffi::OsStr,
    fs::{File, create_dir_all},
    os::unix::ffi::OsStrExt,
    process::Stdio,
};

use devops_e2e::{TestEnv, finish};

pub(crate) const TOOLS: [&str; 5] =
    ["devops-backup", "devops-basics", "devops-monitor", "devops-s3push", "devops-tf"];

#[test]
fn every_help_has_examples_and_exit_codes_and_fits_the_screen() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let help = env.run(tool, ["--help"]);

        help.expect_code(0);
        for heading in ["EXAMPLES", "EXIT CODES"] {
            assert!(help.stdout.contains(heading), "{tool} lacks {heading}\n{}", help.stdout);
        }
        let widest = help.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{tool}: {widest:?}");
    }
}

/// Returns the commands that the help of a command names.
pub(crate) fn commands_in(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Checks the help of a command and of all below it; returns how many there are.
fn check_help(env: &TestEnv, tool: &str, path: &[String]) -> usize {
    let args = path.iter().map(String::as_str).chain(["--help"]);
    let help = env.run(tool, args).expect_code(0).stdout.clone();
    let widest = help.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{tool} {path:?}: {widest:?}");
    let has = |heading: &str| help.lines().any(|line| line.trim_end_matches(':') == heading);
    assert!(has("EXIT CODES"), "{tool} {path:?} lacks exit codes\n{help}");
    if tool == "devops-s3push" {
        assert!(has("EXAMPLES"), "{tool} {path:?} lacks examples\n{help}");
        let shown = [&[tool.to_owned()], path].concat().join(" ");
        let (_, examples) = help.split_once("EXAMPLES\n").expect("it has examples");
        let examples = examples.lines().take_while(|line| !line.is_empty());
        for example in examples {
            assert!(example.contains(&shown), "{path:?}: {example}");
        }
    }
    let below = commands_in(&help);
    let below = below.into_iter().map(|name| check_help(env, tool, &[path, &[name]].concat()));
    1 + below.sum::<usize>()
}

#[test]
fn the_help_of_every_command_has_examples_and_exit_codes_and_fits_the_screen() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let n = check_help(&env, tool, &[]);

        assert!(n > 4, "{tool}: only {n} commands were found");
    }
}

#[test]
fn the_help_of_a_command_names_the_variable_of_each_flag() {
    let env = TestEnv::new();

    let help = env.run("devops-backup", ["create", "--help"]);

    let lines: Vec<_> = help.stdout.lines().map(str::trim).collect();
    assert!(lines.contains(&"[env: DEVOPS_BACKUP_LEVEL]"), "{}", help.stdout);
    assert!(lines.contains(&"[env: DEVOPS_BACKUP_DRY_RUN]"), "{}", help.stdout);
    assert!(lines.contains(&"[env: DEVOPS_BACKUP_EXCLUDE, one a line]"), "{}", help.stdout);
}

#[test]
fn a_variable_stands_on_a_line_of_its_own_in_every_help() {
    let env = TestEnv::new();
    for (tool, command) in
        [("devops-s3push", "put"), ("devops-tf", "run"), ("devops-basics", "run")]
    {
        let help = env.run(tool, [command, "--help"]).expect_code(0).stdout.clone();

        let named = help.lines().filter(|line| line.contains("[env:") || line.contains("DEVOPS_"));
        let named: Vec<_> = named.map(str::trim).collect();
        assert!(named.len() > 5, "{help}");
        for line in named {
            assert!(line.starts_with("[env: DEVOPS_") && line.ends_with(']'), "{line}\n{help}");
        }
    }
}

#[test]
fn the_version_says_what_was_built() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let version = env.run(tool, ["--version"]);

        version.expect_code(0);
        assert!(version.stdout.starts_with(&format!("{tool} 0.")), "{}", version.stdout);
        for fact in ["commit: ", "target: ", "rustc: "] {
            assert!(version.stdout.contains(fact), "{}", version.stdout);
        }
    }
}

#[test]
fn completions_are_scripts_that_bash_accepts() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let script = env.run(tool, ["completions", "bash"]);
        script.expect_code(0);
        let file = env.write("completion.bash", &script.stdout);

        finish(env.program("bash").arg("-n").arg(file)).expect_code(0);
    }
}

#[test]
fn a_command_that_does_not_exist_is_a_usage_error_with_a_suggestion() {
    let env = TestEnv::new();

    let run = env.run("devops-backup", ["creat"]);

    run.expect_code(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("create"), "{}", run.stderr);
}

#[test]
fn no_command_at_all_shows_the_help_on_stderr() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let run = env.run(tool, [""; 0]);

        run.expect_code(2);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("Usage:"), "{}", run.stderr);
    }
}

#[test]
fn with_json_a_fatal_error_is_one_object_on_stderr() {
    let env = TestEnv::new();

    let usage = env.run("devops-backup", ["--json", "creat"]);
    let missing = env.run("devops-backup", ["list", "nothing.tar.gz", "--json"]);

    let usage: serde_json::Value = serde_json::from_str(&usage.stderr).unwrap();
    assert_eq!((&usage["type"], &usage["code"]), (&"error".into(), &2.into()));
    assert_eq!(usage["kind"], "usage");
    missing.expect_code(5);
    assert_eq!(usage["message"], "unrecognized subcommand 'creat'");
    assert_eq!(usage["hint"], "a similar subcommand exists: 'create'");
    let missing: serde_json::Value = serde_json::from_str(&missing.stderr).unwrap();
    assert_eq!((&missing["kind"], &missing["code"]), (&"not_found".into(), &5.into()));
    assert!(missing["message"].as_str().unwrap().contains("nothing.tar.gz"));
}

/// A repository with a project file, and a user file.
fn with_config_files(project: &str, user: &str) -> TestEnv {
    let env = TestEnv::new();
    create_dir_all(env.path(".git")).unwrap();
    create_dir_all(env.path("deep/er")).unwrap();
    env.write("devops.toml", project);
    env.write("../home/.config/devops/config.toml", user);
    env
}

fn setting(env: &TestEnv, key: &str, variables: &[(&str, &str)]) -> String {
    let mut command = env.tool("devops-backup");
    command.current_dir(env.path("deep/er")).args(["config", "show", "--origin"]);
    let run = finish(command.envs(variables.iter().copied()));
    run.expect_code(0);
    let line = run.stdout.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.replace(env.path("").to_str().unwrap(), "").replace(env.home().to_str().unwrap(), "HOME")
}

#[test]
fn the_environment_beats_the_project_file_which_beats_the_user_file() {
    let project = "[backup.create]\nlevel = \"3\"\n";
    let user = "[backup]\nlevel = \"2\"\nname = \"mine\"\n";
    let env = with_config_files(project, user);

    assert_eq!(setting(&env, "create.level", &[]), "create.level = 3  (devops.toml:2)");
    assert_eq!(
        setting(&env, "create.level", &[("DEVOPS_BACKUP_LEVEL", "9")]),
        "create.level = 9  (environment variable DEVOPS_BACKUP_LEVEL)"
    );
    assert_eq!(
        setting(&env, "create.name", &[("DEVOPS_BACKUP_NAME", "")]),
        "create.name = mine  (HOME/.config/devops/config.toml:3)"
    );
    assert_eq!(setting(&env, "create.dry_run", &[]), "create.dry_run = false  (default)");
    assert_eq!(setting(&env, "# ", &[]), "# devops.toml: found");
    assert_eq!(setting(&env, "# /etc", &[]), "# /etc/devops/config.toml: not found");
}

#[test]
fn secrets_are_hidden_where_settings_are_shown() {
    let env = with_config_files("", "[tf]\nbackend_config = ['key=hunter2', 'x=hunter2']\n");
    for args in [&["config", "show", "--origin"][..], &["config", "show", "--json"]] {
        let mut command = env.tool("devops-tf");
        let run = finish(command.args(args).env("DEVOPS_TF_VAR", "pw=hunter2"));

        run.expect_code(0);
        assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
        assert!(run.stdout.contains("***"), "{}", run.stdout);
    }
}

#[test]
fn an_unknown_key_ends_with_78_and_names_file_line_and_the_nearest_key() {
    let env = with_config_files("[backup.create]\nlevle = 3\n", "");

    let run = finish(env.tool("devops-backup").args(["create", "a", "b"]));

    run.expect_code(78);
    assert!(run.stderr.contains("devops.toml:2: unknown key `levle`"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: did you mean `level`?"), "{}", run.stderr);
    assert!(!env.path("b").exists());
}

#[test]
fn a_project_file_may_not_name_an_endpoint_but_a_user_file_may() {
    let endpoint = "[s3push]\nendpoint_url = \"http://127.0.0.1:9\"\n";

    let refused = with_config_files(endpoint, "");
    let refused = refused.run("devops-s3push", ["list", "s3://bucket/"]);
    let accepted = with_config_files("", endpoint);
    let accepted = accepted.run("devops-s3push", ["config", "show"]);

    refused.expect_code(78);
    assert!(
        refused.stderr.contains("devops.toml:2: a project file may not set"),
        "{}",
        refused.stderr
    );
    accepted.expect_code(0);
    assert!(accepted.stdout.contains("endpoint_url = http://127.0.0.1:9"), "{}", accepted.stdout);
}

#[test]
fn a_config_file_that_is_named_must_exist() {
    let env = TestEnv::new();

    let run = env.run("devops-backup", ["--config", "missing.toml", "list", "x.tar.gz"]);

    run.expect_code(78);
    assert!(run.stderr.contains("missing.toml"), "{}", run.stderr);
}

#[test]
fn a_bad_value_in_the_environment_names_its_variable() {
    let env = TestEnv::new();

    let mut command = env.tool("devops-backup");
    let run = finish(command.args(["create", "a", "b"]).env("DEVOPS_BACKUP_DRY_RUN", "maybe"));

    run.expect_code(2);
    assert!(run.stderr.contains("`maybe` is not a boolean"), "{}", run.stderr);
    assert!(run.stderr.contains("DEVOPS_BACKUP_DRY_RUN"), "{}", run.stderr);
}

#[test]
fn a_value_in_the_environment_that_is_no_text_names_its_variable() {
    let env = TestEnv::new();
    let odd = OsStr::from_bytes(b"caf\xe9");

    let mut command = env.tool("devops-backup");
    // A path may be any bytes; only the other one is wrong.
    command.env("DEVOPS_BACKUP_EXCLUDE_FROM", odd).env("DEVOPS_BACKUP_NAME", odd);
    let run = finish(command.args(["create", "a", "b"]));

    run.expect_code(2);
    assert!(run.stderr.contains("the value of `--name` is not UTF-8"), "{}", run.stderr);
    assert!(run.stderr.contains("environment variable DEVOPS_BACKUP_NAME"), "{}", run.stderr);
}

#[test]
fn a_tool_that_only_prints_ends_silently_when_nobody_reads() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);

        let run = finish(env.tool(tool).args(["config", "show"]).stdout(Stdio::from(writer)));

        run.expect_code(0);
        assert_eq!(run.stderr, "", "{tool}");
    }
}

#[test]
fn a_full_disk_on_stdout_is_a_failure() {
    let env = TestEnv::new();
    let full = File::options().write(true).open("/dev/full").unwrap();

    let run = finish(env.tool("devops-basics").arg("hello").stdout(full));

    run.expect_code(1);
    assert!(run.stderr.contains("cannot write to stdout"), "{}", run.stderr);
}
