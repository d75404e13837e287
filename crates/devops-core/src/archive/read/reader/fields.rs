//! Reads the fields of an entry's header.

use std::{ffi::OsString, ops::Range, os::unix::ffi::OsStringExt, path::PathBuf};

use tar::Header;

use super::{
    number::{is_doubtful, number, unsigned},
    owner_names::text,
    pax::{Records, Sparse},
    sparse::MAX_SIZE,
};
use crate::archive::format::{block::BLOCK, entry::EntryKind};

/// The place of the mark in the headers of POSIX and of GNU tar.
pub(super) const MARK_AT: usize = 257;
pub(super) const MARK: &[u8] = b"ustar";
const CHECKSUM: Range<usize> = 148..156;

/// Returns what sort of thing an entry is.
pub(super) fn kind_of(
    header: &Header,
    local: &Records,
    path: &[u8],
) -> Result<EntryKind, &'static str> {
    let target = || {
        let stored = || text(&header.as_old().linkname).to_vec();
        // Not without its slashes: they are part of what a symbolic link says.
        PathBuf::from(OsString::from_vec(local.target().map_or_else(stored, <[u8]>::to_vec)))
    };
    let is_known = local.sparse.as_ref().is_none_or(Sparse::is_known);
    Ok(match header.entry_type().as_byte() {
        b'0' | 0 | b'7' if path.ends_with(b"/") => EntryKind::Folder,
        b'S' if !is_gnu(header) => EntryKind::Unsupported { flag: b'S' },
        b'0' | 0 | b'7' | b'S' if !is_known => EntryKind::Unsupported { flag: b'S' },
        b'0' | 0 | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink { target: target() },
        b'2' => EntryKind::Symlink { target: target() },
        b'3' | b'4' => device(header)?,
        // A folder with the list of its names behind it, in incremental archives of GNU tar.
        b'5' | b'D' => EntryKind::Folder,
        b'6' => EntryKind::Fifo,
        flag => EntryKind::Unsupported { flag },
    })
}

/// Returns how many bytes of content follow the header.
///
/// Links, devices, FIFOs and folders have none, whatever their size says: some writers put the size
/// of the first name there, the length of a target or a quota, and most readers ignore it.
pub(super) fn stored_size(
    header: &Header,
    local: &Records,
    kind: &EntryKind,
) -> Result<u64, &'static str> {
    if !matches!(kind, EntryKind::File | EntryKind::Unsupported { .. })
        && matches!(header.entry_type().as_byte(), b'1'..=b'6')
    {
        return Ok(0);
    }
    let stored = local.size.map_or_else(|| size(header), Ok)?;
    if stored > MAX_SIZE {
        return Err("an entry larger than any file");
    }
    Ok(stored)
}

fn device(header: &Header) -> Result<EntryKind, &'static str> {
    let bytes = header.as_bytes();
    // Blank in some archives.
    let part = |field| unsigned(field).and_then(|part| u32::try_from(part).ok());
    let (major, minor) =
        part(&bytes[329..337]).zip(part(&bytes[337..345])).ok_or("a device without a number")?;
    Ok(match header.entry_type().as_byte() {
        b'3' => EntryKind::CharDevice { major, minor },
        _ => EntryKind::BlockDevice { major, minor },
    })
}

pub(super) fn size(header: &Header) -> Result<u64, &'static str> {
    unsigned(&header.as_old().size).ok_or("the size of an entry is not a number")
}

/// Returns whether readers take one of the numbers of a header for different ones.
pub(super) fn has_doubtful_number(header: &Header) -> bool {
    let (old, bytes) = (header.as_old(), header.as_bytes());
    let fields = [&old.mode[..], &old.uid, &old.gid, &old.size, &old.mtime, &old.cksum];
    let more: [&[u8]; 2] = match header.entry_type().as_byte() {
        b'3' | b'4' => [&bytes[329..337], &bytes[337..345]],
        b'S' => [&bytes[483..495], &[]],
        _ => [&[], &[]],
    };
    fields.into_iter().chain(more).any(is_doubtful)
}

fn is_gnu(header: &Header) -> bool {
    header.as_bytes()[257..265] == *b"ustar  \0"
}

/// Returns the path in the header: with its prefix, where the format has one.
pub(super) fn stored_path(header: &Header) -> Vec<u8> {
    let bytes = header.as_bytes();
    let name = text(&bytes[..100]);
    let has_prefix = bytes[MARK_AT..].starts_with(MARK) && !is_gnu(header) && bytes[345] != 0;
    if has_prefix { [text(&bytes[345..500]), b"/", name].concat() } else { name.to_vec() }
}

/// Tells a header by its checksum, where it begins with its name.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    has_right_checksum(block) && !is_one_byte_early(block)
}

/// Tells the block that begins one byte before a header.
///
/// Damage can shift the stream by one byte. The block then begins with the NUL before the header and lacks the
/// NUL at its end, so its checksum is right; the digits of the checksum field follow a NUL, which some
/// writers put there.
fn is_one_byte_early(block: &[u8; BLOCK]) -> bool {
    block[0] == 0 && is_doubtful(&block[CHECKSUM]) && !block[MARK_AT..].starts_with(MARK)
}

/// Compares the checksum of a header; old writers summed signed bytes.
fn has_right_checksum(block: &[u8; BLOCK]) -> bool {
    let mut blanked = *block;
    blanked[CHECKSUM].fill(b' ');
    let unsigned: i64 = blanked.iter().map(|&byte| i64::from(byte)).sum();
    let signed: i64 = blanked.iter().map(|&byte| i64::from(byte.cast_signed())).sum();
    number(&block[CHECKSUM]).is_some_and(|sum| sum == unsigned || sum == signed)
}

/// Returns the path without slashes at its end.
pub(super) fn path_of(mut path: Vec<u8>) -> PathBuf {
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    OsString::from_vec(path).into()
}
