//! Writes the content of a file, and leaves its holes.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    os::unix::fs::FileExt,
};

use crate::archive::format::entry::Entry;

const BUFFER: u64 = 128 << 10;

/// Which side failed.
pub(super) enum ContentError {
    /// The content could not be read.
    Read(io::Error),
    /// It could not be written.
    Write(io::Error),
    /// It is not as long as the entry says.
    Length,
    /// The file system does not take a file of this size.
    Size(io::Error),
}

/// Writes `content` into the new, empty `file`.
pub(super) fn fill(file: &File, entry: &Entry, content: &mut dyn Read) -> Result<(), ContentError> {
    let size = usize::try_from(entry.size.min(BUFFER)).expect("fits in memory");
    let mut buffer = vec![0; size];
    match &entry.extents {
        None if entry.holes.is_empty() => copy(file, 0..entry.size, content, &mut buffer),
        None => {
            file.set_len(entry.size).map_err(ContentError::Size)?;
            let mut done = 0;
            for hole in &entry.holes {
                copy(file, done..hole.start, content, &mut buffer)?;
                leave(file, hole.clone(), content, &mut buffer)?;
                done = hole.end;
            }
            copy(file, done..entry.size, content, &mut buffer)
        }
        Some(extents) => {
            // A file ends in a hole as well, so its size comes first.
            file.set_len(entry.size).map_err(ContentError::Size)?;
            for extent in extents {
                copy(file, extent.clone(), content, &mut buffer)?;
            }
            Ok(())
        }
    }
}

/// Copies the parts `data` of a file of `size` bytes, and leaves holes between them.
pub(super) fn copy_ranges(
    from: &File,
    to: &File,
    size: u64,
    data: &[Range<u64>],
) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(size.min(BUFFER)).expect("fits in memory")];
    to.set_len(size)?;
    for range in data {
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            let n = match from.read_at(&mut buffer[..wanted], at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => n,
            };
            to.write_all_at(&buffer[..n], at)?;
            at += n as u64;
        }
    }
    Ok(())
}

/// Copies `range`, and leaves a hole wherever the content is zeros, as the index said it would be.
fn leave(
    file: &File,
    range: Range<u64>,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<(), ContentError> {
    transfer(range, content, buffer, |bytes, at| {
        if is_zeros(bytes) { Ok(()) } else { file.write_all_at(bytes, at) }
    })
}

/// Returns whether all bytes are zeros; compares them in blocks, which a processor does much faster.
fn is_zeros(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|block| *block == ZEROS[..block.len()])
}

fn copy(
    file: &File,
    range: Range<u64>,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<(), ContentError> {
    transfer(range, content, buffer, |bytes, at| file.write_all_at(bytes, at))
}

fn transfer(
    mut range: Range<u64>,
    content: &mut dyn Read,
    buffer: &mut [u8],
    write: impl Fn(&[u8], u64) -> io::Result<()>,
) -> Result<(), ContentError> {
    while range.start < range.end {
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let n = match content.read(&mut buffer[..wanted]) {
            Ok(0) => return Err(ContentError::Length),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ContentError::Read(error)),
        };
        write(&buffer[..n], range.start).map_err(ContentError::Write)?;
        range.start += n as u64;
    }
    Ok(())
}
