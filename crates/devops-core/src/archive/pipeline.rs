//! Compresses pieces on several threads and writes them in order, with bounded memory.
//!
//! Each piece carries its own answer channel; the writer takes the answers in the order the pieces
//! were fed, so the bytes do not depend on the number of threads. What may be under way, [`window`] says.

use std::{
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use super::{
    ArchiveError,
    content::{Digest, Merger},
    deflate::Checksum,
    index::{EntryWriter, Hash, IndexWriter, Making, Segment},
    reuse::{Previous, key},
    window::{self, Weight, Window},
};
use crate::{archive_index::head::MEMBER_HEADER, cancel::Cancel, fs::At, limits::spawn_scoped};

mod segment_job;
mod worker;

use segment_job::MIB;
pub(super) use segment_job::{Compression, Doubt, Failure, ProduceError};
pub(super) use worker::Piece;
use worker::{Made, Spare, Worker};

/// How much may wait to be compressed, and as much again be under compression, for each thread: a
/// piece and the next one.
const EACH: usize = 2 * MIB;
/// How much may be finished before its turn: while one piece is compressed, many are copied.
const AHEAD: usize = 16 * MIB;
/// How much of neighbours in the archive before is copied at once: more costs memory, less costs calls.
const RUN: u64 = MIB as u64;
/// How many neighbours at most: holes are next to nothing.
const MAX_RUN: usize = 1024;
/// What the result of the smallest piece takes.
const LEAST: usize = 4096;

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

type Answer = Result<Made, Failure>;

struct Job {
    piece: Piece,
    answer: SyncSender<Answer>,
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
    run: Option<Run>,
}

/// Neighbours in the archive before.
struct Run {
    segments: Range<usize>,
    n_packed: u64,
    hashes: Vec<Hash>,
}

impl Run {
    fn takes(&self, n: usize) -> bool {
        self.segments.end == n && self.n_packed < RUN && self.segments.len() < MAX_RUN
    }
}

impl Feed<'_> {
    pub(super) fn send(&mut self, piece: Piece) -> Result<(), ProduceError> {
        match piece {
            Piece::Old { segments, hashes } => self.copy(segments, hashes),
            Piece::New { ref raw, .. } => {
                let weight = Weight { waiting: raw.len(), begun: raw.len() };
                self.flush()?;
                self.push(piece, weight)
            }
            Piece::Zeros { .. } | Piece::Hash(_) => {
                self.flush()?;
                self.push(piece, Weight::default())
            }
        }
    }

    /// Ends the archive, of which these are the entries.
    pub(super) fn finish(
        &mut self,
        entries: EntryWriter,
        doubts: Vec<Doubt>,
    ) -> Result<(), ProduceError> {
        self.flush()?;
        self.order.send(Next::End(Box::new(entries), doubts)).map_err(|_| ProduceError::WriterGone)
    }

    /// Appends segments to the run before them, if they are its neighbours.
    fn copy(&mut self, segments: Range<usize>, hashes: Vec<Hash>) -> Result<(), ProduceError> {
        for n in segments {
            if !self.run.as_ref().is_some_and(|run| run.takes(n)) {
                self.flush()?;
            }
            let empty = || Run { segments: n..n, n_packed: 0, hashes: Vec::new() };
            let run = self.run.get_or_insert_with(empty);
            run.segments.end = n + 1;
            run.n_packed += self.previous.map_or(0, |previous| previous.n_packed(n..n + 1));
        }
        if let Some(run) = &mut self.run {
            run.hashes.extend(hashes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ProduceError> {
        let Some(Run { segments, n_packed, hashes }) = self.run.take() else { return Ok(()) };
        let n_listed = segments.len() * size_of::<Segment>() + hashes.len() * size_of::<Digest>();
        let begun = usize::try_from(n_packed).unwrap_or(usize::MAX).saturating_add(n_listed);
        let weight = Weight { waiting: size_of_val(hashes.as_slice()), begun };
        self.push(Piece::Old { segments, hashes }, weight)
    }

    fn push(&mut self, piece: Piece, weight: Weight) -> Result<(), ProduceError> {
        let weight = Weight { begun: weight.begun.max(LEAST), ..weight };
        let (answer, receiver) = sync_channel(1);
        self.order.send(Next::Piece(receiver, weight)).map_err(|_| ProduceError::WriterGone)?;
        self.window.push(Job { piece, answer }, weight).map_err(|_| ProduceError::WriterGone)
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
    cancel: &Cancel,
    produce: impl FnOnce(Feed<'_>) -> Result<T, ProduceError>,
) -> Result<(T, Vec<PathBuf>), Failure> {
    let n_threads = compression.n_threads.max(1);
    let for_each = n_threads * EACH;
    let window = Window::new(Weight { waiting: for_each, begun: for_each + AHEAD });
    let (order, answers) = channel();
    let spare = Spare::default();
    thread::scope(|scope| {
        // From here on: where a thread cannot be started, those there must hear that nothing comes.
        let feed = Feed { window: &window, order, previous: compression.previous, run: None };
        for n in 0..n_threads {
            let worker = spawn_scoped(scope, || work(&window, compression, &spare));
            // One is enough, though slower.
            if n == 0 {
                worker.at(out.path, "start a thread for").map_err(ArchiveError::from)?;
            }
        }
        let (window, spare) = (&window, &spare);
        let path = out.path;
        let writer = spawn_scoped(scope, move || {
            // However it ends, nobody waits for it.
            let _closing = window::Closing(window);
            Writer::new(out, compression.making).run(&answers, window, spare, cancel)
        });
        let writer = writer.at(path, "start a thread for").map_err(ArchiveError::from)?;
        let produced = produce(feed);
        if produced.is_err() {
            window.close();
        }
        let written = writer.join().expect("the writer does not panic");
        match (produced, written) {
            (Err(ProduceError::Failed(error)), _) => Err(error.into()),
            (_, Err(failure)) => Err(failure),
            (Ok(value), Ok(Some(doubtful))) => Ok((value, doubtful)),
            _ => unreachable!("a thread that breaks takes the others along"),
        }
    })
}

fn work(window: &Window<Job>, compression: Compression<'_>, spare: &Spare) {
    // When one ends, nothing waits any more; when one breaks, nobody must wait for it.
    let _closing = window::Closing(window);
    let mut worker = Worker::new(compression, spare);
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

    /// Writes everything; returns nothing where the end did not come, since somebody gave up.
    fn run(
        mut self,
        answers: &Receiver<Next>,
        window: &Window<Job>,
        spare: &Spare,
        cancel: &Cancel,
    ) -> Result<Option<Vec<PathBuf>>, Failure> {
        self.out.write(&MEMBER_HEADER)?;
        for next in answers {
            // The walk may be gigabytes ahead.
            cancel.check().map_err(ArchiveError::from)?;
            match next {
                Next::Piece(answer, weight) => {
                    let Ok(answer) = answer.recv() else { break };
                    spare.give(self.take(answer?)?);
                    window.used(weight);
                }
                Next::End(entries, doubts) => return Ok(Some(self.end(*entries, doubts)?)),
            }
        }
        Ok(None)
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
