//! Compresses pieces on several threads and writes them in order, with bounded memory.
//!
//! Each piece carries its own answer channel; the writer takes the answers in the order the pieces
//! were fed, so the bytes do not depend on the number of threads.

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use sha2::{Digest, Sha256};

use super::{
    ArchiveError,
    deflate::{Checksum, Level, MEMBER_HEADER, Packed, Packer},
};
use crate::{cancel::Cancelled, fs::At};

/// How to compress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compression {
    pub(super) level: Level,
    pub(super) n_threads: usize,
}

/// Where the archive goes.
pub(super) struct Output<'a> {
    pub(super) writer: &'a mut (dyn Write + Send),
    /// The name it has in errors.
    pub(super) path: &'a Path,
    /// Hashes what is written, where that is wanted.
    pub(super) hasher: Option<Sha256>,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8], totals: &mut Totals) -> Result<(), ArchiveError> {
        self.writer.write_all(bytes).at(self.path, "write")?;
        totals.n_packed += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }
}

/// What went through.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// The SHA-256 of the archive, in hexadecimal digits.
    pub(super) sha256: Option<String>,
    pub(super) n_raw: u64,
    pub(super) n_packed: u64,
}

/// Why the pieces stopped coming.
#[derive(Debug)]
pub(super) enum Stop {
    /// The producer failed.
    Failed(ArchiveError),
    /// The writer failed; its own error tells why.
    WriterGone,
}

impl From<Cancelled> for Stop {
    fn from(cancelled: Cancelled) -> Self {
        Self::Failed(cancelled.into())
    }
}

type Answer = Result<Packed, ArchiveError>;

struct Job {
    raw: Vec<u8>,
    answer: Sender<Answer>,
}

/// What the writer gets, in order.
enum Next {
    Piece(Receiver<Answer>),
    End,
}

/// Takes pieces, and blocks while too many are under way.
pub(super) struct Feed {
    jobs: Sender<Job>,
    order: SyncSender<Next>,
}

impl Feed {
    pub(super) fn send(&mut self, raw: Vec<u8>) -> Result<(), Stop> {
        let (answer, receiver) = channel();
        self.order.send(Next::Piece(receiver)).map_err(|_| Stop::WriterGone)?;
        self.jobs.send(Job { raw, answer }).map_err(|_| Stop::WriterGone)
    }
}

/// Runs `produce` and writes what it feeds to `out` as one gzip member.
pub(super) fn run<T>(
    out: Output<'_>,
    compression: Compression,
    produce: impl FnOnce(&mut Feed) -> Result<T, Stop>,
) -> Result<(T, Totals), ArchiveError> {
    let n_threads = compression.n_threads.max(1);
    let (jobs, queue) = channel::<Job>();
    let (order, answers) = sync_channel(n_threads * 2);
    let queue = Arc::new(Mutex::new(queue));
    thread::scope(|scope| {
        for _ in 0..n_threads {
            let queue = Arc::clone(&queue);
            scope.spawn(move || work(&queue, compression.level));
        }
        let writer = scope.spawn(move || write_in_order(out, &answers));
        let mut feed = Feed { jobs, order };
        let produced = produce(&mut feed);
        if produced.is_ok() {
            // If the writer is gone, its own error tells why.
            let _ended = feed.order.send(Next::End);
        }
        drop(feed);
        let written = writer.join().expect("the writer does not panic");
        match produced {
            Ok(value) => Ok((value, written?)),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::WriterGone) => Err(written.expect_err("only a failed writer is gone early")),
        }
    })
}

fn work(queue: &Mutex<Receiver<Job>>, level: Level) {
    let mut packer = Packer::new(level);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { raw, answer }) = job else { return };
        // The writer may be gone; the feed will hear of it.
        let _sent = answer.send(packer.pack(&raw));
    }
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).expect("half a byte is a digit")
}

fn write_in_order(mut out: Output<'_>, answers: &Receiver<Next>) -> Result<Totals, ArchiveError> {
    let mut checksum = Checksum::default();
    let mut totals = Totals::default();
    out.write(&MEMBER_HEADER, &mut totals)?;
    for next in answers {
        let Next::Piece(answer) = next else {
            out.write(&checksum.member_end(totals.n_raw), &mut totals)?;
            out.writer.flush().at(out.path, "write")?;
            totals.sha256 = out.hasher.take().map(hexadecimal);
            break;
        };
        let packed = answer.recv().expect("a worker answers every job")?;
        out.write(&packed.bytes, &mut totals)?;
        checksum.append(&packed.checksum);
        totals.n_raw += packed.n_raw;
    }
    // Without an end the producer gave up, and has its own error.
    Ok(totals)
}
