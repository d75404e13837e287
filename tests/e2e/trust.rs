//! The trust in config files that were not named, or that another user can write.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use devops_e2e::{Run, TestEnv, binaries::binary, finish, names_in, outside};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::geteuid,
};
use serde_json::{Value, json};

const TOOLS: [(&str, &str); 5] = [
    ("devops-backup", "backup"),
    ("devops-basics", "basics"),
    ("devops-monitor", "monitor"),
    ("devops-s3push", "s3push"),
    ("devops-tf", "tf"),
];
/// The user that owns what is not ours.
const STRANGER: u32 = 65533;
const USER_FILE: &str = "../home/.config/devops/config.toml";

/// Returns the settings of a tool, profiles included.
fn settings(env: &TestEnv, tool: &str) -> Vec<Value> {
    let shown = env.run(tool, ["config", "show", "--json"]);
    shown.expect_code(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_trust(settings: &[Value], trust: &str) -> Vec<String> {
    let found = settings.iter().filter(|setting| setting["trust"] == trust);
    found.map(|setting| setting["key"].as_str().unwrap().to_owned()).collect()
}

fn with_profile() -> TestEnv {
    let env = TestEnv::new();
    env.write(USER_FILE, "[backup.profile.home]\nsource = \"x\"\ndest = \"y\"\n");
    env
}

/// Runs `devops-tf` in the work folder with a terraform that does what it is told.
fn terraform(env: &TestEnv, args: &[&str]) -> Run {
    finish(&mut terraform_command(env, args))
}

fn terraform_command(env: &TestEnv, args: &[&str]) -> Command {
    let mut command = env.tool("devops-tf");
    command.env("DEVOPS_TF_BIN", binary("fake-terraform")).args(args);
    command
}

/// Writes a stack whose plan changes something that exists.
fn stack(env: &TestEnv) {
    let change = json!({"address": "fake_thing.a", "change": {"actions": ["update"]}});
    let plan = json!({
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "applyable": true,
        "resource_changes": [change],
    });
    env.write("infra/plan.json", plan.to_string());
    env.write("infra/fake-terraform.json", json!({"show": "cat plan.json"}).to_string());
}

fn is_root(test: &str) -> bool {
    if !geteuid().is_root() {
        outside::skip(&format!("only root can {test}"));
    }
    geteuid().is_root()
}

#[test]
fn what_a_project_file_may_do_is_decided_for_every_flag() {
    let env = with_profile();
    for (tool, _) in TOOLS {
        let settings = settings(&env, tool);

        assert!(settings.len() > 20, "{tool}: {}", settings.len());
        assert_eq!(of_trust(&settings, "undecided"), [""; 0], "{tool}");
    }
}

#[test]
fn a_project_file_that_sets_what_is_the_users_alone_is_refused_with_its_line() {
    let env = with_profile();
    for (tool, table) in TOOLS {
        let keys = of_trust(&settings(&env, tool), "user");
        assert!(keys.len() > 5, "{tool}: {keys:?}");
        for key in keys.iter().filter(|key| !key.ends_with("config")) {
            let key = key.replace("profile.home.", "profile.theirs.");
            let (tables, name) = key.rsplit_once('.').unwrap_or(("", &key));
            let table = [table, tables].join(".");
            let table = table.trim_end_matches('.');
            env.write("devops.toml", format!("[{table}]\n{name} = \"x\"\n"));

            let run = env.run(tool, ["config", "show"]);

            run.expect_code(78);
            let words = format!("devops.toml:2: a project file may not set `{name}`");
            assert!(run.stderr.contains(&words), "{table}.{name}: {}", run.stderr);
        }
    }
}

#[test]
fn a_key_of_the_tools_table_is_refused_when_a_command_below_keeps_it_to_the_user() {
    let env = TestEnv::new();
    for (tool, line) in [
        ("devops-backup", "[backup]\nkeep_last = 1\n"),
        ("devops-s3push", "[s3push]\noverwrite = true\n"),
        ("devops-basics", "[basics]\ntimeout = \"1s\"\n"),
    ] {
        env.write("devops.toml", line);

        env.run(tool, ["config", "show"]).expect_code(78);
    }
}

#[test]
fn guards_of_the_user_stay_whatever_a_project_file_says() {
    let env = TestEnv::new();
    env.write(
        USER_FILE,
        "[tf]\ndeny_destroy = true\nmax_changes = 1\nprotect = [\"fake_thing.a\"]\n",
    );
    env.write(
        "devops.toml",
        "[tf.run]\ndeny_destroy = false\nmax_changes = 1000\nprotect = [\"other.*\"]\n",
    );

    let shown = env.run("devops-tf", ["config", "show", "--origin"]);

    shown.expect_code(0);
    let line = |key: &str| shown.stdout.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(line("run.deny_destroy").starts_with("run.deny_destroy = true  ("));
    assert!(line("run.max_changes").starts_with("run.max_changes = 1  ("));
    assert!(line("run.max_changes").contains("config.toml:3; 1000 of "), "{}", shown.stdout);
    assert!(line("run.max_changes").ends_with("devops.toml:3 is less strict)"));
    assert!(line("run.protect").starts_with("run.protect = fake_thing.a, other.*  ("));
    assert!(line("plan.protect").starts_with("plan.protect = fake_thing.a  ("));
}

#[test]
fn a_project_file_makes_guards_stricter() {
    let env = TestEnv::new();
    stack(&env);
    terraform(&env, &["plan", "infra"]).expect_code(0);
    env.write(USER_FILE, "[tf]\nmax_changes = 100\n");
    for rule in ["max_changes = 0", "protect = [\"fake_thing.*\"]"] {
        env.write("devops.toml", format!("[tf]\n{rule}\n"));

        terraform(&env, &["plan", "infra"]).expect_code(11);
    }
}

#[test]
fn protection_adds_up_over_the_line_the_environment_and_the_files() {
    let env = TestEnv::new();
    env.write("infra/fake-terraform.json", "{}");
    env.write(USER_FILE, "[tf]\nprotect = [\"from.user\"]\n");
    env.write("devops.toml", "[tf]\nprotect = [\"from.project\"]\n");
    let named = |run: &Run| {
        let all = ["from.user", "from.project", "from.line", "from.environment"];
        let is_named =
            |glob: &&&str| run.stderr.contains(&format!("`--protect {glob}` matches no resource"));
        all.iter().filter(is_named).copied().collect::<Vec<_>>()
    };

    let line = ["plan", "infra", "--protect", "from.line", "--", "-parallelism=2"];
    let on_line = terraform(&env, &line);
    let mut command = terraform_command(&env, &["plan", "infra"]);
    let in_environment = finish(command.env("DEVOPS_TF_PROTECT", "from.environment"));

    on_line.expect_code(0);
    assert_eq!(named(&on_line), ["from.user", "from.project", "from.line"]);
    in_environment.expect_code(0);
    assert_eq!(named(&in_environment), ["from.user", "from.project", "from.environment"]);
}

#[test]
fn a_flag_or_a_variable_loosens_a_rule_and_that_is_said() {
    let env = TestEnv::new();
    env.write("infra/fake-terraform.json", "{}");
    env.write("devops.toml", "[tf]\nmax_changes = 0\ndeny_destroy = true\n");

    let stricter = terraform(&env, &["plan", "infra", "--max-changes", "0"]);
    let looser = terraform(&env, &["plan", "infra", "--max-changes", "5", "--no-deny-destroy"]);
    let mut variable = terraform_command(&env, &["plan", "infra"]);
    let variable = finish(variable.env("DEVOPS_TF_MAX_CHANGES", "5"));

    stricter.expect_code(11);
    assert!(!stricter.stderr.contains("looser"), "{}", stricter.stderr);
    looser.expect_code(0);
    let warnings: Vec<_> = looser.stderr.lines().filter(|line| line.contains("looser")).collect();
    assert_eq!(warnings.len(), 2, "{}", looser.stderr);
    assert!(
        looser.stderr.contains(
            "warning: `--max-changes` is 5 by the command line, which is looser than 0 of"
        ),
        "{}",
        looser.stderr
    );
    variable.expect_code(0);
    assert!(variable.stderr.contains("environment variable DEVOPS_TF_MAX_CHANGES"));
}

#[test]
fn excludes_of_a_project_count_inside_it_and_add_to_those_of_the_user() {
    let env = TestEnv::new();
    for file in ["photos/a", "project/a", "project/b", "project/c"] {
        env.write(file, "x");
    }
    symlink(env.path("photos"), env.path("project/photos")).unwrap();
    env.write(USER_FILE, "[backup]\nexclude = [\"b\"]\n");
    env.write("project/devops.toml", "[backup.create]\nexclude = [\"a\", \"devops.toml\"]\n");
    let list = |source: &str| {
        let mut command = env.tool("devops-backup");
        command.current_dir(env.path("project"));
        finish(command.args(["create", source, "../vault", "--dry-run"]))
    };

    let (inside, outside, linked) = (list("."), list("../photos"), list("photos/"));

    inside.expect_code(0);
    assert_eq!(inside.stdout, ".\nc\nphotos\n");
    assert!(!inside.stderr.contains("ignored"), "{}", inside.stderr);
    for run in [outside, linked] {
        run.expect_code(0);
        assert_eq!(run.stdout, ".\na\n");
        assert!(run.stderr.contains("devops.toml:2 is ignored: `"), "{}", run.stderr);
        assert!(run.stderr.contains("is outside of `"), "{}", run.stderr);
    }
}

#[test]
fn paths_of_a_project_file_stay_inside_the_project() {
    let env = TestEnv::new();
    env.write("infra/fake-terraform.json", "{}");
    env.write("elsewhere/fake-terraform.json", "{}");
    env.write("infra/prod.tfvars", "");
    env.write("secret.tfvars", "");
    symlink("../secret.tfvars", env.path("infra/linked.tfvars")).unwrap();
    let plan = |key: &str, dir: &str| {
        env.write("infra/devops.toml", format!("[tf.plan]\n{key}\n"));
        let mut command = terraform_command(&env, &["plan", dir]);
        finish(command.current_dir(env.path("infra")))
    };

    plan("var_file = [\"prod.tfvars\"]", ".").expect_code(0);
    for key in [
        "var_file = [\"../secret.tfvars\"]",
        "var_file = [\"linked.tfvars\"]",
        "var_file = [\"/etc/passwd\"]",
        "backend_config = [\"/etc/passwd\"]",
    ] {
        let run = plan(key, ".");

        run.expect_code(78);
        assert!(run.stderr.contains("devops.toml:2: "), "{key}: {}", run.stderr);
        assert!(run.stderr.contains("which is outside of"), "{key}: {}", run.stderr);
    }
    plan("backend_config = [\"key=value\"]", ".").expect_code(78);
    let other = plan("var_file = [\"prod.tfvars\"]", "../elsewhere");
    other.expect_code(0);
    assert!(other.stderr.contains("`../elsewhere` is outside of"), "{}", other.stderr);
}

#[test]
fn a_profile_of_a_project_reads_and_writes_inside_the_project_alone() {
    let env = TestEnv::new();
    env.write("photos/a", "x");
    env.write("project/src/a", "x");
    symlink("../photos", env.path("project/link")).unwrap();
    let run = |keys: &str, arguments: &[&str]| {
        env.write("project/devops.toml", format!("[backup.profile.own]\n{keys}\n"));
        let mut command = env.tool("devops-backup");
        finish(command.current_dir(env.path("project")).args(arguments))
    };
    let photos = env.path("photos");

    let fine = run("source = \"src\"\ndest = \"new/vault\"\nkeep_last = 1", &["run"]);
    fine.expect_code(0);
    assert_eq!(names_in(&env.path("project/new/vault")).len(), 1);
    for (keys, key) in [
        (format!("source = {photos:?}\ndest = \"vault\""), "source"),
        ("source = \"../photos\"\ndest = \"vault\"".to_owned(), "source"),
        ("source = \"src/../link/a\"\ndest = \"vault\"".to_owned(), "source"),
        ("source = \"src\"\ndest = \"~/vault\"".to_owned(), "dest"),
        ("source = \"src\"\ndest = \"link/vault\"".to_owned(), "dest"),
        ("source = \"src\"\ndest = \"vault\"\nmetrics_dir = \"..\"".to_owned(), "metrics_dir"),
        ("source = \"src\"\ndest = \"vault\"\nexclude_from = \"../x\"".to_owned(), "exclude_from"),
    ] {
        let refused = run(&keys, &["run", "own"]);

        refused.expect_code(78);
        let words = format!("profile `own`: `{key}` is `");
        assert!(refused.stderr.contains(&words), "{keys}: {}", refused.stderr);
        assert!(refused.stderr.contains("which is outside of the project"), "{}", refused.stderr);
    }
    assert!(!env.home().join("vault").exists());
    assert!(!photos.join("vault").exists() && !env.path("project/vault").exists());

    let lifted = run(
        "source = \"../photos\"\ndest = \"../vault\"",
        &["run", "--trust-project", "devops.toml"],
    );
    lifted.expect_code(0);
    assert_eq!(names_in(&env.path("vault")).len(), 1);
}

#[test]
fn the_links_of_a_repository_lead_no_profile_of_it_to_the_files_of_the_user() {
    let env = TestEnv::new();
    let bashrc = env.home().join(".bashrc");
    env.write("project/src/a", "x");
    env.write(
        "project/devops.toml",
        "[backup.profile.ci]\nsource = \"src\"\ndest = \".\"\nmetrics_dir = \".\"\n",
    );
    env.write(&bashrc, "alias ll='ls -l'\n");
    symlink(&bashrc, env.path("project/devops-backup-ci.prom")).unwrap();
    let mut command = env.tool("devops-backup");

    let run = finish(command.current_dir(env.path("project")).arg("run"));

    run.expect_code(0);
    assert!(run.stderr.contains("devops-backup-ci.prom"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&bashrc).unwrap(), "alias ll='ls -l'\n");
    assert_eq!(names_in(&env.path("project")).len(), 4);
}

#[test]
fn a_profile_of_a_project_does_not_reach_where_the_users_shared_keys_lead() {
    let env = TestEnv::new();
    env.write("project/src/a", "x");
    env.write(USER_FILE, format!("[backup.profile]\ndest = {:?}\n", env.path("vault")));
    env.write("project/devops.toml", "[backup.profile.own]\nsource = \"src\"\nkeep_last = 1\n");
    let mut command = env.tool("devops-backup");

    let run = finish(command.current_dir(env.path("project")).args(["run", "own"]));

    run.expect_code(78);
    assert!(!env.path("vault").exists());
}

#[test]
fn a_project_file_is_trusted_by_a_flag_for_one_run_alone() {
    let env = TestEnv::new();
    env.write("devops.toml", "[backup.create]\nname = \"mine\"\n");
    env.write("other.toml", "");
    let show = |arguments: &[&str]| {
        let run = env.run("devops-backup", [&["config", "show"], arguments].concat());
        (run.code, run.stdout.contains("create.name = mine\n"))
    };

    assert_eq!(show(&[]), (78, false));
    assert_eq!(show(&["--trust-project", "./devops.toml"]), (0, true));
    assert_eq!(show(&["--trust-project", "other.toml"]), (2, false));
    assert_eq!(show(&["--trust-project", "missing.toml"]), (2, false));
    assert_eq!(show(&["--config", "other.toml", "--trust-project", "devops.toml"]), (2, false));
    let mut command = env.tool("devops-backup");
    command.env("DEVOPS_BACKUP_TRUST_PROJECT", "devops.toml");
    finish(command.args(["config", "show"])).expect_code(78);
    env.write(USER_FILE, "[backup]\ntrust_project = \"devops.toml\"\n");
    assert_eq!(show(&["--trust-project", "devops.toml"]), (78, false));
}

#[test]
fn a_project_file_of_another_owner_only_makes_rules_stricter() {
    if !is_root("give files away") {
        return;
    }
    let env = TestEnv::new();
    stack(&env);
    let text = "[tf]\nprotect = [\"fake_thing.a\"]\nworkspace = \"theirs\"\nbin = \"./evil\"\n";
    let file = env.write("devops.toml", text);
    chown(&file, Some(STRANGER), Some(STRANGER)).unwrap();

    let run = terraform(&env, &["plan", "infra"]);

    run.expect_code(11);
    let words = format!("belongs to the user {STRANGER}: only what makes a rule stricter counts");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert!(run.stderr.contains("and `bin`, `workspace` is ignored"), "{}", run.stderr);
    let shown = env.run("devops-tf", ["config", "show"]);
    assert!(shown.stderr.contains(&words), "{}", shown.stderr);
    assert!(shown.stdout.contains("plan.workspace =\n"), "{}", shown.stdout);

    // A link chooses the file, so its owner counts too.
    let ours = env.write("ours.toml", "[tf]\nlock_timeout = \"9s\"\n");
    fs::remove_file(&file).unwrap();
    symlink(&ours, &file).unwrap();
    let shown = |env: &TestEnv| {
        env.run("devops-tf", ["config", "show"]).expect_code(0).stdout.contains("lock_timeout = 9s")
    };
    assert!(shown(&env));
    std::os::unix::fs::lchown(&file, Some(STRANGER), None).unwrap();
    assert!(!shown(&env));
}

#[test]
fn a_project_file_of_a_stranger_keeps_no_tool_from_working() {
    if !is_root("give files away") {
        return;
    }
    let env = TestEnv::new();
    env.write("source/a", "x");
    env.run("devops-backup", ["create", "source", "vault"]).expect_code(0);
    let file = env.path("devops.toml");
    let give = || std::os::unix::fs::lchown(&file, Some(STRANGER), Some(STRANGER)).unwrap();
    let prune = || env.run("devops-backup", ["prune", "vault", "--keep-last=1", "--max-delete=5"]);
    for text in [
        "[backup]\nnewkey = 1\n",
        "[newtool]\nkey = 1\n",
        "backup = 1\n",
        "[backup]\nmax_delete = \"many\"\n",
        "[backup]\nmax_delete = [1, 2]\n",
        "[backup]\nmax_delete = 1979-05-27\n",
        "[backup.newcommand]\nmax_delete = 1\n",
        "[backup.profile.x]\nnewkey = 1\n",
        "[backup\n",
    ] {
        env.write("devops.toml", text);
        give();

        let run = prune();

        run.expect_code(0);
        assert!(run.stderr.contains(&format!("belongs to the user {STRANGER}")), "{}", run.stderr);
        assert!(run.stderr.contains("ignored"), "{}", run.stderr);
    }
    // What makes a rule stricter counts all the same.
    env.write("devops.toml", "[newtool]\nkey = 1\n[backup]\nnewkey = 1\nmax_delete = 2\n");
    give();
    let run = prune();
    assert!(run.stderr.contains("looser than 2 of"), "{}", run.stderr);
    assert!(run.stderr.contains("`newkey`, `newtool` is ignored"), "{}", run.stderr);

    fs::remove_file(&file).unwrap();
    mknodat(CWD, &file, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    give();
    let run = prune();
    run.expect_code(0);
    assert!(run.stderr.contains("is ignored: "), "{}", run.stderr);
    assert!(run.stderr.contains("it is not a regular file"), "{}", run.stderr);
    // Of ours it is a mistake.
    fs::remove_file(&file).unwrap();
    env.write("devops.toml", "[backup]\nnewkey = 1\n");
    prune().expect_code(78);
}

#[test]
fn what_a_config_file_says_cannot_steer_the_terminal() {
    let env = TestEnv::new();
    env.write("source/a", "x");
    env.run("devops-backup", ["create", "source", "vault"]).expect_code(0);
    let escape = "\\u001b]0;title\\u0007\\u001b[31m\\nerror: faked";
    let prune = &["prune", "vault", "--keep-last=1"][..];
    for (key, value, args) in [
        ("max_delete", escape, &[prune, &["--max-delete=5"]].concat()[..]),
        ("max_delete", escape, prune),
        ("level", escape, &["config", "show", "--origin"]),
        (escape, "1", prune),
    ] {
        env.write("devops.toml", format!("[backup]\n\"{key}\" = \"1{value}\"\n"));
        let mut command = env.tool("devops-backup");

        let run = finish(command.args(args).env("DEVOPS_BACKUP_NAME", "backup"));

        for text in [&run.stdout, &run.stderr] {
            let is_plain = |c: char| !c.is_control() || c == '\n';
            assert!(text.chars().all(is_plain), "{args:?}: {text:?}");
            assert!(text.lines().all(|line| !line.starts_with("error: faked")), "{text}");
        }
        let said = run.stdout + &run.stderr;
        assert!(said.contains("\\nerror: faked"), "{args:?}: {said}");
    }
    env.write("devops.toml", format!("[backup]\nmax_delete = \"1{escape}\"\n"));
    let mut command = env.tool("devops-backup");
    command.args(["config", "show", "--origin"]).env("DEVOPS_BACKUP_MAX_DELETE", "5");
    let run = finish(&mut command);
    assert!(!run.expect_code(0).stdout.contains('\u{1b}'), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| !line.starts_with("error: faked")), "{}", run.stdout);
}

#[test]
fn a_pipe_is_waited_for_only_where_it_was_named() {
    let env = TestEnv::new();
    let (pipe, mode) = (env.path("devops.toml"), Mode::from_raw_mode(0o600));
    mknodat(CWD, &pipe, FileType::Fifo, mode, 0).unwrap();

    let found = env.run("devops-basics", ["hello"]);
    let named = env.start("devops-basics", ["hello", "--config", "devops.toml"]);
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(b"[basics]\njson = true\n").unwrap();
    drop(writer);

    found.expect_code(78);
    assert!(found.stderr.contains("it is not a regular file"), "{}", found.stderr);
    assert!(named.finish().expect_code(0).stdout.starts_with('{'));
}

#[test]
fn a_checkout_of_another_user_works() {
    if !is_root("give files away") {
        return;
    }
    let env = TestEnv::new();
    let file = env.write("checkout/devops.toml", "[backup.create]\nlevel = \"3\"\n");
    for path in [file.as_path(), &env.path("checkout")] {
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let mut command = env.tool("devops-backup");

    let shown = finish(command.current_dir(env.path("checkout")).args(["config", "show"]));

    shown.expect_code(0);
    assert!(shown.stdout.contains("create.level = 3\n"), "{}", shown.stdout);
    assert_eq!(shown.stderr, "");
}

/// Runs the hook of a config file with this owner, group and mode; returns the exit code.
fn run_hook(owner: Option<u32>, group: Option<u32>, mode: u32, is_named: bool) -> i32 {
    let env = TestEnv::new();
    let text = format!(
        "[backup.profile.x]\nsource = \"{}\"\ndest = \"{}\"\nbefore = [\"touch {}\"]\n",
        env.write("source/a", "x").parent().unwrap().display(),
        env.path("vault").display(),
        env.path("ran").display()
    );
    let file = env.write(USER_FILE, text);
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    chown(&file, owner, group).unwrap();
    let mut command = env.tool("devops-backup");
    if is_named {
        command.arg("--config").arg(&file);
    }
    let run = finish(command.arg("run"));
    assert_eq!(env.path("ran").exists(), run.code == 0, "{}", run.stderr);
    if run.code == 78 {
        assert!(run.stderr.contains("config.toml:4: `before` starts a program"), "{}", run.stderr);
    }
    run.code
}

#[test]
fn a_config_file_that_others_can_write_starts_no_program() {
    assert_eq!(run_hook(None, None, 0o644, false), 0);
    assert_eq!(run_hook(None, None, 0o666, false), 78);
    assert_eq!(run_hook(None, None, 0o666, true), 78);
    if !is_root("give files away") {
        return;
    }
    assert_eq!(run_hook(Some(STRANGER), Some(STRANGER), 0o644, false), 78);
    assert_eq!(run_hook(Some(STRANGER), Some(STRANGER), 0o600, true), 78);
    // The group of the owner alone, and one that is not.
    assert_eq!(run_hook(None, Some(0), 0o664, false), 0);
    assert_eq!(run_hook(None, Some(STRANGER), 0o664, false), 78);
    assert_eq!(run_hook(None, Some(STRANGER), 0o644, false), 0);
}

#[test]
fn a_config_file_of_another_owner_that_starts_nothing_counts() {
    if !is_root("give files away") {
        return;
    }
    let env = TestEnv::new();
    let file = env.write(USER_FILE, "[backup]\nname = \"theirs\"\n");
    chown(&file, Some(STRANGER), None).unwrap();

    let shown = env.run("devops-backup", ["config", "show"]);

    assert!(shown.expect_code(0).stdout.contains("create.name = theirs\n"), "{}", shown.stdout);
}

#[test]
fn a_project_file_neither_replaces_files_nor_follows_links_out_of_the_folder() {
    let env = TestEnv::new();
    let notes = env.write("notes", "precious");
    env.write("project/a", "x");
    for line in [
        format!("receipt = {notes:?}"),
        format!("metrics_file = {notes:?}"),
        "follow_symlinks = true".to_owned(),
        "overwrite = true".to_owned(),
    ] {
        env.write("project/devops.toml", format!("[s3push.put]\n{line}\n"));
        let mut command = env.tool("devops-s3push");
        command.current_dir(env.path("project")).args(["put", "a", "s3://b/"]);

        finish(&mut command).expect_code(78);
    }
    assert_eq!(fs::read(Path::new(&notes)).unwrap(), b"precious");
}

#[test]
fn a_proof_that_the_user_asks_for_is_not_weakened_and_a_limit_not_raised() {
    let env = TestEnv::new();
    env.write(USER_FILE, "[s3push]\nrequire_proof = \"full\"\n");
    env.write("devops.toml", "[s3push]\nrequire_proof = \"size\"\nmax_delete = 1000\n");

    let shown = env.run("devops-s3push", ["config", "show"]);

    shown.expect_code(0);
    for line in ["put.require_proof = full", "sync.max_delete =", "rm.max_delete = 1000"] {
        assert!(shown.stdout.lines().any(|found| found == line), "{line}\n{}", shown.stdout);
    }
}
