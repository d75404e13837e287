//! Compares what was restored with what the archive says, and with the source.

use std::{ffi::OsString, fs::File, io, os::fd::AsFd, os::unix::ffi::OsStringExt, path::Path};

use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, readlinkat},
    process::geteuid,
};

use super::abilities::Abilities;
use crate::{
    archive::{
        ArchiveError,
        format::{
            content_hash::ContentHash,
            entry::{Entry, EntryKind, Xattr},
            file_hash::hash_file,
            stat::Meta,
            xattr,
        },
        read::{entry_filter::without_dot, entry_listing::ListedEntry},
        scan::attributes::AttributeReader,
    },
    cancel::Cancel,
    fs::{DirEntryPath, Lookup, RootedDir, parent},
};

/// The bits of a mode that a restore without privileges sets: all but setuid and setgid.
const RESTORED_MODE: u32 = 0o1777;

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
        let path = without_dot(path);
        let path = path.strip_prefix("/").unwrap_or(path);
        let place = match path.file_name() {
            Some(name) => DirEntryPath {
                dir: self.folder.folder(path.parent()?).ok()?,
                name: name.to_owned(),
            },
            None => DirEntryPath { dir: self.folder.root().clone(), name: ".".into() },
        };
        let meta = Meta::from(place.look().ok()??);
        Some(Found { place, meta })
    }
}

/// The object or file found at a path.
struct Found {
    place: DirEntryPath,
    meta: Meta,
}

impl Found {
    /// Returns whether it is of that sort, as large and as old, and a link leads to the same place.
    fn is_unchanged(&self, entry: &Entry) -> bool {
        match &entry.kind {
            EntryKind::Symlink { target } => self.target().is_some_and(|found| found == *target),
            _ => {
                self.meta.kind == FileType::RegularFile
                    && (self.meta.size, self.meta.mtime) == (entry.size, entry.mtime)
            }
        }
    }

    fn is_of(&self, kind: &EntryKind) -> bool {
        let expected = match kind {
            // A link whose first name is not in the archive says nothing else of itself.
            EntryKind::File | EntryKind::HardLink { .. } => FileType::RegularFile,
            EntryKind::Folder => FileType::Directory,
            EntryKind::Symlink { .. } => FileType::Symlink,
            EntryKind::Fifo => FileType::Fifo,
            _ => return false,
        };
        self.meta.kind == expected
    }

    fn target(&self) -> Option<OsString> {
        let target = readlinkat(&*self.place.dir, &self.place.name, Vec::new()).ok()?;
        Some(OsString::from_vec(target.into_bytes()))
    }

    fn hash(&self, like: Option<ContentHash>, cancel: &Cancel) -> io::Result<ContentHash> {
        let file: File = self.place.open(OFlags::RDONLY, Mode::empty())?;
        hash_file(&file, self.meta.size, like, cancel)
    }

    /// Returns whether it has another owner than it could have: only root gives files away, and not to numbers
    /// that its user namespace does not know.
    fn lacks_owner(&self, entry: &Entry) -> bool {
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let (Some(uid), Some(gid)) = (id(entry.uid), id(entry.gid)) else { return false };
        if !geteuid().is_root() || (self.meta.uid, self.meta.gid) == (entry.uid, entry.gid) {
            return false;
        }
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(self.place.dir.as_fd(), &self.place.name, uid, gid, flags).is_ok()
    }

    /// Lets a folder be entered and emptied, once it was compared.
    fn unlock(&self) {
        if self.meta.kind == FileType::Directory {
            let (dir, name) = (self.place.dir.as_fd(), &self.place.name);
            // What cannot be unlocked shows at what is in it.
            let _unlocked = chmodat(dir, name, Mode::RWXU, AtFlags::empty());
        }
    }
}

/// One entry of the sample.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) path: &'a Path,
    /// Its properties: of a hard link those of its first name.
    pub(super) listed: &'a ListedEntry,
    /// The path of the first name of a hard link.
    pub(super) first: Option<&'a Path>,
    /// The attributes that the entry has in the archive, if it was restored.
    pub(super) xattrs: Option<&'a [Xattr]>,
}

/// Compares one after the other, folders before what is in them.
pub(super) struct Check<'a> {
    pub(super) restored: Tree,
    pub(super) source: Option<Tree>,
    pub(super) abilities: Abilities,
    pub(super) attributes: AttributeReader,
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
    /// Compares what is at the path of an entry with what the archive says of it.
    pub(super) fn one(&self, subject: Subject<'_>) -> Result<Answer, ArchiveError> {
        let Some(found) = self.restored.find(subject.path) else {
            return Ok(Answer::differs("it was not restored"));
        };
        let answer = self.compare(subject, &found);
        found.unlock();
        answer
    }

    fn compare(&self, subject: Subject<'_>, found: &Found) -> Result<Answer, ArchiveError> {
        let Subject { path, listed, .. } = subject;
        let entry = &listed.entry;
        if !found.is_of(&entry.kind) {
            return Ok(Answer::differs(format!("it is restored as no {}", entry.kind.name())));
        }
        let mut what = self.properties(subject, found);
        if matches!(entry.kind, EntryKind::Symlink { .. }) && !found.is_unchanged(entry) {
            what.insert(0, "it does not lead where the archive says".to_owned());
        }
        let mut hash = None;
        if entry.kind == EntryKind::File {
            match self.hash(found, listed)? {
                Err(error) => what.insert(0, error.to_string()),
                Ok(found_hash) => {
                    let is_same = listed.hash.is_none_or(|wanted| wanted == found_hash);
                    if !(is_same && found.meta.size == entry.size) {
                        what.insert(0, "its content is another than the archive says".to_owned());
                    }
                    hash = Some(found_hash);
                }
            }
        }
        if !what.is_empty() {
            return Ok(Answer::differs(what.join(", ")));
        }
        match entry.kind {
            EntryKind::File => self.beside_source(path, listed, hash),
            EntryKind::Symlink { .. } => {
                let source = self.source.as_ref().and_then(|source| source.find(path));
                let is_like_source = source.is_some_and(|source| source.is_unchanged(entry));
                Ok(Answer { difference: None, is_like_source })
            }
            _ => Ok(Answer::default()),
        }
    }

    /// Returns which properties beside kind and content are not those of the archive.
    fn properties(&self, subject: Subject<'_>, found: &Found) -> Vec<String> {
        let entry = &subject.listed.entry;
        let is_link = matches!(entry.kind, EntryKind::Symlink { .. });
        let mut what = Vec::new();
        if let Some(first) = subject.first
            && self.abilities.hard_links
            && self.restored.find(first).is_some_and(|first| first.meta.id != found.meta.id)
        {
            what.push(format!("it is a copy of `{}`, and no further name", first.display()));
        }
        if !is_link && (found.meta.mode ^ entry.mode) & RESTORED_MODE != 0 {
            what.push("its mode is another".to_owned());
        }
        if found.meta.mtime.seconds != entry.mtime.seconds {
            what.push("its time is another".to_owned());
        }
        if subject.xattrs.is_some_and(|xattrs| !self.has_attributes(found, xattrs)) {
            what.push("its attributes are others".to_owned());
        }
        // Last, since it tries whether the right one can be given.
        if found.lacks_owner(entry) {
            what.push("its owner is another".to_owned());
        }
        what
    }

    /// Returns whether something has those attributes of an entry that a restore without privileges sets, and no
    /// others of their sort.
    fn has_attributes(&self, found: &Found, expected: &[Xattr]) -> bool {
        if !self.abilities.attributes {
            return true;
        }
        let (dir, name) = (found.place.dir.as_fd(), &found.place.name);
        let Ok(read) = self.attributes.of_named(dir, name, &found.meta) else { return false };
        let digest = |xattrs: &[Xattr]| {
            let set: Vec<_> = xattrs
                .iter()
                .filter(|xattr| xattr::needs_no_privilege(&xattr.name))
                .cloned()
                .collect();
            xattr::digest(&set)
        };
        !read.faults.is_empty() || digest(&read.xattrs) == digest(expected)
    }

    /// Compares the content with that of the source, if nothing says that it changed.
    fn beside_source(
        &self,
        path: &Path,
        expected: &ListedEntry,
        hash: Option<ContentHash>,
    ) -> Result<Answer, ArchiveError> {
        let is_settled = self.settled.is_some_and(|settled| expected.entry.mtime.seconds < settled);
        let source = self.source.as_ref().filter(|_| is_settled);
        let Some(found) = source.and_then(|source| source.find(path)) else {
            return Ok(Answer::default());
        };
        if !found.is_unchanged(&expected.entry) {
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
        expected: &ListedEntry,
    ) -> Result<io::Result<ContentHash>, ArchiveError> {
        let hash = found.hash(expected.hash, self.cancel);
        self.cancel.check()?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::*;
    use crate::archive::{OwnerName, Timestamp};

    /// An entry that is a folder of this process with the mode 0750.
    fn folder() -> ListedEntry {
        let entry = Entry {
            path: PathBuf::from("folder"),
            kind: EntryKind::Folder,
            mode: 0o750,
            uid: geteuid().as_raw().into(),
            gid: rustix::process::getegid().as_raw().into(),
            uname: OwnerName::default(),
            gname: OwnerName::default(),
            size: 0,
            mtime: Timestamp::default(),
            xattrs: Vec::new(),
            extents: None,
            holes: Vec::new(),
        };
        ListedEntry { entry, hash: None, attributes: None }
    }

    /// Compares a folder that was restored as `folder()` says with what the archive says.
    fn difference(listed: &ListedEntry, xattrs: &[Xattr]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::open(&path).unwrap().set_times(old).unwrap();
        let check = Check {
            restored: Tree::open(dir.path()).unwrap(),
            source: None,
            abilities: Abilities { attributes: true, ..Abilities::of(dir.path()).unwrap() },
            attributes: AttributeReader::new(false),
            settled: None,
            cancel: &Cancel::new(),
        };
        let path = &listed.entry.path;
        check.one(Subject { path, listed, first: None, xattrs: Some(xattrs) }).unwrap().difference
    }

    #[test]
    fn each_property_of_the_metadata_is_compared() {
        let with = |change: &dyn Fn(&mut Entry)| {
            let mut listed = folder();
            change(&mut listed.entry);
            difference(&listed, &[])
        };

        assert_eq!(with(&|_| {}), None);
        assert_eq!(with(&|entry| entry.mode = 0o6750), None, "a privileged restore alone sets it");
        for (change, said) in [
            (
                &(|entry: &mut Entry| entry.mode = 0o700) as &dyn Fn(&mut Entry),
                "its mode is another",
            ),
            (&|entry| entry.mtime.seconds = 9, "its time is another"),
            (&|entry| entry.kind = EntryKind::Fifo, "it is restored as no fifo"),
            (&|entry| entry.path = "other".into(), "it was not restored"),
        ] {
            assert_eq!(with(change).as_deref(), Some(said));
        }
        // Others may not give files away.
        let said = geteuid().is_root().then_some("its owner is another");
        assert_eq!(with(&|entry| entry.uid = 7).as_deref(), said);
        let attribute = |name: &[u8]| Xattr { name: name.to_vec(), value: b"1".to_vec() };
        let said = difference(&folder(), &[attribute(b"user.a")]);
        assert_eq!(said.as_deref(), Some("its attributes are others"));
        assert_eq!(difference(&folder(), &[attribute(b"trusted.a")]), None);
    }
}
