//! The access to the files that the tools write, under any umask.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use devops_e2e::{TestEnv, finish, without_root};
use rustix::process::geteuid;

use crate::s3push::S3TestEnv;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A file `text` of another tool.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x49\xad\x28\x01\x00\xc7\xa7\x8b\x3b\x04\x00\x00\x00";

#[test]
fn what_get_writes_follows_the_umask_but_an_archive() {
    let setting = S3TestEnv::new();
    setting.env.write("source/a.txt", "text");
    let mut objects = vec![("a.txt", b"text".to_vec()), ("foreign", GZIP.to_vec())];
    for (key, flag) in [("archive", "--no-reproducible"), ("reproducible", "--reproducible")] {
        setting.env.run("devops-backup", ["create", "source", key, flag]).expect_code(0);
        let name = &devops_e2e::names_in(&setting.env.path(key))[0];
        objects.push((key, fs::read(setting.env.path(key).join(name)).unwrap()));
    }
    for (key, bytes) in &objects {
        setting.server.put("backups", &format!("p/{key}"), bytes);
    }

    for (umask, expected) in [("077", 0o600), ("027", 0o640), ("000", 0o666)] {
        let to = setting.env.path(umask);
        let get = setting.command(&["get", "s3://backups/p/", to.to_str().unwrap()]);
        finish(&mut setting.env.under_umask(umask, &get)).expect_code(0);

        for (name, expected) in [
            ("a.txt", expected),
            ("foreign", expected),
            ("archive", 0o600),
            ("reproducible", 0o600),
        ] {
            assert_eq!(mode(&to.join(name)), expected, "{umask} {name}");
        }
    }
}

#[test]
fn get_gives_files_the_mode_and_group_it_is_told() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"text");
    let to = setting.env.path("a.txt");
    let group = fs::metadata(setting.env.path("")).unwrap().gid().to_string();
    let get = |mode: &str, group: &str| {
        let flags = ["--mode", mode, "--group", group, "--overwrite"];
        setting.run(&[&["get", "s3://backups/a.txt", to.to_str().unwrap()][..], &flags].concat())
    };

    get("0666", &group).expect_code(2);
    get("0640", "there is no such group").expect_code(2);
    get("0640", &group).expect_code(0);

    assert_eq!(mode(&to), 0o640);
    if geteuid().is_root() {
        fs::remove_file(&to).unwrap();
        get("0640", "12345").expect_code(0);
        assert_eq!(fs::metadata(&to).unwrap().gid(), 12345);
    }
}

#[test]
fn a_receipt_is_private_and_metrics_are_for_the_collector() {
    let setting = S3TestEnv::new();
    setting.env.write("file", "content");
    let put =
        ["put", "file", "s3://backups/file", "--receipt", "receipt", "--metrics-file", "m.prom"];

    let mut under = setting.env.under_umask("077", &setting.command(&put));
    finish(&mut under).expect_code(0);

    assert_eq!(mode(&setting.env.path("receipt")), 0o600);
    assert_eq!(mode(&setting.env.path("m.prom")), 0o644);
}

#[test]
fn the_metrics_of_the_printed_unit_can_be_read_by_another_user() {
    let env = TestEnv::new();
    env.write("source/a.txt", "text");
    for folder in ["archives", "metrics"] {
        fs::create_dir(env.path(folder)).unwrap();
    }
    let profile = |key: &str, folder: &str| format!("{key} = {:?}\n", env.path(folder));
    let profile = [
        profile("source", "source"),
        profile("dest", "archives"),
        profile("metrics_dir", "metrics"),
    ];
    let config = env.write(
        "config.toml",
        format!("[backup.profile.home]\nkeep_last = 3\n{}", profile.concat()),
    );
    let timer = ["timer", "home", "--config", config.to_str().unwrap()];
    let unit = env.run("devops-backup", timer).expect_code(0).stdout.clone();
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();

    let script = format!("umask {}; exec {}", line("UMask="), line("ExecStart="));
    finish(env.program("sh").args(["-c", &script])).expect_code(0);

    let metrics = env.path("metrics/devops-backup-home.prom");
    let read = finish(without_root(env.program("cat").arg(metrics)));
    assert!(
        read.expect_code(0).stdout.contains("devops_backup_last_exit_code{profile=\"home\"} 0")
    );
}

#[test]
fn the_folders_of_state_and_caches_are_private_whatever_the_umask() {
    let setting = S3TestEnv::new();
    setting.env.write("source/a.txt", "text");
    setting.env.write("passphrase", "correct horse");
    setting.env.write("large", vec![7; 6 << 20]);
    let create = ["create", "source", "archives", "--cache", "--passphrase-file", "passphrase"];
    let commands = [
        setting.command(&["put", "large", "s3://backups/", "--part-size", "5MiB"]),
        setting.command(&["doctor", "s3://backups/"]),
        {
            let mut command = setting.env.tool("devops-backup");
            command.args(create);
            command
        },
        {
            let mut command = setting.env.tool("devops-backup");
            command.args(["create", "source", "archives"]);
            command
        },
    ];
    for command in &commands {
        let run = finish(&mut setting.env.under_umask("000", command));
        assert!(run.code < 5, "{}", run.stderr);
    }

    let made = [
        ".local/state/devops/backup",
        ".local/state/devops/s3push",
        ".cache/devops/backup",
        ".cache/devops/s3push",
    ];
    for folder in made {
        for folder in Path::new(folder).ancestors().filter(|part| !part.as_os_str().is_empty()) {
            assert_eq!(mode(&setting.env.home().join(folder)), 0o700, "{folder:?}");
        }
    }
}
