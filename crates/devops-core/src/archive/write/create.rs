//! Creates an archive of a folder or a file.

use std::{
    collections::HashSet,
    ffi::OsStr,
    io::{self, Write},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Gid, fchown, fstat, statat};
use time::OffsetDateTime;

use super::{
    archive_writer::{ArchiveWriter, WriteStats},
    archiver::{Archiver, PackStats},
    destination::{BaseRequest, Destination, index_hash},
    estimate,
    parent::{ParentArchive, ParentMatcher},
    pipeline::{self, BuildError, Compression, Output},
    reuse_cache::{CachedCopy, SourceCache},
};
use crate::archive::{
    ArchiveError,
    event::{CreateEvent, CreateSummary, Created, Skipped},
    format::{entry::Timestamp, index::BuildParams, stat::Meta},
    options::CreateOptions,
    read::list::origin_of,
    scan::{
        attributes::{UNSEEN, sees_trusted},
        selection::Selection,
        source::Source,
    },
};
use crate::{
    archive_index::{ArchiveName, BackupName, Origin},
    cancel::Cancel,
    fs::{AtomicFile, IfExists, IoResultExt, OpenFolder, remove_stale, target_name},
    lock::{self, FolderLock, LockError, LockEvent},
};

/// Creates an archive in `folder`, which is made if missing, under the first free name of its day.
///
/// The name appears only when the archive is whole and on the disk; an error leaves no archive.
/// Refuses a name whose newest archive that counts is of another series. Several may work in one folder
/// at once, locked or not: each finds a free name.
pub fn create_in_folder(
    options: &CreateOptions<'_>,
    folder: &Path,
    name: &BackupName,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Created, ArchiveError> {
    let started = options.clock.now();
    let source = Source::of(options.source, options.within, options.stream)?;
    // From here on, what is written goes into this folder, whatever happens to its path.
    let opened = OpenFolder::create_within(folder, options.within)?;
    let _lock = lock(options, &opened, cancel, on_event)?;
    let mut destination = Destination::open(folder, name, options.state);
    let origin = origin(options, &source, started);
    destination.refuse_other_origin(&origin, options.any_owner, cancel)?;
    remove_stale(&opened, |target| is_of(name, target))?;
    let mut free = name.free_in(&opened, started, options.encryption.is_some());
    let mut next = || free.next().expect("the names have no end");
    let mut target = next()?;
    let cache = cache(options, name, &origin, on_event);
    let mut copy = cache.as_ref().and_then(|cache| begin_copy(options, cache, on_event));
    let mut selection = selection(options, &source);
    add_own(&mut selection, (folder, name), &source, cancel)?;
    let mut file = AtomicFile::create_at(&target)?;
    if let Some(group) = options.group {
        let group = Some(Gid::from_raw(group));
        fchown(file.file(), None, group).at(target.path(), "give to its group")?;
    }
    let stat = fstat(file.file()).at(file.temp_path(), "read")?;
    selection.output = Some(Meta::from(stat).id);
    let mut parent = if options.reuse {
        let request = base_request(options, stat.st_uid);
        parent(cache.as_ref(), &destination, &request, cancel, on_event)?
    } else {
        None
    };
    let summary = loop {
        let (source, selection) = (&source, &selection);
        let work = Work { options, source, selection, started, parent: parent.as_ref() };
        let output = ArchiveOutput { writer: &mut file, path: target.path(), copy: copy.as_mut() };
        match work.write(output, cancel, on_event) {
            Ok(summary) => break summary,
            Err(BuildError::Failed(error)) => return Err(error),
            Err(BuildError::ParentDamaged) => {
                let damaged = parent.take().expect("only an earlier archive can be rotten");
                on_event(CreateEvent::Damaged(damaged.path()));
                file.restart()?;
                copy.iter_mut().for_each(CachedCopy::restart);
            }
        }
    };
    // A signal that came in time leaves no archive.
    cancel.check()?;
    let index = index_hash(file.file());
    while let Err(error) = file.commit(options.mode, IfExists::Fail) {
        if error.source.kind() != io::ErrorKind::AlreadyExists {
            return Err(error.into());
        }
        target = next()?;
        file.retarget(&target);
    }
    if let Some(mode) = file.kept_mode() {
        on_event(CreateEvent::ModeKept(target.path(), mode));
    }
    if let Some(Err(error)) = copy.map(CachedCopy::commit) {
        on_event(CreateEvent::Uncached(&error));
    }
    let path = target.path().to_owned();
    destination.remember(&path, (stat.st_dev, stat.st_ino), index);
    Ok(Created { path, summary })
}

/// Returns the conditions for the archive to copy from; `uid` is the owner that files of ours get.
fn base_request<'a>(options: &CreateOptions<'a>, uid: u32) -> BaseRequest<'a> {
    BaseRequest {
        level: options.level,
        is_blind: options.reuse_from_any,
        encrypts: options.encryption.is_some(),
        root: options.root,
        now: options.clock.now(),
        uid,
    }
}

/// Returns the archive to copy segments from: the plain form of the last encrypted archive, or the newest
/// archive of the name that is readable and ours.
fn parent(
    cache: Option<&SourceCache<'_>>,
    destination: &Destination<'_>,
    request: &BaseRequest<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Option<ParentArchive>, ArchiveError> {
    if let Some(cached) = cache.and_then(|cache| cache.parent(request.level)) {
        return Ok(Some(cached));
    }
    let mut tell = |path: &Path, reason: &str| on_event(CreateEvent::NotReused(path, reason));
    destination.base(request, cancel, &mut tell)
}

/// Returns where the plain form of an encrypted archive is kept.
fn cache<'a>(
    options: &CreateOptions<'a>,
    name: &BackupName,
    origin: &Origin,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Option<SourceCache<'a>> {
    let copies = options.copies.filter(|_| options.encryption.is_some())?;
    if !copies.keep && !copies.folder.exists() {
        return None;
    }
    let cache = SourceCache::open(copies.folder, name, &origin.source);
    if let (Ok(_), Some(resolved)) = (&cache, &origin.resolved) {
        // An older version kept it by the source without links.
        let _removed =
            SourceCache::open(copies.folder, name, resolved).and_then(|old| old.remove());
    }
    cache.map_err(|error| on_event(CreateEvent::Uncached(&error))).ok()
}

/// Begins a copy, or removes that of an earlier run where none is wanted.
fn begin_copy(
    options: &CreateOptions<'_>,
    cache: &SourceCache<'_>,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Option<CachedCopy> {
    let copy =
        if options.copies?.keep { cache.begin().map(Some) } else { cache.remove().map(|()| None) };
    copy.map_err(|error| on_event(CreateEvent::Uncached(&error))).ok().flatten()
}

fn lock(
    options: &CreateOptions<'_>,
    folder: &OpenFolder,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Option<FolderLock>, LockError> {
    let Some(request) = &options.lock else { return Ok(None) };
    let mut tell = |event: LockEvent<'_>| on_event(CreateEvent::Lock(event));
    FolderLock::acquire_in(folder, request, cancel, &mut tell).map(Some)
}

/// Writes an archive to `out`, as one stream.
///
/// `own` is the device and inode of the file behind `out`, if there is one: it does not go into itself.
pub fn create_to_writer(
    options: &CreateOptions<'_>,
    out: &mut (dyn Write + Send),
    own: Option<(u64, u64)>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<CreateSummary, ArchiveError> {
    let source = Source::of(options.source, options.within, options.stream)?;
    let mut selection = selection(options, &source);
    selection.output = own;
    let output = ArchiveOutput { writer: out, path: Path::new("standard output"), copy: None };
    let started = options.clock.now();
    let work = Work { options, source: &source, selection: &selection, started, parent: None };
    work.write(output, cancel, on_event).map_err(|failure| match failure {
        BuildError::Failed(error) => error,
        BuildError::ParentDamaged => unreachable!("nothing is copied"),
    })
}

/// The warning for a file whose content changed without its times.
const BITROT_WARNING: &str = "its content is another, and nothing about the file says that it was written to: \
    a disk may be failing; earlier archives hold what it was";

/// One run over a source.
struct Work<'a> {
    options: &'a CreateOptions<'a>,
    source: &'a Source,
    selection: &'a Selection,
    started: OffsetDateTime,
    parent: Option<&'a ParentArchive>,
}

/// The writer of an archive, its path as errors name it, and the copy in clear beside it.
struct ArchiveOutput<'a> {
    writer: &'a mut (dyn Write + Send),
    path: &'a Path,
    copy: Option<&'a mut CachedCopy>,
}

impl Work<'_> {
    fn write(
        &self,
        output: ArchiveOutput<'_>,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(CreateEvent<'_>),
    ) -> Result<CreateSummary, BuildError> {
        let ArchiveOutput { writer, path, copy } = output;
        let Self { options, parent, .. } = *self;
        let mut layered = options.file_io.output(writer);
        let sink = ArchiveWriter::new(&mut *layered, options.sha256, options.encryption, copy);
        let mut sink = sink.at(path, "write").map_err(ArchiveError::from)?;
        let output = Output { writer: &mut sink, path, n_written: 0 };
        let n_threads = options.n_threads;
        let compression = Compression { build_params: self.build_params(), n_threads, parent };
        let (mut stats, silently_changed) = pipeline::run(output, compression, cancel, |sender| {
            let produce = |tell: &mut dyn FnMut(CreateEvent<'_>)| {
                let matcher = parent
                    .map(|old| ParentMatcher::new(old, seconds(self.started), options.ignored));
                let mut archiver = Archiver::new(options, sender, matcher, cancel, tell);
                archiver.begin(self.comment().as_deref())?;
                self.source.visit(self.selection, &mut archiver, cancel)?;
                archiver.finish()
            };
            match parent {
                _ if !options.estimate || options.stream.is_some() => produce(on_event),
                Some(parent) => {
                    // About what was there the last time, which costs no second walk.
                    on_event(CreateEvent::Total(parent.n_content()));
                    produce(on_event)
                }
                None => estimate::beside(options.source, self.selection, on_event, produce),
            }
        })?;
        self.report_unseen(on_event);
        for path in silently_changed {
            stats.change(
                Skipped { path, reason: BITROT_WARNING.to_owned(), is_fault: true },
                on_event,
            );
        }
        let delivered = sink.finish().at(path, "write").map_err(ArchiveError::from)?;
        let elapsed = options.clock.now() - self.started;
        Ok(summary(stats, delivered, self.selection, elapsed))
    }

    /// Says which attributes this process cannot see.
    fn report_unseen(&self, on_event: &mut dyn FnMut(CreateEvent<'_>)) {
        let CreateOptions { reproducible, stream, root, .. } = self.options;
        if reproducible.is_none() && stream.is_none() && !sees_trusted(root) {
            on_event(CreateEvent::Unseen(UNSEEN));
        }
    }

    fn build_params(&self) -> BuildParams {
        let is_reproducible = self.options.reproducible.is_some();
        let started = if is_reproducible { Timestamp::default() } else { seconds(self.started) };
        BuildParams { level: self.options.level, is_reproducible, started }
    }

    fn comment(&self) -> Option<String> {
        let is_named = self.options.reproducible.is_none();
        is_named.then(|| origin(self.options, self.source, self.started).to_comment())
    }
}

fn seconds(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanoseconds: time.nanosecond() }
}

pub(in crate::archive) fn selection(options: &CreateOptions<'_>, source: &Source) -> Selection {
    Selection {
        excludes: options.excludes.clone(),
        exclude_markers: options.exclude_markers,
        only: options.one_file_system.then(|| source.file_system()),
        own: HashSet::new(),
        output: None,
        lock: None,
        copies: options.copies.and_then(|copies| copies.folder_id()),
    }
}

pub(in crate::archive) fn origin(
    options: &CreateOptions<'_>,
    source: &Source,
    started: OffsetDateTime,
) -> Origin {
    let (given, real) = (source.given(), source.real_path());
    let resolved = Some(real).filter(|real| options.source_as.is_none() && *real != given);
    Origin {
        host: options.host.to_owned(),
        machine: options.machine.map(str::to_owned),
        source: options.source_as.unwrap_or(given).to_owned(),
        resolved: resolved.map(Path::to_owned),
        started,
    }
}

/// Takes earlier archives of this name, and those being written, out of the selection; and where the
/// folder lies in the source, those of other names that we made: each would hold the others.
pub(in crate::archive) fn add_own(
    selection: &mut Selection,
    (folder, name): (&Path, &BackupName),
    source: &Source,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let real = std::fs::canonicalize(folder).at(folder, "list")?;
    let is_inside = real.starts_with(source.real_path());
    let lock = statat(CWD, folder.join(lock::FILE_NAME), AtFlags::SYMLINK_NOFOLLOW);
    selection.lock = lock.ok().map(|stat| Meta::from(stat).id);
    for entry in std::fs::read_dir(folder).at(folder, "list")? {
        let entry = entry.at(folder, "list")?;
        let file_name = entry.file_name();
        let is_partial = target_name(&file_name).is_some_and(|target| is_of(name, &target));
        let is_own = is_partial || is_of(name, &file_name);
        if (is_own || (is_inside && is_made_by_us(&entry.path(), cancel)))
            && let Ok(stat) = statat(CWD, entry.path(), AtFlags::SYMLINK_NOFOLLOW)
        {
            selection.own.insert(Meta::from(stat).id);
        }
    }
    Ok(())
}

/// Returns whether a file is named as an archive and says itself that it is one of ours, or is encrypted
/// and says nothing.
fn is_made_by_us(path: &Path, cancel: &Cancel) -> bool {
    path.file_name().is_some_and(|name| ArchiveName::parse(name).is_some())
        && matches!(
            origin_of(path.into(), cancel),
            Ok(Some(_)) | Err(ArchiveError::Encrypted { .. })
        )
}

fn is_of(name: &BackupName, file_name: &OsStr) -> bool {
    ArchiveName::parse(file_name).is_some_and(|found| found.name == *name)
}

pub(in crate::archive) fn summary(
    stats: PackStats,
    delivered: WriteStats,
    selection: &Selection,
    elapsed: time::Duration,
) -> CreateSummary {
    CreateSummary {
        bytes_in: stats.n_bytes,
        bytes_reused: stats.n_reused,
        bytes_out: delivered.n_bytes,
        n_entries: stats.n_entries,
        n_files: stats.n_files,
        skipped: stats.skipped,
        changed: stats.changed,
        unmatched: selection.excludes.unmatched().map(str::to_owned).collect(),
        sha256: delivered.sha256,
        elapsed: elapsed.unsigned_abs(),
    }
}
