//! The records of pax extension headers, and the long names of GNU tar beside them.

use crate::archive::entry::Timestamp;

/// What extension headers say about an entry.
#[derive(Debug, Default)]
pub(super) struct Records {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) comment: Option<Vec<u8>>,
    /// Whether the content is the map and data of a sparse file.
    pub(super) is_sparse: bool,
}

impl Records {
    /// Returns the path, where an extension gives one.
    pub(super) fn path(&self) -> Option<&[u8]> {
        named(self.path.as_deref()).or(self.long_path.as_deref())
    }

    /// Returns the target of a link, where an extension gives one.
    pub(super) fn target(&self) -> Option<&[u8]> {
        named(self.target.as_deref()).or(self.long_target.as_deref())
    }

    /// Returns whether a record says what can be true of one entry alone.
    pub(super) fn names_one_entry(&self) -> bool {
        self.path.is_some() || self.target.is_some() || self.size.is_some()
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
            b"GNU.sparse.name" => {
                self.is_sparse = true;
                self.path = Some(name(value)?);
            }
            key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            _ if value.is_empty() => self.unset(key),
            b"size" => self.size = Some(digits(value)?),
            b"uid" => self.uid = Some(digits(value)?),
            b"gid" => self.gid = Some(digits(value)?),
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
            b"mtime" => self.mtime = None,
            _ => {}
        }
    }
}

/// An empty name takes an earlier one back.
fn named(name: Option<&[u8]>) -> Option<&[u8]> {
    name.filter(|name| !name.is_empty())
}

/// Splits the first `LENGTH KEY=VALUE\n` off.
fn split(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().take(20).position(|&byte| byte == b' ')?;
    let digits = std::str::from_utf8(&body[..space]).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: usize = digits.parse().ok()?;
    let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = record.split_at(equals);
    if key.is_empty() { None } else { Some((key, &value[1..], &body[length..])) }
}

/// Reads a name; one with a NUL is malformed.
fn name(value: &[u8]) -> Option<Vec<u8>> {
    (!value.contains(&0)).then(|| value.to_vec())
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
            b"10 size=x\n",
            b"11 size=-1\n",
            b"12 path=a\0b\n",
            b"13 mtime=1e9\n",
            b"10 path=a\n\0\0",
        ] {
            assert!(Records::default().read(body).is_err(), "{}", body.escape_ascii());
        }
    }
}
