//! Opens the file of an entry, and tells whether it changed while it was read.

use std::{fs::File, io};

use rustix::{
    fs::{FileType, Mode, OFlags, SeekFrom, fstat, openat, seek},
    io::{Errno, dup},
};

use super::pending_entry::{PendingEntry, identity};
use crate::archive::format::{entry::Entry, stat::Meta};

/// The reason a file that was found could not be opened.
pub(super) enum OpenError {
    /// Something else has its name now.
    Replaced,
    Failed(Errno),
}

/// Opens a file that was found.
pub(super) fn open(pending: &PendingEntry) -> Result<(File, Meta), OpenError> {
    if pending.is_stream {
        return reopened(pending).map_err(OpenError::Failed);
    }
    // NONBLOCK, lest a FIFO put in its place makes us wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(&pending.folder, &pending.name, flags | OFlags::NOCTTY, Mode::empty())
        .map_err(OpenError::Failed)?;
    let meta = fstat(&fd).map(Meta::from).map_err(OpenError::Failed)?;
    if meta.kind == FileType::RegularFile {
        Ok((File::from(fd), meta))
    } else {
        Err(OpenError::Replaced)
    }
}

/// Returns a stream from its beginning on.
pub(super) fn reopened(pending: &PendingEntry) -> Result<(File, Meta), Errno> {
    let file = File::from(dup(&pending.folder)?);
    seek(&file, SeekFrom::Start(0))?;
    let meta = fstat(&file).map(Meta::from)?;
    Ok((file, meta))
}

/// Returns the change of a file that gave fewer or more bytes than its size.
pub(super) fn after_content(
    entry: &Entry,
    n_read: u64,
    reader: &mut dyn io::Read,
) -> Option<&'static str> {
    if n_read < entry.size {
        return Some("shrank while being read; the rest is zeros");
    }
    let has_more = matches!(reader.read(&mut [0]), Ok(1));
    has_more.then_some("grew while being read; cut at its first size")
}

/// Returns whether a file is still the same in every respect, and what was done to its content.
pub(super) fn changes(file: &File, before: &Meta) -> (bool, Option<&'static str>) {
    let Ok(after) = fstat(file).map(Meta::from) else { return (false, None) };
    // A hard link made elsewhere changes the ctime only, and no content.
    let is_written = after.mtime != before.mtime || after.size != before.size;
    let is_same = !is_written && identity(&after) == identity(before);
    (is_same, is_written.then_some("was written to while being read"))
}
