//! Creates an archive of a folder or a file.

use std::{
    collections::HashSet,
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, FileType, fstat, statat};
use sha2::Sha256;

use super::{
    ArchiveError,
    deflate::Level,
    estimate,
    exclude::Excludes,
    header,
    layer::FileLayer,
    list::origin_of,
    meta::Meta,
    name::{ArchiveName, BackupName},
    origin::Origin,
    pack::{Pack, Tally},
    pieces::Pieces,
    pipeline::{self, Compression, Feed, Output, Totals},
    selection::Selection,
    source::Source,
    walk::{Found, Visitor},
};
use crate::{
    cancel::{Cancel, Cancelled},
    clock::Clock,
    fs::{At, AtomicFile, ReplacePolicy, create_folders, remove_stale, target_name},
    lock::{self, FolderLock, LockError, LockEvent, LockRequest},
};

/// What to archive, and how.
#[derive(Clone)]
pub struct CreateOptions<'a> {
    /// The folder, whose content is stored relative to it, or the one file.
    pub source: &'a Path,
    /// What to leave out.
    pub excludes: Excludes,
    /// Whether to stay on the source's file system.
    pub one_file_system: bool,
    /// How hard to compress.
    pub level: Level,
    /// How many threads compress; the bytes do not depend on it.
    pub n_threads: usize,
    /// Whether to count the bytes ahead, in parallel, for [`CreateEvent::Total`].
    pub estimate: bool,
    /// The name of this host, recorded in the archive.
    pub host: &'a str,
    /// Leaves out what differs from run to run and from host to host.
    pub reproducible: Option<Reproducible>,
    /// Tells when the work began.
    pub clock: &'a dyn Clock,
    /// Whether to hash the archive for [`CreateSummary::sha256`].
    pub sha256: bool,
    /// Stands between the archive and the files.
    pub layer: &'a dyn FileLayer,
    /// How to lock the folder meanwhile; `None` where the caller has locked it, or does without.
    pub lock: Option<LockRequest<'a>>,
}

/// How to make the same bytes from the same files anywhere: owners 0, no host, source or time.
#[derive(Clone, Copy, Debug)]
pub struct Reproducible {
    /// Later modification times, in seconds since 1970, are set to this one.
    pub latest_mtime: Option<i64>,
}

/// What happens while an archive is made.
#[derive(Debug)]
pub enum CreateEvent<'a> {
    /// The source has this many bytes of content, as far as is known ahead.
    Total(u64),
    /// This many bytes of content were read so far.
    Bytes(u64),
    /// An entry went in.
    Packed(&'a Path),
    /// Something was left out, or changed while being read.
    LeftOut(&'a LeftOut),
    /// The folder is being locked.
    Lock(LockEvent<'a>),
}

/// Something that is not in the archive, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The path from the source on.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
    /// Whether the archive is partial for it; a socket, say, is none.
    pub is_fault: bool,
}

/// What an archive holds.
#[derive(Debug, Default)]
pub struct CreateSummary {
    /// The bytes of content read.
    pub bytes_in: u64,
    /// The bytes of the archive.
    pub bytes_out: u64,
    /// The number of entries.
    pub n_entries: u64,
    /// The number of regular files among them, without further names of one.
    pub n_files: u64,
    /// What is not in the archive.
    pub skipped: Vec<LeftOut>,
    /// What changed while being read.
    pub changed: Vec<LeftOut>,
    /// The SHA-256 of the archive in hexadecimal digits, if it was wanted.
    pub sha256: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl CreateSummary {
    /// Returns how many things are missing or not as they were.
    pub fn n_faults(&self) -> usize {
        self.skipped.iter().filter(|left_out| left_out.is_fault).count() + self.changed.len()
    }
}

/// A new archive.
#[derive(Debug)]
pub struct Created {
    /// Its path.
    pub path: PathBuf,
    /// What it holds.
    pub summary: CreateSummary,
}

/// Creates an archive in `folder`, which is made if missing, under the first free name of its day.
///
/// The name appears only when the archive is whole and on the disk; an error leaves no archive.
/// Refuses a name whose newest archive came from another source or host. Several may work in one folder
/// at once, locked or not: each finds a free name.
pub fn create_in_folder(
    options: &CreateOptions<'_>,
    folder: &Path,
    name: &BackupName,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Created, ArchiveError> {
    let started = options.clock.now();
    let source = Source::open(options.source)?;
    create_folders(folder)?;
    let _lock = lock(options, folder, cancel, on_event)?;
    refuse_other_origin(&origin(options, &source), folder, name)?;
    remove_stale(folder, |target| is_of(name, target))?;
    let mut paths = name.candidates(started).map(|file_name| folder.join(file_name));
    let mut path = paths.next().expect("the names have no end");
    let mut selection = selection(options, &source);
    add_own(&mut selection, folder, name, &source)?;
    let mut file = AtomicFile::create(&path)?;
    selection.output = Some(Meta::from(fstat(file.file()).at(file.temp_path(), "read")?).id);
    let place = (file.file_mut() as &mut (dyn Write + Send), path.as_path());
    let summary = write_archive(options, source, &selection, place, cancel, on_event)?;
    // A signal that came in time leaves no archive.
    cancel.check()?;
    while let Err(error) = file.commit(0o600, ReplacePolicy::Keep) {
        if error.source.kind() != io::ErrorKind::AlreadyExists {
            return Err(error.into());
        }
        path = paths.next().expect("the names have no end");
        file.retarget(&path);
    }
    Ok(Created { path, summary })
}

fn lock(
    options: &CreateOptions<'_>,
    folder: &Path,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Option<FolderLock>, LockError> {
    let Some(request) = &options.lock else { return Ok(None) };
    let mut tell = |event: LockEvent<'_>| on_event(CreateEvent::Lock(event));
    FolderLock::acquire(folder, request, cancel, &mut tell).map(Some)
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
    let source = Source::open(options.source)?;
    let mut selection = selection(options, &source);
    selection.output = own;
    let place = (out, Path::new("standard output"));
    write_archive(options, source, &selection, place, cancel, on_event)
}

/// Goes through the source as [`create_in_folder`] would, and writes nothing.
///
/// It reads no content, so a file that turns out unreadable is not among what is left out.
pub fn preview(
    options: &CreateOptions<'_>,
    destination: Option<(&Path, &BackupName)>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<CreateSummary, ArchiveError> {
    let started = options.clock.now();
    let source = Source::open(options.source)?;
    let mut selection = selection(options, &source);
    if let Some((folder, name)) = destination
        && folder.exists()
    {
        refuse_other_origin(&origin(options, &source), folder, name)?;
        add_own(&mut selection, folder, name, &source)?;
    }
    let mut preview = Preview { on_event, tally: Tally::default() };
    source.visit(&selection, &mut preview, cancel)?;
    Ok(summary(preview.tally, Totals::default(), options.clock.now() - started))
}

fn write_archive(
    options: &CreateOptions<'_>,
    source: Source,
    selection: &Selection,
    (writer, path): (&mut (dyn Write + Send), &Path),
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<CreateSummary, ArchiveError> {
    let started = options.clock.now();
    let compression = Compression { level: options.level, n_threads: options.n_threads };
    let is_anonymous = options.reproducible.is_some();
    let comment = (!is_anonymous).then(|| origin(options, &source).to_comment());
    let mut layered = options.layer.output(writer);
    let hasher = options.sha256.then(Sha256::default);
    let output = Output { writer: &mut *layered, path, hasher };
    let produce = |feed: &mut Feed, on_event: &mut dyn FnMut(CreateEvent<'_>)| {
        let mut pieces = Pieces::new(feed);
        if let Some(comment) = comment {
            pieces.push(&header::global_comment(&comment));
        }
        let mut pack = Pack::new(options, pieces, cancel, on_event);
        source.visit(selection, &mut pack, cancel)?;
        pack.finish()
    };
    let (tally, totals) = pipeline::run(output, compression, |feed| {
        if options.estimate {
            estimate::beside(options.source, selection, on_event, |tell| produce(feed, tell))
        } else {
            produce(feed, on_event)
        }
    })?;
    Ok(summary(tally, totals, options.clock.now() - started))
}

fn selection(options: &CreateOptions<'_>, source: &Source) -> Selection {
    Selection {
        excludes: options.excludes.clone(),
        only_device: options.one_file_system.then(|| source.device()),
        own: HashSet::new(),
        output: None,
        lock: None,
    }
}

fn origin(options: &CreateOptions<'_>, source: &Source) -> Origin {
    Origin {
        host: options.host.to_owned(),
        source: source.real_path().to_owned(),
        started: options.clock.now(),
    }
}

/// Two sources must not share a name: each would count against the other's retention.
fn refuse_other_origin(
    ours: &Origin,
    folder: &Path,
    name: &BackupName,
) -> Result<(), ArchiveError> {
    let Some((_, newest)) = name.archives_in(folder)?.pop() else { return Ok(()) };
    // One that cannot be read says nothing; `verify` and `prune` deal with it.
    match origin_of(&newest) {
        Ok(Some(found)) if found.host != ours.host || found.source != ours.source => {
            Err(ArchiveError::OtherOrigin { newest, found: Box::new(found) })
        }
        _ => Ok(()),
    }
}

/// Takes earlier archives of this name, and those being written, out of the selection; and where the
/// folder lies in the source, those of other names that we made: each would hold the others.
fn add_own(
    selection: &mut Selection,
    folder: &Path,
    name: &BackupName,
    source: &Source,
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
        if (is_own || (is_inside && is_made_by_us(&entry.path())))
            && let Ok(stat) = statat(CWD, entry.path(), AtFlags::SYMLINK_NOFOLLOW)
        {
            selection.own.insert(Meta::from(stat).id);
        }
    }
    Ok(())
}

/// Returns whether a file is named as an archive and says itself that it is one of ours.
fn is_made_by_us(path: &Path) -> bool {
    path.file_name().is_some_and(|name| ArchiveName::parse(name).is_some())
        && matches!(origin_of(path), Ok(Some(_)))
}

fn is_of(name: &BackupName, file_name: &OsStr) -> bool {
    ArchiveName::parse(file_name).is_some_and(|found| found.name == *name)
}

fn summary(tally: Tally, totals: Totals, elapsed: time::Duration) -> CreateSummary {
    CreateSummary {
        bytes_in: tally.n_bytes,
        bytes_out: totals.n_packed,
        n_entries: tally.n_entries,
        n_files: tally.n_files,
        skipped: tally.skipped,
        changed: tally.changed,
        sha256: totals.sha256,
        elapsed: elapsed.unsigned_abs(),
    }
}

/// Counts what [`Pack`] would write.
struct Preview<'a> {
    on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    tally: Tally,
}

impl Visitor for Preview<'_> {
    type Stop = Cancelled;

    fn found(&mut self, found: &Found<'_>) -> Result<(), Cancelled> {
        (self.on_event)(CreateEvent::Packed(found.path));
        self.tally.n_entries += 1;
        if found.meta.kind == FileType::RegularFile {
            self.tally.n_files += 1;
            self.tally.n_bytes += found.meta.size;
        }
        Ok(())
    }

    fn left_out(&mut self, path: &Path, reason: &'static str) {
        self.tally.skip(
            LeftOut { path: path.to_owned(), reason: reason.to_owned(), is_fault: false },
            self.on_event,
        );
    }

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        self.tally.skip(
            LeftOut { path: path.to_owned(), reason: error.to_string(), is_fault: true },
            self.on_event,
        );
    }
}
