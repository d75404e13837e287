//! One entry in the index.
//!
//! # Format
//!
//! | what | form |
//! | --- | --- |
//! | bytes shared with the path before | number |
//! | further bytes of the path | number of bytes, bytes |
//! | kind, and flags | byte: 0 file, 1 folder, 2 symlink, 3 hard link, 4 FIFO, 5 character device, 6 block device, 7 file without its holes; 0x10 identity follows, 0x20 holes follow, 0x40 names of owner and group follow, else they are those of the entry before, 0x80 a digest of its attributes follows |
//! | mode, owner, group | numbers |
//! | modification time | signed seconds, nanoseconds |
//! | blocks of 512 bytes before the content | number |
//! | for a file: size of the content, holes included | number |
//! | for a link: its target | number of bytes, bytes |
//! | for a device: major, minor | numbers |
//! | identity: change time, device, inode | signed seconds, nanoseconds, numbers |
//! | holes: their count, and for each the bytes of data before it and its length | numbers |
//! | names of owner and group | each number of bytes, bytes |
//! | digest of its attributes | 16 bytes |

use std::{
    cmp::Ordering,
    ffi::{OsStr, OsString},
    ops::Range,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::super::{
    block::BLOCK,
    content_hash::ContentHash,
    entry::{Entry, EntryKind, OwnerName, Timestamp},
    holes::{gaps, length},
    xattr::{Digest, NO_ATTRIBUTES},
};
use crate::archive_index::{
    head::Hash,
    varint::{Cursor, push_number, push_time},
};

const HAS_IDENTITY: u8 = 0x10;
const HAS_HOLES: u8 = 0x20;
const HAS_NAMES: u8 = 0x40;
const HAS_ATTRIBUTES: u8 = 0x80;
const KIND: u8 = 0x0f;
/// The kind of a file without its holes.
const SPARSE: u8 = 7;

/// The parts that are not written again if they are the same as in the record before.
#[derive(Clone, Default)]
pub(super) struct Last {
    path: Vec<u8>,
    uname: OwnerName,
    gname: OwnerName,
}

/// An entry as the index records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Record {
    /// The entry, without its extended attributes: those stand in the tar only.
    pub(in crate::archive) entry: Entry,
    /// The length of its headers in the tar, in bytes.
    pub(in crate::archive) n_header: u64,
    /// The identity of the source; `None` when it must not be relied on.
    pub(in crate::archive) identity: Option<Identity>,
    /// The ranges of the content that are holes in the source.
    pub(in crate::archive) holes: Vec<Range<u64>>,
    /// Is set if the tar does not hold those.
    pub(in crate::archive) is_sparse: bool,
    /// The digest of its attributes.
    pub(in crate::archive) attributes: Digest,
}

/// The inode and change time of a file, which show a change or a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Identity {
    pub(in crate::archive) ctime: Timestamp,
    /// Device and inode.
    pub(in crate::archive) id: (u64, u64),
}

impl Record {
    /// Returns whether the index holds a hash for it.
    pub(in crate::archive) fn has_hash(&self) -> bool {
        self.entry.kind == EntryKind::File && self.entry.size > 0
    }

    /// Returns what the hash that the index holds for it is of.
    pub(in crate::archive) fn content_hash(&self, hash: Hash) -> ContentHash {
        if self.is_sparse { ContentHash::BetweenHoles(hash) } else { ContentHash::Whole(hash) }
    }

    /// Returns how many bytes of content the tar holds.
    pub(in crate::archive) fn n_stored(&self) -> u64 {
        self.entry.size - if self.is_sparse { length(&self.holes) } else { 0 }
    }

    /// Returns the ranges of the content that the tar holds; `None` if it holds all of it.
    pub(in crate::archive) fn extents(&self) -> Option<Vec<Range<u64>>> {
        self.is_sparse.then(|| gaps(&self.holes, self.entry.size))
    }
}

/// Compares paths in the order of a walk: parents first, then names by their bytes.
pub(in crate::archive) fn walk_order(a: &Path, b: &Path) -> Ordering {
    // A slash comes before every byte of a name; no name holds a zero.
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    from_source(a).iter().map(rank).cmp(from_source(b).iter().map(rank))
}

/// Returns the bytes of a path; none for the source itself, which comes first.
fn from_source(path: &Path) -> &[u8] {
    match path.as_os_str().as_bytes() {
        b"." => b"",
        bytes => bytes,
    }
}

pub(super) fn encode(record: &Record, last: &mut Last, out: &mut Vec<u8>) {
    let Record { entry, n_header, identity, holes, is_sparse, attributes } = record;
    let path = entry.path.as_os_str().as_bytes();
    let n_shared = last.path.iter().zip(path).take_while(|(a, b)| a == b).count();
    push_number(out, n_shared as u64);
    push_bytes(out, &path[n_shared..]);
    last.path.clear();
    last.path.extend(path);
    let has_names = (&last.uname, &last.gname) != (&entry.uname, &entry.gname);
    let has_attributes = *attributes != NO_ATTRIBUTES;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    out.push(
        (if *is_sparse { SPARSE } else { code(&entry.kind) })
            | flag(identity.is_some(), HAS_IDENTITY)
            | flag(!holes.is_empty(), HAS_HOLES)
            | flag(has_names, HAS_NAMES)
            | flag(has_attributes, HAS_ATTRIBUTES),
    );
    push_number(out, entry.mode.into());
    push_number(out, entry.uid);
    push_number(out, entry.gid);
    push_time(out, (entry.mtime.seconds, entry.mtime.nanoseconds));
    push_number(out, n_header / BLOCK as u64);
    push_kind(out, entry);
    if let Some(Identity { ctime, id: (device, inode) }) = identity {
        push_time(out, (ctime.seconds, ctime.nanoseconds));
        push_number(out, *device);
        push_number(out, *inode);
    }
    if !holes.is_empty() {
        push_holes(out, holes);
    }
    if has_names {
        push_bytes(out, &entry.uname);
        push_bytes(out, &entry.gname);
        (last.uname, last.gname) = (entry.uname.clone(), entry.gname.clone());
    }
    if has_attributes {
        out.extend(attributes);
    }
}

fn push_kind(out: &mut Vec<u8>, entry: &Entry) {
    match &entry.kind {
        EntryKind::File => push_number(out, entry.size),
        EntryKind::Symlink { target } | EntryKind::HardLink { target } => {
            push_bytes(out, target.as_os_str().as_bytes());
        }
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            push_number(out, (*major).into());
            push_number(out, (*minor).into());
        }
        EntryKind::Folder | EntryKind::Fifo | EntryKind::Unsupported { .. } => {}
    }
}

fn push_holes(out: &mut Vec<u8>, holes: &[Range<u64>]) {
    push_number(out, holes.len() as u64);
    let mut end = 0;
    for hole in holes {
        push_number(out, hole.start - end);
        push_number(out, hole.end - hole.start);
        end = hole.end;
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend(bytes);
}

fn code(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File => 0,
        EntryKind::Folder => 1,
        EntryKind::Symlink { .. } => 2,
        EntryKind::HardLink { .. } => 3,
        EntryKind::Fifo => 4,
        EntryKind::CharDevice { .. } => 5,
        EntryKind::BlockDevice { .. } => 6,
        EntryKind::Unsupported { .. } => unreachable!("only what was found is written"),
    }
}

pub(super) fn decode(cursor: &mut Cursor<'_>, last: &mut Last) -> Option<Record> {
    let n_shared = usize::try_from(cursor.number()?).ok()?;
    let rest = bytes(cursor)?;
    if n_shared > last.path.len() {
        return None;
    }
    last.path.truncate(n_shared);
    last.path.extend(rest);
    let path = PathBuf::from(OsStr::from_bytes(&last.path));
    let code = cursor.byte()?;
    let mode = u32::try_from(cursor.number()?).ok()?;
    let (uid, gid) = (cursor.number()?, cursor.number()?);
    let mtime = timestamp(cursor)?;
    let n_header = cursor.number()?.checked_mul(BLOCK as u64)?;
    let (kind, size) = kind(cursor, code & KIND)?;
    let identity = if code & HAS_IDENTITY == 0 { None } else { Some(identity(cursor)?) };
    let holes = if code & HAS_HOLES == 0 { Vec::new() } else { holes(cursor, size)? };
    if code & HAS_NAMES != 0 {
        (last.uname, last.gname) = (bytes(cursor)?.into(), bytes(cursor)?.into());
    }
    let attributes =
        if code & HAS_ATTRIBUTES == 0 { NO_ATTRIBUTES } else { *cursor.fixed::<16>()? };
    let entry = Entry {
        path,
        kind,
        mode,
        uid,
        gid,
        uname: last.uname.clone(),
        gname: last.gname.clone(),
        size,
        mtime,
        xattrs: Vec::new(),
        extents: None,
        holes: Vec::new(),
    };
    let is_sparse = code & KIND == SPARSE;
    Some(Record { entry, n_header, identity, holes, is_sparse, attributes })
}

fn kind(cursor: &mut Cursor<'_>, code: u8) -> Option<(EntryKind, u64)> {
    let kind = match code {
        0 | SPARSE => return Some((EntryKind::File, cursor.number()?)),
        1 => EntryKind::Folder,
        2 => EntryKind::Symlink { target: path(cursor)? },
        3 => EntryKind::HardLink { target: path(cursor)? },
        4 => EntryKind::Fifo,
        5 => EntryKind::CharDevice { major: device(cursor)?, minor: device(cursor)? },
        6 => EntryKind::BlockDevice { major: device(cursor)?, minor: device(cursor)? },
        _ => return None,
    };
    Some((kind, 0))
}

fn timestamp(cursor: &mut Cursor<'_>) -> Option<Timestamp> {
    let (seconds, nanoseconds) = cursor.time()?;
    Some(Timestamp { seconds, nanoseconds })
}

fn identity(cursor: &mut Cursor<'_>) -> Option<Identity> {
    let ctime = timestamp(cursor)?;
    Some(Identity { ctime, id: (cursor.number()?, cursor.number()?) })
}

/// Reads holes, which lie one behind the other within `size` bytes.
fn holes(cursor: &mut Cursor<'_>, size: u64) -> Option<Vec<Range<u64>>> {
    let mut holes = Vec::new();
    let mut end = 0_u64;
    for _ in 0..cursor.number()? {
        let start = end.checked_add(cursor.number()?)?;
        end = start.checked_add(cursor.number()?)?;
        holes.push(start..end);
    }
    (end <= size).then_some(holes)
}

fn bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = cursor.number()?;
    cursor.bytes(n)
}

fn path(cursor: &mut Cursor<'_>) -> Option<PathBuf> {
    Some(OsString::from_vec(bytes(cursor)?.to_vec()).into())
}

fn device(cursor: &mut Cursor<'_>) -> Option<u32> {
    u32::try_from(cursor.number()?).ok()
}
