//! The bits of a deflate stream, from the low end of each byte.

use super::reason::Reason;

/// The bytes that a refill loads at once.
pub(super) const WORD: usize = 8;

/// The bits that are held behind a refill, at least: seven bytes, which `n_held` then has set.
const FULL: u32 = 0x38;

/// Reads bits from the low end of each byte.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    held: u64,
    n_held: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, held: 0, n_held: 0 }
    }

    /// Returns the bits at hand, the next one lowest.
    #[inline]
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Returns how many bytes are not loaded yet.
    #[inline]
    pub(super) fn n_left(&self) -> usize {
        self.bytes.len().wrapping_sub(self.next)
    }

    /// Loads bits until at least 56 are held; a whole word must be left.
    #[inline]
    pub(super) fn refill_word(&mut self) {
        let word = &self.bytes[self.next..][..WORD];
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        // Bits past `n_held` are loaded again next time: the same bits at the same place.
        self.held |= word << (self.n_held & 63);
        self.next = self.next.wrapping_add((63_u32.wrapping_sub(self.n_held) / 8) as usize);
        self.n_held |= FULL;
    }

    /// Loads bits until at least 56 are held, or all that are left.
    pub(super) fn refill(&mut self) {
        if self.n_left() >= WORD {
            self.refill_word();
            return;
        }
        while self.n_held < FULL && self.next < self.bytes.len() {
            self.held |= u64::from(self.bytes[self.next]) << self.n_held;
            self.next += 1;
            self.n_held += 8;
        }
    }

    /// Returns the position of the next bit, in bits.
    pub(super) fn position(&self) -> usize {
        self.next * 8 - self.n_held as usize
    }

    /// Drops the rest of the byte and all held bits; returns the position in bytes.
    pub(super) fn align(&mut self) -> usize {
        let position = self.position().div_ceil(8);
        self.move_to(position);
        position
    }

    /// Returns `length` bytes from a position on.
    pub(super) fn bytes_at(&self, position: usize, length: usize) -> Result<&'a [u8], Reason> {
        self.bytes.get(position..position + length).ok_or("cut off")
    }

    /// Continues at a byte.
    pub(super) fn move_to(&mut self, position: usize) {
        self.next = position;
        self.held = 0;
        self.n_held = 0;
    }

    /// Returns the next `n` bits, at most 15.
    pub(super) fn take(&mut self, n: u32) -> Result<u32, Reason> {
        let value = u32::try_from(self.held & ((1 << n) - 1)).expect("at most 15 bits are asked");
        self.consume(n)?;
        Ok(value)
    }

    /// Drops bits, if so many are held.
    pub(super) fn consume(&mut self, n: u32) -> Result<(), Reason> {
        self.n_held = self.n_held.checked_sub(n).ok_or("cut off")?;
        self.held >>= n;
        Ok(())
    }

    /// Drops bits that are known to be held.
    #[inline]
    pub(super) fn drop_held(&mut self, n: u32) {
        self.n_held = self.n_held.wrapping_sub(n);
        self.held >>= n & 63;
    }
}
