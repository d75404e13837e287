//! What an earlier archive spares a run, and what it must never cost.

use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes},
    io::{Cursor, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use devops_core::{
    archive::{
        CreateEvent, CreateOptions, Created, FileLayer, Level, Reproducible, create_in_folder,
        diff, verify,
    },
    cancel::Cancel,
    clock::FixedClock,
};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

use crate::archive::fixture::{Fixture, LATER, backup, entries, write};

/// Remembers which files are read.
#[derive(Default)]
struct Watched(Mutex<BTreeSet<PathBuf>>);

impl FileLayer for Watched {
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
    let options = change(CreateOptions { clock: &clock, layer: &watched, ..fixture.options() });
    let created = fixture.create_with(&options).unwrap();
    verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    let read = watched.0.into_inner().unwrap();
    (created, read.iter().map(|path| path.display().to_string()).collect())
}

/// Reads one file as a failing disk might: with a bit flipped, and no time changed.
struct Rotten;

impl FileLayer for Rotten {
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
        let options = CreateOptions { clock: &clock, layer: &Rotten, ..fixture.options() };
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
