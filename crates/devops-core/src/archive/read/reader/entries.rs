//! Parses entries from the bytes of a tar, wherever they come from.
//!
//! Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU tar with its sparse files, v7, and what star and
//! bsdtar add in pax records.

use std::{
    io::{self, Read},
    ops::Range,
};

use tar::Header;

use super::{
    fields::{
        MARK, MARK_AT, has_doubtful_number, is_header, kind_of, path_of, size, stored_path,
        stored_size,
    },
    number::{number, unsigned},
    owner_names::OwnerNames,
    pax::{MAX_BODY, MAX_PATH, Records},
    sparse::{self, MAX_SIZE, Pair},
};
use crate::{
    archive::format::{
        block::{BLOCK, padding},
        entry::{Entry, EntryKind, Timestamp},
    },
    archive_index::Origin,
};

/// The reason there is no next entry.
#[derive(Debug)]
pub(in crate::archive) enum Fault {
    /// The bytes could not be had.
    Stream(io::Error),
    /// They are no sound tar.
    Damaged(&'static str),
    /// The first of them are no tar at all.
    NotTar,
}

/// The end of a tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Ending {
    /// With the two blocks of zeros every tar should have.
    Marked,
    /// With one block of zeros.
    LoneBlock,
    /// Its bytes are over.
    Unmarked,
}

/// Replaces an owner that is not a number: no host knows this one.
const NO_OWNER: u64 = u64::MAX;
/// Replaces a mode that is not a number.
const PRIVATE: u32 = 0o600;

/// Where the stored bytes of a sparse file belong.
struct Map {
    size: u64,
    extents: Vec<Range<u64>>,
}

/// Reads the entries of a tar, each with its content.
pub(in crate::archive) struct Entries<R> {
    input: R,
    /// Stored content of the current entry not read yet, and the zeros behind it.
    left: u64,
    padding: usize,
    n_begun: u64,
    /// Is set once a header was valid.
    is_tar: bool,
    origin: Option<Origin>,
    global: Records,
    owner_names: OwnerNames,
    ending: Option<Ending>,
    /// The bytes that were read ahead in search of a header, and are read again.
    read_ahead: Vec<u8>,
    /// Is set to read as GNU tar does where readers differ; that is then not an error.
    is_lenient: bool,
    doubt: Option<&'static str>,
}

impl<R: Read> Entries<R> {
    /// Begins at the first byte of `input`, which must be where a header stands.
    pub(in crate::archive) fn new(input: R) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
            n_begun: 0,
            is_tar: false,
            origin: None,
            global: Records::default(),
            owner_names: OwnerNames::default(),
            ending: None,
            read_ahead: Vec::new(),
            is_lenient: false,
            doubt: None,
        }
    }

    /// Reads what readers understand differently as GNU tar does.
    pub(super) fn lenient(self) -> Self {
        Self { is_lenient: true, ..self }
    }

    /// Takes what readers understand differently of the entry that came last.
    pub(super) fn take_doubt(&mut self) -> Option<&'static str> {
        self.doubt.take()
    }

    /// Forgets the current entry, and how the tar ended.
    pub(super) fn forget(&mut self) {
        (self.left, self.padding, self.ending) = (0, 0, None);
    }

    /// Begins a new entry: with what was read ahead, else where the input is now.
    pub(super) fn restart(&mut self, read_ahead: Vec<u8>) {
        self.forget();
        self.is_tar = true;
        self.read_ahead = read_ahead;
    }

    /// Names what readers understand differently.
    fn doubt(&mut self, reason: &'static str) -> Result<(), Fault> {
        if !self.is_lenient {
            return Err(Fault::Damaged(reason));
        }
        self.doubt.get_or_insert(reason);
        Ok(())
    }

    pub(super) fn input(&self) -> &R {
        &self.input
    }

    pub(super) fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Returns how the tar ended, once it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub(super) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(super) fn n_entries(&self) -> u64 {
        self.n_begun
    }

    /// Returns whether there was any header in it.
    pub(super) fn has_header(&self) -> bool {
        self.is_tar
    }

    /// Returns the next entry, past what was not read of the current one; `None` at the end.
    pub(in crate::archive) fn next_entry(&mut self) -> Result<Option<Entry>, Fault> {
        if self.ending.is_some() || !self.skip_content()? {
            self.ending.get_or_insert(Ending::Unmarked);
            return Ok(None);
        }
        let mut local = Records::default();
        let mut is_extended = false;
        while let Some(header) = self.header()? {
            match header.entry_type().as_byte() {
                // Old Solaris wrote the same under another letter.
                b'x' | b'X' => {
                    let body = self.extension(&header, MAX_BODY)?;
                    // Of several the last counts, as for GNU tar and Go.
                    local = local.without_pax();
                    local.read(&body).map_err(Fault::Damaged)?;
                }
                b'g' => {
                    let body = self.extension(&header, MAX_BODY)?;
                    self.global(&body)?;
                    continue;
                }
                b'L' => local.long_path = Some(self.long_name(&header)?),
                b'K' => local.long_target = Some(self.long_name(&header)?),
                _ => return self.entry(&header, local).map(Some),
            }
            is_extended = true;
        }
        if is_extended {
            return Err(Fault::Damaged("an extension header without its entry"));
        }
        Ok(None)
    }

    /// Reads stored content of the current entry; 0 at its end. Of a sparse file these are its extents,
    /// one behind the other.
    pub(in crate::archive) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let wanted = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let n = self.read(&mut buffer[..wanted])?;
        if n == 0 {
            return Err(Fault::Damaged("it ends in the middle of a file"));
        }
        self.left -= n as u64;
        Ok(n)
    }

    /// Skips what is left of the current entry; returns whether the padding behind it is there as well.
    pub(super) fn skip_content(&mut self) -> Result<bool, Fault> {
        let mut buffer = [0; 16 << 10];
        while self.read_content(&mut buffer)? > 0 {}
        let mut left = std::mem::take(&mut self.padding);
        while left > 0 {
            match self.read(&mut buffer[..left])? {
                0 => return Ok(false),
                n => left -= n,
            }
        }
        Ok(true)
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if !self.read_ahead.is_empty() {
            let n = buffer.len().min(self.read_ahead.len());
            buffer[..n].copy_from_slice(&self.read_ahead[..n]);
            self.read_ahead.drain(..n);
            return Ok(n);
        }
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(Fault::Stream),
            }
        }
    }

    /// Returns the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let Some(block) = self.block()? else {
            self.ending = Some(Ending::Unmarked);
            return if self.is_tar { Ok(None) } else { Err(Fault::NotTar) };
        };
        if block == [0; BLOCK] {
            // Half a block of zeros is none, and behind one alone nothing is read.
            let is_marked = match self.block() {
                Ok(second) => second == Some([0; BLOCK]),
                Err(Fault::Stream(error)) => return Err(Fault::Stream(error)),
                Err(_) => false,
            };
            self.ending = Some(if is_marked { Ending::Marked } else { Ending::LoneBlock });
            return Ok(None);
        }
        if !is_header(&block) {
            // A tar whose first header is damaged is still told by its mark.
            self.is_tar |= block[MARK_AT..].starts_with(MARK);
            // The header may begin in the middle of it.
            self.read_ahead.splice(..0, block);
            return Err(self.not_whole("the checksum of a header is wrong"));
        }
        self.is_tar = true;
        let header = Header::from_byte_slice(&block).clone();
        if has_doubtful_number(&header) {
            self.doubt("a number that some readers take for 0, and others not")?;
        }
        Ok(Some(header))
    }

    /// Reads a block; `None` when the input ended before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Fault> {
        let mut block = [0; BLOCK];
        let mut n = 0;
        while n < BLOCK {
            match self.read(&mut block[n..])? {
                0 if n == 0 => return Ok(None),
                0 => return Err(self.not_whole("it ends in the middle of a block")),
                more => n += more,
            }
        }
        Ok(Some(block))
    }

    /// Returns the fault of a wrong block: without any sound block before it, this is no tar.
    fn not_whole(&self, reason: &'static str) -> Fault {
        if self.is_tar { Fault::Damaged(reason) } else { Fault::NotTar }
    }

    /// Reads the body of an extension header.
    fn extension(&mut self, header: &Header, limit: u64) -> Result<Vec<u8>, Fault> {
        let size = size(header).map_err(Fault::Damaged)?;
        if size > limit {
            return Err(Fault::Damaged("an extension header is too large"));
        }
        self.expect_content(size);
        let mut body = Vec::new();
        let mut buffer = [0; 4 << 10];
        loop {
            let n = self.read_content(&mut buffer)?;
            if n == 0 {
                break;
            }
            body.extend(&buffer[..n]);
        }
        if self.skip_content()? {
            Ok(body)
        } else {
            Err(Fault::Damaged("it ends in an extension header"))
        }
    }

    /// Reads a long name of GNU tar, which ends at a NUL.
    fn long_name(&mut self, header: &Header) -> Result<Vec<u8>, Fault> {
        let mut name = self.extension(header, MAX_PATH as u64 + 1)?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    fn global(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.global.read(body).map_err(Fault::Damaged)?;
        if self.global.names_one_entry() {
            let reason = "a global header that says what can be true of one entry alone";
            return Err(Fault::Damaged(reason));
        }
        if let Some(comment) = self.global.comment.take()
            && self.origin.is_none()
        {
            self.origin = Origin::from_comment(&comment);
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, mut local: Records) -> Result<Entry, Fault> {
        let path = local.path().map_or_else(|| stored_path(header), <[u8]>::to_vec);
        let kind = kind_of(header, &local, &path).map_err(Fault::Damaged)?;
        let (uid, gid, mtime, mode) = self.facts(header, &local)?;
        let xattrs = local.take_xattrs();
        let (uname, gname) = self.owner_names.of(header, &local, &self.global);
        let stored = stored_size(header, &local, &kind).map_err(Fault::Damaged)?;
        let is_folder = matches!(header.entry_type().as_byte(), b'5' | b'D');
        if stored > 0 && kind == EntryKind::Folder && !is_folder {
            // Some readers take what follows for entries, others for content.
            self.doubt("a folder that is a file with content as well")?;
        }
        self.n_begun += 1;
        let mut size = if kind == EntryKind::Folder { 0 } else { stored };
        let mut extents = None;
        if kind == EntryKind::File
            && let Some(map) = self.sparse(header, &local, stored)?
        {
            (size, extents) = (map.size, Some(map.extents));
        } else {
            self.expect_content(stored);
        }
        Ok(Entry {
            path: path_of(path),
            kind,
            mode,
            uid,
            gid,
            uname,
            gname,
            size,
            mtime,
            xattrs,
            extents,
            holes: Vec::new(),
        })
    }

    /// Returns owner, group, time and mode.
    fn facts(
        &mut self,
        header: &Header,
        local: &Records,
    ) -> Result<(u64, u64, Timestamp, u32), Fault> {
        let old = header.as_old();
        let uid = local.uid.or(self.global.uid).or_else(|| unsigned(&old.uid));
        let gid = local.gid.or(self.global.gid).or_else(|| unsigned(&old.gid));
        let seconds = || number(&old.mtime).map(|seconds| Timestamp { seconds, nanoseconds: 0 });
        let mtime = local.mtime.or(self.global.mtime).or_else(seconds);
        let mode = number(&old.mode).and_then(|mode| u32::try_from(mode & 0o7777).ok());
        if let (Some(uid), Some(gid), Some(mtime), Some(mode)) = (uid, gid, mtime, mode) {
            return Ok((uid, gid, mtime, mode));
        }
        self.doubt("a header holds no number where one must be")?;
        let (uid, gid) = (uid.unwrap_or(NO_OWNER), gid.unwrap_or(NO_OWNER));
        Ok((uid, gid, mtime.unwrap_or_default(), mode.unwrap_or(PRIVATE)))
    }

    /// Returns size and map of a sparse file, and leaves the input at its first extent.
    fn sparse(
        &mut self,
        header: &Header,
        local: &Records,
        stored: u64,
    ) -> Result<Option<Map>, Fault> {
        let mut pairs = Vec::new();
        let size = match &local.sparse {
            Some(sparse) => {
                self.expect_content(stored);
                if sparse.has_map_in_content() {
                    pairs = self.map_in_content()?;
                } else {
                    pairs.clone_from(&sparse.pairs);
                }
                sparse.size
            }
            None if header.entry_type().as_byte() == b'S' => {
                let size = self.map_in_headers(header, &mut pairs)?;
                self.expect_content(stored);
                size
            }
            None => return Ok(None),
        };
        let size = size.filter(|&size| size <= MAX_SIZE);
        let size = size.ok_or(Fault::Damaged("a sparse file without its size"))?;
        let extents = sparse::extents(&pairs, size, self.left).map_err(Fault::Damaged)?;
        Ok(Some(Map { size, extents }))
    }

    /// Reads the map of an old GNU header and of the blocks that continue it; returns the size.
    fn map_in_headers(
        &mut self,
        header: &Header,
        pairs: &mut Vec<Pair>,
    ) -> Result<Option<u64>, Fault> {
        let first = header.as_bytes();
        sparse::push_table(pairs, &first[386..482]).map_err(Fault::Damaged)?;
        let mut goes_on = first[482] != 0;
        while goes_on {
            let block =
                self.block()?.ok_or(Fault::Damaged("it ends in the map of a sparse file"))?;
            sparse::push_table(pairs, &block[..504]).map_err(Fault::Damaged)?;
            goes_on = block[504] != 0;
        }
        Ok(unsigned(&first[483..495]))
    }

    fn map_in_content(&mut self) -> Result<Vec<Pair>, Fault> {
        let mut lines = sparse::Lines::default();
        let mut block = [0; BLOCK];
        loop {
            let mut n = 0;
            while n < BLOCK {
                match self.read_content(&mut block[n..])? {
                    0 => return Err(Fault::Damaged("the map of a sparse file is cut off")),
                    more => n += more,
                }
            }
            if let Some(pairs) = lines.block(&block).map_err(Fault::Damaged)? {
                return Ok(pairs);
            }
        }
    }

    fn expect_content(&mut self, size: u64) {
        self.left = size;
        self.padding = padding(size);
    }
}
