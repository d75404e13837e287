//! Stores that are honest, and speak S3 otherwise than AWS.

use devops_core::{
    cancel::Cancel,
    kind::{HasKind, Kind},
    s3::{
        Algorithm, CancelToken, ConnectOptions, Depth, Event, ListedObject, Outcome, Proof,
        PutOptions, RequestErrorKind, S3Context, S3Error, StoreOptions, Verification, connect,
        create_bucket, list, verify,
    },
};
use devops_fakes::s3::{ACCESS_KEY, Entry, SECRET_KEY};

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

const SIZE: u64 = 3 * PART;

/// Returns the keys that are listed.
fn listed(test_store: &TestStore) -> Result<Vec<String>, S3Error> {
    let mut keys = Vec::new();
    let mut keep = |object: ListedObject| {
        keys.push(object.uri.key);
        true
    };
    test_store.run(async |context| list(context, &uri(""), &mut keep).await)?;
    Ok(keys)
}

/// Stores more objects than two pages of a listing have.
fn fill(test_store: &TestStore) -> Vec<String> {
    let keys: Vec<String> = (0..2_100).map(|n| format!("a b/ü+{n:04}")).collect();
    for key in &keys {
        test_store.server.put("backups", key, b"x");
    }
    keys
}

fn of<'a>(log: &'a [Entry], operation: &str) -> Vec<&'a Entry> {
    log.iter().filter(|entry| entry.operation == operation).collect()
}

#[test]
fn answers_under_roots_of_other_names_are_read() {
    let test_store = TestStore::new();
    test_store.server.faults(&["*:renamed-root:always"]);
    let file = test_store.file("a.bin", SIZE);

    let summary = test_store.put(&file, "a.bin", &in_small_parts()).unwrap();

    assert_eq!(summary.proof, Proof::Full);
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
    assert_eq!(test_store.server.count("CreateMultipartUpload"), 1);
    assert_eq!(listed(&test_store).unwrap(), ["a.bin"]);
}

#[test]
fn an_upload_whose_answer_cannot_be_read_is_removed_and_not_begun_again() {
    let test_store = TestStore::new();
    test_store.server.faults(&["CreateMultipartUpload:other-root:always"]);
    let file = test_store.file("a.bin", SIZE);

    let error = test_store.put(&file, "a.bin", &in_small_parts()).unwrap_err();

    let S3Error::Request(failure) = error else { panic!("{error}") };
    assert_eq!(failure.error_kind, RequestErrorKind::Unreadable);
    assert_eq!(test_store.server.count("CreateMultipartUpload"), 1);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_store_that_takes_no_checksums_in_a_list_of_parts_gets_none() {
    for (algorithm, proof, n_completions) in
        [(Algorithm::Crc64Nvme, Proof::Full, 1), (Algorithm::Sha256, Proof::Parts, 2)]
    {
        let test_store = TestStore::new();
        test_store.server.faults(&["CompleteMultipartUpload:strict-parts:always"]);
        let file = test_store.file("a.bin", SIZE);
        let options = PutOptions { checksum: Some(algorithm), ..in_small_parts() };

        let summary = test_store.put(&file, "a.bin", &options).unwrap();

        assert_eq!(summary.proof, proof, "{algorithm:?}");
        assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
        assert_eq!(test_store.server.count("UploadPart"), 3, "nothing is sent twice for it");
        assert_eq!(test_store.server.count("CompleteMultipartUpload"), n_completions);
        let weaker = |event: &Event| matches!(event, Event::FeatureUnsupported("checksum headers"));
        assert_eq!(test_store.events.borrow().iter().any(weaker), n_completions == 2);
    }
}

#[test]
fn what_a_store_refuses_in_parts_it_is_not_sent_again() {
    let test_store = TestStore::new();
    test_store.server.faults(&["CompleteMultipartUpload:strict-parts:always"]);
    let file = test_store.file("a.bin", SIZE);
    let sha256 = PutOptions { checksum: Some(Algorithm::Sha256), ..in_small_parts() };
    test_store.put(&file, "a.bin", &sha256).unwrap();

    test_store.put(&file, "b.bin", &sha256).unwrap();

    let log = test_store.server.log();
    assert_eq!(of(&log, "CompleteMultipartUpload").len(), 3);
    let last = of(&log, "UploadPart").pop().unwrap();
    assert!(last.header("content-md5").is_some(), "{last:?}");
    assert_eq!(last.header("x-amz-checksum-sha256"), None);
}

#[test]
fn a_store_that_repeats_no_checksum_gets_one_that_it_compares() {
    let test_store = TestStore::new();
    test_store.server.faults(&["*:no-checksum:always"]);
    test_store.put(&test_store.file("first.bin", 10), "first.bin", &PutOptions::default()).unwrap();

    let small =
        test_store.put(&test_store.file("a.bin", 10), "a.bin", &PutOptions::default()).unwrap();
    let large =
        test_store.put(&test_store.file("b.bin", PART + 1), "b.bin", &in_small_parts()).unwrap();

    assert_eq!((small.proof, large.proof), (Proof::Etag, Proof::Etag));
    let log = test_store.server.log();
    let sent: Vec<&Entry> = [of(&log, "PutObject"), of(&log, "UploadPart")].concat();
    assert_eq!(sent.len(), 4);
    for entry in &sent[1..] {
        for header in ["content-md5", "x-amz-checksum-crc64nvme"] {
            assert!(entry.header(header).is_some(), "{header}: {entry:?}");
        }
    }
}

#[test]
fn checksums_of_a_wrong_length_are_neither_a_proof_nor_a_difference() {
    for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32c, Algorithm::Sha256] {
        let test_store = TestStore::new();
        test_store.server.faults(&["*:short-checksums:always"]);
        let options = PutOptions { checksum: Some(algorithm), ..in_small_parts() };

        for (key, size) in [("small", 10), ("large", SIZE)] {
            let file = test_store.file(key, size);
            let stored = test_store.put(&file, key, &options).unwrap();
            let again = test_store.put(&file, key, &options).unwrap();
            let found = test_store
                .run(async |context| verify(context, &file, &uri(key), Depth::Whole).await);

            assert_eq!((stored.proof, again.proof), (Proof::Etag, Proof::Etag), "{key}");
            assert_eq!(again.outcome, Outcome::Unchanged);
            let same = Verification::Same { size, proof: Proof::Etag };
            assert_eq!(found.unwrap(), same, "{algorithm:?} {key}");
            assert!(test_store.server.object("backups", key).unwrap().bytes() == bytes(size));
        }
        let log = test_store.server.log();
        let last = of(&log, "UploadPart").pop().unwrap();
        assert!(last.header("content-md5").is_some(), "{last:?}");
        let events = test_store.events.borrow();
        let told = events.iter().filter(|event| matches!(event, Event::FeatureUnsupported(_)));
        assert_eq!(told.count(), 1);
    }
}

#[test]
fn listings_of_version_1_are_followed_to_their_end() {
    for rules in [
        &["ListObjectsV2:version-1:always"][..],
        &["ListObjectsV2:not-implemented:always"],
        &["ListObjectsV2:not-allowed:always"],
    ] {
        let test_store = TestStore::new();
        let keys = fill(&test_store);
        test_store.server.faults(rules);

        assert_eq!(listed(&test_store).unwrap(), keys, "{rules:?}");
    }
}

#[test]
fn a_store_that_forgets_where_a_listing_was_does_not_go_on_for_ever() {
    for n_objects in [0, 3] {
        let test_store = TestStore::new();
        for n in 0..n_objects {
            test_store.server.put("backups", &n.to_string(), b"x");
        }
        test_store.server.faults(&["ListObjectsV2:forgetful:always"]);

        let error = listed(&test_store).unwrap_err();

        assert!(error.to_string().contains("page"), "{error}");
        let n_pages = test_store.server.count("ListObjectsV2");
        assert_eq!(n_pages, if n_objects == 0 { 1_000 } else { 2 });
    }
}

#[test]
fn the_buckets_of_the_caller_are_listed_to_their_end() {
    let own = "zz-own";
    for (ignored, n_pages) in [(&[][..], 1), (&["prefix"], 2), (&["prefix", "max-buckets"], 1)] {
        let test_store = TestStore::new();
        for name in (0..1_200).map(|n| format!("b-{n:04}")).chain([own.to_owned()]) {
            test_store.server.add_bucket(&name);
        }
        let rules: Vec<_> =
            ignored.iter().map(|name| format!("ListBuckets:ignore={name}:always")).collect();
        test_store.server.faults(&rules.iter().map(String::as_str).collect::<Vec<_>>());

        let was_there = test_store.run(async |context| create_bucket(context, own).await).unwrap();

        let made = test_store.server.count("CreateBucket");
        assert_eq!((was_there, made), (true, 0), "{ignored:?}");
        assert_eq!(test_store.server.count("ListBuckets"), n_pages, "{ignored:?}");
    }
}

#[test]
fn a_list_of_buckets_that_comes_again_is_no_answer() {
    let test_store = TestStore::new();
    for n in 0..1_200 {
        test_store.server.add_bucket(&format!("b-{n:04}"));
    }
    test_store.server.faults(&[
        "ListBuckets:ignore=prefix:always",
        "ListBuckets:ignore=continuation-token:always",
    ]);

    let error = test_store.run(async |context| create_bucket(context, "b-1199").await).unwrap_err();

    assert!(error.to_string().contains("page"), "{error}");
    assert_eq!(
        (test_store.server.count("ListBuckets"), test_store.server.count("CreateBucket")),
        (2, 0)
    );
}

/// Connects to an endpoint and lists a bucket there; returns the path that was asked for.
fn path_asked_for(path: &str, options: ConnectOptions) -> String {
    let test_store = TestStore::new();
    let options = ConnectOptions {
        endpoint_url: Some(format!("{}{path}", test_store.server.endpoint())),
        key: Some((ACCESS_KEY.to_owned(), SECRET_KEY.into())),
        ..options
    };
    let cancel_token = CancelToken::new(&Cancel::new());
    let listing = test_store.run(async |context| {
        let store = connect(&options, StoreOptions::default(), &cancel_token).await.unwrap();
        list(S3Context { store: &store, ..context }, &uri(""), &mut |_| true).await
    });
    assert_eq!(
        listing.map_err(|error| error.kind()),
        if path.len() > 1 { Err(Kind::NotFound) } else { Ok(()) }
    );
    test_store.server.log()[0].path.clone()
}

#[test]
fn the_bucket_follows_the_path_of_an_endpoint() {
    for (path, asked) in [
        ("", "/backups/"),
        ("/", "/backups/"),
        ("/storage/v1/s3", "/storage/v1/s3/backups/"),
        ("/storage/v1/s3/", "/storage/v1/s3/backups/"),
    ] {
        assert_eq!(path_asked_for(path, ConnectOptions::default()), asked, "{path}");
    }
}
