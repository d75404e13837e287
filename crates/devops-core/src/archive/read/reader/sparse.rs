//! The maps of sparse files: of old GNU headers and of the three pax dialects of GNU tar.

use std::ops::Range;

use super::number::unsigned;

/// The most extents a map may have.
pub(super) const MAX_EXTENTS: usize = 1 << 20;
/// The largest file anybody has: libarchive's limit as well.
pub(super) const MAX_SIZE: u64 = 1 << 60;
/// An offset and a length, as stored.
pub(super) type Pair = (u64, u64);

/// Turns the pairs of a map into extents, which must be in order, apart, within `size`, and hold exactly
/// the `n_stored` bytes.
pub(super) fn extents(
    pairs: &[Pair],
    size: u64,
    n_stored: u64,
) -> Result<Vec<Range<u64>>, &'static str> {
    let (mut end, mut sum) = (0, 0_u64);
    let mut extents = Vec::new();
    for &(start, length) in pairs {
        let next = start.checked_add(length).filter(|&next| next <= size && start >= end);
        end = next.ok_or("the map of a sparse file is out of order or bounds")?;
        // Disjoint parts of `size` cannot overflow.
        sum += length;
        if length > 0 {
            extents.push(start..end);
        }
    }
    if sum != n_stored {
        return Err("the map of a sparse file does not match its content");
    }
    Ok(extents)
}

/// Adds the pairs of an old GNU header or of a block that continues it, until the first empty one.
pub(super) fn push_table(pairs: &mut Vec<Pair>, table: &[u8]) -> Result<(), &'static str> {
    for pair in table.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            return Ok(());
        }
        let (offset, length) = (unsigned(&pair[..12]), unsigned(&pair[12..]));
        push(pairs, offset.zip(length).ok_or("the map of a sparse file holds no number")?)?;
    }
    Ok(())
}

pub(super) fn push(pairs: &mut Vec<Pair>, pair: Pair) -> Result<(), &'static str> {
    if pairs.len() == MAX_EXTENTS {
        return Err("the map of a sparse file is too large");
    }
    pairs.push(pair);
    Ok(())
}

/// Reads the map in front of the content in version 1.0: lines of decimal digits, in whole blocks.
#[derive(Default)]
pub(super) struct Lines {
    n_pairs: Option<u64>,
    offset: Option<u64>,
    number: Option<u64>,
    pairs: Vec<Pair>,
}

impl Lines {
    /// Reads a block; returns the map once it is whole.
    pub(super) fn block(&mut self, block: &[u8]) -> Result<Option<Vec<Pair>>, &'static str> {
        for &byte in block {
            if byte == b'\n' {
                let number = self.number.take().ok_or("the map of a sparse file has no number")?;
                self.line(number)?;
                if self.n_pairs == Some(self.pairs.len() as u64) {
                    return Ok(Some(std::mem::take(&mut self.pairs)));
                }
                continue;
            }
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
            let number = self.number.unwrap_or(0).checked_mul(10);
            let number = number.zip(digit).and_then(|(number, digit)| number.checked_add(digit));
            self.number = Some(number.ok_or("the map of a sparse file holds no number")?);
        }
        Ok(None)
    }

    fn line(&mut self, number: u64) -> Result<(), &'static str> {
        match (self.n_pairs, self.offset.take()) {
            (None, _) => self.n_pairs = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => push(&mut self.pairs, (offset, number))?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_becomes_extents_without_the_empty_one_at_the_end() {
        assert_eq!(extents(&[(1, 2), (5, 3), (9, 0)], 9, 5), Ok(vec![1..3, 5..8]));
        assert_eq!(extents(&[], 1000, 0), Ok(Vec::new()));
    }

    #[test]
    fn maps_that_lie_are_refused() {
        for (pairs, size, n_stored) in [
            (&[(1, 2), (2, 2)][..], 9, 4),
            (&[(4, 2), (1, 2)], 9, 4),
            (&[(4, 6)], 9, 6),
            (&[(u64::MAX, 2)], 9, 2),
            (&[(1, 2)], 9, 3),
            (&[(9, 0), (3, 0)], 9, 0),
        ] {
            assert!(extents(pairs, size, n_stored).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn lines_may_go_on_in_the_next_block() {
        let mut lines = Lines::default();

        assert_eq!(lines.block(b"2\n1"), Ok(None));
        assert_eq!(lines.block(b"0\n5\n20\n"), Ok(None));
        assert_eq!(lines.block(b"1\n\0\0\0"), Ok(Some(vec![(10, 5), (20, 1)])));
        assert_eq!(Lines::default().block(b"0\n\0"), Ok(Some(Vec::new())));
    }

    #[test]
    fn lines_that_are_no_numbers_are_refused() {
        for text in ["\n", "1\n-1\n", "x", "99999999999999999999\n", "1\n\n"] {
            assert!(Lines::default().block(text.as_bytes()).is_err(), "{text}");
        }
    }
}
