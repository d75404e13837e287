//! A stream as the source of an archive.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
};

use crate::fs::{IoResultExt, PathError};

/// The bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// A stream that is backed up as one file.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// The name of the file in the archive.
    pub name: &'a str,
    /// All of its content, as [`spool`] leaves it.
    pub content: &'a File,
}

/// Writes a stream to a file without a name in `folder`: an entry of a tar begins with its size.
pub fn spool(stream: &mut dyn Read, folder: &Path) -> Result<File, PathError> {
    let mut file = tempfile::tempfile_in(folder).at(folder, "create a file in")?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = stream.read(&mut buffer).at(Path::new("standard input"), "read")?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).at(folder, "write to a file in")?;
    }
    file.rewind().at(folder, "read a file in")?;
    Ok(file)
}
