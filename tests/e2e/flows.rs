//! The tools together.

use std::fs;

use devops_e2e::{TestEnv, finish};
use devops_fakes::s3::{ACCESS_KEY, SECRET_KEY, Server};

/// Runs `devops-s3push` against `server`.
#[track_caller]
fn push(env: &TestEnv, server: &Server, args: &[&str]) {
    let mut command = env.tool("devops-s3push");
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("DEVOPS_S3PUSH_ENDPOINT_URL", server.endpoint())
        .args(args);
    finish(&mut command).expect_code(0);
}

#[test]
fn a_backup_goes_off_site_and_comes_back() {
    let (env, server) = (TestEnv::new(), Server::with_bucket());
    env.write("source/notes/monday.txt", "first");
    env.write("source/large", vec![7; 3 << 20]);
    env.run("devops-backup", ["create", "source", "vault"]).expect_code(0);
    env.write("source/notes/tuesday.txt", "second");
    env.run("devops-backup", ["create", "source", "vault"]).expect_code(0);

    push(&env, &server, &["put", "vault", "s3://backups/host/"]);
    push(&env, &server, &["verify", "vault", "s3://backups/host/"]);
    let mut names: Vec<_> = fs::read_dir(env.path("vault"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    fs::remove_dir_all(env.path("vault")).unwrap();

    assert_eq!(names.len(), 2, "{names:?}");
    for (name, to) in names.iter().zip(["first", "second"]) {
        push(&env, &server, &["get", &format!("s3://backups/host/{name}"), name]);
        env.run("devops-backup", ["restore", name, "--to", to]).expect_code(0);
    }
    assert!(!env.path("first/notes/tuesday.txt").exists());
    assert_eq!(fs::read(env.path("second/notes/tuesday.txt")).unwrap(), b"second");
    assert_eq!(fs::read(env.path("first/large")).unwrap(), vec![7; 3 << 20]);
}
