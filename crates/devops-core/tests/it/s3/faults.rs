//! Everything that goes wrong on the way to a store, and what is left of it.

use std::time::{Duration, Instant};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Event, OverwritePolicy, Proof, PutOptions, RequestErrorKind, S3Error, S3Uri, UploadItem,
        put,
    },
};
use devops_fakes::s3::{Entry, Server};

use crate::s3::{
    put::in_small_parts,
    test_store::{LONG, PART, TestStore, bytes},
};

const SIZE: u64 = 3 * PART;

/// Puts a file of three parts while these things go wrong, and checks that the object is right.
fn assert_recovers_from(rules: &[&str]) -> (TestStore, Proof) {
    survives_in(TestStore::new(), rules)
}

fn survives_in(test_store: TestStore, rules: &[&str]) -> (TestStore, Proof) {
    test_store.server.faults(rules);
    let file = test_store.file("a.bin", SIZE);

    let summary = test_store.put(&file, "a.bin", &in_small_parts());

    let summary = summary.unwrap_or_else(|error| panic!("{rules:?}: {error}"));
    assert!(
        test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE),
        "{rules:?}"
    );
    assert_eq!(test_store.server.pending_uploads("backups"), 0, "{rules:?}");
    (test_store, summary.proof)
}

/// Puts a file of three parts while these things go wrong for good, and checks that nothing is left.
fn fails(test_store: &TestStore, rules: &[&str]) -> S3Error {
    test_store.server.faults(rules);
    let file = test_store.file("a.bin", SIZE);

    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    assert_eq!(test_store.server.keys("backups"), [""; 0], "{rules:?}");
    assert_eq!(test_store.server.pending_uploads("backups"), 0, "{rules:?}");
    error
}

#[test]
fn a_part_that_fails_twice_is_sent_again() {
    let (test_store, proof) = assert_recovers_from(&["UploadPart:internal-error:part=2:times=2"]);

    assert_eq!(proof, Proof::Full);
    assert_eq!(test_store.n_retries(), 2);
    assert_eq!(test_store.moved().cast_unsigned(), SIZE);
}

#[test]
fn a_connection_that_is_pulled_twice_still_ends_in_the_right_object() {
    assert_recovers_from(&["UploadPart:drop-before:part=1", "UploadPart:drop-after:part=3"]);
}

#[test]
fn a_store_that_asks_for_less_gets_less() {
    let (test_store, _) = assert_recovers_from(&["UploadPart:slow-down:times=2"]);

    assert!(test_store.n_retries() >= 2);
}

#[test]
fn an_upload_that_somebody_removes_begins_anew() {
    let part: &[&str] = &["UploadPart:no-upload:part=2"];
    let after_a_loss = &["UploadPart:drop-after:part=2", "UploadPart:no-upload:part=2:after=1"];
    for rules in [part, after_a_loss, &["CompleteMultipartUpload:no-upload"]] {
        let (test_store, proof) = assert_recovers_from(rules);

        assert_eq!(proof, Proof::Full, "{rules:?}");
        assert_eq!(test_store.server.count("CreateMultipartUpload"), 2, "{rules:?}");
        assert_eq!(test_store.moved().cast_unsigned(), SIZE, "{rules:?}");
    }
}

#[test]
fn uploads_that_somebody_removes_again_and_again_are_given_up() {
    let error = fails(&TestStore::new(), &["UploadPart:no-upload:part=2:always"]);

    let says = "does not exist; the one before was removed under way, too";
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_store_that_asks_to_be_left_alone_is_left_alone_so_long() {
    let (test_store, _) = assert_recovers_from(&["UploadPart:leave-alone=1500:part=2"]);

    // Nobody waits longer than a second after the first attempt without being asked to.
    let asked = Duration::from_millis(1500);
    let is_heeded = |event: &Event| matches!(event, Event::Retry { pause, .. } if *pause >= asked);
    assert!(test_store.events.borrow().iter().any(is_heeded));
}

#[test]
fn a_connection_that_stands_still_is_given_up_and_the_part_sent_again() {
    survives_in(TestStore::that_asks_again(), &["UploadPart:stall:part=2"]);
}

#[test]
fn a_damaged_part_is_sent_again() {
    assert_recovers_from(&["UploadPart:bad-digest:part=2"]);
}

#[test]
fn a_completion_with_an_error_in_its_200_is_tried_again() {
    let (_, proof) = assert_recovers_from(&["CompleteMultipartUpload:error-in-200"]);

    assert_eq!(proof, Proof::Full);
}

#[test]
fn a_completion_whose_answer_is_lost_is_found_out_by_its_mark() {
    for fault in ["drop-after", "error-after"] {
        let (test_store, proof) =
            assert_recovers_from(&[&format!("CompleteMultipartUpload:{fault}")]);

        assert_eq!(proof, Proof::Full);
        assert_eq!(test_store.server.count("CompleteMultipartUpload"), 2, "{fault}");
    }
}

#[test]
fn a_put_whose_answer_is_lost_is_found_out_by_its_mark() {
    let test_store = TestStore::new();
    test_store.server.faults(&["PutObject:drop-after"]);
    let file = test_store.file("a.bin", 100);

    let summary = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!(summary.proof, Proof::Full);
    assert_eq!(test_store.server.count("PutObject"), 2);
}

#[test]
fn a_completion_that_nobody_can_tell_about_is_uncertain_and_not_aborted() {
    let test_store = TestStore::impatient();
    test_store.server.faults(&[
        "CompleteMultipartUpload:drop-after:always",
        "HeadObject:drop-before:after=1:always",
    ]);
    let file = test_store.file("a.bin", SIZE);

    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    assert!(matches!(error, S3Error::Uncertain { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Uncertain);
    assert_eq!(test_store.server.count("AbortMultipartUpload"), 0);
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
}

#[test]
fn a_store_that_answers_another_checksum_is_not_believed() {
    for rule in ["UploadPart:wrong-checksum", "CompleteMultipartUpload:wrong-checksum"] {
        let test_store = TestStore::new();
        test_store.server.faults(&[rule]);
        let file = test_store.file("a.bin", SIZE);

        let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

        assert!(matches!(error, S3Error::Mismatch { .. }), "{rule}: {error}");
        assert_eq!(error.kind(), Kind::Mismatch);
    }
    let test_store = TestStore::new();
    test_store.server.faults(&["PutObject:wrong-checksum"]);
    let file = test_store.file("a.bin", 100);
    let error = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Mismatch);
}

#[test]
fn a_store_without_checksums_proves_by_etag_or_by_size() {
    let (_, by_etag) = assert_recovers_from(&["*:no-checksum:always"]);
    let (_, by_size) = assert_recovers_from(&[
        "*:no-checksum:always",
        "CompleteMultipartUpload:wrong-etag",
        "HeadObject:wrong-etag:always",
    ]);

    assert_eq!((by_etag, by_size), (Proof::Etag, Proof::Size));
}

#[test]
fn parts_that_were_confirmed_prove_more_than_an_etag() {
    let (_, proof) = assert_recovers_from(&[
        "CompleteMultipartUpload:no-checksum",
        "HeadObject:no-checksum:always",
    ]);

    assert_eq!(proof, Proof::Parts);
}

#[test]
fn less_proof_than_asked_for_is_a_failure() {
    let test_store = TestStore::new();
    test_store.server.faults(&["*:no-checksum:always"]);
    let file = test_store.file("a.bin", 100);
    let options = PutOptions { require_proof: Proof::Full, ..PutOptions::default() };

    let error = test_store.put(&file, "a.bin", &options).unwrap_err();

    assert_eq!(error.to_string(), "`s3://backups/a.bin` is proven by etag only, asked for full");
    assert_eq!(error.kind(), Kind::Failed);
}

#[test]
fn a_store_that_refuses_checksum_headers_gets_md5_instead() {
    let (test_store, proof) = assert_recovers_from(&["UploadPart:refuse-checksums:always"]);

    assert_eq!(proof, Proof::Etag);
    let weaker = |event: &Event| matches!(event, Event::FeatureUnsupported("checksum headers"));
    assert!(test_store.events.borrow().iter().any(weaker));
    assert!(test_store.server.log().iter().any(|entry| entry.header("content-md5").is_some()));
}

#[test]
fn a_store_that_ignores_conditions_is_asked_before() {
    let test_store = TestStore::new();
    test_store.server.faults(&["*:ignore-condition:always"]);
    test_store.server.put("backups", "a.bin", b"precious");
    let file = test_store.file("a.bin", SIZE);

    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"precious");
}

#[test]
fn a_store_that_does_not_know_conditions_is_written_to_without() {
    let (test_store, _) =
        assert_recovers_from(&["CompleteMultipartUpload:refuse-conditions:always"]);
    let n_sent =
        test_store.server.log().iter().filter(|entry| entry.operation == "UploadPart").count();
    assert_eq!(n_sent, 3, "nothing is sent twice for it");
}

#[test]
fn what_another_writer_puts_right_after_is_not_taken_for_a_damaged_object() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 1000);
    // The look that confirms.
    test_store.server.faults(&["PutObject:no-checksum", "HeadObject:hold:after=1"]);
    let replace = |server: &Server| server.put("backups", "a.bin", b"of another");

    let result = test_store.while_held(1, replace, |test_store| {
        test_store.put(&file, "a.bin", &PutOptions::default())
    });

    assert_eq!(result.unwrap().proof, Proof::Etag);
}

#[test]
fn an_object_that_appears_meanwhile_is_not_overwritten() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", SIZE);
    test_store.server.faults(&["UploadPart:hold:part=1"]);
    let appear = |server: &Server| server.put("backups", "a.bin", b"precious");

    let result = test_store
        .while_held(1, appear, |test_store| test_store.put(&file, "a.bin", &in_small_parts()));

    assert_eq!(result.unwrap_err().kind(), Kind::Exists);
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"precious");
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_conflict_begins_the_upload_anew() {
    let (test_store, _) = assert_recovers_from(&["CompleteMultipartUpload:conflict"]);

    assert_eq!(test_store.server.count("CreateMultipartUpload"), 2);
    assert_eq!(test_store.server.count("UploadPart"), 6);
}

#[test]
fn a_bucket_in_another_region_is_found_once() {
    let (test_store, _) = assert_recovers_from(&["*:region=eu-west-1:always"]);

    let told = |event: &Event| matches!(event, Event::Region(region) if region == "eu-west-1");
    assert_eq!(test_store.events.borrow().iter().filter(|event| told(event)).count(), 1);
}

#[test]
fn a_region_that_only_a_body_names_is_found_though_the_first_request_is_a_head() {
    let (test_store, _) = assert_recovers_from(&["*:region-in-body=eu-west-1:always"]);

    assert_eq!(test_store.server.count("CreateMultipartUpload"), 1);
    let test_store = TestStore::new();
    test_store.server.faults(&["*:region-in-body=eu-west-1:always"]);
    test_store.server.put("backups", "a.bin", b"other");
    let file = test_store.file("a.bin", 10);

    // What is there is seen all the same.
    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    assert_eq!(error.kind(), Kind::Exists);
}

#[test]
fn what_cannot_get_better_fails_at_once_and_leaves_nothing() {
    let table: [(fn() -> TestStore, _, _); 8] = [
        (TestStore::new, "UploadPart:denied:always", Kind::Permission),
        (TestStore::new, "UploadPart:expired-token:always", Kind::Permission),
        (TestStore::new, "CreateMultipartUpload:skewed:always", Kind::Permission),
        (TestStore::impatient, "CompleteMultipartUpload:bad-digest:always", Kind::Mismatch),
        (TestStore::impatient, "UploadPart:internal-error:always", Kind::Temporary),
        (TestStore::impatient, "UploadPart:drop-before:always", Kind::Temporary),
        (TestStore::deaf, "UploadPart:stall:always", Kind::Temporary),
        (TestStore::impatient, "HeadObject:internal-error:always", Kind::Temporary),
    ];
    for (test_store, rule, kind) in table {
        let error = fails(&test_store(), &[rule]);

        assert_eq!(error.kind(), kind, "{rule}: {error}");
    }
}

#[test]
fn a_store_that_never_answers_ends_in_time() {
    let test_store = TestStore::deaf();
    test_store.server.faults(&["*:stall:always"]);
    let file = test_store.file("a.bin", SIZE);
    let begun = Instant::now();

    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    assert_eq!(error.kind(), Kind::Temporary);
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[test]
fn a_bucket_that_does_not_exist_is_said_so() {
    let test_store = TestStore::new();
    let path = test_store.file("a.bin", 10);
    let uri = S3Uri::new("nowhere", "a.bin").unwrap();
    let source = UploadItem::new(path, uri, 10);

    let error = test_store
        .run(async |context| put(context, &source, &PutOptions::default()).await)
        .unwrap_err();

    assert_eq!(error.kind(), Kind::NotFound);
    let S3Error::Request(failure) = error else { panic!("{error}") };
    assert_eq!(failure.error_kind, RequestErrorKind::NoBucket);
    assert_eq!(failure.to_string(), "PutObject: NoSuchBucket: the bucket `nowhere` does not exist");
}

#[test]
fn who_may_not_read_may_still_write() {
    let test_store = TestStore::new();
    test_store.server.faults(&["HeadObject:denied:always", "GetObject:denied:always"]);
    let file = test_store.file("a.bin", SIZE);

    let summary = test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    assert_eq!(summary.proof, Proof::Full);
}

#[test]
fn a_signal_ends_a_put_at_once_and_leaves_nothing() {
    let test_store = TestStore::unhurried();
    test_store.server.faults(&["UploadPart:stall:always"]);
    let file = test_store.file("a.bin", SIZE);

    let result = std::thread::scope(|scope| {
        let (server, cancel) = (&test_store.server, test_store.cancel.clone());
        scope.spawn(move || {
            let stalled = |log: &[Entry]| log.iter().any(|entry| entry.operation == "UploadPart");
            server.wait_for(stalled, LONG);
            cancel.cancel(15);
        });
        test_store.put(&file, "a.bin", &in_small_parts())
    });

    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn an_upload_that_a_signal_catches_at_its_birth_is_aborted_too() {
    let test_store = TestStore::unhurried();
    test_store.server.faults(&["CreateMultipartUpload:hold"]);
    let file = test_store.file("a.bin", SIZE);
    let cancel = test_store.cancel.clone();

    let result = test_store.while_held(
        1,
        |_| cancel.cancel(2),
        |test_store| test_store.put(&file, "a.bin", &in_small_parts()),
    );

    assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(test_store.server.count("CreateMultipartUpload"), 1);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn an_overwrite_whose_answer_is_lost_is_simply_repeated() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"old");
    test_store.server.faults(&["PutObject:drop-after"]);
    let file = test_store.file("a.bin", 100);
    let options = PutOptions { replace: OverwritePolicy::Overwrite, ..PutOptions::default() };

    test_store.put(&file, "a.bin", &options).unwrap();

    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), bytes(100));
}

#[test]
fn who_may_not_look_overwrites_nothing_where_conditions_are_unknown() {
    let test_store = TestStore::new();
    test_store.server.faults(&["*:refuse-conditions:always", "HeadObject:denied:always"]);
    test_store.server.put("backups", "a.bin", b"precious");
    let file = test_store.file("a.bin", 100);

    let error = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap_err();

    assert_eq!(error.kind(), Kind::Permission, "{error}");
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"precious");
}

#[test]
fn a_look_that_fails_where_nothing_is_does_not_keep_from_putting() {
    let test_store = TestStore::new();
    test_store.server.faults(&["HeadObject:conflict:always"]);
    let file = test_store.file("a.bin", 100);

    let summary = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!(summary.proof, Proof::Full);
}

#[test]
fn a_write_nobody_heard_of_is_found_out_even_if_its_repetition_is_refused() {
    for (operation, size) in [("PutObject", 100), ("CompleteMultipartUpload", SIZE)] {
        let test_store = TestStore::new();
        let (lost, denied) =
            (format!("{operation}:drop-after"), format!("{operation}:denied:after=1"));
        test_store.server.faults(&[&lost, &denied]);
        let file = test_store.file("a.bin", size);

        let summary = test_store.put(&file, "a.bin", &in_small_parts());

        let summary = summary.unwrap_or_else(|error| panic!("{operation}: {error}"));
        assert_eq!(summary.proof, Proof::Full);
        assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(size));
    }
}

#[test]
fn a_key_that_may_be_taken_by_our_own_lost_write_is_uncertain() {
    let test_store = TestStore::new();
    test_store.server.faults(&["PutObject:drop-after", "HeadObject:denied:always"]);
    let file = test_store.file("a.bin", 100);

    let error = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap_err();

    assert_eq!(error.kind(), Kind::Uncertain, "{error}");
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(100));
}
