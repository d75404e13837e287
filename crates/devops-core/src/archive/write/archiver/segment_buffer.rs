//! The content of a segment while it is read, which can be taken back.

use std::io::{self, Read};

use crate::archive::format::content_hash::{Part, Span};

/// A piece being put together.
#[derive(Default)]
pub(super) struct SegmentBuffer {
    pub(super) raw: Vec<u8>,
    pub(super) spans: Vec<Span>,
}

/// A place in a piece, to which it can be taken back.
pub(super) struct Checkpoint(usize, usize);

impl SegmentBuffer {
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.raw.len(), self.spans.len())
    }

    pub(super) fn rollback(&mut self, mark: &Checkpoint) {
        self.raw.truncate(mark.0);
        self.spans.truncate(mark.1);
    }

    /// Appends up to `n` bytes; none after an error.
    pub(super) fn read(&mut self, reader: &mut dyn Read, n: u64) -> io::Result<u64> {
        let mark = self.raw.len();
        self.raw.reserve(usize::try_from(n).unwrap_or(0));
        let read = reader.take(n).read_to_end(&mut self.raw);
        if read.is_err() {
            self.raw.truncate(mark);
        }
        read.map(|n| n as u64)
    }

    pub(super) fn pad(&mut self, n: u64) {
        self.raw.resize(self.raw.len() + length(n), 0);
    }

    /// Marks everything from `start` on as content.
    pub(super) fn mark_content(&mut self, start: usize, part: Part) {
        self.spans.push(Span { range: start..self.raw.len(), part });
    }
}

/// Returns a length within a slice and a block as one of memory.
pub(super) fn length(n: u64) -> usize {
    usize::try_from(n).expect("never more than a slice and a block")
}
