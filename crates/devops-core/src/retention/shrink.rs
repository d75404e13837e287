//! Tells a source that shrank: most of it is gone, as when a disk is not mounted or files were encrypted.
//!
//! Pure: the caller has the sizes of the archives of a series. While a source is shrunk nothing old of it
//! may go, or the last archives of what is missing would go with time.

use std::fmt;

use time::OffsetDateTime;

use crate::units::{ByteSize, count};

/// The share of its entries or bytes that a source may lose, unless another is set.
pub const SHRINK_LIMIT: f64 = 0.5;
/// The number of earlier archives that count for the comparison.
const N_COMPARED: usize = 7;

/// The size of a source, as an archive of it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSize {
    /// The number of entries below the source.
    pub n_entries: u64,
    /// The bytes of their content.
    pub n_bytes: u64,
}

/// An earlier archive of a series that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlierSize {
    /// The time at which it was made.
    pub time: OffsetDateTime,
    /// The size of the source then; `None` where it cannot be known.
    pub size: Option<SourceSize>,
}

/// The loss of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The most entries and the most bytes that one of the earlier archives has.
    pub before: SourceSize,
    /// The size of the source now.
    pub now: SourceSize,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, now } = self;
        write!(f, "{} of {} and ", now.n_entries, count(before.n_entries, "entry"))?;
        write!(f, "{} of {} are left", ByteSize(now.n_bytes), ByteSize(before.n_bytes))
    }
}

/// The answer to whether a source shrank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is about what it was, or nothing is there to compare it with.
    Usual,
    /// There are earlier archives, and none tells its size.
    Unknown,
    /// It lost more than the limit allows.
    Shrunk(Shrunk),
}

/// Compares the size of a source with the largest of the last seven of `earlier`, the oldest first.
///
/// A source is shrunk that lost more than `limit`, a share, of its entries or bytes. An archive of a
/// shrunken source sets no level for later ones, so that the answer stays the same however many nights
/// go by; one made at `accepted` or later does, and nothing before it.
pub fn compare(
    earlier: &[EarlierSize],
    accepted: Option<OffsetDateTime>,
    now: SourceSize,
    limit: f64,
) -> Comparison {
    let since = |earlier: &&EarlierSize| accepted.is_none_or(|accepted| earlier.time >= accepted);
    let mut levels: Vec<SourceSize> = Vec::with_capacity(earlier.len());
    let mut n_unknown = 0;
    for earlier in earlier.iter().filter(since) {
        match earlier.size {
            Some(size) if lost(&levels, size, limit).is_none() => levels.push(size),
            Some(_) => {}
            None => n_unknown += 1,
        }
    }
    if levels.is_empty() && n_unknown > 0 {
        return Comparison::Unknown;
    }
    lost(&levels, now, limit).map_or(Comparison::Usual, Comparison::Shrunk)
}

/// Returns what is missing beside the last of `levels`, if that is more than the limit.
fn lost(levels: &[SourceSize], now: SourceSize, limit: f64) -> Option<Shrunk> {
    let last = levels.iter().rev().take(N_COMPARED);
    let before = last.fold(SourceSize::default(), |most, size| SourceSize {
        n_entries: most.n_entries.max(size.n_entries),
        n_bytes: most.n_bytes.max(size.n_bytes),
    });
    let is_shrunk = is_less(now.n_entries, before.n_entries, limit)
        || is_less(now.n_bytes, before.n_bytes, limit);
    is_shrunk.then_some(Shrunk { before, now })
}

#[allow(clippy::cast_precision_loss, reason = "no source has 2^53 bytes or entries")]
fn is_less(now: u64, before: u64, limit: f64) -> bool {
    (now as f64) < before as f64 * (1.0 - limit)
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-01 03:00 UTC);

    fn size(n_entries: u64, n_bytes: u64) -> SourceSize {
        SourceSize { n_entries, n_bytes }
    }

    /// One archive a night, of sources with so many entries of ten bytes each.
    fn nights(sizes: &[u64]) -> Vec<EarlierSize> {
        let nights = (0..).map(|night| START + Duration::days(night));
        let known = |n: &u64| Some(size(*n, *n * 10));
        nights.zip(sizes).map(|(time, n)| EarlierSize { time, size: known(n) }).collect()
    }

    fn is_shrunk(earlier: &[u64], accepted: Option<i64>, now: u64, limit: f64) -> bool {
        let accepted = accepted.map(|night| START + Duration::days(night));
        let now = size(now, now * 10);
        matches!(compare(&nights(earlier), accepted, now, limit), Comparison::Shrunk(_))
    }

    #[test]
    fn a_source_that_lost_more_than_the_limit_is_shrunk() {
        for (earlier, now, limit, expected) in [
            (&[100][..], 50, 0.5, false),
            (&[100], 49, 0.5, true),
            (&[100], 0, 0.5, true),
            (&[100], 200, 0.5, false),
            (&[1], 0, 0.5, true),
            (&[0], 0, 0.5, false),
            (&[], 0, 0.5, false),
            // The largest of the last seven counts, and nothing before them.
            (&[100, 60, 60, 60, 60, 60, 60], 49, 0.5, true),
            (&[100, 60, 60, 60, 60, 60, 60, 60], 49, 0.5, false),
            (&[100], 89, 0.1, true),
            (&[100], 90, 0.1, false),
            (&[100], 0, 1.0, false),
        ] {
            assert_eq!(is_shrunk(earlier, None, now, limit), expected, "{earlier:?} {now} {limit}");
        }
    }

    #[test]
    fn it_stays_shrunk_however_many_nights_go_by_until_it_is_back_or_accepted() {
        let mut earlier = vec![100; 7];
        for night in 7..40 {
            assert!(is_shrunk(&earlier, None, 10, 0.5), "night {night}");
            earlier.push(10);
        }
        assert!(!is_shrunk(&earlier, None, 60, 0.5), "it is back");
        // Accepted with the archive of night 20: what was before sets no level.
        for (now, expected) in [(10, false), (5, false), (4, true)] {
            assert_eq!(is_shrunk(&earlier, Some(20), now, 0.5), expected, "{now}");
        }
        // It grew again, and that is the level from then on.
        earlier.extend([100; 7]);
        assert!(is_shrunk(&earlier, Some(20), 10, 0.5));
    }

    #[test]
    fn entries_and_bytes_count_each_for_itself() {
        let time = START;
        let at = |size| EarlierSize { time, size: Some(size) };
        let earlier = [at(size(100, 10)), at(size(80, 1000))];

        for (now, expected) in [
            (size(50, 500), false),
            (size(49, 500), true),
            (size(50, 499), true),
            (size(100, 0), true),
        ] {
            let shrunk = compare(&earlier, None, now, 0.5);
            let before = size(100, 1000);
            let wanted = if expected {
                Comparison::Shrunk(Shrunk { before, now })
            } else {
                Comparison::Usual
            };
            assert_eq!(shrunk, wanted, "{now:?}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_said_only_where_nothing_else_is_known() {
        let unknown = EarlierSize { time: START, size: None };
        let known = EarlierSize { size: Some(size(9, 9)), ..unknown };
        let later = Some(START + Duration::days(1));

        assert_eq!(compare(&[unknown], None, size(1, 1), 0.5), Comparison::Unknown);
        assert_eq!(compare(&[unknown], later, size(1, 1), 0.5), Comparison::Usual);
        assert_eq!(compare(&[unknown, known], None, size(9, 9), 0.5), Comparison::Usual);
        assert!(matches!(compare(&[known, unknown], None, size(1, 1), 0.5), Comparison::Shrunk(_)));
    }
}
