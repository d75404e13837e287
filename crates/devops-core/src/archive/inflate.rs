//! Proves a raw deflate stream: decodes it against the bytes it was made from, without writing output.
//!
//! The format is RFC 1951. Beside the proof, it yields the position of the last block's header,
//! so that `deflate` can clear the final mark and join streams.

use std::ops::Range;

/// Where the last block of a stream begins and ends, in bits from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastBlock {
    /// The position of the final mark.
    pub(super) header_bit: usize,
    /// The position behind the last code.
    pub(super) end_bit: usize,
}

/// What differed.
pub(super) type Reason = &'static str;

/// The longest code of literals and distances, RFC 1951 section 3.2.7.
const MAX_CODE: usize = 15;
const MAX_CODE_BITS: u32 = 15;
const LITERAL_BITS: u32 = 11;
const DISTANCE_BITS: u32 = 9;
const PRECODE_BITS: u32 = 7;

/// What a table entry holds: the code's length in the low four bits, then these marks,
/// the number of extra bits from bit 8, and a literal, a base or an offset from bit 16.
const LITERAL: u32 = 1 << 4;
const END: u32 = 1 << 5;
const LINK: u32 = 1 << 6;

/// Decodes `stream` and compares it with `original`, which it must equal to the last byte.
pub(super) fn prove(stream: &[u8], original: &[u8]) -> Result<LastBlock, Reason> {
    let mut decoder = Decoder {
        bits: Bits { bytes: stream, next: 0, held: 0, n_held: 0 },
        original,
        done: 0,
        literals: Vec::new(),
        distances: Vec::new(),
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
    literals: Vec<u32>,
    distances: Vec<u32>,
}

impl Decoder<'_> {
    fn stored_block(&mut self) -> Result<(), Reason> {
        let start = self.bits.align();
        let header = self.bits.bytes.get(start..start + 4).ok_or("cut off")?;
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        if header[0] != !header[2] || header[1] != !header[3] {
            return Err("a stored length is wrong");
        }
        let stored = self.bits.bytes.get(start + 4..start + 4 + length).ok_or("cut off")?;
        if self.original.get(self.done..self.done + length) != Some(stored) {
            return Err("stored bytes differ");
        }
        self.done += length;
        self.bits.next = start + 4 + length;
        Ok(())
    }

    fn coded_block(&mut self) -> Result<(), Reason> {
        loop {
            // A literal or length with its distance needs at most 48 bits.
            if self.bits.n_held < 48 {
                self.bits.refill();
            }
            let entry = self.bits.decode(&self.literals, LITERAL_BITS)?;
            if entry & LITERAL != 0 {
                if self.original.get(self.done).copied().map(u32::from) != Some(entry >> 16) {
                    return Err("a literal differs");
                }
                self.done += 1;
            } else if entry & END != 0 {
                return Ok(());
            } else {
                self.matched(entry)?;
            }
        }
    }

    fn matched(&mut self, entry: u32) -> Result<(), Reason> {
        let length = (entry >> 16) as usize + self.bits.take((entry >> 8) & 15)? as usize;
        let entry = self.bits.decode(&self.distances, DISTANCE_BITS)?;
        let distance = (entry >> 16) as usize + self.bits.take((entry >> 8) & 15)? as usize;
        // A distance past the start would reach into another piece.
        let from = self.done.checked_sub(distance).ok_or("a match reaches before the start")?;
        let expected = self.original.get(self.done..self.done + length).ok_or("too long")?;
        if *expected != self.original[from..from + length] {
            return Err("a match differs");
        }
        self.done += length;
        Ok(())
    }

    fn static_tables(&mut self) -> Result<(), Reason> {
        let mut lengths = [8_u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        build(&mut self.literals, LITERAL_BITS, &lengths, literal_entry)?;
        build(&mut self.distances, DISTANCE_BITS, &[5; 32], distance_entry)
    }

    fn dynamic_tables(&mut self) -> Result<(), Reason> {
        const ORDER: [usize; 19] =
            [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let n_literals = self.bits.take(5)? as usize + 257;
        let n_distances = self.bits.take(5)? as usize + 1;
        let n_precodes = self.bits.take(4)? as usize + 4;
        let mut precode = [0_u8; 19];
        for &symbol in &ORDER[..n_precodes] {
            self.bits.refill();
            precode[symbol] = low_byte(self.bits.take(3)?);
        }
        let mut table = Vec::new();
        build(&mut table, PRECODE_BITS, &precode, |symbol| Some(symbol << 16))?;
        let lengths = self.code_lengths(&table, n_literals + n_distances)?;
        let (literals, distances) = lengths.split_at(n_literals);
        build(&mut self.literals, LITERAL_BITS, literals, literal_entry)?;
        build(&mut self.distances, DISTANCE_BITS, distances, distance_entry)
    }

    fn code_lengths(&mut self, table: &[u32], n: usize) -> Result<Vec<u8>, Reason> {
        let mut lengths = Vec::with_capacity(n);
        while lengths.len() < n {
            self.bits.refill();
            let symbol = self.bits.decode(table, PRECODE_BITS)? >> 16;
            let (length, times) = match symbol {
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

/// Reads bits from the low end of each byte.
struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    held: u64,
    n_held: u32,
}

impl Bits<'_> {
    /// Holds at least 56 bits, or all that are left.
    fn refill(&mut self) {
        if let Some(word) = self.bytes.get(self.next..self.next + 8) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            // Bits past `n_held` are loaded again next time: the same bits at the same place.
            self.held |= word << self.n_held;
            let n_bytes = (63 - self.n_held) / 8;
            self.next += n_bytes as usize;
            self.n_held += n_bytes * 8;
        } else {
            while self.n_held <= 55 && self.next < self.bytes.len() {
                self.held |= u64::from(self.bytes[self.next]) << self.n_held;
                self.next += 1;
                self.n_held += 8;
            }
        }
    }

    fn position(&self) -> usize {
        self.next * 8 - self.n_held as usize
    }

    /// Drops the rest of the byte and all held bits; returns the position in bytes.
    fn align(&mut self) -> usize {
        let position = self.position().div_ceil(8);
        self.next = position;
        self.held = 0;
        self.n_held = 0;
        position
    }

    fn take(&mut self, n: u32) -> Result<u32, Reason> {
        let value = u32::try_from(self.held & ((1 << n) - 1)).expect("at most 15 bits are asked");
        self.consume(n)?;
        Ok(value)
    }

    fn consume(&mut self, n: u32) -> Result<(), Reason> {
        self.n_held = self.n_held.checked_sub(n).ok_or("cut off")?;
        self.held >>= n;
        Ok(())
    }

    fn decode(&mut self, table: &[u32], primary_bits: u32) -> Result<u32, Reason> {
        let mut entry = table[low_bits(self.held, primary_bits)];
        if entry & LINK != 0 {
            let rest = low_bits(self.held >> primary_bits, MAX_CODE_BITS - primary_bits);
            entry = table[(entry >> 16) as usize + rest];
        }
        if entry == 0 {
            return Err("an unknown code");
        }
        self.consume(entry & 15)?;
        Ok(entry)
    }
}

/// Fills `table` for a canonical Huffman code: `primary_bits` are looked up at once,
/// longer codes through a link to a second part.
fn build(
    table: &mut Vec<u32>,
    primary_bits: u32,
    lengths: &[u8],
    entry_of: impl Fn(u32) -> Option<u32>,
) -> Result<(), Reason> {
    let mut next_code = first_codes(lengths)?;
    table.clear();
    table.resize(1 << primary_bits, 0);
    for (symbol, &length) in (0_u32..).zip(lengths) {
        if length == 0 {
            continue;
        }
        let code = next_code[usize::from(length)];
        next_code[usize::from(length)] += 1;
        let reversed = (code.reverse_bits() >> (32 - u32::from(length))) as usize;
        let entry = entry_of(symbol).map_or(0, |entry| entry | u32::from(length));
        let (slots, first, step) = place(table, primary_bits, reversed, u32::from(length));
        for slot in table[slots][first..].iter_mut().step_by(step) {
            *slot = entry;
        }
    }
    Ok(())
}

/// Returns the part of `table` a code belongs to, its first slot there and the distance to the next.
fn place(
    table: &mut Vec<u32>,
    primary_bits: u32,
    reversed: usize,
    length: u32,
) -> (Range<usize>, usize, usize) {
    if length <= primary_bits {
        return (0..1 << primary_bits, reversed, 1 << length);
    }
    let size = 1_usize << (MAX_CODE_BITS - primary_bits);
    let prefix = reversed & ((1 << primary_bits) - 1);
    if table[prefix] & LINK == 0 {
        let offset = u32::try_from(table.len()).expect("tables have a few thousand entries");
        table[prefix] = LINK | offset << 16;
        table.resize(table.len() + size, 0);
    }
    let offset = (table[prefix] >> 16) as usize;
    (offset..offset + size, reversed >> primary_bits, 1 << (length - primary_bits))
}

/// Returns the first code of each length; refuses lengths that make no complete prefix code.
fn first_codes(lengths: &[u8]) -> Result<[u32; MAX_CODE + 1], Reason> {
    let mut counts = [0_u32; MAX_CODE + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    let n_used = lengths.len() - counts[0] as usize;
    counts[0] = 0;
    let mut first = [0; MAX_CODE + 1];
    let mut code = 0_u32;
    for length in 1..=MAX_CODE {
        code = (code + counts[length - 1]) << 1;
        first[length] = code;
        if code + counts[length] > 1 << length {
            return Err("a code has too many symbols");
        }
    }
    let is_complete = code + counts[MAX_CODE] == 1 << MAX_CODE;
    // The one incomplete code allowed: at most one symbol, of one bit.
    if is_complete || n_used == 0 || (n_used == 1 && counts[1] == 1) {
        Ok(first)
    } else {
        Err("a code has too few symbols")
    }
}

/// Returns the entry of a literal, the end mark, or the base and extra bits of a length.
fn literal_entry(symbol: u32) -> Option<u32> {
    match symbol {
        0..256 => Some(LITERAL | symbol << 16),
        256 => Some(END),
        257..265 => Some((symbol - 254) << 16),
        265..285 => {
            let extra = (symbol - 261) / 4;
            let base = ((4 + (symbol - 265) % 4) << extra) + 3;
            Some(base << 16 | extra << 8)
        }
        285 => Some(258 << 16),
        _ => None,
    }
}

/// Returns the base and extra bits of a distance.
fn distance_entry(symbol: u32) -> Option<u32> {
    match symbol {
        0..4 => Some((symbol + 1) << 16),
        4..30 => {
            let extra = symbol / 2 - 1;
            let base = ((2 + symbol % 2) << extra) + 1;
            Some(base << 16 | extra << 8)
        }
        _ => None,
    }
}

/// Returns the low `n` bits, at most 15, as an index.
fn low_bits(value: u64, n: u32) -> usize {
    let [low, high, ..] = value.to_le_bytes();
    usize::from(u16::from_le_bytes([low, high]) & ((1 << n) - 1))
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

            let last = prove(&stream, text.as_bytes()).unwrap();

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

            assert!(prove(&stream, &other).is_err(), "byte {position}");
        }
    }

    #[test]
    fn refuses_a_stream_that_is_cut_off_or_goes_on() {
        let text = b"abcabcabcabcabc, and so on".repeat(20);
        let stream = deflated(&text, 6);

        let mut longer = stream.clone();
        longer.push(0);

        assert!(prove(&stream[..stream.len() - 1], &text).is_err());
        assert_eq!(prove(&longer, &text), Err("it goes on behind the last block"));
        assert_eq!(prove(&stream, &text[..text.len() - 1]).unwrap_err(), "too long");
        assert!(prove(&[], &[]).is_err());
    }
}
