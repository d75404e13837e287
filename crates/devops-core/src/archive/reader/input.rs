//! The bytes of a tar out of a file: as they are, or out of one gzip member or many.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::segments::Segments;
use crate::{
    archive::stored::Stored,
    cancel::{Cancel, Cancelled},
};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the bytes of a tar; a signal ends it with `Cancelled` inside the error.
pub(super) struct Input {
    layer: Layer,
    cancel: Cancel,
    /// How many gzip members were begun.
    n_members: u64,
    has_garbage: bool,
}

enum Layer {
    Segments(Segments),
    Plain(Bytes),
    Member(Box<GzDecoder<Bytes>>),
    /// Behind the last member.
    Over(u64),
}

impl Input {
    /// Reads segments that an index names.
    pub(super) fn segments(segments: Segments, cancel: &Cancel) -> Self {
        let layer = Layer::Segments(segments);
        Self { layer, cancel: cancel.clone(), n_members: 1, has_garbage: false }
    }

    /// Begins with the first byte of the archive.
    pub(super) fn new(stored: Stored, cancel: &Cancel) -> io::Result<Self> {
        let mut bytes = Bytes { stored, buffer: vec![0; 128 << 10], start: 0, end: 0, n_taken: 0 };
        let is_gzip = bytes.peek(2)?.starts_with(&GZIP);
        let (layer, n_members) = if is_gzip {
            (Layer::Member(Box::new(GzDecoder::new(bytes))), 1)
        } else {
            (Layer::Plain(bytes), 0)
        };
        Ok(Self { layer, cancel: cancel.clone(), n_members, has_garbage: false })
    }

    /// Fails once a signal has come.
    pub(super) fn check_cancel(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }

    /// Returns how many bytes of the file were taken so far.
    pub(super) fn n_taken(&self) -> u64 {
        match &self.layer {
            Layer::Segments(segments) => segments.n_taken(),
            Layer::Plain(bytes) => bytes.n_taken,
            Layer::Member(member) => member.get_ref().n_taken,
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
        let layer = std::mem::replace(&mut self.layer, Layer::Over(0));
        let Layer::Member(member) = layer else { return Ok(()) };
        let mut bytes = member.into_inner();
        if bytes.peek(2)?.starts_with(&GZIP) {
            self.n_members += 1;
            self.layer = Layer::Member(Box::new(GzDecoder::new(bytes)));
            return Ok(());
        }
        // Tapes pad with zeros, and gzip says nothing about those either.
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            let rest = bytes.fill_buf()?;
            if rest.is_empty() {
                self.layer = Layer::Over(bytes.n_taken);
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
            let n = match &mut self.layer {
                Layer::Segments(segments) => return segments.read(buffer),
                Layer::Plain(bytes) => return bytes.read(buffer),
                Layer::Member(member) => member.read(buffer)?,
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
    stored: Stored,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    n_taken: u64,
}

impl Bytes {
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
