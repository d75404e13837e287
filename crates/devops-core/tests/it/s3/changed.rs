//! Putting over an object only when its content is another.

use std::path::Path;

use devops_core::{
    kind::{HasKind, Kind},
    s3::{Event, Listed, ObjectSummary, Outcome, OverwritePolicy, Proof, PutOptions, S3Error},
};
use devops_fakes::s3::Server;

use crate::s3::{
    put::in_small_parts,
    rig::{PART, Rig, bytes},
};

fn if_changed() -> PutOptions {
    PutOptions { replace: OverwritePolicy::IfChanged, ..in_small_parts() }
}

fn put(rig: &Rig, file: &Path) -> Result<ObjectSummary, S3Error> {
    rig.put(file, "a.bin", &if_changed())
}

#[test]
fn an_object_is_replaced_only_by_other_content() {
    for size in [0, 100, 2 * PART] {
        let rig = Rig::new();
        rig.server.put("backups", "a.bin", b"other");
        let file = rig.file("a.bin", size);

        let outcomes = [put(&rig, &file), put(&rig, &file)].map(|done| done.unwrap().outcome);

        assert_eq!(outcomes, [Outcome::Stored, Outcome::Unchanged]);
        assert!(rig.server.object("backups", "a.bin").unwrap().bytes() == bytes(size));
    }
}

#[test]
fn the_write_itself_says_which_object_it_replaces() {
    let rig = Rig::new();
    rig.server.put("backups", "a.bin", b"other");
    let etag = format!("\"{}\"", rig.server.object("backups", "a.bin").unwrap().etag);

    put(&rig, &rig.file("a.bin", 3)).unwrap();
    rig.server.put("backups", "a.bin", b"other");
    put(&rig, &rig.file("a.bin", 2 * PART)).unwrap();

    let log = rig.server.log();
    let mut writes = log.iter().filter(|entry| {
        ["PutObject", "CompleteMultipartUpload"].contains(&entry.operation.as_str())
    });
    assert_eq!(writes.clone().count(), 2);
    assert!(writes.all(|entry| entry.header("if-match") == Some(&etag)));
}

#[test]
fn a_change_by_someone_else_is_not_lost() {
    for (operation, size) in [("PutObject", 3), ("CompleteMultipartUpload", 2 * PART)] {
        let rig = Rig::new();
        rig.server.put("backups", "a.bin", b"first");
        rig.server.faults(&[&format!("{operation}:hold")]);
        let file = rig.file("a.bin", size);
        let change = |server: &Server| server.put("backups", "a.bin", b"second");

        let result = rig.while_held(1, change, |rig| put(rig, &file));

        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Temporary);
        assert!(error.to_string().contains("someone else changed the object"), "{error}");
        assert_eq!(rig.server.object("backups", "a.bin").unwrap().bytes(), b"second");
        assert_eq!(rig.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn what_a_lost_answer_left_is_ours_though_the_next_attempt_goes_another_way() {
    let rig = Rig::new();
    rig.server.put("backups", "a.bin", b"other");
    let etag = rig.server.object("backups", "a.bin").unwrap().etag;
    let options = PutOptions { listed: Some(Listed::Other(etag)), ..if_changed() };
    rig.server.faults(&["PutObject:drop-after", "PutObject:refuse-checksums:after=1"]);

    let done = rig.put(&rig.file("a.bin", 3), "a.bin", &options).unwrap();

    assert_eq!((done.outcome, rig.server.count("PutObject")), (Outcome::Stored, 3));
    assert_eq!(rig.server.object("backups", "a.bin").unwrap().bytes(), bytes(3));
}

#[test]
fn a_store_without_conditional_writes_is_told_of_and_used() {
    let rig = Rig::new();
    rig.server.put("backups", "a.bin", b"other");
    rig.server.faults(&["*:refuse-conditions:always"]);

    let done = put(&rig, &rig.file("a.bin", 3)).unwrap();

    assert_eq!(done.outcome, Outcome::Stored);
    assert!(rig.events.borrow().iter().any(|event| matches!(event, Event::FeatureUnsupported(_))));
}

#[test]
fn without_checksums_the_tag_of_usual_parts_tells_the_content() {
    let rig = Rig::new();
    let file = rig.file("a.bin", 2 * PART + 7);
    put(&rig, &file).unwrap();
    rig.server.faults(&["*:no-checksum:always"]);

    let again = put(&rig, &file).unwrap();

    assert_eq!((again.outcome, again.proof), (Outcome::Unchanged, Proof::Etag));
    assert_eq!(rig.server.count("CompleteMultipartUpload"), 1);
}

#[test]
fn an_object_that_may_not_be_looked_at_is_not_replaced() {
    let rig = Rig::new();
    rig.server.put("backups", "a.bin", b"other");
    rig.server.faults(&["HeadObject:denied:always", "GetObject:denied:always"]);

    let error = put(&rig, &rig.file("a.bin", 3)).unwrap_err();

    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!(rig.server.object("backups", "a.bin").unwrap().bytes(), b"other");
}
