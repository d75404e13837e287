//! Fetching, comparing and listing.

use std::{fs, path::Path};

use devops_core::{
    fs::{Destination, IfExists},
    kind::{HasKind, Kind},
    s3::{Event, GetOptions, GetSummary, PartSize, Proof, S3Error, get, list, list_versions},
    units::ByteSize,
};

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

const SIZE: u64 = 2 * PART + 99;

fn get_to(test_store: &TestStore, path: &Path, replace: IfExists) -> Result<GetSummary, S3Error> {
    let part_size = PartSize::Exactly(ByteSize(PART));
    let options = GetOptions { replace, mode: None, preserve: false, group: None, part_size };
    test_store
        .run(async |context| get(context, &uri("a.bin"), &Destination::open(path)?, options).await)
}

/// Returns how many bytes were told to be kept.
fn kept(test_store: &TestStore) -> Vec<u64> {
    let kept = |event: &Event| {
        if let Event::PartialKept { size, .. } = event { Some(*size) } else { None }
    };
    test_store.events.borrow().iter().filter_map(kept).collect()
}

/// A rig with one object of three parts.
fn stored() -> TestStore {
    stored_in(TestStore::new())
}

fn stored_in(test_store: TestStore) -> TestStore {
    let file = test_store.file("source.bin", SIZE);
    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();
    test_store
}

#[test]
fn an_object_comes_back_in_ranges_and_is_checked() {
    let test_store = stored();
    let path = test_store.path("back.bin");

    let summary = get_to(&test_store, &path, IfExists::Fail).unwrap();

    assert_eq!((summary.size, summary.proof), (SIZE, Proof::Full));
    assert!(fs::read(&path).unwrap() == bytes(SIZE));
    assert_eq!(test_store.server.count("GetObject"), 3);
}

#[test]
fn an_empty_object_becomes_an_empty_file() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"");
    let path = test_store.path("back.bin");

    let summary = get_to(&test_store, &path, IfExists::Fail).unwrap();

    assert_eq!((summary.size, summary.proof), (0, Proof::Full));
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_range_that_breaks_off_or_stands_still_is_fetched_again() {
    let table: [(fn() -> TestStore, _); 4] = [
        (TestStore::new, "GetObject:truncate:times=2"),
        (TestStore::that_asks_again, "GetObject:stall-body"),
        (TestStore::new, "GetObject:slow-down"),
        (TestStore::new, "GetObject:drop-before"),
    ];
    for (test_store, rule) in table {
        let test_store = stored_in(test_store());
        test_store.server.faults(&[rule]);
        let path = test_store.path("back.bin");

        get_to(&test_store, &path, IfExists::Fail).unwrap();

        assert!(fs::read(&path).unwrap() == bytes(SIZE), "{rule}");
    }
}

#[test]
fn an_existing_file_stays_unless_told_otherwise() {
    let test_store = stored();
    let path = test_store.file("back.bin", 3);

    let refused = get_to(&test_store, &path, IfExists::Fail).unwrap_err();
    let kept = fs::read(&path).unwrap();
    get_to(&test_store, &path, IfExists::Replace).unwrap();

    assert_eq!(refused.kind(), Kind::Exists);
    assert_eq!(kept, bytes(3));
    assert!(fs::read(&path).unwrap() == bytes(SIZE));
}

#[test]
fn what_was_fetched_is_not_fetched_again_when_it_got_no_final_name() {
    let test_store = stored();
    let path = test_store.path("back.bin");
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::BytesTransferred(_)) {
            test_store.file("back.bin", 3);
        }
    });

    let refused = get_to(&test_store, &path, IfExists::Fail).unwrap_err();
    let kept = kept(&test_store);
    test_store.on_event(|_, _| ());
    get_to(&test_store, &path, IfExists::Replace).unwrap();

    assert_eq!(refused.kind(), Kind::Exists);
    assert_eq!(kept, [SIZE]);
    assert!(fs::read(&path).unwrap() == bytes(SIZE));
    assert_eq!(test_store.server.count("GetObject"), 3);
    assert!(!test_store.path(".back.bin.s3get-part").exists());
}

#[test]
fn bytes_that_are_not_what_the_store_says_never_become_a_file() {
    let test_store = stored();
    test_store.server.faults(&["HeadObject:wrong-checksum:always"]);
    let path = test_store.path("back.bin");

    let error = get_to(&test_store, &path, IfExists::Fail).unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch);
    assert!(!path.exists());
}

#[test]
fn an_object_that_is_replaced_while_it_is_fetched_is_said_so() {
    let test_store = stored();
    // The tag is then no longer that of the object.
    test_store.server.faults(&["HeadObject:wrong-etag"]);
    let path = test_store.path("back.bin");

    let error = get_to(&test_store, &path, IfExists::Fail).unwrap_err();

    assert_eq!(error.kind(), Kind::Temporary);
    assert!(error.to_string().contains("was replaced while it was fetched"), "{error}");
    assert!(!path.exists());
}

#[test]
fn ranges_of_two_objects_never_become_one_file() {
    // Whether the store looks at the tag or not, and tells it in HEAD or not.
    for rules in [
        &["GetObject:ignore=if-match:always"][..],
        &["HeadObject:leave-out=etag:always"],
        &["GetObject:ignore=if-match:always", "GetObject:leave-out=etag:always"],
        &["GetObject:ignore=range:always"],
        &["GetObject:contradict=content-range:always"],
    ] {
        let test_store = stored_in(TestStore::one_by_one());
        test_store.server.faults(rules);
        test_store.on_event(|test_store, event| {
            // The first range has come, and others may be on their way.
            if matches!(event, Event::BytesTransferred(_)) {
                test_store.server.put("backups", "a.bin", &bytes(3 * PART + 7));
            }
        });
        let path = test_store.path("back.bin");

        let error = get_to(&test_store, &path, IfExists::Fail).unwrap_err();

        assert!([Kind::Temporary, Kind::Mismatch].contains(&error.kind()), "{rules:?}: {error}");
        assert!(!path.exists(), "{rules:?}");
    }
}

#[test]
fn an_empty_object_is_one_though_it_has_no_first_byte_to_look_at() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "a.bin", b"");
    test_store.server.faults(&["HeadObject:denied"]);

    get_to(&test_store, &test_store.path("back.bin"), IfExists::Fail).unwrap();

    assert_eq!(fs::read(test_store.path("back.bin")).unwrap(), b"");
}

#[test]
fn an_object_and_a_bucket_that_do_not_exist_are_said_so() {
    let test_store = TestStore::new();
    let path = test_store.path("back.bin");
    let missing = get_to(&test_store, &path, IfExists::Fail).unwrap_err();
    let nowhere = devops_core::s3::S3Uri::new("nowhere", "a.bin").unwrap();
    let options = GetOptions {
        replace: IfExists::Fail,
        mode: None,
        preserve: false,
        group: None,
        part_size: PartSize::Auto,
    };
    let no_bucket = test_store
        .run(async |context| get(context, &nowhere, &Destination::open(&path)?, options).await)
        .unwrap_err();

    assert_eq!(missing.to_string(), "HeadObject: no object `s3://backups/a.bin`");
    assert_eq!(no_bucket.to_string(), "HeadBucket: the bucket `nowhere` does not exist");
    assert_eq!((missing.kind(), no_bucket.kind()), (Kind::NotFound, Kind::NotFound));
}

#[test]
fn keys_that_xml_cannot_carry_are_listed() {
    let test_store = TestStore::new();
    let awkward = ["p/a\u{1b}[31m", "p/a b+c%20", "p/\u{1}", "p/ü\n"];
    for key in awkward {
        test_store.server.put("backups", key, b"x");
    }
    let mut keys = Vec::new();

    test_store
        .run(async |context| {
            list(context, &uri("p/"), &mut |object| {
                keys.push(object.uri.key);
                true
            })
            .await
        })
        .unwrap();

    keys.sort();
    let mut expected = awkward.map(str::to_owned);
    expected.sort();
    assert_eq!(keys, expected);
}

#[test]
fn a_listing_with_a_size_that_is_none_is_no_answer() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "p/a", b"x");
    test_store.server.faults(&["*:negative-size:always"]);

    let objects =
        test_store.run(async |context| list(context, &uri("p/"), &mut |_| true).await).unwrap_err();
    let versions =
        test_store.run(async |context| list_versions(context, &uri("p/")).await).unwrap_err();

    for (operation, error) in [("ListObjectsV2", objects), ("ListObjectVersions", versions)] {
        assert_eq!(
            error.to_string(),
            format!("{operation}: the store says that `p/a` has a size of -5")
        );
        assert_eq!(error.kind(), Kind::Temporary);
    }
}

#[test]
fn a_listing_has_every_page() {
    let test_store = TestStore::new();
    for index in 0..1005 {
        test_store.server.put("backups", &format!("p/{index:04}"), b"x");
    }
    test_store.server.put("backups", "q", b"x");
    let mut keys = Vec::new();

    test_store
        .run(async |context| {
            list(context, &uri("p/"), &mut |object| {
                keys.push(object.uri.key);
                true
            })
            .await
        })
        .unwrap();

    assert_eq!((keys.len(), keys.last().map(String::as_str)), (1005, Some("p/1004")));
    assert_eq!(test_store.server.count("ListObjectsV2"), 2);
}
