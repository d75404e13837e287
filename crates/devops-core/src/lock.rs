//! A lock on a folder: one process has it alone, or several share it.
//!
//! The lock is the kernel's (`flock`) on the hidden file [`FILE_NAME`] in the folder. It ends with the process
//! that holds it, however that one ends, so on one host there are no stale locks. The file holds a
//! [`LockOwner`] for others to read, and the last one to let go removes it.
//!
//! Over a network the kernel's word is not enough: some file systems lock for this host alone (NFS
//! mounted with `nolock`, most of FUSE), some not at all. There the holder also touches the file
//! every minute, and the note counts as well:
//!
//! - a note of this boot and process namespace whose process is gone is stale;
//! - any other is stale when it was not touched for ten minutes, by the clock of the file server. A host
//!   name proves nothing: containers share them.
//!
//! A stale lock is taken over, and the caller is told. Without any lock of the kernel a note is written,
//! and counts if it is still there a second later. That leaves a gap no file can close, so what is
//! locked must stay whole without the lock: it keeps processes out of each other's way.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use rustix::{
    fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fstat, openat, statat, unlinkat},
    io::Errno,
    process::{Pid, test_kill_process},
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cancel::{Cancel, Cancelled},
    fs::{IoResultExt, OpenFolder, PathError, read_text},
    kind::{HasKind, Kind},
};

mod storage;
mod touch;

use storage::{Host, Storage};
use touch::Touch;

/// The name of the file that is locked.
pub const FILE_NAME: &str = ".devops.lock";

/// A note larger than this is none of ours.
const NOTE_LIMIT: u64 = 4096;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a holder may be silent over a network.
const STALE_AFTER: Duration = Duration::from_mins(10);

/// Who may hold the lock beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Others that share it.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A process that holds a lock, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// Its process id.
    pub pid: u32,
    /// The name of its host.
    pub host: String,
    /// The time it was started, as RFC 3339.
    pub since: String,
    boot: String,
    pid_namespace: String,
}

impl LockOwner {
    /// Describes this process, started at `since` on the host whose root is `root`.
    pub fn this_process(root: &Path, host: &str, since: OffsetDateTime) -> Self {
        let boot = read_text(&root.join("proc/sys/kernel/random/boot_id"), 64).unwrap_or_default();
        let namespace = std::fs::read_link(root.join("proc/self/ns/pid")).unwrap_or_default();
        Self {
            pid: std::process::id(),
            host: host.to_owned(),
            since: since.format(&Rfc3339).unwrap_or_default(),
            boot: boot.trim().to_owned(),
            pid_namespace: namespace.to_string_lossy().into_owned(),
        }
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another host wrote it: it must not steer the terminal.
        let (host, since) = (self.host.escape_debug(), self.since.escape_debug());
        write!(f, "process {} on `{host}` since {since}", self.pid)
    }
}

/// What the file says about its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OwnerRecord {
    #[serde(flatten)]
    holder: LockOwner,
    mode: LockMode,
}

/// How a folder is to be locked.
#[derive(Clone, Copy, Debug)]
pub struct LockRequest<'a> {
    /// This process.
    pub holder: &'a LockOwner,
    /// Is set if others may share the lock.
    pub mode: LockMode,
    /// How long to wait for others to let go.
    pub wait: Duration,
}

/// An event while a folder is locked.
#[derive(Debug)]
pub enum LockEvent<'a> {
    /// The lock is held, and waited for.
    Waiting(Option<&'a LockOwner>),
    /// The lock was stale, and is ours now.
    StaleLockTaken(&'a LockOwner),
    /// The folder cannot be locked, and the work goes on without.
    Unlocked(&'static str),
}

/// The reason a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The folder or its lock file could not be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A signal came while waiting.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Something has the name of the lock file and is none.
    #[error("`{}` is {what}, and no lock", .path.display())]
    NotALock {
        /// The path of the lock file.
        path: PathBuf,
        /// The kind of thing that has the name.
        what: &'static str,
    },
    /// Somebody else has it.
    #[error("`{}` is locked by {}", .folder.display(), named(.holder.as_deref()))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who has it, if that could be read.
        holder: Option<Box<LockOwner>>,
    },
}

fn named(holder: Option<&LockOwner>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

impl HasKind for LockError {
    fn kind(&self) -> Kind {
        match self {
            Self::Path(error) => error.kind(),
            Self::Cancelled(error) => error.kind(),
            Self::NotALock { .. } => Kind::Denied,
            Self::Held { .. } => Kind::Temporary,
        }
    }
}

/// A folder that is locked until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    folder: OpenFolder,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    file: File,
    /// What we wrote, where only the note makes the lock.
    by_note: Option<Vec<u8>>,
    _touch: Option<Touch>,
}

impl FolderLock {
    /// Locks `folder`, which must exist.
    ///
    /// Where that is impossible (a lock file of another user, a full disk) the work goes on without, and
    /// `on_event` says why.
    pub fn acquire(
        folder: &Path,
        request: &LockRequest<'_>,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(LockEvent<'_>),
    ) -> Result<Self, LockError> {
        Self::acquire_in(&OpenFolder::open(folder)?, request, cancel, on_event)
    }

    /// Locks a folder that is open already; see [`acquire`](Self::acquire).
    pub fn acquire_in(
        folder: &OpenFolder,
        request: &LockRequest<'_>,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(LockEvent<'_>),
    ) -> Result<Self, LockError> {
        acquire_on(&Host, folder, request, cancel, on_event)
    }
}

fn acquire_on(
    storage: &dyn Storage,
    folder: &OpenFolder,
    request: &LockRequest<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(LockEvent<'_>),
) -> Result<FolderLock, LockError> {
    let note = OwnerRecord { holder: request.holder.clone(), mode: request.mode };
    let path = folder.path();
    let mut attempt = Attempt { storage, path, folder: folder.clone(), note, cancel };
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        cancel.check()?;
        let holder = match attempt.once(on_event)? {
            Answer::Ours(held) => return Ok(FolderLock { folder: attempt.folder, held }),
            Answer::Again => continue,
            Answer::Theirs(note) => note.map(|note| Box::new(note.holder)),
        };
        let left = request.wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(LockError::Held { folder: path.to_owned(), holder });
        }
        if pause == FIRST_PAUSE {
            on_event(LockEvent::Waiting(holder.as_deref()));
        }
        cancel.wait(pause.min(left))?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Attempt<'a> {
    storage: &'a dyn Storage,
    path: &'a Path,
    folder: OpenFolder,
    note: OwnerRecord,
    cancel: &'a Cancel,
}

enum Answer {
    /// The lock, or nothing where there is none to have.
    Ours(Option<Held>),
    Theirs(Option<OwnerRecord>),
    Again,
}

impl Attempt<'_> {
    fn once(&mut self, on_event: &mut dyn FnMut(LockEvent<'_>)) -> Result<Answer, LockError> {
        self.check_name()?;
        let mut file = match self.open() {
            Ok(file) => file,
            Err(Errno::ACCESS | Errno::PERM) if self.exists() => {
                on_event(LockEvent::Unlocked("its lock file belongs to another user"));
                return Ok(Answer::Ours(None));
            }
            Err(Errno::NOSPC | Errno::DQUOT) => {
                on_event(LockEvent::Unlocked("the disk is full"));
                return Ok(Answer::Ours(None));
            }
            Err(error) => return Err(error.at_lock(self.path)),
        };
        let operation = match self.note.mode {
            LockMode::Shared => FlockOperation::NonBlockingLockShared,
            LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let locked = self.storage.lock(&file, operation);
        // Another file may have got the name since it was looked at.
        self.check(&fstat(&file).map_err(|error| error.at_lock(self.path))?)?;
        match locked {
            Ok(()) if !self.is_current(&file) => Ok(Answer::Again),
            Ok(()) => self.locked(file, on_event),
            Err(Errno::WOULDBLOCK) => {
                // Of several that shared it, the one that wrote the note may be gone.
                let note = read_note(&mut file).filter(|note| self.runs_here(note) != Some(false));
                Ok(Answer::Theirs(note))
            }
            Err(Errno::INTR) => Ok(Answer::Again),
            Err(error) if is_unsupported(error) => self.by_note(file, on_event),
            Err(error) => Err(error.at_lock(self.path)),
        }
    }

    fn open(&self) -> Result<File, Errno> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        openat(&self.folder, FILE_NAME, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// Refuses what has the name, before it is opened.
    fn check_name(&self) -> Result<(), LockError> {
        match statat(&self.folder, FILE_NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.check(&stat),
            Err(_) => Ok(()),
        }
    }

    /// Refuses anything but a lock file: it is neither followed nor written to, since another user
    /// may have put it there to have another file overwritten.
    fn check(&self, stat: &Stat) -> Result<(), LockError> {
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink > 1 => "a file with other names",
            FileType::RegularFile => return Ok(()),
            FileType::Symlink => "a symbolic link",
            FileType::Directory => "a folder",
            _ => "no regular file",
        };
        Err(LockError::NotALock { path: self.path.join(FILE_NAME), what })
    }

    fn exists(&self) -> bool {
        statat(&self.folder, FILE_NAME, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Returns whether the open file still has its name: the last holder may have removed it.
    fn is_current(&self, file: &File) -> bool {
        is_named(&self.folder, file)
    }

    /// Decides what the kernel's lock is worth here.
    fn locked(
        &mut self,
        mut file: File,
        on_event: &mut dyn FnMut(LockEvent<'_>),
    ) -> Result<Answer, LockError> {
        let is_remote = self.storage.is_remote(&file);
        let theirs = read_note(&mut file);
        if is_remote && let Some(theirs) = &theirs {
            // Of our own boot the kernel knows better than any note.
            let is_foreign = theirs.holder.boot != self.note.holder.boot;
            let is_live = is_foreign && self.is_live(theirs, &file)?;
            if is_live && self.conflicts(theirs) {
                return Ok(Answer::Theirs(Some(theirs.clone())));
            }
            if is_foreign && !is_live {
                on_event(LockEvent::StaleLockTaken(&theirs.holder));
            }
        }
        let is_shared = theirs.is_some_and(|theirs| {
            !self.conflicts(&theirs) && self.runs_here(&theirs) == Some(true)
        });
        if !is_shared {
            // It only tells others who we are: the lock itself is the kernel's.
            let _written = self.write_note(&mut file);
        }
        let touch = if is_remote { Touch::start(&file) } else { None };
        Ok(Answer::Ours(Some(Held { file, by_note: None, _touch: touch })))
    }

    /// Locks where the kernel cannot.
    fn by_note(
        &mut self,
        mut file: File,
        on_event: &mut dyn FnMut(LockEvent<'_>),
    ) -> Result<Answer, LockError> {
        if let Some(theirs) = read_note(&mut file) {
            if !self.is_live(&theirs, &file)? {
                on_event(LockEvent::StaleLockTaken(&theirs.holder));
            } else if self.conflicts(&theirs) {
                return Ok(Answer::Theirs(Some(theirs)));
            } else {
                // The note of another that shares it stands for both.
                return Ok(Answer::Ours(None));
            }
        }
        let ours = match self.write_note(&mut file) {
            // A full disk must not keep prune from making room.
            Err(error) if is_full(&error) => {
                on_event(LockEvent::Unlocked("the disk is full"));
                return Ok(Answer::Ours(None));
            }
            written => written.at(self.path, "lock")?,
        };
        self.cancel.wait(self.storage.settling())?;
        // Opened again, since a network file system may answer from its cache.
        let again = self.open().ok().and_then(|mut file| read_note(&mut file));
        if again.as_ref() != Some(&self.note) {
            return Ok(Answer::Theirs(again));
        }
        let touch = Touch::start(&file);
        Ok(Answer::Ours(Some(Held { file, by_note: Some(ours), _touch: touch })))
    }

    fn conflicts(&self, theirs: &OwnerRecord) -> bool {
        theirs.mode == LockMode::Exclusive || self.note.mode == LockMode::Exclusive
    }

    /// Returns whether the process of a note runs; `None` where its number means nothing.
    fn runs_here(&self, note: &OwnerRecord) -> Option<bool> {
        let (ours, theirs) = (&self.note.holder, &note.holder);
        let is_here = ours.boot == theirs.boot && ours.pid_namespace == theirs.pid_namespace;
        is_here.then(|| is_running(theirs.pid))
    }

    fn is_live(&self, note: &OwnerRecord, file: &File) -> Result<bool, PathError> {
        if self.runs_here(note) == Some(false) {
            return Ok(false);
        }
        let touched = file.metadata().and_then(|metadata| metadata.modified());
        let touched = touched.at(self.path, "lock")?;
        // A file made now carries the time of the server's clock, which may not be ours.
        let now =
            match tempfile::tempfile_in(self.path).and_then(|file| file.metadata()?.modified()) {
                Err(error) if is_full(&error) => SystemTime::now(),
                now => now.at(self.path, "lock")?,
            };
        Ok(now.duration_since(touched).is_ok_and(|silence| silence < STALE_AFTER) || now < touched)
    }

    fn write_note(&self, file: &mut File) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(&self.note).map_err(io::Error::from)?;
        text.push(b'\n');
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&text)?;
        Ok(text)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

trait AtLock {
    fn at_lock(self, folder: &Path) -> LockError;
}

impl AtLock for Errno {
    fn at_lock(self, folder: &Path) -> LockError {
        let failed: Result<(), Self> = Err(self);
        failed.at(folder, "lock").expect_err("it is an error").into()
    }
}

/// Returns whether an error says that this file system has no locks.
pub(crate) fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL)
}

fn is_named(folder: impl AsFd, file: &File) -> bool {
    let named = statat(folder, FILE_NAME, AtFlags::SYMLINK_NOFOLLOW);
    match (fstat(file), named) {
        (Ok(open), Ok(named)) => (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

fn is_running(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    // One of another user may not be asked, but is there.
    test_kill_process(pid) != Err(Errno::SRCH)
}

fn read_note(file: &mut File) -> Option<OwnerRecord> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(NOTE_LIMIT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let is_last = if let Some(ours) = &held.by_note {
            let mut text = Vec::new();
            let read = held.file.rewind().and_then(|()| held.file.read_to_end(&mut text));
            read.is_ok() && text == *ours
        } else {
            let operation = FlockOperation::NonBlockingLockExclusive;
            rustix::fs::flock(&held.file, operation).is_ok()
        };
        if is_last && is_named(&self.folder, &held.file) {
            // What stays behind is taken over by the next one.
            let _removed = unlinkat(&self.folder, FILE_NAME, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
