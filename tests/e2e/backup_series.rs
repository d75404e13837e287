//! The series of `devops-backup`: which archives of a name belong together, and who says so.

use std::os::unix::fs::symlink;

use devops_e2e::{Run, TestEnv, finish, names_in};
use serde_json::Value;

const TOOL: &str = "devops-backup";

fn create(env: &TestEnv, args: &[&str]) -> Run {
    env.run(TOOL, [&["create", "source", "out"], args].concat())
}

#[test]
fn a_series_is_continued_by_naming_its_host_and_source() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    env.write("snapshot/a", "1");
    create(&env, &["--host", "web"]).expect_code(0);

    let other_host = create(&env, &["--host", "db"]);
    let snapshot = ["create", "snapshot", "out", "--host", "web"];
    let other_source = env.run(TOOL, snapshot);

    let source = std::fs::canonicalize(env.path("source")).unwrap().display().to_string();
    for refused in [other_host, other_source] {
        refused.expect_code(2);
        let hint = format!("`--host 'web' --source-as '{source}'`");
        assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
        assert!(refused.stderr.contains("`--name`"), "{}", refused.stderr);
    }
    env.run(TOOL, [&snapshot[..], &["--source-as", &source]].concat()).expect_code(0);
    finish(env.tool(TOOL).args(["create", "source", "out"]).env("DEVOPS_BACKUP_HOST", "web"))
        .expect_code(0);
    let config = format!(
        "[backup]\nhost = \"web\"\n[backup.profile.backup]\nsource = [{:?}]\ndest = {:?}\n\
         host = \"web\"\nsource_as = {source:?}\n",
        env.path("snapshot"),
        env.path("out"),
    );
    env.write("config.toml", config);
    for args in [&["create", "source", "out"][..], &["run"]] {
        env.run(TOOL, [args, &["--config", "config.toml"]].concat()).expect_code(0);
    }
    assert_eq!(names_in(&env.path("out")).iter().filter(|name| !name.starts_with('.')).count(), 5);
}

#[test]
fn a_folder_that_was_entered_through_a_link_is_given_by_that_link() {
    let env = TestEnv::new();
    let link = env.path("current");
    for release in ["1", "2"] {
        env.write(format!("releases/{release}/a"), release);
        let _removed = std::fs::remove_file(&link);
        symlink(env.path("releases").join(release), &link).unwrap();
        let mut tool = env.tool(TOOL);
        tool.args(["create", "."]).arg(env.path("out")).current_dir(&link).env("PWD", &link);
        finish(&mut tool).expect_code(0);
    }
    // What the variable says of another folder is not believed.
    let mut elsewhere = env.tool(TOOL);
    elsewhere.args(["create", "source", "out"]).env("PWD", &link);
    env.write("source/a", "1");
    finish(&mut elsewhere).expect_code(2);
}

#[test]
fn prune_shows_each_series_and_looks_at_one_host_if_it_is_named() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    for host in ["web", "db"] {
        for _ in 0..2 {
            let folder = format!("made-{host}");
            env.run(TOOL, ["create", "source", &folder, "--host", host]).expect_code(0);
        }
        let made = env.path(format!("made-{host}"));
        let names = names_in(&made).into_iter().filter(|name| name.ends_with(".tar.gz"));
        for (n, name) in names.enumerate() {
            let bytes = std::fs::read(made.join(name)).unwrap();
            env.write(format!("out/backup-2026-01-01T00-00-{}{n}.tar.gz", host.len()), bytes);
        }
    }
    let prune = |args: &[&str]| {
        env.run(TOOL, [&["prune", "out", "--keep-last", "1", "--dry-run"], args].concat())
    };

    let (text, lines) = (prune(&[]), prune(&["--json"]));
    let one = prune(&["--host", "web", "--json"]);

    let source = std::fs::canonicalize(env.path("source")).unwrap();
    for host in ["web", "db"] {
        let title = format!("{} on {host}:", source.display());
        assert!(text.stdout.lines().any(|line| line == title), "{}", text.stdout);
    }
    let series = |run: &Run| -> Vec<String> {
        let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let archives = lines.filter(|line| line["type"] == "archive");
        archives.map(|one| format!("{} {} {}", one["series"], one["host"], one["action"])).collect()
    };
    let expected =
        ["1 \"db\" \"keep\"", "1 \"db\" \"remove\"", "2 \"web\" \"keep\"", "2 \"web\" \"remove\""];
    assert_eq!(series(&lines), expected);
    assert_eq!(series(&one), ["1 \"web\" \"keep\"", "1 \"web\" \"remove\""]);
}

#[test]
fn a_machine_is_told_by_a_hash_of_its_id_unless_the_host_is_named() {
    let env = TestEnv::new();
    env.write("source/a", "1");
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    for (dest, args) in [("own", &[][..]), ("named", &["--host", "web"])] {
        env.run(TOOL, [&["create", "source", dest], args].concat()).expect_code(0);
        let shown = env.run(TOOL, ["prune", dest, "--keep-last", "1", "--dry-run", "--json"]);
        let line: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
        let machine = line["machine"].as_str();
        assert_eq!(machine.is_some(), dest == "own" && id.trim().len() == 32, "{line}");
        assert!(machine.is_none_or(|hash| hash != id.trim() && hash.len() == 32), "{line}");
    }
}
