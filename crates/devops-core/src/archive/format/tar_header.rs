//! Turns an entry into the tar blocks before its content.
//!
//! The format is POSIX pax over ustar. A pax record is written only for what ustar cannot hold,
//! with the keywords `path`, `linkpath`, `size`, `uid`, `gid`, `uname`, `gname` and `mtime`, which every
//! tar knows, those of [`xattr`], and those of [`sparse_map`](super::sparse_map) for a file without its holes; nothing that changes from run to run, such as atime or a process id, goes in.
//! The value of a name must be UTF-8 and bsdtar refuses others, so a long name of other bytes stands
//! in a long-name entry of GNU tar, which every tar knows as well.

use std::{
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use tar::{EntryType, Header};

use super::{
    block::padding,
    entry::{Entry, EntryKind, Timestamp},
    sparse_map::SparseMap,
    xattr,
};

/// The largest number in the seven octal digits of an owner.
const MAX_ID: u64 = 0o777_7777;
/// The largest number in the eleven octal digits of a size or a time.
const MAX_NUMBER: u64 = 0o777_7777_7777;
/// The folder of files with a map, as GNU tar names it but for the number of its process.
const SPARSE_FOLDER: &str = "GNUSparseFile.0";
const NAME: usize = 100;
const PREFIX: usize = 155;

/// Returns the global pax header with a comment.
pub(in crate::archive) fn global_comment(comment: &str) -> Vec<u8> {
    let mut records = Vec::new();
    push_record(&mut records, b"comment", comment.as_bytes());
    extension(EntryType::XGlobalHeader, b"pax_global_header", &records)
}

/// Returns everything that stands before the content of `entry`.
pub(in crate::archive) fn encode(entry: &Entry) -> Vec<u8> {
    let mut extras = Extras::default();
    let mut header = Header::new_ustar();
    set_path(&mut header, &stored_path(entry), &mut extras);
    let map = entry.extents.as_ref().map(|extents| SparseMap::new(extents, entry.size));
    if map.is_some() {
        push_sparse(entry, &mut extras.records);
    }
    if let EntryKind::Symlink { target } | EntryKind::HardLink { target } = &entry.kind {
        let target = target.as_os_str().as_bytes();
        copy(&mut header.as_old_mut().linkname, target);
        if target.len() > NAME {
            extras.push_name(EntryType::GNULongLink, "linkpath", target);
        }
    }
    header.set_entry_type(entry_type(&entry.kind));
    header.set_mode(entry.mode);
    let ustar = header.as_ustar_mut().expect("made as ustar");
    set_owner(&mut ustar.uname, "uname", &entry.uname, &mut extras.records);
    set_owner(&mut ustar.gname, "gname", &entry.gname, &mut extras.records);
    let n_stored = map.as_ref().map_or(entry.size, |map| map.n_stored);
    set_numbers(&mut header, entry, n_stored, &mut extras.records);
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } =
        entry.kind
    {
        header.set_device_major(major).expect("ustar has device numbers");
        header.set_device_minor(minor).expect("ustar has device numbers");
    }
    header.set_cksum();
    for xattr in &entry.xattrs {
        let (key, value) = xattr::to_record(xattr);
        push_record(&mut extras.records, &key, &value);
    }
    let mut blocks = extras.long_names;
    if !extras.records.is_empty() {
        let base = entry.path.file_name().unwrap_or(entry.path.as_os_str()).as_bytes();
        let label = [b"PaxHeaders/", &base[..base.len().min(80)]].concat();
        blocks.extend(extension(EntryType::XHeader, &label, &extras.records));
    }
    blocks.extend(header.as_bytes());
    blocks.extend(map.map(|map| map.blocks).unwrap_or_default());
    blocks
}

/// Says that a map stands before the content, and of which file.
///
/// The name comes last: to some readers the last one counts.
fn push_sparse(entry: &Entry, records: &mut Vec<u8>) {
    push_record(records, b"GNU.sparse.major", b"1");
    push_record(records, b"GNU.sparse.minor", b"0");
    push_record(records, b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    push_record(records, b"GNU.sparse.name", entry.path.as_os_str().as_bytes());
}

/// The extension headers before an entry.
#[derive(Default)]
struct Extras {
    records: Vec<u8>,
    long_names: Vec<u8>,
}

impl Extras {
    /// Adds a name the header has no room for.
    fn push_name(&mut self, kind: EntryType, key: &str, name: &[u8]) {
        if std::str::from_utf8(name).is_ok() {
            push_record(&mut self.records, key.as_bytes(), name);
        } else {
            self.long_names.extend(extension(kind, b"././@LongLink", &[name, &[0]].concat()));
        }
    }
}

fn set_numbers(header: &mut Header, entry: &Entry, n_stored: u64, records: &mut Vec<u8>) {
    let mut number = |key: &str, value: u64, max| {
        if value > max {
            push_record(records, key.as_bytes(), value.to_string().as_bytes());
            return 0;
        }
        value
    };
    header.set_size(number("size", n_stored, MAX_NUMBER));
    header.set_uid(number("uid", entry.uid, MAX_ID));
    header.set_gid(number("gid", entry.gid, MAX_ID));
    let Timestamp { seconds, nanoseconds } = entry.mtime;
    let whole = u64::try_from(seconds).ok().filter(|&whole| whole <= MAX_NUMBER);
    header.set_mtime(whole.unwrap_or(0));
    if whole.is_none() || nanoseconds != 0 {
        push_record(records, b"mtime", entry.mtime.to_decimal().as_bytes());
    }
}

/// Writes the name of an owner; a record says one that is too long for the header, or that others may read
/// in another character set.
fn set_owner(field: &mut [u8; 32], key: &str, name: &[u8], records: &mut Vec<u8>) {
    // Behind it a NUL must fit. A part of a name might be the name of another.
    let fits = name.len() < field.len();
    if fits {
        copy(field, name);
    }
    if !(fits && name.is_ascii()) && std::str::from_utf8(name).is_ok() {
        push_record(records, key.as_bytes(), name);
    }
}

/// Returns the path as it stands in the header: folders end with a slash.
///
/// A file with a map has another one there, so that a reader that does not know maps makes no file of the
/// right name and a wrong content.
fn stored_path(entry: &Entry) -> Vec<u8> {
    if entry.extents.is_some() {
        let name = entry.path.file_name().unwrap_or_default();
        let folder = entry.path.parent().unwrap_or(Path::new(""));
        return folder.join(SPARSE_FOLDER).join(name).into_os_string().into_vec();
    }
    let mut path = entry.path.as_os_str().as_bytes().to_vec();
    if entry.kind == EntryKind::Folder {
        path.push(b'/');
    }
    path
}

fn set_path(header: &mut Header, path: &[u8], extras: &mut Extras) {
    let ustar = header.as_ustar_mut().expect("made as ustar");
    if path.len() <= NAME {
        copy(&mut ustar.name, path);
    } else if let Some(slash) = prefix_length(path) {
        copy(&mut ustar.prefix, &path[..slash]);
        copy(&mut ustar.name, &path[slash + 1..]);
    } else {
        copy(&mut ustar.name, path);
        extras.push_name(EntryType::GNULongName, "path", path);
    }
}

/// Returns where ustar may split a long path: at a slash, with both parts short enough.
fn prefix_length(path: &[u8]) -> Option<usize> {
    let first = path.len() - NAME - 1;
    let slash = first + path[first..].iter().position(|&byte| byte == b'/')?;
    (slash > 0 && slash <= PREFIX && slash + 1 < path.len()).then_some(slash)
}

fn entry_type(kind: &EntryKind) -> EntryType {
    match kind {
        EntryKind::File => EntryType::Regular,
        EntryKind::Folder => EntryType::Directory,
        EntryKind::Symlink { .. } => EntryType::Symlink,
        EntryKind::HardLink { .. } => EntryType::Link,
        EntryKind::Fifo => EntryType::Fifo,
        EntryKind::CharDevice { .. } => EntryType::Char,
        EntryKind::BlockDevice { .. } => EntryType::Block,
        EntryKind::Unsupported { flag } => EntryType::new(*flag),
    }
}

/// Returns an extension: its own header, the body, and padding.
fn extension(kind: EntryType, label: &[u8], body: &[u8]) -> Vec<u8> {
    let is_gnu = matches!(kind, EntryType::GNULongName | EntryType::GNULongLink);
    let mut header = if is_gnu { Header::new_gnu() } else { Header::new_ustar() };
    copy(&mut header.as_old_mut().name, label);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(body.len() as u64);
    header.set_cksum();
    let mut blocks = header.as_bytes().to_vec();
    blocks.extend(body);
    blocks.resize(blocks.len() + padding(body.len() as u64), 0);
    blocks
}

/// Appends `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    records.extend(format!("{length} ").into_bytes());
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

fn copy(field: &mut [u8], value: &[u8]) {
    let n = value.len().min(field.len());
    field[..n].copy_from_slice(&value[..n]);
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write, os::unix::fs::FileExt, path::PathBuf, process::Command};

    use super::*;
    use crate::archive::format::block::{BLOCK, END};
    use crate::archive::format::entry::{OwnerName, Xattr};

    fn file(path: &str) -> Entry {
        Entry {
            path: PathBuf::from(path),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            uname: OwnerName::default(),
            gname: OwnerName::default(),
            size: 0,
            mtime: Timestamp::default(),
            xattrs: Vec::new(),
            extents: None,
            holes: Vec::new(),
        }
    }

    fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn ustar_alone_is_enough_for_plain_entries() {
        let long = format!("{}/{}", "d".repeat(155), "f".repeat(100));

        assert_eq!(encode(&file("a")).len(), BLOCK);
        assert_eq!(encode(&file(&"x".repeat(100))).len(), BLOCK);
        assert_eq!(encode(&file(&long)).len(), BLOCK);
    }

    #[test]
    fn what_ustar_cannot_hold_gets_a_record() {
        let user_a = Xattr { name: b"user.a".to_vec(), value: vec![0] };
        let cases = [
            ("111 path=xxx", Entry { path: "x".repeat(101).into(), ..file("a") }),
            ("19 size=8589934592\n", Entry { size: 8 << 30, ..file("a") }),
            ("15 uid=2097152\n", Entry { uid: 2_097_152, ..file("a") }),
            ("28 gid=18446744073709551615\n", Entry { gid: u64::MAX, ..file("a") }),
            ("12 uname=\u{fc}\n", Entry { uname: "\u{fc}".as_bytes().into(), ..file("a") }),
            ("42 gname=nnn", Entry { gname: [b'n'; 32].into(), ..file("a") }),
            ("13 mtime=0.5\n", Entry { mtime: at(0, 500_000_000), ..file("a") }),
            ("12 mtime=-1\n", Entry { mtime: at(-1, 0), ..file("a") }),
            ("25 SCHILY.xattr.user.a=\0\n", Entry { xattrs: vec![user_a], ..file("a") }),
        ];
        for (record, entry) in cases {
            let blocks = encode(&entry);

            assert_eq!(blocks.len(), 3 * BLOCK);
            assert!(blocks[BLOCK..].starts_with(record.as_bytes()), "{record}");
        }
    }

    #[test]
    fn names_of_owners_stand_in_the_header_where_they_fit() {
        let longest = [b'u'; 31];
        let odd = b"m\xfcller";
        let blocks = encode(&Entry { uname: longest.into(), gname: odd[..].into(), ..file("a") });

        let header = Header::from_byte_slice(&blocks);
        assert_eq!(blocks.len(), BLOCK);
        assert_eq!(header.username_bytes(), Some(&longest[..]));
        assert_eq!(header.groupname_bytes(), Some(&odd[..]));
    }

    /// The first two columns that say something: size and name.
    #[allow(clippy::disallowed_methods, reason = "an outside reader says whether we are right")]
    fn sizes_by_gnu_tar(archive: &Path) -> Vec<(u64, String)> {
        let mut tar = Command::new("tar");
        let output = tar.args(["--numeric-owner", "-tvf"]).arg(archive).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let columns: Vec<_> = line.split_ascii_whitespace().collect();
                (columns[2].parse().unwrap(), columns[5].to_owned())
            })
            .collect()
    }

    #[test]
    fn gnu_tar_finds_what_stands_behind_a_huge_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.tar");
        let mut archive = File::create(&path).unwrap();
        let sizes = [(8 << 30) - 1, 8 << 30, (1 << 40) + 1];
        let mut end = 0;
        for size in sizes {
            let header = encode(&Entry { size, ..file(&format!("of-{size}")) });
            archive.write_all_at(&header, end).unwrap();
            end += header.len() as u64 + size + padding(size) as u64;
        }
        let last = encode(&file("last"));
        archive.write_all_at(&last, end).unwrap();
        archive.set_len(end + (last.len() + END.len()) as u64).unwrap();
        archive.flush().unwrap();

        let found = sizes_by_gnu_tar(&path);

        let mut expected: Vec<_> = sizes.map(|size| (size, format!("of-{size}"))).into();
        expected.push((0, "last".to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_record_counts_its_own_digits() {
        for n in 0..2000 {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &vec![b'x'; n]);

            let text = String::from_utf8(records).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            assert_eq!(length.parse(), Ok(text.len()));
        }
    }
}
