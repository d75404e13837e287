//! The file format of our archives, to the byte.
//!
//! # Layout
//!
//! ```text
//! member   1f 8b 08 00 00 00 00 00 00 ff      header of RFC 1952: no name, time or extra field
//!          segment, segment, …                raw deflate (RFC 1951), each ended on a byte
//!          03 00, CRC-32, length mod 2^32     an empty final block and the trailer
//! index    one or more empty gzip members, each with one extra subfield `D` `I` of up to 16,380 bytes
//! footer   one empty gzip member of 126 bytes, with one extra subfield `D` `F` of 100 bytes
//! ```
//!
//! The first member holds a POSIX pax tar, and is all that other readers see: an empty member adds
//! nothing to what they decompress. One member, because streaming readers stop after the first; and
//! nothing in its header, because an extra field there makes Python's `r|gz` fail.
//!
//! A *segment* is a deflate stream of its own, without reference to bytes before it, whose last block
//! is not marked final and is followed by an empty stored block: so segments can be decompressed in
//! any order, and copied from one archive to the next. The first holds the global comment, the last
//! the end mark of tar; between them each holds whole small entries, or up to 1 MiB of the content of
//! one larger file, whose headers end the segment before.
//!
//! The subfields `DI`, joined, are one deflate stream: the [index](crate::archive).
//!
//! # The footer
//!
//! Its subfield, numbers in little-endian order:
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 2 | version of the format: 1 |
//! | 2 | 2 | 0 |
//! | 4 | 8 | where the first index member begins: the length of the first member |
//! | 12 | 8 | bytes of the joined `DI` subfields |
//! | 20 | 8 | bytes of the index, decompressed |
//! | 28 | 8 | number of segments |
//! | 36 | 8 | number of entries |
//! | 44 | 8 | bytes of the tar |
//! | 52 | 32 | BLAKE3 of the joined `DI` subfields |
//! | 84 | 16 | the first bytes of the BLAKE3 of bytes 0 to 83 |
//!
//! # What readers do
//!
//! Without a footer, with one that fails its hash or is of an unknown version, or with an index that
//! fails its hash, the archive is read as any other `tar.gz`, from its beginning. What has an index
//! is still believed only where the tar agrees: paths, kinds and numbers come from the tar headers. Only
//! where a header is lost by damage does what has no content come back from the index alone, and is named.
//! A change that an older reader would misunderstand gets a new version.

/// The version this code writes, and the only one it reads.
const VERSION: u16 = 1;
const FOOTER_BODY: usize = 100;
/// The bytes of an empty member before its subfield: header, length, and the head of the subfield.
const BEFORE_SUBFIELD: usize = 10 + 2 + 4;
/// The bytes of an empty member around its subfield: those, an empty block and the trailer.
const AROUND: usize = BEFORE_SUBFIELD + 2 + 8;
/// The bytes of the footer member.
pub(crate) const FOOTER: usize = AROUND + FOOTER_BODY;
/// The most an extra subfield holds: RFC 1952 has room for 65,531 bytes, but busybox (1.35) takes a longer
/// extra field than 16,384 bytes for damage.
const MAX_SUBFIELD: usize = 16_380;
const INDEX_ID: [u8; 2] = *b"DI";
const FOOTER_ID: [u8; 2] = *b"DF";
/// A header that announces an extra field.
const EMPTY_MEMBER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
/// An empty final block, and the checksum and length of nothing.
const EMPTY_BODY: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The footer of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Where the index begins, which is where the first member ends.
    pub(crate) index_start: u64,
    /// The length of the index, compressed and not.
    pub(crate) n_index_packed: u64,
    pub(crate) n_index_raw: u64,
    pub(crate) n_segments: u64,
    pub(crate) n_entries: u64,
    /// The length of the tar.
    pub(crate) uncompressed_len: u64,
    /// The BLAKE3 of the compressed index.
    pub(crate) index_hash: [u8; 32],
}

impl Footer {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(FOOTER_BODY);
        body.extend(VERSION.to_le_bytes());
        body.extend([0; 2]);
        for number in [
            self.index_start,
            self.n_index_packed,
            self.n_index_raw,
            self.n_segments,
            self.n_entries,
            self.uncompressed_len,
        ] {
            body.extend(number.to_le_bytes());
        }
        body.extend(self.index_hash);
        let hash = blake3::hash(&body);
        body.extend(&hash.as_bytes()[..16]);
        body
    }

    fn decode(body: &[u8; FOOTER_BODY]) -> Option<Self> {
        let (facts, hash) = body.split_at(FOOTER_BODY - 16);
        if blake3::hash(facts).as_bytes()[..16] != *hash || facts[..4] != [1, 0, 0, 0] {
            return None;
        }
        let number = |at: usize| {
            u64::from_le_bytes(facts[at..at + 8].try_into().expect("eight bytes were taken"))
        };
        Some(Self {
            index_start: number(4),
            n_index_packed: number(12),
            n_index_raw: number(20),
            n_segments: number(28),
            n_entries: number(36),
            uncompressed_len: number(44),
            index_hash: facts[52..84].try_into().expect("32 bytes were taken"),
        })
    }
}

/// Returns what follows the first member: the members of the compressed `index`, and the footer.
pub(crate) fn trailing_members(index: &[u8], footer: &Footer) -> Vec<u8> {
    let n_members = index.len().div_ceil(MAX_SUBFIELD);
    let mut out = Vec::with_capacity(index.len() + n_members * AROUND + FOOTER);
    for chunk in index.chunks(MAX_SUBFIELD) {
        push_member(&mut out, INDEX_ID, chunk);
    }
    push_member(&mut out, FOOTER_ID, &footer.encode());
    out
}

/// Returns how many bytes the members of an index take, without the footer.
fn n_in_members(compressed_len: u64) -> Option<u64> {
    compressed_len
        .div_ceil(MAX_SUBFIELD as u64)
        .checked_mul(AROUND as u64)?
        .checked_add(compressed_len)
}

fn push_member(out: &mut Vec<u8>, id: [u8; 2], subfield: &[u8]) {
    let n = u16::try_from(subfield.len()).expect("a subfield has at most 16,380 bytes");
    out.extend(EMPTY_MEMBER);
    out.extend((n + 4).to_le_bytes());
    out.extend(id);
    out.extend(n.to_le_bytes());
    out.extend(subfield);
    out.extend(EMPTY_BODY);
}

/// Returns the subfield of the empty member that `bytes` begin with.
fn subfield(bytes: &[u8], id: [u8; 2]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&EMPTY_MEMBER)?;
    let (lengths, rest) = rest.split_first_chunk::<6>()?;
    let n_extra = u16::from_le_bytes([lengths[0], lengths[1]]);
    let n = u16::from_le_bytes([lengths[4], lengths[5]]);
    if lengths[2..4] != id || n_extra.checked_sub(4) != Some(n) {
        return None;
    }
    let (subfield, rest) = rest.split_at_checked(usize::from(n))?;
    rest.starts_with(&EMPTY_BODY).then_some(subfield)
}

/// Joins what members of an index hold, which nothing proves: all of the compressed index, or its beginning.
///
/// It stays where the members were: an index may take many megabytes, and another copy of it time.
pub(crate) fn joined(mut members: Vec<u8>) -> Option<Vec<u8>> {
    let (mut from, mut n_joined) = (0, 0);
    while from < members.len() {
        let n = subfield(&members[from..], INDEX_ID)?.len();
        let start = from + BEFORE_SUBFIELD;
        members.copy_within(start..start + n, n_joined);
        n_joined += n;
        from += AROUND + n;
    }
    members.truncate(n_joined);
    Some(members)
}

impl Footer {
    /// Reads the footer from the last bytes of an archive of `n_bytes`; `None` when they are none of a
    /// version known here.
    pub(crate) fn read(member: &[u8; FOOTER], n_bytes: u64) -> Option<Self> {
        let at = n_bytes.checked_sub(FOOTER as u64)?;
        let footer = Self::decode(subfield(member, FOOTER_ID)?.try_into().ok()?)?;
        // The lengths fill the file exactly, so no number in it can ask for more memory than the file has.
        let index_end = footer.index_start.checked_add(n_in_members(footer.n_index_packed)?)?;
        (index_end == at).then_some(footer)
    }

    /// Returns how many bytes the members of the index have.
    pub(crate) fn n_index_members(&self) -> Option<u64> {
        n_in_members(self.n_index_packed)
    }

    /// Returns how many bytes the first members of the index have that hold `compressed_len` bytes of it, or all
    /// of it.
    pub(crate) fn n_members_with(&self, compressed_len: u64) -> Option<u64> {
        let n = compressed_len.checked_next_multiple_of(MAX_SUBFIELD as u64)?;
        n_in_members(n.min(self.n_index_packed))
    }

    /// Returns the compressed index from its members; `None` when it is not what was written.
    pub(crate) fn unwrap_index(&self, members: Vec<u8>) -> Option<Vec<u8>> {
        let index = joined(members)?;
        (*blake3::hash(&index).as_bytes() == self.index_hash).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what follows the five bytes that stand for the first member.
    fn read(bytes: &[u8]) -> Option<(Footer, Vec<u8>)> {
        let footer = Footer::read(bytes.last_chunk()?, bytes.len() as u64)?;
        let members = &bytes[usize::try_from(footer.index_start).ok()?..bytes.len() - FOOTER];
        let index = footer.unwrap_index(members.to_vec())?;
        Some((footer, index))
    }

    fn footer(index: &[u8]) -> Footer {
        Footer {
            index_start: 5,
            n_index_packed: index.len() as u64,
            n_index_raw: 7,
            n_segments: 1,
            n_entries: 2,
            uncompressed_len: 3,
            index_hash: *blake3::hash(index).as_bytes(),
        }
    }

    #[test]
    fn an_index_of_any_length_comes_back() {
        for n in [0, 1, MAX_SUBFIELD, MAX_SUBFIELD + 1, 200_000] {
            let index: Vec<u8> = (0..n).map(|i| i.to_le_bytes()[0]).collect();
            let footer = footer(&index);
            let mut bytes = b"01234".to_vec();
            bytes.extend(trailing_members(&index, &footer));

            assert_eq!(read(&bytes), Some((footer, index)));
        }
    }

    #[test]
    fn the_trailing_members_decompress_to_nothing() {
        use std::io::Read;

        let index = vec![7; 100_000];
        let members = trailing_members(&index, &footer(&index));
        let mut out = Vec::new();

        flate2::bufread::MultiGzDecoder::new(members.as_slice()).read_to_end(&mut out).unwrap();

        assert_eq!(out, b"");
        assert_eq!(members.len(), 100_000 + 7 * AROUND + FOOTER);
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let index = b"an index".to_vec();
        let mut bytes = b"01234".to_vec();
        bytes.extend(trailing_members(&index, &footer(&index)));
        for bit in 5 * 8..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);

            assert_eq!(read(&broken), None, "bit {bit}");
        }
    }
}
