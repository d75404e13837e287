//! A folder of archives as one thing.

#![allow(clippy::disallowed_methods, reason = "a test may rename plain files")]

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::{FileExt, symlink},
    path::Path,
    time::UNIX_EPOCH,
};

use devops_core::{
    archive::{
        ArchiveChoice, ArchiveError, ArchiveFacts, ArchiveState, ChoiceError, CreateOptions,
        Created, FileMark, FolderOptions, FolderPaths, Found, Keys, Proven, RestoreOptions,
        archive_paths, find, look_into, new_bytes, newest, restore, verify,
    },
    cancel::Cancel,
    clock::FixedClock,
    retention::KeepPolicy,
};
use tar::EntryType;
use time::{Duration, OffsetDateTime};

use crate::archive::{
    encrypting::{IDENTITY, keys, recipients},
    fixture::{Fixture, START, names, restore_options, write},
    foreign::{Blocks, gzip},
};

const DAY: Duration = Duration::DAY;
static NO_KEYS: Keys = Keys::none();

/// Creates an archive some days after the first.
fn create(fixture: &Fixture, days: i32) -> Created {
    create_on(fixture, days, "web-1")
}

fn create_on(fixture: &Fixture, days: i32, host: &str) -> Created {
    let clock = FixedClock(START + DAY * days);
    fixture.create_with(&CreateOptions { clock: &clock, host, ..fixture.options() }).unwrap()
}

fn options(fixture: &Fixture) -> FolderOptions<'_> {
    FolderOptions { folder: &fixture.dest, keys: &NO_KEYS, now: START + DAY * 20, state: None }
}

fn facts(options: &FolderOptions<'_>) -> Vec<ArchiveFacts> {
    look_into(options, &Cancel::new()).unwrap().0
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn a_folder_shows_what_its_archives_tell() {
    let fixture = Fixture::new();
    fixture.write("a", b"a");
    create(&fixture, 0);
    let second = create(&fixture, 1).path;
    let sealed = recipients();
    let encrypted = CreateOptions { encryption: Some(&sealed), ..fixture.options() };
    let clock = FixedClock(START + DAY * 2);
    let encrypted = CreateOptions { clock: &clock, ..encrypted };
    let encrypted = fixture.create_with(&encrypted).unwrap().path;
    let whole = fs::read(&second).unwrap();
    let at = |name: &str| fixture.dest.join(name);
    write(&at("cut-2026-11-25.tar.gz"), &whole[..whole.len() - 9]);
    write(&at("half-2026-11-25.tar.gz"), &whole[..whole.len() / 4]);
    write(&at("zeros-2026-11-25.tar.gz"), &[0; 5000]);
    write(&at("empty-2026-11-25.tar.gz"), b"");
    let mut headless = whole.clone();
    headless[..100].fill(0);
    write(&at("headless-2026-11-25.tar.gz"), &headless);
    let short = fs::read(&encrypted).unwrap();
    write(&at("short-2026-11-25.tar.gz.age"), &short[..100]);
    Blocks::default().file("x", b"y").save(&at("photos.tar"));
    write(&at("music-2026-11-21.tar.gz"), &gzip(&fs::read(at("photos.tar")).unwrap()));
    write(&at("photos.tar.sha256"), b"0  photos.tar");
    write(&at(".hidden.tar.gz"), b"");
    symlink("photos.tar", at("link.tar")).unwrap();
    fs::create_dir(at("folder.tar")).unwrap();

    let (found, n_others) = look_into(&options(&fixture), &Cancel::new()).unwrap();

    let row = |facts: &ArchiveFacts| {
        let ArchiveFacts { name, origin, n_entries, is_encrypted, state, .. } = facts;
        let state = match state {
            ArchiveState::Damaged(_) => "Damaged".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(facts.size, fs::metadata(&facts.path).unwrap().len());
        format!(
            "{name} {} {n_entries:?} {is_encrypted} {state} {}",
            origin.is_some(),
            facts.time.date()
        )
    };
    assert_eq!(
        found.iter().map(row).collect::<Vec<_>>(),
        [
            "backup false None true Encrypted 2026-11-24",
            "backup true Some(2) false Indexed 2026-11-22",
            "backup true Some(2) false Indexed 2026-11-23",
            "cut true None false Unindexed 2026-11-23",
            "empty false None false NotAnArchive 2026-11-25",
            "half true None false Unindexed 2026-11-23",
            "headless false Some(2) false Damaged 2026-11-25",
            "music false None false Foreign 2026-11-21",
            &format!("photos false None false Foreign {}", OffsetDateTime::now_utc().date()),
            "short false None true Damaged 2026-11-25",
            "zeros false None false NotAnArchive 2026-11-25",
        ]
    );
    assert_eq!(n_others, 2, "the checksum and the link");
    let opened = keys(IDENTITY);
    let opened = facts(&FolderOptions { keys: &opened, ..options(&fixture) });
    let opened: Vec<_> = opened.iter().filter(|facts| facts.name == "backup").map(row).collect();
    assert_eq!(opened[2], "backup true Some(2) true Indexed 2026-11-24");
}

#[test]
fn new_bytes_are_those_that_the_archive_before_has_not() {
    let fixture = Fixture::new();
    for n in 0..4_u32 {
        let noise = (0..700_000_u32).map(|i| (i.wrapping_mul(i ^ (n << 20)) >> 7).to_le_bytes()[0]);
        fixture.write(&format!("{n}/large"), &noise.collect::<Vec<_>>());
    }
    create(&fixture, 0);
    create(&fixture, 1);
    fixture.write("2/large", b"now small");
    let third = create(&fixture, 2).path;
    let cut = fs::read(&third).unwrap();
    write(&fixture.dest.join("backup-2026-11-25.tar.gz"), &cut[..cut.len() - 1]);
    let other = create_on(&fixture, 4, "web-1").path;
    fs::rename(&other, fixture.dest.join("other-2026-11-26.tar.gz")).unwrap();
    let archives = facts(&options(&fixture));

    let news = new_bytes(&archives, &NO_KEYS, &Cancel::new()).unwrap();

    let size = |n: usize| archives[n].size;
    let news: Vec<_> = archives.iter().map(|facts| file_name(&facts.path)).zip(news).collect();
    let [(_, Some(all)), (_, Some(none)), (_, Some(some)), rest @ ..] = news.as_slice() else {
        panic!("{news:?}");
    };
    assert!(*all > size(0) - 3000 && *all < size(0), "{all} of {}", size(0));
    assert!(*none < 1000, "{none}");
    assert!(*some > 10 && some * 3 < *all, "{some}");
    let [cut, (_, Some(of_another))] = rest else { panic!("{rest:?}") };
    assert_eq!(*cut, ("backup-2026-11-25.tar.gz", None));
    assert!(*of_another + 3000 > size(4), "another series begins with all of it");
}

fn find_in(options: &FolderOptions<'_>, globs: &[&str]) -> Found {
    let globs: Vec<OsString> = globs.iter().map(OsString::from).collect();
    find(options, &globs, &Cancel::new(), &mut |_| {}).unwrap()
}

/// Returns each version as `PATH ARCHIVE SIZE`, with a sign of what it is to the one before.
fn versions(found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    for history in &found.histories {
        for version in history.versions() {
            let archive = file_name(&found.archives[version.archive].path);
            let date = archive.split_once('.').unwrap().0;
            let sign = match version.is_same {
                None => '*',
                Some(true) => '=',
                Some(false) => '!',
            };
            lines.push(format!("{} {date} {} {sign}", history.path.display(), version.size));
        }
    }
    lines
}

#[test]
fn every_version_of_a_path_is_found() {
    let fixture = Fixture::new();
    fixture.write("docs/a.txt", b"one");
    fixture.write("docs/b.txt", b"b");
    fixture.write("large.txt", &vec![7; 3_000_000]);
    create(&fixture, 0);
    create(&fixture, 1);
    fixture.write("docs/a.txt", b"two!");
    fs::remove_file(fixture.source.join("docs/b.txt")).unwrap();
    create(&fixture, 2);
    fixture.write("docs/b.txt", b"b");
    fs::hard_link(fixture.source.join("docs/a.txt"), fixture.source.join("z.txt")).unwrap();
    create(&fixture, 3);
    // The tar has two entries of one path, and neither an index nor an origin.
    Blocks::default()
        .file("./docs/a.txt", b"one")
        .file("./docs/a.txt", b"two!")
        .entry("docs", EntryType::Directory, b"", |_| {})
        .save(&fixture.dest.join("old-2026-01-01.tar"));

    let found = find_in(&options(&fixture), &["*.txt"]);

    assert_eq!(
        versions(&found),
        [
            "docs/a.txt backup-2026-11-22 3 *",
            "docs/a.txt backup-2026-11-23 3 =",
            "docs/a.txt backup-2026-11-24 4 !",
            "docs/a.txt backup-2026-11-25 4 =",
            "docs/a.txt old-2026-01-01 4 *",
            "docs/b.txt backup-2026-11-22 1 *",
            "docs/b.txt backup-2026-11-23 1 =",
            "docs/b.txt backup-2026-11-25 1 =",
            "large.txt backup-2026-11-22 3000000 *",
            "large.txt backup-2026-11-23 3000000 =",
            "large.txt backup-2026-11-24 3000000 =",
            "large.txt backup-2026-11-25 3000000 =",
            "z.txt backup-2026-11-25 4 *",
        ]
    );
    assert!(found.skipped.is_empty() && !found.is_damaged && found.unmatched.is_empty());
    let hash = |n: usize| {
        let version = found.histories[n].versions().find(|v| v.archive == 3).unwrap();
        *version.hash.unwrap()
    };
    assert_eq!(hash(0), *blake3::hash(b"two!").as_bytes());
    assert_eq!(hash(3), hash(0), "another name has the content of the first");
    let found = find_in(&options(&fixture), &["docs/a.txt", "nothing"]);
    assert_eq!(found.histories.len(), 1);
    assert_eq!(found.unmatched, ["nothing"]);
}

#[test]
fn what_cannot_be_searched_is_named_and_the_rest_is_searched() {
    let fixture = Fixture::new();
    fixture.write("a", b"a");
    let plain = create(&fixture, 0).path;
    let sealed = recipients();
    let clock = FixedClock(START + DAY);
    let encrypted = CreateOptions { encryption: Some(&sealed), clock: &clock, ..fixture.options() };
    fixture.create_with(&encrypted).unwrap();
    write(&fixture.dest.join("zeros.tar"), &[0; 4096]);

    let found = find_in(&options(&fixture), &["a"]);

    assert_eq!(versions(&found), ["a backup-2026-11-22 1 *"]);
    let skipped: Vec<_> = found.skipped.iter().map(|skipped| file_name(&skipped.path)).collect();
    assert_eq!(skipped, ["backup-2026-11-23.tar.gz.age", "zeros.tar"]);
    assert!(!found.is_damaged);
    let keys = keys(IDENTITY);
    let found = find_in(&FolderOptions { keys: &keys, ..options(&fixture) }, &["a"]);
    assert_eq!(versions(&found), ["a backup-2026-11-22 1 *", "a backup-2026-11-23 1 ="]);

    // A bad byte in its index: it is read to its end instead, and found all the same.
    let file = File::options().write(true).open(&plain).unwrap();
    let n = file.metadata().unwrap().len();
    file.write_all_at(b"\0\0\0\0", n - 200).unwrap();
    let found = find_in(&options(&fixture), &["a"]);
    assert_eq!(versions(&found), ["a backup-2026-11-22 1 *"]);
    file.set_len(n / 3).unwrap();
    assert!(find_in(&options(&fixture), &["a"]).is_damaged);
}

#[test]
fn the_newest_archive_of_one_series_is_chosen() {
    let fixture = Fixture::new();
    fixture.write("a", b"a");
    for days in [0, 1, 2, 30] {
        create(&fixture, days);
    }
    // A lost archive is neither a series of its own nor the newest of another.
    write(&fixture.dest.join("backup-2026-12-01.tar.gz"), &[0; 600]);
    let mut headless = fs::read(fixture.dest.join("backup-2026-11-24.tar.gz")).unwrap();
    headless[..50].fill(0);
    write(&fixture.dest.join("backup-2026-12-02.tar.gz"), &headless);
    let archives = facts(&options(&fixture));
    let now = START + DAY * 20;
    let any = ArchiveChoice { folder: &fixture.dest, name: None, host: None, at: None, now };
    let choose = |choice: ArchiveChoice<'_>, at: Option<OffsetDateTime>, now| {
        newest(&archives, &ArchiveChoice { at, now, ..choice })
            .map(|facts| file_name(&facts.path).to_owned())
    };

    assert_eq!(choose(any, None, now).unwrap(), "backup-2026-11-24.tar.gz");
    assert_eq!(choose(any, Some(START + DAY), now).unwrap(), "backup-2026-11-23.tar.gz");
    let before = Some(START + DAY - Duration::SECOND);
    assert_eq!(choose(any, before, now).unwrap(), "backup-2026-11-22.tar.gz");
    assert_eq!(choose(any, Some(START + DAY * 99), now).unwrap(), "backup-2026-12-22.tar.gz");
    let within = Some(START + DAY + Duration::MILLISECOND);
    assert_eq!(choose(any, within, now).unwrap(), "backup-2026-11-23.tar.gz");
    let wrong_clock = START - DAY * 365;
    assert_eq!(choose(any, None, wrong_clock).unwrap(), "backup-2026-12-22.tar.gz");
    let error = choose(any, Some(wrong_clock), now).unwrap_err();
    assert_eq!(error, ChoiceError::NoneBefore { folder: fixture.dest.clone(), oldest: START });
    let of = |name, host| ArchiveChoice { name, host, ..any };
    assert!(choose(of(Some("backup"), Some("web-1")), None, now).is_ok());
    for filter in [of(Some("other"), None), of(None, Some("web-2"))] {
        let error = choose(filter, None, now).unwrap_err();
        assert_eq!(
            error,
            ChoiceError::NoArchive { folder: fixture.dest.clone(), is_filtered: true }
        );
    }
}

#[test]
fn several_series_are_not_taken_for_one() {
    let fixture = Fixture::new();
    fixture.write("a", b"a");
    let renamed = |days, host, name: &str| {
        let path = create_on(&fixture, days, host).path;
        fs::rename(path, fixture.dest.join(name)).unwrap();
    };
    renamed(0, "web-1", "home-2026-11-22.tar.gz");
    renamed(1, "web-2", "home-2026-11-23.tar.gz");
    renamed(2, "web-1", "mail-2026-11-24.tar.gz");
    let archives = facts(&options(&fixture));
    let choose = |name, host| {
        let now = START + DAY * 9;
        newest(&archives, &ArchiveChoice { folder: &fixture.dest, name, host, at: None, now })
            .map(|facts| file_name(&facts.path).to_owned())
    };

    let Err(ChoiceError::SeveralSeries { series, .. }) = choose(None, None) else { panic!() };
    assert_eq!(series.len(), 3);
    assert!(matches!(choose(Some("home"), None), Err(ChoiceError::SeveralSeries { .. })));
    assert!(matches!(choose(None, Some("web-1")), Err(ChoiceError::SeveralSeries { .. })));
    assert_eq!(choose(Some("mail"), None).unwrap(), "mail-2026-11-24.tar.gz");
    assert_eq!(choose(None, Some("web-2")).unwrap(), "home-2026-11-23.tar.gz");
    assert_eq!(choose(Some("home"), Some("web-1")).unwrap(), "home-2026-11-22.tar.gz");
}

#[test]
fn what_reading_an_archive_has_shown_is_remembered() {
    let fixture = Fixture::new();
    fixture.write("a", &[3; 5000]);
    let paths: Vec<_> = (0..4).map(|days| create(&fixture, days).path).collect();
    let state = fixture.path("state");
    let now = START + DAY * 9;
    let damaged = |path: &Path| -> Result<(), ArchiveError> {
        let reason = "a segment is bad".to_owned();
        Err(ArchiveError::Damaged { path: path.to_owned(), n_entries: 0, reason })
    };
    let remember = |path: &Path, mark: &Option<FileMark>, read| {
        mark.as_ref().unwrap().remember(path, &read, Some(&state), now);
    };
    let marks: Vec<_> = paths.iter().map(|path| FileMark::of(path)).collect();
    remember(&paths[0], &marks[0], Ok(()));
    remember(&paths[1], &marks[1], damaged(&paths[1]));
    let unread = ArchiveError::NotAnArchive { path: paths[3].clone() };
    remember(&paths[3], &marks[3], Err(unread));
    File::options().append(true).open(&paths[2]).unwrap().set_modified(UNIX_EPOCH).unwrap();
    remember(&paths[2], &marks[2], Ok(()));

    let shown = facts(&FolderOptions { state: Some(&state), ..options(&fixture) });

    let whole = Some(Proven { time: now.replace_nanosecond(0).unwrap(), is_whole: true });
    assert_eq!(
        shown.iter().map(|facts| facts.proven).collect::<Vec<_>>(),
        [whole, None, None, None]
    );
    assert_eq!(shown[1].state, ArchiveState::Damaged("a segment is bad".to_owned()));
    assert_eq!(shown[3].state, ArchiveState::Indexed);
    // A damaged archive must not be the newest good one of a prune, whatever little that looks at.
    remember(&paths[3], &marks[3], damaged(&paths[3]));
    let policy = KeepPolicy { last: 1, ..KeepPolicy::default() };
    let plan = fixture.plan(&policy, &NO_KEYS, now, |options| options.state = Some(&state));
    assert!(plan.uncounted().any(|(candidate, _)| candidate.path == paths[3]));
    assert!(plan.removed().all(|candidate| candidate.path != paths[2]), "{plan:?}");
    assert_eq!(plan.removed().count(), 2);
    assert!(verify(&paths[3], &Cancel::new(), &mut |_| {}).is_ok(), "it is only remembered so");
}

#[test]
fn the_archives_of_a_folder_are_told_by_their_names() {
    let fixture = Fixture::new();
    fs::create_dir(&fixture.dest).unwrap();
    for name in ["b.tgz", "a.tar", "c.zip", ".d.tar"] {
        write(&fixture.dest.join(name), b"");
    }

    let FolderPaths { archives, n_others } = archive_paths(&fixture.dest).unwrap();

    assert_eq!(archives.iter().map(|path| file_name(path)).collect::<Vec<_>>(), ["a.tar", "b.tgz"]);
    assert_eq!(n_others, 1);
}

#[test]
fn paths_to_restore_may_be_patterns() {
    let fixture = Fixture::new();
    for name in ["a.jpg", "b.txt", "deep/c.jpg", "deep/d.txt", "[x].txt", "x.txt"] {
        fixture.write(name, name.as_bytes());
    }
    let archive = fixture.create().path;
    let restored = |to: &str, paths: &[&str]| {
        let folder = fixture.path(to);
        let paths: Vec<_> = paths.iter().map(Into::into).collect();
        let options = RestoreOptions { paths: &paths, ..restore_options(&archive, &folder) };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap();
        let deep = folder.join("deep");
        let deep = if deep.exists() { names(&deep) } else { Vec::new() };
        (names(&folder), deep)
    };
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();

    assert_eq!(restored("1", &["*.jpg"]), (texts(&["a.jpg", "deep"]), texts(&["c.jpg"])));
    assert_eq!(restored("2", &["deep/*.txt"]), (texts(&["deep"]), texts(&["d.txt"])));
    // A plain name is a path from the source on, and a name with brackets is itself as well.
    assert_eq!(restored("3", &["x.txt"]), (texts(&["x.txt"]), Vec::new()));
    assert_eq!(restored("4", &["[x].txt"]), (texts(&["[x].txt", "x.txt"]), Vec::new()));
}
