//! What `doctor` finds out about stores that are good, and about others; and what puts make of it.

use std::{cell::RefCell, fs::File, io::Write};

use devops_core::{
    cancel::{Cancel, Cancelled},
    kind::{HasKind, Kind},
    s3::{
        Algorithm, CancelToken, Capabilities, Conditions, ConnectOptions, CustomerKey, Depth,
        Diagnosis, DoctorOptions, Event, Finding, Proof, PutOptions, RequestHeaders, S3Context,
        Severity, StoreOptions, UploadItem, Verification, connect, diagnose, put, verify,
    },
};
use devops_fakes::s3::{ACCESS_KEY, Entry, SECRET_KEY, Server};
use time::OffsetDateTime;

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

/// Examines the store while these things go wrong.
fn examine(rules: &[&str]) -> (TestStore, Diagnosis, Vec<Finding>) {
    let test_store = TestStore::new();
    test_store.server.faults(rules);
    let findings = RefCell::new(Vec::new());
    let diagnosis = run(&test_store, &|finding| findings.borrow_mut().push(finding)).unwrap();
    (test_store, diagnosis, findings.into_inner())
}

fn run(test_store: &TestStore, tell: &dyn Fn(Finding)) -> Result<Diagnosis, Cancelled> {
    let prefix = uri("nightly/");
    let examined = DoctorOptions { prefix: &prefix, write: true, now: OffsetDateTime::now_utc() };
    test_store.run(async |context| diagnose(context, examined, tell).await)
}

/// Returns the worst that was found about something.
fn severity(findings: &[Finding], check: &str) -> Severity {
    let found = findings.iter().filter(|finding| finding.check == check);
    let worst = found.map(|finding| finding.severity).max();
    worst.unwrap_or_else(|| panic!("nothing about {check}: {findings:#?}"))
}

fn is_clean(test_store: &TestStore) {
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_store_that_does_everything_is_found_good_and_left_as_it_was() {
    let (test_store, diagnosis, findings) = examine(&[]);

    let capabilities = Capabilities {
        checksums: Some(true),
        conditions: Some(Conditions::Honoured),
        copies: Some(true),
        etag_is_md5: Some(true),
        compares_checksums: Some(true),
        encrypts: diagnosis.capabilities.encrypts,
    };
    assert_eq!(diagnosis, Diagnosis { capabilities, proof: Some(Proof::Full), failed: None });
    for check in [
        "crc64nvme",
        "content-md5",
        "crc32c",
        "sha256",
        "wrong checksum",
        "if-none-match",
        "if-none-match on parts",
        "head",
        "etag",
        "get",
        "sse",
        "copy",
        "list parts",
        "multipart",
        "delete",
    ] {
        assert_eq!(severity(&findings, check), Severity::Ok, "{check}: {findings:#?}");
    }
    is_clean(&test_store);
}

#[test]
fn a_store_that_does_not_look_at_conditions_is_found_out() {
    let rules =
        ["PutObject", "CompleteMultipartUpload"].map(|on| format!("{on}:ignore-condition:always"));
    let (test_store, diagnosis, findings) = examine(&rules.each_ref().map(String::as_str));

    assert_eq!(diagnosis.capabilities.conditions, Some(Conditions::Ignored));
    assert_eq!(severity(&findings, "if-none-match"), Severity::Warn);
    assert_eq!(severity(&findings, "if-none-match on parts"), Severity::Warn);
    is_clean(&test_store);
}

#[test]
fn a_store_that_does_not_look_at_conditions_still_tells_the_checksum_of_a_put() {
    let (_, diagnosis, findings) = examine(&["PutObject:ignore-condition:always"]);

    let head = findings.iter().find(|finding| finding.check == "head").unwrap();
    assert!(head.message.contains("tells crc64nvme"), "{head:?}");
    assert_eq!(diagnosis.proof, Some(Proof::Full));
}

#[test]
fn a_store_that_copies_only_large_pieces_is_not_taken_for_one_that_copies_none() {
    let (test_store, diagnosis, findings) = examine(&["UploadPartCopy:too-small:always"]);

    assert_eq!((diagnosis.capabilities.copies, severity(&findings, "copy")), (None, Severity::Ok));
    is_clean(&test_store);
}

#[test]
fn a_store_that_does_not_encrypt_as_asked_is_found_out() {
    for (rule, level_found) in [
        ("PutObject:ignore=x-amz-server-side-encryption:always", Severity::Warn),
        // HEAD says it, if the answer to the put does not.
        ("PutObject:leave-out=x-amz-server-side-encryption:always", Severity::Ok),
    ] {
        let (test_store, diagnosis, findings) = examine(&[rule]);

        assert_eq!(severity(&findings, "sse"), level_found, "{rule}");
        let is_known = diagnosis.capabilities.encrypts != Capabilities::default().encrypts;
        assert_eq!((is_known, diagnosis.failed), (level_found == Severity::Ok, None));
        is_clean(&test_store);
    }
}

#[test]
fn a_store_that_repeats_the_headers_of_requests_is_named() {
    let ignored = "PutObject:ignore=x-amz-server-side-encryption:always";
    let (test_store, diagnosis, findings) = examine(&["*:echo-headers:always", ignored]);

    assert_eq!((diagnosis.proof, diagnosis.failed), (Some(Proof::Etag), None));
    for check in ["answers", "sse"] {
        assert_eq!(severity(&findings, check), Severity::Warn, "{check}");
    }
    is_clean(&test_store);
}

#[test]
fn checksums_of_a_wrong_length_are_named_and_prove_nothing() {
    let (test_store, diagnosis, findings) = examine(&["*:short-checksums:always"]);

    assert_eq!((diagnosis.proof, diagnosis.failed), (Some(Proof::Etag), None));
    assert_eq!(severity(&findings, "checksum length"), Severity::Warn);
    is_clean(&test_store);
}

#[test]
fn what_a_store_answers_otherwise_than_s3_is_named_and_no_end() {
    let rules = ["ListParts:other-root:always", "GetBucketVersioning:other-root:always"];
    let (test_store, diagnosis, findings) = examine(&rules);

    assert_eq!((diagnosis.proof, diagnosis.failed), (Some(Proof::Full), None));
    for check in ["list parts", "versioning"] {
        let finding = findings.iter().find(|finding| finding.check == check).unwrap();
        assert_eq!(finding.severity, Severity::Warn, "{finding:?}");
        assert!(finding.message.contains("not an S3 response"), "{finding:?}");
    }
    is_clean(&test_store);
}

#[test]
fn conditions_that_only_completions_ignore_count_as_ignored() {
    let (_, diagnosis, findings) = examine(&["CompleteMultipartUpload:ignore-condition:always"]);

    assert_eq!(diagnosis.capabilities.conditions, Some(Conditions::Ignored));
    assert_eq!(severity(&findings, "if-none-match"), Severity::Ok);
}

#[test]
fn a_store_without_checksums_is_proven_by_its_etags() {
    let (test_store, diagnosis, findings) = examine(&["*:refuse-checksums:always"]);

    assert_eq!(
        (diagnosis.capabilities.checksums, diagnosis.proof),
        (Some(false), Some(Proof::Etag))
    );
    assert_eq!((severity(&findings, "crc64nvme"), diagnosis.failed), (Severity::Warn, None));
    is_clean(&test_store);
}

#[test]
fn a_store_that_only_repeats_checksums_is_found_out_and_believed_no_more() {
    let echo = ["*:echo-checksum:always"];
    let (test_store, diagnosis, findings) = examine(&echo);

    assert_eq!(diagnosis.capabilities.compares_checksums, Some(false));
    assert_eq!(
        (severity(&findings, "wrong checksum"), diagnosis.proof),
        (Severity::Warn, Some(Proof::Etag))
    );
    is_clean(&test_store);

    let (test_store, proof) = put_knowing(diagnosis.capabilities, &echo);
    assert_eq!(proof, Proof::Etag);
    let parts = |entry: &&Entry| entry.operation == "UploadPart";
    assert!(
        test_store.server.log().iter().filter(parts).all(|it| it.header("content-md5").is_some())
    );

    // One byte is stored as another, and the checksum comes back as it was sent.
    let test_store = TestStore::new();
    test_store.server.faults(&["*:echo-checksum:always", "PutObject:damage:always"]);
    let (file, options) = (test_store.file("a.bin", 100), PutOptions::default());
    assert_eq!(test_store.put(&file, "a.bin", &options).unwrap().proof, Proof::Full);
    let look = |test_store: &TestStore| {
        test_store
            .run(async |context| verify(context, &file, &uri("a.bin"), Depth::Whole).await)
            .unwrap()
    };
    assert_eq!(look(&test_store), Verification::Same { size: 100, proof: Proof::Full });
    test_store.run(async |context| context.store.assume(diagnosis.capabilities));
    assert_eq!(look(&test_store), Verification::Different(Vec::new()));
    test_store.server.faults(&["PutObject:ignore=content-md5:always"]);
    let error = test_store.put(&file, "b.bin", &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Mismatch);
}

#[test]
fn what_is_not_found_out_of_checksums_is_not_said() {
    // The first put and that with Content-MD5 go well, and two with other checksums.
    let (_, diagnosis, findings) = examine(&["PutObject:internal-error:after=4:times=3"]);

    assert_eq!(diagnosis.capabilities.compares_checksums, None);
    assert_eq!(severity(&findings, "wrong checksum"), Severity::Warn);
}

#[test]
fn a_store_that_tells_no_checksums_is_proven_by_its_etags() {
    let (_, diagnosis, _) = examine(&["*:no-checksum:always"]);

    assert_eq!(
        (diagnosis.capabilities.checksums, diagnosis.proof),
        (Some(true), Some(Proof::Etag))
    );
}

#[test]
fn what_puts_need_and_what_is_only_worth_knowing_are_told_apart() {
    for (rule, failed, check) in [
        ("PutObject:denied:always", Some(Kind::Permission), "put"),
        ("CreateMultipartUpload:not-implemented:always", Some(Kind::Mismatch), "multipart"),
        ("*:no-bucket:always", Some(Kind::NotFound), "bucket"),
        ("*:expired-token:always", Some(Kind::Permission), "credentials"),
        ("*:drop-before:always", Some(Kind::Temporary), "endpoint"),
        ("HeadObject:denied:always", None, "head"),
        ("GetObject:denied:always", None, "get"),
        ("UploadPartCopy:not-implemented:always", None, "copy"),
    ] {
        let (test_store, diagnosis, findings) = examine(&[rule]);

        assert_eq!(diagnosis.failed, failed, "{rule}: {findings:#?}");
        let expected = if failed.is_some() { Severity::Fail } else { Severity::Warn };
        assert_eq!(severity(&findings, check), expected, "{rule}");
        test_store.server.clear_faults();
        is_clean(&test_store);
    }
}

#[test]
fn a_probe_that_may_not_be_deleted_is_named() {
    let (test_store, diagnosis, findings) = examine(&["DeleteObject:denied:always"]);

    assert_eq!((severity(&findings, "delete"), diagnosis.failed), (Severity::Ok, None));
    for key in test_store.server.keys("backups") {
        assert!(key.starts_with("nightly/.devops-s3push-doctor-"), "{key}");
        let is_it = |finding: &&Finding| finding.message.contains(&format!("`s3://backups/{key}`"));
        assert!(
            findings.iter().find(is_it).is_some_and(|finding| finding.check == "clean"),
            "{key}"
        );
    }
}

#[test]
fn a_signal_ends_the_examination_and_leaves_nothing_behind() {
    for check in ["crc32c", "copy", "multipart"] {
        let test_store = TestStore::unhurried();

        let cancelled = run(&test_store, &|finding| {
            if finding.check == check {
                test_store.cancel.cancel(15);
            }
        });

        assert_eq!(cancelled, Err(Cancelled { signal: 15 }), "{check}");
        is_clean(&test_store);
    }
}

#[test]
fn without_writing_little_is_found_out() {
    let test_store = TestStore::new();
    let prefix = uri("");
    let examined = DoctorOptions { prefix: &prefix, write: false, now: OffsetDateTime::now_utc() };

    let diagnosis =
        test_store.run(async |context| diagnose(context, examined, &|_| {}).await).unwrap();

    assert_eq!(diagnosis, Diagnosis::default());
    assert_eq!(
        test_store.server.count("PutObject") + test_store.server.count("CreateMultipartUpload"),
        0
    );
}

/// Puts an object into a store of which this is known, and returns how it was proven.
fn put_knowing(capabilities: Capabilities, rules: &[&str]) -> (TestStore, Proof) {
    let test_store = TestStore::new();
    test_store.server.faults(rules);
    let file = test_store.file("a.bin", 3 * PART);
    let source = UploadItem::new(file, uri("a.bin"), 3 * PART);
    let summary = test_store
        .run(async |context| {
            context.store.assume(capabilities);
            put(context, &source, &in_small_parts()).await
        })
        .unwrap();
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(3 * PART));
    (test_store, summary.proof)
}

#[test]
fn a_store_known_to_refuse_checksums_is_not_asked_to_take_any() {
    let capabilities = Capabilities { checksums: Some(false), ..Capabilities::default() };

    let (test_store, proof) = put_knowing(capabilities, &["*:refuse-checksums:always"]);

    assert_eq!(proof, Proof::Etag);
    assert_eq!(test_store.server.count("UploadPart"), 3);
    let log = test_store.server.log();
    let parts = || log.iter().filter(|entry| entry.operation == "UploadPart");
    assert!(parts().all(|part| part.header("content-md5").is_some()));
    assert!(
        !test_store
            .events
            .borrow()
            .iter()
            .any(|event| matches!(event, Event::FeatureUnsupported(_)))
    );
}

#[test]
fn a_store_known_to_refuse_conditions_is_not_sent_any() {
    let capabilities =
        Capabilities { conditions: Some(Conditions::Refused), ..Capabilities::default() };

    let (test_store, proof) = put_knowing(capabilities, &["*:refuse-conditions:always"]);

    assert_eq!((proof, test_store.server.count("CompleteMultipartUpload")), (Proof::Full, 1));
}

#[test]
fn an_etag_that_is_known_to_mean_nothing_proves_nothing() {
    let capabilities = Capabilities { etag_is_md5: Some(false), ..Capabilities::default() };

    let (_, proof) = put_knowing(capabilities, &["*:no-checksum:always"]);

    assert_eq!(proof, Proof::Size);
    assert_eq!(put_knowing(Capabilities::default(), &["*:no-checksum:always"]).1, Proof::Etag);
}

#[test]
fn every_request_says_who_pays_whose_bucket_it_is_and_which_key_encrypts() {
    let server = Server::with_bucket();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.bin");
    File::create(&path).unwrap().write_all(&bytes(2 * PART)).unwrap();
    let cancel_token = CancelToken::new(&Cancel::new());
    let options = ConnectOptions {
        endpoint_url: Some(server.endpoint()),
        key: Some((ACCESS_KEY.to_owned(), SECRET_KEY.into())),
        headers: RequestHeaders {
            requester_pays: true,
            bucket_owner: Some("123456789012".to_owned()),
            has_customer_key: true,
            customer_key: CustomerKey::read(&[7; 32]),
        },
        ..ConnectOptions::default()
    };
    let source = UploadItem::new(path, uri("a.bin"), 2 * PART);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();

    let summary = runtime.block_on(async {
        let store = connect(&options, StoreOptions::default(), &cancel_token).await.unwrap();
        let context = S3Context { store: &store, cancel_token: &cancel_token, events: &|_| {} };
        let options = PutOptions { checksum: Some(Algorithm::Crc32c), ..in_small_parts() };
        put(context, &source, &options).await.unwrap()
    });

    assert_eq!(summary.proof, Proof::Full);
    let log = server.log();
    assert!(log.len() >= 5, "{log:?}");
    for entry in &log {
        assert_eq!(entry.header("x-amz-request-payer"), Some("requester"), "{entry:?}");
        assert_eq!(entry.header("x-amz-expected-bucket-owner"), Some("123456789012"), "{entry:?}");
        let key = entry.header("x-amz-server-side-encryption-customer-key");
        assert_eq!(key, Some("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="), "{entry:?}");
    }
}
