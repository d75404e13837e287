//! Four hundred nights of a profile under a clock of the test: after each of them exactly the archives are
//! there that the rules name, and in the end every one restores.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{CreateEvent, CreateOptions, FileIo, restore},
    cancel::Cancel,
    clock::FixedClock,
    fs::PathError,
    lock::LockOwner,
    profile::{Profile, ProfileEvent, Report, ShrinkRule},
    retention::KeepPolicy,
};
use time::{Duration, OffsetDateTime};

use super::fixture::{Fixture, START, code_of, run_on, write};
use crate::archive::fixture::restore_options;

const N_NIGHTS: u32 = 400;
const N_FILES: u32 = 10;
const POLICY: KeepPolicy =
    KeepPolicy { last: 3, hourly: 0, daily: 7, weekly: 5, monthly: 6, yearly: 2, within: None };

/// The course of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Night {
    Quiet,
    /// A signal comes while the archive is made.
    KilledEarly,
    /// A signal comes once the archive is there.
    KilledLate,
    /// The disk fails.
    Broken,
    /// The disk is full, and stays so whatever is removed.
    Full,
    /// The disk becomes full while the archive is written.
    Filling,
    /// Most of the source is gone.
    Shrunk,
    /// It still is, and a person accepts it.
    Accepted,
}

impl Night {
    fn of(night: u32) -> Self {
        match (night, night.wrapping_mul(2_654_435_761) >> 24) {
            (200..209 | 300..303, _) => Self::Shrunk,
            (303, _) => Self::Accepted,
            (_, 0..16) => Self::KilledEarly,
            (_, 16..32) => Self::KilledLate,
            (_, 32..40) => Self::Broken,
            (_, 40..60) => Self::Full,
            (_, 60..76) => Self::Filling,
            _ => Self::Quiet,
        }
    }

    fn exit_code(self) -> u8 {
        match self {
            Self::Quiet | Self::Filling | Self::Accepted => 0,
            Self::KilledEarly | Self::KilledLate => 143,
            Self::Broken | Self::Full => 1,
            Self::Shrunk => 3,
        }
    }
}

/// A disk on such a night.
struct Disk {
    night: Night,
    /// The number of archives that were begun.
    n_begun: std::sync::atomic::AtomicU32,
}

impl FileIo for Disk {
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        struct Fails(rustix::io::Errno);
        impl Write for Fails {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        let n_begun = self.n_begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match self.night {
            Night::Broken => Box::new(Fails(rustix::io::Errno::IO)),
            Night::Filling if n_begun == 0 => Box::new(Fails(rustix::io::Errno::NOSPC)),
            _ => Box::new(file),
        }
    }

    fn free_bytes(&self, _folder: &Path) -> Result<Option<u64>, PathError> {
        Ok(Some(if self.night == Night::Full { 0 } else { u64::MAX }))
    }
}

/// Returns numbers that are the same for all times of one period.
type Period<'a> = &'a dyn Fn(&OffsetDateTime) -> i64;

/// The rules in other words than those of the tool: of each rule, the newest of each of the last so many
/// periods, and the oldest of all while there are fewer periods than that.
fn kept(times: &BTreeSet<OffsetDateTime>) -> BTreeSet<OffsetDateTime> {
    let local = |time: &OffsetDateTime| time.unix_timestamp() + 3600;
    let day = |time: &OffsetDateTime| local(time).div_euclid(86_400);
    let month =
        |time: &OffsetDateTime| i64::from(time.year()) * 12 + i64::from(u8::from(time.month()));
    // The first day of 1970 was a Thursday.
    let week = |time: &OffsetDateTime| (day(time) + 3).div_euclid(7);
    let year = |time: &OffsetDateTime| i64::from(time.year());
    let rules: [(u32, Period<'_>); 4] = [
        (POLICY.daily, &day),
        (POLICY.weekly, &week),
        (POLICY.monthly, &month),
        (POLICY.yearly, &year),
    ];
    let mut kept: BTreeSet<_> = times.iter().rev().take(POLICY.last as usize).copied().collect();
    for (count, period) in rules {
        // The later one of a period replaces the earlier one.
        let newest: BTreeMap<i64, OffsetDateTime> =
            times.iter().map(|time| (period(time), *time)).collect();
        kept.extend(newest.values().rev().take(count as usize));
        if newest.len() < count as usize {
            kept.extend(times.first());
        }
    }
    kept
}

/// The archives that should be there, each with the content of the source when it was made.
#[derive(Default)]
struct Model {
    archives: BTreeMap<OffsetDateTime, (PathBuf, Vec<String>)>,
    /// Is set while the newest is of a source of which most is gone.
    is_held: bool,
}

impl Model {
    fn prune(&mut self) {
        let kept = kept(&self.archives.keys().copied().collect());
        self.archives.retain(|time, _| kept.contains(time));
    }

    /// Removes what goes once there is an archive of `next`, but for the two newest; returns how many.
    fn make_room(&mut self, next: OffsetDateTime) -> usize {
        let n = self.archives.len();
        if self.is_held {
            return 0;
        }
        let mut times: BTreeSet<_> = self.archives.keys().copied().collect();
        let newest: Vec<_> = times.iter().rev().take(2).copied().collect();
        times.insert(next);
        let kept = kept(&times);
        self.archives.retain(|time, _| kept.contains(time) || newest.contains(time));
        n - self.archives.len()
    }

    fn names(&self) -> Vec<String> {
        let paths = self.archives.values().map(|(path, _)| path);
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<_> = paths.map(name).collect();
        names.sort();
        names
    }
}

/// Writes what the source holds on a night, and returns it.
fn fill(source: &Path, night: u32, is_shrunk: bool) -> Vec<String> {
    let n_files = if is_shrunk { N_FILES / 4 } else { N_FILES };
    let content = |file: u32| {
        // One file changes a night.
        let last = night - (night + N_FILES - file) % N_FILES.min(night + 1);
        format!("{file} of night {last}").repeat(20)
    };
    let contents: Vec<_> = (0..n_files).map(content).collect();
    for file in n_files..N_FILES {
        let _missing = fs::remove_file(source.join(file.to_string()));
    }
    for (file, content) in contents.iter().enumerate() {
        let path = source.join(file.to_string());
        if fs::read_to_string(&path).ok().as_ref() != Some(content) {
            write(path, content);
        }
    }
    contents
}

/// Moves the files to another folder, which a link leads to, and returns it.
fn move_source(dir: &Path, from: &Path, n: u32) -> PathBuf {
    let (to, link) = (dir.join(format!("release-{n}")), dir.join("current"));
    rustix::fs::rename(from, &to).unwrap();
    let _missing = fs::remove_file(&link);
    std::os::unix::fs::symlink(&to, link).unwrap();
    to
}

/// Runs a night; returns the report and the archive that was made.
fn run_night(
    fixture: &Fixture,
    night: Night,
    source_as: Option<&Path>,
) -> (Report, Option<PathBuf>) {
    let state = fixture.dir.path().join("state");
    let disk = Disk { night, n_begun: std::sync::atomic::AtomicU32::new(0) };
    let profile = fixture.profile();
    let create =
        CreateOptions { state: Some(&state), file_io: &disk, source_as, ..profile.create.clone() };
    let profile = Profile {
        create,
        verify: false,
        keep: POLICY,
        shrink: ShrinkRule { is_accepted: night == Night::Accepted, ..ShrinkRule::default() },
        ..profile
    };
    let cancel = Cancel::new();
    let mut made = None;
    // The host has another name each night, as in containers; the archives go on under theirs.
    let host = format!("pod-{}", fixture.clock.0.unix_timestamp());
    let holder = LockOwner::this_process(Path::new("/"), &host, fixture.clock.0);
    let report = run_on(&holder, &profile, &cancel, &mut |event| match event {
        ProfileEvent::Create(CreateEvent::Packed(_)) if night == Night::KilledEarly => {
            cancel.cancel(15);
        }
        ProfileEvent::Created(_, created) => {
            made = Some(created.path.clone());
            if night == Night::KilledLate {
                cancel.cancel(15);
            }
        }
        _ => {}
    });
    (report, made)
}

#[test]
fn after_each_of_four_hundred_nights_the_archives_are_there_that_the_rules_name() {
    let mut fixture = Fixture::new();
    fixture.sources.truncate(1);
    let mut source = fixture.sources[0].path.clone();
    fs::remove_file(source.join("file")).unwrap();
    let link = fixture.dir.path().join("current");
    let mut model = Model::default();
    let mut seen = BTreeSet::new();
    for n in 0..N_NIGHTS {
        let night = Night::of(n);
        // Not always at the same time of the day.
        let time = START + Duration::days(n.into()) + Duration::minutes((n * 37 % 300).into());
        fixture.clock = FixedClock(time);
        let is_shrunk = matches!(night, Night::Shrunk | Night::Accepted) || n > 303;
        let contents = fill(&source, n, is_shrunk);
        source = move_source(fixture.dir.path(), &source, n);
        // Some nights are backed up from a snapshot, the others behind the link.
        let is_snapshot = (100..150).contains(&n);
        fixture.sources[0].path = if is_snapshot { source.clone() } else { link.clone() };

        let (report, made) = run_night(&fixture, night, is_snapshot.then_some(link.as_path()));

        let needs_room = matches!(night, Night::Full | Night::Filling);
        let n_removed = if needs_room { model.make_room(time) } else { 0 };
        // A full disk is not a failure if old archives could be removed.
        let is_stuck = night == Night::Filling && n_removed == 0;
        let exit_code = if is_stuck { 1 } else { night.exit_code() };
        assert_eq!(report.exit_code(&code_of), exit_code, "{n} {night:?} {report:?}");
        if let Some(path) = made {
            model.archives.insert(time, (path, contents));
            model.is_held = night == Night::Shrunk;
        }
        if exit_code == 0 {
            model.prune();
        }
        assert_eq!(fixture.archives(), model.names(), "{n} {night:?}");
        seen.insert(format!("{night:?} {exit_code}"));
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
    assert!(model.archives.len() > 15, "{}", model.archives.len());
    every_one_restores(&fixture, &model);
}

fn every_one_restores(fixture: &Fixture, model: &Model) {
    for (n, (path, contents)) in model.archives.values().enumerate() {
        let folder = fixture.dir.path().join(format!("restored-{n}"));
        let options = restore_options(path, &folder);
        assert_eq!(restore(&options, &Cancel::new(), &mut |_| {}).unwrap().n_faults(), 0);
        let restored: Vec<_> = (0..contents.len())
            .map(|file| fs::read_to_string(folder.join(file.to_string())).unwrap())
            .collect();
        assert_eq!(restored, *contents, "{}", path.display());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), contents.len());
    }
}
