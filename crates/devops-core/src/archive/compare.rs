//! Compares two archives, or an archive with a folder: entry by entry, content by its hash.
//!
//! Of archives with an index nothing else is read. Extended attributes are not compared.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Mode, OFlags, openat, readlinkat};

use super::{
    ArchiveError,
    catalog::{Catalog, Listed},
    entry::{EntryKind, Timestamp},
    event::LeftOut,
    index::Hash,
    selection::Selection,
    source::Source,
    stored::Archive,
    walk::{Found, Visitor},
};
use crate::cancel::{Cancel, Cancelled};

/// How one path differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is only in the second.
    Added,
    /// It is only in the first.
    Removed,
    /// It is in both, and these of its properties differ: `kind`, `content`, `target`, `mode`, `owner`
    /// or `time`.
    Changed(Vec<&'static str>),
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// What differs, by path.
    pub differences: BTreeMap<PathBuf, Difference>,
    /// How many entries the first has.
    pub n_entries: u64,
    /// What of the folder could not be read.
    pub unreadable: Vec<LeftOut>,
}

/// What is compared of an entry.
#[derive(Debug)]
struct Facts {
    kind: EntryKind,
    mode: u32,
    owner: (u64, u64),
    mtime: Timestamp,
    size: u64,
    /// The hash of its content; `None` when it has none.
    hash: Option<Hash>,
}

/// Compares two archives of any make.
pub fn diff<'a, 'b>(
    first: impl Into<Archive<'a>>,
    second: impl Into<Archive<'b>>,
    cancel: &Cancel,
) -> Result<Comparison, ArchiveError> {
    let mut before = facts(&mut Catalog::open_hashed(first.into(), cancel)?, cancel)?;
    let mut comparison = Comparison { n_entries: before.len() as u64, ..Comparison::default() };
    for (path, new) in facts(&mut Catalog::open_hashed(second.into(), cancel)?, cancel)? {
        let difference = match before.remove(&path) {
            None => Some(Difference::Added),
            Some(old) => changed(&old, &new),
        };
        comparison.differences.extend(difference.map(|difference| (path, difference)));
    }
    let removed = before.into_keys().map(|path| (path, Difference::Removed));
    comparison.differences.extend(removed);
    Ok(comparison)
}

/// Compares an archive with the folder it was made of: what it holds must be there, and the same.
///
/// What the folder has beyond that is no difference: it may have been excluded. Of a reproducible
/// archive, which does not keep them, owners and times are not compared.
pub fn against<'a>(
    archive: impl Into<Archive<'a>>,
    folder: &Path,
    cancel: &Cancel,
) -> Result<Comparison, ArchiveError> {
    let mut catalog = Catalog::open_hashed(archive.into(), cancel)?;
    let is_anonymous = catalog.is_reproducible();
    let expected = facts(&mut catalog, cancel)?;
    let n_entries = expected.len() as u64;
    let mut check = Check {
        expected,
        is_anonymous,
        comparison: Comparison { n_entries, ..Comparison::default() },
        cancel,
    };
    Source::open(folder)?.visit(&Selection::default(), &mut check, cancel)?;
    let missing = check.expected.into_keys().map(|path| (path, Difference::Removed));
    check.comparison.differences.extend(missing);
    Ok(check.comparison)
}

/// Reads all entries; of two with the same path, the last counts, as it does when restored.
fn facts(catalog: &mut Catalog, cancel: &Cancel) -> Result<BTreeMap<PathBuf, Facts>, ArchiveError> {
    let mut all = BTreeMap::new();
    while let Some(Listed { entry, hash }) = catalog.next()? {
        cancel.check()?;
        let facts = Facts {
            kind: entry.kind,
            mode: entry.mode,
            owner: (entry.uid, entry.gid),
            mtime: entry.mtime,
            size: entry.size,
            hash,
        };
        all.insert(plain(entry.path), facts);
    }
    Ok(all)
}

/// Returns a path as our archives have it, without `./` in front.
fn plain(path: PathBuf) -> PathBuf {
    match path.strip_prefix("./") {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.to_owned(),
        _ => path,
    }
}

fn changed(old: &Facts, new: &Facts) -> Option<Difference> {
    let mut what = Vec::new();
    let mut compare = |name, is_same: bool| {
        if !is_same {
            what.push(name);
        }
    };
    let is_same_kind = old.kind.name() == new.kind.name();
    compare("kind", is_same_kind);
    compare("target", !is_same_kind || old.kind == new.kind);
    compare("content", (old.size, old.hash) == (new.size, new.hash));
    // A hard link has no properties of its own.
    if !matches!(new.kind, EntryKind::HardLink { .. }) {
        // The mode of a symbolic link means nothing.
        compare("mode", old.mode == new.mode || matches!(new.kind, EntryKind::Symlink { .. }));
        compare("owner", old.owner == new.owner);
        compare("time", old.mtime == new.mtime);
    }
    (!what.is_empty()).then_some(Difference::Changed(what))
}

/// Compares what a walk finds.
struct Check<'a> {
    expected: BTreeMap<PathBuf, Facts>,
    is_anonymous: bool,
    comparison: Comparison,
    cancel: &'a Cancel,
}

impl Check<'_> {
    /// Returns what the walk found, in the terms of `old`; `None` when it could not be read.
    fn found_facts(&mut self, found: &Found<'_>, old: &Facts) -> Option<Facts> {
        let meta = &found.meta;
        let (major, minor) = meta.device;
        let kind = match meta.kind {
            // A further name of a file is a file to who finds it.
            FileType::RegularFile => match &old.kind {
                EntryKind::HardLink { .. } => old.kind.clone(),
                _ => EntryKind::File,
            },
            FileType::Directory => EntryKind::Folder,
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Symlink => {
                let target = readlinkat(found.folder, found.name, Vec::new());
                let target = self.read(found.path, target.map_err(io::Error::from))?;
                EntryKind::Symlink {
                    target: std::ffi::OsString::from_vec(target.into_bytes()).into(),
                }
            }
            FileType::Socket | FileType::Unknown => EntryKind::Unsupported { flag: 0 },
        };
        let size = if kind == EntryKind::File { meta.size } else { 0 };
        let mut facts = Facts {
            mode: meta.mode,
            owner: (meta.uid, meta.gid),
            mtime: meta.mtime,
            size,
            // One of another size differs without being read.
            hash: if size == old.size { None } else { old.hash.map(|_| [0; 32]) },
            kind,
        };
        if self.is_anonymous {
            (facts.owner, facts.mtime) = (old.owner, old.mtime);
        }
        if facts.kind == EntryKind::File && size > 0 && size == old.size {
            facts.hash = Some(self.read(found.path, hash(found, self.cancel))?);
        }
        Some(facts)
    }

    fn read<T>(&mut self, path: &Path, read: io::Result<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.unreadable(path, error);
                None
            }
        }
    }
}

impl Visitor for Check<'_> {
    type Stop = Cancelled;

    fn found(&mut self, found: &Found<'_>) -> Result<(), Cancelled> {
        let Some(old) = self.expected.remove(found.path) else { return Ok(()) };
        let new = self.found_facts(found, &old);
        // It may have been ended by a signal.
        self.cancel.check()?;
        if let Some(new) = new
            && let Some(difference) = changed(&old, &new)
        {
            self.comparison.differences.insert(found.path.to_owned(), difference);
        }
        Ok(())
    }

    fn left_out(&mut self, _path: &Path, _reason: &'static str) {}

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        self.expected.remove(path);
        let (path, reason) = (path.to_owned(), error.to_string());
        self.comparison.unreadable.push(LeftOut { path, reason, is_fault: true });
    }
}

fn hash(found: &Found<'_>, cancel: &Cancel) -> io::Result<Hash> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(found.folder, found.name, flags | OFlags::NOCTTY, Mode::empty())?);
    let mut hasher = blake3::Hasher::new();
    // No more than was found: a file may grow without end.
    let content = Stoppable { content: file.take(found.meta.size), cancel };
    hasher.update_reader(content)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Reads until a signal comes: a file may be a hole of terabytes.
struct Stoppable<'a, R> {
    content: R,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.content.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: EntryKind, mode: u32, hash: u8) -> Facts {
        let (owner, mtime) = ((0, 0), Timestamp::default());
        Facts { kind, mode, owner, mtime, size: 5, hash: Some([hash; 32]) }
    }

    #[test]
    fn names_each_property_that_differs() {
        let old = facts(EntryKind::File, 0o644, 1);
        let changed_to = |new: Facts| changed(&old, &new);

        assert_eq!(changed_to(facts(EntryKind::File, 0o644, 1)), None);
        assert_eq!(
            changed_to(facts(EntryKind::File, 0o600, 2)),
            Some(Difference::Changed(vec!["content", "mode"]))
        );
        assert_eq!(
            changed_to(facts(EntryKind::Fifo, 0o644, 1)),
            Some(Difference::Changed(vec!["kind"]))
        );
    }
}
