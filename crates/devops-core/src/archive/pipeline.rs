//! Compresses pieces on several threads and writes them in order, with bounded memory.
//!
//! Each piece carries its own answer channel; the writer takes the answers in the order the pieces
//! were fed, so the bytes do not depend on the number of threads.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use super::{
    ArchiveError,
    content::{Digest, Merger, Span, digests},
    deflate::{Checksum, MEMBER_HEADER, Packed, Packer},
    index::{EntryWriter, Hash, IndexWriter, Making, Segment},
    reuse::{Previous, key},
};
use crate::{cancel::Cancelled, fs::At};

/// How many pieces may be finished before their turn: while one is compressed, many are copied.
const AHEAD: usize = 64;

/// How to make segments.
#[derive(Clone, Copy)]
pub(super) struct Compression<'a> {
    pub(super) making: Making,
    pub(super) n_threads: usize,
    /// Where segments may be copied from.
    pub(super) previous: Option<&'a Previous>,
}

/// Where the archive goes.
pub(super) struct Output<'a> {
    pub(super) writer: &'a mut (dyn Write + Send),
    /// The name it has in errors.
    pub(super) path: &'a Path,
    pub(super) n_written: u64,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.writer.write_all(bytes).at(self.path, "write")?;
        self.n_written += bytes.len() as u64;
        Ok(())
    }
}

/// Why the pieces stop coming.
#[derive(Debug)]
pub(super) enum Stop {
    /// Their producer failed.
    Failed(ArchiveError),
    /// The writer failed; its own error tells why.
    WriterGone,
}

impl From<Cancelled> for Stop {
    fn from(cancelled: Cancelled) -> Self {
        Self::Failed(cancelled.into())
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

/// A part of the tar that becomes a segment.
pub(super) enum Piece {
    /// Bytes to compress, and where contents are among them.
    New { raw: Vec<u8>, spans: Vec<Span> },
    /// Zeros of a hole, which need not be there to be compressed.
    Zeros { n: usize, spans: Vec<Span> },
    /// A segment of the archive before, and the hashes of the contents that end in it.
    Old { n: usize, hashes: Vec<Hash> },
}

/// Why there is no archive.
#[derive(Debug)]
pub(super) enum Failure {
    Failed(ArchiveError),
    /// A segment of the archive before is not what was written.
    Rotten,
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

type Answer = Result<Made, Failure>;

/// A segment, ready to be written.
#[derive(Clone)]
struct Made {
    bytes: Vec<u8>,
    n_raw: u64,
    crc: u32,
    raw_hash: Hash,
    packed_hash: Hash,
    digests: Vec<Digest>,
}

impl Made {
    fn copied((segment, bytes): (&Segment, Vec<u8>), digests: Vec<Digest>) -> Self {
        let &Segment { n_raw, crc, raw_hash, packed_hash, .. } = segment;
        Self { bytes, n_raw, crc, raw_hash, packed_hash, digests }
    }
}

struct Job {
    piece: Piece,
    answer: Sender<Answer>,
}

/// A content that was read though nothing about its file had changed, and so must be what it was.
pub(super) struct Doubt {
    /// Its number among the contents of the archive, from 0.
    pub(super) n: u64,
    pub(super) expected: Hash,
    pub(super) path: PathBuf,
}

/// What the writer gets, in order.
enum Next {
    Piece(Receiver<Answer>),
    End(Box<EntryWriter>, Vec<Doubt>),
}

/// Takes pieces, and blocks while too many are under way.
pub(super) struct Feed {
    jobs: SyncSender<Job>,
    order: SyncSender<Next>,
}

impl Feed {
    pub(super) fn send(&mut self, piece: Piece) -> Result<(), Stop> {
        let (answer, receiver) = channel();
        self.order.send(Next::Piece(receiver)).map_err(|_| Stop::WriterGone)?;
        self.jobs.send(Job { piece, answer }).map_err(|_| Stop::WriterGone)
    }

    /// Ends the archive, of which these are the entries.
    pub(super) fn finish(&mut self, entries: EntryWriter, doubts: Vec<Doubt>) -> Result<(), Stop> {
        self.order.send(Next::End(Box::new(entries), doubts)).map_err(|_| Stop::WriterGone)
    }
}

/// Runs `produce` and writes what it feeds to `out`: one gzip member, then the index.
///
/// Returns the files whose content is not what it was, too.
pub(super) fn run<T>(
    out: Output<'_>,
    compression: Compression<'_>,
    produce: impl FnOnce(&mut Feed) -> Result<T, Stop>,
) -> Result<(T, Vec<PathBuf>), Failure> {
    let n_threads = compression.n_threads.max(1);
    let (jobs, queue) = sync_channel::<Job>(n_threads * 2);
    let (order, answers) = sync_channel(AHEAD.max(n_threads * 2));
    let queue = Arc::new(Mutex::new(queue));
    thread::scope(|scope| {
        for _ in 0..n_threads {
            let queue = Arc::clone(&queue);
            scope.spawn(move || work(&queue, compression));
        }
        // Once no worker is left, sending fails.
        drop(queue);
        let writer = scope.spawn(move || Writer::new(out, compression.making).run(&answers));
        let mut feed = Feed { jobs, order };
        let produced = produce(&mut feed);
        drop(feed);
        let written = writer.join().expect("the writer does not panic");
        match produced {
            Ok(value) => written.map(|doubtful| (value, doubtful)),
            Err(Stop::WriterGone) => Err(written.expect_err("only a failed writer is gone early")),
            Err(Stop::Failed(error)) => Err(error.into()),
        }
    })
}

fn work(queue: &Mutex<Receiver<Job>>, compression: Compression<'_>) {
    let mut packer = Packer::new(compression.making.level);
    let mut zeros = Zeros::default();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { piece, answer }) = job else { return };
        let made = match piece {
            Piece::New { raw, spans } => new(&raw, &spans, &mut packer, compression.previous),
            Piece::Zeros { n, spans } => zeros.made(n, &spans, &mut packer),
            Piece::Old { n, hashes } => old(n, hashes, compression.previous),
        };
        // The writer may be gone; the feed will hear of it.
        let _sent = answer.send(made);
    }
}

fn new(raw: &[u8], spans: &[Span], packer: &mut Packer, previous: Option<&Previous>) -> Answer {
    let raw_hash = *blake3::hash(raw).as_bytes();
    let digests = digests(raw, spans);
    let found = previous.and_then(|previous| previous.read(previous.find(&raw_hash)?));
    if let Some(found) = found {
        return Ok(Made::copied(found, digests));
    }
    let Packed { bytes, crc, n_raw } = packer.pack(raw).map_err(ArchiveError::from)?;
    let packed_hash = *blake3::hash(&bytes).as_bytes();
    Ok(Made { bytes, n_raw, crc, raw_hash, packed_hash, digests })
}

/// Zeros, compressed once for each length.
#[derive(Default)]
struct Zeros {
    raw: Vec<u8>,
    made: Option<Made>,
}

impl Zeros {
    fn made(&mut self, n: usize, spans: &[Span], packer: &mut Packer) -> Answer {
        self.raw.resize(n, 0);
        let digests = digests(&self.raw, spans);
        let made = match self.made.take().filter(|made| made.n_raw == n as u64) {
            Some(made) => made,
            None => new(&self.raw, &[], packer, None)?,
        };
        let copy = Made { digests, ..made.clone() };
        self.made = Some(made);
        Ok(copy)
    }
}

fn old(n: usize, hashes: Vec<Hash>, previous: Option<&Previous>) -> Answer {
    let found = previous.and_then(|previous| previous.read(n)).ok_or(Failure::Rotten)?;
    Ok(Made::copied(found, hashes.into_iter().map(Digest::Whole).collect()))
}

/// Writes segments in order, and gathers what the index says of them.
struct Writer<'a> {
    out: Output<'a>,
    index: IndexWriter,
    merger: Merger,
    checksum: Checksum,
    /// The first bytes of the hash of each content: enough to tell two apart.
    seen: Vec<u64>,
}

impl<'a> Writer<'a> {
    fn new(out: Output<'a>, making: Making) -> Self {
        Self {
            out,
            index: IndexWriter::new(making),
            merger: Merger::default(),
            checksum: Checksum::default(),
            seen: Vec::new(),
        }
    }

    fn run(mut self, answers: &Receiver<Next>) -> Result<Vec<PathBuf>, Failure> {
        self.out.write(&MEMBER_HEADER)?;
        for next in answers {
            match next {
                Next::Piece(answer) => {
                    let answer = answer.recv().expect("a worker answers every job");
                    self.segment(answer?)?;
                }
                Next::End(entries, doubts) => return Ok(self.end(*entries, doubts)?),
            }
        }
        // Without an end the producer gave up, and has its own error.
        Ok(Vec::new())
    }

    fn segment(&mut self, made: Made) -> Result<(), ArchiveError> {
        self.index.push_segment(&Segment {
            at: self.out.n_written,
            n_packed: made.bytes.len() as u64,
            raw_at: self.checksum.n_raw(),
            n_raw: made.n_raw,
            crc: made.crc,
            raw_hash: made.raw_hash,
            packed_hash: made.packed_hash,
        })?;
        for digest in made.digests {
            if let Some(hash) = self.merger.push(digest) {
                self.index.push_hash(&hash)?;
                self.seen.push(key(&hash));
            }
        }
        self.checksum.append(made.crc, made.n_raw);
        self.out.write(&made.bytes)
    }

    fn end(self, entries: EntryWriter, doubts: Vec<Doubt>) -> Result<Vec<PathBuf>, ArchiveError> {
        let Self { mut out, index, checksum, seen, .. } = self;
        out.write(&checksum.member_end())?;
        out.write(&index.finish(entries, out.n_written, checksum.n_raw())?)?;
        let is_same = |doubt: &Doubt| {
            let n = usize::try_from(doubt.n).unwrap_or(usize::MAX);
            seen.get(n) == Some(&key(&doubt.expected))
        };
        Ok(doubts.into_iter().filter(|doubt| !is_same(doubt)).map(|doubt| doubt.path).collect())
    }
}
