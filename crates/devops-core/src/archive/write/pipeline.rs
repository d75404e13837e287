//! Compresses pieces on several threads and writes them in order, with bounded memory.
//!
//! Each piece carries its own answer channel; the writer takes the answers in the order the pieces
//! were fed, so the bytes do not depend on the number of threads. What may be under way, `bounded_queue` says.

use std::{
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use super::{
    bounded_queue::{self, BoundedQueue, Cost},
    parent::{ParentArchive, key},
};
use crate::archive::{
    ArchiveError,
    format::{
        compress::Checksum,
        content_hash::{Digest, Merger},
        index::{BuildParams, EntryWriter, Hash, IndexWriter, Segment},
    },
};
use crate::{
    archive_index::head::MEMBER_HEADER, cancel::Cancel, fs::IoResultExt, limits::spawn_scoped,
};

mod segment_job;
mod worker;

use segment_job::MIB;
pub(in crate::archive) use segment_job::{BuildError, Compression, ProduceError, SilentChange};
pub(in crate::archive) use worker::Piece;
use worker::{Made, SpareBuffers, Worker};

/// How much may wait to be compressed, and as much again be under compression, for each thread: a
/// piece and the next one.
const EACH: usize = 2 * MIB;
/// How much may be finished before its turn: while one piece is compressed, many are copied.
const AHEAD: usize = 16 * MIB;
/// The bytes of neighbours in the parent archive that are copied at once: more costs memory, less costs calls.
const RUN: u64 = MIB as u64;
/// The largest number of neighbours: holes are next to nothing.
const MAX_RUN: usize = 1024;
/// What the result of the smallest piece takes.
const LEAST: usize = 4096;

/// The output of an archive.
pub(in crate::archive) struct Output<'a> {
    pub(in crate::archive) writer: &'a mut (dyn Write + Send),
    /// The name it has in errors.
    pub(in crate::archive) path: &'a Path,
    pub(in crate::archive) n_written: u64,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.writer.write_all(bytes).at(self.path, "write")?;
        self.n_written += bytes.len() as u64;
        Ok(())
    }
}

type Answer = Result<Made, BuildError>;

struct Job {
    piece: Piece,
    answer: SyncSender<Answer>,
}

/// A message to the writer, in order.
enum Next {
    Piece(Receiver<Answer>, Cost),
    End(Box<EntryWriter>, Vec<SilentChange>),
}

/// Takes pieces, and blocks while too many are under way.
pub(in crate::archive) struct SegmentSender<'a> {
    queue: &'a BoundedQueue<Job>,
    order: Sender<Next>,
    parent: Option<&'a ParentArchive>,
    /// What is to be copied, and may get longer yet.
    run: Option<Run>,
}

/// Neighbours in the parent archive.
struct Run {
    segments: Range<usize>,
    compressed_len: u64,
    hashes: Vec<Hash>,
}

impl Run {
    fn takes(&self, n: usize) -> bool {
        self.segments.end == n && self.compressed_len < RUN && self.segments.len() < MAX_RUN
    }
}

impl SegmentSender<'_> {
    pub(in crate::archive) fn send(&mut self, piece: Piece) -> Result<(), ProduceError> {
        match piece {
            Piece::Old { segments, hashes } => self.copy(segments, hashes),
            Piece::New { ref raw, .. } => {
                let cost = Cost { waiting: raw.len(), begun: raw.len() };
                self.flush()?;
                self.push(piece, cost)
            }
            Piece::Zeros { .. } | Piece::Hash(_) => {
                self.flush()?;
                self.push(piece, Cost::default())
            }
        }
    }

    /// Ends the archive, of which these are the entries.
    pub(in crate::archive) fn finish(
        &mut self,
        entries: EntryWriter,
        silent_changes: Vec<SilentChange>,
    ) -> Result<(), ProduceError> {
        self.flush()?;
        self.order
            .send(Next::End(Box::new(entries), silent_changes))
            .map_err(|_| ProduceError::WriterGone)
    }

    /// Appends segments to the run before them, if they are its neighbours.
    fn copy(&mut self, segments: Range<usize>, hashes: Vec<Hash>) -> Result<(), ProduceError> {
        for n in segments {
            if !self.run.as_ref().is_some_and(|run| run.takes(n)) {
                self.flush()?;
            }
            let empty = || Run { segments: n..n, compressed_len: 0, hashes: Vec::new() };
            let run = self.run.get_or_insert_with(empty);
            run.segments.end = n + 1;
            run.compressed_len += self.parent.map_or(0, |parent| parent.compressed_len(n..n + 1));
        }
        if let Some(run) = &mut self.run {
            run.hashes.extend(hashes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ProduceError> {
        let Some(Run { segments, compressed_len, hashes }) = self.run.take() else { return Ok(()) };
        let n_listed = segments.len() * size_of::<Segment>() + hashes.len() * size_of::<Digest>();
        let begun = usize::try_from(compressed_len).unwrap_or(usize::MAX).saturating_add(n_listed);
        let cost = Cost { waiting: size_of_val(hashes.as_slice()), begun };
        self.push(Piece::Old { segments, hashes }, cost)
    }

    fn push(&mut self, piece: Piece, cost: Cost) -> Result<(), ProduceError> {
        let cost = Cost { begun: cost.begun.max(LEAST), ..cost };
        let (answer, receiver) = sync_channel(1);
        self.order.send(Next::Piece(receiver, cost)).map_err(|_| ProduceError::WriterGone)?;
        self.queue.push(Job { piece, answer }, cost).map_err(|_| ProduceError::WriterGone)
    }
}

impl Drop for SegmentSender<'_> {
    fn drop(&mut self) {
        self.queue.end();
    }
}

/// Runs `produce` and writes what it feeds to `out`: one gzip member, then the index.
///
/// Returns the files whose content is not what it was, too.
pub(in crate::archive) fn run<T>(
    out: Output<'_>,
    compression: Compression<'_>,
    cancel: &Cancel,
    produce: impl FnOnce(SegmentSender<'_>) -> Result<T, ProduceError>,
) -> Result<(T, Vec<PathBuf>), BuildError> {
    let n_threads = compression.n_threads.max(1);
    let for_each = n_threads * EACH;
    let queue = BoundedQueue::new(Cost { waiting: for_each, begun: for_each + AHEAD });
    let (order, answers) = channel();
    let spare = SpareBuffers::default();
    thread::scope(|scope| {
        // From here on: where a thread cannot be started, those there must hear that nothing comes.
        let sender = SegmentSender { queue: &queue, order, parent: compression.parent, run: None };
        for n in 0..n_threads {
            let worker = spawn_scoped(scope, || work(&queue, compression, &spare));
            // One is enough, though slower.
            if n == 0 {
                worker.at(out.path, "start a thread for").map_err(ArchiveError::from)?;
            }
        }
        let (queue, spare) = (&queue, &spare);
        let path = out.path;
        let writer = spawn_scoped(scope, move || {
            // However it ends, nobody waits for it.
            let _closing = bounded_queue::CloseOnDrop(queue);
            Writer::new(out, compression.build_params).run(&answers, queue, spare, cancel)
        });
        let writer = writer.at(path, "start a thread for").map_err(ArchiveError::from)?;
        let produced = produce(sender);
        if produced.is_err() {
            queue.close();
        }
        let written = writer.join().expect("the writer does not panic");
        match (produced, written) {
            (Err(ProduceError::Failed(error)), _) => Err(error.into()),
            (_, Err(failure)) => Err(failure),
            (Ok(value), Ok(Some(silently_changed))) => Ok((value, silently_changed)),
            _ => unreachable!("a thread that breaks takes the others along"),
        }
    })
}

fn work(queue: &BoundedQueue<Job>, compression: Compression<'_>, spare: &SpareBuffers) {
    // When one ends, nothing waits any more; when one breaks, nobody must wait for it.
    let _closing = bounded_queue::CloseOnDrop(queue);
    let mut worker = Worker::new(compression, spare);
    while let Some(Job { piece, answer }) = queue.take() {
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
    fn new(out: Output<'a>, build_params: BuildParams) -> Self {
        Self {
            out,
            index: IndexWriter::new(build_params),
            merger: Merger::default(),
            checksum: Checksum::default(),
            seen: Vec::new(),
        }
    }

    /// Writes everything; returns nothing where the end did not come, since somebody gave up.
    fn run(
        mut self,
        answers: &Receiver<Next>,
        queue: &BoundedQueue<Job>,
        spare: &SpareBuffers,
        cancel: &Cancel,
    ) -> Result<Option<Vec<PathBuf>>, BuildError> {
        self.out.write(&MEMBER_HEADER)?;
        for next in answers {
            // The walk may be gigabytes ahead.
            cancel.check().map_err(ArchiveError::from)?;
            match next {
                Next::Piece(answer, cost) => {
                    let Ok(answer) = answer.recv() else { break };
                    spare.give(self.take(answer?)?);
                    queue.used(cost);
                }
                Next::End(entries, silent_changes) => {
                    return Ok(Some(self.end(*entries, silent_changes)?));
                }
            }
        }
        Ok(None)
    }

    /// Writes segments; returns the bytes, which nobody needs any more.
    fn take(&mut self, made: Made) -> Result<Vec<u8>, ArchiveError> {
        for segment in &made.segments {
            self.index.push_segment(segment)?;
            self.checksum.append(segment.crc, segment.uncompressed_len);
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

    fn end(
        self,
        entries: EntryWriter,
        silent_changes: Vec<SilentChange>,
    ) -> Result<Vec<PathBuf>, ArchiveError> {
        let Self { mut out, index, checksum, seen, .. } = self;
        out.write(&checksum.member_end())?;
        out.write(&index.finish(entries, out.n_written, checksum.uncompressed_len())?)?;
        let is_same = |change: &SilentChange| {
            let n = usize::try_from(change.n).unwrap_or(usize::MAX);
            seen.get(n) == Some(&key(&change.expected))
        };
        Ok(silent_changes
            .into_iter()
            .filter(|change| !is_same(change))
            .map(|change| change.path)
            .collect())
    }
}
