//! A destination without room, at the public functions.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use devops_core::{
    archive::{CreateOptions, FileIo},
    fs::PathError,
    profile::{Profile, Report, ShrinkRule, shortage},
    retention::KeepPolicy,
};

use super::fixture::{Fixture, code_of, run_quietly};

/// A disk of so many bytes, all taken by what is in its folder.
struct Disk {
    folder: PathBuf,
    n_bytes: u64,
    /// Is set if it does not say how much is free.
    is_silent: AtomicBool,
}

impl Disk {
    fn used(folder: &Path) -> u64 {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
    }

    fn free(&self) -> u64 {
        self.n_bytes.saturating_sub(Self::used(&self.folder))
    }
}

impl FileIo for Disk {
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        struct Full<'a>(&'a mut (dyn Write + Send), u64);
        impl Write for Full<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if (bytes.len() as u64) > self.1 {
                    return Err(rustix::io::Errno::NOSPC.into());
                }
                self.1 -= bytes.len() as u64;
                self.0.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.0.flush()
            }
        }
        Box::new(Full(file, self.free()))
    }

    fn free_bytes(&self, _folder: &Path) -> Result<Option<u64>, PathError> {
        Ok((!self.is_silent.load(Ordering::Relaxed)).then(|| self.free()))
    }
}

/// Nights on a disk that holds a little more than three archives.
struct Nights {
    fixture: Fixture,
    disk: Arc<Disk>,
    keep: u32,
    keep_free: u64,
}

impl Nights {
    fn new(keep: u32) -> Self {
        let mut fixture = Fixture::new();
        fixture.sources.truncate(1);
        let disk = Disk {
            folder: fixture.dest.clone(),
            n_bytes: u64::MAX >> 1,
            is_silent: AtomicBool::new(false),
        };
        let mut nights = Self { fixture, disk: Arc::new(disk), keep, keep_free: 0 };
        assert_eq!(nights.night().exit_code(&code_of), 0);
        let size = Disk::used(&nights.fixture.dest);
        let disk = Arc::get_mut(&mut nights.disk).unwrap();
        disk.n_bytes = size * 3 + size / 2;
        nights
    }

    fn with<T>(&self, act: impl FnOnce(&Profile<'_>) -> T) -> T {
        let profile = self.fixture.profile();
        let create = CreateOptions { file_io: &*self.disk, reuse: false, ..profile.create.clone() };
        act(&Profile {
            create,
            keep: KeepPolicy { last: self.keep, ..KeepPolicy::default() },
            keep_free: self.keep_free,
            shrink: ShrinkRule::default(),
            ..profile
        })
    }

    fn night(&mut self) -> Report {
        self.fixture.next_day();
        self.with(run_quietly)
    }

    fn days(&self) -> Vec<String> {
        let day = |name: String| name["home-a-2026-".len()..][..5].to_owned();
        self.fixture.archives().into_iter().map(day).collect()
    }
}

#[test]
fn what_the_policy_would_remove_anyway_goes_first_where_the_next_archive_would_not_fit() {
    let mut nights = Nights::new(3);
    for _ in 0..2 {
        assert_eq!(nights.night().exit_code(&code_of), 0);
    }
    assert_eq!(nights.days(), ["11-23", "11-24", "11-25"]);

    // A fourth does not fit beside the three.
    for night in 26..29 {
        let report = nights.night();
        assert_eq!(report.exit_code(&code_of), 0, "{:?}", report.problems);
        assert_eq!(report.pruned.unwrap().n_removed, 1);
        assert_eq!(nights.days().last().unwrap(), &format!("11-{night}"));
        assert_eq!(nights.days().len(), 3);
    }
}

#[test]
fn the_two_newest_stay_and_what_is_missing_is_said_before_anything_is_read() {
    let mut nights = Nights::new(1);
    nights.keep = 2;
    nights.night();
    nights.keep = 1;
    nights.keep_free = Disk::used(&nights.fixture.dest) * 10;

    let report = nights.night();

    assert_eq!(report.exit_code(&code_of), 1);
    assert_eq!(nights.days(), ["11-23", "11-24"]);
    assert!(report.sources.is_empty(), "nothing was read");
    let error = report.error().unwrap();
    assert!(error.contains("` lacks ") && error.contains("to keep free"), "{error}");
    assert!(nights.with(|profile| shortage(profile).unwrap()).is_some());
    nights.keep_free = 0;
    assert_eq!(nights.with(|profile| shortage(profile).unwrap()), None);
}

#[test]
fn a_disk_that_is_full_in_the_middle_is_pruned_and_tried_once_more() {
    let mut nights = Nights::new(3);
    nights.disk.is_silent.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        let report = nights.night();
        assert_eq!(report.exit_code(&code_of), 0, "{:?}", report.problems);
    }
    assert_eq!(nights.days(), ["11-26", "11-27", "11-28"]);

    // Where nothing may go, the earlier archives stay.
    nights.keep = 9;
    let report = nights.night();
    assert_eq!(report.exit_code(&code_of), 1);
    assert_eq!(nights.days(), ["11-26", "11-27", "11-28"]);
}

#[test]
fn no_room_is_made_by_removing_what_a_shrunken_source_had() {
    let mut nights = Nights::new(3);
    Arc::get_mut(&mut nights.disk).unwrap().n_bytes = 1 << 30;
    let source = nights.fixture.sources[0].path.clone();
    let add = |name: &str| File::create(source.join(name)).unwrap().write_all(b"more").unwrap();
    for name in ["x", "y", "z"] {
        add(name);
    }
    nights.night();
    for name in ["file", "x", "y"] {
        fs::remove_file(source.join(name)).unwrap();
    }
    assert_eq!(nights.night().exit_code(&code_of), 3);
    let before = nights.days();
    nights.keep_free = nights.disk.free() + 1;

    assert_eq!(nights.night().exit_code(&code_of), 1);

    assert_eq!(nights.days(), before);
}
