//! Copies and moves inside a store.

use std::time::{SystemTime, UNIX_EPOCH};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        CopyOptions, CopySummary, Encryption, Method, Outcome, OverwritePolicy, Proof, PutOptions,
        S3Context, S3Error, copy_object, move_object,
    },
    units::ByteSize,
};

use crate::s3::test_store::{PART, TestStore, bytes, uri};

fn copy(test_store: &TestStore, options: CopyOptions) -> Result<CopySummary, S3Error> {
    test_store.run(async |context| copy_object(context, &uri("a b+ü"), &uri("to/b"), options).await)
}

fn moved(test_store: &TestStore) -> Result<CopySummary, S3Error> {
    let options = CopyOptions::default();
    test_store.run(async |context| move_object(context, &uri("a b+ü"), &uri("to/b"), options).await)
}

fn with_object(content: &[u8]) -> TestStore {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a b+ü", content);
    test_store
}

fn content(test_store: &TestStore, key: &str) -> Vec<u8> {
    test_store.server.object("backups", key).unwrap().bytes()
}

/// Returns how many bytes of objects the server received.
fn n_received(test_store: &TestStore) -> u64 {
    let log = test_store.server.log();
    let bodies = log.iter().filter(|entry| matches!(&*entry.operation, "PutObject" | "UploadPart"));
    bodies.map(|entry| entry.received).sum()
}

#[test]
fn a_copy_is_proven_and_no_byte_passes_here() {
    let test_store = with_object(&bytes(100_000));

    let summary = copy(&test_store, CopyOptions::default()).unwrap();

    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full));
    assert!(content(&test_store, "to/b") == bytes(100_000));
    assert_eq!((test_store.server.count("GetObject"), n_received(&test_store)), (0, 0));
    let log = test_store.server.log();
    let request = log.iter().find(|entry| entry.operation == "CopyObject").unwrap();
    assert!(request.header("x-amz-copy-source-if-match").is_some());
    assert_eq!(request.header("if-none-match"), Some("*"));
}

#[test]
fn what_has_the_key_stays_unless_it_may_be_replaced() {
    for (there, replace, wanted) in [
        ("one", OverwritePolicy::Refuse, Ok(Outcome::Unchanged)),
        ("two", OverwritePolicy::Refuse, Err(Kind::Exists)),
        ("one", OverwritePolicy::IfChanged, Ok(Outcome::Unchanged)),
        ("two", OverwritePolicy::IfChanged, Ok(Outcome::Stored)),
        ("two", OverwritePolicy::Overwrite, Ok(Outcome::Stored)),
    ] {
        let test_store = with_object(b"one");
        test_store.server.put("backups", "to/b", there.as_bytes());

        let copied = copy(&test_store, CopyOptions { replace, ..CopyOptions::default() });

        let outcome = copied.map(|summary| summary.outcome).map_err(|error| error.kind());
        assert_eq!(outcome, wanted, "{there} {replace:?}");
        let is_left = wanted.is_err();
        assert_eq!(content(&test_store, "to/b"), if is_left { b"two" } else { b"one" });
        assert_eq!(test_store.server.count("CopyObject") == 1, wanted == Ok(Outcome::Stored));
    }
}

#[test]
fn a_large_object_is_copied_in_parts_with_what_it_was_stored_with() {
    let test_store = TestStore::new();
    let file = test_store.file("a", 2 * PART + 1);
    let mut options = crate::s3::put::in_small_parts();
    options.attributes.metadata = [("night".to_owned(), "1".to_owned())].into_iter().collect();
    options.attributes.content_type = Some("text/x".to_owned());
    test_store.put(&file, "a b+ü", &options).unwrap();
    let sent = n_received(&test_store);
    let in_parts = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };

    let summary = copy(&test_store, in_parts).unwrap();

    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full));
    assert_eq!((test_store.server.count("UploadPartCopy"), n_received(&test_store)), (3, sent));
    let object = test_store.server.object("backups", "to/b").unwrap();
    assert!(object.bytes() == bytes(2 * PART + 1));
    assert_eq!(object.metadata().get("night").map(String::as_str), Some("1"));
    assert_eq!(object.content_type(), Some("text/x"));
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let in_parts = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };
    for (rule, options) in [
        ("CopyObject:denied", CopyOptions::default()),
        ("UploadPartCopy:denied:part=2", in_parts),
        ("CompleteMultipartUpload:denied", in_parts),
    ] {
        let test_store = with_object(&bytes(2 * PART));
        test_store.server.faults(&[rule]);

        let error = copy(&test_store, options).unwrap_err();

        assert_eq!(error.kind(), Kind::Permission, "{rule}");
        assert_eq!(test_store.server.keys("backups"), ["a b+ü"]);
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn a_copy_whose_answer_is_lost_is_found() {
    let in_parts = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };
    for (operation, options) in [
        ("CopyObject", CopyOptions::default()),
        ("UploadPartCopy", in_parts),
        ("CompleteMultipartUpload", in_parts),
    ] {
        for fault in ["drop-after", "error-after", "drop-before", "internal-error"] {
            let test_store = with_object(&bytes(2 * PART));
            test_store.server.faults(&[&format!("{operation}:{fault}")]);

            let summary = copy(&test_store, options).unwrap();

            assert_eq!(summary.outcome, Outcome::Stored, "{operation} {fault}");
            assert!(content(&test_store, "to/b") == bytes(2 * PART));
            assert_eq!(test_store.server.pending_uploads("backups"), 0);
        }
    }
    let test_store = with_object(b"one");
    test_store.server.faults(&["DeleteObject:drop-after"]);
    moved(&test_store).unwrap();
    assert_eq!(test_store.server.keys("backups"), ["to/b"]);
}

#[test]
fn a_move_deletes_only_what_was_copied() {
    let test_store = with_object(b"one");
    assert_eq!(moved(&test_store).unwrap().outcome, Outcome::Stored);
    assert_eq!(test_store.server.keys("backups"), ["to/b"]);

    // A copy that the store does not confirm, and an object that changes between the two.
    let test_store = with_object(b"one");
    test_store.server.faults(&["HeadObject:wrong-checksum:after=2"]);
    assert_eq!(moved(&test_store).unwrap_err().kind(), Kind::Mismatch);
    assert_eq!(content(&test_store, "a b+ü"), b"one");

    let test_store = with_object(b"one");
    test_store.server.faults(&["DeleteObject:hold"]);
    let change = |server: &devops_fakes::s3::Server| server.put("backups", "a b+ü", b"two");
    let error = test_store.while_held(1, change, |test_store| moved(test_store).unwrap_err());
    assert_eq!(error.kind(), Kind::Temporary, "{error}");
    assert_eq!(
        (content(&test_store, "a b+ü"), content(&test_store, "to/b")),
        (b"two".to_vec(), b"one".to_vec())
    );
}

#[test]
fn an_object_is_not_moved_onto_itself() {
    let test_store = with_object(b"one");

    for replace in [OverwritePolicy::Refuse, OverwritePolicy::IfChanged, OverwritePolicy::Overwrite]
    {
        let options = CopyOptions { replace, ..CopyOptions::default() };
        let itself = uri("a b+ü");
        let moving =
            async |context: S3Context<'_>| move_object(context, &itself, &itself, options).await;
        let error = test_store.run(moving).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed, "{error}");
        assert_eq!(copy_onto_itself(&test_store, options).unwrap_err().kind(), Kind::Failed);
    }

    assert_eq!(content(&test_store, "a b+ü"), b"one");
    assert_eq!(
        (test_store.server.count("CopyObject"), test_store.server.count("DeleteObject")),
        (0, 0)
    );
}

fn copy_onto_itself(test_store: &TestStore, options: CopyOptions) -> Result<CopySummary, S3Error> {
    test_store
        .run(async |context| copy_object(context, &uri("a b+ü"), &uri("a b+ü"), options).await)
}

#[test]
fn an_object_of_parts_is_copied_in_the_same_where_the_tag_alone_tells() {
    let test_store = TestStore::new();
    let file = test_store.file("a", 2 * PART + 1);
    test_store.put(&file, "a b+ü", &crate::s3::put::in_small_parts()).unwrap();
    test_store.server.faults(&["HeadObject:no-checksum:always"]);

    let summary = moved(&test_store).unwrap();

    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Etag));
    assert_eq!(test_store.server.count("UploadPartCopy"), 3);
    assert_eq!(test_store.server.keys("backups"), ["to/b"]);
}

#[test]
fn an_object_stays_where_its_copy_is_proven_by_its_size_alone() {
    let test_store = with_object(b"one");
    test_store
        .server
        .faults(&["HeadObject:no-checksum:always", "HeadObject:leave-out=etag:always"]);

    let error = moved(&test_store).unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch, "{error}");
    assert!(error.to_string().contains("`s3://backups/to/b` is there"), "{error}");
    assert_eq!(test_store.server.keys("backups"), ["a b+ü", "to/b"]);
}

#[test]
fn an_object_stays_where_its_copy_has_another_md5() {
    let test_store = with_object(b"one");
    test_store.server.faults(&["HeadObject:no-checksum:always", "HeadObject:wrong-etag:after=2"]);

    assert_eq!(moved(&test_store).unwrap_err().kind(), Kind::Mismatch);
    assert_eq!(content(&test_store, "a b+ü"), b"one");
}

#[test]
fn what_came_after_the_copy_stays_where_the_store_knows_no_condition() {
    let test_store = with_object(b"one");
    test_store.server.faults(&["HeadObject:hold:after=3", "DeleteObject:refuse-conditions:always"]);

    let change = |server: &devops_fakes::s3::Server| server.put("backups", "a b+ü", b"two");
    let error = test_store.while_held(1, change, |test_store| moved(test_store).unwrap_err());

    assert_eq!(error.kind(), Kind::Temporary, "{error}");
    assert_eq!(
        (content(&test_store, "a b+ü"), content(&test_store, "to/b")),
        (b"two".to_vec(), b"one".to_vec())
    );
    assert_eq!(test_store.server.count("DeleteObject"), 0);
}

#[test]
fn two_names_of_one_object_are_not_taken_for_two_objects() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let alike = || loop {
        // Stores tell times to the second.
        let (begun, test_store) = (now(), with_object(b"one"));
        test_store.server.put("backups", "to/b", b"one");
        if begun == now() {
            return test_store;
        }
    };

    let test_store = alike();
    test_store.server.faults(&["ListObjectsV2:hide=to/b:always"]);
    let error = moved(&test_store).unwrap_err();
    assert_eq!(error.kind(), Kind::Mismatch, "{error}");
    assert_eq!(test_store.server.keys("backups"), ["a b+ü", "to/b"]);

    let test_store = alike();
    assert_eq!(moved(&test_store).unwrap().outcome, Outcome::Unchanged);
    assert_eq!(test_store.server.keys("backups"), ["to/b"]);
}

#[test]
fn a_copy_is_encrypted_as_its_object_is() {
    let in_parts = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };
    for options in [CopyOptions::default(), in_parts] {
        let test_store = TestStore::new();
        let file = test_store.file("a", 2 * PART);
        test_store.put(&file, "a b+ü", &with_key()).unwrap();

        copy(&test_store, options).unwrap();

        let copied = test_store.server.object("backups", "to/b").unwrap();
        assert_eq!(copied.encryption(), [Some("aws:kms"), Some("k"), None]);
    }
}

#[test]
fn an_object_stays_where_its_copy_comes_out_in_clear() {
    let in_parts = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };
    let ignored = "ignore=x-amz-server-side-encryption:always";
    for (rule, options) in
        [("CopyObject", CopyOptions::default()), ("CreateMultipartUpload", in_parts)]
    {
        let test_store = TestStore::new();
        let file = test_store.file("a", 2 * PART);
        test_store.put(&file, "a b+ü", &with_key()).unwrap();
        test_store.server.faults(&[&format!("{rule}:{ignored}")]);

        let work = async |context: S3Context<'_>| {
            move_object(context, &uri("a b+ü"), &uri("to/b"), options).await
        };
        let error = test_store.run(work).unwrap_err();

        assert_eq!(error.kind(), Kind::Mismatch, "{error}");
        assert_eq!(test_store.server.keys("backups"), ["a b+ü"]);
    }
}

fn with_key() -> PutOptions {
    let mut options = crate::s3::put::in_small_parts();
    let key_id = Some("k".to_owned());
    options.attributes.encryption = Some(Encryption { method: Method::Kms, key_id });
    options
}

#[test]
fn a_move_to_where_the_same_is_in_clear_leaves_the_object() {
    let test_store = TestStore::new();
    let file = test_store.file("a", 100);
    test_store.put(&file, "a b+ü", &with_key()).unwrap();
    test_store.server.put("backups", "to/b", &bytes(100));

    assert_eq!(moved(&test_store).unwrap_err().kind(), Kind::Exists);
    assert_eq!(test_store.server.keys("backups"), ["a b+ü", "to/b"]);
}

#[test]
fn a_move_to_where_the_same_was_stored_with_something_else_leaves_the_object() {
    let store = |test_store: &TestStore, key, night: &str| {
        let mut options = PutOptions::default();
        options.attributes.metadata = [("night".to_owned(), night.to_owned())].into();
        test_store.put(&test_store.file("a", 100), key, &options).unwrap();
    };
    for (there, wanted) in [("1", Ok(Outcome::Unchanged)), ("2", Err(Kind::Exists))] {
        let test_store = TestStore::new();
        store(&test_store, "a b+ü", "1");
        store(&test_store, "to/b", there);

        let done = moved(&test_store).map(|summary| summary.outcome).map_err(|error| error.kind());

        assert_eq!(done, wanted);
        assert_eq!(test_store.server.object("backups", "a b+ü").is_some(), wanted.is_err());
    }
}

#[test]
fn a_version_is_copied_over_what_came_after_it() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    test_store.server.put("backups", "a", b"one");
    test_store.server.put("backups", "a", b"two");
    let id = test_store.server.versions("backups")[1].1.clone();
    let options = CopyOptions { replace: OverwritePolicy::Overwrite, ..CopyOptions::default() };

    let from = uri("a").with_version(id);
    test_store.run(async |context| copy_object(context, &from, &uri("a"), options).await).unwrap();

    assert_eq!(content(&test_store, "a"), b"one");
    assert_eq!(test_store.server.versions("backups").len(), 3);
}

#[test]
fn what_is_missing_is_named() {
    let test_store = TestStore::new();

    assert_eq!(copy(&test_store, CopyOptions::default()).unwrap_err().kind(), Kind::NotFound);
}
