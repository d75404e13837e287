//! Putting files: what the store holds afterwards, and what it was asked.

use std::{
    fs::File,
    io::{Cursor, Read, Write},
    time::{Duration, Instant},
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Algorithm, Attributes, Encryption, Event, Filter, Method, ObjectLock, Outcome,
        OverwritePolicy, PartSize, Proof, PutOptions, RetentionMode, S3Error, SourceError, Tags,
        UploadStream, find_upload_items, for_each_concurrent, pending_uploads, put, put_stream,
    },
    units::ByteSize,
};
use devops_fakes::s3::{Entry, Server};
use time::macros::datetime;

use crate::s3::test_store::{LONG, PART, TestStore, bytes, uri};

/// Options that make several parts of a few megabytes.
pub(crate) fn in_small_parts() -> PutOptions {
    PutOptions { part_size: PartSize::Exactly(ByteSize(PART)), ..PutOptions::default() }
}

#[test]
fn a_small_file_is_one_request_and_fully_proven() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 1000);

    let summary = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!((summary.proof, summary.parts, summary.size), (Proof::Full, 1, 1000));
    assert_eq!(summary.outcome, Outcome::Stored);
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), bytes(1000));
    let operations: Vec<_> =
        test_store.server.log().into_iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, ["HeadObject", "PutObject"]);
    assert_eq!(test_store.moved(), 1000);
}

#[test]
fn an_empty_file_becomes_an_empty_object() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 0);

    let summary = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!((summary.proof, summary.size), (Proof::Full, 0));
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().size(), 0);
}

#[test]
fn a_large_file_is_sent_in_parallel_parts_and_fully_proven() {
    let test_store = TestStore::new();
    test_store.server.faults(&["UploadPart:hold:times=2"]);
    let file = test_store.file("a.bin", 4 * PART + 17);

    let summary = test_store
        .while_held(2, |_| (), |test_store| test_store.put(&file, "a.bin", &in_small_parts()))
        .unwrap();

    assert_eq!((summary.proof, summary.parts), (Proof::Full, 5));
    let object = test_store.server.object("backups", "a.bin").unwrap();
    assert!(object.bytes() == bytes(4 * PART + 17));
    assert_eq!(object.parts, 5);
    let log = test_store.server.log();
    assert!(log.iter().any(|entry| entry.alongside > 1), "nothing ran in parallel");
    for part in log.iter().filter(|entry| entry.operation == "UploadPart") {
        assert_eq!(part.header("content-length"), Some(part.received.to_string().as_str()));
    }
    assert_eq!(test_store.moved().cast_unsigned(), summary.size);
}

#[test]
fn bodies_carry_their_checksum_in_a_header_and_are_signed() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART);

    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    let log = test_store.server.log();
    let parts: Vec<_> = log.iter().filter(|entry| entry.operation == "UploadPart").collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert!(part.header("x-amz-checksum-crc64nvme").is_some());
        assert_eq!(part.header("x-amz-trailer"), None);
        assert_eq!(part.header("content-encoding"), None);
        assert_eq!(part.header("x-amz-content-sha256").map(str::len), Some(64));
    }
    let complete = log.iter().find(|entry| entry.operation == "CompleteMultipartUpload").unwrap();
    assert_eq!(complete.header("if-none-match"), Some("*"));
    assert_eq!(complete.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    assert_eq!(complete.header("x-amz-mp-object-size"), Some((2 * PART).to_string().as_str()));
}

#[test]
fn every_checksum_reaches_the_proof_it_can() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", PART + 1);
    let put = |key: &str, checksum| {
        test_store.put(&file, key, &PutOptions { checksum, ..in_small_parts() }).unwrap().proof
    };

    assert_eq!(put("crc64", Some(Algorithm::Crc64Nvme)), Proof::Full);
    assert_eq!(put("crc32c", Some(Algorithm::Crc32c)), Proof::Full);
    assert_eq!(put("sha256", Some(Algorithm::Sha256)), Proof::Parts);
    assert_eq!(put("none", None), Proof::Size);
    let log = test_store.server.log();
    let completes = log.iter().filter(|entry| entry.operation == "CompleteMultipartUpload");
    let types: Vec<_> = completes.map(|entry| entry.header("x-amz-checksum-type")).collect();
    // Only where a value goes with it: garage refuses a type alone.
    assert_eq!(types, [Some("FULL_OBJECT"), Some("FULL_OBJECT"), None, None]);
}

#[test]
fn metadata_type_and_class_are_stored_with_a_mark() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 10);
    let options = PutOptions {
        attributes: Attributes {
            metadata: [("owner".to_owned(), "ops".to_owned())].into(),
            content_type: Some("text/plain".to_owned()),
            storage_class: Some("STANDARD_IA".to_owned()),
            ..Attributes::default()
        },
        ..PutOptions::default()
    };

    test_store.put(&file, "a.bin", &options).unwrap();

    let object = test_store.server.object("backups", "a.bin").unwrap();
    assert_eq!(object.metadata()["owner"], "ops");
    assert_eq!(object.metadata()["s3push-id"].len(), 32);
    assert_eq!(
        (object.content_type(), object.storage_class()),
        (Some("text/plain"), Some("STANDARD_IA"))
    );
}

#[test]
fn encryption_tags_and_locks_go_with_the_request_that_begins_the_object() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    let file = test_store.file("a.bin", PART + 1);
    let tags = [("team", "ops & dev"), ("tier", "1")];
    let attributes = Attributes {
        encryption: Some(Encryption { method: Method::Kms, key_id: Some("key-7".to_owned()) }),
        tags: Tags::new(tags.map(|(key, value)| (key.to_owned(), value.to_owned()))).unwrap(),
        lock: Some(ObjectLock {
            mode: RetentionMode::Governance,
            until: datetime!(2027-03-01 12:00 +2),
            is_from_now: false,
        }),
        legal_hold: true,
        ..Attributes::default()
    };

    let single = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    test_store.put(&file, "single", &single).unwrap();
    test_store.put(&file, "parts", &PutOptions { attributes, ..in_small_parts() }).unwrap();

    let log = test_store.server.log();
    for operation in ["PutObject", "CreateMultipartUpload"] {
        let begin = log.iter().find(|entry| entry.operation == operation).unwrap();
        for (header, value) in [
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "key-7"),
            ("x-amz-tagging", "team=ops%20%26%20dev&tier=1"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "2027-03-01T10:00:00Z"),
            ("x-amz-object-lock-legal-hold", "ON"),
        ] {
            assert_eq!(begin.header(header), Some(value), "{operation}: {header}");
        }
    }
    // By its documentation S3 takes no locked object without this header.
    let single = log.iter().find(|entry| entry.operation == "PutObject").unwrap();
    assert_eq!(single.header("x-amz-sdk-checksum-algorithm"), Some("CRC64NVME"));
}

#[test]
fn the_same_content_again_is_unchanged_and_not_sent() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART);
    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    let again = test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    assert_eq!(
        (again.outcome, again.bytes_sent, again.proof),
        (Outcome::Unchanged, 0, Proof::Full)
    );
    assert_eq!(test_store.server.count("UploadPart"), 2);
}

#[test]
fn other_content_is_refused_unless_told_to_overwrite() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"precious");
    let file = test_store.file("a.bin", 8);

    let refused = test_store.put(&file, "a.bin", &PutOptions::default()).unwrap_err();
    let kept = test_store.server.object("backups", "a.bin").unwrap().bytes();
    let options = PutOptions { replace: OverwritePolicy::Overwrite, ..PutOptions::default() };
    test_store.put(&file, "a.bin", &options).unwrap();

    assert_eq!(refused.kind(), Kind::Exists);
    assert_eq!(kept, b"precious");
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), bytes(8));
}

#[test]
fn a_file_that_grows_while_it_is_sent_never_becomes_an_object() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 3 * PART);
    test_store.server.faults(&["UploadPart:hold:part=1"]);
    let path = file.clone();
    let grow = move |_: &Server| {
        let file = File::options().append(true).open(&path).unwrap();
        file.set_len(3 * PART + 1).unwrap();
    };

    let result = test_store
        .while_held(1, grow, |test_store| test_store.put(&file, "a.bin", &in_small_parts()));

    assert!(matches!(result, Err(S3Error::Source(SourceError::Changed(_)))), "{result:?}");
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_part_of_a_file_may_be_larger_than_the_memory_for_parts() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 70 << 20);
    let part_size = PartSize::Exactly(ByteSize::mib(65));

    let sent = test_store.put(&file, "a.bin", &PutOptions { part_size, ..PutOptions::default() });
    let options = PutOptions { part_size, ..PutOptions::default() };
    let stream = UploadStream::new(File::open(&file).unwrap());
    let refused =
        test_store.run(async |context| put_stream(context, stream, &[uri("s")], &options).await);

    assert_eq!(sent.unwrap().parts, 2);
    assert_eq!(refused.unwrap_err().kind(), Kind::Usage);
}

#[test]
fn bytes_move_no_faster_than_the_limit() {
    let test_store = TestStore::limited("256KiB".parse().unwrap());
    let file = test_store.file("a.bin", 256 << 10);
    let begun = Instant::now();

    test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(test_store.moved(), 256 << 10);
}

#[test]
fn a_file_that_changes_before_a_part_is_sent_again_is_refused_without_more_tries() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART);
    test_store.server.faults(&["UploadPart:slow-down"]);
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::Retry { .. }) {
            let mut file = File::options().write(true).open(test_store.path("a.bin")).unwrap();
            file.write_all(b"other").unwrap();
        }
    });

    let result = test_store.put(&file, "a.bin", &in_small_parts());

    assert!(matches!(result, Err(S3Error::Source(SourceError::Changed(_)))), "{result:?}");
    assert_eq!(test_store.n_retries(), 1);
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

fn put_reader(
    test_store: &TestStore,
    reader: impl Read + Send + 'static,
    expect: Option<u64>,
) -> Result<u64, S3Error> {
    let stream = UploadStream::new(reader).expecting(expect);
    let stored = test_store
        .run(async |context| put_stream(context, stream, &[uri("s")], &in_small_parts()).await);
    let summary = stored?.remove(0)?;
    assert_eq!(summary.proof, Proof::Full);
    Ok(summary.size)
}

#[test]
fn a_stream_becomes_an_object_whatever_its_length() {
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART] {
        let test_store = TestStore::new();

        let put = put_reader(&test_store, Cursor::new(bytes(size)), None).unwrap();

        assert_eq!(put, size);
        assert!(test_store.server.object("backups", "s").unwrap().bytes() == bytes(size), "{size}");
    }
}

#[test]
fn a_stream_of_another_length_than_expected_never_becomes_an_object() {
    for (size, expect) in [(10, 11), (10, 9), (2 * PART, 3 * PART), (2 * PART + 1, 2 * PART)] {
        let test_store = TestStore::new();

        let error = put_reader(&test_store, Cursor::new(bytes(size)), Some(expect)).unwrap_err();

        assert!(matches!(error, S3Error::Source(SourceError::Length { .. })), "{size}: {error}");
        assert_eq!(test_store.server.keys("backups"), [""; 0]);
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn a_stream_of_the_expected_length_is_put() {
    let test_store = TestStore::new();

    assert_eq!(
        put_reader(&test_store, Cursor::new(bytes(2 * PART)), Some(2 * PART)).unwrap(),
        2 * PART
    );
}

#[test]
fn a_tree_goes_on_after_one_object_is_refused() {
    let test_store = TestStore::new();
    std::fs::create_dir(test_store.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        test_store.file(&format!("tree/{name}"), 100);
    }
    test_store.server.put("backups", "t/b", b"other");
    let found =
        find_upload_items(&[test_store.path("tree")], &uri("t/"), &Filter::default(), false)
            .unwrap();
    let (mut stored, mut refused) = (Vec::new(), Vec::new());

    test_store
        .run(async |context| {
            for_each_concurrent(
                context,
                &found.files,
                async |source| put(context, source, &PutOptions::default()).await,
                |source, result| match result {
                    Ok(_) => stored.push(source.uri.key.clone()),
                    Err(error) => refused.push((source.uri.key.clone(), error.kind())),
                },
            )
            .await
        })
        .unwrap();

    stored.sort();
    assert_eq!(stored, ["t/a", "t/c"]);
    assert_eq!(refused, [("t/b".to_owned(), Kind::Exists)]);
}

#[test]
fn a_tree_goes_on_after_the_store_did_not_find_its_way_to_one_key() {
    let test_store = TestStore::new();
    std::fs::create_dir(test_store.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        test_store.file(&format!("tree/{name}"), 100);
    }
    test_store.server.faults(&["PutObject:not-found"]);
    let found =
        find_upload_items(&[test_store.path("tree")], &uri(""), &Filter::default(), false).unwrap();
    let mut failed = Vec::new();

    test_store
        .run(async |context| {
            for_each_concurrent(
                context,
                &found.files,
                async |source| put(context, source, &PutOptions::default()).await,
                |_, result| failed.extend(result.err().map(|error| error.kind())),
            )
            .await
        })
        .unwrap();

    assert_eq!(failed, [Kind::NotFound]);
    assert_eq!(test_store.server.keys("backups").len(), 2);
}

#[test]
fn a_signal_in_a_tree_aborts_every_upload_that_is_under_way() {
    let test_store = TestStore::unhurried();
    test_store.server.faults(&["UploadPart:stall:part=2:always"]);
    std::fs::create_dir(test_store.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        test_store.file(&format!("tree/{name}"), 2 * PART);
    }
    let found =
        find_upload_items(&[test_store.path("tree")], &uri(""), &Filter::default(), false).unwrap();

    let result = std::thread::scope(|scope| {
        let (server, cancel) = (&test_store.server, test_store.cancel.clone());
        scope.spawn(move || {
            let begun = |log: &[Entry]| {
                log.iter().filter(|entry| entry.operation == "UploadPart").count() >= 3
            };
            server.wait_for(begun, LONG);
            cancel.cancel(2);
        });
        test_store.run(async |context| {
            for_each_concurrent(
                context,
                &found.files,
                async |source| put(context, source, &in_small_parts()).await,
                |_, _| {},
            )
            .await
        })
    });

    assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
    assert!(test_store.server.count("CreateMultipartUpload") > 1);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
}

#[test]
fn pending_uploads_are_listed_by_prefix() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART);
    // The abort fails, so that the upload stays.
    test_store.server.faults(&["UploadPart:denied:always", "AbortMultipartUpload:denied:always"]);
    let error = test_store.put(&file, "x/a.bin", &in_small_parts()).unwrap_err();

    let list = |prefix: &str| {
        test_store.run(async |context| pending_uploads(context, &uri(prefix), None).await).unwrap()
    };

    assert!(matches!(error, S3Error::AbortFailed { .. }), "{error}");
    assert_eq!(list("x/").len(), 1);
    assert_eq!(list("x/")[0].uri, uri("x/a.bin"));
    assert_eq!(list("y/").len(), 0);
}

#[test]
fn tells_of_every_part() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART + 5);

    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    let mut parts: Vec<_> = test_store
        .events
        .borrow()
        .iter()
        .filter_map(|event| match event {
            Event::Part { number, size, attempts, .. } => Some((*number, *size, *attempts)),
            _ => None,
        })
        .collect();
    parts.sort_unstable();
    assert_eq!(parts, [(1, PART, 1), (2, PART, 1), (3, 5, 1)]);
}
