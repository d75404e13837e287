//! Pruning a folder of archives.

use std::{fs, os::unix::fs::symlink};

use devops_core::{
    archive::{ArchiveError, CreateOptions, Fate, Keys, PrunePlan, plan_prune, remove_pruned},
    cancel::Cancel,
    clock::FixedClock,
    retention::KeepPolicy,
};
use tar::EntryType;
use time::Duration;

use crate::archive::{
    fixture::{Fixture, START, backup, names, write},
    foreign::{Blocks, gzip},
};

const LAST_TWO: KeepPolicy =
    KeepPolicy { last: 2, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: None };

/// Makes an archive a day, the newest at the start time of the fixtures.
fn series(fixture: &mut Fixture, n_days: i64) {
    for day in (0..n_days).rev() {
        fixture.clock = FixedClock(START - Duration::days(day));
        fixture.create();
    }
}

fn plan(fixture: &Fixture, policy: &KeepPolicy) -> PrunePlan {
    plan_prune(&fixture.dest, &backup(), policy, &Keys::none(), START, &Cancel::new()).unwrap()
}

fn removed(plan: &PrunePlan) -> Vec<String> {
    plan.removed()
        .map(|candidate| candidate.path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn removes_what_the_policy_does_not_keep_and_nothing_else() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 4);
    let other = fixture.dest.join("other-2020-01-01.tar.gz");
    write(&other, b"not ours");
    write(&fixture.dest.join("backup-2020-01-01.tar.gz.txt"), b"not ours");
    symlink(&other, fixture.dest.join("backup-2020-01-01.tar.gz")).unwrap();

    let plan = plan(&fixture, &LAST_TWO);
    let mut told = Vec::new();
    remove_pruned(&plan, &fixture.dest, &Cancel::new(), &mut |candidate| {
        told.push(candidate.path.clone());
    })
    .unwrap();

    assert_eq!(removed(&plan), ["backup-2026-11-20.tar.gz", "backup-2026-11-19.tar.gz"]);
    assert!(told[0].ends_with("backup-2026-11-19.tar.gz"), "the oldest goes first");
    assert_eq!(
        names(&fixture.dest),
        [
            "backup-2020-01-01.tar.gz",
            "backup-2020-01-01.tar.gz.txt",
            "backup-2026-11-21.tar.gz",
            "backup-2026-11-22.tar.gz",
            "other-2020-01-01.tar.gz",
        ]
    );
}

#[test]
fn knows_the_newer_of_two_archives_of_the_same_second() {
    let mut fixture = Fixture::new();
    for offset in [1, 0] {
        fixture.clock = FixedClock(START - Duration::milliseconds(offset));
        fixture.create();
    }

    let plan = plan(&fixture, &KeepPolicy { last: 1, ..KeepPolicy::default() });

    assert_eq!(removed(&plan), ["backup-2026-11-22.tar.gz"]);
}

#[test]
fn of_archives_of_one_time_the_later_name_is_the_newer() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.create();
    }

    let plan = plan(&fixture, &KeepPolicy { last: 1, ..KeepPolicy::default() });

    assert_eq!(removed(&plan), ["backup-2026-11-22T08-49-39.tar.gz", "backup-2026-11-22.tar.gz"]);
}

#[test]
fn refuses_an_empty_policy() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 1);

    let result = plan_prune(
        &fixture.dest,
        &backup(),
        &KeepPolicy::default(),
        &Keys::none(),
        START,
        &Cancel::new(),
    );

    assert!(matches!(result, Err(ArchiveError::EmptyPolicy(_))));
}

#[test]
fn a_damaged_newest_archive_counts_for_nothing() {
    let mut fixture = Fixture::new();
    fixture.write("a", &vec![9; 100_000]);
    series(&mut fixture, 4);
    let newest = fixture.dest.join("backup-2026-11-22.tar.gz");
    let mut bytes = fs::read(&newest).unwrap();
    bytes.truncate(bytes.len() / 3);
    write(&newest, &bytes);

    let plan = plan(&fixture, &LAST_TWO);

    assert_eq!(removed(&plan), ["backup-2026-11-19.tar.gz"]);
    let fate = &plan.candidates[0].fate;
    assert!(matches!(fate, Fate::KeepDamaged(reason) if reason.contains("damaged")), "{fate:?}");
}

#[test]
fn each_source_has_its_own_series() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 2);
    let second = Fixture::new();
    for day in [9, 8] {
        let clock = FixedClock(START - Duration::days(day));
        let options = CreateOptions { clock: &clock, ..second.options() };
        let created = second.create_with(&options).unwrap();
        fs::copy(&created.path, fixture.dest.join(created.path.file_name().unwrap())).unwrap();
    }

    assert_eq!(removed(&plan(&fixture, &LAST_TWO)), [""; 0]);
}

#[test]
fn archives_of_other_tools_go_by_the_date_in_their_name() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 1);
    let foreign = gzip(&[Blocks::default().file("a", b"1").0, vec![0; 1024]].concat());
    for day in ["2026-01-01", "2026-01-02", "2026-01-03"] {
        write(&fixture.dest.join(format!("backup-{day}.tar.gz")), &foreign);
    }

    let plan = plan(&fixture, &LAST_TWO);

    assert_eq!(removed(&plan), ["backup-2026-01-01.tar.gz"]);
}

#[test]
fn times_at_the_ends_of_the_calendar_are_times_like_others() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 4);
    for started in ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00%2B23:59"] {
        let comment = format!(
            "comment=devops-backup/1 started={} host=web-1 source=/elsewhere\n",
            started.replace("%2B", "+")
        );
        let body = format!("{} {comment}", comment.len() + 3);
        let foreign = Blocks::default()
            .entry("g", EntryType::XGlobalHeader, body.as_bytes(), |_| {})
            .file("a", b"1");
        let day = &started[..10];
        write(
            &fixture.dest.join(format!("backup-{day}.tar.gz")),
            &gzip(&[foreign.0, vec![0; 1024]].concat()),
        );
    }

    let policy = KeepPolicy { daily: 1, weekly: 1, ..LAST_TWO };
    let policy = KeepPolicy { within: Some(std::time::Duration::from_hours(1)), ..policy };

    assert_eq!(
        removed(&plan(&fixture, &policy)),
        ["backup-2026-11-20.tar.gz", "backup-2026-11-19.tar.gz"]
    );
}

#[test]
fn a_file_replaced_meanwhile_stays() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 3);
    let plan = plan(&fixture, &LAST_TWO);
    let oldest = fixture.dest.join("backup-2026-11-20.tar.gz");
    fs::hard_link(&oldest, fixture.path("keep the inode")).unwrap();
    fs::remove_file(&oldest).unwrap();
    write(&oldest, b"another");

    remove_pruned(&plan, &fixture.dest, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!(fs::read(&oldest).unwrap(), b"another");
}
