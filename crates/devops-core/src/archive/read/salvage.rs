//! Reads all of an archive that can be read, and says what cannot.
//!
//! [`Reader`] stops at the first thing that is not as it must be, which is right for a proof. Here damage costs
//! what lies in it: with an index each entry is read at its place, whatever became of those before it, another
//! archive may hold what is lost, and what has no content is known without its header; without an index the
//! next sound header behind the damage is looked for.

use std::{
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::reader::{Expected, HealedSegments, Healer, IndexedArchive, Reader, Segments, agrees};
use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile},
        block::BLOCK,
        entry::Entry,
        index::{Index, IndexEntry},
    },
};
use crate::{
    archive_index::Origin,
    cancel::{Cancel, Cancelled},
    units::{agree, count},
};

/// The size of a header.
const HEADER: u64 = BLOCK as u64;

/// The entries that are needed, by number and path.
pub(in crate::archive) type IsWanted<'a> = &'a mut dyn FnMut(u64, &Path) -> bool;

/// The next thing that is found.
pub(in crate::archive) enum Found {
    /// An entry; its content may still turn out to be lost.
    Entry(Entry),
    /// Something that is lost.
    Lost(Lost),
}

/// Something that is lost.
pub(in crate::archive) struct Lost {
    /// Its path, where anything knows it.
    pub(in crate::archive) path: Option<PathBuf>,
    /// The reason.
    pub(in crate::archive) reason: String,
}

/// Reads what is whole of an archive, and as [`Read`] the content of its current entry.
pub(in crate::archive) struct Salvage {
    reader: Reader,
    /// The entries to come, by the index.
    expected: Option<Expected>,
    cancel: Cancel,
    /// Is set if other archives stand in for what is damaged.
    is_healing: bool,
    /// The number of the current entry.
    number: u64,
    /// Entries before this number came already.
    first: u64,
    /// Is set if the content of the current entry could not be read to its end.
    is_broken: bool,
    is_over: bool,
    n_lost: u64,
    /// The first damage.
    damage: Option<ArchiveError>,
    doubt: Option<String>,
    healed: HealedSegments,
}

impl Salvage {
    /// Opens an archive to read all of it; archives in the folder `heal` stand in for what is damaged.
    pub(in crate::archive) fn open(
        archive: Archive<'_>,
        heal: Option<&Path>,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        Self::open_some(archive, heal, cancel, None)
    }

    /// Opens an archive of which only entries that are wanted need come; without an index all come.
    pub(in crate::archive) fn open_some(
        archive: Archive<'_>,
        heal: Option<&Path>,
        cancel: &Cancel,
        is_wanted: Option<IsWanted<'_>>,
    ) -> Result<Self, ArchiveError> {
        let (path, stored) = (archive.path, ArchiveFile::open_tolerant(archive)?);
        let healer = match heal {
            Some(folder) => Healer::open(folder, archive, &stored, cancel)?,
            None => Healer::alone(archive, cancel),
        };
        let Some(indexed) = IndexedArchive::open(&stored) else {
            let reader = Reader::lenient(path, stored, cancel)?;
            return Ok(Self::new(reader, None, cancel));
        };
        let indexed = Arc::new(indexed);
        let (segments, numbers) = match is_wanted {
            None => (Segments::all(Arc::clone(&indexed), false), None),
            Some(is_wanted) => {
                let (numbers, ranges) = choose(&indexed.index, is_wanted);
                (Segments::some(Arc::clone(&indexed), &ranges), Some(numbers))
            }
        };
        let is_healing = healer.has_folder();
        let reader = Reader::scattered(path, segments.tolerant(healer), cancel);
        let expected = Some(Expected::new(indexed, numbers));
        Ok(Self { is_healing, ..Self::new(reader, expected, cancel) })
    }

    fn new(reader: Reader, expected: Option<Expected>, cancel: &Cancel) -> Self {
        Self {
            reader,
            expected,
            cancel: cancel.clone(),
            is_healing: false,
            number: 0,
            first: 0,
            is_broken: false,
            is_over: false,
            n_lost: 0,
            damage: None,
            doubt: None,
            healed: HealedSegments::new(),
        }
    }

    /// Returns the number of the current entry in the archive.
    pub(in crate::archive) fn number(&self) -> u64 {
        self.number
    }

    /// Fails once a signal has come, for those who do long work without reading.
    pub(in crate::archive) fn check_cancel(&self) -> Result<(), Cancelled> {
        self.reader.check_cancel()
    }

    /// Returns how many bytes of the file were taken so far.
    pub(in crate::archive) fn n_taken(&self) -> u64 {
        self.reader.n_taken()
    }

    /// Returns where the archive came from, if it was read from its beginning.
    pub(in crate::archive) fn origin(&self) -> Option<&Origin> {
        self.reader.origin()
    }

    /// Returns what is odd about the archive and no damage, once its end was read.
    pub(in crate::archive) fn notes(&self) -> &[&'static str] {
        self.reader.notes()
    }

    /// Takes what is doubtful about the current entry.
    pub(in crate::archive) fn take_doubt(&mut self) -> Option<String> {
        self.doubt.take()
    }

    /// Returns the first damage; none if another archive had all that was lost by it.
    pub(in crate::archive) fn damage(&mut self) -> Option<&ArchiveError> {
        if self.damage.is_none()
            && let Some(reason) = self.reader.segments().and_then(|segments| segments.damage())
        {
            let reason = reason.to_owned();
            self.damage = Some(self.reader.damaged(reason));
        }
        self.damage.as_ref().filter(|_| !self.is_healing || self.n_lost > 0)
    }

    /// Takes the first damage.
    pub(in crate::archive) fn take_damage(&mut self) -> Option<ArchiveError> {
        self.damage()?;
        self.damage.take()
    }

    /// Returns which archives held what was damaged here, and the numbers of those segments.
    pub(in crate::archive) fn healed(&mut self) -> &HealedSegments {
        if let Some(healer) = self.reader.segments().and_then(|segments| segments.healer()) {
            self.healed.extend(healer.healed().iter().cloned());
        }
        &self.healed
    }

    /// Returns the next entry, or what is lost before it; `None` at the end.
    pub(in crate::archive) fn next(&mut self) -> Result<Option<Found>, ArchiveError> {
        if self.is_over {
            return Ok(None);
        }
        match self.expected.as_mut().map(Expected::next) {
            Some(Some(next)) => self.indexed(next),
            Some(None) => self.finish().map(|()| None),
            None => self.streamed(),
        }
    }

    /// Returns the entry that the index names next.
    fn indexed(&mut self, next: IndexEntry) -> Result<Option<Found>, ArchiveError> {
        self.number = next.n;
        self.is_broken = false;
        let known = next.record.entry.clone();
        let has_all = self.expected.as_ref().is_some_and(|expected| expected.knows_headers(&next));
        match self.reader.entry_at(next.tar_offset) {
            Ok(found) => {
                if let Some(mut entry) = found
                    && agrees(&mut entry, next)
                {
                    return Ok(Some(Found::Entry(entry)));
                }
                self.distrust()?;
                self.streamed()
            }
            // What has no content can be known without the tar.
            Err(error @ ArchiveError::Damaged { .. }) if known.size == 0 => {
                self.damaged(error)?;
                self.reader.forget_entry();
                let doubt = "its header is lost: it is as the index says, without attributes";
                self.doubt = (!has_all).then(|| doubt.to_owned());
                Ok(Some(Found::Entry(known)))
            }
            Err(error) => {
                let reason = self.lose(error)?;
                Ok(Some(Found::Lost(Lost { path: Some(known.path), reason })))
            }
        }
    }

    /// Goes on without an index that is not true to the tar: what every other reader sees counts.
    fn distrust(&mut self) -> Result<(), ArchiveError> {
        self.healed();
        let error = self.reader.damaged("its index says something else");
        self.damage.get_or_insert(error);
        let Some(expected) = self.expected.take() else { return Ok(()) };
        self.is_healing = false;
        let path = self.reader.path().to_owned();
        self.reader = Reader::lenient(&path, expected.stored().clone(), &self.cancel)?;
        self.first = self.number;
        Ok(())
    }

    /// Compares the checksum of the whole, if all of it was read.
    fn finish(&mut self) -> Result<(), ArchiveError> {
        self.is_over = true;
        let is_whole = self.expected.as_ref().is_some_and(Expected::is_whole);
        match self.reader.finish_segments() {
            Err(ArchiveError::Damaged { .. }) if !is_whole => Ok(()),
            Err(error) => self.damaged(error),
            Ok(()) => Ok(()),
        }
    }

    /// Returns the next entry of the stream, or what was passed over on the way to it.
    fn streamed(&mut self) -> Result<Option<Found>, ArchiveError> {
        let has_failed = std::mem::take(&mut self.is_broken);
        if !has_failed {
            while let Some(found) = self.undamaged()? {
                if self.number >= self.first {
                    return Ok(Some(found));
                }
            }
        }
        self.is_over |= self.reader.is_over();
        if self.is_over { Ok(None) } else { self.pass_over(has_failed) }
    }

    /// Returns the next entry of the stream; `None` at its end, and where damage begins.
    fn undamaged(&mut self) -> Result<Option<Found>, ArchiveError> {
        let next = self.reader.next_entry();
        self.note_doubt();
        match next {
            Ok(Some(entry)) => {
                self.number = self.reader.n_entries() - 1;
                return Ok(Some(Found::Entry(entry)));
            }
            Ok(None) => self.is_over = true,
            Err(error) => self.damaged(error)?,
        }
        Ok(None)
    }

    /// Looks for the next sound header, and says what was passed over; nothing if there is no entry at all.
    fn pass_over(&mut self, has_failed: bool) -> Result<Option<Found>, ArchiveError> {
        let last = self.reader.n_entries();
        let what = match self.reader.resync(has_failed)? {
            // At most a header.
            Some(0..=HEADER) => "what stands there is lost".to_owned(),
            Some(n) => format!(
                "{} {} lost, with what was in {}",
                count(n, "byte"),
                agree(n, "is", "are"),
                agree(n, "it", "them")
            ),
            None => {
                self.is_over = true;
                if last == 0 {
                    return Ok(None);
                }
                "what follows is lost".to_owned()
            }
        };
        self.n_lost += 1;
        let reason = format!("damaged behind entry {last}: {what}");
        Ok(Some(Found::Lost(Lost { path: None, reason })))
    }

    fn note_doubt(&mut self) {
        self.doubt = None;
        if let Some(doubt) = self.reader.take_doubt() {
            let error = self.reader.damaged(doubt);
            self.damage.get_or_insert(error);
            self.doubt = Some(format!("{doubt}; it is as GNU tar reads it"));
        }
    }

    /// Counts an entry as lost for this error, and returns why; passes on other errors.
    fn lose(&mut self, error: ArchiveError) -> Result<String, ArchiveError> {
        let ArchiveError::Damaged { reason, .. } = &error else { return Err(error) };
        let reason = reason.clone();
        self.n_lost += 1;
        self.damage.get_or_insert(error);
        Ok(reason)
    }

    /// Remembers damage, and passes on everything else.
    fn damaged(&mut self, error: ArchiveError) -> Result<(), ArchiveError> {
        if !matches!(error, ArchiveError::Damaged { .. }) {
            return Err(error);
        }
        self.damage.get_or_insert(error);
        Ok(())
    }

    /// Reads stored content of the current entry; 0 at its end, [`ArchiveError::Damaged`] where it is lost.
    pub(in crate::archive) fn read_content(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, ArchiveError> {
        self.reader.read_content(buffer).inspect_err(|error| {
            if let ArchiveError::Damaged { path, n_entries, reason } = error
                && !std::mem::replace(&mut self.is_broken, true)
            {
                self.n_lost += 1;
                self.damage.get_or_insert_with(|| ArchiveError::Damaged {
                    path: path.clone(),
                    n_entries: *n_entries,
                    reason: reason.clone(),
                });
            }
        })
    }
}

impl Read for Salvage {
    /// Reads stored content of the current entry; an error holds an [`ArchiveError`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_content(buffer).map_err(io::Error::other)
    }
}

/// Returns the numbers of the wanted entries, and where their bytes are in the tar.
fn choose(index: &Index, is_wanted: IsWanted<'_>) -> (Vec<u64>, Vec<Range<u64>>) {
    let mut numbers = Vec::new();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for entry in index.entries() {
        if !is_wanted(entry.n, &entry.record.entry.path) {
            continue;
        }
        numbers.push(entry.n);
        match ranges.last_mut() {
            Some(last) if last.end == entry.tar_offset => last.end = entry.end(),
            _ => ranges.push(entry.tar_offset..entry.end()),
        }
    }
    (numbers, ranges)
}
