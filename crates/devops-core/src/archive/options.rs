//! The options of creating an archive.

use std::{path::Path, time::Duration};

use rustix::fs::stat;

use crate::archive::{
    format::{
        compress::Level,
        encryption::Recipients,
        stat::{FileId, Meta},
    },
    scan::{exclude::Excludes, file_io::FileIo, ignore_files::ExcludeMarkers, stream::Stream},
};
use crate::{clock::Clock, fs::OpenFolder, lock::LockRequest};

/// The settings of an archive.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct CreateOptions<'a> {
    /// The folder, whose content is stored relative to it, or the one file.
    pub source: &'a Path,
    /// A stream to archive in its place.
    pub stream: Option<Stream<'a>>,
    /// The folder that must hold the source and the archives, wherever links lead; `None` for any.
    pub within: Option<&'a OpenFolder>,
    /// The patterns for things to leave out.
    pub excludes: Excludes,
    /// The marks in the source that leave things out as well.
    pub exclude_markers: ExcludeMarkers,
    /// Is set to stay on the source's file system.
    pub one_file_system: bool,
    /// The compression level.
    pub level: Level,
    /// The number of threads that compress; the bytes do not depend on it.
    pub n_threads: usize,
    /// Is set to copy what is unchanged from an earlier archive of the name.
    pub reuse: bool,
    /// The differences of a file that still counts as unchanged.
    pub ignored: IgnoredChanges,
    /// Is set to copy also from archives that others could have written.
    pub reuse_from_any: bool,
    /// Is set if archives of all owners count as earlier ones of the name.
    pub any_owner: bool,
    /// The root of this host, for its lists of users and groups.
    pub root: &'a Path,
    /// The folder for what this host found out about archives, if there is one.
    pub state: Option<&'a Path>,
    /// The permission bits of the archive.
    pub mode: u32,
    /// The group of the archive; `None` leaves it as the folder has it.
    pub group: Option<u32>,
    /// The time that repeated reads of files that change, and the pauses between them, may take in all.
    pub reread_budget: Duration,
    /// Is set to find out the bytes ahead, in parallel if need be, for [`CreateEvent::Total`](super::CreateEvent::Total).
    pub estimate: bool,
    /// The name of this host, recorded in the archive, or the one that it is given.
    pub host: &'a str,
    /// The hash of the id of this machine, if the host goes by its own name: it tells machines of one
    /// name apart.
    pub machine: Option<&'a str>,
    /// The source that the archive is said to be of; `None` for [`source`](Self::source) as given.
    pub source_as: Option<&'a Path>,
    /// Leaves out what differs from run to run and from host to host.
    pub reproducible: Option<Reproducible>,
    /// Tells when the work began.
    pub clock: &'a dyn Clock,
    /// Whom to encrypt it to; `None` leaves it readable.
    pub encryption: Option<&'a Recipients>,
    /// The folder of plain copies, for encrypted archives to be made from; `None` keeps none.
    pub copies: Option<ReuseCache<'a>>,
    /// Is set to hash the archive for [`CreateSummary::sha256`](super::CreateSummary::sha256).
    pub sha256: bool,
    /// Stands between the archive and the files.
    pub file_io: &'a dyn FileIo,
    /// The request for the lock of the folder; `None` if the caller has locked it, or does without.
    pub lock: Option<LockRequest<'a>>,
}

/// The differences of a file that still counts as unchanged, for file systems that make them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoredChanges {
    /// The number of the inode: a file that replaced another of its size and times is not seen.
    pub inode: bool,
    /// The time of the last status change: neither content that was changed without another size or
    /// modification time is seen, nor attributes.
    pub ctime: bool,
}

/// The settings for the same bytes from the same files anywhere: owners 0, no host, source or time.
#[derive(Clone, Copy, Debug)]
pub struct Reproducible {
    /// Later modification times, in seconds since 1970, are set to this one.
    pub latest_mtime: Option<i64>,
}

/// The cache of unencrypted copies.
#[derive(Clone, Copy, Debug)]
pub struct ReuseCache<'a> {
    /// The folder, made if missing. Nothing of it goes into an archive.
    pub folder: &'a Path,
    /// Is set if an encrypted archive leaves a copy there; if not, that of an earlier one is removed.
    pub keep: bool,
}

impl ReuseCache<'_> {
    /// Returns which file the folder is, if there is one.
    pub(super) fn folder_id(&self) -> Option<FileId> {
        stat(self.folder).ok().map(|stat| Meta::from(stat).id)
    }
}
