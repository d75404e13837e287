//! A folder with a source, a destination and the options tests begin with.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hasher},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use devops_core::{
    archive::{
        ArchiveError, BackupName, CreateEvent, CreateOptions, Created, Entry, ExcludeMarkers,
        Excludes, FileIo, IgnoredChanges, Keys, Level, ListEvent, Lookup, OverwritePolicy,
        PruneOptions, PrunePlan, RealFiles, RestoreOptions, RestoreSummary, create_in_folder, list,
        plan_prune, restore,
    },
    cancel::Cancel,
    clock::{Clock, FixedClock},
    retention::KeepPolicy,
};
use rustix::{
    buffer::spare_capacity,
    fs::{XattrFlags, lgetxattr, lsetxattr},
    io::Errno,
};
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) source: PathBuf,
    pub(crate) dest: PathBuf,
    pub(crate) clock: FixedClock,
}

pub(crate) const START: OffsetDateTime = datetime!(2026-11-22 08:49:39 +1);

/// With these pauses forty files leave a minute and more for their bytes to be counted.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Long after every file of these tests changed, as the files see it.
pub(crate) const LATER: OffsetDateTime = datetime!(2400-01-01 03:00 UTC);

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let dest = dir.path().join("dest");
        fs::create_dir(&source).unwrap();
        Self { dir, source, dest, clock: FixedClock(START) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the source, with its folders.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, bytes);
        path
    }

    pub(crate) fn options(&self) -> CreateOptions<'_> {
        create_options(&self.source, &self.clock)
    }

    /// Plans a prune at `now`, with these options and those that `change` sets.
    pub(crate) fn plan<'a>(
        &'a self,
        policy: &'a KeepPolicy,
        keys: &'a Keys,
        now: OffsetDateTime,
        change: impl FnOnce(&mut PruneOptions<'a>),
    ) -> PrunePlan {
        static NAME: LazyLock<BackupName> = LazyLock::new(backup);
        let mut options = PruneOptions {
            folder: &self.dest,
            within: None,
            name: &NAME,
            host: None,
            policy,
            keys,
            now,
            any_owner: false,
            accept_small: false,
            state: None,
            remembers: true,
        };
        change(&mut options);
        plan_prune(&options, &Cancel::new()).unwrap()
    }

    pub(crate) fn create(&self) -> Created {
        self.create_with(&self.options()).unwrap()
    }

    pub(crate) fn create_through(&self, file_io: &dyn FileIo) -> Result<Created, ArchiveError> {
        self.create_with(&CreateOptions { file_io, ..self.options() })
    }

    pub(crate) fn create_with(&self, options: &CreateOptions<'_>) -> Result<Created, ArchiveError> {
        create_in_folder(options, &self.dest, &backup(), &Cancel::new(), &mut |_| {})
    }

    /// Creates an archive, and returns the totals that were told, too.
    ///
    /// The bytes are counted beside the work, so each event takes longer than the one before until they are.
    pub(crate) fn create_counted(&self, options: &CreateOptions<'_>) -> (Created, Vec<u64>) {
        let mut totals = Vec::new();
        let mut pause = FIRST_PAUSE;
        let mut on_event = |event: CreateEvent<'_>| {
            if let CreateEvent::Total(n_bytes) = event {
                totals.push(n_bytes);
            } else if totals.is_empty() {
                Cancel::new().wait(pause).unwrap();
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        };
        let created =
            create_in_folder(options, &self.dest, &backup(), &Cancel::new(), &mut on_event);
        (created.unwrap(), totals)
    }

    /// Restores everything into `to`.
    pub(crate) fn restore(&self, archive: &Path, to: &str) -> RestoreSummary {
        self.restore_with(archive, to, OverwritePolicy::Never)
    }

    pub(crate) fn restore_with(
        &self,
        archive: &Path,
        to: &str,
        overwrite: OverwritePolicy,
    ) -> RestoreSummary {
        let folder = self.path(to);
        let options = RestoreOptions { overwrite, ..restore_options(archive, &folder) };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap()
    }
}

/// Returns the options of a quick archive of `source`; tests change what they are about.
pub(crate) fn create_options<'a>(source: &'a Path, clock: &'a dyn Clock) -> CreateOptions<'a> {
    CreateOptions {
        source,
        stream: None,
        within: None,
        excludes: Excludes::default(),
        exclude_markers: ExcludeMarkers::default(),
        one_file_system: false,
        level: Level::new(1).unwrap(),
        n_threads: 2,
        reuse: true,
        reuse_from_any: false,
        any_owner: false,
        root: Path::new("/"),
        state: None,
        mode: 0o600,
        group: None,
        estimate: false,
        reread_budget: Duration::ZERO,
        host: "web-1",
        machine: None,
        source_as: None,
        ignored: IgnoredChanges::default(),
        reproducible: None,
        clock,
        encryption: None,
        copies: None,
        sha256: false,
        file_io: &RealFiles,
        lock: None,
    }
}

pub(crate) fn restore_options<'a>(archive: &'a Path, folder: &'a Path) -> RestoreOptions<'a> {
    RestoreOptions {
        archive: archive.into(),
        paths: &[],
        is_exact: false,
        folder,
        overwrite: OverwritePolicy::Never,
        strip_components: 0,
        privileged: false,
        numeric_owner: false,
        root: Path::new("/"),
        heal: None,
        lookup: Lookup::Kernel,
    }
}

pub(crate) fn backup() -> BackupName {
    "backup".parse().unwrap()
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn entries(archive: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    list(archive, &[], &Cancel::new(), &mut |event| {
        if let ListEvent::Entry(entry) = event {
            entries.push(entry.clone());
        }
        true
    })
    .unwrap();
    entries
}

pub(crate) fn paths(archive: &Path) -> Vec<String> {
    entries(archive).iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect()
}

/// Returns whether files can be given to another user; where not, says on stderr that the test is skipped.
pub(crate) fn may_give_away() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let _said = writeln!(std::io::stderr(), "skipped: giving files away needs root");
    }
    is_root
}

/// Everything below a folder that a backup must keep, by path.
pub(crate) fn snapshot(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = vec![(PathBuf::new(), describe(root))];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            found.push((path.strip_prefix(root).unwrap().to_owned(), describe(&path)));
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Shows content if a person can read it in a failure, else its hash.
fn brief(bytes: &[u8]) -> String {
    if bytes.len() < 1000 {
        return bytes.escape_ascii().to_string();
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{} bytes {:x}", bytes.len(), hasher.finish())
}

/// An access control list that gives user 1000 a right.
pub(crate) const LIST: &[u8] = b"\x02\0\0\0\
    \x01\0\x06\0\xff\xff\xff\xff\
    \x02\0\x04\0\xe8\x03\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x04\0\xff\xff\xff\xff\
    \x20\0\0\0\xff\xff\xff\xff";

/// Sets an extended attribute; returns whether there are such here.
pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) -> bool {
    match lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        // Some file systems and containers have none of a sort.
        Err(Errno::NOTSUP | Errno::PERM) => false,
        Err(error) => panic!("{name}: {error}"),
    }
}

pub(crate) fn attribute_of(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(65_536);
    lgetxattr(path, name, spare_capacity(&mut value)).ok().map(|_| value)
}

fn describe(path: &Path) -> String {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.len() > 64 << 20 {
        // Mostly a hole, or the test would take minutes.
        format!("{} names, {} bytes", meta.nlink(), meta.len())
    } else if meta.is_file() {
        format!("{} names, {}", meta.nlink(), brief(&fs::read(path).unwrap()))
    } else if meta.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().escape_ascii().to_string()
    } else {
        String::new()
    };
    let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
    let attributes = ["user.note", "system.posix_acl_access"]
        .map(|name| attribute_of(path, name).map(|value| brief(&value)));
    let (seconds, nanoseconds) = (meta.mtime(), meta.mtime_nsec());
    format!("{mode:o} {uid}:{gid} {seconds}.{nanoseconds:09} {attributes:?} {content}")
}
