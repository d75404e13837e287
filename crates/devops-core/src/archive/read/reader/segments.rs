//! The bytes of a tar out of the segments its index names: all or some, decoded several ahead.

use std::{
    io::{self, Read},
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::available_parallelism,
};

use rustix::io::Errno;

use super::{
    heal::{Healer, Patched},
    indexed::{IndexedArchive, damaged},
};
use crate::{
    archive::format::index::Segment,
    cancel::Cancel,
    limits::{self, Limit},
};

/// How many decoded segments wait for the reader, for each thread.
const AHEAD: usize = 2;
/// The most threads that decode: beyond, the reader is the slower one.
const MAX_THREADS: usize = 8;

/// A part of a segment.
#[derive(Clone)]
struct Part {
    n: usize,
    range: Range<usize>,
}

/// Reads parts of segments in a row; dropping it ends the threads.
pub(in crate::archive) struct Segments {
    indexed: Arc<IndexedArchive>,
    parts: Arc<Vec<Part>>,
    /// One for each thread; the parts come in turns.
    decoded: Vec<Receiver<io::Result<Vec<u8>>>>,
    n_read: usize,
    is_all: bool,
    current: Patched,
    /// The rest of the current part, in bytes of its segment.
    range: Range<usize>,
    n_taken: u64,
    tolerance: Option<Tolerance>,
}

/// The way past damaged segments.
struct Tolerance {
    healer: Healer,
    /// The flaw of the first that was not healed.
    damage: Option<String>,
}

impl Segments {
    /// Reads the whole tar.
    pub(in crate::archive) fn all(indexed: Arc<IndexedArchive>, is_thorough: bool) -> Self {
        let segments = indexed.index.segments.iter().enumerate();
        let parts = segments.map(|(n, segment)| Part { n, range: 0..whole(segment) }).collect();
        Self { is_all: true, ..Self::start(indexed, parts, is_thorough) }
    }

    /// Reads these ranges of the tar, which must be in order.
    pub(in crate::archive) fn some(indexed: Arc<IndexedArchive>, ranges: &[Range<u64>]) -> Self {
        let segments = &indexed.index.segments;
        let mut parts = Vec::new();
        for range in ranges {
            let mut at = range.start;
            while at < range.end
                && let Some(n) = indexed.index.segment_at(at)
            {
                let segment = &segments[n];
                let end = range.end.min(segment.tar_offset + segment.uncompressed_len);
                let within =
                    |at: u64| usize::try_from(at - segment.tar_offset).unwrap_or(usize::MAX);
                parts.push(Part { n, range: within(at)..within(end) });
                at = end;
            }
        }
        Self::start(indexed, parts, false)
    }

    fn start(indexed: Arc<IndexedArchive>, parts: Vec<Part>, is_thorough: bool) -> Self {
        let n_threads = available_parallelism().map_or(1, Into::into).min(MAX_THREADS);
        let n_threads = n_threads.min(parts.len());
        let parts = Arc::new(parts);
        let spawn = |first| {
            let (sender, receiver) = sync_channel(AHEAD);
            let (indexed, parts) = (Arc::clone(&indexed), Arc::clone(&parts));
            let turns =
                move || parts_of(&indexed, &parts, (first, n_threads), is_thorough, &sender);
            match limits::spawn("decoder", turns) {
                Ok(_running) => receiver,
                Err(error) => refused(error),
            }
        };
        let decoded = (0..n_threads).map(spawn).collect();
        Self {
            indexed,
            parts,
            decoded,
            n_read: 0,
            is_all: false,
            current: Patched::default(),
            range: 0..0,
            n_taken: 0,
            tolerance: None,
        }
    }

    /// Reads on past damaged segments; what `healer` finds of them elsewhere is read in their place.
    ///
    /// Only what no archive has fails to be read.
    pub(in crate::archive) fn tolerant(self, healer: Healer) -> Self {
        Self { tolerance: Some(Tolerance { healer, damage: None }), ..self }
    }

    /// Returns what was wrong with the first segment that could not be healed.
    pub(in crate::archive) fn damage(&self) -> Option<&str> {
        self.tolerance.as_ref()?.damage.as_deref()
    }

    /// Returns what finds the content of damaged segments elsewhere.
    pub(in crate::archive) fn healer(&mut self) -> Option<&Healer> {
        self.tolerance.as_ref().map(|tolerance| &tolerance.healer)
    }

    /// Returns how many compressed bytes were taken so far.
    pub(super) fn n_taken(&self) -> u64 {
        self.n_taken
    }

    /// Moves forward to byte `tar_offset` of the tar; returns `false` when that is behind, or is not read.
    pub(super) fn skip_to(&mut self, tar_offset: u64, cancel: &Cancel) -> io::Result<bool> {
        loop {
            if let Some(last) = self.n_read.checked_sub(1) {
                let base = self.indexed.index.segments[self.parts[last].n].tar_offset;
                let offset = tar_offset.checked_sub(base).and_then(|n| usize::try_from(n).ok());
                match offset {
                    Some(offset) if offset < self.range.start => return Ok(false),
                    Some(offset) if offset <= self.range.end => {
                        self.range.start = offset;
                        return Ok(true);
                    }
                    Some(_) => {}
                    None => return Ok(false),
                }
            }
            cancel.check().map_err(io::Error::other)?;
            if !self.advance()? {
                return Ok(false);
            }
        }
    }

    /// Reads the segments that are left, and compares the checksum of the whole.
    pub(super) fn finish(&mut self, cancel: &Cancel) -> io::Result<()> {
        while self.advance()? {
            cancel.check().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Goes on to the next part; returns whether there is one.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(Part { n, range }) = self.parts.get(self.n_read).cloned() else {
            if std::mem::take(&mut self.is_all) {
                self.indexed.check_member()?;
            }
            return Ok(false);
        };
        let decoded = self.decoded[self.n_read % self.decoded.len()].recv();
        let decoded = decoded.map_err(|_| io::Error::other("a decoding thread ended early"))?;
        self.current = match decoded {
            Ok(raw) => Patched { raw, gaps: Vec::new() },
            Err(error) => self.tolerate(n, error)?,
        };
        self.range = range;
        self.n_taken += self.indexed.index.segments[n].compressed_len;
        self.n_read += 1;
        Ok(true)
    }

    /// Returns what there is in place of a segment that could not be decoded.
    fn tolerate(&mut self, n: usize, error: io::Error) -> io::Result<Patched> {
        let tolerance = self.tolerance.as_mut().filter(|_| is_damage(&error));
        let Some(tolerance) = tolerance else { return Err(error) };
        let patched = tolerance.healer.heal(&self.indexed, n)?;
        // Headers can follow from the index, which makes the archive no better.
        if !patched.gaps.is_empty() || !tolerance.healer.has_folder() {
            tolerance.damage.get_or_insert_with(|| error.to_string());
        }
        Ok(patched)
    }
}

/// Tells bytes that are not what was written, and a disk that fails to read them, from all other errors.
fn is_damage(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(error) => error == Errno::IO,
        None => Limit::of(error).is_none(),
    }
}

/// Returns what a thread that was not started has to say.
fn refused(error: io::Error) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    let _sent = sender.send(Err(error));
    receiver
}

fn whole(segment: &Segment) -> usize {
    usize::try_from(segment.uncompressed_len).unwrap_or(usize::MAX)
}

/// Decodes the parts of one thread, for as long as they are read.
fn parts_of(
    indexed: &IndexedArchive,
    parts: &[Part],
    (first, n_threads): (usize, usize),
    is_thorough: bool,
    sender: &SyncSender<io::Result<Vec<u8>>>,
) {
    for Part { n, .. } in parts.iter().skip(first).step_by(n_threads) {
        if sender.send(indexed.decode(*n, is_thorough)).is_err() {
            return;
        }
    }
}

impl Read for Segments {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.range.is_empty() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let mut end = self.range.end;
        if let Some(gap) = self.current.gaps.iter().find(|gap| gap.end > self.range.start) {
            if gap.start <= self.range.start {
                return Err(damaged("it lies in a damaged segment"));
            }
            end = end.min(gap.start);
        }
        let n = (end - self.range.start).min(buffer.len());
        buffer[..n].copy_from_slice(&self.current.raw[self.range.start..][..n]);
        self.range.start += n;
        Ok(n)
    }
}
