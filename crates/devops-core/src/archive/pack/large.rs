//! Reads files that are larger than a slice.
//!
//! Their slices are on their way before the end is read, so one that changes meanwhile is named, and
//! not read again.

use std::{fs::File, io::Read, ops::Range, os::fd::AsFd};

use rustix::fs::{SeekFrom, seek};

use super::{
    Pack,
    read::{Building, zeros},
    small::{after_content, changes},
};
use crate::archive::{
    content::Part,
    entry::Entry,
    group::SLICE,
    header::padding,
    holes::data_ranges,
    index::Record,
    meta::Meta,
    pipeline::{Piece, Stop},
};

/// A large file being read.
struct Large<'a> {
    entry: &'a Entry,
    file: &'a File,
    reader: Box<dyn Read + 'a>,
    /// The parts that are no holes.
    data: Vec<Range<u64>>,
    /// Whether everything so far was there.
    is_whole: bool,
}

impl Pack<'_> {
    /// Reads the content of a large file, slice by slice, and completes its record.
    pub(super) fn read_large(
        &mut self,
        record: &mut Record,
        file: &File,
        before: &Meta,
    ) -> Result<(), Stop> {
        let entry = &record.entry;
        let data = data_ranges(file.as_fd(), entry.size);
        let holes = gaps(&data, entry.size);
        let reader = self.layer.input(&entry.path, file);
        let mut large = Large { entry, file, reader, data, is_whole: true };
        let mut done = 0;
        while done < entry.size {
            self.cancel.check()?;
            let end = entry.size.min(done + SLICE);
            let piece = self.slice(&mut large, done..end);
            self.feed.send(piece)?;
            done = end;
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
        record.holes = holes;
        Ok(())
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
        let mut piece = Building::default();
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
        piece: &mut Building,
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
        is_hole && seek(self.file, SeekFrom::Start(range.end)).is_ok()
    }
}

/// Returns what lies between `ranges`, and behind them up to `size`.
pub(super) fn gaps(ranges: &[Range<u64>], size: u64) -> Vec<Range<u64>> {
    let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain([size]);
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
}
