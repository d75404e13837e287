//! Entries that wait for the end of a restore: in memory while they are few, then in a temporary file
//! without a name, so that millions of them take no memory.

use std::{
    ffi::OsString,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use tempfile::SpooledTempFile;

use crate::{
    archive::{
        ArchiveError,
        format::entry::{Entry, EntryKind, Timestamp, Xattr},
    },
    fs::IoResultExt,
};

/// How many bytes of them stay in memory.
const IN_MEMORY: usize = 4 << 20;

/// A list of links and folders on the disk.
pub(super) struct Deferred {
    file: SpooledTempFile,
    end: u64,
    next: u64,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), end: 0, next: 0 }
    }

    /// Adds an entry and returns where it is.
    pub(super) fn push(&mut self, entry: &Entry) -> io::Result<u64> {
        let at = self.end;
        let bytes = encode(entry);
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.file.write_all(&bytes)?;
        self.end += 8 + bytes.len() as u64;
        Ok(at)
    }

    /// Returns the entry at a place.
    pub(super) fn get(&mut self, at: u64) -> io::Result<Entry> {
        self.file.seek(SeekFrom::Start(at))?;
        let mut length = [0; 8];
        self.file.read_exact(&mut length)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.file).take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
        self.next = at + 8 + bytes.len() as u64;
        decode(&mut bytes.as_slice()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Returns the entries one after the other.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.next == self.end { Ok(None) } else { self.get(self.next).map(Some) }
    }
}

fn encode(entry: &Entry) -> Vec<u8> {
    let (kind, target) = match &entry.kind {
        EntryKind::Symlink { target } => (b'l', target.as_path()),
        EntryKind::HardLink { target } => (b'h', target.as_path()),
        _ => (b'd', Path::new("")),
    };
    let mut bytes = vec![kind];
    for number in [entry.mode, entry.mtime.nanoseconds] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [entry.uid, entry.gid, entry.mtime.seconds.cast_unsigned()] {
        bytes.extend(number.to_le_bytes());
    }
    for field in [&entry.uname, &entry.gname] {
        push(&mut bytes, field);
    }
    push(&mut bytes, entry.path.as_os_str().as_bytes());
    push(&mut bytes, target.as_os_str().as_bytes());
    for Xattr { name, value } in &entry.xattrs {
        push(&mut bytes, name);
        push(&mut bytes, value);
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend((field.len() as u64).to_le_bytes());
    bytes.extend(field);
}

fn decode(bytes: &mut &[u8]) -> Option<Entry> {
    let (kind, mode, nanoseconds) = (take(bytes)?, take(bytes)?, take(bytes)?);
    let (uid, gid, seconds) = (take(bytes)?, take(bytes)?, take(bytes)?);
    let (uname, gname) = (field(bytes)?.into(), field(bytes)?.into());
    let (path, target) = (path(bytes)?, path(bytes)?);
    let kind = match u8::from_le_bytes(kind) {
        b'l' => EntryKind::Symlink { target },
        b'h' => EntryKind::HardLink { target },
        _ => EntryKind::Folder,
    };
    let mut xattrs = Vec::new();
    while !bytes.is_empty() {
        xattrs.push(Xattr { name: field(bytes)?.to_vec(), value: field(bytes)?.to_vec() });
    }
    Some(Entry {
        path,
        kind,
        mode: u32::from_le_bytes(mode),
        uid: u64::from_le_bytes(uid),
        gid: u64::from_le_bytes(gid),
        uname,
        gname,
        size: 0,
        mtime: Timestamp {
            seconds: i64::from_le_bytes(seconds),
            nanoseconds: u32::from_le_bytes(nanoseconds),
        },
        xattrs,
        extents: None,
        holes: Vec::new(),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u64::from_le_bytes(take(bytes)?)).ok()?;
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}

fn path(bytes: &mut &[u8]) -> Option<PathBuf> {
    field(bytes).map(|bytes| OsString::from_vec(bytes.to_vec()).into())
}

/// Returns the error of a list of entries for later.
pub(super) fn kept(error: io::Error) -> ArchiveError {
    let at: Result<(), _> = Err(error).at(std::env::temp_dir(), "keep a list in");
    at.expect_err("made from an error").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::entry::OwnerName;

    #[test]
    fn entries_come_back_as_they_went_in_also_from_the_disk() {
        let entry = |number: i64| Entry {
            path: OsString::from_vec(vec![b'x', 0xff, b'\n']).into(),
            kind: EntryKind::Symlink { target: "t".repeat(50_000).into() },
            mode: 0o7777,
            uid: u64::MAX,
            gid: 1,
            uname: OwnerName::from(&b"ann"[..]),
            gname: OwnerName::default(),
            size: 0,
            mtime: Timestamp { seconds: -number, nanoseconds: 999_999_999 },
            xattrs: vec![Xattr { name: b"user.a".to_vec(), value: vec![0; 3] }],
            extents: None,
            holes: Vec::new(),
        };
        let mut deferred = Deferred::new();

        let places: Vec<u64> =
            (0..200).map(|number| deferred.push(&entry(number)).unwrap()).collect();

        for number in 0..200 {
            assert_eq!(deferred.next().unwrap(), Some(entry(number)));
        }
        assert_eq!(deferred.next().unwrap(), None);
        assert_eq!(deferred.get(places[7]).unwrap(), entry(7));
    }
}
