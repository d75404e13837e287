//! Recognizes archives by their first bytes.

use flate2::{Decompress, FlushDecompress};

use super::{age_file, head::MEMBER_HEADER, origin::Origin};

/// As many bytes of an archive as its origin may take: the two longest paths there are, with every byte
/// escaped.
pub(crate) const SNIFF_LEN: u64 = 32 << 10;
const TAR_BLOCK: usize = 512;
/// Where a header of tar has its size, in octal digits, and its type; `g` is a global pax header.
const SIZE_AT: std::ops::Range<usize> = 124..136;
const TYPE_AT: usize = 156;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The kind of a file by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileSignature {
    /// It is ours and says where it came from.
    Ours(Origin),
    /// It is compressed as archives are, by whatever tool.
    Gzip,
    /// It is encrypted.
    Encrypted,
    /// It is no archive.
    Other,
}

impl FileSignature {
    /// Reads the first bytes, at most [`SNIFF_LEN`] of them.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if bytes.starts_with(age_file::MARK) {
            return Self::Encrypted;
        }
        if !bytes.starts_with(GZIP) {
            return Self::Other;
        }
        origin(bytes).map_or(Self::Gzip, Self::Ours)
    }
}

fn origin(bytes: &[u8]) -> Option<Origin> {
    let packed = bytes.strip_prefix(&MEMBER_HEADER)?;
    let mut raw = Vec::with_capacity(2 * usize::try_from(SNIFF_LEN).ok()?);
    // What is cut off still gives what came before.
    let _status = Decompress::new(false).decompress_vec(packed, &mut raw, FlushDecompress::Sync);
    let (header, content) = raw.split_at_checked(TAR_BLOCK)?;
    let digits = std::str::from_utf8(&header[SIZE_AT]).ok()?;
    let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()?;
    if header[TYPE_AT] != b'g' {
        return None;
    }
    Origin::from_comment(comment(content.get(..size)?)?)
}

/// Returns the comment among pax records, each `LENGTH KEY=VALUE` and a line feed (POSIX.1-2017, pax).
fn comment(mut records: &[u8]) -> Option<&[u8]> {
    while !records.is_empty() {
        let space = records.iter().position(|&byte| byte == b' ')?;
        let n: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..n)?.strip_suffix(b"\n")?;
        if let Some(comment) = record.strip_prefix(b"comment=") {
            return Some(comment);
        }
        records = &records[n..];
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const COMMENT: &str =
        "devops-backup/1 started=2026-11-22T08:49:39+01:00 host=web-1 source=/srv";

    /// Returns the first bytes of an archive of ours with such pax records.
    fn archive(records: &str) -> Vec<u8> {
        let mut header = [0; TAR_BLOCK];
        header[SIZE_AT].copy_from_slice(format!("{:011o}\0", records.len()).as_bytes());
        header[TYPE_AT] = b'g';
        let mut content = records.as_bytes().to_vec();
        content.resize(content.len().next_multiple_of(TAR_BLOCK), 0);
        let mut packed = flate2::write::DeflateEncoder::new(
            MEMBER_HEADER.to_vec(),
            flate2::Compression::default(),
        );
        packed.write_all(&[&header[..], &content].concat()).unwrap();
        packed.finish().unwrap()
    }

    fn record(key: &str, value: &str) -> String {
        let n = key.len() + value.len() + 3;
        let length = n + (n + 2).to_string().len();
        format!("{length} {key}={value}\n")
    }

    #[test]
    fn an_archive_of_ours_tells_its_origin() {
        let bytes = archive(&(record("hdrcharset", "x") + &record("comment", COMMENT)));

        let FileSignature::Ours(origin) = FileSignature::read(&bytes) else { panic!("no origin") };
        assert_eq!((origin.host.as_str(), origin.source.to_str()), ("web-1", Some("/srv")));
    }

    #[test]
    fn what_others_made_is_told_by_its_first_bytes() {
        let comment = record("comment", "a commit");

        assert_eq!(FileSignature::read(&archive(&comment)), FileSignature::Gzip);
        assert_eq!(FileSignature::read(&archive(&comment)[..20]), FileSignature::Gzip);
        assert_eq!(FileSignature::read(b"\x1f\x8b\x08\x08"), FileSignature::Gzip);
        assert_eq!(
            FileSignature::read(b"age-encryption.org/v1\n-> X25519"),
            FileSignature::Encrypted
        );
        assert_eq!(FileSignature::read(b"<html>"), FileSignature::Other);
        assert_eq!(FileSignature::read(b""), FileSignature::Other);
    }

    #[test]
    fn records_that_are_damaged_tell_nothing() {
        for records in ["x", "99 comment=a\n", "3 a", "0 comment=\n", "11 comment=a"] {
            assert_eq!(FileSignature::read(&archive(records)), FileSignature::Gzip, "{records}");
        }
    }
}
