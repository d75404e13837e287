//! What an earlier archive spares a run, and what it must never cost.

use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes},
    io::{Cursor, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Mutex,
};

use devops_core::{
    archive::{
        ArchiveError, CreateEvent, CreateOptions, Created, FileIo, IgnoredChanges, Level,
        Reproducible, create_in_folder, diff, verify,
    },
    cancel::Cancel,
    clock::FixedClock,
};
use proptest::prelude::*;
use rustix::fs::rename;
use time::{Duration, OffsetDateTime};

use crate::archive::fixture::{Fixture, LATER, backup, entries, may_give_away, write};

/// Remembers which files are read.
#[derive(Default)]
struct Watched(Mutex<BTreeSet<PathBuf>>);

impl FileIo for Watched {
    fn input<'a>(&self, path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        self.0.lock().unwrap().insert(path.to_owned());
        Box::new(file)
    }
}

/// Runs on a day; returns the archive and the files that were read.
fn run(fixture: &Fixture, day: i64) -> (Created, Vec<String>) {
    run_with(fixture, day, |options| options)
}

fn run_with(
    fixture: &Fixture,
    day: i64,
    change: impl for<'a> FnOnce(CreateOptions<'a>) -> CreateOptions<'a>,
) -> (Created, Vec<String>) {
    let clock = FixedClock(LATER + Duration::days(day));
    let watched = Watched::default();
    let options = change(CreateOptions { clock: &clock, file_io: &watched, ..fixture.options() });
    let created = fixture.create_with(&options).unwrap();
    verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    let read = watched.0.into_inner().unwrap();
    (created, read.iter().map(|path| path.display().to_string()).collect())
}

/// Reads one file as a failing disk might: with a bit flipped, and no time changed.
struct Rotten;

impl FileIo for Rotten {
    fn input<'a>(&self, path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        if path.ends_with("small/07") || path.ends_with("large") {
            return Box::new(Cursor::new([1]).chain({
                let mut rest = file;
                rest.read_exact(&mut [0]).unwrap();
                rest
            }));
        }
        Box::new(file)
    }
}

#[test]
fn a_source_that_rots_is_named_within_a_round() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 0);
    let mut named = BTreeSet::new();

    for day in 1..=30 {
        let clock = FixedClock(LATER + Duration::days(day));
        // Each day goes by the first archive, which has the good content.
        let options = CreateOptions { clock: &clock, file_io: &Rotten, ..fixture.options() };
        let created = fixture.create_with(&options).unwrap();
        let summary = &created.summary;
        assert!(summary.changed.iter().all(|one| one.reason.contains("may be failing")));
        assert_eq!(summary.n_faults(), summary.changed.len());
        named.extend(summary.changed.iter().map(|one| one.path.display().to_string()));
        fs::remove_file(created.path).unwrap();
    }

    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["large", "small/07"]);
}

/// Returns the tar behind the first segment, which holds the time of the run.
fn tar(archive: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(File::open(archive).unwrap()).read_to_end(&mut tar).unwrap();
    let size = usize::from_str_radix(std::str::from_utf8(&tar[124..135]).unwrap(), 8).unwrap();
    tar.split_off(512 + size.next_multiple_of(512))
}

/// A tree with groups of small files and a file of several slices.
fn tree(fixture: &Fixture) {
    for n in 0..60_u32 {
        let content: Vec<u8> = (0..10_000).flat_map(|i| (i * n).to_le_bytes()).collect();
        fixture.write(&format!("small/{n:02}"), &content);
    }
    let content: Vec<u8> = (0..900_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::hard_link(fixture.write("large", &content), fixture.source.join("same")).unwrap();
    fixture.write("empty", b"");
}

fn same_tar_as_a_full_run(fixture: &Fixture, reused: &Created, day: i64) {
    let (full, read) = run_with(fixture, day, |options| CreateOptions { reuse: false, ..options });
    assert_eq!(full.summary.bytes_reused, 0);
    assert!(!read.is_empty());
    assert!(tar(&reused.path) == tar(&full.path), "the tars differ");
}

#[test]
fn what_is_unchanged_is_not_read() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 0);

    let (second, read) = run(&fixture, 1);

    // A thirtieth is due, by the names that happen to be.
    assert!(read.len() < 10, "{read:?}");
    assert!(second.summary.bytes_reused * 10 > second.summary.bytes_in * 8);
    same_tar_as_a_full_run(&fixture, &second, 1);
}

#[test]
fn a_month_of_runs_reads_everything_again() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 0);

    let mut read: BTreeSet<String> = BTreeSet::new();
    for day in 1..=30 {
        read.extend(run(&fixture, day).1);
    }

    // The second name of a file is not read.
    assert_eq!(read.len(), 62, "{read:?}");
}

#[test]
fn a_change_that_keeps_size_and_time_is_found() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 0);
    let path = fixture.source.join("small/07");
    let before = fs::metadata(&path).unwrap();
    let mut content = fs::read(&path).unwrap();
    content[5] ^= 1;
    write(&path, &content);
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    File::options().write(true).open(&path).unwrap().set_times(times).unwrap();

    let (second, _) = run(&fixture, 1);

    fixture.restore(&second.path, "back");
    assert!(fs::read(fixture.path("back/small/07")).unwrap() == content);
    same_tar_as_a_full_run(&fixture, &second, 1);
}

#[test]
fn what_changed_about_when_the_last_run_began_is_read_again() {
    let fixture = Fixture::new();
    let path = fixture.write("a", &vec![7; 200_000]);
    // As seen by a run that began in the second of the change.
    let changed = fs::metadata(path).unwrap().ctime();
    let clock = FixedClock(OffsetDateTime::from_unix_timestamp(changed).unwrap());
    fixture.create_with(&CreateOptions { clock: &clock, ..fixture.options() }).unwrap();

    let (second, read) = run(&fixture, 1);

    assert_eq!(read, ["a"]);
    assert_eq!(second.summary.bytes_reused, 0);
}

#[test]
fn a_file_that_grew_costs_only_its_end() {
    let fixture = Fixture::new();
    tree(&fixture);
    let (first, _) = run(&fixture, 0);
    let mut large = File::options().append(true).open(fixture.source.join("large")).unwrap();
    large.write_all(b"one more line\n").unwrap();

    let (second, read) = run(&fixture, 1);

    assert!(read.contains(&"large".to_owned()));
    same_tar_as_a_full_run(&fixture, &second, 1);
    // Three of its four slices were copied: they are the same bytes in both archives.
    let [old, new] = [first, second].map(|created| fs::read(created.path).unwrap());
    let slice = &old[old.len() / 2..][..4096];
    assert!(new.windows(slice.len()).any(|window| window == slice));
}

#[test]
fn a_damaged_archive_is_named_and_not_copied_from() {
    let fixture = Fixture::new();
    tree(&fixture);
    let (first, _) = run(&fixture, 0);
    let mut bytes = fs::read(&first.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(&first.path, &bytes);

    let clock = FixedClock(LATER + Duration::days(1));
    let options = CreateOptions { clock: &clock, ..fixture.options() };
    let mut damaged = Vec::new();
    let second =
        create_in_folder(&options, &fixture.dest, &backup(), &Cancel::new(), &mut |event| {
            if let CreateEvent::Damaged(path) = event {
                damaged.push(path.to_owned());
            }
        })
        .unwrap();

    assert_eq!(damaged, [first.path]);
    verify(&second.path, &Cancel::new(), &mut |_| {}).unwrap();
    same_tar_as_a_full_run(&fixture, &second, 1);
}

#[test]
fn no_archive_needs_another() {
    let fixture = Fixture::new();
    tree(&fixture);
    let archives: Vec<_> = (0..4).map(|day| run(&fixture, day).0.path).collect();

    for removed in [0, 2] {
        fs::remove_file(&archives[removed]).unwrap();
    }

    for kept in [1, 3] {
        verify(&archives[kept], &Cancel::new(), &mut |_| {}).unwrap();
    }
    let (next, _) = run(&fixture, 4);
    assert!(next.summary.bytes_reused > 0);
}

#[test]
fn another_level_is_compressed_anew() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 0);

    let level = Level::new(9).unwrap();
    let (second, _) = run_with(&fixture, 1, |options| CreateOptions { level, ..options });

    assert_eq!(second.summary.bytes_reused, 0);
}

#[test]
fn neither_threads_nor_history_change_a_reproducible_archive() {
    let fixture = Fixture::new();
    tree(&fixture);
    let reproducible = Some(Reproducible { latest_mtime: Some(0) });
    let archives: Vec<_> = [(1, false), (4, false), (3, true)]
        .into_iter()
        .zip(0..)
        .map(|((n_threads, reuse), day)| {
            let (created, read) = run_with(&fixture, day, |options| CreateOptions {
                n_threads,
                reuse,
                reproducible,
                ..options
            });
            // Only contents are compared, never times or numbers of files.
            assert_eq!(read.len(), 62);
            fs::read(created.path).unwrap()
        })
        .collect();

    assert!(archives.iter().all(|bytes| *bytes == archives[0]));
}

#[test]
fn a_clock_that_went_back_costs_nothing_but_time() {
    let fixture = Fixture::new();
    tree(&fixture);
    run(&fixture, 400);
    fixture.write("small/08", b"new");

    let (second, _) = run(&fixture, 0);

    same_tar_as_a_full_run(&fixture, &second, 0);
}

/// Runs on a day; returns how much was reused, and why not more.
fn reused(
    fixture: &Fixture,
    day: i64,
    change: impl for<'a> FnOnce(CreateOptions<'a>) -> CreateOptions<'a>,
) -> (bool, Vec<String>) {
    let clock = FixedClock(LATER + Duration::days(day));
    reused_with(fixture, &change(CreateOptions { clock: &clock, ..fixture.options() }))
}

fn reused_with(fixture: &Fixture, options: &CreateOptions<'_>) -> (bool, Vec<String>) {
    let mut told = Vec::new();
    let created =
        create_in_folder(options, &fixture.dest, &backup(), &Cancel::new(), &mut |event| {
            if let CreateEvent::NotReused(_, reason) = event {
                told.push(reason.to_owned());
            }
        })
        .unwrap();
    (created.summary.bytes_reused > 0, told)
}

/// A destination with one archive, and its path.
fn with_one_archive() -> (Fixture, PathBuf) {
    let fixture = Fixture::new();
    tree(&fixture);
    let archive = run(&fixture, 0).0.path;
    (fixture, archive)
}

#[test]
fn nothing_is_copied_from_an_archive_that_others_may_write_to() {
    for (mode, is_reused) in [(0o600, true), (0o644, true), (0o602, false), (0o666, false)] {
        let (fixture, archive) = with_one_archive();
        fs::set_permissions(&archive, fs::Permissions::from_mode(mode)).unwrap();

        let (did, told) = reused(&fixture, 1, |options| options);

        assert_eq!((did, told.len()), (is_reused, usize::from(!is_reused)), "{mode:o} {told:?}");
        assert!(told.iter().all(|reason| reason == "everybody may write to it"), "{told:?}");
    }
}

#[test]
fn nothing_is_copied_from_an_archive_that_a_shared_group_may_write_to() {
    let (fixture, first) = with_one_archive();
    let metadata = fs::metadata(&first).unwrap();
    fs::remove_file(first).unwrap();
    let root = fixture.path("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    let list = |users: &str, members: &str| {
        write(&root.join("etc/passwd"), users.as_bytes());
        write(&root.join("etc/group"), format!("g:x:{}:{members}\n", metadata.gid()).as_bytes());
    };
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let me = format!("me:x:{uid}:{gid}::/:/bin/sh\n");

    let [before, clock] = [1, 2].map(|day| FixedClock(LATER + Duration::days(day)));
    let options = CreateOptions { clock: &clock, root: &root, ..fixture.options() };
    list(&me, "me");
    let named = CreateOptions { clock: &before, ..options.clone() };
    let archive = fixture.create_with(&named).unwrap().path;
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o660)).unwrap();
    assert!(reused_with(&fixture, &options).0);
    fs::remove_file(fixture.dest.join("backup-2400-01-03.tar.gz")).unwrap();
    list(&format!("{me}another:x:{}:77::/:/bin/sh\n", uid + 1), "me,another");
    let (did, told) = reused_with(&fixture, &options);

    assert_eq!((did, told), (false, vec![format!("group {gid} may write to it")]));
}

#[test]
fn nothing_is_copied_from_an_archive_of_another_user_unless_that_is_asked_for() {
    if !may_give_away() {
        return;
    }
    let (fixture, archive) = with_one_archive();
    chown(&archive, Some(65_534), None).unwrap();
    let second = fixture.dest.join("backup-2400-01-02.tar.gz");

    let (did, told) = reused(&fixture, 1, |options| options);
    assert_eq!((did, told), (false, vec!["it belongs to another user, 65534".to_owned()]));
    fs::remove_file(&second).unwrap();
    let from_any = reused(&fixture, 1, |options| CreateOptions { reuse_from_any: true, ..options });
    assert_eq!(from_any, (true, vec![]));
    fs::remove_file(&second).unwrap();
    let full = reused(&fixture, 1, |options| CreateOptions { reuse: false, ..options });
    assert_eq!(full, (false, vec![]), "nothing was to be copied");
    fs::remove_file(&second).unwrap();

    // The owner of the folder may do anything with its content.
    chown(&fixture.dest, Some(65_534), None).unwrap();
    assert_eq!(reused(&fixture, 1, |options| options), (true, vec![]));
}

#[test]
fn an_older_archive_of_ours_is_copied_from_where_the_newest_is_not() {
    let (fixture, _) = with_one_archive();
    let second = run(&fixture, 1).0.path;
    fs::set_permissions(&second, fs::Permissions::from_mode(0o666)).unwrap();

    assert_eq!(reused(&fixture, 2, |options| options), (true, vec![]));
}

#[test]
fn an_archive_that_this_host_remembers_making_is_copied_from_for_any_owner() {
    let fixture = Fixture::new();
    tree(&fixture);
    let state = fixture.path("state");
    let remembering = |day| {
        let clock = FixedClock(LATER + Duration::days(day));
        let state = Some(state.as_path());
        reused_with(&fixture, &CreateOptions { clock: &clock, state, ..fixture.options() })
    };
    remembering(0);
    let archive = fixture.dest.join("backup-2400-01-01.tar.gz");
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o666)).unwrap();

    assert_eq!(remembering(1), (true, vec![]));
    fs::remove_file(fixture.dest.join("backup-2400-01-02.tar.gz")).unwrap();

    // Another one in its place is not what was made.
    let other = Fixture::new();
    other.write("a", &vec![7; 100_000]);
    fs::copy(run(&other, 0).0.path, &archive).unwrap();
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o666)).unwrap();
    let clock = FixedClock(LATER + Duration::days(1));
    let options = CreateOptions { clock: &clock, state: Some(&state), ..fixture.options() };
    let refused = fixture.create_with(&options);
    assert!(refused.is_err(), "it is of another source");
}

#[test]
fn a_volume_of_a_container_without_a_state_folder_is_copied_from() {
    if !may_give_away() {
        return;
    }
    // As kubelet leaves a volume with an fsGroup: of root and the group, which new files inherit.
    let mut fixture = Fixture::new();
    tree(&fixture);
    fixture.dest = fixture.path("volume");
    fs::create_dir(&fixture.dest).unwrap();
    chown(&fixture.dest, Some(0), Some(2000)).unwrap();
    fs::set_permissions(&fixture.dest, fs::Permissions::from_mode(0o2775)).unwrap();

    run(&fixture, 0);

    assert_eq!(reused(&fixture, 1, |options| options), (true, vec![]));
    let archive = fs::metadata(fixture.dest.join("backup-2400-01-02.tar.gz")).unwrap();
    assert_eq!((archive.gid(), archive.mode() & 0o777), (2000, 0o600));
}

#[test]
fn an_archive_dated_in_the_future_is_no_base_and_refuses_nothing() {
    let fixture = Fixture::new();
    tree(&fixture);
    let other = Fixture::new();
    other.write("a", b"of another source");
    let theirs = run(&other, 0).0.path;
    fs::create_dir_all(&fixture.dest).unwrap();
    fs::copy(&theirs, fixture.dest.join("backup-2999-01-01.tar.gz")).unwrap();

    assert_eq!(reused(&fixture, 1, |options| options), (false, vec![]));
    assert_eq!(reused(&fixture, 2, |options| options), (true, vec![]));

    fs::copy(run(&other, 3).0.path, fixture.dest.join("backup-2400-01-04.tar.gz")).unwrap();
    let clock = FixedClock(LATER + Duration::days(3));
    let refused = fixture.create_with(&CreateOptions { clock: &clock, ..fixture.options() });
    assert!(matches!(refused, Err(ArchiveError::OtherOrigin { .. })), "{refused:?}");
}

#[test]
fn the_newest_by_its_start_is_the_base_whatever_it_is_called() {
    let fixture = Fixture::new();
    tree(&fixture);
    let first = run(&fixture, 0).0.path;
    fixture.write("new", &vec![7; 200_000]);
    let second = run(&fixture, 1).0.path;
    // As after a prune, where the plain name of a day is free for the last of it.
    let name = |name: &str| fixture.dest.join(name);
    rename(first, name("backup-2400-01-02T01-00-00.tar.gz")).unwrap();
    rename(second, name("backup-2400-01-02.tar.gz")).unwrap();

    let (third, read) = run(&fixture, 2);

    assert!(!read.contains(&"new".to_owned()), "{read:?}");
    assert!(third.summary.bytes_reused > 200_000);
    // An archive dated in the future is not a base, whatever its name.
    let later = run(&fixture, 900).0.path;
    rename(later, name("backup-2400-01-04.tar.gz")).unwrap();
    fixture.write("new", &vec![8; 200_000]);
    run(&fixture, 3);
    assert!(!run(&fixture, 4).1.contains(&"new".to_owned()));
}

/// Puts a copy in the place of a file, with its times: another inode, changed later.
fn replace(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let times = FileTimes::new().set_modified(modified);
    File::options().write(true).open(&copy).unwrap().set_times(times).unwrap();
    rename(&copy, path).unwrap();
}

#[test]
fn made_up_inodes_and_change_times_can_be_ignored() {
    for (inode, ctime, is_replaced, is_read) in [
        (false, false, true, true),
        (true, false, true, true),
        (false, true, true, true),
        (true, true, true, false),
        // A link made elsewhere changes the time alone.
        (false, false, false, true),
        (false, true, false, false),
    ] {
        let fixture = Fixture::new();
        // Large, so that it is a group of its own.
        let path = fixture.write("a", &vec![7; 3 << 20]);
        run(&fixture, 0);
        let before = fs::metadata(&path).unwrap();
        let is_changed = |now: fs::Metadata| {
            now.ctime_nsec() != before.ctime_nsec() && is_replaced == (now.ino() != before.ino())
        };
        while !is_changed(fs::metadata(&path).unwrap()) {
            if is_replaced {
                replace(&path);
            } else {
                fs::set_permissions(&path, before.permissions()).unwrap();
            }
        }

        let ignored = IgnoredChanges { inode, ctime };
        let (second, read) = run_with(&fixture, 1, |options| CreateOptions { ignored, ..options });

        let case = format!("{ignored:?} {is_replaced}");
        assert_eq!(read.is_empty(), !is_read, "{case}");
        assert_eq!(second.summary.bytes_reused == 3 << 20, !is_read, "{case}");
        assert_eq!(second.summary.n_faults(), 0, "{case}");
    }
}

#[test]
fn an_archive_has_the_mode_and_group_that_were_asked_for() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let gid = if rustix::process::geteuid().is_root() {
        4242
    } else {
        rustix::process::getegid().as_raw()
    };

    let options = CreateOptions { mode: 0o640, group: Some(gid), ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();

    let metadata = fs::metadata(created.path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o640, gid));
}

/// A name and what stands there: a folder for `None`.
fn trees() -> impl Strategy<Value = Vec<(String, Option<Vec<u8>>)>> {
    let name = prop::collection::vec("[a-c.\\-~]{1,2}", 1..4).prop_map(|parts| parts.join("/"));
    let small = prop::collection::vec(any::<u8>(), 0..2000);
    let large = (any::<u8>(), 0..3_000_000_usize).prop_map(|(byte, n)| vec![byte; n]);
    let content =
        prop_oneof![4 => small.prop_map(Some), 1 => large.prop_map(Some), 1 => Just(None)];
    prop::collection::vec((name, content), 0..25)
}

/// Makes what can be made; names that are in each other's way are left out.
fn make(fixture: &Fixture, tree: &[(String, Option<Vec<u8>>)]) {
    for (name, content) in tree {
        let path = fixture.source.join(name);
        let is_free = !Path::new(name)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)));
        if is_free && fs::create_dir_all(path.parent().unwrap()).is_ok() {
            match content {
                Some(content) => {
                    if let Ok(mut file) = File::create(&path) {
                        file.write_all(content).unwrap();
                    }
                }
                None => drop(fs::create_dir(&path)),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_survives_two_runs(first in trees(), second in trees()) {
        let fixture = Fixture::new();
        make(&fixture, &first);
        let (before, _) = run(&fixture, 0);
        make(&fixture, &second);
        let (after, _) = run(&fixture, 1);

        let summary = fixture.restore(&after.path, "back");
        prop_assert_eq!(summary.n_faults(), 0);
        prop_assert_eq!(summary.n_entries, after.summary.n_entries);
        let mut back = Fixture::new();
        back.source = fixture.path("back");
        let (again, _) = run(&back, 1);

        prop_assert_eq!(entries(&again.path), entries(&after.path));
        prop_assert!(tar(&again.path) == tar(&after.path));
        let same = diff(&after.path, &again.path, &Cancel::new()).unwrap();
        prop_assert!(same.differences.is_empty());
        let changes = diff(&before.path, &after.path, &Cancel::new()).unwrap();
        prop_assert!(changes.differences.len() as u64 <= 2 * after.summary.n_entries);
    }
}
