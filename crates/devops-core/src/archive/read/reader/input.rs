//! The bytes of a tar out of a file: as they are, or out of one gzip member or many.

use std::io::{self, BufRead, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder};
use rustix::io::Errno;

use super::segments::Segments;
use crate::{
    archive::format::archive_file::ArchiveFile,
    cancel::{Cancel, Cancelled},
};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the bytes of a tar; a signal ends it with `Cancelled` inside the error.
pub(super) struct Input {
    file_io: Layer,
    cancel: Cancel,
    /// How many gzip members were begun.
    n_members: u64,
    has_garbage: bool,
    n_restarts: u64,
}

/// The length of a checksum and a size behind a member.
const TRAILER: usize = 8;
/// The most times that compressed bytes are read anew behind damage: each takes memory that is cleared before.
const MAX_RESTARTS: u64 = 1 << 16;

/// A place from which compressed bytes can be read without those before them.
enum Restart {
    /// At the header of a member.
    Member,
    /// Behind an empty stored block.
    Block,
}

enum Layer {
    Segments(Box<Segments>),
    Plain(Bytes),
    Member(Box<GzDecoder<Bytes>>),
    /// The rest of a member behind damage: nothing compares its checksum.
    Rest(Box<DeflateDecoder<Bytes>>),
    /// Behind the last member.
    Over(u64),
}

impl Input {
    /// Reads segments that an index names.
    pub(super) fn segments(segments: Segments, cancel: &Cancel) -> Self {
        let file_io = Layer::Segments(Box::new(segments));
        Self { file_io, cancel: cancel.clone(), n_members: 1, has_garbage: false, n_restarts: 0 }
    }

    /// Begins with the first byte of the archive.
    pub(super) fn new(stored: ArchiveFile, cancel: &Cancel) -> io::Result<Self> {
        let mut bytes = Bytes::new(stored);
        let is_gzip = bytes.peek(2)?.starts_with(&GZIP);
        let (file_io, n_members) = if is_gzip {
            (Layer::Member(Box::new(GzDecoder::new(bytes))), 1)
        } else {
            (Layer::Plain(bytes), 0)
        };
        Ok(Self { file_io, cancel: cancel.clone(), n_members, has_garbage: false, n_restarts: 0 })
    }

    /// Takes a disk that fails to read a block for damage, which ends no more than that block.
    pub(super) fn tolerant(mut self) -> Self {
        if let Some(bytes) = self.file() {
            bytes.is_tolerant = true;
        }
        self
    }

    fn file(&mut self) -> Option<&mut Bytes> {
        match &mut self.file_io {
            Layer::Plain(bytes) => Some(bytes),
            Layer::Member(member) => Some(member.get_mut()),
            Layer::Rest(rest) => Some(rest.get_mut()),
            Layer::Segments(_) | Layer::Over(_) => None,
        }
    }

    /// Moves forward to a byte of the tar; returns `false` where it cannot.
    pub(super) fn skip_to(&mut self, tar_offset: u64) -> io::Result<bool> {
        match &mut self.file_io {
            Layer::Segments(segments) => segments.skip_to(tar_offset, &self.cancel),
            _ => Ok(false),
        }
    }

    /// Reads the segments that are left, and compares the checksum of the whole.
    pub(super) fn finish_segments(&mut self) -> io::Result<()> {
        match &mut self.file_io {
            Layer::Segments(segments) => segments.finish(&self.cancel),
            _ => Ok(()),
        }
    }

    /// Returns the segments that are read, if any are.
    pub(super) fn as_segments(&mut self) -> Option<&mut Segments> {
        match &mut self.file_io {
            Layer::Segments(segments) => Some(segments),
            _ => None,
        }
    }

    /// Goes on behind bytes that could not be read; returns whether there is anything.
    ///
    /// Compressed bytes can be read again from the next member on, and from where a writer made its stream
    /// independent of what came before: an empty stored block, RFC 1951 section 3.2.4, on a whole byte.
    pub(super) fn recover(&mut self) -> bool {
        let mut bytes = match std::mem::replace(&mut self.file_io, Layer::Over(0)) {
            Layer::Member(member) => member.into_inner(),
            Layer::Rest(rest) => rest.into_inner(),
            Layer::Plain(mut bytes) => {
                let has_more = bytes.skip_unreadable();
                self.file_io = Layer::Plain(bytes);
                return has_more;
            }
            other => {
                self.file_io = other;
                return false;
            }
        };
        self.n_restarts += 1;
        let found =
            if self.n_restarts > MAX_RESTARTS { None } else { bytes.find_restart(&self.cancel) };
        self.file_io = match found {
            Some(Restart::Member) => Layer::Member(Box::new(GzDecoder::new(bytes))),
            Some(Restart::Block) => Layer::Rest(Box::new(DeflateDecoder::new(bytes))),
            None => Layer::Over(bytes.n_taken),
        };
        found.is_some()
    }

    /// Fails once a signal has come.
    pub(super) fn check_cancel(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }

    /// Returns how many bytes of the file were taken so far.
    pub(super) fn n_taken(&self) -> u64 {
        match &self.file_io {
            Layer::Segments(segments) => segments.n_taken(),
            Layer::Plain(bytes) => bytes.n_taken,
            Layer::Member(member) => member.get_ref().n_taken,
            Layer::Rest(rest) => rest.get_ref().n_taken,
            Layer::Over(n_taken) => *n_taken,
        }
    }

    pub(super) fn n_members(&self) -> u64 {
        self.n_members
    }

    /// Returns whether something else than zeros follows the last gzip member.
    pub(super) fn has_garbage(&self) -> bool {
        self.has_garbage
    }

    /// Goes on behind a gzip member: with the next, or with nothing more.
    fn next_member(&mut self) -> io::Result<()> {
        let mut bytes = match std::mem::replace(&mut self.file_io, Layer::Over(0)) {
            Layer::Member(member) => member.into_inner(),
            Layer::Rest(rest) => {
                let mut bytes = rest.into_inner();
                let n = bytes.peek(TRAILER)?.len().min(TRAILER);
                bytes.consume(n);
                bytes
            }
            other => {
                self.file_io = other;
                return Ok(());
            }
        };
        if bytes.peek(2)?.starts_with(&GZIP) {
            self.n_members += 1;
            self.file_io = Layer::Member(Box::new(GzDecoder::new(bytes)));
            return Ok(());
        }
        // Tapes pad with zeros, and gzip says nothing about those either.
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            let rest = bytes.fill_buf()?;
            if rest.is_empty() {
                self.file_io = Layer::Over(bytes.n_taken);
                return Ok(());
            }
            self.has_garbage |= rest.iter().any(|&byte| byte != 0);
            let n = rest.len();
            bytes.consume(n);
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            let n = match &mut self.file_io {
                Layer::Segments(segments) => return segments.read(buffer),
                Layer::Plain(bytes) => return bytes.read(buffer),
                Layer::Member(member) => member.read(buffer)?,
                Layer::Rest(rest) => rest.read(buffer)?,
                Layer::Over(_) => return Ok(0),
            };
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            self.next_member()?;
        }
    }
}

/// A buffered file that counts and can look ahead.
struct Bytes {
    stored: ArchiveFile,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    n_taken: u64,
    is_tolerant: bool,
}

/// The bytes that are skipped of a file that cannot be read: encrypted ones fail by so much, disks by less.
const UNREADABLE: u64 = 64 << 10;

impl Bytes {
    fn new(stored: ArchiveFile) -> Self {
        let buffer = vec![0; 128 << 10];
        Self { stored, buffer, start: 0, end: 0, n_taken: 0, is_tolerant: false }
    }

    /// Goes on behind what the last read failed at; returns whether there is more.
    fn skip_unreadable(&mut self) -> bool {
        (self.start, self.end) = (0, 0);
        self.n_taken = (self.n_taken + 1).next_multiple_of(UNREADABLE);
        self.n_taken < self.stored.n_bytes()
    }

    /// Finds where compressed bytes can be read anew, and takes all before that.
    fn find_restart(&mut self, cancel: &Cancel) -> Option<Restart> {
        const EMPTY_BLOCK: [u8; 4] = [0, 0, 0xff, 0xff];
        loop {
            cancel.check().ok()?;
            let Ok(bytes) = self.peek(EMPTY_BLOCK.len()) else {
                if self.skip_unreadable() {
                    continue;
                }
                return None;
            };
            let found = bytes.windows(EMPTY_BLOCK.len()).enumerate().find_map(|(at, window)| {
                if window == EMPTY_BLOCK {
                    return Some((at + EMPTY_BLOCK.len(), Restart::Block));
                }
                // Deflate, and none of the flags that RFC 1952 reserves.
                let is_member = window[..3] == [0x1f, 0x8b, 8] && window[3] & 0xe0 == 0;
                is_member.then_some((at, Restart::Member))
            });
            let n_bytes = bytes.len();
            if let Some((at, restart)) = found {
                self.consume(at);
                return Some(restart);
            }
            if n_bytes < EMPTY_BLOCK.len() {
                return None;
            }
            self.consume(n_bytes - (EMPTY_BLOCK.len() - 1));
        }
    }

    /// Returns the next bytes without taking them: at least `n`, unless the file ends before.
    fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        if self.end - self.start < n {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < n && self.fill()? > 0 {}
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn fill(&mut self) -> io::Result<usize> {
        let n = loop {
            match self.stored.read_at(&mut self.buffer[self.end..], self.n_taken) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if self.is_tolerant && Errno::from_io_error(&error) == Some(Errno::IO) =>
                {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string()));
                }
                other => break other?,
            }
        };
        self.end += n;
        self.n_taken += n as u64;
        Ok(n)
    }
}

impl BufRead for Bytes {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}
