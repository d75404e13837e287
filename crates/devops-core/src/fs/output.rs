//! Writes the output that a user named: a file as one step, a pipe as a stream.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use super::{
    AtomicFile,
    destination::{Resolved, resolve},
    if_exists::IfExists,
    path_error::{IoResultExt, PathError},
};

/// A file that is replaced as one step, or a pipe, a terminal or `/dev/fd/N` that is written to.
#[derive(Debug)]
pub enum Output {
    /// A file.
    File(AtomicFile),
    /// A stream: what is written is there at once.
    Stream(File),
}

impl Output {
    /// Opens `path`; a pipe that no process reads is refused.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        Ok(match resolve(path)? {
            Resolved::File(destination) => Self::File(AtomicFile::create_at(&destination)?),
            Resolved::Stream(stream) => Self::Stream(stream.open()?),
        })
    }

    /// Gives a file its final name; what was there before is replaced.
    pub fn commit(self, mode: u32) -> Result<(), PathError> {
        match self {
            Self::File(mut file) => file.commit(mode, IfExists::Replace),
            Self::Stream(_) => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(file) => file.flush(),
        }
    }
}

/// Writes `bytes` to the output that a user named: a file is replaced as one durable step.
pub fn write_output(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut output = Output::open(path)?;
    output.write_all(bytes).at(path, "write")?;
    output.commit(mode)
}

/// Fails if `path` could not be written, before work is spent on its content.
pub fn check_output(path: &Path) -> Result<(), PathError> {
    match resolve(path)? {
        // The temporary file is removed at once.
        Resolved::File(destination) => AtomicFile::create_at(&destination).map(drop),
        Resolved::Stream(_) => Ok(()),
    }
}
