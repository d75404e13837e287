//! Putting over an object only when its content is another.

use std::path::Path;

use devops_core::{
    kind::{HasKind, Kind},
    s3::{Event, Listed, ObjectSummary, Outcome, OverwritePolicy, Proof, PutOptions, S3Error},
};
use devops_fakes::s3::Server;

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes},
};

fn if_changed() -> PutOptions {
    PutOptions { replace: OverwritePolicy::IfChanged, ..in_small_parts() }
}

fn put(test_store: &TestStore, file: &Path) -> Result<ObjectSummary, S3Error> {
    test_store.put(file, "a.bin", &if_changed())
}

#[test]
fn an_object_is_replaced_only_by_other_content() {
    for size in [0, 100, 2 * PART] {
        let test_store = TestStore::new();
        test_store.server.put("backups", "a.bin", b"other");
        let file = test_store.file("a.bin", size);

        let outcomes =
            [put(&test_store, &file), put(&test_store, &file)].map(|done| done.unwrap().outcome);

        assert_eq!(outcomes, [Outcome::Stored, Outcome::Unchanged]);
        assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(size));
    }
}

#[test]
fn the_write_itself_says_which_object_it_replaces() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"other");
    let etag = format!("\"{}\"", test_store.server.object("backups", "a.bin").unwrap().etag);

    put(&test_store, &test_store.file("a.bin", 3)).unwrap();
    test_store.server.put("backups", "a.bin", b"other");
    put(&test_store, &test_store.file("a.bin", 2 * PART)).unwrap();

    let log = test_store.server.log();
    let mut writes = log.iter().filter(|entry| {
        ["PutObject", "CompleteMultipartUpload"].contains(&entry.operation.as_str())
    });
    assert_eq!(writes.clone().count(), 2);
    assert!(writes.all(|entry| entry.header("if-match") == Some(&etag)));
}

#[test]
fn a_change_by_someone_else_is_not_lost() {
    for (operation, size) in [("PutObject", 3), ("CompleteMultipartUpload", 2 * PART)] {
        let test_store = TestStore::new();
        test_store.server.put("backups", "a.bin", b"first");
        test_store.server.faults(&[&format!("{operation}:hold")]);
        let file = test_store.file("a.bin", size);
        let change = |server: &Server| server.put("backups", "a.bin", b"second");

        let result = test_store.while_held(1, change, |test_store| put(test_store, &file));

        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Temporary);
        assert!(error.to_string().contains("someone else changed the object"), "{error}");
        assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"second");
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn what_a_lost_answer_left_is_ours_though_the_next_attempt_goes_another_way() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"other");
    let etag = test_store.server.object("backups", "a.bin").unwrap().etag;
    let options = PutOptions { listed: Some(Listed::Other(etag)), ..if_changed() };
    test_store.server.faults(&["PutObject:drop-after", "PutObject:refuse-checksums:after=1"]);

    let done = test_store.put(&test_store.file("a.bin", 3), "a.bin", &options).unwrap();

    assert_eq!((done.outcome, test_store.server.count("PutObject")), (Outcome::Stored, 3));
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), bytes(3));
}

#[test]
fn a_store_without_conditional_writes_is_told_of_and_used() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"other");
    test_store.server.faults(&["*:refuse-conditions:always"]);

    let done = put(&test_store, &test_store.file("a.bin", 3)).unwrap();

    assert_eq!(done.outcome, Outcome::Stored);
    assert!(
        test_store
            .events
            .borrow()
            .iter()
            .any(|event| matches!(event, Event::FeatureUnsupported(_)))
    );
}

#[test]
fn without_checksums_the_tag_of_usual_parts_tells_the_content() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 2 * PART + 7);
    put(&test_store, &file).unwrap();
    test_store.server.faults(&["*:no-checksum:always"]);

    let again = put(&test_store, &file).unwrap();

    assert_eq!((again.outcome, again.proof), (Outcome::Unchanged, Proof::Etag));
    assert_eq!(test_store.server.count("CompleteMultipartUpload"), 1);
}

#[test]
fn an_object_that_may_not_be_looked_at_is_not_replaced() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"other");
    test_store.server.faults(&["HeadObject:denied:always", "GetObject:denied:always"]);

    let error = put(&test_store, &test_store.file("a.bin", 3)).unwrap_err();

    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"other");
}
