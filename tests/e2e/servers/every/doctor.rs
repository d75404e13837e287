//! What `doctor` says of the server, and what later runs make of it.

use std::collections::HashMap;

use devops_e2e::Run;
use serde_json::Value;

use crate::servers::{
    client::store,
    rig::{MIB, Rig, bytes, event, is_strict},
};

/// Returns what a run says of each check: how good it is, and why.
fn checks(run: &Run) -> HashMap<String, (String, String)> {
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines
        .filter(|line| line["type"] == "check")
        .map(|line| (text(&line, "check"), (text(&line, "level"), text(&line, "message"))))
        .collect()
}

#[test]
fn doctor_finds_what_the_server_is_known_for_and_leaves_nothing_in_it() {
    let rig = Rig::new();

    let run = rig.run(&["doctor", &rig.uri("nightly/"), "--json"]);

    run.expect_code(0);
    let (found, summary) = (checks(&run), event(&run, "summary"));
    let expect = |check: &str, level: &str, said: &str| {
        let (is, message) = found.get(check).unwrap_or_else(|| panic!("no {check}: {found:?}"));
        assert!(is == level && message.contains(said), "{check}: {is}: {message}");
    };
    for check in ["crc64nvme", "crc32c", "sha256", "content-md5", "get", "etag", "delete"] {
        expect(check, "ok", "");
    }
    assert_eq!(summary["known"]["checksums"], true);
    if is_strict() {
        expect("wrong checksum", "ok", "refused");
        expect("if-none-match", "warn", "ignored");
        expect("if-none-match on parts", "warn", "ignored");
        expect("head", "ok", "tells crc64nvme");
        expect("list parts", "ok", "page by page");
        // It copies nothing smaller than a part, which says nothing of larger pieces.
        expect("copy", "ok", "as small as a probe");
        expect("attributes", "warn", "no answer of S3");
        expect("object lock", "warn", "NotImplemented");
        // It names versions, and has none.
        assert!(!found.contains_key("delete versions"), "{found:?}");
        let known = &summary["known"];
        assert_eq!((&known["conditions"], &known["copies"]), (&"ignored".into(), &Value::Null));
    } else {
        expect("wrong checksum", "warn", "without comparing them");
        expect("if-none-match", "ok", "honoured");
        expect("if-none-match on parts", "ok", "honoured");
        expect("copy", "ok", "only what changed is sent");
        expect("object lock", "ok", "off");
        // The roots of these answers are not those of S3.
        expect("list parts", "warn", "goes by its journal");
        expect("versioning", "warn", "does not tell");
        let known = &summary["known"];
        assert_eq!((&known["conditions"], &known["copies"]), (&"honoured".into(), &true.into()));
    }
    let proof = if is_strict() { "full" } else { "etag" };
    assert_eq!((&summary["fail"], &summary["proof"]), (&0.into(), &proof.into()));
    assert_eq!(rig.keys(), [""; 0]);
    assert!(rig.uploads().is_empty());
}

#[test]
fn puts_after_doctor_go_by_what_it_found() {
    let rig = Rig::new();
    let warning = "the store ignores conditions";
    let before = rig.put("before", b"x", &[]);
    rig.run(&["doctor", &rig.uri("")]).expect_code(0);
    store(&rig.bucket, "taken", b"precious");

    let (small, large) = (rig.put("small", b"x", &[]), rig.put("large", &bytes(11 * MIB), &[]));
    let taken = rig.put("taken", b"other", &[]);
    let over = rig.put("taken", b"other", &["--overwrite"]);

    assert!(!before.expect_code(0).stderr.contains(warning), "{}", before.stderr);
    for put in [small.expect_code(0), large.expect_code(0), taken.expect_code(1)] {
        assert_eq!(put.stderr.contains(warning), is_strict(), "{}", put.stderr);
    }
    assert!(!over.expect_code(0).stderr.contains(warning), "{}", over.stderr);
    rig.check("large", &bytes(11 * MIB));
    rig.check("taken", b"other");
}

#[test]
fn without_writing_doctor_puts_nothing_and_says_so() {
    let rig = Rig::new();

    let run = rig.run(&["doctor", &rig.uri(""), "--no-write"]);

    run.expect_code(0);
    assert!(run.stdout.contains("Puts were not tried ("), "{}", run.stdout);
    assert_eq!(rig.keys(), [""; 0]);
}

#[test]
fn doctor_says_by_its_code_that_the_bucket_is_not_there() {
    let rig = Rig::new();

    let run = rig.run(&["doctor", "s3://no-such-bucket-here/"]);

    run.expect_code(5);
    assert!(run.stdout.contains("fail  bucket: "), "{}", run.stdout);
}
