//! Compresses pieces so that they can be joined into one gzip member (RFC 1952).
//!
//! A piece is a raw deflate stream of its own, with no reference to what came before.
//! Its final mark is cleared and an empty stored block ends it on a byte, so pieces follow each other;
//! an empty final block and the combined checksum end the member.
//! One member, because several readers stop after the first.

use std::{array, fmt, io, str::FromStr};

use libdeflater::{CompressionLvl, Compressor};

use super::verify_deflate;
use crate::archive::ArchiveError;
use crate::archive_index::head::MEMBER_END;
use crate::{fs::PathError, kind::InternalError};

/// A sample of a piece: so many windows of so many bytes.
const N_WINDOWS: usize = 4;
const WINDOW: usize = 16 << 10;
/// A piece is worth compressing if its sample loses one byte in so many.
const WORTH: usize = 250;
/// The bytes of each window that are counted before anything is tried.
const COUNTED: usize = 4 << 10;
/// The bytes that end a piece on a byte, at most.
const MAX_END: usize = 5;
/// From this level on, everything is compressed.
const MOST_THOROUGH: Level = Level(10);

/// The compression level: 1 is fastest, 12 is smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Level(u8);

impl Level {
    /// The least work.
    pub const FASTEST: Self = Self(1);
    /// Suits what is small and kept with every archive.
    pub(in crate::archive) const DENSE: Self = Self(8);

    /// Returns the level `n`, if it is between 1 and 12.
    pub fn new(n: u8) -> Option<Self> {
        (1..=12).contains(&n).then_some(Self(n))
    }

    pub(in crate::archive) fn number(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    /// Returns the level that gives about the size of `pigz -6`, for less than half the work.
    fn default() -> Self {
        Self(5)
    }
}

/// A text is no compression level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a level is a number from 1 to 12, `fast` or `best`")]
pub struct BadLevel;

impl FromStr for Level {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<Self, BadLevel> {
        match text {
            "fast" => Ok(Self::FASTEST),
            "best" => Ok(Self(12)),
            number => number.parse().ok().and_then(Self::new).ok_or(BadLevel),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A compressed piece, ready to follow another.
pub(in crate::archive) struct Packed {
    pub(in crate::archive) bytes: Vec<u8>,
    /// The CRC-32 and length of what went in.
    pub(in crate::archive) crc: u32,
    pub(in crate::archive) uncompressed_len: u64,
}

/// The CRC-32 and length of everything in a member, put together from those of its pieces.
#[derive(Clone, Default)]
pub(in crate::archive) struct Checksum {
    crc: crc32fast::Hasher,
    uncompressed_len: u64,
}

impl Checksum {
    /// Appends the checksum and length of what follows.
    pub(in crate::archive) fn append(&mut self, crc: u32, uncompressed_len: u64) {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(crc, uncompressed_len));
        self.uncompressed_len += uncompressed_len;
    }

    /// Returns how many bytes there are.
    pub(in crate::archive) fn uncompressed_len(&self) -> u64 {
        self.uncompressed_len
    }

    /// Returns the end of the member: an empty final block, the CRC, and the length modulo 2^32.
    pub(in crate::archive) fn member_end(&self) -> [u8; MEMBER_END] {
        let mut end = [0; MEMBER_END];
        end[0] = 3;
        end[2..6].copy_from_slice(&self.crc.clone().finalize().to_le_bytes());
        end[6..].copy_from_slice(&self.uncompressed_len.to_le_bytes()[..4]);
        end
    }
}

/// A compressed piece does not decode to what went in: faulty memory, or a bug.
#[derive(Debug, thiserror::Error)]
#[error("it does not decode to its original: {0}")]
pub(in crate::archive) struct Miscompressed(&'static str);

impl From<Miscompressed> for ArchiveError {
    fn from(error: Miscompressed) -> Self {
        Self::Path(PathError {
            action: "compress",
            path: "a segment".into(),
            source: io::Error::other(InternalError(error.to_string())),
        })
    }
}

/// Compresses pieces; every one is decoded and compared before it is handed out.
pub(in crate::archive) struct Packer {
    compressor: Compressor,
    /// Stores what is not worth compressing.
    storer: Compressor,
    /// Finds out; `None` where every byte counts.
    trial: Option<Compressor>,
    /// The buffer that pieces are compressed into before their size is known.
    scratch: Vec<u8>,
}

impl Packer {
    pub(in crate::archive) fn new(level: Level) -> Self {
        let trial = (level < MOST_THOROUGH).then(|| compressor(1));
        Self { compressor: compressor(level.0), storer: compressor(0), trial, scratch: Vec::new() }
    }

    pub(in crate::archive) fn pack(&mut self, raw: &[u8]) -> Result<Packed, Miscompressed> {
        let is_noise = self.is_noise(raw)?;
        let compressor = if is_noise { &mut self.storer } else { &mut self.compressor };
        let packed = compressed(compressor, raw, &mut self.scratch)?;
        let mut bytes = Vec::with_capacity(packed.len() + MAX_END);
        bytes.extend_from_slice(packed);
        let last = verify_deflate::verify_stream(&bytes, raw).map_err(Miscompressed)?;
        bytes[last.header_bit / 8] &= !(1 << (last.header_bit % 8));
        // The three header bits of the empty stored block go into the last byte if they fit.
        if matches!(last.end_bit % 8, 0 | 6 | 7) {
            bytes.push(0);
        }
        bytes.extend([0, 0, 0xff, 0xff]);
        Ok(Packed { bytes, crc: crc32fast::hash(raw), uncompressed_len: raw.len() as u64 })
    }

    /// Returns whether a sample of `raw` hardly gets smaller: photos, films and archives do not, and
    /// trying costs as much as with anything else.
    ///
    /// A trial costs a tenth of compressing a small piece, so only what looks like noise gets one.
    fn is_noise(&mut self, raw: &[u8]) -> Result<bool, Miscompressed> {
        let Some(trial) = &mut self.trial else { return Ok(false) };
        if raw.len() < N_WINDOWS * 2 * WINDOW {
            return Ok(false);
        }
        let windows: [&[u8]; N_WINDOWS] =
            array::from_fn(|n| &raw[raw.len() / N_WINDOWS * n..][..WINDOW]);
        if !is_even(&windows.map(|window| &window[..COUNTED])) {
            return Ok(false);
        }
        let sample = windows.concat();
        let compressed_len = compressed(trial, &sample, &mut self.scratch)?.len();
        Ok(compressed_len > sample.len() - sample.len() / WORTH)
    }
}

/// Returns whether all bytes are about as frequent as each other, as in noise.
///
/// The sum of the squares of their counts is smallest then, about `n * n / 256` for `n` bytes. One and a half
/// times as much is far more than chance gives, and means that the code of each byte alone saves something.
fn is_even(parts: &[&[u8]]) -> bool {
    let mut counts = [0_u64; 256];
    for &byte in parts.iter().copied().flatten() {
        counts[usize::from(byte)] += 1;
    }
    let n: u64 = counts.iter().sum();
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    squares * 256 < n * n * 3 / 2
}

fn compressor(level: u8) -> Compressor {
    let level = CompressionLvl::new(level.into()).expect("0 to 12 are levels");
    Compressor::new(level)
}

/// Compresses into `scratch`, which it makes large enough, and returns what came out.
fn compressed<'a>(
    compressor: &mut Compressor,
    raw: &[u8],
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Miscompressed> {
    let bound = compressor.deflate_compress_bound(raw.len());
    if scratch.len() < bound {
        scratch.resize(bound, 0);
    }
    let n_bytes = compressor
        .deflate_compress(raw, scratch)
        .map_err(|_| Miscompressed("it does not fit its bound"))?;
    Ok(&scratch[..n_bytes])
}

#[cfg(test)]
mod tests {
    use std::{io::Read, iter};

    use proptest::prelude::*;

    use super::*;
    use crate::archive_index::head::MEMBER_HEADER;

    fn member(pieces: &[Vec<u8>], level: Level) -> Vec<u8> {
        let mut packer = Packer::new(level);
        let mut out = MEMBER_HEADER.to_vec();
        let mut checksum = Checksum::default();
        for raw in pieces {
            let piece = packer.pack(raw).unwrap();
            out.extend(piece.bytes);
            checksum.append(piece.crc, piece.uncompressed_len);
        }
        out.extend(checksum.member_end());
        out
    }

    fn unpacked(member: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::bufread::GzDecoder::new(member).read_to_end(&mut out).unwrap();
        out
    }

    /// Bytes that compressors treat differently: noise, runs, text, and mixtures.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 0..3000);
        let run = (any::<u8>(), 0..100_000_usize).prop_map(|(byte, n)| vec![byte; n]);
        let text = prop::collection::vec("[a-e ]{1,9}", 0..2000)
            .prop_map(|words| words.concat().into_bytes());
        prop::collection::vec(prop_oneof![noise, run, text], 0..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn pieces_join_into_one_member(
            pieces in prop::collection::vec(piece(), 0..5),
            level in 1..=12_u8,
        ) {
            let member = member(&pieces, Level::new(level).unwrap());

            prop_assert_eq!(unpacked(&member), pieces.concat());
        }
    }

    fn noise(n_bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        iter::repeat_with(byte).take(n_bytes).collect()
    }

    #[test]
    fn only_what_gets_no_smaller_is_noise() {
        let noise = noise(200_000);
        // All bytes are as frequent in these, but they repeat.
        let repeated = noise[..10_000].repeat(20);
        let digits: Vec<u8> = noise.iter().map(|byte| b'0' + byte % 64).collect();
        let mut packer = Packer::new(Level::default());

        assert!(packer.is_noise(&noise).unwrap());
        assert!(!packer.is_noise(&repeated).unwrap());
        assert!(!packer.is_noise(&digits).unwrap());
        assert!(!packer.is_noise(&noise[..100_000]).unwrap(), "too small to be tried");
    }

    #[test]
    fn stored_pieces_join_too() {
        let noise = noise(200_000);
        let pieces = [noise.clone(), Vec::new(), noise];

        assert_eq!(unpacked(&member(&pieces, Level::default())), pieces.concat());
    }

    #[test]
    fn reads_levels() {
        assert_eq!("fast".parse(), Ok(Level(1)));
        assert_eq!("best".parse(), Ok(Level(12)));
        assert_eq!("9".parse(), Ok(Level(9)));
        assert_eq!("0".parse::<Level>(), Err(BadLevel));
        assert_eq!("13".parse::<Level>(), Err(BadLevel));
    }
}
