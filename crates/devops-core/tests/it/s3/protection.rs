//! What was asked for beside the bytes: proven before anything is replaced, confirmed afterwards, or no success.

use std::{fs, io::Cursor};

use devops_core::fs::{Destination, IfExists};
use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Attributes, Capabilities, Encryption, Feature, GetOptions, Lack, Left, Method, ObjectLock,
        ObjectSummary, OverwritePolicy, PartSize, Proof, PutOptions, RetentionMode, S3Error, Tags,
        UploadStream, ensure_absent, get, put_stream,
    },
};
use time::macros::datetime;

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, time_enough, uri},
};

const SSE: &str = "x-amz-server-side-encryption";
const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const KEY_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";

fn encrypted() -> Attributes {
    let encryption = Some(Encryption { method: Method::Store, key_id: None });
    Attributes { encryption, ..Attributes::default() }
}

fn locked() -> Attributes {
    let until = datetime!(2100-01-01 0:00 UTC);
    let lock = Some(ObjectLock { mode: RetentionMode::Compliance, until, is_from_now: false });
    Attributes { lock, legal_hold: true, ..Attributes::default() }
}

fn with(attributes: Attributes) -> PutOptions {
    PutOptions { attributes, ..in_small_parts() }
}

fn over(attributes: Attributes) -> PutOptions {
    PutOptions { replace: OverwritePolicy::Overwrite, ..with(attributes) }
}

/// Returns what an object lacks, and what became of it.
fn lacks(result: Result<ObjectSummary, S3Error>) -> (Vec<Feature>, Left) {
    match result.unwrap_err() {
        S3Error::Unprotected { features, left, .. } => (features.into_vec(), left),
        other => panic!("{other}"),
    }
}

fn operations(test_store: &TestStore) -> Vec<String> {
    test_store.server.log().into_iter().map(|entry| entry.operation).collect()
}

/// Lets the requests that begin an object ignore these headers.
fn ignore(test_store: &TestStore, names: &[&str]) {
    for operation in ["PutObject", "CreateMultipartUpload", "UploadPart"] {
        for name in names {
            test_store.server.faults(&[&format!("{operation}:ignore={name}:always")]);
        }
    }
}

fn ignore_key(test_store: &TestStore) {
    ignore(test_store, &[ALGORITHM, KEY_MD5, "x-amz-server-side-encryption-customer-key"]);
    test_store.server.faults(&[
        &format!("HeadObject:ignore={KEY_MD5}:always"),
        &format!("GetObject:ignore={KEY_MD5}:always"),
    ]);
}

/// Puts a file; returns what it lacks, and how many versions and uploads there are then.
fn clear(
    test_store: &TestStore,
    size: u64,
    options: &PutOptions,
    versions: bool,
) -> ((Vec<Feature>, Left), usize, usize) {
    if versions {
        test_store.server.keep_versions("backups");
    }
    let result = test_store.put(&test_store.file("a.bin", size), "a.bin", options);
    (
        lacks(result),
        test_store.server.versions("backups").len(),
        test_store.server.pending_uploads("backups"),
    )
}

#[test]
fn what_comes_out_in_clear_is_removed_if_nothing_had_the_key() {
    for versions in [false, true] {
        let test_store = TestStore::new();
        ignore(&test_store, &[SSE]);
        let removed = (vec![Feature::Encryption], Left::Removed);
        assert_eq!(clear(&test_store, 100, &with(encrypted()), versions), (removed, 0, 0));
        let test_store = TestStore::with_customer_key();
        ignore_key(&test_store);
        let removed = (vec![Feature::CustomerKey], Left::Removed);
        assert_eq!(clear(&test_store, 100, &in_small_parts(), versions), (removed, 0, 0));
        // In parts the first answer tells it.
        let test_store = TestStore::new();
        ignore(&test_store, &[SSE]);
        let unsent = (vec![Feature::Encryption], Left::Unsent);
        assert_eq!(clear(&test_store, PART + 1, &with(encrypted()), versions), (unsent, 0, 0));
        let test_store = TestStore::with_customer_key();
        ignore_key(&test_store);
        let unsent = (vec![Feature::CustomerKey], Left::Unsent);
        assert_eq!(clear(&test_store, PART + 1, &in_small_parts(), versions), (unsent, 0, 0));
    }
}

#[test]
fn what_a_store_repeats_of_a_request_confirms_nothing() {
    let test_store = TestStore::with_customer_key();
    ignore_key(&test_store);
    test_store.server.faults(&["*:echo-headers:always"]);
    let removed = (vec![Feature::CustomerKey], Left::Removed);
    assert_eq!(clear(&test_store, 100, &in_small_parts(), false), (removed, 0, 0));

    let test_store = TestStore::new();
    ignore(&test_store, &[SSE]);
    test_store.server.faults(&["*:echo-headers:always"]);
    let removed = (vec![Feature::Encryption], Left::Removed);
    assert_eq!(clear(&test_store, 100, &with(encrypted()), false), (removed, 0, 0));

    let test_store = TestStore::new();
    test_store.server.faults(&["*:echo-headers:always"]);
    let stored =
        test_store.put(&test_store.file("a.bin", 100), "a.bin", &PutOptions::default()).unwrap();
    assert_eq!(stored.proof, Proof::Etag);
}

#[test]
fn what_cannot_be_removed_is_named() {
    let test_store = TestStore::new();
    ignore(&test_store, &[SSE]);
    test_store.server.faults(&["DeleteObject:denied:always"]);

    let error =
        test_store.put(&test_store.file("a.bin", 100), "a.bin", &with(encrypted())).unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch);
    assert!(error.to_string().contains("could not be removed"), "{error}");
    assert!(test_store.server.object("backups", "a.bin").is_some());

    // A store that says it did and has it still.
    let test_store = TestStore::new();
    ignore(&test_store, &[SSE]);
    test_store.server.keep_versions("backups");
    test_store.server.faults(&["PutObject:leave-out=x-amz-version-id:always"]);
    let (_, left) =
        lacks(test_store.put(&test_store.file("a.bin", 100), "a.bin", &with(encrypted())));
    assert!(matches!(&left, Left::Stuck(why) if why.contains("delete marker")), "{left:?}");
}

#[test]
fn an_object_is_replaced_only_where_the_store_is_seen_to_protect() {
    for (size, attributes) in [(100, encrypted()), (PART + 1, encrypted()), (100, locked())] {
        let test_store = TestStore::new();
        test_store.server.put("backups", "a.bin", b"precious");
        ignore(&test_store, &[SSE]);

        let (features, left) =
            lacks(test_store.put(&test_store.file("a.bin", size), "a.bin", &over(attributes)));

        assert!(features.iter().all(|feature| feature.is_protection()), "{features:?}");
        assert_eq!(left, Left::Unsent);
        assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"precious");
        assert_eq!(test_store.server.keys("backups"), ["a.bin"]);
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn nothing_of_a_stream_is_read_where_it_would_be_in_clear() {
    let test_store = TestStore::new();
    ignore(&test_store, &[SSE]);
    let options = with(encrypted());

    let error = test_store
        .run(async |context| ensure_absent(context, &uri("a.bin"), &options).await)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Mismatch);

    let stream = || UploadStream::new(Cursor::new(bytes(100)));
    let put = test_store.run(async |context| {
        put_stream(context, stream(), &[uri("a.bin")], &options).await.unwrap().remove(0)
    });
    assert_eq!(lacks(put), (vec![Feature::Encryption], Left::Unsent));
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
}

#[test]
fn what_was_replaced_by_an_object_in_clear_is_said_so() {
    // The throwaway object is encrypted, and what counts is not.
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"precious");
    test_store.server.faults(&[&format!("PutObject:ignore={SSE}:after=1:always")]);

    let result = test_store.put(&test_store.file("a.bin", 100), "a.bin", &over(encrypted()));

    assert_eq!(lacks(result), (vec![Feature::Encryption], Left::There));
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), bytes(100));
}

#[test]
fn an_answer_that_says_it_is_enough() {
    let mut test_store = TestStore::new();
    let file = test_store.file("a.bin", 100);
    let parts = test_store.file("b.bin", PART + 1);
    let put = |test_store: &TestStore, file, key, options: &PutOptions| {
        let before = test_store.server.log().len();
        let summary = test_store.put(file, key, options).unwrap();
        assert_eq!((summary.proof, summary.lacks), (Proof::Full, vec![]));
        operations(test_store).split_off(before)
    };

    assert_eq!(put(&test_store, &file, "new", &with(encrypted())), ["HeadObject", "PutObject"]);
    assert!(
        !put(&test_store, &parts, "parts", &over(encrypted())).contains(&"HeadObject".to_owned())
    );
    // Once for all, and for later runs.
    let probed = ["PutObject", "DeleteObject", "PutObject"];
    assert_eq!(put(&test_store, &file, "new", &over(encrypted())), probed);
    assert_eq!(put(&test_store, &file, "new", &over(encrypted())), ["PutObject"]);
    let learned: Capabilities = test_store.run(async |context| context.store.learned()).unwrap();
    test_store.connect_again(time_enough());
    test_store.run(async |context| context.store.assume(learned));
    assert_eq!(put(&test_store, &file, "new", &over(encrypted())), ["PutObject"]);
    assert!(test_store.run(async |context| context.store.learned()).is_none());
    assert_eq!(test_store.server.keys("backups"), ["new", "parts"]);
}

#[test]
fn a_lock_that_is_not_there_is_no_success() {
    let lock = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"];
    let hold = ["x-amz-object-lock-legal-hold"];
    for (size, names, feature) in [
        (100, &lock[..], Feature::Lock),
        (100, &hold, Feature::LegalHold),
        (PART + 1, &lock, Feature::Lock),
        (PART + 1, &hold, Feature::LegalHold),
    ] {
        let test_store = TestStore::new();
        test_store.server.keep_versions("backups");
        ignore(&test_store, names);

        let result = test_store.put(&test_store.file("a.bin", size), "a.bin", &with(locked()));

        assert_eq!(lacks(result), (vec![feature], Left::There));
    }
    // Where it is there, nothing is asked but HEAD.
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    let summary = test_store.put(&test_store.file("a.bin", 100), "a.bin", &with(locked())).unwrap();
    assert_eq!(summary.lacks, []);
    assert_eq!(operations(&test_store), ["HeadObject", "PutObject", "HeadObject"]);
}

#[test]
fn what_cannot_be_read_is_not_said_to_be_missing() {
    let lock = ["x-amz-object-lock-mode", "x-amz-object-lock-legal-hold"];
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for name in lock {
        test_store.server.faults(&[&format!("HeadObject:leave-out={name}:always")]);
    }
    // HEAD leaves out what may not be read; to ask for it alone tells.
    let file = test_store.file("a.bin", 100);
    assert_eq!(test_store.put(&file, "a.bin", &with(locked())).unwrap().lacks, []);

    test_store
        .server
        .faults(&["GetObjectRetention:denied:always", "GetObjectLegalHold:denied:always"]);
    let untold = [Feature::Lock, Feature::LegalHold];
    let untold = untold.map(|feature| Lack { feature, is_certain: false });
    assert_eq!(test_store.put(&file, "b.bin", &with(locked())).unwrap().lacks, untold);

    test_store.server.faults(&["HeadObject:denied:after=1:always"]);
    assert_eq!(test_store.put(&file, "c.bin", &with(locked())).unwrap().lacks, untold);
}

#[test]
fn a_storage_class_and_tags_that_are_not_there_are_named() {
    let tags = |pairs: &[(&str, &str)]| {
        Tags::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    };
    let attributes = Attributes {
        storage_class: Some("STANDARD_IA".to_owned()),
        tags: tags(&[("team", "ops & dev"), ("a", "")]).unwrap(),
        ..Attributes::default()
    };
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 100);
    assert_eq!(test_store.put(&file, "a.bin", &with(attributes.clone())).unwrap().lacks, []);

    ignore(&test_store, &["x-amz-storage-class", "x-amz-tagging"]);
    let summary = test_store.put(&file, "b.bin", &with(attributes)).unwrap();
    let missing = [Feature::StorageClass, Feature::Tags];
    assert_eq!(summary.lacks, missing.map(|feature| Lack { feature, is_certain: true }));
}

#[test]
fn the_same_content_in_clear_is_no_success() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", &bytes(100));
    let file = test_store.file("a.bin", 100);

    let result = test_store.put(&file, "a.bin", &with(encrypted()));
    assert_eq!(lacks(result), (vec![Feature::Encryption], Left::Before));
    let result = test_store.put(&file, "a.bin", &with(locked()));
    assert_eq!(lacks(result), (vec![Feature::Lock, Feature::LegalHold], Left::Before));
    assert!(test_store.put(&file, "a.bin", &in_small_parts()).is_ok());
}

#[test]
fn an_object_in_clear_is_not_fetched_with_a_key() {
    let test_store = TestStore::with_customer_key();
    test_store.server.put("backups", "a.bin", &bytes(100));
    ignore_key(&test_store);
    let path = test_store.path("back.bin");
    let part_size = PartSize::Auto;
    let options =
        GetOptions { replace: IfExists::Fail, mode: None, group: None, preserve: false, part_size };

    let error = test_store
        .run(async |context| get(context, &uri("a.bin"), &Destination::open(&path)?, options).await)
        .unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch);
    assert!(fs::metadata(&path).is_err());
}
