//! A file on its way here, with what is needed to go on after a break.
//!
//! Beside the file `NAME` there are meanwhile `.NAME.s3get-part` with its bytes and `.NAME.s3get-journal`
//! with one JSON object a line: first which object it is and how it is cut, then the checksum of each
//! range that is there. Neither is ever synced: what a power failure takes away is found by hashing the
//! ranges again. The first of them is locked while a process works at it.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::FileExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{Advice, FileType, FlockOperation, Mode, OFlags, Stat, fadvise, fchmod, flock},
    io::Errno,
    process::geteuid,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::s3::{
    object::{
        checksum::{Algorithm, Hasher, Sum, hex},
        uri::S3Uri,
    },
    plan::{
        parts::{Part, PartPlan, PartSize},
        range_plan::{Note, plan_ranges},
    },
    upload::journal::{append, read},
};
use crate::{
    cancel::Cancel,
    fs::{AtomicFile, Destination, DirEntryPath, IfExists, IoResultExt, PathError, parent},
    lock::is_unsupported,
    units::ByteSize,
};

/// The format of the journal; one of another format counts for nothing.
const VERSION: u32 = 1;
const DATA: &str = ".s3get-part";
const JOURNAL: &str = ".s3get-journal";
/// File systems allow 255 bytes, of which these files need some more than the name.
const LONGEST_NAME: usize = 200;
/// The bytes of a range that are hashed at once.
const PIECE: usize = 1 << 20;
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The identity of a partial download: the object and its ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DownloadIdentity {
    version: u32,
    endpoint: Option<String>,
    uri: S3Uri,
    etag: String,
    size: u64,
    algorithm: Algorithm,
    part_size: u64,
}

impl DownloadIdentity {
    pub(crate) fn new(
        endpoint: Option<String>,
        (uri, etag): (S3Uri, String),
        algorithm: Algorithm,
        (size, plan): (u64, PartPlan),
    ) -> Self {
        let part_size = plan.part_size();
        Self { version: VERSION, endpoint, uri, etag, size, algorithm, part_size }
    }

    /// Returns whether what was fetched of `earlier` is part of this.
    fn continues(&self, earlier: &Self, max_memory: ByteSize) -> bool {
        let fits = plan_ranges(self.size, earlier.exactly(), max_memory).is_ok();
        fits && *self == Self { part_size: self.part_size, ..earlier.clone() }
    }

    fn exactly(&self) -> PartSize {
        PartSize::Exactly(ByteSize(self.part_size))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Object(DownloadIdentity),
    Range { number: u32, sum: String },
}

/// A file beside the one that is fetched.
#[derive(Clone, Debug)]
struct Beside {
    at: DirEntryPath,
    path: PathBuf,
}

impl Beside {
    fn new(target: &Destination, suffix: &str) -> Self {
        let name = name_beside(target.path().file_name().unwrap_or_default(), suffix);
        let path = parent(target.path()).join(&name);
        Self { at: target.at.sibling(name), path }
    }
}

/// A file on its way here that this process has to itself.
#[derive(Debug)]
pub(crate) struct Partial {
    target: Destination,
    data: Beside,
    journal: Beside,
    file: Arc<File>,
    lines: Arc<File>,
    part_size: PartSize,
    /// Is set if an earlier run fetched another object, or the same one before it was changed.
    pub(crate) is_other: bool,
    /// The ranges that an earlier run fetched.
    pub(crate) done: HashMap<u32, Sum>,
}

impl Partial {
    /// Takes what an earlier run left beside `target`, and hashes it again.
    ///
    /// Returns nothing where somebody else has put something there that this user must not trust.
    pub(crate) fn open(
        target: &Destination,
        identity: &DownloadIdentity,
        max_memory: ByteSize,
        cancel: &Cancel,
    ) -> Result<Option<Self>, PathError> {
        let (data, journal) = beside(target);
        let file = lock(&data)?;
        let lines = open_private(&journal, OFlags::APPEND)?;
        let (Some(file), Some(lines)) = (file, lines) else {
            remove_empty(&[data, journal]);
            return Ok(None);
        };
        let mut partial = Self {
            target: target.clone(),
            data,
            journal,
            file: Arc::new(file),
            lines: Arc::new(lines),
            part_size: identity.exactly(),
            is_other: false,
            done: HashMap::new(),
        };
        partial.resume(identity, max_memory, cancel)?;
        Ok(Some(partial))
    }

    fn resume(
        &mut self,
        identity: &DownloadIdentity,
        max_memory: ByteSize,
        cancel: &Cancel,
    ) -> Result<(), PathError> {
        let bytes = read(&self.lines).at(&self.journal.path, "read")?;
        let (earlier, sums, length) = parse(&bytes);
        match earlier {
            Some(earlier) if identity.continues(&earlier, max_memory) => {
                // What was cut off must not run into the next line.
                self.lines.set_len(length as u64).at(&self.journal.path, "write")?;
                self.part_size = earlier.exactly();
                self.done = self.check(&earlier, &sums, cancel);
                Ok(())
            }
            earlier => {
                self.is_other = earlier.is_some();
                self.file.set_len(0).at(&self.data.path, "write")?;
                self.lines.set_len(0).at(&self.journal.path, "write")?;
                append(&self.lines, &Line::Object(identity.clone()), |_| Ok(()))
                    .at(&self.journal.path, "write")
            }
        }
    }

    /// Returns the ranges whose bytes are what they were.
    fn check(
        &self,
        identity: &DownloadIdentity,
        sums: &HashMap<u32, String>,
        cancel: &Cancel,
    ) -> HashMap<u32, Sum> {
        let plan = PartPlan::new(identity.size, identity.exactly(), ByteSize(u64::MAX));
        let parts = plan.into_iter().flat_map(PartPlan::parts);
        let checked = parts.filter_map(|part| {
            let value = sums.get(&part.number)?;
            let sum = self.hash(part, identity.algorithm, cancel)?;
            (sum.checksum().value == *value).then_some((part.number, sum))
        });
        checked.collect()
    }

    fn hash(&self, part: Part, algorithm: Algorithm, cancel: &Cancel) -> Option<Sum> {
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; PIECE];
        let (mut at, end) = (part.offset, part.offset + part.size);
        while at < end && !cancel.is_cancelled() {
            let n = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
            // What cannot be read is fetched again.
            self.file.read_exact_at(&mut buffer[..n], at).ok()?;
            hasher.update(&buffer[..n]);
            at += n as u64;
        }
        (at == end).then(|| hasher.finish())
    }

    /// Returns the sizes of its ranges, which an earlier run may have chosen.
    pub(crate) fn part_size(&self) -> PartSize {
        self.part_size
    }

    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.data.path
    }

    /// Returns what writes down that a range is there; on a blocking thread, after its bytes.
    pub(crate) fn note(&self) -> Note {
        let lines = Arc::clone(&self.lines);
        Arc::new(move |number, sum| {
            let line = Line::Range { number, sum: sum.checksum().value };
            // Without its line a range is fetched again, and nothing else is lost.
            let _written = append(&lines, &line, |_| Ok(()));
        })
    }

    /// Gives the file its final name; where that fails, all stays for a later run.
    pub(crate) fn commit(self, mode: u32, policy: IfExists) -> Result<(), PathError> {
        let named = self.name(mode, policy);
        match &named {
            // Whoever finds it alone takes it for no more than it is.
            Ok(()) => drop(self.journal.at.remove()),
            Err(_) => self.stay(),
        }
        named
    }

    fn name(&self, mode: u32, policy: IfExists) -> Result<(), PathError> {
        // The long wait comes before it gets a mode that a later run would not trust.
        self.file.sync_all().at(&self.data.path, "sync")?;
        let file = self.file.try_clone().at(&self.data.path, "open")?;
        let mut atomic = AtomicFile::adopt(self.target.clone(), self.data.at.clone(), file);
        let committed = atomic.commit(mode, policy);
        atomic.leave();
        committed
    }

    /// Leaves the file as a later run takes it up, unless it has its final name already.
    fn stay(&self) {
        let is_single = self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 1);
        if is_single && self.data.at.is(&self.file) {
            let _private = fchmod(&self.file, PRIVATE);
            // After a sync that failed, memory may hold what the disk does not, and call it clean: what a
            // later run hashes has to come from the disk.
            let _dropped = fadvise(&self.file, 0, None, Advice::DontNeed);
        }
    }

    /// Removes it: nobody can go on with it.
    pub(crate) fn remove(self) {
        for file in [&self.data, &self.journal] {
            // What stays is taken up or emptied by the next run.
            let _removed = file.at.remove();
        }
    }
}

/// Removes what an earlier run left beside a file that is complete, unless a process is at it.
pub(crate) fn remove_leftovers(target: &Destination) {
    let (data, journal) = beside(target);
    let is_there = |file: &Beside| matches!(file.at.look(), Ok(Some(_)));
    if !is_there(&journal) && !is_there(&data) {
        return;
    }
    // Where a file gets its final name by a link, the temporary one may have stayed.
    let opened = target.at.open(OFlags::RDONLY, Mode::empty());
    let is_linked = opened.is_ok_and(|file| data.at.is(&file));
    if is_linked || matches!(lock(&data), Ok(Some(_locked))) {
        for file in [data, journal] {
            let _removed = file.at.remove();
        }
    }
}

/// Returns the files beside `target`: with the bytes, and with the journal.
fn beside(target: &Destination) -> (Beside, Beside) {
    (Beside::new(target, DATA), Beside::new(target, JOURNAL))
}

fn name_beside(name: &OsStr, suffix: &str) -> OsString {
    let mut beside = OsString::from(".");
    if name.len() <= LONGEST_NAME {
        beside.push(name);
    } else {
        beside.push(hex(&Sha256::digest(name.as_bytes())));
    }
    beside.push(suffix);
    beside
}

/// Returns whether a file of this name would be taken for one of an unfinished get.
pub(crate) fn is_own_name(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(DATA) || name.ends_with(JOURNAL))
}

/// Opens the file with the bytes and takes its lock; nothing if somebody else has put it there.
fn lock(data: &Beside) -> Result<Option<File>, PathError> {
    let path = &data.path;
    loop {
        let Some(file) = open_private(data, OFlags::empty())? else { return Ok(None) };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its owner may have renamed it between the two steps.
            Ok(()) if !data.at.is(&file) => {}
            Err(Errno::WOULDBLOCK) => {
                let busy = "another process is fetching into it";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, busy)).at(path, "lock");
            }
            Err(error) if !is_unsupported(error) => return Err(error).at(path, "lock"),
            Ok(()) | Err(_) => return Ok(Some(file)),
        }
    }
}

/// Opens or makes a file that its owner alone can read; nothing if it is another's, or linked elsewhere.
fn open_private(beside: &Beside, flags: OFlags) -> Result<Option<File>, PathError> {
    let file = match beside.at.open(flags | OFlags::CREATE | OFlags::RDWR, PRIVATE) {
        Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Ok(None),
        open => open.at(&beside.path, "create")?,
    };
    let metadata = file.metadata().at(&beside.path, "read")?;
    let is_ours =
        metadata.is_file() && metadata.uid() == geteuid().as_raw() && metadata.nlink() == 1;
    Ok((is_ours && make_private(&file, &metadata)).then_some(file))
}

/// Returns whether its owner alone can read a file now, and nobody else could write it before.
fn make_private(file: &File, metadata: &Metadata) -> bool {
    let others = |metadata: &Metadata| {
        Mode::from_raw_mode(metadata.mode()).intersection(Mode::RWXG | Mode::RWXO)
    };
    let before = others(metadata);
    if before.is_empty() || before.intersects(Mode::WGRP | Mode::WOTH) {
        return before.is_empty();
    }
    // A run that was killed in its last moment had given it its final mode.
    fchmod(file, PRIVATE).is_ok() && file.metadata().is_ok_and(|now| others(&now).is_empty())
}

/// Removes what was made and is not used, as on file systems where everything is open to all.
fn remove_empty(files: &[Beside]) {
    for file in files {
        let is_ours = |stat: Stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && stat.st_size == 0
                && stat.st_uid == geteuid().as_raw()
        };
        if matches!(file.at.look(), Ok(Some(stat)) if is_ours(stat)) {
            let _removed = file.at.remove();
        }
    }
}

/// Reads a journal up to the first line that is not whole, and how long that is.
fn parse(bytes: &[u8]) -> (Option<DownloadIdentity>, HashMap<u32, String>, usize) {
    let (mut identity, mut sums, mut length) = (None, HashMap::new(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or_default();
        match (serde_json::from_slice(text), &identity) {
            (Ok(Line::Object(object)), None) => identity = Some(object),
            (Ok(Line::Range { number, sum }), Some(_)) => drop(sums.insert(number, sum)),
            _ => break,
        }
        length += line.len();
    }
    (identity.filter(|identity| identity.version == VERSION), sums, length)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::kind::{HasKind, Kind};

    const MIB: u64 = 1 << 20;
    const SIZE: u64 = 12 * MIB;

    fn identity(etag: &str, part_size: u64) -> DownloadIdentity {
        let uri = S3Uri::new("backups", "a.bin").unwrap();
        let part_size = PartSize::Exactly(ByteSize(part_size));
        let plan = PartPlan::new(SIZE, part_size, ByteSize(SIZE)).unwrap();
        DownloadIdentity::new(None, (uri, etag.to_owned()), Algorithm::Crc64Nvme, (SIZE, plan))
    }

    fn open(target: &Path, identity: &DownloadIdentity) -> Result<Option<Partial>, PathError> {
        let target = Destination::open(target).unwrap();
        Partial::open(&target, identity, ByteSize::mib(64), &Cancel::new())
    }

    fn paths(target: &Path) -> (PathBuf, PathBuf) {
        let (data, journal) = beside(&Destination::open(target).unwrap());
        (data.path, journal.path)
    }

    /// Writes the first range of 5 MiB.
    fn write_first(partial: &Partial) {
        let bytes = vec![7; 5 << 20];
        partial.file.write_all_at(&bytes, 0).unwrap();
        (partial.note())(1, &Sum::of(Algorithm::Crc64Nvme, &bytes));
    }

    fn done(partial: &Partial) -> Vec<u32> {
        partial.done.keys().copied().collect()
    }

    #[test]
    fn a_range_that_is_there_is_found_again_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (target, identity) = (dir.path().join("a.bin"), identity("tag", 5 * MIB));
        let partial = open(&target, &identity).unwrap().unwrap();
        write_first(&partial);
        drop(partial);

        let again = open(&target, &identity).unwrap().unwrap();
        let found = done(&again);
        again.file.write_all_at(b"x", MIB).unwrap();
        drop(again);
        let damaged = open(&target, &identity).unwrap().unwrap();

        assert_eq!((found, damaged.is_other), (vec![1], false));
        assert_eq!(done(&damaged), [0_u32; 0]);
    }

    #[test]
    fn an_earlier_run_chose_the_ranges_unless_memory_forbids() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        drop(open(&target, &identity("tag", 5 * MIB)).unwrap());

        let later = open(&target, &identity("tag", 6 * MIB)).unwrap().unwrap();

        assert_eq!(later.part_size(), PartSize::Exactly(ByteSize::mib(5)));
        assert!(!identity("tag", 5 * MIB).continues(&identity("tag", 6 * MIB), ByteSize::mib(5)));
    }

    #[test]
    fn what_a_run_left_in_its_last_moment_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let (target, identity) = (dir.path().join("a.bin"), identity("tag", 5 * MIB));
        let partial = open(&target, &identity).unwrap().unwrap();
        write_first(&partial);
        fchmod(&partial.file, Mode::from_raw_mode(0o644)).unwrap();
        drop(partial);

        let again = open(&target, &identity).unwrap().unwrap();

        assert_eq!(done(&again), [1]);
        assert_eq!(again.file.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_gets_no_final_name_stays_for_a_later_run() {
        let dir = tempfile::tempdir().unwrap();
        let (target, identity) = (dir.path().join("a.bin"), identity("tag", 5 * MIB));
        let partial = open(&target, &identity).unwrap().unwrap();
        write_first(&partial);
        File::create(&target).unwrap();

        let refused = partial.commit(0o664, IfExists::Fail).unwrap_err();

        assert_eq!(refused.kind(), Kind::Exists);
        assert_eq!(target.metadata().unwrap().len(), 0);
        assert_eq!(done(&open(&target, &identity).unwrap().unwrap()), [1]);
    }

    #[test]
    fn a_second_name_of_the_finished_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        let (data, journal) = paths(&target);
        for path in [&target, &journal] {
            File::create(path).unwrap();
        }
        fs::hard_link(&target, &data).unwrap();

        remove_leftovers(&Destination::open(&target).unwrap());

        assert!(target.exists() && !data.exists() && !journal.exists());
    }

    #[test]
    fn another_object_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        let partial = open(&target, &identity("tag", 5 * MIB)).unwrap().unwrap();
        write_first(&partial);
        drop(partial);

        let other = open(&target, &identity("other", 5 * MIB)).unwrap().unwrap();

        assert!(other.is_other);
        assert_eq!((done(&other).len(), other.file.metadata().unwrap().len()), (0, 0));
    }

    #[test]
    fn a_journal_counts_up_to_a_line_that_is_cut_off() {
        let mut bytes = serde_json::to_vec(&Line::Object(identity("tag", 5 * MIB))).unwrap();
        bytes.extend(b"\n{\"range\":{\"number\":1,\"sum\":\"AA==\"}}\n{\"range\":{\"num");

        let (identity, sums, length) = parse(&bytes);

        assert!(identity.is_some());
        assert_eq!((sums.len(), bytes.len() - length), (1, 14));
        assert_eq!(parse(b"no journal\n").2, 0);
    }

    #[test]
    fn two_processes_do_not_fetch_into_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        let _first = open(&target, &identity("tag", 5 * MIB)).unwrap();

        let second = open(&target, &identity("tag", 5 * MIB)).unwrap_err();

        assert_eq!(second.kind(), Kind::Temporary);
    }

    #[test]
    fn what_somebody_else_may_have_put_there_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.bin");
        let (data, journal) = paths(&target);
        File::create(dir.path().join("victim")).unwrap();
        std::os::unix::fs::symlink("victim", &data).unwrap();
        let linked = open(&target, &identity("tag", 5 * MIB)).unwrap();
        fs::remove_file(&data).unwrap();
        File::create(&journal).unwrap();
        fs::set_permissions(&journal, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();

        let open_to_all = open(&target, &identity("tag", 5 * MIB)).unwrap();

        assert!(linked.is_none() && open_to_all.is_none());
    }

    #[test]
    fn a_name_that_is_too_long_for_a_suffix_is_shortened() {
        let long = "ü".repeat(120);

        let beside = |suffix| name_beside(OsStr::new(&long), suffix);

        assert!(beside(DATA).len() < 100);
        assert_ne!(beside(DATA), beside(JOURNAL));
        assert_eq!(name_beside(OsStr::new("a"), DATA), ".a.s3get-part");
    }
}
