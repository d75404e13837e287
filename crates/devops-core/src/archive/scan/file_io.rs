//! The layer between the archive and the files, so that a test can make them fail.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use crate::fs::{self, PathError};

/// Stands between `create` and the files it reads and writes; passes on what it does not change.
pub trait FileIo: Sync {
    /// Returns what the content of the source file at `path` is read from.
    fn input<'a>(&self, _path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        Box::new(file)
    }

    /// Returns what the archive is written to; its `flush` is the last call before the commit.
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        Box::new(file)
    }

    /// Returns how many bytes can be written to `folder`; `None` where its file system does not say.
    fn free_bytes(&self, folder: &Path) -> Result<Option<u64>, PathError> {
        fs::free_bytes(folder)
    }
}

/// Passes everything on to the files themselves.
#[derive(Clone, Copy, Debug)]
pub struct RealFiles;

impl FileIo for RealFiles {}
