//! Numbers in as few bytes as they need: LEB128, and zigzag for signed ones.

/// Appends seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
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
pub(crate) fn push_signed(out: &mut Vec<u8>, number: i64) {
    push_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends the seconds and nanoseconds of a time.
pub(crate) fn push_time(out: &mut Vec<u8>, (seconds, nanoseconds): (i64, u32)) {
    push_signed(out, seconds);
    push_number(out, nanoseconds.into());
}

/// Reads bytes from the front; `None` where they end or make no sense.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn bytes(&mut self, n: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(n).ok()?)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.bytes(N as u64)?.try_into().ok()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
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

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn time(&mut self) -> Option<(i64, u32)> {
        let seconds = self.signed()?;
        let nanoseconds = u32::try_from(self.number()?).ok().filter(|&n| n < 1_000_000_000)?;
        Some((seconds, nanoseconds))
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
