//! Compares two archives, or an archive with a folder: entry by entry, content by its hash.
//!
//! Of archives with an index nothing else is read. Compared are kind, content, target, mode, owner, time
//! and attributes, those as [`xattr::digest`] tells them; owners by their names where both are known, since
//! a restore goes by them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    fs::File,
    io,
    os::{fd::AsFd, unix::ffi::OsStringExt},
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::fs::{FileType, Mode, OFlags, openat, readlinkat};

use super::{
    entry_filter,
    entry_listing::{EntryListing, ListedEntry},
};
use crate::archive::{
    ArchiveError,
    event::Skipped,
    format::{
        archive_file::Archive,
        content_hash::ContentHash,
        entry::{EntryKind, OwnerName, Timestamp},
        file_hash::hash_file,
        owner_names::OwnerNames,
        xattr::{self, Digest},
    },
    scan::{
        attributes::{AttributeReader, Attributes},
        selection::Selection,
        source::Source,
        walk::{Found, Visitor},
    },
};
use crate::{cancel::Cancel, fs::PathError, limits::Limit};

/// The difference of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is only in the second.
    Added,
    /// It is only in the first.
    Removed,
    /// It is in both, and these of its properties differ: `kind`, `content`, `target`, `mode`, `owner`,
    /// `time` or `attributes`.
    Changed(Vec<&'static str>),
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The differences by path.
    pub differences: BTreeMap<PathBuf, Difference>,
    /// The number of entries the first has.
    pub n_entries: u64,
    /// The paths of the folder that could not be read.
    pub unreadable: Vec<Skipped>,
    /// The things that were not compared.
    pub notes: Vec<&'static str>,
}

/// Says that an archive does not tell whether an entry has attributes, or which.
const NO_ATTRIBUTES_TOLD: &str = "extended attributes, access control lists and capabilities were not compared \
     where an archive does not say which an entry has: it is of another tool, or of an older version";

/// The properties of an entry that are compared.
#[derive(Debug)]
struct Facts {
    kind: EntryKind,
    mode: u32,
    owner: Rc<Owner>,
    mtime: Timestamp,
    size: u64,
    /// The hash of its content; `None` when it has none.
    hash: Option<ContentHash>,
    /// The digest of its attributes; `None` if that is not known.
    attributes: Option<Digest>,
}

/// User and group, by number and by name; an archive has few, each of many entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Owner {
    ids: (u64, u64),
    names: (OwnerName, OwnerName),
}

impl Owner {
    /// Returns whether a restore gives both to the same user and group.
    fn is_same(&self, other: &Self) -> bool {
        let is_same = |ids: (u64, u64), names: [&OwnerName; 2]| {
            let is_named = names.iter().all(|name| !name.is_empty());
            if is_named { names[0] == names[1] } else { ids.0 == ids.1 }
        };
        is_same((self.ids.0, other.ids.0), [&self.names.0, &other.names.0])
            && is_same((self.ids.1, other.ids.1), [&self.names.1, &other.names.1])
    }
}

/// Says that one archive stores the zeros that the other describes as a hole.
const HUGE_HOLES: &str =
    "its holes are too large to be compared with an archive that stores their zeros";

/// Returns whether two contents of one size were hashed in different ways.
fn is_beyond_comparison(old: &Facts, new: &Facts) -> bool {
    let is_huge = |facts: &Facts| matches!(facts.hash, Some(ContentHash::BetweenHoles(_)));
    old.size == new.size && old.hash.is_some() && new.hash.is_some() && is_huge(old) != is_huge(new)
}

/// Notes what is missing, once.
fn note_attributes(notes: &mut Vec<&'static str>, old: &Facts, new: &Facts) {
    let is_link = |facts: &Facts| matches!(facts.kind, EntryKind::HardLink { .. });
    let is_told = |facts: &Facts| facts.attributes.is_some() || is_link(facts);
    if notes.is_empty() && !(is_told(old) && is_told(new)) {
        notes.push(NO_ATTRIBUTES_TOLD);
    }
}

/// Compares two archives of any make.
///
/// Of the first all entries are kept, of the second one at a time.
pub fn diff<'a, 'b>(
    first: impl Into<Archive<'a>>,
    second: impl Into<Archive<'b>>,
    cancel: &Cancel,
) -> Result<Comparison, ArchiveError> {
    let mut owners = Owners::default();
    // Its index is as large as all that is kept of it, and goes before that of the second is read.
    let before = {
        let mut catalog = EntryListing::open_hashed(first.into(), cancel)?;
        facts(&mut catalog, &mut owners, cancel, |facts| Before { facts, is_met: false })?
    };
    let comparison = Comparison { n_entries: before.len() as u64, ..Comparison::default() };
    let mut diff = Diff { before, comparison };
    let mut catalog = EntryListing::open_hashed(second.into(), cancel)?;
    while let Some(listed) = catalog.next()? {
        cancel.check()?;
        let (path, new) = facts_of(listed, &mut owners);
        diff.compare(path, &new);
    }
    Ok(diff.finish())
}

/// The entries of the first archive, and the differences of the second as far as that was read.
struct Diff {
    before: HashMap<PathBuf, Before>,
    comparison: Comparison,
}

/// An entry of the first archive.
struct Before {
    facts: Facts,
    /// Is set if the second archive has the path, too.
    is_met: bool,
}

impl Diff {
    /// Compares an entry of the second archive; of two with the same path, the last counts.
    fn compare(&mut self, path: PathBuf, new: &Facts) {
        let Comparison { differences, unreadable, notes, .. } = &mut self.comparison;
        let Some(Before { facts: old, is_met }) = self.before.get_mut(&path) else {
            differences.insert(path, Difference::Added);
            return;
        };
        if std::mem::replace(is_met, true) {
            differences.remove(&path);
            unreadable.retain(|skipped| skipped.path != path);
        }
        if is_beyond_comparison(old, new) {
            unreadable.push(Skipped { path, reason: HUGE_HOLES.to_owned(), is_fault: true });
            return;
        }
        note_attributes(notes, old, new);
        differences.extend(changed(old, new).map(|difference| (path, difference)));
    }

    fn finish(mut self) -> Comparison {
        let missing = self.before.into_iter().filter(|(_, before)| !before.is_met);
        let removed = missing.map(|(path, _)| (path, Difference::Removed));
        self.comparison.differences.extend(removed);
        self.comparison
    }
}

/// Compares an archive with the folder it was made of: what it holds must be there, and the same.
///
/// What the folder has beyond that is no difference: it may have been excluded. Of a reproducible
/// archive, which does not keep them, owners, times and access control lists are not compared. `root` is the
/// root of this host, for its lists of users and groups.
pub fn against<'a>(
    archive: impl Into<Archive<'a>>,
    folder: &Path,
    root: &Path,
    cancel: &Cancel,
) -> Result<Comparison, ArchiveError> {
    let mut catalog = EntryListing::open_hashed(archive.into(), cancel)?;
    let is_anonymous = catalog.is_reproducible();
    let expected = facts(&mut catalog, &mut Owners::default(), cancel, |facts| facts)?;
    let n_entries = expected.len() as u64;
    let mut check = Check {
        expected,
        is_anonymous,
        attributes: AttributeReader::new(is_anonymous),
        names: OwnerNames::read(root),
        comparison: Comparison { n_entries, ..Comparison::default() },
        limit: None,
        cancel,
    };
    Source::open(folder)?.visit(&Selection::default(), &mut check, cancel)?;
    check.check_limit()?;
    let missing = check.expected.into_keys().map(|path| (path, Difference::Removed));
    check.comparison.differences.extend(missing);
    Ok(check.comparison)
}

/// The owners that were seen: entries with the same one share it.
type Owners = HashSet<Rc<Owner>>;

/// Reads all entries; of two with the same path, the last counts, as it does when restored.
fn facts<T>(
    catalog: &mut EntryListing,
    owners: &mut Owners,
    cancel: &Cancel,
    keep: impl Fn(Facts) -> T,
) -> Result<HashMap<PathBuf, T>, ArchiveError> {
    let mut all = HashMap::new();
    while let Some(listed) = catalog.next()? {
        cancel.check()?;
        let (path, facts) = facts_of(listed, owners);
        all.insert(path, keep(facts));
    }
    Ok(all)
}

/// Returns what is compared of an entry, with its path.
fn facts_of(listed: ListedEntry, owners: &mut Owners) -> (PathBuf, Facts) {
    let ListedEntry { entry, hash, attributes } = listed;
    let owner = Owner { ids: (entry.uid, entry.gid), names: (entry.uname, entry.gname) };
    let owner = owners.get(&owner).cloned().unwrap_or_else(|| {
        let owner = Rc::new(owner);
        owners.insert(Rc::clone(&owner));
        owner
    });
    let facts = Facts {
        kind: entry.kind,
        mode: entry.mode,
        owner,
        mtime: entry.mtime,
        size: entry.size,
        hash,
        attributes,
    };
    (without_dot(&entry.path), facts)
}

/// Returns a path as our archives have it, without slashes and `./` in front.
fn without_dot(path: &Path) -> PathBuf {
    match entry_filter::without_dot(path) {
        rest if rest.as_os_str().is_empty() => PathBuf::from("."),
        rest => rest.to_owned(),
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
        compare("owner", old.owner.is_same(&new.owner));
        compare("time", old.mtime == new.mtime);
        let attributes = old.attributes.zip(new.attributes);
        compare("attributes", attributes.is_none_or(|(old, new)| old == new));
    }
    (!what.is_empty()).then_some(Difference::Changed(what))
}

/// Compares what a walk finds.
struct Check<'a> {
    expected: HashMap<PathBuf, Facts>,
    is_anonymous: bool,
    attributes: AttributeReader,
    /// Those of this host.
    names: OwnerNames,
    comparison: Comparison,
    /// A limit of the host was met, which says nothing of the folder.
    limit: Option<PathError>,
    cancel: &'a Cancel,
}

impl Check<'_> {
    fn check_limit(&mut self) -> Result<(), ArchiveError> {
        self.limit.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads the attributes of what the walk found; what cannot be read is named, and none returned.
    fn found_attributes(&mut self, found: &Found<'_>) -> Option<Attributes> {
        let read = self.attributes.of_named(found.folder.as_fd(), found.name, &found.meta);
        let attributes = self.read(found.path, read.map_err(io::Error::from))?;
        for fault in &attributes.faults {
            self.unreadable(found.path, io::Error::other(fault.clone()));
        }
        attributes.faults.is_empty().then_some(attributes)
    }

    /// Returns what sort of thing the walk found; `None` when it could not be read.
    fn found_kind(&mut self, found: &Found<'_>, old: &EntryKind) -> Option<EntryKind> {
        let (major, minor) = found.meta.device;
        Some(match found.meta.kind {
            // A further name of a file is a file to who finds it.
            FileType::RegularFile => match old {
                EntryKind::HardLink { .. } => old.clone(),
                _ => EntryKind::File,
            },
            FileType::Directory => EntryKind::Folder,
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Symlink => {
                let target = readlinkat(found.folder, found.name, Vec::new());
                let target = self.read(found.path, target.map_err(io::Error::from))?;
                EntryKind::Symlink { target: OsString::from_vec(target.into_bytes()).into() }
            }
            FileType::Socket | FileType::Unknown => EntryKind::Unsupported { flag: 0 },
        })
    }

    /// Returns what the walk found, in the terms of `old`; `None` when it could not be read.
    fn found_facts(&mut self, found: &Found<'_>, old: &Facts) -> Option<Facts> {
        let meta = &found.meta;
        let kind = self.found_kind(found, &old.kind)?;
        let size = if kind == EntryKind::File { meta.size } else { 0 };
        let attributes = match old.attributes {
            Some(_) => Some(self.found_attributes(found)?),
            None => None,
        };
        let mode = attributes.as_ref().map_or(meta.mode, |found| found.mode(meta.mode));
        let names = (self.names.user(meta.uid), self.names.group(meta.gid));
        let mut facts = Facts {
            mode,
            owner: Rc::new(Owner { ids: (meta.uid, meta.gid), names }),
            mtime: meta.mtime,
            size,
            attributes: attributes.and_then(|found| xattr::digest(&found.xattrs)),
            // One of another size differs without being read.
            hash: if size == old.size {
                None
            } else {
                old.hash.map(|_| ContentHash::Whole([0; 32]))
            },
            kind,
        };
        if self.is_anonymous {
            (facts.owner, facts.mtime) = (old.owner.clone(), old.mtime);
        }
        if facts.kind == EntryKind::File && size > 0 && size == old.size {
            let hash = hash(found, old.hash, self.cancel);
            facts.hash = Some(self.read(found.path, hash)?);
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
    type Error = ArchiveError;

    fn found(&mut self, found: &Found<'_>) -> Result<(), ArchiveError> {
        self.check_limit()?;
        let Some(old) = self.expected.remove(found.path) else { return Ok(()) };
        let new = self.found_facts(found, &old);
        // It may have been ended by a signal.
        self.cancel.check()?;
        let Some(new) = new else { return Ok(()) };
        note_attributes(&mut self.comparison.notes, &old, &new);
        if let Some(difference) = changed(&old, &new) {
            self.comparison.differences.insert(found.path.to_owned(), difference);
        }
        Ok(())
    }

    fn skipped(&mut self, _path: &Path, _reason: &'static str) {}

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        if Limit::of(&error).is_some() {
            let error = PathError { action: "read", path: path.to_owned(), source: error };
            self.limit.get_or_insert(error);
            return;
        }
        self.expected.remove(path);
        let (path, reason) = (path.to_owned(), error.to_string());
        self.comparison.unreadable.push(Skipped { path, reason, is_fault: true });
    }
}

/// Opens and hashes a file in the way in which the hash to compare with was made.
fn hash(found: &Found<'_>, like: Option<ContentHash>, cancel: &Cancel) -> io::Result<ContentHash> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(found.folder, found.name, flags | OFlags::NOCTTY, Mode::empty())?);
    hash_file(&file, found.meta.size, like, cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: EntryKind, mode: u32, hash: u8) -> Facts {
        let (owner, mtime) = (Rc::default(), Timestamp::default());
        let attributes = Some(xattr::NO_ATTRIBUTES);
        Facts {
            kind,
            mode,
            owner,
            mtime,
            size: 5,
            hash: Some(ContentHash::Whole([hash; 32])),
            attributes,
        }
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
        let other = Facts { attributes: Some([1; 16]), ..facts(EntryKind::File, 0o644, 1) };
        assert_eq!(changed_to(other), Some(Difference::Changed(vec!["attributes"])));
        let unknown = Facts { attributes: None, ..facts(EntryKind::File, 0o644, 1) };
        assert_eq!(changed_to(unknown), None);
    }

    #[test]
    fn owners_are_told_by_their_names_where_both_have_some() {
        let owner = |uid, name: &str| Owner {
            ids: (uid, 0),
            names: (name.as_bytes().into(), OwnerName::default()),
        };

        for (old, new, is_same) in [
            (owner(1, ""), owner(1, ""), true),
            (owner(1, ""), owner(2, ""), false),
            (owner(1, "a"), owner(2, "a"), true),
            (owner(1, "a"), owner(1, "b"), false),
            (owner(1, "a"), owner(1, ""), true),
            (owner(1, ""), owner(2, "a"), false),
        ] {
            assert_eq!(old.is_same(&new), is_same, "{old:?} {new:?}");
        }
    }
}
