//! Deleting objects and versions, many at a time.

use std::time::{Duration, SystemTime};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{DeleteOutcome, DeleteTarget, S3Error, StoreText, delete},
};

use crate::s3::test_store::{TestStore, uri};

const AN_HOUR: Duration = Duration::from_hours(1);

/// A rig whose bucket has these objects, with the targets that name them.
fn rig_with(keys: impl IntoIterator<Item = String>) -> (TestStore, Vec<DeleteTarget>) {
    stored_in(TestStore::new(), keys)
}

fn stored_in(
    test_store: TestStore,
    keys: impl IntoIterator<Item = String>,
) -> (TestStore, Vec<DeleteTarget>) {
    let stored = keys.into_iter().map(|key| {
        test_store.server.put("backups", &key, b"x");
        DeleteTarget::from(uri(&key))
    });
    let targets = stored.collect();
    (test_store, targets)
}

fn numbered(n: usize) -> impl Iterator<Item = String> {
    (0..n).map(|n| format!("{n:05}"))
}

fn named(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

/// Deletes the targets; returns the word for each outcome, by key.
fn delete_all(
    test_store: &TestStore,
    targets: &[DeleteTarget],
) -> Result<Vec<(String, &'static str)>, S3Error> {
    let mut told = Vec::new();
    let result = test_store.run(async |context| {
        delete(context, targets, &mut |target, outcome| {
            told.push((target.uri.key.clone(), word(&outcome)));
        })
        .await
    });
    told.sort();
    result.map(|()| told)
}

fn word(outcome: &DeleteOutcome) -> &'static str {
    match outcome {
        DeleteOutcome::Deleted => "deleted",
        DeleteOutcome::Hidden { .. } => "hidden",
        DeleteOutcome::Refused(_) => "refused",
        DeleteOutcome::Failed(_) => "failed",
    }
}

#[test]
fn many_keys_go_a_thousand_at_a_time_protected_by_their_md5() {
    let (test_store, targets) = rig_with(numbered(1001));

    let told = delete_all(&test_store, &targets).unwrap();

    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(told.len(), 1001);
    assert!(told.iter().all(|(_, word)| *word == "deleted"));
    let log = test_store.server.log();
    assert_eq!(test_store.server.count("DeleteObjects"), 2);
    for entry in log.iter().filter(|entry| entry.operation == "DeleteObjects") {
        assert!(entry.header("content-md5").is_some(), "{entry:?}");
        assert_eq!(entry.header("x-amz-checksum-crc32"), None);
        assert_eq!(entry.header("x-amz-sdk-checksum-algorithm"), None);
    }
}

#[test]
fn a_key_that_fails_in_the_answer_is_tried_again_alone() {
    let (test_store, targets) = rig_with(named(&["a", "b", "c"]));
    test_store.server.faults(&["DeleteObjects:fail-key=b:times=2"]);

    let told = delete_all(&test_store, &targets).unwrap();

    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(told.len(), 3);
    assert_eq!((test_store.server.count("DeleteObjects"), test_store.n_retries()), (3, 2));
}

#[test]
fn a_key_that_keeps_failing_is_named_and_the_others_go() {
    let (test_store, targets) = stored_in(TestStore::impatient(), named(&["a", "b", "c"]));
    test_store.server.faults(&["DeleteObjects:fail-key=b:always"]);

    let told = delete_all(&test_store, &targets).unwrap();

    assert_eq!(test_store.server.keys("backups"), ["b"]);
    let words = told.iter().map(|(_, word)| *word).collect::<Vec<_>>();
    assert_eq!(words, ["deleted", "failed", "deleted"]);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    let (test_store, targets) = rig_with(named(&["a", "b"]));
    test_store.server.faults(&["DeleteObjects:drop-after"]);

    let told = delete_all(&test_store, &targets).unwrap();

    assert_eq!(told.len(), 2);
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
}

#[test]
fn keys_that_the_answer_does_not_name_are_deleted_again_one_by_one() {
    for slip in ["leave-out=Key", "contradict=Key", "leave-out=Deleted"] {
        let (test_store, targets) = rig_with(numbered(3));
        test_store.server.faults(&[&format!("DeleteObjects:{slip}:always")]);

        let told = delete_all(&test_store, &targets).unwrap();

        assert!(told.iter().all(|(_, word)| *word == "deleted"), "{slip}: {told:?}");
        assert_eq!(test_store.server.count("DeleteObject"), 3, "{slip}");
    }
    // What the answer is silent about may be there.
    let (test_store, targets) = rig_with(numbered(3));
    test_store
        .server
        .faults(&["DeleteObjects:leave-out=Deleted:always", "DeleteObject:denied:always"]);
    let told = delete_all(&test_store, &targets).unwrap();
    assert!(told.iter().all(|(_, word)| *word == "refused"), "{told:?}");
}

#[test]
fn a_version_is_not_deleted_by_an_answer_about_another() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    test_store.server.put("backups", "a\u{1}", b"first");
    let (_, id, _) = test_store.server.versions("backups").remove(0);
    test_store.server.faults(&["DeleteObject:ignore=versionId:always"]);
    let target = DeleteTarget { uri: uri("a\u{1}"), version_id: Some(id.into()) };

    let told = delete_all(&test_store, &[target]).unwrap();

    assert_eq!(told, [("a\u{1}".to_owned(), "failed")]);
}

#[test]
fn a_store_that_deletes_one_by_one_only_is_asked_for_many_once() {
    for fault in ["not-implemented", "not-allowed"] {
        let (test_store, targets) = rig_with(numbered(1002));
        test_store.server.faults(&[&format!("DeleteObjects:{fault}:always")]);

        delete_all(&test_store, &targets).unwrap();

        assert_eq!(test_store.server.keys("backups"), [""; 0], "{fault}");
        let counts =
            (test_store.server.count("DeleteObjects"), test_store.server.count("DeleteObject"));
        assert_eq!(counts, (1, 1002), "{fault}");
    }
}

#[test]
fn a_key_that_xml_cannot_carry_goes_by_a_request_of_its_own() {
    let (test_store, targets) = rig_with(named(&["plain & <simple>", "bell\u{7}"]));

    delete_all(&test_store, &targets).unwrap();

    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(
        (test_store.server.count("DeleteObjects"), test_store.server.count("DeleteObject")),
        (1, 1)
    );
}

#[test]
fn without_a_version_an_object_is_hidden_and_a_locked_version_stays() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for key in ["a", "b", "c"] {
        test_store.server.put("backups", key, b"x");
    }
    test_store.server.lock("backups", "b", SystemTime::now() + AN_HOUR);
    let version = |key: &str| {
        let object = test_store.server.object("backups", key).unwrap();
        DeleteTarget { uri: uri(key), version_id: object.version_id().map(StoreText::from) }
    };
    let targets = [version("a"), version("b"), uri("c").into()];

    let told = delete_all(&test_store, &targets).unwrap();

    let words = told.iter().map(|(_, word)| *word).collect::<Vec<_>>();
    assert_eq!(words, ["deleted", "refused", "hidden"]);
    assert_eq!(test_store.server.keys("backups"), ["b"]);
    let left = test_store.server.versions("backups");
    let left: Vec<_> = left.iter().map(|(key, _, size)| (key.as_str(), *size)).collect();
    assert_eq!(left, [("b", Some(1)), ("c", None), ("c", Some(1))]);
}

#[test]
fn a_request_that_is_denied_ends_the_work() {
    let (test_store, targets) = rig_with(numbered(1001));
    test_store.server.faults(&["DeleteObjects:denied:after=1"]);

    let error = delete_all(&test_store, &targets).unwrap_err();

    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!(test_store.server.keys("backups"), ["01000"]);
}

#[test]
fn a_signal_between_two_requests_leaves_the_rest() {
    let (test_store, targets) = rig_with(numbered(1001));

    let result = test_store.run(async |context| {
        delete(context, &targets, &mut |_, _| test_store.cancel.cancel(15)).await
    });

    assert!(matches!(result, Err(S3Error::Cancelled(_))), "{result:?}");
    assert_eq!(test_store.server.keys("backups"), ["01000"]);
    assert_eq!(test_store.server.count("DeleteObjects"), 1);
}
