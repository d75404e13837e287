//! Compresses pieces on several threads and writes them in order, with bounded memory.
//!
//! Each piece carries its own answer channel; the writer takes the answers in the order the pieces
//! were fed, so the bytes do not depend on the number of threads. What may be under way, [`window`] says.

use std::{
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::{
    ArchiveError,
    content::Merger,
    deflate::{Checksum, MEMBER_HEADER},
    index::{EntryWriter, Hash, IndexWriter, Making},
    reuse::{Previous, key},
    window::{self, Weight, Window},
};
use crate::{cancel::Cancelled, fs::At};

mod worker;

pub(super) use worker::Piece;
use worker::{Made, Spare, Worker};

const MIB: usize = 1 << 20;
/// How much may wait to be compressed, for each thread: a piece and the next one.
const WAITING: usize = 2 * MIB;
/// How much may be finished before its turn: while one piece is compressed, many are copied.
const AHEAD: usize = 16 * MIB;
/// How much of neighbours in the archive before is copied at once: more costs memory, less costs calls.
const RUN: u64 = MIB as u64;

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
    Piece(Receiver<Answer>, Weight),
    End(Box<EntryWriter>, Vec<Doubt>),
}

/// Takes pieces, and blocks while too many are under way.
pub(super) struct Feed<'a> {
    window: &'a Window<Job>,
    order: Sender<Next>,
    previous: Option<&'a Previous>,
    /// What is to be copied, and may get longer yet.
    run: Option<(Range<usize>, Vec<Hash>)>,
}

impl Feed<'_> {
    pub(super) fn send(&mut self, piece: Piece) -> Result<(), Stop> {
        match piece {
            Piece::Old { segments, hashes } => self.copy(segments, hashes),
            other => {
                self.flush()?;
                self.put(other)
            }
        }
    }

    /// Ends the archive, of which these are the entries.
    pub(super) fn finish(&mut self, entries: EntryWriter, doubts: Vec<Doubt>) -> Result<(), Stop> {
        self.flush()?;
        self.order.send(Next::End(Box::new(entries), doubts)).map_err(|_| Stop::WriterGone)
    }

    /// Appends segments to the run before them, if they are its neighbours.
    fn copy(&mut self, segments: Range<usize>, hashes: Vec<Hash>) -> Result<(), Stop> {
        for n in segments {
            if !self.run.as_ref().is_some_and(|(run, _)| run.end == n && self.n_packed(run) < RUN) {
                self.flush()?;
            }
            self.run.get_or_insert_with(|| (n..n, Vec::new())).0.end = n + 1;
        }
        if let Some((_, contents)) = &mut self.run {
            contents.extend(hashes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let Some((segments, hashes)) = self.run.take() else { return Ok(()) };
        self.put(Piece::Old { segments, hashes })
    }

    fn put(&mut self, piece: Piece) -> Result<(), Stop> {
        let (answer, receiver) = channel();
        let weight = self.weight(&piece);
        self.order.send(Next::Piece(receiver, weight)).map_err(|_| Stop::WriterGone)?;
        self.window.push(Job { piece, answer }, weight).map_err(|_| Stop::WriterGone)
    }

    fn weight(&self, piece: &Piece) -> Weight {
        match piece {
            Piece::New { raw, .. } => Weight { waiting: raw.len(), begun: raw.len() },
            // They compress to next to nothing.
            Piece::Zeros { .. } => Weight::default(),
            Piece::Old { segments, hashes } => {
                let begun = usize::try_from(self.n_packed(segments)).unwrap_or(usize::MAX);
                Weight { waiting: size_of_val(hashes.as_slice()), begun }
            }
        }
    }

    fn n_packed(&self, segments: &Range<usize>) -> u64 {
        self.previous.map_or(0, |previous| previous.n_packed(segments))
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        self.window.end();
    }
}

/// Runs `produce` and writes what it feeds to `out`: one gzip member, then the index.
///
/// Returns the files whose content is not what it was, too.
pub(super) fn run<T>(
    out: Output<'_>,
    compression: Compression<'_>,
    produce: impl FnOnce(Feed<'_>) -> Result<T, Stop>,
) -> Result<(T, Vec<PathBuf>), Failure> {
    let n_threads = compression.n_threads.max(1);
    let room = Weight { waiting: n_threads * WAITING, begun: AHEAD.max(n_threads * 2 * WAITING) };
    let window = Window::new(room);
    let (order, answers) = channel();
    let spare = Spare::default();
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| work(&window, Worker::new(compression, &spare)));
        }
        let (window, spare) = (&window, &spare);
        let writer = scope.spawn(move || {
            // However it ends, nobody waits for it.
            let _closing = window::Closing(window);
            Writer::new(out, compression.making).run(window, spare, &answers)
        });
        let produced = produce(Feed { window, order, previous: compression.previous, run: None });
        if produced.is_err() {
            window.close();
        }
        let written = writer.join().expect("the writer does not panic");
        match produced {
            Ok(value) => written.map(|doubtful| (value, doubtful)),
            Err(Stop::WriterGone) => Err(written.expect_err("only a failed writer is gone early")),
            Err(Stop::Failed(error)) => Err(error.into()),
        }
    })
}

fn work(window: &Window<Job>, mut worker: Worker<'_>) {
    while let Some(Job { piece, answer }) = window.take() {
        // The writer may be gone; the feed will hear of it.
        let _sent = answer.send(worker.made(piece));
    }
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

    fn run(
        mut self,
        window: &Window<Job>,
        spare: &Spare,
        answers: &Receiver<Next>,
    ) -> Result<Vec<PathBuf>, Failure> {
        self.out.write(&MEMBER_HEADER)?;
        for next in answers {
            match next {
                Next::Piece(answer, weight) => {
                    // What was given up is not answered.
                    let Ok(answer) = answer.recv() else { break };
                    spare.give(self.take(answer?)?);
                    window.used(weight);
                }
                Next::End(entries, doubts) => return Ok(self.end(*entries, doubts)?),
            }
        }
        // Without an end the producer gave up, and has its own error.
        Ok(Vec::new())
    }

    /// Writes segments; returns the bytes, which nobody needs any more.
    fn take(&mut self, made: Made) -> Result<Vec<u8>, ArchiveError> {
        for segment in &made.segments {
            self.index.push_segment(segment)?;
            self.checksum.append(segment.crc, segment.n_raw);
        }
        for digest in made.digests {
            if let Some(hash) = self.merger.push(digest) {
                self.index.push_hash(&hash)?;
                self.seen.push(key(&hash));
            }
        }
        self.out.write(&made.bytes)?;
        Ok(made.bytes)
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
