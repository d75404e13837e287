//! The layer between the archive and the files, so that a test can make them fail.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

/// Stands between `create` and the files it reads and writes; passes on what it does not change.
pub trait FileLayer: Sync {
    /// Returns what the content of the source file at `path` is read from.
    fn input<'a>(&self, _path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        Box::new(file)
    }

    /// Returns what the archive is written to; its `flush` is the last call before the commit.
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        Box::new(file)
    }
}

/// Passes everything on to the files themselves.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

impl FileLayer for Direct {}
