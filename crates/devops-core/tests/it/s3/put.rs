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

use crate::s3::rig::{LONG, PART, Rig, bytes, uri};

/// Options that make several parts of a few megabytes.
pub(crate) fn in_small_parts() -> PutOptions {
    PutOptions { part_size: PartSize::Exactly(ByteSize(PART)), ..PutOptions::default() }
}

#[test]
fn a_small_file_is_one_request_and_fully_proven() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 1000);

    let summary = rig.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!((summary.proof, summary.parts, summary.size), (Proof::Full, 1, 1000));
    assert_eq!(summary.outcome, Outcome::Stored);
    assert_eq!(rig.server.object("backups", "a.bin").unwrap().bytes(), bytes(1000));
    let operations: Vec<_> = rig.server.log().into_iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, ["HeadObject", "PutObject"]);
    assert_eq!(rig.moved(), 1000);
}

#[test]
fn an_empty_file_becomes_an_empty_object() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 0);

    let summary = rig.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!((summary.proof, summary.size), (Proof::Full, 0));
    assert_eq!(rig.server.object("backups", "a.bin").unwrap().size(), 0);
}

#[test]
fn a_large_file_is_sent_in_parallel_parts_and_fully_proven() {
    let rig = Rig::new();
    rig.server.faults(&["UploadPart:hold:times=2"]);
    let file = rig.file("a.bin", 4 * PART + 17);

    let summary =
        rig.while_held(2, |_| (), |rig| rig.put(&file, "a.bin", &in_small_parts())).unwrap();

    assert_eq!((summary.proof, summary.parts), (Proof::Full, 5));
    let object = rig.server.object("backups", "a.bin").unwrap();
    assert!(object.bytes() == bytes(4 * PART + 17));
    assert_eq!(object.parts, 5);
    let log = rig.server.log();
    assert!(log.iter().any(|entry| entry.alongside > 1), "nothing ran in parallel");
    for part in log.iter().filter(|entry| entry.operation == "UploadPart") {
        assert_eq!(part.header("content-length"), Some(part.received.to_string().as_str()));
    }
    assert_eq!(rig.moved().cast_unsigned(), summary.size);
}

#[test]
fn bodies_carry_their_checksum_in_a_header_and_are_signed() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART);

    rig.put(&file, "a.bin", &in_small_parts()).unwrap();

    let log = rig.server.log();
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
    let rig = Rig::new();
    let file = rig.file("a.bin", PART + 1);
    let put = |key: &str, checksum| {
        rig.put(&file, key, &PutOptions { checksum, ..in_small_parts() }).unwrap().proof
    };

    assert_eq!(put("crc64", Some(Algorithm::Crc64Nvme)), Proof::Full);
    assert_eq!(put("crc32c", Some(Algorithm::Crc32c)), Proof::Full);
    assert_eq!(put("sha256", Some(Algorithm::Sha256)), Proof::Parts);
    assert_eq!(put("none", None), Proof::Size);
    let log = rig.server.log();
    let completes = log.iter().filter(|entry| entry.operation == "CompleteMultipartUpload");
    let types: Vec<_> = completes.map(|entry| entry.header("x-amz-checksum-type")).collect();
    // Only where a value goes with it: garage refuses a type alone.
    assert_eq!(types, [Some("FULL_OBJECT"), Some("FULL_OBJECT"), None, None]);
}

#[test]
fn metadata_type_and_class_are_stored_with_a_mark() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 10);
    let options = PutOptions {
        attributes: Attributes {
            metadata: [("owner".to_owned(), "ops".to_owned())].into(),
            content_type: Some("text/plain".to_owned()),
            storage_class: Some("STANDARD_IA".to_owned()),
            ..Attributes::default()
        },
        ..PutOptions::default()
    };

    rig.put(&file, "a.bin", &options).unwrap();

    let object = rig.server.object("backups", "a.bin").unwrap();
    assert_eq!(object.metadata()["owner"], "ops");
    assert_eq!(object.metadata()["s3push-id"].len(), 32);
    assert_eq!(
        (object.content_type(), object.storage_class()),
        (Some("text/plain"), Some("STANDARD_IA"))
    );
}

#[test]
fn encryption_tags_and_locks_go_with_the_request_that_begins_the_object() {
    let rig = Rig::new();
    rig.server.keep_versions("backups");
    let file = rig.file("a.bin", PART + 1);
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
    rig.put(&file, "single", &single).unwrap();
    rig.put(&file, "parts", &PutOptions { attributes, ..in_small_parts() }).unwrap();

    let log = rig.server.log();
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
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART);
    rig.put(&file, "a.bin", &in_small_parts()).unwrap();

    let again = rig.put(&file, "a.bin", &in_small_parts()).unwrap();

    assert_eq!(
        (again.outcome, again.bytes_sent, again.proof),
        (Outcome::Unchanged, 0, Proof::Full)
    );
    assert_eq!(rig.server.count("UploadPart"), 2);
}

#[test]
fn other_content_is_refused_unless_told_to_overwrite() {
    let rig = Rig::new();
    rig.server.put("backups", "a.bin", b"precious");
    let file = rig.file("a.bin", 8);

    let refused = rig.put(&file, "a.bin", &PutOptions::default()).unwrap_err();
    let kept = rig.server.object("backups", "a.bin").unwrap().bytes();
    let options = PutOptions { replace: OverwritePolicy::Overwrite, ..PutOptions::default() };
    rig.put(&file, "a.bin", &options).unwrap();

    assert_eq!(refused.kind(), Kind::Exists);
    assert_eq!(kept, b"precious");
    assert_eq!(rig.server.object("backups", "a.bin").unwrap().bytes(), bytes(8));
}

#[test]
fn a_file_that_grows_while_it_is_sent_never_becomes_an_object() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 3 * PART);
    rig.server.faults(&["UploadPart:hold:part=1"]);
    let path = file.clone();
    let grow = move |_: &Server| {
        let file = File::options().append(true).open(&path).unwrap();
        file.set_len(3 * PART + 1).unwrap();
    };

    let result = rig.while_held(1, grow, |rig| rig.put(&file, "a.bin", &in_small_parts()));

    assert!(matches!(result, Err(S3Error::Source(SourceError::Changed(_)))), "{result:?}");
    assert_eq!(rig.server.keys("backups"), [""; 0]);
    assert_eq!(rig.server.pending_uploads("backups"), 0);
}

#[test]
fn a_part_of_a_file_may_be_larger_than_the_memory_for_parts() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 70 << 20);
    let part_size = PartSize::Exactly(ByteSize::mib(65));

    let sent = rig.put(&file, "a.bin", &PutOptions { part_size, ..PutOptions::default() });
    let options = PutOptions { part_size, ..PutOptions::default() };
    let stream = UploadStream::new(File::open(&file).unwrap());
    let refused = rig.run(async |context| put_stream(context, stream, &[uri("s")], &options).await);

    assert_eq!(sent.unwrap().parts, 2);
    assert_eq!(refused.unwrap_err().kind(), Kind::Usage);
}

#[test]
fn bytes_move_no_faster_than_the_limit() {
    let rig = Rig::limited("256KiB".parse().unwrap());
    let file = rig.file("a.bin", 256 << 10);
    let begun = Instant::now();

    rig.put(&file, "a.bin", &PutOptions::default()).unwrap();

    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(rig.moved(), 256 << 10);
}

#[test]
fn a_file_that_changes_before_a_part_is_sent_again_is_refused_without_more_tries() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART);
    rig.server.faults(&["UploadPart:slow-down"]);
    rig.on_event(|rig, event| {
        if matches!(event, Event::Retry { .. }) {
            let mut file = File::options().write(true).open(rig.path("a.bin")).unwrap();
            file.write_all(b"other").unwrap();
        }
    });

    let result = rig.put(&file, "a.bin", &in_small_parts());

    assert!(matches!(result, Err(S3Error::Source(SourceError::Changed(_)))), "{result:?}");
    assert_eq!(rig.n_retries(), 1);
    assert_eq!(rig.server.keys("backups"), [""; 0]);
    assert_eq!(rig.server.pending_uploads("backups"), 0);
}

fn put_reader(
    rig: &Rig,
    reader: impl Read + Send + 'static,
    expect: Option<u64>,
) -> Result<u64, S3Error> {
    let stream = UploadStream::new(reader).expecting(expect);
    let stored =
        rig.run(async |context| put_stream(context, stream, &[uri("s")], &in_small_parts()).await);
    let summary = stored?.remove(0)?;
    assert_eq!(summary.proof, Proof::Full);
    Ok(summary.size)
}

#[test]
fn a_stream_becomes_an_object_whatever_its_length() {
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART] {
        let rig = Rig::new();

        let put = put_reader(&rig, Cursor::new(bytes(size)), None).unwrap();

        assert_eq!(put, size);
        assert!(rig.server.object("backups", "s").unwrap().bytes() == bytes(size), "{size}");
    }
}

#[test]
fn a_stream_of_another_length_than_expected_never_becomes_an_object() {
    for (size, expect) in [(10, 11), (10, 9), (2 * PART, 3 * PART), (2 * PART + 1, 2 * PART)] {
        let rig = Rig::new();

        let error = put_reader(&rig, Cursor::new(bytes(size)), Some(expect)).unwrap_err();

        assert!(matches!(error, S3Error::Source(SourceError::Length { .. })), "{size}: {error}");
        assert_eq!(rig.server.keys("backups"), [""; 0]);
        assert_eq!(rig.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn a_stream_of_the_expected_length_is_put() {
    let rig = Rig::new();

    assert_eq!(put_reader(&rig, Cursor::new(bytes(2 * PART)), Some(2 * PART)).unwrap(), 2 * PART);
}

#[test]
fn a_tree_goes_on_after_one_object_is_refused() {
    let rig = Rig::new();
    std::fs::create_dir(rig.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        rig.file(&format!("tree/{name}"), 100);
    }
    rig.server.put("backups", "t/b", b"other");
    let found =
        find_upload_items(&[rig.path("tree")], &uri("t/"), &Filter::default(), false).unwrap();
    let (mut stored, mut refused) = (Vec::new(), Vec::new());

    rig.run(async |context| {
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
    let rig = Rig::new();
    std::fs::create_dir(rig.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        rig.file(&format!("tree/{name}"), 100);
    }
    rig.server.faults(&["PutObject:not-found"]);
    let found =
        find_upload_items(&[rig.path("tree")], &uri(""), &Filter::default(), false).unwrap();
    let mut failed = Vec::new();

    rig.run(async |context| {
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
    assert_eq!(rig.server.keys("backups").len(), 2);
}

#[test]
fn a_signal_in_a_tree_aborts_every_upload_that_is_under_way() {
    let rig = Rig::unhurried();
    rig.server.faults(&["UploadPart:stall:part=2:always"]);
    std::fs::create_dir(rig.path("tree")).unwrap();
    for name in ["a", "b", "c"] {
        rig.file(&format!("tree/{name}"), 2 * PART);
    }
    let found =
        find_upload_items(&[rig.path("tree")], &uri(""), &Filter::default(), false).unwrap();

    let result = std::thread::scope(|scope| {
        let (server, cancel) = (&rig.server, rig.cancel.clone());
        scope.spawn(move || {
            let begun = |log: &[Entry]| {
                log.iter().filter(|entry| entry.operation == "UploadPart").count() >= 3
            };
            server.wait_for(begun, LONG);
            cancel.cancel(2);
        });
        rig.run(async |context| {
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
    assert!(rig.server.count("CreateMultipartUpload") > 1);
    assert_eq!(rig.server.pending_uploads("backups"), 0);
    assert_eq!(rig.server.keys("backups"), [""; 0]);
}

#[test]
fn pending_uploads_are_listed_by_prefix() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART);
    // The abort fails, so that the upload stays.
    rig.server.faults(&["UploadPart:denied:always", "AbortMultipartUpload:denied:always"]);
    let error = rig.put(&file, "x/a.bin", &in_small_parts()).unwrap_err();

    let list = |prefix: &str| {
        rig.run(async |context| pending_uploads(context, &uri(prefix), None).await).unwrap()
    };

    assert!(matches!(error, S3Error::AbortFailed { .. }), "{error}");
    assert_eq!(list("x/").len(), 1);
    assert_eq!(list("x/")[0].uri, uri("x/a.bin"));
    assert_eq!(list("y/").len(), 0);
}

#[test]
fn tells_of_every_part() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART + 5);

    rig.put(&file, "a.bin", &in_small_parts()).unwrap();

    let mut parts: Vec<_> = rig
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
