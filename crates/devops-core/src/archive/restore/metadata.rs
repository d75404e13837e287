//! Gives what was made its owner, attributes, mode and time, always through a handle.
//!
//! Owners go by their names: on another host, or after a reinstall, a service has another number.
//!
//! The order matters: a new owner clears setuid bits and capabilities, `user.*` attributes need the
//! permission to write, which the mode may take away, and everything but the time changes the time.

use std::{
    collections::HashSet,
    os::fd::{AsRawFd, BorrowedFd},
    sync::{Mutex, PoisonError},
};

use rustix::{
    fs::{
        AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmod, chownat,
        fchmod, fchown, fsetxattr, fstat, futimens, setxattr, utimensat,
    },
    io::Errno,
};

use super::{entry_error::EntryWarning, options::RestoreOptions};
use crate::archive::format::{
    entry::{Entry, EntryKind, Timestamp, Xattr},
    owner_names::OwnerNames,
    stat::Meta,
};

/// Set-id bits.
const SET_ID: u32 = 0o6000;

/// Knows what may be restored, and what was said already.
pub(super) struct MetadataRestorer {
    is_root: bool,
    is_privileged: bool,
    /// Those of this host.
    names: OwnerNames,
    said: Mutex<HashSet<Topic>>,
}

/// The remarks that are made once for all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Attributes(Sort),
    Property(&'static str),
    HardLinks,
}

/// Sorts of attributes, by who may set them and what they mean to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    /// `user.*`.
    User,
    /// POSIX ACLs.
    Acl,
    /// An ACL in a form that cannot be set.
    NamedAcl,
    /// `security.capability`: as powerful as setuid.
    Capability,
    /// `trusted.*`, and what else only root sets.
    Trusted,
    /// Other `security.*`: what the policy of a host says, and will say again.
    Label,
    /// Those of other systems.
    Foreign,
}

/// A handle to a restored entry.
#[derive(Clone, Copy)]
enum Handle<'a> {
    /// Open for reading or writing.
    Open(BorrowedFd<'a>),
    /// For its metadata alone: links, FIFOs and devices must not be opened.
    Path(BorrowedFd<'a>),
}

impl MetadataRestorer {
    pub(super) fn new(options: &RestoreOptions<'_>) -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let by_name = is_root && !options.numeric_owner;
        let names = if by_name { OwnerNames::read(options.root) } else { OwnerNames::default() };
        Self { is_root, is_privileged: options.privileged, names, said: Mutex::default() }
    }

    /// Dresses a file or a folder that is open.
    pub(super) fn open(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Vec<EntryWarning> {
        self.restore_metadata(Handle::Open(fd), entry)
    }

    /// Dresses a symbolic link, a FIFO or a device.
    pub(super) fn path(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Vec<EntryWarning> {
        self.restore_metadata(Handle::Path(fd), entry)
    }

    fn restore_metadata(&self, handle: Handle<'_>, entry: &Entry) -> Vec<EntryWarning> {
        let mut notes = Vec::new();
        let has_owner = self.owner(handle, entry, &mut notes);
        let is_early = |xattr: &&Xattr| Sort::of(&xattr.name) == Sort::User;
        for xattr in entry.xattrs.iter().filter(is_early) {
            notes.extend(self.xattr(handle, xattr));
        }
        self.mode(handle, entry, has_owner, &mut notes);
        for xattr in entry.xattrs.iter().filter(|xattr| !is_early(xattr)) {
            if !has_owner && Sort::of(&xattr.name) == Sort::Capability {
                notes.push(left_off(xattr, "its owner could not be set"));
            } else {
                notes.extend(self.xattr(handle, xattr));
            }
        }
        notes.extend(self.noted("time", handle.set_times(&times(entry.mtime))));
        notes
    }

    /// Sets the owner; returns whether there is the one that should be. Only root gives files away.
    fn owner(&self, handle: Handle<'_>, entry: &Entry, notes: &mut Vec<EntryWarning>) -> bool {
        if !self.is_root {
            return true;
        }
        // The largest number means "leave it" to the system.
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let uid = self.names.uid(&entry.uname).or_else(|| id(entry.uid));
        let gid = self.names.gid(&entry.gname).or_else(|| id(entry.gid));
        let Some((uid, gid)) = uid.zip(gid) else {
            notes.push(EntryWarning::fault("its owner has no number this system knows"));
            return false;
        };
        let owned = handle.set_owner(Uid::from_raw(uid), Gid::from_raw(gid));
        notes.extend(self.noted("owner", owned));
        owned.is_ok()
    }

    fn mode(
        &self,
        handle: Handle<'_>,
        entry: &Entry,
        has_owner: bool,
        notes: &mut Vec<EntryWarning>,
    ) {
        if matches!(entry.kind, EntryKind::Symlink { .. }) {
            return;
        }
        let mut mode = entry.mode & 0o7777;
        if mode & SET_ID != 0 && !(self.is_privileged && has_owner) {
            notes.push(EntryWarning::fault("its setuid and setgid bits were taken off"));
            mode &= !SET_ID;
        }
        notes.extend(self.noted("mode", handle.set_mode(Mode::from_raw_mode(mode))));
    }

    fn xattr(&self, handle: Handle<'_>, xattr: &Xattr) -> Option<EntryWarning> {
        let sort = Sort::of(&xattr.name);
        match sort {
            Sort::Foreign => {
                return self.once(Topic::Attributes(sort), || {
                    EntryWarning::remark(
                        left_off(xattr, "it belongs to another system").reason + SAID_ONCE,
                    )
                });
            }
            Sort::NamedAcl => {
                return Some(left_off(xattr, "it names users or groups without their numbers"));
            }
            Sort::Label if !self.is_privileged => {
                return self.once(Topic::Attributes(sort), || {
                    let reason = left_off(xattr, "this host gives its own").reason;
                    EntryWarning::remark(reason + SAID_ONCE)
                });
            }
            Sort::Capability | Sort::Trusted if !self.is_privileged => {
                return Some(left_off(xattr, "only a privileged restore sets it"));
            }
            _ => {}
        }
        match handle.set_xattr(xattr) {
            Ok(()) => None,
            // What the file system does not take at all is said once, not for a million files.
            Err(Errno::NOTSUP) => self.once(Topic::Attributes(sort), || {
                let reason = left_off(xattr, "the file system takes none of its sort").reason;
                EntryWarning { reason: reason + SAID_ONCE, is_fault: sort != Sort::Label }
            }),
            Err(error) => Some(left_off(xattr, &error.to_string())),
        }
    }

    /// Returns whether an attribute of this name is one that a restore sets.
    pub(super) fn sets(&self, name: &[u8]) -> bool {
        match Sort::of(name) {
            Sort::User | Sort::Acl => true,
            Sort::Capability | Sort::Trusted | Sort::Label => self.is_privileged,
            Sort::NamedAcl | Sort::Foreign => false,
        }
    }

    /// Says that further names of files are copies, and why.
    pub(super) fn once_of_links(&self, error: Errno) -> Option<EntryWarning> {
        self.once(Topic::HardLinks, || {
            EntryWarning::remark(format!(
                "a copy, since no hard link can be made: {error}{SAID_ONCE}"
            ))
        })
    }

    /// Names a property that could not be set; once for all entries where the file system sets it for none.
    fn noted(&self, what: &'static str, result: rustix::io::Result<()>) -> Option<EntryWarning> {
        let error = result.err()?;
        let note = EntryWarning::fault(format!("its {what} could not be set: {error}"));
        match error {
            // What this run made is its own, so the file system takes none.
            Errno::PERM | Errno::NOTSUP | Errno::NOSYS => {
                let reason = note.reason + SAID_ONCE;
                self.once(Topic::Property(what), || EntryWarning::fault(reason))
            }
            _ => Some(note),
        }
    }

    fn once(&self, topic: Topic, note: impl FnOnce() -> EntryWarning) -> Option<EntryWarning> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(topic).then(note)
    }
}

const SAID_ONCE: &str = "; said once for all entries";

impl Sort {
    fn of(name: &[u8]) -> Self {
        match name {
            b"system.posix_acl_access" | b"system.posix_acl_default" => Self::Acl,
            b"SCHILY.acl.access" | b"SCHILY.acl.default" => Self::NamedAcl,
            b"security.capability" => Self::Capability,
            _ if name.starts_with(b"user.") => Self::User,
            _ if name.starts_with(b"security.") => Self::Label,
            _ if name.starts_with(b"trusted.") || name.starts_with(b"system.") => Self::Trusted,
            _ => Self::Foreign,
        }
    }
}

impl Handle<'_> {
    fn set_owner(self, uid: Uid, gid: Gid) -> rustix::io::Result<()> {
        let set = match self {
            Self::Open(fd) => fchown(fd, Some(uid), Some(gid)),
            Self::Path(fd) => chownat(fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH),
        };
        let owner = (u64::from(uid.as_raw()), u64::from(gid.as_raw()));
        set.or_else(|error| self.unless(error, |meta| (meta.uid, meta.gid) == owner))
    }

    fn set_mode(self, mode: Mode) -> rustix::io::Result<()> {
        let set = match self {
            Self::Open(fd) => fchmod(fd, mode),
            // Without /proc it cannot get another.
            Self::Path(fd) => chmod(named(fd), mode),
        };
        set.or_else(|error| self.unless(error, |meta| meta.mode == mode.as_raw_mode()))
    }

    /// Returns the error, unless what is there is so already: some file systems let nothing be set.
    fn unless(self, error: Errno, is_so: impl Fn(&Meta) -> bool) -> rustix::io::Result<()> {
        let (Self::Open(fd) | Self::Path(fd)) = self;
        if is_so(&Meta::from(fstat(fd)?)) { Ok(()) } else { Err(error) }
    }

    fn set_xattr(self, xattr: &Xattr) -> rustix::io::Result<()> {
        let (name, value, flags) = (xattr.name.as_slice(), &xattr.value, XattrFlags::empty());
        match self {
            Self::Open(fd) => fsetxattr(fd, name, value, flags),
            Self::Path(fd) => setxattr(named(fd), name, value, flags),
        }
    }

    fn set_times(self, times: &Timestamps) -> rustix::io::Result<()> {
        match self {
            Self::Open(fd) => futimens(fd, times),
            Self::Path(fd) => match utimensat(fd, "", times, AtFlags::EMPTY_PATH) {
                // Before Linux 5.8.
                Err(Errno::INVAL) => utimensat(CWD, named(fd), times, AtFlags::empty()),
                other => other,
            },
        }
    }
}

/// Returns the name of a handle that calls without one for handles take.
fn named(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn left_off(xattr: &Xattr, why: &str) -> EntryWarning {
    EntryWarning::fault(format!(
        "its attribute `{}` was left off: {why}",
        xattr.name.escape_ascii()
    ))
}

fn times(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
    }
}
