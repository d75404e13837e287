//! Checks without a key that age can have written a file: by its header and its length.
//!
//! The format is that of age-encryption.org/v1: a header of lines that ends with its MAC, a nonce of 16
//! bytes, and chunks of 64 KiB with a tag of 16 bytes each; only the last is shorter, and never empty.

/// The first bytes of a file that is encrypted by age.
pub(crate) const MARK: &[u8] = b"age-encryption.org/v1\n";
/// The longest header that is looked at: of some hundred recipients.
pub(crate) const LONGEST_HEADER: u64 = 64 << 10;

const NONCE: u64 = 16;
const TAG: u64 = 16;
const CHUNK: u64 = (64 << 10) + TAG;
/// The digits of a MAC of 32 bytes, in base64 without padding.
const MAC_DIGITS: usize = 43;
/// The longest line of a stanza's body.
const COLUMNS: usize = 64;

/// The flaw of a file that age did not write to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its header is none of age, or is longer than the bytes that were read.
    Header,
    /// The bytes behind the header are not whole chunks.
    Chunks,
}

impl Flaw {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Header => "it is cut off or damaged: its header does not end with a checksum",
            Self::Chunks => "it is cut off: it does not end with a whole chunk",
        }
    }
}

/// Finds the flaw of a file of `n_bytes` that begins with `head`, at most [`LONGEST_HEADER`] of it.
pub(crate) fn flaw(head: &[u8], n_bytes: u64) -> Option<Flaw> {
    let Some(n_header) = header_length(head) else { return Some(Flaw::Header) };
    let n_sealed = n_bytes.saturating_sub(n_header as u64).saturating_sub(NONCE);
    let n_last = n_sealed % CHUNK;
    let is_whole = n_sealed > 0 && (n_last == 0 || n_last > TAG);
    (!is_whole).then_some(Flaw::Chunks)
}

/// Returns the length of the header; `None` when these bytes do not begin with a whole one.
fn header_length(head: &[u8]) -> Option<usize> {
    let mut rest = head.strip_prefix(MARK)?;
    let mut has_stanza = false;
    loop {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (line, behind) = (&rest[..end], &rest[end + 1..]);
        if let Some(mac) = line.strip_prefix(b"--- ") {
            let is_mac = has_stanza && mac.len() == MAC_DIGITS && mac.iter().copied().all(is_digit);
            return is_mac.then_some(head.len() - behind.len());
        }
        let is_stanza = line.starts_with(b"-> ");
        let is_body = has_stanza && line.len() <= COLUMNS && line.iter().copied().all(is_digit);
        if !is_stanza && !is_body {
            return None;
        }
        has_stanza = true;
        rest = behind;
    }
}

/// Returns whether a byte is a digit of base64.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "age-encryption.org/v1\n\
        -> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
        BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n\
        --- CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC\n";

    #[test]
    fn whole_chunks_fill_a_file_to_its_end() {
        for (n_sealed, is_whole) in [
            (0, false),
            (1, false),
            (TAG, false),
            (TAG + 1, true),
            (CHUNK - 1, true),
            (CHUNK, true),
            (CHUNK + 1, false),
            (CHUNK + TAG, false),
            (CHUNK + TAG + 1, true),
            (3 * CHUNK, true),
        ] {
            let n_bytes = HEADER.len() as u64 + NONCE + n_sealed;

            let wanted = if is_whole { None } else { Some(Flaw::Chunks) };
            assert_eq!(flaw(HEADER.as_bytes(), n_bytes), wanted, "{n_sealed}");
        }
    }

    #[test]
    fn a_header_that_is_cut_off_anywhere_is_none() {
        let n_bytes = 1 << 20;
        for end in 0..HEADER.len() {
            assert_eq!(flaw(&HEADER.as_bytes()[..end], n_bytes), Some(Flaw::Header), "{end}");
        }
        assert_ne!(flaw(HEADER.as_bytes(), n_bytes), Some(Flaw::Header));
    }

    #[test]
    fn a_file_that_ends_within_its_header_or_nonce_is_cut_off() {
        for n_bytes in 0..=HEADER.len() as u64 + NONCE {
            assert_eq!(flaw(HEADER.as_bytes(), n_bytes), Some(Flaw::Chunks), "{n_bytes}");
        }
    }

    #[test]
    fn lines_of_another_sort_are_no_header() {
        for (from, to) in [
            ("v1", "v2"),
            ("--- C", "--- "),
            ("CCC\n", "CC=\n"),
            ("-> X", "=> X"),
            ("BBB\n", "B!B\n"),
            (
                "BBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
                "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
            ),
        ] {
            let other = HEADER.replacen(from, to, 1);
            assert_ne!(other, HEADER);

            assert_eq!(flaw(other.as_bytes(), 1 << 20), Some(Flaw::Header), "{to}");
        }
        let without = "age-encryption.org/v1\n--- CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC\n";
        assert_eq!(flaw(without.as_bytes(), 1 << 20), Some(Flaw::Header));
    }
}
