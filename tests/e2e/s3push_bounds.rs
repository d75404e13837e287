//! The answers of a store are bounded for `devops-s3push`, and a store must have an address.

use devops_e2e::{Run, finish};

use crate::s3push::S3TestEnv;

#[track_caller]
fn check_one_error(run: &Run, code: i32, said: &str) {
    run.expect_code(code);
    let errors: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    // The SDK's dump of an answer is no message for people.
    assert!(!run.stderr.contains("Response {") && run.stderr.len() < 2000, "{}", run.stderr);
}

#[test]
fn an_answer_without_an_end_is_cut_off_and_told_in_one_line() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    setting.server.put("backups", "a.txt", b"y");
    let list: &[&str] = &["list", "s3://backups/"];
    let put: &[&str] = &["put", "a.txt", "s3://backups/b"];
    let get: &[&str] = &["get", "s3://backups/a.txt", "got"];

    for (args, fault, code, said) in [
        (list, "ListObjectsV2:endless=200", 75, "HTTP 200 with an answer of more than 16 MiB"),
        (list, "ListObjectsV2:endless=403", 77, "HTTP 403 with an answer of more than 16 MiB"),
        (list, "ListObjectsV2:long-headers", 75, "an answer with more than 64 KiB of headers"),
        (put, "PutObject:endless=400", 1, "HTTP 400 with an answer of more than 16 MiB"),
        (put, "PutObject:endless=200", 75, "HTTP 200 with an answer of more than 16 MiB"),
        (get, "GetObject:endless=403", 77, "HTTP 403 with an answer of more than 16 MiB"),
    ] {
        setting.server.clear_faults();
        setting.server.faults(&[&format!("{fault}:always")]);

        let run = setting.run(&[args, &["--retry-time", "0s"]].concat());

        check_one_error(&run, code, said);
    }
}

#[test]
fn an_object_that_is_larger_than_any_other_answer_comes_back_whole() {
    let setting = S3TestEnv::new();
    let bytes = crate::s3push::bytes(20 << 20);
    setting.server.put("backups", "large", &bytes);

    let run = setting.run(&["get", "s3://backups/large", "-"]);

    run.expect_code(0);
    let log = setting.server.log();
    let n_gets = log.iter().filter(|entry| entry.operation == "GetObject").count();
    assert!(n_gets > 0);
    setting.run(&["get", "s3://backups/large", "got"]).expect_code(0);
    assert!(std::fs::read(setting.env.path("got")).unwrap() == bytes);
}

#[test]
fn a_listing_that_leads_to_itself_is_given_up_at_once() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"y");
    setting.server.faults(&["ListObjectsV2:same-page:always"]);

    let run = setting.run(&["list", "s3://backups/"]);

    run.expect_code(75);
    assert!(run.stderr.contains("leads back to an earlier one"), "{}", run.stderr);
    assert_eq!(setting.server.count("ListObjectsV2"), 2);
}

#[test]
fn a_region_or_an_endpoint_that_makes_no_address_is_a_wrong_configuration() {
    let setting = S3TestEnv::new();
    for flags in [
        ["--region", "eu west"],
        ["--region", ""],
        ["--endpoint-url", "http://exa mple"],
        ["--endpoint-url", "http://host:99999"],
        ["--endpoint-url", "https://[::1"],
    ] {
        let run = setting.run(&[&["list", "s3://backups/"][..], &flags].concat());

        run.expect_code(78);
        assert!(run.stderr.contains("--endpoint-url"), "{}", run.stderr);
    }
    // An accelerated address has the bucket in the name of the host, where a dot is one too many.
    let mut accelerated = setting.command(&["list", "s3://a.b.c/", "--accelerate"]);
    let run = finish(accelerated.env_remove("DEVOPS_S3PUSH_ENDPOINT_URL"));
    run.expect_code(78);
    assert!(run.stderr.contains("S3 Accelerate"), "{}", run.stderr);
    assert_eq!(setting.server.count("ListObjectsV2"), 0);
}
