//! An archive that goes by: whether it is ours, and whether all of it came.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress};

use super::{
    MARK,
    container::{FOOTER, Footer},
    head::MEMBER_HEADER,
};

/// The first segment holds little but the comment.
const HEAD: usize = 4 << 10;
const TAR_BLOCK: usize = 512;
/// Where a header of tar has its type; `g` is a global pax header.
const TYPE_AT: usize = 156;

/// An archive of ours ended before its footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the archive is cut off: its producer stopped before the end")]
pub struct Truncated;

/// A reader that fails at the end of an archive of ours whose footer did not come.
///
/// Any other stream passes, and so does an archive without a comment, as `--reproducible` makes them.
pub struct TruncationCheck<R> {
    reader: R,
    head: Vec<u8>,
    /// The last bytes, at most as many as the footer has.
    tail: Vec<u8>,
    n_bytes: u64,
}

impl<R> TruncationCheck<R> {
    /// Watches what `reader` gives.
    pub fn new(reader: R) -> Self {
        Self { reader, head: Vec::new(), tail: Vec::new(), n_bytes: 0 }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
        let n_head = bytes.len().min(HEAD - self.head.len());
        self.head.extend(&bytes[..n_head]);
        let n_tail = bytes.len().min(FOOTER);
        self.tail.extend(&bytes[bytes.len() - n_tail..]);
        self.tail.drain(..self.tail.len().saturating_sub(FOOTER));
    }

    fn is_truncated(&self) -> bool {
        let footer = <&[u8; FOOTER]>::try_from(self.tail.as_slice()).ok();
        let is_whole = footer.is_some_and(|member| Footer::read(member, self.n_bytes).is_some());
        !is_whole && is_ours(&self.head)
    }
}

impl<R: Read> Read for TruncationCheck<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        if n == 0 && !buffer.is_empty() && self.is_truncated() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Truncated));
        }
        self.pass(&buffer[..n]);
        Ok(n)
    }
}

/// Returns whether a stream begins as our archives do: with a global comment that says so.
fn is_ours(head: &[u8]) -> bool {
    let Some(packed) = head.strip_prefix(&MEMBER_HEADER) else { return false };
    let mut raw = Vec::with_capacity(2 * TAR_BLOCK);
    // What is cut off inside the head still gives what came before.
    let _status = Decompress::new(false).decompress_vec(packed, &mut raw, FlushDecompress::Sync);
    let Some((header, content)) = raw.split_at_checked(TAR_BLOCK) else { return false };
    let comment = [b" comment=", MARK.as_bytes(), b" "].concat();
    header[TYPE_AT] == b'g' && content.windows(comment.len()).any(|window| window == comment)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        TruncationCheck::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn other_streams_pass_wherever_they_end() {
        let gzip = gzip(&[0; 2000]);

        for bytes in [&b""[..], b"x", &[0; 10_000], &gzip, &gzip[..20]] {
            assert_eq!(read(bytes).unwrap(), bytes);
        }
    }
}
