//! Writes the content of one file of an archive.

use std::{
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    ArchiveError,
    entry::{Entry, EntryKind},
    reader::Reader,
    stored::Archive,
    wanted::plain,
};
use crate::{cancel::Cancel, fs::At};

/// How many hard links are followed, each to an earlier name: more is a circle.
const MAX_LINKS: usize = 16;

/// Writes the content of the file at `path` in `archive` to `out`, holes as zeros.
///
/// Of an archive with an index only that file is read. Fails with [`ArchiveError::NothingMatches`]
/// when there is none, and with [`ArchiveError::WrongKind`] when it is something else.
pub fn cat<'a>(
    archive: impl Into<Archive<'a>>,
    path: &Path,
    cancel: &Cancel,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let archive = archive.into();
    let mut path = plain(path).to_owned();
    for _ in 0..MAX_LINKS {
        let is_wanted = |other: &Path| plain(other) == path;
        let mut reader = Reader::open_for(archive, cancel, &mut { is_wanted })?;
        let (entry, target) = find(&mut reader, &path)?;
        match target {
            Some(target) => plain(&target).clone_into(&mut path),
            None => return copy(&entry, &mut reader, out),
        }
    }
    Err(ArchiveError::WrongKind { path, what: "a hard link that leads in a circle".to_owned() })
}

/// Returns the first entry of that path, and where it leads if it is a hard link.
fn find(reader: &mut Reader, path: &Path) -> Result<(Entry, Option<PathBuf>), ArchiveError> {
    while let Some(entry) = reader.next_entry()? {
        if plain(&entry.path) != path {
            continue;
        }
        return match entry.kind.clone() {
            EntryKind::File => Ok((entry, None)),
            EntryKind::HardLink { target } => Ok((entry, Some(target))),
            kind => {
                let what = format!("a {}, and only files have content", kind.name());
                Err(ArchiveError::WrongKind { path: path.to_owned(), what })
            }
        };
    }
    let (archive, wanted) = (reader.path().to_owned(), path.display().to_string());
    Err(ArchiveError::NothingMatches { archive, wanted })
}

fn copy(entry: &Entry, reader: &mut Reader, out: &mut dyn Write) -> Result<(), ArchiveError> {
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
pub(super) struct Content<'a> {
    reader: &'a mut Reader,
    runs: std::vec::IntoIter<(Range<u64>, bool)>,
    current: (Range<u64>, bool),
}

impl<'a> Content<'a> {
    pub(super) fn new(entry: &Entry, reader: &'a mut Reader) -> Self {
        Self { reader, runs: runs(entry).into_iter(), current: (0..0, true) }
    }

    /// Reads the next bytes; 0 at the end.
    pub(super) fn next(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
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
