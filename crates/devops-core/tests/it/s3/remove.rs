//! Removing what a person names.

use std::time::{Duration, SystemTime};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Filter, PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions, S3Error, plan_removal,
        remove,
    },
};

use crate::s3::rig::{Rig, uri};

const AN_HOUR: Duration = Duration::from_hours(1);

fn rig_with(keys: &[&str]) -> Rig {
    let rig = Rig::new();
    for key in keys {
        rig.server.put("backups", key, b"12345");
    }
    rig
}

fn plan(
    rig: &Rig,
    named: &[&str],
    options: &RemoveOptions,
) -> Result<Vec<PlannedRemoval>, RemoveError> {
    let named: Vec<_> = named.iter().map(|key| uri(key)).collect();
    rig.run(async |context| plan_removal(context, &named, options).await)
}

fn recursive() -> RemoveOptions {
    RemoveOptions { recursive: true, ..RemoveOptions::default() }
}

/// Removes what is planned; returns a word for each, in the order of their ends.
fn words(rig: &Rig, planned: &[PlannedRemoval]) -> Result<Vec<(String, &'static str)>, S3Error> {
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
    rig.run(async |context| remove(context, planned, &mut tell).await).map(|()| words)
}

#[test]
fn nothing_is_planned_if_one_of_the_named_is_missing() {
    let rig = rig_with(&["a", "b"]);
    let versions = RemoveOptions { versions: true, ..RemoveOptions::default() };

    for options in [RemoveOptions::default(), versions] {
        let error = plan(&rig, &["a", "lost", "b"], &options).unwrap_err();

        assert!(matches!(&error, RemoveError::NoObject(lost) if lost.key == "lost"), "{error}");
        assert_eq!(error.kind(), Kind::NotFound);
    }
    let nothing = plan(&rig, &["lost/"], &recursive()).unwrap_err();
    assert_eq!(nothing.kind(), Kind::NotFound);
}

#[test]
fn a_folder_is_no_object() {
    let rig = rig_with(&["logs/a"]);

    for named in ["logs/", ""] {
        let error = plan(&rig, &[named], &RemoveOptions::default()).unwrap_err();

        assert_eq!(error.kind(), Kind::Usage, "{named}");
    }
    assert_eq!(rig.server.log().len(), 0);
}

#[test]
fn a_folder_goes_with_what_is_in_it_and_its_neighbours_stay() {
    let rig = rig_with(&["logs/a", "logs/keep/b", "logs/c/d.txt", "logs-old/e", "logs"]);
    let filter = Filter::new(&[], &["keep".to_owned(), "*.txt".to_owned()]).unwrap();

    let some = plan(&rig, &["logs"], &RemoveOptions { filter, ..recursive() }).unwrap();
    words(&rig, &some).unwrap();
    let left = rig.server.keys("backups");
    let all = plan(&rig, &["logs/", "logs"], &recursive()).unwrap();
    words(&rig, &all).unwrap();

    assert_eq!(left, ["logs", "logs-old/e", "logs/c/d.txt", "logs/keep/b"]);
    assert_eq!(all.len(), 2, "what is named twice goes once");
    assert_eq!(rig.server.keys("backups"), ["logs", "logs-old/e"]);
}

#[test]
fn a_listing_that_fails_half_way_plans_nothing() {
    for (operation, versions) in [("ListObjectsV2", false), ("ListObjectVersions", true)] {
        let rig = Rig::impatient();
        (0..1001).for_each(|n| rig.server.put("backups", &format!("logs/{n:04}"), b"x"));
        rig.server.faults(&[&format!("{operation}:internal-error:after=1:always")]);

        let error = plan(&rig, &["logs/"], &RemoveOptions { versions, ..recursive() }).unwrap_err();

        assert_eq!(error.kind(), Kind::Temporary, "{operation}");
        assert!(rig.server.count(operation) > 1, "{operation}");
    }
}

#[test]
fn all_versions_and_markers_go_page_by_page() {
    let rig = Rig::new();
    rig.server.keep_versions("backups");
    for n in 0..1100 {
        rig.server.put("backups", &format!("logs/{}", n % 3), b"x");
    }
    let hidden = plan(&rig, &["logs/1"], &RemoveOptions::default()).unwrap();
    assert_eq!(words(&rig, &hidden).unwrap(), [("logs/1".to_owned(), "hidden")]);

    let planned = plan(&rig, &["logs/"], &RemoveOptions { versions: true, ..recursive() }).unwrap();
    let words = words(&rig, &planned).unwrap();

    assert_eq!((planned.len(), words.len()), (1101, 1101));
    assert_eq!(planned.iter().filter(|planned| planned.is_marker).count(), 1);
    assert_eq!(rig.server.versions("backups"), []);
    assert_eq!(rig.server.count("ListObjectVersions"), 2);
}

#[test]
fn a_locked_version_stays_and_so_does_what_covers_it() {
    let rig = rig_with(&[]);
    rig.server.keep_versions("backups");
    rig.server.put("backups", "a", b"old");
    rig.server.lock("backups", "a", SystemTime::now() + AN_HOUR);
    rig.server.put("backups", "a", b"new!");
    rig.server.put("backups", "b", b"free");
    let versions = RemoveOptions { versions: true, ..RemoveOptions::default() };

    let planned = plan(&rig, &["a", "b"], &versions).unwrap();
    let words = words(&rig, &planned).unwrap();

    let word = |key: &str, word| (key.to_owned(), word);
    assert_eq!(words, [word("a", "locked"), word("a", "covers"), word("b", "removed")]);
    assert_eq!(rig.server.object("backups", "a").unwrap().bytes(), b"new!");
    assert_eq!(rig.server.versions("backups").len(), 2);
}
