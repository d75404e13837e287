//! Pruning a folder of archives.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{
        ArchiveError, Candidate, CreateOptions, Decision, Keys, PruneOptions, PrunePlan,
        Reproducible, plan_prune, preview, remove_pruned,
    },
    cancel::Cancel,
    clock::FixedClock,
    retention::KeepPolicy,
};
use tar::EntryType;
use time::Duration;

use crate::archive::{
    fixture::{Fixture, START, backup, may_give_away, names, write},
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
    fixture.plan(policy, &Keys::none(), START, |_| {})
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
    remove_pruned(&plan, &Cancel::new(), &mut |candidate| {
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

    let (name, policy, keys) = (backup(), KeepPolicy::default(), Keys::none());
    let options = PruneOptions {
        folder: &fixture.dest,
        within: None,
        name: &name,
        host: None,
        policy: &policy,
        keys: &keys,
        now: START,
        any_owner: false,
        accept_small: false,
        state: None,
        remembers: false,
    };
    let result = plan_prune(&options, &Cancel::new());

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
    let decision = &plan.candidates[0].decision;
    assert!(
        matches!(decision, Decision::Uncounted(reason) if reason.contains("damaged")),
        "{decision:?}"
    );
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

/// Makes an archive of a day, of another host or machine.
fn on(fixture: &Fixture, day: i64, host: &str, machine: Option<&str>) {
    let clock = FixedClock(START - Duration::days(day));
    let other = Fixture::new();
    let options = CreateOptions {
        clock: &clock,
        host,
        machine,
        source_as: Some(Path::new("/home")),
        ..other.options()
    };
    let created = other.create_with(&options).unwrap();
    fs::create_dir_all(&fixture.dest).unwrap();
    let name =
        format!("backup-2026-01-{:02}T00-00-{:02}.tar.gz", 28 - day, names(&fixture.dest).len());
    fs::copy(&created.path, fixture.dest.join(name)).unwrap();
}

/// Returns the letters of the fates in each series, and which series it is.
fn shown(plan: &PrunePlan) -> Vec<String> {
    let letter = |decision: &Decision| if *decision == Decision::Remove { 'r' } else { 'k' };
    let shown = |group: &[Candidate]| {
        let letters: String = group.iter().map(|one| letter(&one.decision)).collect();
        let series = group[0].series.as_ref();
        let machine = series.and_then(|series| series.machine.as_deref());
        let host = series.map_or("-", |series| series.host.as_str());
        format!("{host} {} {letters}", machine.unwrap_or("-"))
    };
    plan.groups().map(shown).collect()
}

#[test]
fn machines_of_one_name_have_series_of_their_own() {
    let fixture = Fixture::new();
    for day in 0..3 {
        on(&fixture, day, "pi", Some("a"));
        on(&fixture, day, "pi", Some("b"));
    }
    put(&fixture, "02", &foreign(10));
    on(&fixture, 3, "pi", None);

    assert_eq!(shown(&plan(&fixture, &LAST_TWO)), ["- - k", "pi - k", "pi a kkr", "pi b kkr"]);
}

#[test]
fn archives_from_before_machines_were_recorded_go_on_in_their_series() {
    let fixture = Fixture::new();
    for (day, machine) in [(3, None), (2, None), (1, Some("a")), (0, Some("a"))] {
        on(&fixture, day, "pi", machine);
    }

    assert_eq!(shown(&plan(&fixture, &LAST_TWO)), ["pi a kkrr"]);
}

#[test]
fn one_host_can_be_pruned_alone() {
    let fixture = Fixture::new();
    for day in 0..3 {
        on(&fixture, day, "web", None);
        on(&fixture, day, "db", None);
    }
    put(&fixture, "01", &foreign(10));
    put(&fixture, "02", &foreign(10));

    let of = |host| {
        shown(&fixture.plan(&LAST, &Keys::none(), START, |options| options.host = Some(host)))
    };

    assert_eq!(of("web"), ["web - krr"]);
    assert_eq!(of("none"), [""; 0]);
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

    remove_pruned(&plan, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!(fs::read(&oldest).unwrap(), b"another");
}

/// Another user than any that these tests run as.
const STRANGER: u32 = 65_534;
const LAST: KeepPolicy = KeepPolicy { last: 1, ..LAST_TWO };

fn uncounted(plan: &PrunePlan) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    plan.uncounted().map(|(candidate, _)| name(&candidate.path)).collect()
}

fn give_away(path: &Path) {
    chown(path, Some(STRANGER), None).unwrap();
}

/// Returns a foreign archive with one entry of so many bytes that do not compress.
fn foreign(n_bytes: u32) -> Vec<u8> {
    let content: Vec<u8> =
        (0..n_bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    gzip(&[Blocks::default().file("a", &content).0, vec![0; 1024]].concat())
}

fn put(fixture: &Fixture, day: &str, bytes: &[u8]) -> PathBuf {
    let path = fixture.dest.join(format!("backup-2026-01-{day}.tar.gz"));
    fs::create_dir_all(&fixture.dest).unwrap();
    write(&path, bytes);
    path
}

#[test]
fn archives_of_another_user_do_not_count() {
    if !may_give_away() {
        return;
    }
    let mut fixture = Fixture::new();
    series(&mut fixture, 5);
    for day in 20..=22 {
        give_away(&fixture.dest.join(format!("backup-2026-11-{day}.tar.gz")));
    }
    let theirs =
        ["backup-2026-11-22.tar.gz", "backup-2026-11-21.tar.gz", "backup-2026-11-20.tar.gz"];

    let ours = plan(&fixture, &LAST);
    assert_eq!(uncounted(&ours), theirs);
    assert_eq!(removed(&ours), ["backup-2026-11-18.tar.gz"]);
    let all = fixture.plan(&LAST, &Keys::none(), START, |options| options.any_owner = true);
    assert_eq!((uncounted(&all).len(), removed(&all).len()), (0, 4));

    // The owner of the folder may do with it as he likes.
    give_away(&fixture.dest);
    assert_eq!(removed(&plan(&fixture, &LAST)).len(), 4);
}

#[test]
fn an_archive_of_another_owner_counts_that_this_host_remembers_making() {
    if !may_give_away() {
        return;
    }
    let mut fixture = Fixture::new();
    let state = fixture.path("state");
    for day in [2, 1, 0] {
        fixture.clock = FixedClock(START - Duration::days(day));
        let created = fixture
            .create_with(&CreateOptions { state: Some(&state), ..fixture.options() })
            .unwrap();
        give_away(&created.path);
    }

    let without = plan(&fixture, &LAST);
    assert_eq!((uncounted(&without).len(), removed(&without).len()), (3, 0));
    let plan = |fixture: &Fixture| {
        fixture.plan(&LAST, &Keys::none(), START, |options| options.state = Some(&state))
    };
    assert_eq!(removed(&plan(&fixture)).len(), 2);

    // Another one under its name is none that was made here.
    let newest = fixture.dest.join("backup-2026-11-22.tar.gz");
    fixture.write("another", b"source");
    let another = Fixture::new();
    fs::copy(another.create().path, &newest).unwrap();
    give_away(&newest);
    assert_eq!(uncounted(&plan(&fixture)), ["backup-2026-11-22.tar.gz"]);
}

#[test]
fn what_looks_like_an_archive_of_another_tool_is_not_one() {
    let empty = gzip(&[0; 1024]);
    let whole = foreign(50_000);
    let cut = &whole[..whole.len() - 4];
    let plain_zeros = vec![0; 100_000];
    let packed_zeros = gzip(&vec![0; 10_240]);
    let only_begun = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let text = gzip(b"<html>no archive</html>");
    let looks: [&[u8]; 8] =
        [&empty, cut, &plain_zeros, &packed_zeros, &only_begun, &text, b"<html>", b""];
    for (n, look) in looks.iter().enumerate() {
        let fixture = Fixture::new();
        for day in ["01", "02", "03"] {
            put(&fixture, day, &whole);
        }
        put(&fixture, "04", look);

        let plan = plan(&fixture, &LAST);

        assert_eq!(uncounted(&plan), ["backup-2026-01-04.tar.gz"], "{n}");
        assert_eq!(removed(&plan), ["backup-2026-01-02.tar.gz", "backup-2026-01-01.tar.gz"], "{n}");
    }
}

#[test]
fn a_small_archive_of_another_tool_counts_only_if_that_is_asked_for() {
    let fixture = Fixture::new();
    for day in ["01", "02", "03"] {
        put(&fixture, day, &foreign(50_000));
    }
    put(&fixture, "04", &foreign(10));

    assert_eq!(uncounted(&plan(&fixture, &LAST)), ["backup-2026-01-04.tar.gz"]);
    let small = fixture.plan(&LAST, &Keys::none(), START, |options| options.accept_small = true);
    assert_eq!((uncounted(&small).len(), removed(&small).len()), (0, 3));
}

#[test]
fn zeros_do_not_replace_an_archive_that_tells_no_source() {
    let fixture = Fixture::new();
    let reproducible = Some(Reproducible { latest_mtime: None });
    fixture.create_with(&CreateOptions { reproducible, ..fixture.options() }).unwrap();
    write(
        &fixture.dest.join("backup-2026-11-21.tar.gz"),
        &fs::read(fixture.dest.join("backup-2026-11-22.tar.gz")).unwrap(),
    );
    let newest = fixture.dest.join("backup-2026-11-22.tar.gz");
    write(&newest, &[0; 900]);

    let plan = plan(&fixture, &LAST);

    assert_eq!(uncounted(&plan), ["backup-2026-11-22.tar.gz"]);
    assert_eq!(removed(&plan), [""; 0]);
}

#[test]
fn zeros_within_an_archive_of_ours_are_found_where_it_is_looked_at() {
    let mut fixture = Fixture::new();
    fixture.write("a", &(0..400_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    series(&mut fixture, 3);
    let newest = fixture.dest.join("backup-2026-11-22.tar.gz");
    let mut bytes = fs::read(&newest).unwrap();
    let n = bytes.len();
    bytes[n / 4..n / 4 * 3].fill(0);
    write(&newest, &bytes);

    let plan = plan(&fixture, &LAST);

    assert_eq!(uncounted(&plan), ["backup-2026-11-22.tar.gz"]);
    assert_eq!(removed(&plan), ["backup-2026-11-20.tar.gz"]);
}

#[test]
fn every_archive_of_ours_that_a_rule_keeps_proves_itself() {
    let mut fixture = Fixture::new();
    fixture.write("a", &vec![9; 100_000]);
    series(&mut fixture, 4);
    let second = fixture.dest.join("backup-2026-11-21.tar.gz");
    let bytes = fs::read(&second).unwrap();
    write(&second, &bytes[..bytes.len() / 2]);

    let plan = plan(&fixture, &LAST_TWO);

    assert_eq!(uncounted(&plan), ["backup-2026-11-21.tar.gz"]);
    assert_eq!(removed(&plan), ["backup-2026-11-19.tar.gz"]);
}

#[test]
fn what_was_found_out_about_an_archive_is_remembered_until_it_changes() {
    let fixture = Fixture::new();
    let state = fixture.path("state");
    let whole = foreign(50_000);
    for day in ["01", "02"] {
        put(&fixture, day, &whole);
    }
    let newest = put(&fixture, "03", &whole);
    let plan =
        |now| fixture.plan(&LAST, &Keys::none(), now, |options| options.state = Some(&state));
    assert_eq!(removed(&plan(START)).len(), 2);

    // A bad disk changes content and no time; what is remembered is not read again for a month.
    let inode = fs::File::options().write(true).open(&newest).unwrap();
    let [file] = <[PathBuf; 1]>::try_from(
        fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>(),
    )
    .unwrap();
    let known = fs::read_to_string(&file).unwrap();
    assert!(known.contains("backup-2026-01-03.tar.gz"), "{known}");
    assert!(!known.contains("backup-2026-01-02.tar.gz"), "only the newest was read: {known}");
    let doubtful = known.replace("\"time\"", "\"flaw\":\"as remembered\",\"time\"");
    write(&file, doubtful.as_bytes());
    assert_eq!(uncounted(&plan(START)), ["backup-2026-01-03.tar.gz"]);
    assert_eq!(removed(&plan(START + Duration::days(30))).len(), 2, "it is read again");

    inode.set_len(100).unwrap();
    assert_eq!(uncounted(&plan(START)), ["backup-2026-01-03.tar.gz"]);
}

#[test]
fn a_state_folder_that_cannot_be_written_only_costs_time() {
    let mut fixture = Fixture::new();
    let state = fixture.write("../no-folder", b"");
    let created =
        fixture.create_with(&CreateOptions { state: Some(&state), ..fixture.options() }).unwrap();
    fs::remove_file(created.path).unwrap();
    series(&mut fixture, 3);

    let plan = fixture.plan(&LAST, &Keys::none(), START, |options| options.state = Some(&state));

    assert_eq!(removed(&plan).len(), 2);
    assert!(uncounted(&plan).is_empty());
}

#[test]
fn what_does_not_count_lets_no_more_go_at_once() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 3);
    for n in 2..30 {
        write(&fixture.dest.join(format!("backup-2026-01-01T00-00-00-{n}.tar.gz")), b"junk");
    }

    let plan = plan(&fixture, &LAST);

    assert_eq!((uncounted(&plan).len(), plan.most_removals(None)), (28, 10));
}

#[test]
fn only_so_many_go_at_once_the_oldest_first() {
    let mut fixture = Fixture::new();
    series(&mut fixture, 5);
    let mut plan = plan(&fixture, &LAST);
    assert_eq!((plan.most_removals(None), plan.most_removals(Some(2))), (10, 2));

    assert_eq!(plan.postpone(2), 2);

    assert_eq!(removed(&plan), ["backup-2026-11-19.tar.gz", "backup-2026-11-18.tar.gz"]);
    let waiting =
        plan.candidates.iter().filter(|candidate| candidate.decision == Decision::Postponed);
    assert_eq!(waiting.count(), 2);
}

#[test]
fn create_refuses_to_go_on_from_the_archives_that_a_prune_would_count() {
    if !may_give_away() {
        return;
    }
    let fixture = Fixture::new();
    fixture.write("a", b"content");
    let state = fixture.path("state");
    let first =
        fixture.create_with(&CreateOptions { state: Some(&state), ..fixture.options() }).unwrap();
    // Another file, of another user, with the same index.
    let bytes = fs::read(&first.path).unwrap();
    fs::remove_file(&first.path).unwrap();
    write(&first.path, &bytes);
    chown(&first.path, Some(1234), None).unwrap();
    let other = |state, any_owner| {
        let options = CreateOptions { host: "web-2", state, any_owner, ..fixture.options() };
        let previewed =
            preview(&options, Some((&fixture.dest, &backup())), &Cancel::new(), &mut |_| {});
        let is_refused = matches!(previewed, Err(ArchiveError::OtherOrigin { .. }));
        assert_eq!(is_refused, previewed.is_err());
        is_refused
    };
    let (keys, elsewhere) = (Keys::none(), fixture.path("elsewhere"));

    for (state, any_owner) in
        [(Some(state.as_path()), false), (None, true), (Some(elsewhere.as_path()), false)]
    {
        let plan = fixture.plan(&LAST, &keys, START, |options| {
            options.state = state;
            options.any_owner = any_owner;
            options.remembers = false;
        });

        assert_eq!(other(state, any_owner), plan.uncounted().next().is_none(), "{state:?}");
    }
    assert!(other(None, true) && !other(None, false));
}
