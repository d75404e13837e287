//! Comparing files with objects, at every depth.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Algorithm, Attributes, Capabilities, Depth, Encryption, Method, Outcome, Part, PartSize,
        Proof, PutOptions, S3Error, Verification, verify,
    },
    units::ByteSize,
};

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, uri},
};

const SIZE: u64 = 2 * PART + 99;

/// A part size that no tool is known for.
const UNUSUAL: u64 = PART + (1 << 20);

fn check(test_store: &TestStore, path: &Path, depth: Depth) -> Result<Verification, S3Error> {
    test_store.run(async |context| verify(context, path, &uri("a.bin"), depth).await)
}

/// Puts a file, and returns it with another that differs in one byte.
fn stored(test_store: &TestStore, options: &PutOptions) -> (PathBuf, PathBuf) {
    let same = test_store.file("same.bin", SIZE);
    test_store.put(&same, "a.bin", options).unwrap();
    let other = test_store.path("other.bin");
    fs::copy(&same, &other).unwrap();
    let file = fs::File::options().read(true).write(true).open(&other).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, PART + 1).unwrap();
    file.write_all_at(&[!byte[0]], PART + 1).unwrap();
    (same, other)
}

fn composite() -> PutOptions {
    PutOptions {
        checksum: Some(Algorithm::Sha256),
        part_size: PartSize::Exactly(ByteSize(UNUSUAL)),
        ..PutOptions::default()
    }
}

fn same(proof: Proof) -> Verification {
    Verification::Same { size: SIZE, proof }
}

#[test]
fn every_depth_tells_the_same_from_another() {
    let test_store = TestStore::new();
    let (same_file, other) = stored(&test_store, &in_small_parts());
    let second = Part { number: 2, offset: PART, size: PART };
    // What is fetched comes in ranges of 8 MiB.
    let first_range = Part { number: 1, offset: 0, size: 8 << 20 };

    for (depth, proof, difference) in [
        (Depth::Whole, Proof::Full, vec![]),
        (Depth::Parts, Proof::Parts, vec![second]),
        (Depth::Bytes, Proof::Full, vec![first_range]),
    ] {
        assert_eq!(check(&test_store, &same_file, depth).unwrap(), same(proof));
        assert_eq!(check(&test_store, &other, depth).unwrap(), Verification::Different(difference));
    }
}

/// Lets it be known whether the store's tags are MD5s.
fn assume(test_store: &TestStore, etag_is_md5: bool) {
    let known = Capabilities { etag_is_md5: Some(etag_is_md5), ..Capabilities::default() };
    test_store.run(async |context| context.store.assume(known));
}

#[test]
fn where_nobody_tells_how_an_object_was_cut_only_the_bytes_contradict_for_sure() {
    let test_store = TestStore::new();
    let (same_file, other) = stored(&test_store, &in_small_parts());
    test_store.server.faults(&["*:no-checksum:always", "HeadObject:ignore=partNumber:always"]);

    for depth in [Depth::Whole, Depth::Parts] {
        assert_eq!(check(&test_store, &same_file, depth).unwrap(), same(Proof::Etag));
        assert_eq!(check(&test_store, &other, depth).unwrap(), Verification::Doubtful);
    }
    assert!(matches!(
        check(&test_store, &other, Depth::Bytes).unwrap(),
        Verification::Different(parts) if parts.len() == 1
    ));
}

#[test]
fn an_etag_of_another_content_contradicts() {
    // In three parts, and in one; whether the store is known to give MD5s or not.
    for (mib, is_known) in [(5, true), (16, true), (5, false), (16, false)] {
        let test_store = TestStore::new();
        let part_size = PartSize::Exactly(ByteSize::mib(mib));
        let (same_file, other) =
            stored(&test_store, &PutOptions { part_size, ..PutOptions::default() });
        test_store.server.faults(&["*:no-checksum:always"]);
        if is_known {
            assume(&test_store, true);
        }

        let found = check(&test_store, &other, Depth::Whole).unwrap();

        assert_eq!(found, Verification::Different(Vec::new()));
        assert_eq!(check(&test_store, &same_file, Depth::Whole).unwrap(), same(Proof::Etag));
    }
}

#[test]
fn an_etag_that_is_known_to_be_no_md5_says_nothing() {
    let test_store = TestStore::new();
    let (_, other) = stored(&test_store, &PutOptions::default());
    test_store.server.faults(&["*:no-checksum:always"]);
    assume(&test_store, false);

    assert_eq!(check(&test_store, &other, Depth::Whole).unwrap(), same(Proof::Size));
}

#[test]
fn the_etag_of_what_a_key_service_encrypts_says_nothing() {
    let test_store = TestStore::new();
    let part_size = PartSize::Exactly(ByteSize::mib(16));
    let encryption = Some(Encryption { method: Method::Kms, key_id: None });
    let attributes = Attributes { encryption, ..Attributes::default() };
    let (_, other) =
        stored(&test_store, &PutOptions { attributes, part_size, ..PutOptions::default() });
    test_store.server.faults(&["*:no-checksum:always"]);
    assume(&test_store, true);

    assert_eq!(check(&test_store, &other, Depth::Whole).unwrap(), same(Proof::Size));
}

#[test]
fn a_checksum_of_checksums_is_compared_part_by_part() {
    let test_store = TestStore::new();
    let (same_file, other) = stored(&test_store, &composite());

    assert_eq!(check(&test_store, &same_file, Depth::Whole).unwrap(), same(Proof::Parts));
    assert_eq!(
        check(&test_store, &other, Depth::Whole).unwrap(),
        Verification::Different(vec![Part { number: 1, offset: 0, size: UNUSUAL }])
    );
}

#[test]
fn a_store_that_does_not_list_parts_may_still_tell_their_size() {
    for refusal in ["not-implemented", "denied", "not-allowed"] {
        let test_store = TestStore::new();
        let (same_file, other) = stored(&test_store, &composite());
        test_store.server.faults(&[&format!("GetObjectAttributes:{refusal}:always")]);

        assert_eq!(check(&test_store, &same_file, Depth::Parts).unwrap(), same(Proof::Parts));
        let found = check(&test_store, &other, Depth::Parts).unwrap();
        assert_eq!(found, Verification::Different(Vec::new()));
    }
}

#[test]
fn an_etag_of_unusual_parts_is_understood() {
    let test_store = TestStore::new();
    let options = PutOptions { checksum: None, ..composite() };
    let (same_file, _) = stored(&test_store, &options);
    test_store.server.faults(&["*:no-checksum:always"]);

    assert_eq!(check(&test_store, &same_file, Depth::Whole).unwrap(), same(Proof::Etag));
}

#[test]
fn the_same_content_in_unusual_parts_need_not_be_sent_again() {
    let test_store = TestStore::new();
    let (same_file, other) = stored(&test_store, &composite());

    let again = test_store.put(&same_file, "a.bin", &PutOptions::default()).unwrap();

    assert_eq!((again.outcome, again.proof), (Outcome::Unchanged, Proof::Parts));
    let error = test_store.put(&other, "a.bin", &PutOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    for rule in ["drop-before", "internal-error", "slow-down", "error-in-200"] {
        let test_store = TestStore::new();
        let (same_file, _) = stored(&test_store, &composite());
        test_store.server.faults(&[&format!("GetObjectAttributes:{rule}")]);

        assert_eq!(
            check(&test_store, &same_file, Depth::Whole).unwrap(),
            same(Proof::Parts),
            "{rule}"
        );
        assert_eq!(test_store.n_retries(), 1, "{rule}");
    }
}

#[test]
fn the_sizes_decide_before_anything_is_read() {
    let test_store = TestStore::new();
    stored(&test_store, &in_small_parts());
    let shorter = test_store.file("shorter.bin", SIZE - 1);

    for depth in [Depth::Whole, Depth::Parts, Depth::Bytes] {
        let found = check(&test_store, &shorter, depth).unwrap();

        assert_eq!(found, Verification::OtherSize { here: SIZE - 1, there: SIZE });
    }
    assert_eq!(test_store.server.count("GetObject"), 0);
}

#[test]
fn a_missing_object_is_said() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 3);

    assert_eq!(check(&test_store, &file, Depth::Whole).unwrap(), Verification::Missing);
}

#[test]
fn an_object_in_one_piece_is_compared_whole() {
    for size in [0, 1234] {
        let test_store = TestStore::new();
        let file = test_store.file("a.bin", size);
        test_store.put(&file, "a.bin", &PutOptions::default()).unwrap();

        for depth in [Depth::Whole, Depth::Parts, Depth::Bytes] {
            let found = check(&test_store, &file, depth).unwrap();

            assert_eq!(found, Verification::Same { size, proof: Proof::Full });
        }
    }
}
