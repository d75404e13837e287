//! Finds the data and the holes of a sparse file.
//!
//! The map is a moment's: what is written into a hole later shows in the file's times and size, so
//! whoever trusts it looks at them again afterwards, as with any file read. At any doubt a part counts
//! as data, which costs a read and loses nothing.

use std::{ops::Range, os::fd::BorrowedFd};

use rustix::{
    fs::{SeekFrom, fstat, seek},
    io::Errno,
};

/// A map of more parts is not worth its memory; the rest of such a file counts as data.
const MAX_RANGES: usize = 1 << 16;

/// Returns the parts of the first `size` bytes of `file` that are not holes: sorted, apart from each
/// other, and none empty.
///
/// A file system that knows no holes, or fails to tell, gives one part with everything. The position
/// in the file is the same afterwards.
pub(in crate::archive) fn data_ranges(file: BorrowedFd<'_>, size: u64) -> Vec<Range<u64>> {
    let everything = || all_from(Vec::new(), 0, size);
    // Most files occupy what they hold, and need no more calls.
    let is_dense = fstat(file).is_ok_and(|stat| {
        u64::try_from(stat.st_blocks).is_ok_and(|n| n.saturating_mul(512) >= size)
    });
    if is_dense {
        return everything();
    }
    let Ok(position) = seek(file, SeekFrom::Current(0)) else { return everything() };
    let ranges = ranges(size, |to| seek(file, to));
    match seek(file, SeekFrom::Start(position)) {
        Ok(_) => ranges,
        // Whoever reads on from a wrong place must not skip anything on top.
        Err(_) => everything(),
    }
}

/// Returns what lies between `ranges`, and behind them up to `size`.
pub(in crate::archive) fn gaps(ranges: &[Range<u64>], size: u64) -> Vec<Range<u64>> {
    let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain([size]);
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
}

/// Returns how many bytes these ranges are, which lie apart from each other.
pub(in crate::archive) fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn ranges(size: u64, mut seek: impl FnMut(SeekFrom) -> Result<u64, Errno>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut position = 0;
    while position < size {
        let start = match seek(SeekFrom::Data(position)) {
            Ok(start) if start >= position => start,
            // Nothing but a hole up to the end, be it that the file is shorter by now.
            Err(Errno::NXIO) => return ranges,
            _ => return all_from(ranges, position, size),
        };
        if start >= size {
            return ranges;
        }
        let end = match seek(SeekFrom::Hole(start)) {
            Ok(end) if end > start => end.min(size),
            // The data was cut off or turned into a hole since.
            _ => return all_from(ranges, start, size),
        };
        if ranges.len() + 1 == MAX_RANGES {
            return all_from(ranges, start, size);
        }
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
        position = end;
    }
    ranges
}

/// Adds everything from `start` on.
fn all_from(mut ranges: Vec<Range<u64>>, start: u64, size: u64) -> Vec<Range<u64>> {
    match ranges.last_mut() {
        Some(last) if last.end == start => last.end = size,
        _ if start < size => ranges.push(start..size),
        _ => {}
    }
    ranges
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a map may have one part")]
mod tests {
    use std::{
        fs::File,
        io::{Seek, SeekFrom as Whence},
        os::{fd::AsFd, unix::fs::FileExt},
    };

    use proptest::prelude::*;

    use super::*;

    /// The page of every machine we build for is a divisor of this.
    const UNIT: u64 = 64 << 10;
    const DATA: [u8; 16 << 10] = [7; 16 << 10];

    /// Makes a file that holds a unit of data at each of these units, and returns it.
    fn sparse(units: &[u64], size: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        for unit in units {
            for part in 0..4 {
                file.write_all_at(&DATA, unit * UNIT + part * UNIT / 4).unwrap();
            }
        }
        file.set_len(size).unwrap();
        file
    }

    #[test]
    fn a_real_file_shows_its_holes() {
        let huge = 5 << 30;
        for (units, size, expected) in [
            (&[][..], 0, vec![]),
            (&[], huge, vec![]),
            (&[0], UNIT, vec![0..UNIT]),
            (&[0], 3 * UNIT, vec![0..UNIT]),
            (&[2], 3 * UNIT, vec![2 * UNIT..3 * UNIT]),
            (&[1, 2, 5], huge, vec![UNIT..3 * UNIT, 5 * UNIT..6 * UNIT]),
            (&[0, 2], 2 * UNIT + 5, vec![0..UNIT, 2 * UNIT..2 * UNIT + 5]),
        ] {
            let mut file = sparse(units, size);
            file.seek(Whence::Start(3)).unwrap();

            assert_eq!(data_ranges(file.as_fd(), size), expected, "{units:?} of {size}");
            assert_eq!(file.stream_position().unwrap(), 3);
        }
    }

    #[test]
    fn a_file_that_changed_since_its_size_was_read_is_mapped_within_it() {
        let file = sparse(&[0, 4], 9 * UNIT);

        assert_eq!(data_ranges(file.as_fd(), UNIT / 2), [0..UNIT / 2]);
        assert_eq!(data_ranges(file.as_fd(), 3 * UNIT), [0..UNIT]);
        // Shorter by now: what is missing is found out by reading the rest.
        assert_eq!(data_ranges(file.as_fd(), 99 * UNIT), [0..UNIT, 4 * UNIT..5 * UNIT]);
    }

    #[test]
    fn what_has_no_position_is_all_data() {
        let (pipe, _writer) = std::io::pipe().unwrap();

        assert_eq!(data_ranges(pipe.as_fd(), 10), [0..10]);
    }

    #[test]
    fn a_file_system_without_holes_gives_one_part() {
        for error in [Errno::INVAL, Errno::OPNOTSUPP, Errno::IO] {
            assert_eq!(ranges(10, |_| Err(error)), [0..10]);
        }
        assert_eq!(ranges(0, |_| Err(Errno::INVAL)), []);
    }

    #[test]
    fn answers_that_make_no_sense_lose_nothing() {
        let backwards = |to| match to {
            SeekFrom::Data(0) => Ok(2),
            SeekFrom::Hole(2) => Ok(4),
            _ => Ok(1),
        };
        let in_place = |to| match to {
            SeekFrom::Data(at) | SeekFrom::Hole(at) => Ok(at),
            _ => Err(Errno::INVAL),
        };
        let cut_off = |to| match to {
            SeekFrom::Data(0) => Ok(3),
            _ => Err(Errno::NXIO),
        };

        assert_eq!(ranges(10, backwards), [2..10]);
        assert_eq!(ranges(10, in_place), [0..10]);
        assert_eq!(ranges(10, cut_off), [3..10]);
    }

    #[test]
    fn a_file_of_countless_holes_has_a_bounded_map() {
        let size = 1 << 30;
        let every_other = |to| match to {
            SeekFrom::Data(at) => Ok(at.next_multiple_of(2)),
            SeekFrom::Hole(at) => Ok(at + 1),
            _ => Err(Errno::INVAL),
        };

        let found = ranges(size, every_other);

        assert_eq!(found.len(), MAX_RANGES);
        assert_eq!(found.last().unwrap().end, size);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_a_system_answers_the_map_is_sound(
            size in 0..1000_u64,
            answers in prop::collection::vec(prop_oneof![
                4 => (0..1200_u64).prop_map(Ok),
                1 => Just(Err(Errno::NXIO)),
                1 => Just(Err(Errno::INVAL)),
            ], 0..40),
        ) {
            let mut answers = answers.into_iter();

            let found = ranges(size, |_| answers.next().unwrap_or(Err(Errno::NXIO)));

            let mut end = None;
            for range in found {
                prop_assert!(range.start < range.end && range.end <= size);
                prop_assert!(end.is_none_or(|end| end < range.start));
                end = Some(range.end);
            }
        }
    }
}
