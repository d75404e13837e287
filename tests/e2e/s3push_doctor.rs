//! `devops-s3push doctor`, what later runs make of it, and the flags by which a store is reached.

use std::fs;

use devops_e2e::{Refusing, names_in};
use rustix::process::Signal;

use crate::s3push::{LONG, MIB, S3TestEnv, bytes, json_lines};

#[test]
fn doctor_says_what_puts_reach_and_leaves_nothing_in_the_store() {
    let setting = S3TestEnv::new();

    let run = setting.run(&["doctor", "s3://backups/nightly/"]);

    run.expect_code(0);
    for line in [
        "ok    crc64nvme: taken and confirmed",
        "ok    if-none-match: honoured: a key that is taken is refused",
        "ok    delete: allowed",
        "ok    credentials: fake****-key from the environment, without an end",
        "Puts reach proof full (",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert_eq!(setting.server.keys("backups"), [""; 0]);
}

#[test]
fn what_doctor_found_out_spares_the_next_put_a_refusal() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["*:refuse-checksums:always", "PutObject:ignore-condition:always"]);
    setting.env.write("a.txt", "x");

    let doctor = setting.run(&["doctor", "s3://backups", "--json"]);

    doctor.expect_code(0);
    let lines = json_lines(&doctor.stdout);
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["known"]["checksums"], false);
    assert_eq!(summary["known"]["conditions"], "ignored");
    assert_eq!((&summary["type"], &summary["proof"]), (&"summary".into(), &"etag".into()));
    let before = setting.server.count("PutObject");
    let put = setting.run(&["put", "a.txt", "s3://backups"]);
    put.expect_code(0);
    assert!(put.stdout.contains("proof etag"), "{}", put.stdout);
    assert_eq!(setting.server.count("PutObject"), before + 1);
    assert!(put.stderr.contains("the store ignores conditions"), "{}", put.stderr);

    // What cannot be read was not found out.
    let folder = setting.env.home().join(".cache/devops/s3push");
    for name in names_in(&folder) {
        setting.env.write(folder.join(name), "{");
    }
    let before = setting.server.count("PutObject");
    setting.run(&["put", "a.txt", "s3://backups/b.txt"]).expect_code(0);
    assert_eq!(setting.server.count("PutObject"), before + 2);
}

#[test]
fn doctor_ends_with_the_code_of_what_is_wrong() {
    let setting = S3TestEnv::new();
    setting.run(&["doctor", "s3://backups/a.txt"]).expect_code(2);
    setting.run(&["doctor", "s3://nowhere/"]).expect_code(5);
    let closed = Refusing::new();
    setting.run(&["doctor", "s3://backups", "--endpoint-url", &closed.endpoint()]).expect_code(75);
    setting.server.faults(&["CreateMultipartUpload:not-implemented:always"]);

    let run = setting.run(&["doctor", "s3://backups"]);

    run.expect_code(10);
    assert!(run.stdout.contains("fail  multipart: "), "{}", run.stdout);
    assert!(run.stdout.contains("Puts do not work ("), "{}", run.stdout);
    let run = setting.run(&["doctor", "s3://backups", "--no-write"]);
    run.expect_code(0);
    assert!(run.stdout.contains("Puts were not tried ("), "{}", run.stdout);
}

#[test]
fn doctor_cleans_up_after_a_signal() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["UploadPart:stall:always"]);
    let doctor = setting.start(&["doctor", "s3://backups"]);
    assert!(setting.server.wait_for(|log| log.iter().any(|e| e.operation == "UploadPart"), LONG));

    doctor.signal(Signal::INT);

    doctor.finish().expect_code(130);
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_key_of_the_customer_goes_with_every_request_and_into_no_file() {
    let setting = S3TestEnv::new();
    setting.env.write("key", [7; 32]);
    setting.file("a.bin", 20 * MIB);
    setting.server.faults(&["UploadPart:denied:part=2"]);
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

    let run = setting.run(&["put", "a.bin", "s3://backups", "--sse-c-key-file", "key", "-vv"]);

    run.expect_code(77);
    let folder = setting.env.home().join(".local/state/devops/s3push");
    let journal: String = names_in(&folder)
        .iter()
        .map(|name| fs::read_to_string(folder.join(name)).unwrap())
        .collect();
    assert!(journal.contains("a.bin") && !journal.contains(key), "{journal}");
    assert!(!run.stderr.contains(key), "{}", run.stderr);
    let without = setting.run(&["resume"]);
    without.expect_code(2);
    assert!(without.stderr.contains("--sse-c-key-file"), "{}", without.stderr);

    setting.run(&["resume", "--sse-c-key-file", "key"]).expect_code(0);

    assert!(setting.object("a.bin") == bytes(20 * MIB));
    let log = setting.server.log();
    let with_key = |operation: &str| {
        let mut of = log.iter().filter(|entry| entry.operation == operation).peekable();
        of.peek().is_some()
            && of
                .all(|entry| entry.header("x-amz-server-side-encryption-customer-key") == Some(key))
    };
    for operation in ["CreateMultipartUpload", "UploadPart", "HeadObject", "ListParts"] {
        assert!(with_key(operation), "{operation}");
    }
}

#[test]
fn what_a_store_cannot_have_and_keys_that_are_none_are_refused_before_anything_is_sent() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    setting.env.write("short", "no key");
    setting.env.write("key", [7; 32]);
    let key = ["--sse-c-key-file", "key"];
    let put = |flags: &[&str]| {
        setting.run(&[&["put", "a.txt", "s3://backups", "--retry-time", "1s"], flags].concat())
    };

    put(&["--sse-c-key-file", "short"]).expect_code(2);
    put(&["--sse-c-key-file", "missing"]).expect_code(5);
    put(&["--fips"]).expect_code(2);
    put(&[&key[..], &["--sse", "AES256"]].concat()).expect_code(2);
    let in_clear = put(&[&key[..], &["--endpoint-url", "http://s3.example.com"]].concat());

    in_clear.expect_code(11);
    assert!(in_clear.stderr.contains("is plain HTTP"), "{}", in_clear.stderr);
    assert_eq!(setting.server.log().len(), 0);
    let signed = setting.run(&["presign", "s3://backups/a.txt", "--requester-pays"]);
    signed.expect_code(2);
}
