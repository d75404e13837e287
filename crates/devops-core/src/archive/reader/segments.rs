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

use libdeflater::Decompressor;

use super::entries::Entries;
use crate::{
    archive::{
        deflate::Checksum,
        index::{Index, Segment},
        inflate,
        stored::Stored,
    },
    archive_index::Origin,
    archive_index::head::{MEMBER_END, MEMBER_HEADER},
    limits,
};

/// How many decoded segments wait for the reader, for each thread.
const AHEAD: usize = 2;
/// The most threads that decode: beyond, the reader is the slower one.
const MAX_THREADS: usize = 8;

/// An archive with its index.
pub(in crate::archive) struct Indexed {
    pub(in crate::archive) stored: Stored,
    pub(in crate::archive) index: Index,
}

impl Indexed {
    /// Takes an archive, if it has an index that can be believed.
    pub(in crate::archive) fn open(stored: &Stored) -> Option<Self> {
        Some(Self { index: Index::read(stored)?, stored: stored.clone() })
    }

    /// Returns where the archive came from: the first segment says it.
    pub(in crate::archive) fn origin(&self) -> io::Result<Option<Origin>> {
        let first =
            if self.index.segments.is_empty() { Vec::new() } else { self.decode(0, false)? };
        let mut entries = Entries::new(first.as_slice());
        // There is none in it, but the global header is taken on the way.
        let _none = entries.next_entry();
        Ok(entries.origin().cloned())
    }

    /// Decodes a segment, and demands that it is what was written.
    ///
    /// Thoroughly, that is also down to every bit of the compressed form.
    pub(in crate::archive) fn decode(&self, n: usize, is_thorough: bool) -> io::Result<Vec<u8>> {
        let segment = &self.index.segments[n];
        let packed = self.packed(segment)?;
        let mut raw = vec![0; length(segment.n_raw)?];
        let decoded = Decompressor::new().deflate_decompress(&packed, &mut raw);
        let is_whole =
            decoded == Ok(raw.len()) && *blake3::hash(&raw).as_bytes() == segment.raw_hash;
        if is_whole && (!is_thorough || is_exact(segment, &packed, &raw)) {
            return Ok(raw);
        }
        Err(damaged("a segment does not hold what was written"))
    }

    /// Reads the bytes of a segment, with a final block behind them.
    fn packed(&self, segment: &Segment) -> io::Result<Vec<u8>> {
        let mut packed = self.stored.bytes(segment.at, length(segment.n_packed)?, 2)?;
        packed.extend([3, 0]);
        Ok(packed)
    }

    /// Compares the header and trailer of the member, which other readers look at.
    pub(in crate::archive) fn check_member(&self) -> io::Result<()> {
        let mut checksum = Checksum::default();
        for segment in &self.index.segments {
            checksum.append(segment.crc, segment.n_raw);
        }
        let (mut header, mut end) = ([0; MEMBER_HEADER.len()], [0; MEMBER_END]);
        self.stored.read_exact_at(&mut header, 0)?;
        self.stored.read_exact_at(&mut end, self.index.n_member - MEMBER_END as u64)?;
        if header == MEMBER_HEADER && end == checksum.member_end() {
            return Ok(());
        }
        Err(damaged("the checksum of the whole is wrong"))
    }
}

/// Compares what the hash of the tar bytes leaves open: the compressed bytes themselves, the checksum
/// other readers compute, and whether they would read the segment to its end.
fn is_exact(segment: &Segment, packed: &[u8], raw: &[u8]) -> bool {
    let bytes = &packed[..packed.len() - 2];
    *blake3::hash(bytes).as_bytes() == segment.packed_hash
        && crc32fast::hash(raw) == segment.crc
        && inflate::prove(packed, raw).is_ok()
}

fn length(n: u64) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| damaged("a segment is too large"))
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// A part of a segment.
struct Part {
    n: usize,
    range: Range<usize>,
}

/// Reads parts of segments in a row; dropping it ends the threads.
pub(super) struct Segments {
    indexed: Arc<Indexed>,
    /// One for each thread; the parts come in turns.
    decoded: Vec<Receiver<io::Result<Decoded>>>,
    n_read: usize,
    n_parts: usize,
    is_all: bool,
    current: Vec<u8>,
    range: Range<usize>,
    n_taken: u64,
}

struct Decoded {
    raw: Vec<u8>,
    range: Range<usize>,
    n_packed: u64,
}

impl Segments {
    /// Reads the whole tar.
    pub(super) fn all(indexed: Arc<Indexed>, is_thorough: bool) -> Self {
        let segments = indexed.index.segments.iter().enumerate();
        let parts = segments.map(|(n, segment)| Part { n, range: 0..whole(segment) }).collect();
        Self { is_all: true, ..Self::start(indexed, parts, is_thorough) }
    }

    /// Reads the beginning of the tar, these ranges of it, which must be in order, and its end mark.
    pub(super) fn some(indexed: Arc<Indexed>, ranges: &[Range<u64>]) -> Self {
        let segments = &indexed.index.segments;
        let mut parts = Vec::new();
        let ends = |n: usize| Part { n, range: 0..whole(&segments[n]) };
        parts.extend((segments.len() > 1).then(|| ends(0)));
        for range in ranges {
            let mut at = range.start;
            while at < range.end
                && let Some(n) = indexed.index.segment_at(at)
            {
                let segment = &segments[n];
                let end = range.end.min(segment.raw_at + segment.n_raw);
                let within = |at: u64| usize::try_from(at - segment.raw_at).unwrap_or(usize::MAX);
                parts.push(Part { n, range: within(at)..within(end) });
                at = end;
            }
        }
        parts.extend((!segments.is_empty()).then(|| ends(segments.len() - 1)));
        Self::start(indexed, parts, false)
    }

    fn start(indexed: Arc<Indexed>, parts: Vec<Part>, is_thorough: bool) -> Self {
        let n_threads = available_parallelism().map_or(1, Into::into).min(MAX_THREADS);
        let n_threads = n_threads.min(parts.len());
        let n_parts = parts.len();
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
            decoded,
            n_read: 0,
            n_parts,
            is_all: false,
            current: Vec::new(),
            range: 0..0,
            n_taken: 0,
        }
    }

    /// Returns how many compressed bytes were taken so far.
    pub(super) fn n_taken(&self) -> u64 {
        self.n_taken
    }

    /// Goes on to the next part; returns whether there is one.
    fn advance(&mut self) -> io::Result<bool> {
        if self.n_read == self.n_parts {
            if std::mem::take(&mut self.is_all) {
                self.indexed.check_member()?;
            }
            return Ok(false);
        }
        let decoded = self.decoded[self.n_read % self.decoded.len()].recv();
        let Decoded { raw, range, n_packed } =
            decoded.map_err(|_| io::Error::other("a decoding thread ended early"))??;
        (self.current, self.range) = (raw, range);
        self.n_taken += n_packed;
        self.n_read += 1;
        Ok(true)
    }
}

/// Returns what a thread that was not started has to say.
fn refused(error: io::Error) -> Receiver<io::Result<Decoded>> {
    let (sender, receiver) = sync_channel(1);
    let _sent = sender.send(Err(error));
    receiver
}

fn whole(segment: &Segment) -> usize {
    usize::try_from(segment.n_raw).unwrap_or(usize::MAX)
}

/// Decodes the parts of one thread, until nobody wants them any more.
fn parts_of(
    indexed: &Indexed,
    parts: &[Part],
    (first, n_threads): (usize, usize),
    is_thorough: bool,
    sender: &SyncSender<io::Result<Decoded>>,
) {
    for Part { n, range } in parts.iter().skip(first).step_by(n_threads) {
        let n_packed = indexed.index.segments[*n].n_packed;
        let range = range.clone();
        let decoded = indexed.decode(*n, is_thorough).map(|raw| Decoded { raw, range, n_packed });
        if sender.send(decoded).is_err() {
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
        let n = self.range.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.current[self.range.start..][..n]);
        self.range.start += n;
        Ok(n)
    }
}
