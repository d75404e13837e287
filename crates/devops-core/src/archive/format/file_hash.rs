//! The hashes of contents that are in files, holes included.

use std::{
    fs::File,
    io, iter,
    os::{fd::AsFd, unix::fs::FileExt},
};

use super::{
    content_hash::{ContentHash, between_holes},
    holes::data_ranges,
};
use crate::cancel::Cancel;

/// The bytes that are read at once.
const BUFFER: usize = 128 << 10;

/// Hashes no more than `size` bytes of a file, since it may grow without end, in the way in which the hash to
/// compare with was made.
pub(in crate::archive) fn hash_file(
    file: &File,
    size: u64,
    like: Option<ContentHash>,
    cancel: &Cancel,
) -> io::Result<ContentHash> {
    if let Some(ContentHash::BetweenHoles(_)) = like {
        return between_holes(size, &data_ranges(file.as_fd(), size), |at, buffer| {
            cancel.check().map_err(io::Error::other)?;
            file.read_at(buffer, at)
        });
    }
    whole(file, size, cancel)
}

/// Hashes all of it; holes are not read.
fn whole(file: &File, size: u64, cancel: &Cancel) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    let (mut buffer, zeros) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut at = 0;
    for data in data_ranges(file.as_fd(), size).into_iter().chain(iter::once(size..size)) {
        while at < data.end {
            // A file may be a hole of terabytes.
            cancel.check().map_err(io::Error::other)?;
            let end = if at < data.start { data.start } else { data.end };
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(BUFFER);
            let bytes = if at < data.start {
                &zeros[..wanted]
            } else {
                let n = file.read_at(&mut buffer[..wanted], at)?;
                &buffer[..n]
            };
            if bytes.is_empty() {
                // It is shorter by now, and so another.
                break;
            }
            hasher.update(bytes);
            at += bytes.len() as u64;
        }
    }
    Ok(ContentHash::Whole(*hasher.finalize().as_bytes()))
}
