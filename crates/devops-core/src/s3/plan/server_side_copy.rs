//! An object made of pieces that another one in the store has already, and of those that it has not.
//!
//! Part rules: S3 user guide, "Amazon S3 multipart upload limits": all parts but the last have at least
//! 5 MiB, copied ones included.

use serde::{Deserialize, Serialize};

use super::parts::{MAX_PART, MIN_PART, Part};
use crate::s3::object::uri::S3Uri;

/// A copy takes the store some time, and proxies in front of it do not wait long; smaller ones run side by
/// side.
const USUAL_COPY: u64 = 128 << 20;

/// Bytes of a file that an object in the store has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRange {
    /// Their offset in the file.
    pub at: u64,
    /// Their offset in the object.
    pub from: u64,
    /// How many they are.
    pub size: u64,
}

/// How an object is made of pieces of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// The object that has some of the bytes.
    pub base: S3Uri,
    /// Its `ETag`: another object of the same name is not copied from.
    pub etag: String,
    pieces: Vec<ComposedPart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ComposedPart {
    size: u64,
    /// The offset in the base that it is copied from; without one, it is sent.
    from: Option<u64>,
}

/// The rules for the parts of a composed object.
#[derive(Clone, Copy, Debug)]
pub struct PartRules {
    /// The size of parts that are sent, about.
    pub part_size: u64,
    /// The most parts an object may have.
    pub max_parts: u32,
}

impl Composition {
    /// Plans an object of `size` bytes, of which the base has the `shared` ones, in the order of the file.
    ///
    /// Copied parts count for the rules, too. Nothing if the part rules leave nothing to copy.
    pub fn plan(
        base: S3Uri,
        etag: String,
        size: u64,
        shared: &[SharedRange],
        rules: PartRules,
    ) -> Option<Self> {
        let mut least = MIN_PART;
        loop {
            let copied = copied(shared, least);
            if copied.is_empty() {
                return None;
            }
            let pieces = pieces(size, &copied, rules);
            if pieces.len() <= rules.max_parts as usize {
                return Some(Self { base, etag, pieces });
            }
            // Short copies make the most parts for the fewest bytes.
            least *= 2;
        }
    }

    /// Returns the parts in order, each with the place in the base that it is copied from, if it is.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Part, Option<u64>)> {
        let mut offset = 0;
        (1..).zip(&self.pieces).map(move |(number, piece)| {
            let part = Part { number, offset, size: piece.size };
            offset += piece.size;
            (part, piece.from)
        })
    }

    /// Returns how many bytes are copied.
    pub fn n_copied(&self) -> u64 {
        let copied = self.pieces.iter().filter(|piece| piece.from.is_some());
        copied.map(|piece| piece.size).sum()
    }

    /// Returns how many bytes the object has.
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.size).sum()
    }

    /// Returns how many parts there are.
    pub fn n_parts(&self) -> u32 {
        u32::try_from(self.pieces.len()).expect("a plan has at most 10,000 parts")
    }
}

/// Returns what is copied of the shared runs: what lies between two copies has to make a part of its own,
/// so a few bytes between them take some of the shared ones along.
/// Runs of less than `least` bytes are left out.
fn copied(shared: &[SharedRange], least: u64) -> Vec<SharedRange> {
    let mut copied: Vec<SharedRange> = Vec::new();
    let mut sent_from = 0;
    for run in shared {
        let between = run.at - sent_from;
        let missing = if between == 0 { 0 } else { MIN_PART.saturating_sub(between) };
        // The copy before may give of its end what it has above a part's least size.
        let spare = copied.last().map_or(0, |last| last.size - MIN_PART);
        let before = missing.min(spare);
        let behind = missing - before;
        if run.size < least + behind {
            continue;
        }
        if let Some(last) = copied.last_mut() {
            last.size -= before;
        }
        copied.push(SharedRange {
            at: run.at + behind,
            from: run.from + behind,
            size: run.size - behind,
        });
        sent_from = run.at + run.size;
    }
    copied
}

fn pieces(size: u64, copied: &[SharedRange], rules: PartRules) -> Vec<ComposedPart> {
    // What is sent is cut into parts of up to twice this.
    let part_size = rules.part_size.clamp(MIN_PART, MAX_PART / 2);
    // For a very large object, copies are as large as half of the parts need.
    let copy_size = (size / u64::from(rules.max_parts / 2)).clamp(USUAL_COPY, MAX_PART);
    let mut pieces = Vec::new();
    let mut at = 0;
    for run in copied {
        push_sent(&mut pieces, run.at - at, part_size);
        push_copied(&mut pieces, run, copy_size);
        at = run.at + run.size;
    }
    push_sent(&mut pieces, size - at, part_size);
    pieces
}

/// Cuts what is sent; each part has at least the least size if the whole has.
fn push_sent(pieces: &mut Vec<ComposedPart>, size: u64, part_size: u64) {
    let n = size / part_size;
    push_even(pieces, size, n.max(1), |_| None);
}

fn push_copied(pieces: &mut Vec<ComposedPart>, run: &SharedRange, copy_size: u64) {
    push_even(pieces, run.size, run.size.div_ceil(copy_size), |offset| Some(run.from + offset));
}

fn push_even(pieces: &mut Vec<ComposedPart>, size: u64, n: u64, from: impl Fn(u64) -> Option<u64>) {
    let mut offset = 0;
    for left in (1..=n).rev() {
        let piece = (size - offset).div_ceil(left);
        if piece > 0 {
            pieces.push(ComposedPart { size: piece, from: from(offset) });
        }
        offset += piece;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::s3::plan::parts::MAX_PARTS;

    const MIB: u64 = 1 << 20;

    fn plan(size: u64, shared: &[SharedRange]) -> Option<Composition> {
        plan_within(MAX_PARTS, size, shared)
    }

    fn plan_within(max_parts: u32, size: u64, shared: &[SharedRange]) -> Option<Composition> {
        let base = "s3://backups/old".parse().unwrap();
        let rules = PartRules { part_size: 8 * MIB, max_parts };
        Composition::plan(base, "etag".to_owned(), size, shared, rules)
    }

    fn shared(at: u64, from: u64, size: u64) -> SharedRange {
        SharedRange { at: at * MIB, from: from * MIB, size: size * MIB }
    }

    fn shown(composition: &Composition) -> Vec<(u64, Option<u64>)> {
        let mib = |piece: &ComposedPart| (piece.size / MIB, piece.from.map(|from| from / MIB));
        composition.pieces.iter().map(mib).collect()
    }

    #[test]
    fn a_change_in_the_middle_is_sent_with_its_neighbours() {
        let composition = plan(100 * MIB, &[shared(0, 0, 50), shared(51, 51, 49)]).unwrap();

        assert_eq!(shown(&composition), [(46, Some(0)), (5, None), (49, Some(51))]);
        assert_eq!(composition.n_copied(), 95 * MIB);
    }

    #[test]
    fn what_was_inserted_moves_the_rest() {
        let composition = plan(100 * MIB, &[shared(0, 0, 40), shared(60, 40, 40)]).unwrap();

        assert_eq!(shown(&composition), [(40, Some(0)), (10, None), (10, None), (40, Some(40))]);
    }

    #[test]
    fn runs_from_different_places_follow_each_other() {
        let composition = plan(20 * MIB, &[shared(0, 90, 10), shared(10, 30, 10)]).unwrap();

        assert_eq!(shown(&composition), [(10, Some(90)), (10, Some(30))]);
    }

    #[test]
    fn the_beginning_that_always_differs_takes_from_the_first_run() {
        let composition = plan(100 * MIB, &[shared(1, 1, 98)]).unwrap();

        assert_eq!(shown(&composition), [(5, None), (94, Some(5)), (1, None)]);
    }

    #[test]
    fn runs_too_short_for_a_part_are_sent() {
        assert_eq!(plan(100 * MIB, &[shared(10, 10, 4), shared(20, 20, 4)]), None);
        assert_eq!(plan(100 * MIB, &[]), None);
    }

    #[test]
    fn a_store_with_fewer_parts_copies_larger_ones() {
        let composition = plan_within(4, 2000 * MIB, &[shared(0, 0, 2000)]).unwrap();

        assert_eq!(shown(&composition), [(1000, Some(0)), (1000, Some(1000))]);
    }

    #[test]
    fn a_long_run_is_copied_in_several_parts() {
        let composition = plan(2000 * MIB, &[shared(0, 0, 2000)]).unwrap();

        assert_eq!(composition.n_parts(), 16);
        assert_eq!(composition.n_copied(), 2000 * MIB);
    }

    proptest! {
        #[test]
        fn every_plan_covers_the_file_within_the_rules(
            runs in prop::collection::vec((prop_oneof![Just(0), 0..12 * MIB], 1..40 * MIB, 0..1000 * MIB), 0..40),
            tail in 0..20 * MIB,
        ) {
            let mut at = 0;
            let shared: Vec<SharedRange> = runs.iter().map(|&(gap, size, from)| {
                let run = SharedRange { at: at + gap, from, size };
                at = run.at + size;
                run
            }).collect();
            let size = at + tail;
            let Some(composition) = plan(size, &shared) else { return Ok(()) };

            prop_assert_eq!(composition.size(), size);
            let n = composition.n_parts();
            for (part, from) in composition.parts() {
                prop_assert!(part.number == n || part.size >= MIN_PART, "{:?}", part);
                let most = if from.is_some() { USUAL_COPY } else { 16 * MIB };
                prop_assert!(part.size <= most, "{:?}", part);
                if let Some(from) = from {
                    // It is just what the two have in common.
                    let is_shared = |run: &SharedRange| {
                        run.at <= part.offset
                            && part.offset + part.size <= run.at + run.size
                            && from == run.from + (part.offset - run.at)
                    };
                    prop_assert!(shared.iter().any(is_shared), "{:?}", part);
                }
            }
        }
    }
}
