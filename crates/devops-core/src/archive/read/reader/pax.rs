//! The records of pax extension headers, and the long names of GNU tar beside them.

use std::collections::BTreeMap;

use super::sparse::{self, Pair};
use crate::archive::format::{
    entry::{Timestamp, Xattr},
    xattr,
};

/// The most an extension header may hold.
pub(super) const MAX_BODY: u64 = 32 << 20;
/// The longest path: libarchive's limit as well.
pub(super) const MAX_PATH: usize = 1 << 20;
/// The largest attribute: libarchive's limit as well.
const MAX_XATTR: usize = 16 << 20;
const MAX_XATTRS: usize = 10_000;
/// The largest sparse map and ACL, as text: libarchive's limits as well.
const MAX_MAP: usize = 8 << 20;
const MAX_ACL: usize = 128 << 10;

/// The pax records of an entry.
#[derive(Debug, Default)]
pub(super) struct Records {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) uname: Option<Vec<u8>>,
    pub(super) gname: Option<Vec<u8>>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) comment: Option<Vec<u8>>,
    pub(super) sparse: Option<Sparse>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    n_xattr_bytes: usize,
}

/// The pax records of a sparse file.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    name: Option<Vec<u8>>,
    version: (u64, u64),
    pub(super) size: Option<u64>,
    pub(super) pairs: Vec<Pair>,
    offset: Option<u64>,
}

impl Records {
    /// Returns the path, where an extension gives one.
    pub(super) fn path(&self) -> Option<&[u8]> {
        let sparse = self.sparse.as_ref().and_then(|sparse| sparse.name.as_deref());
        named(sparse).or(named(self.path.as_deref())).or(self.long_path.as_deref())
    }

    /// Returns the target of a link, where an extension gives one.
    pub(super) fn target(&self) -> Option<&[u8]> {
        named(self.target.as_deref()).or(self.long_target.as_deref())
    }

    /// Returns whether a record says what can be true of one entry alone.
    pub(super) fn names_one_entry(&self) -> bool {
        self.path.is_some()
            || self.target.is_some()
            || self.size.is_some()
            || self.sparse.is_some()
            || !self.xattrs.is_empty()
    }

    /// Returns the long names of GNU tar alone.
    pub(super) fn without_pax(self) -> Self {
        let Self { long_path, long_target, .. } = self;
        Self { long_path, long_target, ..Self::default() }
    }

    /// Takes the attributes, sorted by name.
    pub(super) fn take_xattrs(&mut self) -> Vec<Xattr> {
        let xattrs = std::mem::take(&mut self.xattrs);
        xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect()
    }

    /// Reads the records of a body; later ones win.
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let mut rest = body;
        while !rest.is_empty() {
            let (key, value, next) = split(rest).ok_or("a malformed extension header")?;
            rest = next;
            self.set(key, value).ok_or("an extension header holds a malformed value")?;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.target = Some(name(value)?),
            b"comment" => self.comment = Some(value.to_vec()),
            _ if key.starts_with(b"SCHILY.xattr.") => {
                let Xattr { name, value } = xattr::from_record(key, value)?;
                self.set_xattr(name, value)?;
            }
            b"RHT.security.selinux" => {
                self.set_xattr(b"security.selinux".to_vec(), value.to_vec())?;
            }
            b"SCHILY.acl.access" | b"SCHILY.acl.default" => self.set_acl(key, value)?,
            _ if key.starts_with(b"GNU.sparse.") => {
                self.sparse.get_or_insert_default().set(&key[11..], value)?;
            }
            _ if value.is_empty() => self.unset(key),
            b"size" => self.size = Some(digits(value)?),
            b"uid" => self.uid = Some(id(value)?),
            b"gid" => self.gid = Some(id(value)?),
            b"uname" => self.uname = Some(name(value)?),
            b"gname" => self.gname = Some(name(value)?),
            b"mtime" => {
                let text = std::str::from_utf8(value).ok()?;
                self.mtime = Some(Timestamp::from_decimal(text)?);
            }
            _ => {}
        }
        Some(())
    }

    /// An empty value takes an earlier one back.
    fn unset(&mut self, key: &[u8]) {
        match key {
            b"size" => self.size = None,
            b"uid" => self.uid = None,
            b"gid" => self.gid = None,
            b"uname" => self.uname = None,
            b"gname" => self.gname = None,
            b"mtime" => self.mtime = None,
            _ => {}
        }
    }

    fn set_xattr(&mut self, name: Vec<u8>, value: Vec<u8>) -> Option<()> {
        self.n_xattr_bytes = self.n_xattr_bytes.checked_add(name.len() + value.len())?;
        let fits = value.len() <= MAX_XATTR && self.n_xattr_bytes as u64 <= MAX_BODY;
        if !fits || self.xattrs.len() == MAX_XATTRS {
            return None;
        }
        self.xattrs.insert(name, value);
        Some(())
    }

    /// Keeps a list under the name the system knows; one it cannot take, under the name of its record.
    fn set_acl(&mut self, key: &[u8], text: &[u8]) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        if text.len() > MAX_ACL {
            return None;
        }
        match xattr::from_record(key, text) {
            Some(Xattr { name, value }) => self.set_xattr(name, value),
            None => self.set_xattr(key.to_vec(), text.to_vec()),
        }
    }
}

impl Sparse {
    /// Returns whether this is one of the three dialects there are.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.version, (0, 0 | 1) | (1, 0))
    }

    /// Returns whether the map stands in front of the content.
    pub(super) fn has_map_in_content(&self) -> bool {
        self.version.0 == 1
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.version.0 = digits(value)?,
            b"minor" => self.version.1 = digits(value)?,
            b"name" => self.name = Some(name(value)?),
            b"size" | b"realsize" => self.size = Some(digits(value)?),
            // Version 0.0 repeats these two; 0.1 has a list instead.
            b"offset" => self.offset = Some(digits(value)?),
            b"numbytes" => {
                let offset = self.offset.take()?;
                sparse::push(&mut self.pairs, (offset, digits(value)?)).ok()?;
            }
            b"map" => self.pairs = map(value)?,
            _ => {}
        }
        Some(())
    }
}

/// Reads `offset,length,offset,length`.
fn map(value: &[u8]) -> Option<Vec<Pair>> {
    if value.len() > MAX_MAP {
        return None;
    }
    let mut pairs = Vec::new();
    let mut numbers = value.split(|&byte| byte == b',').filter(|number| !number.is_empty());
    while let Some(offset) = numbers.next() {
        sparse::push(&mut pairs, (digits(offset)?, digits(numbers.next()?)?)).ok()?;
    }
    Some(pairs)
}

/// An empty name takes an earlier one back.
fn named(name: Option<&[u8]>) -> Option<&[u8]> {
    name.filter(|name| !name.is_empty())
}

/// Splits the first `LENGTH KEY=VALUE\n` off.
fn split(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(digits(&body[..space])?).ok()?;
    let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = record.split_at(equals);
    let is_sound = !key.is_empty() && !key.contains(&0);
    is_sound.then(|| (key, &value[1..], &body[length..]))
}

/// Reads a name; one with a NUL is malformed.
fn name(value: &[u8]) -> Option<Vec<u8>> {
    (value.len() <= MAX_PATH && !value.contains(&0)).then(|| value.to_vec())
}

/// Reads the number of an owner; a negative one, which some hosts have, is none that others know.
fn id(value: &[u8]) -> Option<u64> {
    match value.strip_prefix(b"-") {
        Some(value) => digits(value).map(|_| u64::MAX),
        None => digits(value),
    }
}

fn digits(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_and_ignores_unknown_ones() {
        let mut records = Records::default();

        records.read(b"10 path=a\n5 x=\n11 size=17\n9 mtime=\n").unwrap();

        assert_eq!(records.path(), Some(&b"a"[..]));
        assert_eq!(records.size, Some(17));
        assert_eq!(records.mtime, None);
    }

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 20).find(|length| rest + length.to_string().len() == *length);
        [format!("{} {key}=", length.unwrap()).as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn attributes_may_hold_any_bytes_and_the_last_of_a_name_counts() {
        let mut records = Records::default();

        records.read(&record("SCHILY.xattr.user.b", b"1")).unwrap();
        records.read(&record("SCHILY.xattr.user.b", b"")).unwrap();
        records.read(&record("SCHILY.xattr.user.a", b"\0=\n")).unwrap();

        let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.into(), value: value.into() };
        assert_eq!(records.take_xattrs(), [xattr(b"user.a", b"\0=\n"), xattr(b"user.b", b"")]);
    }

    #[test]
    fn an_acl_without_numbers_keeps_the_name_of_its_record() {
        let mut records = Records::default();

        records.read(&record("SCHILY.acl.access", b"user:joe:rwx")).unwrap();

        assert_eq!(records.take_xattrs()[0].name, b"SCHILY.acl.access");
    }

    #[test]
    fn attributes_are_bounded_in_size_and_number() {
        let mut records = Records::default();
        let large = record("SCHILY.xattr.user.a", &vec![0; MAX_XATTR]);

        records.read(&large).unwrap();
        assert!(records.read(&record("SCHILY.xattr.user.a", &vec![0; MAX_XATTR + 1])).is_err());
        // Also one at a time, under one name.
        assert!((0..3).any(|_| records.read(&large).is_err()));
        let mut records = Records::default();
        let n_kept = (0..2 * MAX_XATTRS)
            .take_while(|n| records.set_xattr(n.to_string().into(), Vec::new()).is_some())
            .count();
        assert_eq!(n_kept, MAX_XATTRS);
    }

    #[test]
    fn refuses_malformed_records() {
        for body in [
            &b"path=a\n"[..],
            b"8 path=a\n",
            b"11 path=a\n",
            b"10 path=a",
            b"99999999999999999999 path=a\n",
            b"5 =a\n",
            b"+9 path=a\n",
            b" 10 path=a\n",
            b"10 size=x\n",
            b"11 size=-1\n",
            b"12 path=a\0b\n",
            b"7 \0k=v\n",
            b"13 mtime=1e9\n",
            b"10 path=a\n\0\0",
            b"20 SCHILY.xattr.=1\n",
            b"24 GNU.sparse.numbytes=1\n",
            b"22 GNU.sparse.map=1,2,3\n",
        ] {
            assert!(Records::default().read(body).is_err(), "{}", body.escape_ascii());
        }
    }
}
