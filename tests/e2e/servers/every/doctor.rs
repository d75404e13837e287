//! What `doctor` says of the server, and what later runs make of it.

use std::collections::HashMap;

use devops_e2e::Run;
use serde_json::Value;

use crate::servers::{
    client::store,
    rig::{MIB, Rig, bytes, event, place},
    traits::{Traits, traits},
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
    let Traits { proofs, compares, conditions, copies, lists_parts, .. } = traits();
    if *compares {
        expect("wrong checksum", "ok", "refused");
    }
    let level = if *conditions { ("ok", "honoured") } else { ("warn", "ignored") };
    expect("if-none-match", level.0, level.1);
    expect("if-none-match on parts", level.0, level.1);
    expect("list parts", if *lists_parts { "ok" } else { "warn" }, "");
    expect("copy", if *copies == Some(false) { "warn" } else { "ok" }, "");
    let known = &summary["known"];
    let is_known = (known["conditions"].as_str(), known["copies"].as_bool());
    assert_eq!(is_known, (Some(level.1), *copies));
    if place().name == "garage" {
        expect("head", "ok", "tells crc64nvme");
        expect("list parts", "ok", "page by page");
        // It copies nothing smaller than a part, which says nothing of larger pieces.
        expect("copy", "ok", "as small as a probe");
        expect("attributes", "warn", "not an S3 response");
        expect("object lock", "warn", "NotImplemented");
        // It names versions, and has none.
        assert!(!found.contains_key("delete versions"), "{found:?}");
    }
    // Of a small object, and of one in parts.
    let proof = if proofs.contains(&"size") { "size" } else { proofs[0] };
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
        assert_eq!(put.stderr.contains(warning), !traits().conditions, "{}", put.stderr);
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

    let run = rig.run(&["doctor", "s3://no-bucket-for-doctor/"]);

    run.expect_code(5);
    assert!(run.stdout.contains("fail  bucket: "), "{}", run.stdout);
}
