//! An input that each run of a command reads from where it began.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use os_pipe::PipeWriter;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tempfile::{SpooledTempFile, spooled_tempfile};

use crate::limits;

/// How much of an input is kept in memory; more goes to an unnamed temporary file.
const IN_MEMORY: usize = 1 << 20;

/// An input for a command that may run several times; clones are the same input.
///
/// A file is read again. What a pipe gives is kept while a run reads it.
#[derive(Clone)]
pub struct Replay {
    shared: Arc<Shared>,
}

struct Shared {
    input: File,
    kind: InputKind,
    record: Mutex<Record>,
}

#[derive(Clone, Copy)]
enum InputKind {
    /// A file, which is read again from this offset.
    File(u64),
    /// A pipe or a socket.
    StdStream,
    /// A device, such as a terminal or `/dev/null`, gives each run what it has.
    Device,
}

/// What a stream has given so far.
struct Record {
    bytes: SpooledTempFile,
    n_bytes: u64,
    is_ended: bool,
    /// The reason it could not be kept.
    trouble: Option<io::Error>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

impl Replay {
    /// Takes an input as it is now.
    pub fn new(input: impl Into<OwnedFd>) -> io::Result<Self> {
        let mut input = File::from(input.into());
        let file_type = input.metadata()?.file_type();
        let kind = if file_type.is_file() {
            InputKind::File(input.stream_position()?)
        } else if file_type.is_fifo() || file_type.is_socket() {
            InputKind::StdStream
        } else {
            InputKind::Device
        };
        let record = Mutex::new(Record {
            bytes: spooled_tempfile(IN_MEMORY),
            n_bytes: 0,
            is_ended: false,
            trouble: None,
        });
        Ok(Self { shared: Arc::new(Shared { input, kind, record }) })
    }

    /// Returns what the next run reads.
    pub(super) fn begin(&self) -> io::Result<OwnedFd> {
        let shared = &self.shared;
        if let Some(trouble) = shared.record().trouble.take() {
            return Err(trouble);
        }
        match shared.kind {
            InputKind::File(offset) => {
                (&shared.input).seek(SeekFrom::Start(offset))?;
            }
            InputKind::Device => {}
            InputKind::StdStream => {
                let (reader, writer) = os_pipe::pipe()?;
                let shared = Arc::clone(shared);
                limits::spawn("stdin", move || shared.feed(writer))?;
                return Ok(reader.into());
            }
        }
        shared.input.as_fd().try_clone_to_owned()
    }
}

impl Shared {
    /// Writes the whole stream, from its beginning, for as long as a run reads it.
    fn feed(&self, mut writer: PipeWriter) {
        let (mut buffer, mut position) = (vec![0; 64 << 10], 0);
        while let Ok(n @ 1..) = self.next(position, &mut buffer, &writer) {
            // A run that does not want its input is not an error.
            if writer.write_all(&buffer[..n]).is_err() {
                return;
            }
            position += n as u64;
        }
    }

    /// Returns how many bytes come next, kept ones or new ones; 0 at the end, and once the run has gone.
    fn next(&self, position: u64, buffer: &mut [u8], writer: &PipeWriter) -> io::Result<usize> {
        loop {
            let mut record = self.record();
            if position < record.n_bytes {
                record.bytes.seek(SeekFrom::Start(position))?;
                return record.bytes.read(buffer);
            }
            if record.is_ended {
                return Ok(0);
            }
            // An earlier run may have left a thread that waits for the same bytes.
            if is_ready(&self.input, Some(&Timespec::default()), None)? {
                return record.take(&self.input, buffer);
            }
            drop(record);
            if !is_ready(&self.input, None, Some(writer))? {
                return Ok(0);
            }
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Reads new bytes and keeps them. Where they cannot be kept, this run has them all the same.
    fn take(&mut self, mut input: &File, buffer: &mut [u8]) -> io::Result<usize> {
        let n = input.read(buffer)?;
        self.is_ended = n == 0;
        let end = SeekFrom::Start(self.n_bytes);
        let kept = self.bytes.seek(end).and_then(|_| self.bytes.write_all(&buffer[..n]));
        match kept {
            Ok(()) => self.n_bytes += n as u64,
            Err(error) => self.trouble = Some(error),
        }
        Ok(n)
    }
}

/// Waits until `input` has bytes or an end; returns `false` when the time is over, or `reader_of` has no reader.
fn is_ready(
    input: &File,
    timeout: Option<&Timespec>,
    reader_of: Option<&PipeWriter>,
) -> io::Result<bool> {
    loop {
        let mut waiting = vec![PollFd::new(input, PollFlags::IN)];
        waiting.extend(reader_of.map(|writer| PollFd::new(writer, PollFlags::empty())));
        match poll(&mut waiting, timeout) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let has_gone = waiting.get(1).is_some_and(|writer| !writer.revents().is_empty());
                return Ok(!has_gone && !waiting[0].revents().is_empty());
            }
        }
    }
}
