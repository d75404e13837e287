//! Numbers in as few bytes as they need: LEB128, and zigzag for signed ones.

use crate::archive::entry::Timestamp;

/// Appends seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends 0, -1, 1, -2, … as 0, 1, 2, 3, …
pub(super) fn push_signed(out: &mut Vec<u8>, number: i64) {
    push_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

pub(super) fn push_timestamp(out: &mut Vec<u8>, time: Timestamp) {
    push_signed(out, time.seconds);
    push_number(out, time.nanoseconds.into());
}

/// Reads bytes from the front; `None` where they end or make no sense.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn bytes(&mut self, n: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(n).ok()?)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.bytes(N as u64)?.try_into().ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn timestamp(&mut self) -> Option<Timestamp> {
        let seconds = self.signed()?;
        let nanoseconds = u32::try_from(self.number()?).ok().filter(|&n| n < 1_000_000_000)?;
        Some(Timestamp { seconds, nanoseconds })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_comes_back(number: u64, signed: i64) {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            push_signed(&mut bytes, signed);
            let mut cursor = Cursor::at(&bytes, 0);

            prop_assert_eq!(cursor.number(), Some(number));
            prop_assert_eq!(cursor.signed(), Some(signed));
            prop_assert_eq!(cursor.byte(), None);
        }
    }

    #[test]
    fn a_number_beyond_64_bits_or_cut_off_is_none() {
        assert_eq!(Cursor::at(&[0xff; 9], 0).number(), None);
        assert_eq!(
            Cursor::at(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], 0).number(),
            None
        );
    }
}
