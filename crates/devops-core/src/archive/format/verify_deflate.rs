//! Proves a raw deflate stream: decodes it against the bytes it was made from, without writing output.
//!
//! The format is RFC 1951. Beside the proof, it yields the position of the last block's header,
//! so that `deflate` can clear the final mark and join streams.
//!
//! The symbols of a stream depend on its bits alone, not on the decoded bytes. So symbols far from both
//! ends are decoded without a check for each one, and their differences from the original are collected.

mod bits;
mod code;
mod reason;

use bits::{Bits, WORD};
use code::{Table, code_length, distance, literal_or_length};
pub(in crate::archive) use reason::Reason;

/// Where the last block of a stream begins and ends, in bits from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct LastBlock {
    /// The position of the final mark.
    pub(in crate::archive) header_bit: usize,
    /// The position behind the last code.
    pub(in crate::archive) end_bit: usize,
}

/// The symbols that a lookup finds at once: more cost time to fill in, fewer make more codes long ones.
const N_LITERALS: usize = 1 << 11;
const N_DISTANCES: usize = 1 << 9;
const N_CODE_LENGTHS: usize = 1 << 7;

/// The most bytes that one round of [`Decoder::far_symbols`] gives, and what is compared beyond them.
const MAX_GIVEN: usize = 3 + 258 + WORD;
/// The most bytes that it loads.
const MAX_LOADED: usize = 3 * WORD;

const DIFFERENT: Reason = "it is not what was compressed";
const TOO_LONG: Reason = "too long";
const BEFORE_THE_START: Reason = "a match reaches before the start";

/// Decodes `stream` and compares it with `original`, which it must equal to the last byte.
pub(in crate::archive) fn verify_stream(
    stream: &[u8],
    original: &[u8],
) -> Result<LastBlock, Reason> {
    let mut decoder = Decoder {
        bits: Bits::new(stream),
        original,
        done: 0,
        literals: Table::new(),
        distances: Table::new(),
    };
    loop {
        decoder.bits.refill();
        let header_bit = decoder.bits.position();
        let is_last = decoder.bits.take(1)? == 1;
        match decoder.bits.take(2)? {
            0 => decoder.stored_block()?,
            1 => {
                decoder.static_tables()?;
                decoder.coded_block()?;
            }
            2 => {
                decoder.dynamic_tables()?;
                decoder.coded_block()?;
            }
            _ => return Err("unknown block type"),
        }
        if is_last {
            let end_bit = decoder.bits.position();
            if decoder.done != original.len() {
                return Err("it ends early");
            }
            if stream.len() * 8 - end_bit > 7 {
                return Err("it goes on behind the last block");
            }
            return Ok(LastBlock { header_bit, end_bit });
        }
    }
}

struct Decoder<'a> {
    bits: Bits<'a>,
    original: &'a [u8],
    done: usize,
    literals: Table<N_LITERALS>,
    distances: Table<N_DISTANCES>,
}

impl Decoder<'_> {
    fn stored_block(&mut self) -> Result<(), Reason> {
        let start = self.bits.align();
        let header = self.bits.bytes_at(start, 4)?;
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        if header[0] != !header[2] || header[1] != !header[3] {
            return Err("a stored length is wrong");
        }
        let stored = self.bits.bytes_at(start + 4, length)?;
        if self.original.get(self.done..self.done + length) != Some(stored) {
            return Err("stored bytes differ");
        }
        self.done += length;
        self.bits.move_to(start + 4 + length);
        Ok(())
    }

    fn coded_block(&mut self) -> Result<(), Reason> {
        self.far_symbols()?;
        loop {
            // A literal or length with its distance needs at most 48 bits.
            self.bits.refill();
            let held = self.bits.held();
            let symbol = self.literals.find(held)?;
            self.bits.consume(symbol.n_bits())?;
            if symbol.is_end() {
                return Ok(());
            }
            if symbol.is_literal() {
                self.literal(symbol.byte())?;
            } else {
                self.matched(symbol.amount(held))?;
            }
        }
    }

    /// Decodes as long as both ends are so far that no round can pass them, and the block does not end.
    ///
    /// The next symbol is looked up before the bits are refilled and what the last one gave is compared,
    /// so that the processor does these at the same time.
    fn far_symbols(&mut self) -> Result<(), Reason> {
        let Self { original, ref literals, ref distances, mut bits, mut done } = *self;
        let far = original.len().saturating_sub(MAX_GIVEN);
        let mut differences = 0;
        bits.refill();
        let mut symbol = literals.short(bits.held());
        while done < far && bits.n_left() > MAX_LOADED {
            if symbol.is_rare() {
                symbol = literals.find(bits.held())?;
                if symbol.is_end() {
                    break;
                }
            }
            let held = bits.held();
            bits.drop_held(symbol.n_bits());
            if symbol.is_literal() {
                let literal = symbol.byte();
                symbol = literals.short(bits.held());
                differences |= u64::from(literal ^ original[done]);
                done = done.wrapping_add(1);
                if symbol.is_literal() {
                    bits.drop_held(symbol.n_bits());
                    let literal = symbol.byte();
                    symbol = literals.short(bits.held());
                    differences |= u64::from(literal ^ original[done]);
                    done = done.wrapping_add(1);
                }
                bits.refill_word();
                continue;
            }
            let length = symbol.amount(held);
            let held = bits.held();
            let mut away = distances.short(held);
            if away.is_rare() {
                away = distances.find(held)?;
            }
            bits.drop_held(away.n_bits());
            bits.refill_word();
            symbol = literals.short(bits.held());
            let from = done.checked_sub(away.amount(held)).ok_or(BEFORE_THE_START)?;
            differences |= difference(original, done, from, length);
            done = done.wrapping_add(length);
        }
        (self.bits, self.done) = (bits, done);
        if differences == 0 { Ok(()) } else { Err(DIFFERENT) }
    }

    fn literal(&mut self, literal: u8) -> Result<(), Reason> {
        match self.original.get(self.done) {
            Some(&expected) if expected == literal => {
                self.done += 1;
                Ok(())
            }
            Some(_) => Err(DIFFERENT),
            None => Err(TOO_LONG),
        }
    }

    fn matched(&mut self, length: usize) -> Result<(), Reason> {
        let held = self.bits.held();
        let away = self.distances.find(held)?;
        self.bits.consume(away.n_bits())?;
        // A distance past the start would reach into another piece.
        let from = self.done.checked_sub(away.amount(held)).ok_or(BEFORE_THE_START)?;
        let expected = self.original.get(self.done..self.done + length).ok_or(TOO_LONG)?;
        if *expected != self.original[from..from + length] {
            return Err(DIFFERENT);
        }
        self.done += length;
        Ok(())
    }

    fn static_tables(&mut self) -> Result<(), Reason> {
        let mut lengths = [8_u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.literals.build(&lengths, literal_or_length)?;
        self.distances.build(&[5; 32], distance)
    }

    fn dynamic_tables(&mut self) -> Result<(), Reason> {
        const ORDER: [usize; 19] =
            [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let n_literals = self.bits.take(5)? as usize + 257;
        let n_distances = self.bits.take(5)? as usize + 1;
        let n_code_lengths = self.bits.take(4)? as usize + 4;
        let mut lengths = [0_u8; 19];
        for &number in &ORDER[..n_code_lengths] {
            self.bits.refill();
            lengths[number] = low_byte(self.bits.take(3)?);
        }
        let mut table = Table::<N_CODE_LENGTHS>::new();
        table.build(&lengths, code_length)?;
        let lengths = self.code_lengths(&table, n_literals + n_distances)?;
        let (literals, distances) = lengths.split_at(n_literals);
        self.literals.build(literals, literal_or_length)?;
        self.distances.build(distances, distance)
    }

    fn code_lengths(&mut self, table: &Table<N_CODE_LENGTHS>, n: usize) -> Result<Vec<u8>, Reason> {
        let mut lengths = Vec::with_capacity(n);
        while lengths.len() < n {
            self.bits.refill();
            let symbol = table.find(self.bits.held())?;
            self.bits.consume(symbol.n_bits())?;
            let (length, times) = match symbol.value() {
                16 => {
                    let last = *lengths.last().ok_or("a repeat without a length")?;
                    (last, 3 + self.bits.take(2)?)
                }
                17 => (0, 3 + self.bits.take(3)?),
                18 => (0, 11 + self.bits.take(7)?),
                length => (low_byte(length), 1),
            };
            lengths.resize(lengths.len() + times as usize, length);
        }
        if lengths.len() > n { Err("a repeat is too long") } else { Ok(lengths) }
    }
}

/// Returns bits that are zero only if two parts of `bytes` are the same; both end a word before its end.
///
/// Most matches are short, and a call to compare them costs more than the comparison.
#[inline]
fn difference(bytes: &[u8], one: usize, other: usize, length: usize) -> u64 {
    let word = |at: usize| {
        let word = &bytes[at..][..WORD];
        u64::from_le_bytes(word.try_into().expect("eight bytes"))
    };
    if length <= WORD {
        return (word(one) ^ word(other)) << (64 - 8 * length);
    }
    if length <= 2 * WORD {
        let last = length - WORD;
        return (word(one) ^ word(other)) | (word(one + last) ^ word(other + last));
    }
    u64::from(bytes[one..one + length] != bytes[other..other + length])
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn deflated(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn follows_another_compressor_at_every_level() {
        let text = "the quick brown fox jumps over the lazy dog; ".repeat(4000);

        for level in 0..=9 {
            let stream = deflated(text.as_bytes(), level);

            let last = verify_stream(&stream, text.as_bytes()).unwrap();

            assert!(last.end_bit <= stream.len() * 8, "level {level}");
        }
    }

    #[test]
    fn finds_every_single_changed_byte() {
        let text = "a man a plan a canal panama ".repeat(30);
        let stream = deflated(text.as_bytes(), 6);

        for position in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[position] ^= 1;

            assert!(verify_stream(&stream, &other).is_err(), "byte {position}");
        }
    }

    /// Decodes with another program; the stream must end where its bytes end.
    fn inflated(stream: &[u8]) -> Option<Vec<u8>> {
        let mut decoder = flate2::bufread::DeflateDecoder::new(stream);
        let mut out = Vec::new();
        decoder.read_to_end(&mut out).ok()?;
        (decoder.total_in() == stream.len() as u64).then_some(out)
    }

    #[test]
    fn judges_every_changed_bit_as_another_decoder_does() {
        // Long codes and short ones, matches near and far, and a part that does not get smaller.
        let mut text = "of all the words the quick ones are short; ".repeat(40).into_bytes();
        text.extend((0..1500_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]));
        text.extend_from_within(..1200);
        let stream = deflated(&text, 6);

        for bit in 0..stream.len() * 8 {
            let mut changed = stream.clone();
            changed[bit / 8] ^= 1 << (bit % 8);

            let is_same = inflated(&changed).is_some_and(|out| out == text);
            assert_eq!(verify_stream(&changed, &text).is_ok(), is_same, "bit {bit}");
        }
    }

    #[test]
    fn refuses_a_stream_that_is_cut_off_or_goes_on() {
        let text = b"abcabcabcabcabc, and so on".repeat(20);
        let stream = deflated(&text, 6);

        let mut longer = stream.clone();
        longer.push(0);

        assert!(verify_stream(&stream[..stream.len() - 1], &text).is_err());
        assert_eq!(verify_stream(&longer, &text), Err("it goes on behind the last block"));
        assert_eq!(verify_stream(&stream, &text[..text.len() - 1]).unwrap_err(), "too long");
        assert!(verify_stream(&[], &[]).is_err());
    }
}
