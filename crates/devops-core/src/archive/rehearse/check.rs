//! Compares what was restored with what the archive says, and with the source.

use std::{ffi::OsString, fs::File, io, os::unix::ffi::OsStringExt, path::Path};

use rustix::fs::{FileType, Mode, OFlags, readlinkat};

use crate::{
    archive::{
        ArchiveError, catalog::Listed, content::ContentHash, entry::EntryKind,
        file_hash::hash_file, meta::Meta, wanted::plain,
    },
    cancel::Cancel,
    fs::{DirEntryPath, Lookup, RootedDir, parent},
};

/// The bits of a mode that everybody may restore.
const PERMISSIONS: u32 = 0o777;

/// A folder of files to compare; paths are looked up in it without following any link.
pub(super) struct Tree {
    folder: RootedDir,
}

impl Tree {
    /// Opens a folder, or the folder that a file is in.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let folder = if path.is_dir() { path } else { parent(path) };
        Ok(Self { folder: RootedDir::open(folder, Lookup::Kernel)? })
    }

    /// Returns what is at a path of an archive; `None` where there is nothing.
    fn find(&self, path: &Path) -> Option<Found> {
        let path = plain(path);
        let path = path.strip_prefix("/").unwrap_or(path);
        let dir = self.folder.folder(path.parent()?).ok()?;
        let place = DirEntryPath { dir, name: path.file_name()?.to_owned() };
        let meta = Meta::from(place.look().ok()??);
        Some(Found { place, meta })
    }
}

/// A file or link that was found.
struct Found {
    place: DirEntryPath,
    meta: Meta,
}

impl Found {
    /// Returns whether it is of that sort, as large and as old, and a link leads to the same place.
    fn is_unchanged(&self, expected: &Listed) -> bool {
        let entry = &expected.entry;
        match &entry.kind {
            EntryKind::Symlink { target } => self.target().is_some_and(|found| found == *target),
            _ => {
                self.meta.kind == FileType::RegularFile
                    && (self.meta.size, self.meta.mtime) == (entry.size, entry.mtime)
            }
        }
    }

    fn target(&self) -> Option<OsString> {
        let target = readlinkat(&*self.place.dir, &self.place.name, Vec::new()).ok()?;
        Some(OsString::from_vec(target.into_bytes()))
    }

    fn hash(&self, like: Option<ContentHash>, cancel: &Cancel) -> io::Result<ContentHash> {
        let file: File = self.place.open(OFlags::RDONLY, Mode::empty())?;
        hash_file(&file, self.meta.size, like, cancel)
    }
}

/// Compares one after the other.
pub(super) struct Check<'a> {
    pub(super) restored: Tree,
    pub(super) source: Option<Tree>,
    /// A file of the source whose content changed later than this second may have changed unnoticed.
    pub(super) settled: Option<i64>,
    pub(super) cancel: &'a Cancel,
}

/// The result of comparing one.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) difference: Option<String>,
    pub(super) is_like_source: bool,
}

impl Answer {
    fn differs(what: impl Into<String>) -> Self {
        Self { difference: Some(what.into()), is_like_source: false }
    }
}

impl Check<'_> {
    /// Compares what is at `path` with what the archive says of it.
    pub(super) fn one(&self, path: &Path, expected: &Listed) -> Result<Answer, ArchiveError> {
        let Some(found) = self.restored.find(path) else {
            return Ok(Answer::differs("it was not restored"));
        };
        let EntryKind::File = expected.entry.kind else {
            return Ok(self.link(path, &found, expected));
        };
        let entry = &expected.entry;
        if found.meta.kind != FileType::RegularFile {
            return Ok(Answer::differs("it is restored as no file"));
        }
        let hash = self.hash(&found, expected)?;
        let is_content = hash.as_ref().is_ok_and(|hash| {
            found.meta.size == entry.size && expected.hash.is_none_or(|wanted| wanted == *hash)
        });
        let mut what = Vec::new();
        if let Err(error) = &hash {
            what.push(error.to_string());
        } else if !is_content {
            what.push("its content is another than the archive says".to_owned());
        }
        if (found.meta.mode ^ entry.mode) & PERMISSIONS != 0 {
            what.push("its mode is another".to_owned());
        }
        if found.meta.mtime.seconds != entry.mtime.seconds {
            what.push("its time is another".to_owned());
        }
        if !what.is_empty() {
            return Ok(Answer::differs(what.join(", ")));
        }
        self.beside_source(path, expected, hash.ok())
    }

    fn link(&self, path: &Path, found: &Found, expected: &Listed) -> Answer {
        if !found.is_unchanged(expected) {
            return Answer::differs("it does not lead where the archive says");
        }
        let source = self.source.as_ref().and_then(|source| source.find(path));
        let is_like_source = source.is_some_and(|source| source.is_unchanged(expected));
        Answer { difference: None, is_like_source }
    }

    /// Compares the content with that of the source, if nothing says that it changed.
    fn beside_source(
        &self,
        path: &Path,
        expected: &Listed,
        hash: Option<ContentHash>,
    ) -> Result<Answer, ArchiveError> {
        let is_settled = self.settled.is_some_and(|settled| expected.entry.mtime.seconds < settled);
        let source = self.source.as_ref().filter(|_| is_settled);
        let Some(found) = source.and_then(|source| source.find(path)) else {
            return Ok(Answer::default());
        };
        if !found.is_unchanged(expected) {
            return Ok(Answer::default());
        }
        Ok(match self.hash(&found, expected)? {
            Ok(source) if Some(source) == hash => Answer { difference: None, is_like_source: true },
            Ok(_) => Answer::differs(
                "its content is another than in the source, which says that it did not change",
            ),
            // The source may not be readable any more; the archive is as good as it was.
            Err(_) => Answer::default(),
        })
    }

    /// Hashes a content; the outer error is a signal.
    fn hash(
        &self,
        found: &Found,
        expected: &Listed,
    ) -> Result<io::Result<ContentHash>, ArchiveError> {
        let hash = found.hash(expected.hash, self.cancel);
        self.cancel.check()?;
        Ok(hash)
    }
}
