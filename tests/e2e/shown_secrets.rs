//! The secrets that no output shows, and the warnings of secrets that others can read.

use std::{fs, os::unix::fs::PermissionsExt};

use devops_e2e::{TestEnv, finish};

use crate::s3push::S3TestEnv;

#[test]
fn variables_are_shown_without_tokens() {
    let env = TestEnv::new();
    let mut command = env.tool("devops-basics");
    for (name, value) in [
        ("GIT_URL", "https://hunter2@git.example/x.git"),
        ("SENTRY_DSN", "https://hunter2@o1.ingest.example/1"),
        ("SSHPASS", "hunter2"),
        ("GITHUB_PAT", "hunter2"),
        ("REDISCLI_AUTH", "hunter2"),
        ("LINK", "https://b.example/k?X-Amz-Signature=hunter2&x=1"),
        ("BLOB", "https://a.example/c?sv=1&sig=hunter2"),
        ("DB", "Server=h;Uid=u;Password=hunter2;Port=1"),
        ("NOTIFY", "https://hooks.slack.com/services/T/B/hunter2"),
        ("PLAIN", "https://example.org/a?b=c"),
    ] {
        command.env(name, value);
    }

    let text = finish(command.arg("vars"));
    let json = finish(command.arg("--json"));

    for run in [&text, &json] {
        assert!(!run.expect_code(0).stdout.contains("hunter2"), "{}", run.stdout);
        assert!(run.stdout.contains("https://example.org/a?b=c"), "{}", run.stdout);
    }
    assert!(text.stdout.contains("https://***@git.example/x.git"), "{}", text.stdout);
}

#[test]
fn settings_are_shown_without_what_commands_and_addresses_hold() {
    let env = TestEnv::new();
    let keys = "before = [\"mysqldump -phunter2 shop\"]\nfinally = [\"curl -u me:hunter2 h\"]";
    let text = format!("[backup.profile.home]\nsource = \"x\"\ndest = \"y\"\n{keys}\n");
    let backup = env.write("backup.toml", text);
    let text =
        "[s3push]\nendpoint_url = \"http://me:hunter2@h\"\n[basics.run]\nenv = [\"A=hunter2\"]\n";
    let others = env.write("others.toml", text);
    for (tool, file) in
        [("devops-backup", &backup), ("devops-s3push", &others), ("devops-basics", &others)]
    {
        for style in ["--origin", "--json"] {
            let mut command = env.tool(tool);

            let run = finish(command.args(["config", "show", style]).arg("--config").arg(file));

            assert!(!run.expect_code(0).stdout.contains("hunter2"), "{}", run.stdout);
            assert!(run.stdout.contains("***"), "{}", run.stdout);
        }
    }
}

#[test]
fn a_passphrase_that_others_can_read_is_named() {
    let env = TestEnv::new();
    env.write("data/file", "content");
    let passphrase = env.write("passphrase", "correct horse\n");
    let create = |mode: u32, name: &str| {
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(mode)).unwrap();
        let args = ["create", "data", "vault", "--passphrase-file", "passphrase", "--name", name];
        env.run("devops-backup", args).expect_code(0).stderr.clone()
    };

    let (open, closed) = (create(0o644, "open"), create(0o600, "closed"));

    assert!(open.contains("warning: everybody can read passphrase\n"), "{open}");
    assert!(!closed.contains("can read"), "{closed}");
}

#[test]
fn a_home_that_does_not_exist_is_not_made() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "content");
    let home = setting.env.path("no-home");
    let mut command = setting.command(&["put", "a.txt", "s3://backups/"]);

    let run = finish(command.env("HOME", &home));

    run.expect_code(0);
    assert_eq!(setting.object("a.txt"), b"content");
    assert!(!home.exists());
    let words = "no-home` does not exist: nothing is kept for later runs\n";
    assert_eq!(run.stderr.matches(words).count(), 1, "{}", run.stderr);
}

#[test]
fn no_folder_of_state_caches_or_backups_below_it_is_made_either() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "content");
    setting.env.write("passphrase", "correct horse");
    setting
        .env
        .write("config.toml", "[backup.profile.x]\nsource = \"a.txt\"\ndest = \"~/vault\"\n");
    let home = setting.env.path("no-home");
    let backup = |args: &[&str]| {
        let mut command = setting.env.tool("devops-backup");
        command.args(args);
        command
    };
    let sealed = ["create", "a.txt", "sealed", "--cache", "--passphrase-file", "passphrase"];

    for (mut command, code) in [
        (setting.command(&["put", "a.txt", "s3://backups/"]), 0),
        (setting.command(&["doctor", "s3://backups/"]), 0),
        (backup(&["create", "a.txt", "plain"]), 0),
        (backup(&sealed), 0),
        (backup(&["--config", "config.toml", "run", "x"]), 78),
    ] {
        command.env("HOME", &home).env("XDG_STATE_HOME", home.join("state"));
        let run = finish(command.env("XDG_CACHE_HOME", home.join("cache")));

        run.expect_code(code);
        assert!(run.stderr.contains("no-home` does not exist") || code == 78, "{}", run.stderr);
        assert!(!home.exists(), "{}", run.stderr);
    }
    let mut run = backup(&["--config", "config.toml", "run", "x"]);
    let refused = finish(run.env("HOME", &home));
    assert!(refused.stderr.contains("`~/vault` is in the home folder"), "{}", refused.stderr);
}
