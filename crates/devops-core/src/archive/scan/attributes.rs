//! Reads the extended attributes of what a walk finds, through descriptors.
//!
//! Kept is what the system lists: `user.*`, access control lists, file capabilities, other labels of
//! `security.*`, `trusted.*` (which only root sees, see [`sees_trusted`]) and namespaces of single file systems. Left out are the other attributes of `system.*`, such as `system.nfs4_acl`: they are views
//! that a server or driver makes up for every file, and other file systems do not take them.
//!
//! A reproducible archive keeps `user.*` and file capabilities only, which belong to the content:
//! lists name the users of a host, and labels follow its policy. Without its list a file keeps the rights
//! of its own group.

use std::{
    collections::HashSet,
    ffi::{CStr, OsStr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::Path,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    buffer::spare_capacity,
    fs::{Mode, OFlags, fgetxattr, flistxattr, fstat, getxattr, listxattr, openat},
    io::Errno,
};

use crate::archive::format::{
    entry::Xattr,
    stat::Meta,
    xattr::{ACCESS_LIST, is_list, mode_without},
};
use crate::fs::read_text;

/// The most the names of one file take up (`XATTR_LIST_MAX`), and the most a value does
/// (`XATTR_SIZE_MAX`).
const MAX: usize = 64 << 10;
/// The most the attributes of one entry take up: with the other records they stay below 1 MiB, which
/// bsdtar refuses to pass.
const MAX_OF_ENTRY: usize = 960 << 10;

const WITHOUT_PROC: &str =
    "without /proc, attributes of this and other links, FIFOs and devices cannot be read";

/// The remark that attributes of `trusted.*` cannot be seen.
pub(in crate::archive) const UNSEEN: &str =
    "attributes of trusted.* are not in the archive: only root sees them, with CAP_SYS_ADMIN";
/// The bit of that capability (capabilities(7)).
const CAP_SYS_ADMIN: u32 = 21;

/// Returns whether the kernel lists attributes of `trusted.*` to this process: it does with the capability
/// of the first user namespace. Where /proc does not tell, it may.
pub(in crate::archive) fn sees_trusted(root: &Path) -> bool {
    let text = |name| read_text(&root.join("proc/self").join(name), MAX as u64).ok();
    let status = text("status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    let is_capable = effective.is_none_or(|set| set >> CAP_SYS_ADMIN & 1 != 0);
    let map = text("uid_map").unwrap_or_default();
    let is_first = map.is_empty() || map.split_whitespace().eq(["0", "0", "4294967295"]);
    is_capable && is_first
}

/// Reads attributes, and remembers which file systems have none.
pub(in crate::archive) struct AttributeReader {
    is_reproducible: bool,
    without: RwLock<HashSet<u64>>,
    misses_proc: AtomicBool,
}

/// The attributes of one thing.
#[derive(Debug, Default)]
pub(in crate::archive) struct Attributes {
    /// Those that were read, sorted by name.
    pub(in crate::archive) xattrs: Vec<Xattr>,
    /// The attributes that could not be read, with the reason.
    pub(in crate::archive) faults: Vec<String>,
    /// The access list that is not among them.
    skipped: Option<Vec<u8>>,
}

impl AttributeReader {
    pub(in crate::archive) fn new(is_reproducible: bool) -> Self {
        Self { is_reproducible, without: RwLock::default(), misses_proc: AtomicBool::new(false) }
    }

    /// Reads the attributes of an open file or folder on `device`.
    pub(in crate::archive) fn of_open(&self, fd: BorrowedFd<'_>, device: u64) -> Attributes {
        self.read(&Handle::Open(fd), device)
    }

    /// Reads the attributes of what cannot be opened without side effects, such as a symbolic link
    /// or a FIFO; nothing when another thing has taken its place.
    pub(in crate::archive) fn of_named(
        &self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        meta: &Meta,
    ) -> Result<Attributes, Errno> {
        if self.has_none(meta.id.0) {
            return Ok(Attributes::default());
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(folder, name, flags, Mode::empty())?;
        if Meta::from(fstat(&fd)?).id != meta.id {
            return Ok(Attributes::default());
        }
        // A descriptor of this sort gives no attributes itself; this link leads to just what it is of.
        let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        Ok(self.read(&Handle::Link(&link), meta.id.0))
    }

    fn read(&self, handle: &Handle<'_>, device: u64) -> Attributes {
        let mut found = Attributes::default();
        if self.has_none(device) {
            return found;
        }
        let list = match handle.list() {
            Ok(list) => list,
            Err(error) => {
                found.faults.extend(self.without_list(handle, device, error));
                return found;
            }
        };
        let mut names: Vec<&CStr> = names_in(&list).filter(|name| self.keeps(name)).collect();
        names.sort_unstable();
        found.take(handle, &names);
        if self.is_reproducible && names_in(&list).any(|name| name == ACCESS_LIST) {
            found.skipped = handle.get(ACCESS_LIST).ok();
        }
        found
    }

    /// Learns from a failure, and returns what is to be told of it.
    fn without_list(&self, handle: &Handle<'_>, device: u64, error: Errno) -> Option<String> {
        match error {
            Errno::OPNOTSUPP | Errno::NOSYS => {
                self.without.write().unwrap_or_else(PoisonError::into_inner).insert(device);
                None
            }
            // What is open exists: only the way to it can be missing.
            Errno::NOENT if matches!(handle, Handle::Link(_)) => {
                let is_told = self.misses_proc.swap(true, Ordering::Relaxed);
                (!is_told).then(|| WITHOUT_PROC.to_owned())
            }
            error => Some(format!("its attributes cannot be read: {error}")),
        }
    }

    fn has_none(&self, device: u64) -> bool {
        self.without.read().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    fn keeps(&self, name: &CStr) -> bool {
        let name = name.to_bytes();
        if self.is_reproducible {
            return name.starts_with(b"user.") || name == b"security.capability";
        }
        is_list(name) || !name.starts_with(b"system.")
    }
}

impl Attributes {
    /// Returns the permission bits of an entry with these attributes and no others.
    pub(in crate::archive) fn mode(&self, mode: u32) -> u32 {
        self.skipped.as_ref().map_or(mode, |list| mode_without(list, mode))
    }

    /// Reads the attributes `names`.
    fn take(&mut self, handle: &Handle<'_>, names: &[&CStr]) {
        let mut n_bytes = 0;
        for name in names {
            let shown = name.to_bytes().escape_ascii();
            match handle.get(name) {
                Ok(value) => {
                    let xattr = Xattr { name: name.to_bytes().to_vec(), value };
                    n_bytes += room(&xattr);
                    if n_bytes > MAX_OF_ENTRY {
                        self.faults.push(format!("no room is left for its attribute `{shown}`"));
                        n_bytes -= room(&xattr);
                    } else {
                        self.xattrs.push(xattr);
                    }
                }
                // Removed since it was listed.
                Err(Errno::NODATA) => {}
                Err(error) => {
                    self.faults.push(format!("its attribute `{shown}` cannot be read: {error}"));
                }
            }
        }
    }
}

/// A handle to a file: open, or by path.
enum Handle<'a> {
    Open(BorrowedFd<'a>),
    Link(&'a str),
}

impl Handle<'_> {
    /// Returns the names, each with a NUL behind it.
    fn list(&self) -> Result<Vec<u8>, Errno> {
        with_room(1024, |buffer| match self {
            Self::Open(fd) => flistxattr(fd, spare_capacity(buffer)),
            Self::Link(path) => listxattr(*path, spare_capacity(buffer)),
        })
    }

    fn get(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        with_room(256, |buffer| match self {
            Self::Open(fd) => fgetxattr(fd, name, spare_capacity(buffer)),
            Self::Link(path) => getxattr(*path, name, spare_capacity(buffer)),
        })
    }
}

/// Calls `fill` with a small buffer, and with the largest one if that is too small.
fn with_room(
    small: usize,
    fill: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::with_capacity(small);
    match fill(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.reserve_exact(MAX);
            fill(&mut buffer)?;
            buffer.shrink_to_fit();
        }
        filled => _ = filled?,
    }
    Ok(buffer)
}

fn names_in(list: &[u8]) -> impl Iterator<Item = &CStr> {
    list.split_inclusive(|&byte| byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
}

/// Returns how many bytes the record of an attribute takes up at most.
fn room(xattr: &Xattr) -> usize {
    // Eight bytes of a list become up to 22 of text.
    let value = if is_list(&xattr.name) { 3 } else { 1 } * xattr.value.len();
    3 * xattr.name.len() + value + 32
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::symlink};

    use rustix::fs::{
        AtFlags, CWD, FileType, XattrFlags, fsetxattr, lsetxattr, makedev, mknodat, statat,
    };

    use super::*;

    /// Sets attributes of `file`; false where the file system has none.
    fn set(file: &File, attributes: &[(&[u8], &[u8])]) -> bool {
        for (name, value) in attributes {
            match fsetxattr(file, *name, value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP) => return false,
                Err(error) => panic!("{}: {error}", name.escape_ascii()),
            }
        }
        true
    }

    fn names(attributes: &Attributes) -> Vec<&[u8]> {
        assert_eq!(attributes.faults, [""; 0]);
        attributes.xattrs.iter().map(|xattr| xattr.name.as_slice()).collect()
    }

    /// A list with an entry for one more user.
    const LIST: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\x07\0\0\0\
        \x04\0\x04\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";

    #[test]
    fn what_the_kernel_does_not_list_is_known_by_the_capability() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/self");
        std::fs::create_dir_all(&folder).unwrap();
        let all = "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        let some = "CapEff:\t0000000000000004\n";
        let first = "         0          0 4294967295\n";

        for (status, map, is_seen) in [
            (all, first, true),
            (some, first, false),
            (all, "         0       1000          1\n", false),
            ("", "", true),
        ] {
            for (name, text) in [("status", status), ("uid_map", map)] {
                crate::fs::replace(&folder.join(name), text.as_bytes(), 0o600).unwrap();
            }
            assert_eq!(sees_trusted(root.path()), is_seen, "{status}{map}");
        }
        assert!(sees_trusted(Path::new("/nonexistent")));
    }

    #[test]
    fn attributes_are_sorted_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        let long = [7; 2000];
        if !set(
            &file,
            &[
                (b"user.b", b"\0=\n\xff"),
                (b"user.\xff\n=", b""),
                (b"user.a", &long),
                (b"system.posix_acl_access", LIST),
            ],
        ) {
            return;
        }

        let found = AttributeReader::new(false).of_open(file.as_fd(), 1);

        let expected = [&b"system.posix_acl_access"[..], b"user.a", b"user.b", b"user.\xff\n="];
        assert_eq!(names(&found), expected);
        let values: Vec<&[u8]> = found.xattrs.iter().map(|xattr| xattr.value.as_slice()).collect();
        assert_eq!(values, [LIST, &long, b"\0=\n\xff", b""]);
    }

    #[test]
    fn many_names_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        let many: Vec<_> = (10..24).map(|n| format!("user.{n}{}", "x".repeat(100))).collect();
        let attributes: Vec<_> = many.iter().map(|name| (name.as_bytes(), &b"1"[..])).collect();
        if !set(&file, &attributes) {
            return;
        }

        let found = AttributeReader::new(false).of_open(file.as_fd(), 1);

        assert_eq!(names(&found), many.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_reproducible_archive_takes_nothing_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        if !set(&file, &[(b"user.a", b"1"), (b"system.posix_acl_access", LIST)]) {
            return;
        }

        let found = AttributeReader::new(true).of_open(file.as_fd(), 1);

        assert_eq!(names(&found), [b"user.a"]);
        assert_eq!(found.mode(0o4674), 0o4644);
        assert_eq!(Attributes::default().mode(0o4674), 0o4674);
    }

    #[test]
    fn what_cannot_be_opened_is_read_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let link = format!("/proc/self/fd/{}/fifo", folder.as_raw_fd());
        match lsetxattr(link, "system.posix_acl_access", LIST, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return,
            set => set.unwrap(),
        }
        let meta = Meta::from(statat(&folder, "fifo", AtFlags::SYMLINK_NOFOLLOW).unwrap());
        let reader = AttributeReader::new(false);

        let found = reader.of_named(folder.as_fd(), OsStr::new("fifo"), &meta).unwrap();
        let moved = Meta { id: (meta.id.0, meta.id.1 + 1), ..meta };
        let other = reader.of_named(folder.as_fd(), OsStr::new("fifo"), &moved).unwrap();

        assert_eq!(names(&found), [b"system.posix_acl_access"]);
        assert_eq!(other.xattrs, []);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        if !set(&file, &[(b"user.a", b"1")]) {
            return;
        }
        // Only root may give a link one, and only of this namespace.
        let link = dir.path().join("link");
        let is_set = lsetxattr(&link, "trusted.t", b"2", XattrFlags::empty()).is_ok();
        let folder = File::open(dir.path()).unwrap();
        let meta = Meta::from(statat(&folder, "link", AtFlags::SYMLINK_NOFOLLOW).unwrap());

        let found = AttributeReader::new(false)
            .of_named(folder.as_fd(), OsStr::new("link"), &meta)
            .unwrap();

        assert_eq!(names(&found), if is_set { vec![&b"trusted.t"[..]] } else { vec![] });
    }

    #[test]
    fn a_file_system_without_attributes_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("a")).unwrap();
        if !set(&file, &[(b"user.a", b"1")]) {
            return;
        }
        let reader = AttributeReader::new(false);
        let handle = Handle::Open(file.as_fd());

        assert_eq!(reader.without_list(&handle, 7, Errno::OPNOTSUPP), None);

        assert_eq!(names(&reader.of_open(file.as_fd(), 7)), [b""; 0]);
        assert_eq!(names(&reader.of_open(file.as_fd(), 8)), [b"user.a"]);
    }

    #[test]
    fn a_missing_proc_is_told_once() {
        let reader = AttributeReader::new(false);
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("missing/proc/self/fd/3");
        let handle = Handle::Link(link.to_str().unwrap());
        let [first, second] = [(); 2].map(|()| reader.read(&handle, 7).faults);

        assert_eq!((first, second), (vec![WITHOUT_PROC.to_owned()], vec![]));
    }

    #[test]
    fn an_unreadable_attribute_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        File::create(&path).unwrap();
        let handle = Handle::Link(path.to_str().unwrap());
        let mut found = Attributes::default();

        // The name of no namespace gives another error than one that is not set.
        found.take(&handle, &[c"user.missing", c"none.a\n"]);

        assert_eq!(found.xattrs, []);
        assert_eq!(found.faults.len(), 1);
        assert!(found.faults[0].starts_with(r"its attribute `none.a\n` cannot be read: "));
    }

    #[test]
    fn a_device_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        // Nobody drives this one: opening it fails.
        let made = mknodat(
            CWD,
            dir.path().join("d"),
            FileType::CharacterDevice,
            Mode::RWXU,
            makedev(0, 0),
        );
        if made.is_err() {
            return;
        }
        let folder = File::open(dir.path()).unwrap();
        let meta = Meta::from(statat(&folder, "d", AtFlags::SYMLINK_NOFOLLOW).unwrap());

        let found =
            AttributeReader::new(false).of_named(folder.as_fd(), OsStr::new("d"), &meta).unwrap();

        assert_eq!(names(&found), [b""; 0]);
    }
}
