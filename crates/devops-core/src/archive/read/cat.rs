//! Writes the content of one file of an archive.

use std::{io::Write, ops::Range, path::Path};

use super::{
    entry_filter::without_dot,
    salvage::{Found, Salvage},
    versions::{LockOwner, holders},
};
use crate::archive::{
    ArchiveError,
    format::{archive_file::Archive, entry::Entry},
};
use crate::{cancel::Cancel, fs::IoResultExt};

/// Writes the content of the file at `path` in `archive` to `out`, holes as zeros.
///
/// Of several entries of that path the last counts, as for every tar. Of an archive with an index only that
/// file is read. Fails with [`ArchiveError::NothingMatches`] when there is none, with
/// [`ArchiveError::WrongKind`] when it is something else, and with [`ArchiveError::Damaged`] when it is lost.
pub fn cat<'a>(
    archive: impl Into<Archive<'a>>,
    path: &Path,
    cancel: &Cancel,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let archive = archive.into();
    let holder = holders(archive, vec![without_dot(path).to_owned()], cancel)?.remove(0);
    let wrong = |what| ArchiveError::WrongKind { path: path.to_owned(), what };
    let number = match holder {
        LockOwner::File(number) => number,
        LockOwner::Other(kind) => {
            return Err(wrong(format!("a {}, and only files have content", kind.name())));
        }
        LockOwner::Circle => return Err(wrong("a hard link that leads in a circle".to_owned())),
        LockOwner::Nothing => return Err(nothing(archive, path)),
    };
    let is_wanted = &mut |n, _: &Path| n == number;
    let mut reader = Salvage::open_some(archive, None, cancel, Some(is_wanted))?;
    while let Some(found) = reader.next()? {
        if reader.number() != number {
            continue;
        }
        match found {
            Found::Entry(entry) => return copy(&entry, &mut reader, out),
            Found::Lost(lost) if lost.path.is_some() => break,
            Found::Lost(_) => {}
        }
    }
    match reader.take_damage() {
        Some(error) => Err(error),
        None => Err(nothing(archive, path)),
    }
}

fn nothing(archive: Archive<'_>, path: &Path) -> ArchiveError {
    let (archive, wanted) = (archive.path.to_owned(), without_dot(path).display().to_string());
    ArchiveError::NothingMatches { archive, wanted }
}

fn copy(entry: &Entry, reader: &mut Salvage, out: &mut dyn Write) -> Result<(), ArchiveError> {
    let stdout = Path::new("standard output");
    let mut content = Content::new(entry, reader);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match content.next(&mut buffer)? {
            0 => break,
            n => out.write_all(&buffer[..n]).at(stdout, "write")?,
        }
    }
    Ok(out.flush().at(stdout, "write")?)
}

/// Returns the parts of a content in order, and whether each is stored or a hole.
fn runs(entry: &Entry) -> Vec<(Range<u64>, bool)> {
    let whole = 0..entry.size;
    let Some(extents) = &entry.extents else { return vec![(whole, true)] };
    let mut runs = Vec::with_capacity(extents.len() * 2 + 1);
    let mut done = 0;
    for extent in extents {
        runs.push((done..extent.start, false));
        runs.push((extent.clone(), true));
        done = extent.end;
    }
    runs.push((done..entry.size, false));
    runs
}

/// Reads the content of an entry, holes as zeros.
pub(in crate::archive) struct Content<'a> {
    reader: &'a mut Salvage,
    runs: std::vec::IntoIter<(Range<u64>, bool)>,
    current: (Range<u64>, bool),
}

impl<'a> Content<'a> {
    pub(in crate::archive) fn new(entry: &Entry, reader: &'a mut Salvage) -> Self {
        Self { reader, runs: runs(entry).into_iter(), current: (0..0, true) }
    }

    /// Reads the next bytes; 0 at the end.
    pub(in crate::archive) fn next(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        while self.current.0.is_empty() {
            match self.runs.next() {
                Some(next) => self.current = next,
                None => return Ok(0),
            }
        }
        let (range, is_stored) = &mut self.current;
        let left = usize::try_from(range.end - range.start).unwrap_or(buffer.len());
        let wanted = left.min(buffer.len());
        let n = if *is_stored {
            self.reader.read_content(&mut buffer[..wanted])?
        } else {
            // A few bytes of an archive can describe a hole of terabytes.
            self.reader.check_cancel()?;
            buffer[..wanted].fill(0);
            wanted
        };
        range.start += n as u64;
        Ok(n)
    }
}
