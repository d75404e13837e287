//! Huffman codes (RFC 1951, section 3.2) as tables: the next bits lead to a symbol.

use super::reason::Reason;

/// The longest code of literals and distances, RFC 1951 section 3.2.7.
const MAX_CODE: usize = 15;
const MAX_CODE_BITS: u32 = 15;

/// The bits of a symbol: from the low end, the length of its code and of the extra bits behind it in all,
/// the length of the code alone from bit 8, marks, and from bit 16 a literal, a base, or for a link the
/// place in the second part of the table.
const ALL_BITS: u32 = 0x1f;
const CODE_AT: u32 = 8;
const CODE_BITS: u32 = 0xf00;
const RARE: u32 = 1 << 12;
const LINK: u32 = 1 << 13;
const END: u32 = 1 << 14;
const LITERAL: u32 = 1 << 15;
const VALUE_AT: u32 = 16;

/// A literal, the end of the block, or a length or a distance: a base and extra bits to add.
#[derive(Clone, Copy)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// The symbol of bits that are not a code.
    const UNKNOWN: Self = Self(RARE);

    fn base(base: u32, n_extra: u32) -> Self {
        Self(base << VALUE_AT | n_extra)
    }

    fn with_code(self, n_bits: u32) -> Self {
        Self(self.0 + n_bits + (n_bits << CODE_AT))
    }

    /// Returns how many bits it takes, extra ones included.
    #[inline]
    pub(super) fn n_bits(self) -> u32 {
        self.0 & ALL_BITS
    }

    #[inline]
    pub(super) fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    /// Returns whether it is none that the short way knows: the end, a link, or unknown.
    #[inline]
    pub(super) fn is_rare(self) -> bool {
        self.0 & RARE != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & END != 0
    }

    fn is_link(self) -> bool {
        self.0 & LINK != 0
    }

    /// Returns the literal.
    #[inline]
    pub(super) fn byte(self) -> u8 {
        self.0.to_le_bytes()[2]
    }

    /// Returns the base.
    #[inline]
    pub(super) fn value(self) -> u32 {
        self.0 >> VALUE_AT
    }

    /// Returns the base with its extra bits added; `held` are the bits that led to it.
    #[inline]
    pub(super) fn amount(self, held: u64) -> usize {
        let all = held & (1_u64 << self.n_bits()).wrapping_sub(1);
        let extra = all >> ((self.0 & CODE_BITS) >> CODE_AT);
        (self.value() as usize).wrapping_add(low_bits(extra, 1 << MAX_CODE_BITS))
    }
}

/// A code: a first part of `SIZE` symbols that the next bits lead to at once, and a second one for
/// longer codes.
pub(super) struct Table<const SIZE: usize> {
    first: Box<[Symbol; SIZE]>,
    second: Vec<Symbol>,
}

impl<const SIZE: usize> Table<SIZE> {
    const FIRST_BITS: u32 = SIZE.ilog2();
    const LINKED: usize = 1 << (MAX_CODE_BITS - Self::FIRST_BITS);

    pub(super) fn new() -> Self {
        Self { first: Box::new([Symbol::UNKNOWN; SIZE]), second: Vec::new() }
    }

    /// Returns the symbol of the next bits; where their code is long, it is a rare one.
    #[inline]
    pub(super) fn short(&self, held: u64) -> Symbol {
        self.first[low_bits(held, SIZE)]
    }

    /// Returns the symbol of the next bits.
    #[inline]
    pub(super) fn find(&self, held: u64) -> Result<Symbol, Reason> {
        let mut symbol = self.short(held);
        if symbol.is_link() {
            let rest = low_bits(held >> Self::FIRST_BITS, Self::LINKED);
            symbol = self.second[symbol.value() as usize + rest];
        }
        if symbol.is_rare() && !symbol.is_end() { Err("an unknown code") } else { Ok(symbol) }
    }

    /// Fills it for the canonical code of these lengths.
    pub(super) fn build(
        &mut self,
        lengths: &[u8],
        symbol_of: impl Fn(u32) -> Symbol,
    ) -> Result<(), Reason> {
        let mut next_code = first_codes(lengths)?;
        self.first.fill(Symbol::UNKNOWN);
        self.second.clear();
        for (number, &length) in (0_u32..).zip(lengths) {
            if length == 0 {
                continue;
            }
            let code = next_code[usize::from(length)];
            next_code[usize::from(length)] += 1;
            let n_bits = u32::from(length);
            let reversed = (code.reverse_bits() >> (32 - n_bits)) as usize;
            self.place(reversed, n_bits, symbol_of(number).with_code(n_bits));
        }
        Ok(())
    }

    /// Puts a symbol wherever the bits of its code lead.
    fn place(&mut self, reversed: usize, n_bits: u32, symbol: Symbol) {
        let (slots, step) = if n_bits <= Self::FIRST_BITS {
            (&mut self.first[reversed..], 1 << n_bits)
        } else {
            let at = self.link(reversed & (SIZE - 1)) + (reversed >> Self::FIRST_BITS);
            let end = at - (reversed >> Self::FIRST_BITS) + Self::LINKED;
            (&mut self.second[at..end], 1 << (n_bits - Self::FIRST_BITS))
        };
        slots.iter_mut().step_by(step).for_each(|slot| *slot = symbol);
    }

    /// Returns the place in the second part for codes that begin with these bits.
    fn link(&mut self, prefix: usize) -> usize {
        let place = self.second.len();
        let link = &mut self.first[prefix];
        if link.is_link() {
            return link.value() as usize;
        }
        let value = u32::try_from(place).expect("tables have a few thousand symbols");
        *link = Symbol(RARE | LINK | value << VALUE_AT);
        self.second.resize(place + Self::LINKED, Symbol::UNKNOWN);
        place
    }
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

/// Returns the symbol of a code for lengths of codes: its number.
pub(super) fn code_length(number: u32) -> Symbol {
    Symbol::base(number, 0)
}

/// Returns a literal, the end mark, or the base and extra bits of a length.
pub(super) fn literal_or_length(number: u32) -> Symbol {
    match number {
        0..256 => Symbol(LITERAL | number << VALUE_AT),
        256 => Symbol(RARE | END),
        257..265 => Symbol::base(number - 254, 0),
        265..285 => {
            let n_extra = (number - 261) / 4;
            Symbol::base(((4 + (number - 265) % 4) << n_extra) + 3, n_extra)
        }
        285 => Symbol::base(258, 0),
        _ => Symbol::UNKNOWN,
    }
}

/// Returns the base and extra bits of a distance.
pub(super) fn distance(number: u32) -> Symbol {
    match number {
        0..4 => Symbol::base(number + 1, 0),
        4..30 => {
            let n_extra = number / 2 - 1;
            Symbol::base(((2 + number % 2) << n_extra) + 1, n_extra)
        }
        _ => Symbol::UNKNOWN,
    }
}

/// Returns the low bits that tell `size` values apart, a power of two up to 2^15.
#[inline]
fn low_bits(value: u64, size: usize) -> usize {
    let [low, high, ..] = value.to_le_bytes();
    usize::from(u16::from_le_bytes([low, high])) & (size - 1)
}
