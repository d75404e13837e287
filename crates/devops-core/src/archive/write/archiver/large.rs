//! Reads files that are larger than a slice.
//!
//! Their slices are on their way before the end is read, so one that changes meanwhile is named, and
//! not read again.

use std::{fs::File, io::Read, ops::Range};

use rustix::fs::{SeekFrom, seek};

use super::super::{
    chunker::SLICE,
    pipeline::{Piece, ProduceError},
};
use super::{
    Archiver,
    open_file::{after_content, changes},
    read::zeros,
    segment_buffer::SegmentBuffer,
};
use crate::archive::format::{
    block::padding,
    content_hash::{Part, StoredHasher},
    entry::Entry,
    holes::{gaps, length},
    index::Record,
    stat::Meta,
};

/// A large file being read.
struct Large<'a> {
    entry: &'a Entry,
    file: &'a File,
    reader: Box<dyn Read + 'a>,
    /// The parts that are no holes.
    data: Vec<Range<u64>>,
    /// Is set if everything so far was there.
    is_whole: bool,
}

impl Archiver<'_> {
    /// Reads the content of a large file, slice by slice, and completes its record.
    ///
    /// `data` are the parts that are no holes.
    pub(super) fn read_large(
        &mut self,
        record: &mut Record,
        file: &File,
        before: &Meta,
        data: Vec<Range<u64>>,
    ) -> Result<(), ProduceError> {
        let entry = &record.entry;
        let reader = self.file_io.input(&entry.path, file);
        record.holes = gaps(&data, entry.size);
        let mut large = Large { entry, file, reader, data, is_whole: true };
        if record.is_sparse {
            self.extents(&mut large)?;
        } else {
            self.slices(&mut large)?;
        }
        let is_whole = large.is_whole;
        let reason =
            if is_whole { after_content(entry, entry.size, &mut *large.reader) } else { None };
        drop(large);
        let (is_same, change) = changes(file, before);
        if let Some(reason) = reason.or(change.filter(|_| is_whole)) {
            self.change(&record.entry.path, reason);
        }
        record.identity = record.identity.filter(|_| is_whole && is_same && reason.is_none());
        Ok(())
    }

    /// Sends all of a file, holes as zeros.
    fn slices(&mut self, large: &mut Large<'_>) -> Result<(), ProduceError> {
        let size = large.entry.size;
        let mut done = 0;
        while done < size {
            self.cancel.check()?;
            let end = size.min(done + SLICE);
            let piece = self.slice(large, done..end);
            self.sender.send(piece)?;
            done = end;
        }
        Ok(())
    }

    /// Sends what lies between the holes of a file, without gaps, and its hash.
    fn extents(&mut self, large: &mut Large<'_>) -> Result<(), ProduceError> {
        let (size, data) = (large.entry.size, large.data.clone());
        let mut hasher = StoredHasher::new(size, data.clone());
        let mut piece = SegmentBuffer::default();
        for range in &data {
            let mut at = range.start;
            while at < range.end {
                let start = piece.raw.len();
                let end = range.end.min(at + SLICE - start as u64);
                self.extent(large, at..end, &mut piece);
                hasher.update(&piece.raw[start..]);
                at = end;
                if piece.raw.len() as u64 == SLICE {
                    self.send_raw(std::mem::take(&mut piece))?;
                }
            }
        }
        piece.pad(padding(length(&data)) as u64);
        self.send_raw(piece)?;
        self.sender.send(Piece::Hash(hasher.finish().bytes()))?;
        large.is_whole &= large.move_to(size);
        self.advance(size - length(&data));
        Ok(())
    }

    /// Appends a part of a file, as much of it as is there, and zeros for the rest.
    fn extent(&mut self, large: &mut Large<'_>, range: Range<u64>, piece: &mut SegmentBuffer) {
        let wanted = range.end - range.start;
        let is_there = large.is_whole && large.move_to(range.start);
        let n = if is_there { self.read_slice(large, &range, piece) } else { 0 };
        large.is_whole = n == wanted;
        piece.pad(wanted - n);
    }

    fn send_raw(&mut self, piece: SegmentBuffer) -> Result<(), ProduceError> {
        self.cancel.check()?;
        if piece.raw.is_empty() {
            return Ok(());
        }
        self.sender.send(Piece::New { raw: piece.raw, spans: piece.spans })
    }

    /// Returns the piece with one slice, as much of it as is there, and zeros for the rest.
    fn slice(&mut self, large: &mut Large<'_>, range: Range<u64>) -> Piece {
        let size = large.entry.size;
        let is_last = range.end == size;
        let is_only = is_last && range.start == 0;
        let part = if is_only { Part::Whole } else { Part::Slice { at: range.start, is_last } };
        let wanted = range.end - range.start;
        let after = if is_last { padding(size) as u64 } else { 0 };
        if large.is_whole && large.passes_hole(&range) {
            self.advance(wanted);
            return zeros(wanted, part, after);
        }
        let mut piece = SegmentBuffer::default();
        let n = if large.is_whole { self.read_slice(large, &range, &mut piece) } else { 0 };
        large.is_whole = n == wanted;
        piece.pad(wanted - n);
        piece.mark_content(0, part);
        piece.pad(after);
        Piece::New { raw: piece.raw, spans: piece.spans }
    }

    /// Reads one slice; returns how much of it is there, and names the file if not all.
    fn read_slice(
        &mut self,
        large: &mut Large<'_>,
        range: &Range<u64>,
        piece: &mut SegmentBuffer,
    ) -> u64 {
        let path = &large.entry.path;
        match piece.read(&mut *large.reader, range.end - range.start) {
            Ok(n) => {
                self.advance(n);
                let n_read = range.start + n;
                if n_read < range.end
                    && let Some(reason) = after_content(large.entry, n_read, &mut *large.reader)
                {
                    self.change(path, reason);
                }
                n
            }
            Err(error) => {
                // How much came before the failure is not known: the slice is empty.
                let start = range.start;
                self.skip(path, format!("{error}; from byte {start} on it holds zeros"), true);
                0
            }
        }
    }
}

impl Large<'_> {
    /// Skips a slice that lies in a hole; returns whether it did.
    fn passes_hole(&self, range: &Range<u64>) -> bool {
        let next = self.data.partition_point(|data| data.end <= range.start);
        let is_hole = self.data.get(next).is_none_or(|data| data.start >= range.end);
        is_hole && self.move_to(range.end)
    }

    /// Moves to a place in the file; returns whether that succeeded.
    fn move_to(&self, at: u64) -> bool {
        seek(self.file, SeekFrom::Start(at)).is_ok()
    }
}
