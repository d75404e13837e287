//! Reads tar archives of any make: v7, ustar, GNU and pax, plain or gzipped, in one or many members.
//!
//! Memory does not grow with the archive. A size in a pax record wins over the header's, and what is
//! malformed is an error: an archive that two readers understand differently can hide entries.

use std::{
    cell::Cell,
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};
use tar::Header;

use super::{
    ArchiveError,
    entry::{Entry, EntryKind, Timestamp},
    header::{BLOCK, padding},
    origin::Origin,
};
use crate::{cancel::Cancel, fs::At};

mod number;
mod pax;

use number::number;
use pax::Records;

/// The most an extension header may hold.
const MAX_EXTENSION: u64 = 1 << 20;

/// Reads one archive from its beginning to its end.
pub(super) struct Reader {
    path: PathBuf,
    cancel: Cancel,
    input: Box<dyn Read>,
    /// Bytes taken from the file so far.
    n_taken: Rc<Cell<u64>>,
    /// Content of the current entry not read yet, and the zeros behind it.
    left: u64,
    padding: usize,
    n_entries: u64,
    n_blocks: u64,
    origin: Option<Origin>,
    global: Records,
}

impl Reader {
    pub(super) fn open(path: &Path, cancel: &Cancel) -> Result<Self, ArchiveError> {
        // NONBLOCK, lest opening a FIFO waits for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            // A socket.
            Err(Errno::NXIO) => return Err(ArchiveError::NotAnArchive { path: path.to_owned() }),
            Err(error) => return Err(error).at(path, "read").map_err(Into::into),
        };
        if !file.metadata().at(path, "read")?.is_file() {
            return Err(ArchiveError::NotAnArchive { path: path.to_owned() });
        }
        let mut head = Vec::new();
        file.by_ref().take(2).read_to_end(&mut head).at(path, "read")?;
        let is_gzip = head == [0x1f, 0x8b];
        let n_taken = Rc::new(Cell::new(0));
        let counted = Counted { file, n_taken: Rc::clone(&n_taken) };
        let input = BufReader::with_capacity(128 << 10, io::Cursor::new(head).chain(counted));
        Ok(Self {
            path: path.to_owned(),
            cancel: cancel.clone(),
            input: if is_gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) },
            n_taken,
            left: 0,
            padding: 0,
            n_entries: 0,
            n_blocks: 0,
            origin: None,
            global: Records::default(),
        })
    }

    /// Returns how many bytes of the file were taken so far.
    pub(super) fn n_taken(&self) -> u64 {
        self.n_taken.get()
    }

    /// Returns where the archive came from, once the first entry was read.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Returns how many entries were begun.
    pub(super) fn n_entries(&self) -> u64 {
        self.n_entries
    }

    /// Returns the next entry; at the end, after the checksum of the whole file held, `None`.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.skip_content()?;
        let mut local = Records::default();
        let mut is_extended = false;
        while let Some(header) = self.header()? {
            match header.entry_type().as_byte() {
                b'x' => {
                    let body = self.extension(&header)?;
                    local.read(&body).map_err(|reason| self.damaged(reason))?;
                }
                b'g' => {
                    let body = self.extension(&header)?;
                    self.global.read(&body).map_err(|reason| self.damaged(reason))?;
                    if self.global.names_one_entry() {
                        return Err(
                            self.damaged("a global header that gives every entry one name or size")
                        );
                    }
                    self.take_origin();
                    continue;
                }
                b'L' => local.long_path = Some(without_nul(self.extension(&header)?)),
                b'K' => local.long_target = Some(without_nul(self.extension(&header)?)),
                _ => return self.entry(&header, &local).map(Some),
            }
            is_extended = true;
        }
        if is_extended {
            return Err(self.damaged("an extension header without its entry"));
        }
        Ok(None)
    }

    /// Reads content of the current entry; 0 at its end.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        self.cancel.check()?;
        let wanted = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let n = self.input.read(&mut buffer[..wanted]).map_err(|error| self.broken(error))?;
        if n == 0 {
            return Err(self.damaged("it ends in the middle of a file"));
        }
        self.left -= n as u64;
        Ok(n)
    }

    fn skip_content(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 16 << 10];
        while self.read_content(&mut buffer)? > 0 {}
        self.left = std::mem::take(&mut self.padding) as u64;
        while self.read_content(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Returns the next header; `None` behind the end mark.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        self.cancel.check()?;
        let Some(block) = self.block()? else {
            return Err(self.not_whole("it ends without the end mark"));
        };
        if block == [0; BLOCK] {
            return self.end().map(|()| None);
        }
        let header = Header::from_byte_slice(&block).clone();
        if !has_right_checksum(&block) {
            return Err(self.not_whole("the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    /// Reads what follows the end mark: only then has the gzip checksum been compared.
    fn end(&mut self) -> Result<(), ArchiveError> {
        if self.block()?.is_some_and(|block| block != [0; BLOCK]) {
            return Err(self.not_whole("a lone block of zeros"));
        }
        let mut buffer = [0; 16 << 10];
        loop {
            self.cancel.check()?;
            if self.input.read(&mut buffer).map_err(|error| self.broken(error))? == 0 {
                return Ok(());
            }
        }
    }

    /// Reads a block; `None` when the input ended before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        let mut n = 0;
        while n < BLOCK {
            match self.input.read(&mut block[n..]).map_err(|error| self.broken(error))? {
                0 if n == 0 => return Ok(None),
                0 => return Err(self.not_whole("it ends in the middle of a block")),
                more => n += more,
            }
        }
        self.n_blocks += 1;
        Ok(Some(block))
    }

    /// Reads the body of an extension header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let size = self.size(header)?;
        if size > MAX_EXTENSION {
            return Err(self.damaged("an extension header is too large"));
        }
        self.left = size;
        self.padding = padding(size);
        let mut body = Vec::new();
        let mut buffer = [0; 4 << 10];
        loop {
            let n = self.read_content(&mut buffer)?;
            if n == 0 {
                self.skip_content()?;
                return Ok(body);
            }
            body.extend(&buffer[..n]);
        }
    }

    fn entry(&mut self, header: &Header, local: &Records) -> Result<Entry, ArchiveError> {
        let flag = header.entry_type().as_byte();
        if flag == b'S' {
            self.skip_sparse_map(header)?;
        }
        let path = local.path().map_or_else(|| header.path_bytes().into_owned(), <[u8]>::to_vec);
        let target = || {
            let stored = || header.link_name_bytes().unwrap_or_default().into_owned();
            // Not without its slashes: they are part of what a symbolic link says.
            PathBuf::from(OsString::from_vec(local.target().map_or_else(stored, <[u8]>::to_vec)))
        };
        let old = header.as_old();
        let kind = match flag {
            _ if local.is_sparse => EntryKind::Unsupported { flag: b'S' },
            b'0' | 0 | b'7' if path.ends_with(b"/") => EntryKind::Folder,
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::HardLink { target: target() },
            b'2' => EntryKind::Symlink { target: target() },
            b'3' | b'4' => self.device(header)?,
            b'5' => EntryKind::Folder,
            b'6' => EntryKind::Fifo,
            flag => EntryKind::Unsupported { flag },
        };
        let size = match kind {
            // Some writers repeat the size of the first name here; no content follows.
            EntryKind::HardLink { .. } => 0,
            _ => local.size.map_or_else(|| self.size(header), Ok)?,
        };
        if size > 0 && !matches!(kind, EntryKind::File | EntryKind::Unsupported { .. }) {
            // Other readers would take entries for its content, or content for entries.
            return Err(self.damaged("an entry with a size that is no file"));
        }
        let id = |record: Option<u64>, field: &[u8]| {
            record.or_else(|| number(field).and_then(|id| u64::try_from(id).ok()))
        };
        let uid = id(local.uid.or(self.global.uid), &old.uid);
        let gid = id(local.gid.or(self.global.gid), &old.gid);
        let seconds = number(&old.mtime).map(|seconds| Timestamp { seconds, nanoseconds: 0 });
        let mtime = local.mtime.or(self.global.mtime).or(seconds);
        let mode = number(&old.mode).and_then(|mode| u32::try_from(mode & 0o7777).ok());
        let (Some(uid), Some(gid), Some(mtime), Some(mode)) = (uid, gid, mtime, mode) else {
            return Err(self.damaged("a header holds no number where one must be"));
        };
        self.left = size;
        self.padding = padding(size);
        self.n_entries += 1;
        let (xattrs, extents) = (Vec::new(), None);
        Ok(Entry { path: path_of(path), kind, mode, uid, gid, size, mtime, xattrs, extents })
    }

    fn device(&self, header: &Header) -> Result<EntryKind, ArchiveError> {
        let major = header.device_major().ok().flatten();
        let minor = header.device_minor().ok().flatten();
        match (major, minor, header.entry_type().as_byte()) {
            (Some(major), Some(minor), b'3') => Ok(EntryKind::CharDevice { major, minor }),
            (Some(major), Some(minor), _) => Ok(EntryKind::BlockDevice { major, minor }),
            _ => Err(self.damaged("a device without a number")),
        }
    }

    /// Skips the blocks that continue the map of an old GNU sparse file.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let mut goes_on = header.as_gnu().is_some_and(|gnu| gnu.isextended[0] != 0);
        while goes_on {
            self.cancel.check()?;
            let block = self.block()?;
            let block = block.ok_or_else(|| self.damaged("it ends in the map of a sparse file"))?;
            goes_on = block[504] != 0;
        }
        Ok(())
    }

    fn size(&self, header: &Header) -> Result<u64, ArchiveError> {
        number(&header.as_old().size)
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| self.damaged("the size of an entry is no number"))
    }

    fn take_origin(&mut self) {
        if let Some(comment) = self.global.comment.take()
            && self.origin.is_none()
        {
            self.origin = Origin::from_comment(&comment);
        }
    }

    /// Returns the error for a stream that is not as it was written.
    fn broken(&self, error: io::Error) -> ArchiveError {
        if error.raw_os_error().is_some() {
            let at: Result<(), _> = Err(error).at(&self.path, "read");
            return at.expect_err("made from an error").into();
        }
        self.damaged(error.to_string())
    }

    /// Returns the error for a missing or wrong block: without any block before it, this is no tar.
    fn not_whole(&self, reason: &str) -> ArchiveError {
        if self.n_blocks <= 1 && self.n_entries == 0 {
            return ArchiveError::NotAnArchive { path: self.path.clone() };
        }
        self.damaged(reason)
    }

    fn damaged(&self, reason: impl AsRef<str>) -> ArchiveError {
        ArchiveError::Damaged {
            path: self.path.clone(),
            n_entries: self.n_entries,
            reason: reason.as_ref().to_owned(),
        }
    }
}

/// Counts what is read from a file.
struct Counted {
    file: File,
    n_taken: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.n_taken.set(self.n_taken.get() + n as u64);
        Ok(n)
    }
}

/// Compares the checksum of a header; old writers summed signed bytes.
fn has_right_checksum(block: &[u8; BLOCK]) -> bool {
    let mut blanked = *block;
    blanked[148..156].fill(b' ');
    let unsigned: i64 = blanked.iter().map(|&byte| i64::from(byte)).sum();
    let signed: i64 = blanked.iter().map(|&byte| i64::from(byte.cast_signed())).sum();
    number(&block[148..156]).is_some_and(|sum| sum == unsigned || sum == signed)
}

fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

/// Returns the path without slashes at its end.
fn path_of(mut path: Vec<u8>) -> PathBuf {
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    OsString::from_vec(path).into()
}
