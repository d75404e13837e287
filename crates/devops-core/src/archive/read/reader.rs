//! Reads tar archives of any make: v7, ustar, GNU and pax, plain or gzipped, in one or many members.
//!
//! `input` makes bytes of a file, `entries` makes entries of bytes; this joins the two with the path and
//! judges how the archive ends. Memory does not grow with the archive. A size in a pax record wins over
//! the header's, and what is malformed is an error: an archive that two readers understand differently
//! can hide entries.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile, unread},
        content_hash::ContentHash,
        entry::Entry,
    },
};
use crate::{
    archive_index::Origin,
    cancel::{Cancel, Cancelled},
};

mod donor;
mod entries;
mod fields;
mod heal;
mod indexed;
mod input;
mod number;
mod owner_names;
mod pax;
mod resync;
mod segments;
mod sparse;

use entries::{Ending, Entries, Fault};
pub use heal::Healed;
pub(in crate::archive) use heal::{HealedSegments, Healer, summed};
pub(in crate::archive) use indexed::{Expected, IndexedArchive, agrees};
use input::Input;
pub(in crate::archive) use segments::Segments;

/// Reads one archive from its beginning to its end, and as [`Read`] the content of its current entry.
pub(in crate::archive) struct Reader {
    path: PathBuf,
    entries: Entries<Input>,
    /// What the index says of the entries to come.
    expected: Option<Expected>,
    expected_hash: Option<ContentHash>,
    notes: Vec<&'static str>,
    is_over: bool,
}

impl Reader {
    /// Opens an archive to prove every byte of it.
    pub(in crate::archive) fn open_for_verify(
        archive: Archive<'_>,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let (path, stored) = (archive.path, ArchiveFile::open(archive)?);
        let Some(indexed) = IndexedArchive::open(&stored) else {
            return Self::stream(path, stored, cancel);
        };
        let indexed = Arc::new(indexed);
        let segments = Segments::all(Arc::clone(&indexed), true);
        let entries = Entries::new(Input::segments(segments, cancel));
        Ok(Self::new(path, entries, Some(Expected::new(indexed, None))))
    }

    /// Reads what is in these segments, wherever [`entry_at`](Self::entry_at) is told that an entry is.
    pub(in crate::archive) fn scattered(path: &Path, segments: Segments, cancel: &Cancel) -> Self {
        let entries = Entries::new(Input::segments(segments, cancel));
        Self::new(path, entries, None)
    }

    /// Reads from the first byte on, and as GNU tar does what readers understand differently.
    pub(in crate::archive) fn lenient(
        path: &Path,
        stored: ArchiveFile,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let input = Input::new(stored, cancel).map_err(|error| unread(path, 0, error))?;
        Ok(Self::new(path, Entries::new(input.tolerant()).lenient(), None))
    }

    /// Reads from the first byte on.
    pub(in crate::archive) fn stream(
        path: &Path,
        stored: ArchiveFile,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let input = Input::new(stored, cancel).map_err(|error| unread(path, 0, error))?;
        Ok(Self::new(path, Entries::new(input), None))
    }

    fn new(path: &Path, entries: Entries<Input>, expected: Option<Expected>) -> Self {
        Self {
            path: path.to_owned(),
            entries,
            expected,
            expected_hash: None,
            notes: Vec::new(),
            is_over: false,
        }
    }

    /// Returns the hash the index has for the content of the current entry.
    pub(in crate::archive) fn expected_hash(&self) -> Option<ContentHash> {
        self.expected_hash
    }

    pub(in crate::archive) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails once a signal has come, for those who do long work without reading.
    pub(in crate::archive) fn check_cancel(&self) -> Result<(), Cancelled> {
        self.entries.input().check_cancel()
    }

    /// Returns how many bytes of the file were taken so far.
    pub(in crate::archive) fn n_taken(&self) -> u64 {
        self.entries.input().n_taken()
    }

    /// Returns where the archive came from, once the first entry was read.
    pub(in crate::archive) fn origin(&self) -> Option<&Origin> {
        self.entries.origin()
    }

    /// Returns how many entries were begun.
    pub(in crate::archive) fn n_entries(&self) -> u64 {
        self.entries.n_entries()
    }

    /// Returns what is odd about the archive and no damage, once its end was read.
    pub(in crate::archive) fn notes(&self) -> &[&'static str] {
        &self.notes
    }

    /// Returns the next entry; at the end, after the checksum of the whole file held, `None`.
    pub(in crate::archive) fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        match self.entries.next_entry() {
            Ok(Some(entry)) => self.agreed(entry).map(Some),
            Ok(None) if self.is_over => Ok(None),
            Ok(None) => {
                self.is_over = true;
                // Zeros alone end a tar, but a file of nothing else is what a crash leaves, and disk images
                // begin with them.
                if !self.entries.has_header() && self.entries.input().n_members() == 0 {
                    return Err(self.error(Fault::NotTar));
                }
                if self.expected.as_mut().is_some_and(|expected| expected.next().is_some()) {
                    return Err(self.damaged("its index names more entries than there are"));
                }
                self.end().map(|()| None)
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Demands that the tar and the index say the same: somebody may have been shown the other.
    fn agreed(&mut self, mut entry: Entry) -> Result<Entry, ArchiveError> {
        let Some(expected) = &mut self.expected else { return Ok(entry) };
        let next = expected.next();
        self.expected_hash = next.as_ref().and_then(|next| next.hash);
        let is_agreed = next.is_some_and(|next| agrees(&mut entry, next));
        if is_agreed { Ok(entry) } else { Err(self.damaged("its index says something else")) }
    }

    /// Returns the entry that begins at byte `tar_offset` of the tar; `None` when there is none.
    ///
    /// Places must be asked for in their order. Only bytes that cannot be read are an error.
    pub(in crate::archive) fn entry_at(
        &mut self,
        tar_offset: u64,
    ) -> Result<Option<Entry>, ArchiveError> {
        let found = self.entries.input_mut().skip_to(tar_offset).map_err(Fault::Stream);
        let next = found.and_then(|is_found| {
            self.entries.restart(Vec::new());
            if is_found { self.entries.next_entry() } else { Ok(None) }
        });
        match next {
            Ok(entry) => Ok(entry),
            Err(fault @ Fault::Stream(_)) => Err(self.error(fault)),
            Err(Fault::Damaged(_) | Fault::NotTar) => Ok(None),
        }
    }

    /// Leaves what is there of the current entry.
    pub(in crate::archive) fn forget_entry(&mut self) {
        self.entries.forget();
    }

    /// Returns the segments that are read, if any are.
    pub(in crate::archive) fn segments(&mut self) -> Option<&mut Segments> {
        self.entries.input_mut().as_segments()
    }

    /// Reads the segments that are left, and compares the checksum of the whole.
    pub(in crate::archive) fn finish_segments(&mut self) -> Result<(), ArchiveError> {
        let finished = self.entries.input_mut().finish_segments();
        finished.map_err(|error| self.error(Fault::Stream(error)))
    }

    /// Goes on at the next entry behind damage; returns how many bytes were passed over, or `None` when
    /// nothing more can be read. `has_failed` says that it was the input that could not be read.
    pub(in crate::archive) fn resync(
        &mut self,
        has_failed: bool,
    ) -> Result<Option<u64>, ArchiveError> {
        self.entries.resync(has_failed).map_err(|fault| self.error(fault))
    }

    /// Returns whether the end of the tar was read.
    pub(in crate::archive) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes what readers understand differently of the current entry.
    pub(in crate::archive) fn take_doubt(&mut self) -> Option<&'static str> {
        self.entries.take_doubt()
    }

    /// Reads stored content of the current entry; 0 at its end. Of a sparse file these are its extents,
    /// one behind the other.
    pub(in crate::archive) fn read_content(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, ArchiveError> {
        self.entries.read_content(buffer).map_err(|fault| self.error(fault))
    }

    /// Reads what follows the end of the tar: only then has the gzip checksum been compared.
    fn end(&mut self) -> Result<(), ArchiveError> {
        match self.entries.ending() {
            Some(Ending::Marked) | None => {}
            Some(Ending::LoneBlock) => self.note("one block of zeros ends it in place of two")?,
            Some(Ending::Unmarked) if self.entries.input().has_garbage() => {
                return Err(self.damaged("it breaks off, and something else follows"));
            }
            Some(Ending::Unmarked) => self.note("it ends without the end mark")?,
        }
        if self.expected.is_none() && self.origin().is_some() {
            self.notes.push("its index is missing or damaged, so reading it takes longer");
        }
        let n_members = self.entries.input().n_members();
        let has_more = match self.has_more() {
            // The member with the tar is whole; what a later one would add is nothing to a tar.
            Err(ArchiveError::Damaged { .. }) if self.entries.input().n_members() > n_members => {
                self.notes.push("what follows its end is cut off or damaged");
                false
            }
            other => other?,
        };
        if has_more && !self.entries.has_header() {
            return Err(self.error(Fault::NotTar));
        }
        if has_more {
            self.note("bytes behind its end mark were not read as entries")?;
        }
        if self.entries.input().has_garbage() {
            self.notes.push("garbage behind its end was ignored");
        }
        Ok(())
    }

    /// Reads the rest; returns whether it holds anything but zeros.
    fn has_more(&mut self) -> Result<bool, ArchiveError> {
        let mut buffer = [0; 16 << 10];
        let mut has_more = false;
        loop {
            match self.entries.input_mut().read(&mut buffer) {
                Ok(0) => return Ok(has_more),
                Ok(n) => has_more |= buffer[..n].iter().any(|&byte| byte != 0),
                Err(error) => return Err(self.error(Fault::Stream(error))),
            }
        }
    }

    /// Notes what other writers do; in an archive of ours it is damage.
    fn note(&mut self, note: &'static str) -> Result<(), ArchiveError> {
        if self.origin().is_some() {
            return Err(self.damaged(note));
        }
        self.notes.push(note);
        Ok(())
    }

    fn error(&self, fault: Fault) -> ArchiveError {
        let error = match fault {
            Fault::NotTar => return ArchiveError::NotAnArchive { path: self.path.clone() },
            Fault::Damaged(reason) => return self.damaged(reason),
            Fault::Stream(error) => error,
        };
        match error.downcast::<Cancelled>() {
            Ok(cancelled) => cancelled.into(),
            Err(error) => unread(&self.path, self.n_entries(), error),
        }
    }

    pub(in crate::archive) fn damaged(&self, reason: impl Into<String>) -> ArchiveError {
        ArchiveError::Damaged {
            path: self.path.clone(),
            n_entries: self.n_entries(),
            reason: reason.into(),
        }
    }
}

impl Read for Reader {
    /// Reads stored content of the current entry; an error holds an [`ArchiveError`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_content(buffer).map_err(io::Error::other)
    }
}
