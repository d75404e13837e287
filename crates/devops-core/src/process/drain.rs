//! Takes what a child writes, as it writes it, and keeps it for whoever wants it.

use std::{
    collections::VecDeque,
    io::{self, Read},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use os_pipe::PipeReader;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, ioctl_fionread},
};

use super::{
    event::{ProcessEvent, StdStream},
    spool::Spool,
};

/// How long a line may become before it is delivered in pieces.
const LINE_LIMIT: usize = 256 << 10;

/// The output of one child, shared by the threads that read it and the one that consumes it.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    sink: Sink,
    notices: VecDeque<ProcessEvent>,
    last_bytes: Instant,
    /// Bytes read so far, of all streams.
    n_read: u64,
    /// Nothing is added any more.
    closed: bool,
}

/// What becomes of the bytes.
pub(super) enum Sink {
    Lines {
        partial: [Vec<u8>; 2],
        spool: Spool,
    },
    /// As they came: nothing is split, nothing is added.
    Chunks {
        spool: Spool,
    },
    Capture {
        limit: usize,
        streams: [Vec<u8>; 2],
        truncated: bool,
    },
}

impl Sink {
    pub(super) fn lines() -> Self {
        Self::Lines { partial: [Vec::new(), Vec::new()], spool: Spool::default() }
    }

    pub(super) fn chunks() -> Self {
        Self::Chunks { spool: Spool::default() }
    }

    pub(super) fn capture(limit: usize) -> Self {
        Self::Capture { limit, streams: [Vec::new(), Vec::new()], truncated: false }
    }

    fn take(&mut self, stream: StdStream, bytes: &[u8]) {
        match self {
            Self::Lines { partial, spool } => {
                split_lines(&mut partial[index(stream)], bytes, |line| spool.push(stream, line));
            }
            Self::Chunks { spool } => spool.push(stream, bytes.to_vec()),
            Self::Capture { limit, streams, truncated } => {
                let kept = &mut streams[index(stream)];
                let room = *limit - kept.len();
                *truncated |= bytes.len() > room;
                kept.extend(&bytes[..bytes.len().min(room)]);
            }
        }
    }

    /// Delivers last lines that have no newline.
    fn finish(&mut self) {
        let Self::Lines { partial, spool } = self else { return };
        for stream in [StdStream::Stdout, StdStream::Stderr] {
            let rest = mem::take(&mut partial[index(stream)]);
            if !rest.is_empty() {
                spool.push(stream, rest);
            }
        }
    }
}

fn index(stream: StdStream) -> usize {
    usize::from(stream == StdStream::Stderr)
}

fn split_lines(partial: &mut Vec<u8>, bytes: &[u8], mut deliver: impl FnMut(Vec<u8>)) {
    for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
        match piece.split_last() {
            Some((b'\n', line)) => {
                partial.extend(line);
                deliver(mem::take(partial));
            }
            _ => partial.extend(piece),
        }
        if partial.len() >= LINE_LIMIT {
            deliver(mem::take(partial));
        }
    }
}

impl Output {
    pub(super) fn new(sink: Sink) -> Self {
        let state = State {
            sink,
            notices: VecDeque::new(),
            last_bytes: Instant::now(),
            n_read: 0,
            closed: false,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Reads `pipe` to its end. After [`close`](Self::close) it goes on reading and drops what it reads,
    /// so that a grandchild is not killed by a closed pipe while we live.
    pub(super) fn drain(&self, stream: StdStream, mut pipe: PipeReader) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return,
            }
            match self.read(stream, &mut pipe, &mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what a pipe has, under the lock: a byte is in the pipe or in the sink, never between them.
    fn read(
        &self,
        stream: StdStream,
        pipe: &mut PipeReader,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut state = self.state();
        let n = pipe.read(buffer)?;
        state.n_read += n as u64;
        if n > 0 && !state.closed {
            state.sink.take(stream, &buffer[..n]);
            state.last_bytes = Instant::now();
            self.shared.changed.notify_all();
        }
        Ok(n)
    }

    /// Returns how many bytes were written so far: those read, and those that wait in the pipes.
    pub(super) fn n_written(&self, pipes: &[PipeReader]) -> u64 {
        let state = self.state();
        // What cannot be asked has nothing to give.
        let waiting = pipes.iter().map(|pipe| ioctl_fionread(pipe).unwrap_or(0));
        state.n_read + waiting.sum::<u64>()
    }

    /// Returns how many bytes were read so far.
    pub(super) fn n_read(&self) -> u64 {
        self.state().n_read
    }

    /// Adds an event that overtakes lines that wait.
    pub(super) fn notice(&self, event: ProcessEvent) {
        self.state().notices.push_back(event);
        self.shared.changed.notify_all();
    }

    pub(super) fn last_bytes(&self) -> Instant {
        self.state().last_bytes
    }

    /// Ends the output: what comes later is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.sink.finish();
        state.closed = true;
        self.shared.changed.notify_all();
    }

    /// Waits for the next event; `None` after the last.
    pub(super) fn next_event(&self) -> Option<ProcessEvent> {
        let mut state = self.state();
        loop {
            if let Some(notice) = state.notices.pop_front() {
                return Some(notice);
            }
            if let Sink::Lines { spool, .. } | Sink::Chunks { spool } = &mut state.sink
                && let Some((stream, bytes)) = spool.pop()
            {
                return Some(ProcessEvent::Line { stream, bytes });
            }
            if state.closed {
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns stdout, stderr, and whether one of them was cut.
    pub(super) fn take_captured(&self) -> (Vec<u8>, Vec<u8>, bool) {
        match &mut self.state().sink {
            Sink::Capture { streams: [stdout, stderr], truncated, .. } => {
                (mem::take(stdout), mem::take(stderr), *truncated)
            }
            Sink::Lines { .. } | Sink::Chunks { .. } => (Vec::new(), Vec::new(), false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut partial) = (Vec::new(), Vec::new());
        for chunk in chunks {
            split_lines(&mut partial, chunk, |line| lines.push(line));
        }
        (lines, partial)
    }

    #[test]
    fn joins_a_line_that_comes_in_chunks() {
        let (lines, partial) = split(&[b"one\ntw", b"o\n\nthr\0\xff", b"ee"]);

        assert_eq!(lines, [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
        assert_eq!(partial, b"thr\0\xffee");
    }

    #[test]
    fn cuts_a_line_that_does_not_end() {
        let chunk = vec![b'x'; LINE_LIMIT];

        let (lines, partial) = split(&[&chunk, b"rest"]);

        assert_eq!(lines, [chunk]);
        assert_eq!(partial, b"rest");
    }
}
