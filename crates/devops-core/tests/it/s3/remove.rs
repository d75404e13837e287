//! Removing what a person names.

use std::time::{Duration, SystemTime};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Filter, PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, S3Error, plan_removal,
        remove,
    },
};

use crate::s3::test_store::{TestStore, uri};

const AN_HOUR: Duration = Duration::from_hours(1);

fn rig_with(keys: &[&str]) -> TestStore {
    let test_store = TestStore::new();
    for key in keys {
        test_store.server.put("backups", key, b"12345");
    }
    test_store
}

fn plan(
    test_store: &TestStore,
    named: &[&str],
    options: &RemoveOptions,
) -> Result<Vec<PlannedRemoval>, RemoveError> {
    let named: Vec<_> = named.iter().map(|key| uri(key)).collect();
    test_store.run(async |context| plan_removal(context, &named, options).await)
}

fn recursive() -> RemoveOptions {
    RemoveOptions { recursive: true, ..RemoveOptions::default() }
}

/// Removes what is planned; returns a word for each, in the order of their ends.
fn words(
    test_store: &TestStore,
    planned: &[PlannedRemoval],
) -> Result<Vec<(String, &'static str)>, S3Error> {
    let mut words = Vec::new();
    let mut tell = |planned: &PlannedRemoval, outcome: RemovalOutcome| {
        let word = match outcome {
            RemovalOutcome::Removed => "removed",
            RemovalOutcome::Hidden => "hidden",
            RemovalOutcome::Locked(_) => "locked",
            RemovalOutcome::Covers => "covers",
            RemovalOutcome::Denied(_) => "denied",
            RemovalOutcome::Failed(_) => "failed",
        };
        words.push((planned.target.uri.key.clone(), word));
    };
    test_store.run(async |context| remove(context, planned, &mut tell).await).map(|()| words)
}

#[test]
fn nothing_is_planned_if_one_of_the_named_is_missing() {
    let test_store = rig_with(&["a", "b"]);
    let versions = RemoveOptions { versions: true, ..RemoveOptions::default() };

    for options in [RemoveOptions::default(), versions] {
        let error = plan(&test_store, &["a", "lost", "b"], &options).unwrap_err();

        assert!(matches!(&error, RemoveError::NoObject(lost) if lost.key == "lost"), "{error}");
        assert_eq!(error.kind(), Kind::NotFound);
    }
    let nothing = plan(&test_store, &["lost/"], &recursive()).unwrap_err();
    assert_eq!(nothing.kind(), Kind::NotFound);
}

#[test]
fn a_folder_is_no_object() {
    let test_store = rig_with(&["logs/a"]);

    for named in ["logs/", ""] {
        let error = plan(&test_store, &[named], &RemoveOptions::default()).unwrap_err();

        assert_eq!(error.kind(), Kind::Usage, "{named}");
    }
    assert_eq!(test_store.server.log().len(), 0);
}

#[test]
fn a_folder_goes_with_what_is_in_it_and_its_neighbours_stay() {
    let test_store = rig_with(&["logs/a", "logs/keep/b", "logs/c/d.txt", "logs-old/e", "logs"]);
    let filter = Filter::new(&[], &["keep".to_owned(), "*.txt".to_owned()]).unwrap();

    let some = plan(&test_store, &["logs"], &RemoveOptions { filter, ..recursive() }).unwrap();
    words(&test_store, &some).unwrap();
    let left = test_store.server.keys("backups");
    let all = plan(&test_store, &["logs/", "logs"], &recursive()).unwrap();
    words(&test_store, &all).unwrap();

    assert_eq!(left, ["logs", "logs-old/e", "logs/c/d.txt", "logs/keep/b"]);
    assert_eq!(all.len(), 2, "what is named twice goes once");
    assert_eq!(test_store.server.keys("backups"), ["logs", "logs-old/e"]);
}

#[test]
fn a_listing_that_fails_half_way_plans_nothing() {
    for (operation, versions) in [("ListObjectsV2", false), ("ListObjectVersions", true)] {
        let test_store = TestStore::impatient();
        (0..1001).for_each(|n| test_store.server.put("backups", &format!("logs/{n:04}"), b"x"));
        test_store.server.faults(&[&format!("{operation}:internal-error:after=1:always")]);

        let error =
            plan(&test_store, &["logs/"], &RemoveOptions { versions, ..recursive() }).unwrap_err();

        assert_eq!(error.kind(), Kind::Temporary, "{operation}");
        assert!(test_store.server.count(operation) > 1, "{operation}");
    }
}

#[test]
fn all_versions_and_markers_go_page_by_page() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for n in 0..1100 {
        test_store.server.put("backups", &format!("logs/{}", n % 3), b"x");
    }
    let hidden = plan(&test_store, &["logs/1"], &RemoveOptions::default()).unwrap();
    assert_eq!(words(&test_store, &hidden).unwrap(), [("logs/1".to_owned(), "hidden")]);

    let planned =
        plan(&test_store, &["logs/"], &RemoveOptions { versions: true, ..recursive() }).unwrap();
    let words = words(&test_store, &planned).unwrap();

    assert_eq!((planned.len(), words.len()), (1101, 1101));
    assert_eq!(planned.iter().filter(|planned| planned.is_marker).count(), 1);
    assert_eq!(test_store.server.versions("backups"), []);
    assert_eq!(test_store.server.count("ListObjectVersions"), 2);
}

#[test]
fn a_locked_version_stays_and_so_does_what_covers_it() {
    let test_store = rig_with(&[]);
    test_store.server.keep_versions("backups");
    test_store.server.put("backups", "a", b"old");
    test_store.server.lock("backups", "a", SystemTime::now() + AN_HOUR);
    test_store.server.put("backups", "a", b"new!");
    test_store.server.put("backups", "b", b"free");
    let versions = RemoveOptions { versions: true, ..RemoveOptions::default() };

    let planned = plan(&test_store, &["a", "b"], &versions).unwrap();
    let words = words(&test_store, &planned).unwrap();

    let word = |key: &str, word| (key.to_owned(), word);
    assert_eq!(words, [word("a", "locked"), word("a", "covers"), word("b", "removed")]);
    assert_eq!(test_store.server.object("backups", "a").unwrap().bytes(), b"new!");
    assert_eq!(test_store.server.versions("backups").len(), 2);
}
