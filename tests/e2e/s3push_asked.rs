//! `devops-s3push` against stores that do not do what they were asked, with a success.

use crate::s3push::{S3TestEnv, json_lines};

const SSE: &str = "x-amz-server-side-encryption";

/// Lets requests that begin an object ignore a header.
fn ignoring(header: &str) -> S3TestEnv {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "content");
    for operation in ["PutObject", "CreateMultipartUpload"] {
        setting.server.faults(&[&format!("{operation}:ignore={header}:always")]);
    }
    setting
}

#[test]
fn protection_that_is_not_given_is_no_success() {
    let lock = "--lock-mode governance --lock-until 30d";
    for (header, flags, code, said) in [
        (
            SSE,
            "--sse AES256",
            10,
            "error: the store took `s3://backups/a.txt` without the server-side encryption asked for, and it was removed again",
        ),
        (
            "x-amz-object-lock-mode",
            lock,
            10,
            "error: `s3://backups/a.txt` is stored without the lock asked for",
        ),
        ("x-amz-object-lock-legal-hold", "--legal-hold", 10, "is stored without the legal hold"),
        (
            "x-amz-storage-class",
            "--storage-class GLACIER",
            3,
            "warning: `s3://backups/a.txt` is stored without the storage class asked for",
        ),
        ("x-amz-tagging", "--tag a=b", 3, "is stored without the tags asked for"),
    ] {
        let setting = ignoring(header);
        let flags: Vec<&str> = flags.split(' ').collect();

        let run = setting.run(&[&["put", "a.txt", "s3://backups"], &flags[..]].concat());

        run.expect_code(code);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert_eq!(setting.server.object("backups", "a.txt").is_some(), header != SSE);
    }
}

#[test]
fn what_is_there_is_not_replaced_by_something_in_clear() {
    let setting = ignoring(SSE);
    setting.server.put("backups", "a.txt", b"precious");
    let flags = ["--overwrite", "--sse", "AES256"];

    let one = setting.run(&[&["put", "a.txt", "s3://backups"], &flags[..]].concat());
    setting.env.write("tree/a.txt", "content");
    setting.env.write("tree/b.txt", "content");
    let tree = setting.run(&[&["put", "tree", "s3://backups"], &flags[..]].concat());
    // The command would leave a file.
    let put =
        ["put", "s3://backups/c", "--from-command", "--sse", "AES256", "--", "touch", "begun"];
    let stream = setting.run(&put);

    for run in [one, tree, stream] {
        run.expect_code(10);
        assert!(run.stderr.contains("was not stored: the store takes objects without"));
    }
    assert!(!setting.env.path("begun").exists());
    assert_eq!(setting.object("a.txt"), b"precious");
    assert_eq!(setting.server.keys("backups"), ["a.txt"]);
}

#[test]
fn what_is_found_out_is_remembered() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "content");
    let put = ["put", "a.txt", "s3://backups", "--overwrite", "--sse", "AES256"];
    setting.run(&put).expect_code(0);
    assert_eq!(setting.server.count("PutObject"), 2);

    setting.run(&put).expect_code(0);

    assert_eq!(setting.server.count("PutObject"), 3);
    assert_eq!(setting.server.keys("backups"), ["a.txt"]);
}

#[test]
fn checksums_that_are_only_repeated_prove_nothing_once_that_is_known() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "content");
    setting.server.faults(&["*:echo-checksum:always", "PutObject:damage:after=9:always"]);
    let doctor = setting.run(&["doctor", "s3://backups/d/"]);
    assert!(
        doctor.stdout.contains("repeats checksums without comparing them"),
        "{}",
        doctor.stdout
    );
    setting.server.clear_faults();
    setting.server.faults(&[
        "*:echo-checksum:always",
        "PutObject:damage:always",
        "PutObject:ignore=content-md5:always",
    ]);

    let put = setting.run(&["put", "a.txt", "s3://backups", "--json"]);
    let verify = setting.run(&["verify", "a.txt", "s3://backups/a.txt"]);
    let get = setting.run(&["get", "s3://backups/a.txt", "back"]);

    put.expect_code(10);
    assert_eq!(json_lines(&put.stderr).last().unwrap()["kind"], "mismatch");
    verify.expect_code(10);
    // It is what the store has, and says to have.
    get.expect_code(0);
    assert!(get.stdout.contains("proof etag"), "{}", get.stdout);
}

#[test]
fn what_a_store_lists_beside_a_prefix_is_not_fetched() {
    let setting = S3TestEnv::new();
    for key in ["p/a", "q/private", "other"] {
        setting.server.put("backups", key, b"content");
    }
    setting.server.faults(&["ListObjectsV2:ignore=prefix:always"]);

    setting.run(&["get", "s3://backups/p/", "d"]).expect_code(0);
    let list = setting.run(&["list", "s3://backups/p/"]);

    assert!(setting.env.path("d/a").exists() && !setting.env.path("d/q").exists());
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
}
