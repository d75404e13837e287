//! Plans the parts of an object before the first byte is sent.
//!
//! Limits: S3 user guide, "Amazon S3 multipart upload limits" (48.8 TiB since December 2025).

use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

const MIB: u64 = 1 << 20;

/// Every part but the last has at least this many bytes.
pub const MIN_PART: u64 = 5 * MIB;
/// No part has more bytes than this.
pub(crate) const MAX_PART: u64 = 5 << 30;
/// No upload has more parts than this.
pub(crate) const MAX_PARTS: u32 = 10_000;

/// Large enough to keep the cost of a request small, small enough for many to fit in memory.
const USUAL_PART: u64 = 8 * MIB;
/// So many parts are on their way at once: one connection carries about 20 MB/s to S3, and ten fill a gigabit
/// and more.
pub(crate) const USUAL_CONCURRENCY: u16 = 10;
/// A crash costs the parts in flight: about a twentieth of the object, where parts may be so small.
const SHARE_LOST: u64 = 20;

/// The memory of a process beside its parts: code, connections, responses; measured at 20 MiB.
const BESIDE_PARTS: u64 = 24 * MIB;

/// Returns how much of the memory that a process may take there is for parts.
pub(crate) fn room_for_parts(max_memory: ByteSize) -> u64 {
    max_memory.0 - BESIDE_PARTS.min(max_memory.0 / 4)
}

/// The limits of a store on parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Every part but the last has at least this many bytes.
    pub min_part: u64,
    /// No part has more bytes than this.
    pub max_part: u64,
    /// No upload has more parts than this.
    pub max_parts: u32,
    /// Is set if all parts but the last have to be alike.
    pub equal: bool,
}

impl Limits {
    /// Those of S3 itself.
    pub const S3: Self =
        Self { min_part: MIN_PART, max_part: MAX_PART, max_parts: MAX_PARTS, equal: false };

    fn largest_object(self) -> u64 {
        self.max_part.saturating_mul(self.max_parts.into())
    }

    fn allows(self, part_size: u64) -> Result<u64, PlanError> {
        if (self.min_part..=self.max_part).contains(&part_size) {
            Ok(part_size)
        } else {
            Err(PlanError::PartSize { part_size, min: self.min_part, max: self.max_part })
        }
    }
}

/// The size of the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartSize {
    /// 8 MiB, or as much more as a large object needs.
    #[default]
    Auto,
    /// This many bytes.
    Exactly(ByteSize),
}

/// One part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its offset in the object.
    pub offset: u64,
    /// The number of bytes it has.
    pub size: u64,
}

/// The parts of one object; all have the same size but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
}

/// The reason an object cannot be sent as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The object is larger than the store allows.
    #[error("{} is more than the {} that an object may have", ByteSize(*.size), ByteSize(*.most))]
    ObjectTooLarge {
        /// Its size.
        size: u64,
        /// The largest size.
        most: u64,
    },
    /// The part size is outside what the store allows.
    #[error("a part of {} is not between {} and {}", ByteSize(*.part_size), ByteSize(*.min), ByteSize(*.max))]
    PartSize {
        /// The size asked for.
        part_size: u64,
        /// The smallest size.
        min: u64,
        /// The largest size.
        max: u64,
    },
    /// The object would need more parts than the store allows.
    #[error("parts of {} would be more than {most}: at least {} is needed", ByteSize(*.part_size), ByteSize(*.needed))]
    TooManyParts {
        /// The number of parts there may be.
        most: u32,
        /// The size asked for.
        part_size: u64,
        /// The smallest size that works.
        needed: u64,
    },
    /// One part alone would pass the memory limit.
    #[error("a part of {} does not fit in the memory limit of {}", ByteSize(*.part_size), ByteSize(*.limit))]
    Memory {
        /// The size of a part.
        part_size: u64,
        /// The limit.
        limit: u64,
    },
}

impl PartPlan {
    /// Plans an object of `size` bytes whose parts each fit in `max_memory` bytes.
    pub fn new(size: u64, part_size: PartSize, max_memory: ByteSize) -> Result<Self, PlanError> {
        Self::within(Limits::S3, size, part_size, max_memory)
    }

    /// Plans for a store that takes other parts than S3.
    pub fn within(
        limits: Limits,
        size: u64,
        part_size: PartSize,
        max_memory: ByteSize,
    ) -> Result<Self, PlanError> {
        let most = limits.largest_object();
        if size > most {
            return Err(PlanError::ObjectTooLarge { size, most });
        }
        let most = limits.max_parts;
        let needed = size.div_ceil(most.into()).next_multiple_of(MIB);
        let part_size = match part_size {
            PartSize::Auto => {
                needed.max(usual_part(size).min(max_memory.0.max(MIN_PART))).max(limits.min_part)
            }
            PartSize::Exactly(exactly) => limits.allows(exactly.0)?,
        };
        if size > part_size.saturating_mul(most.into()) {
            return Err(PlanError::TooManyParts { most, part_size, needed });
        }
        let plan = Self { size, part_size };
        fits(part_size.min(size), max_memory)?;
        Ok(plan)
    }

    /// Plans a file, whose parts are read while they are sent and take no memory.
    pub fn of_file(size: u64, part_size: PartSize) -> Result<Self, PlanError> {
        Self::new(size, part_size, ByteSize(u64::MAX))
    }

    /// Returns whether one request carries the whole object.
    pub fn is_single(self) -> bool {
        self.size <= self.part_size
    }

    /// Returns how many parts there are; an empty object has one.
    pub fn n_parts(self) -> u32 {
        let n = self.size.div_ceil(self.part_size).max(1);
        u32::try_from(n).expect("a plan has at most 10,000 parts")
    }

    /// Returns the size of every part but the last.
    pub fn part_size(self) -> u64 {
        self.part_size
    }

    /// Returns the parts in order.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        (0..self.n_parts()).map(move |index| {
            let offset = u64::from(index) * self.part_size;
            Part { number: index + 1, offset, size: self.part_size.min(self.size - offset) }
        })
    }
}

/// Returns the size of the parts of an object that any would do for.
fn usual_part(size: u64) -> u64 {
    // A small one is on its way as a whole, and the fewest requests are best.
    let on_their_way = u64::from(USUAL_CONCURRENCY);
    if size <= on_their_way * USUAL_PART {
        return USUAL_PART;
    }
    size.div_ceil(on_their_way * SHARE_LOST).next_multiple_of(MIB).clamp(MIN_PART, USUAL_PART)
}

/// The sizes of the parts of a stream of unknown length.
///
/// The first half of the parts are alike; beyond that they double with every tenth of the parts as far as
/// memory allows, so that a long stream still ends within the 10,000 parts of S3. Where all have to be
/// alike, they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    first: u64,
    largest: u64,
    max_parts: u32,
}

impl StreamPlan {
    /// Plans a stream whose parts each fit twice in `max_memory` bytes, so that one can be read while
    /// another is sent.
    pub fn new(part_size: PartSize, max_memory: ByteSize) -> Result<Self, PlanError> {
        Self::within(Limits::S3, part_size, max_memory)
    }

    /// Plans for a store that takes other parts than S3.
    pub fn within(
        limits: Limits,
        part_size: PartSize,
        max_memory: ByteSize,
    ) -> Result<Self, PlanError> {
        let half = room_for_parts(max_memory) / 2;
        let first = match part_size {
            PartSize::Auto => (2 * USUAL_PART).min(half.max(MIN_PART)).max(limits.min_part),
            PartSize::Exactly(exactly) => limits.allows(exactly.0)?,
        };
        fits(first, max_memory)?;
        let largest = match part_size {
            PartSize::Auto if !limits.equal => half.clamp(first, limits.max_part),
            PartSize::Auto | PartSize::Exactly(_) => first,
        };
        Ok(Self { first, largest, max_parts: limits.max_parts })
    }

    /// Returns the size of part `number`, or nothing past the last one that the store allows.
    pub fn part_size(self, number: u32) -> Option<u64> {
        let tenth = self.max_parts / 10;
        let doublings = number.saturating_sub(4 * tenth + 1) / tenth;
        (1..=self.max_parts).contains(&number).then(|| (self.first << doublings).min(self.largest))
    }

    /// Returns how many bytes the longest stream has.
    pub fn longest(self) -> u64 {
        (1..=self.max_parts).filter_map(|number| self.part_size(number)).sum()
    }

    /// Says that a stream is longer than all its parts, and which part size would do for twice as much.
    pub(crate) fn too_long(self) -> PlanError {
        let (most, longest) = (self.max_parts, self.longest());
        let needed = (2 * longest).div_ceil(most.into()).next_multiple_of(MIB).min(MAX_PART);
        PlanError::TooManyParts { most, part_size: longest / u64::from(most), needed }
    }
}

fn fits(part_size: u64, max_memory: ByteSize) -> Result<(), PlanError> {
    if part_size > max_memory.0 {
        return Err(PlanError::Memory { part_size, limit: max_memory.0 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// No object has more bytes than this: 48.8 TiB.
    const MAX_OBJECT: u64 = MAX_PART * MAX_PARTS as u64;

    const PLENTY: ByteSize = ByteSize(MAX_PART);

    proptest! {
        #[test]
        fn parts_cover_an_object_exactly_once(size in prop_oneof![0..MAX_OBJECT, 0..200 * MIB]) {
            let plan = PartPlan::new(size, PartSize::Auto, PLENTY).unwrap();

            let mut offset = 0;
            for (index, part) in plan.parts().enumerate() {
                prop_assert_eq!(part.number as usize, index + 1);
                prop_assert_eq!(part.offset, offset);
                offset += part.size;
            }
            prop_assert_eq!(offset, size);
        }

        #[test]
        fn parts_stay_within_the_limits(size in 1..=MAX_OBJECT) {
            let plan = PartPlan::new(size, PartSize::Auto, PLENTY).unwrap();

            prop_assert!((MIN_PART..=MAX_PART).contains(&plan.part_size()));
            prop_assert!((1..=MAX_PARTS).contains(&plan.n_parts()));
            prop_assert!(plan.parts().all(|part| part.size > 0));
        }

        #[test]
        fn an_exact_part_size_is_kept_or_refused(size in 0..MAX_OBJECT, part in 0..MAX_PART * 2) {
            match PartPlan::new(size, PartSize::Exactly(ByteSize(part)), PLENTY) {
                Ok(plan) => prop_assert_eq!(plan.part_size(), part),
                Err(PlanError::PartSize { part_size, .. }) => prop_assert!(!(MIN_PART..=MAX_PART).contains(&part_size)),
                Err(PlanError::TooManyParts { needed, .. }) => {
                    prop_assert!(PartPlan::new(size, PartSize::Exactly(ByteSize(needed.max(MIN_PART))), PLENTY).is_ok());
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn an_empty_object_is_one_empty_part() {
        let plan = PartPlan::new(0, PartSize::Auto, ByteSize::mib(128)).unwrap();

        assert!(plan.is_single());
        assert_eq!(plan.parts().collect::<Vec<_>>(), [Part { number: 1, offset: 0, size: 0 }]);
    }

    #[test]
    fn what_is_on_its_way_is_a_small_piece_of_the_object() {
        let plan = |size| PartPlan::new(size, PartSize::Auto, PLENTY).unwrap();

        assert!(plan(8 * MIB).is_single());
        assert_eq!((plan(80 * MIB).part_size(), plan(80 * MIB).n_parts()), (8 * MIB, 10));
        assert_eq!((plan(81 * MIB).part_size(), plan(81 * MIB).n_parts()), (5 * MIB, 17));
        assert_eq!(plan(1024 * MIB).part_size(), 6 * MIB);
        assert_eq!(plan(1600 * MIB).part_size(), 8 * MIB);
        assert_eq!(plan(50_000 * MIB).part_size(), 8 * MIB);
    }

    #[test]
    fn the_largest_object_needs_the_largest_parts() {
        let plan = PartPlan::new(MAX_OBJECT, PartSize::Auto, PLENTY).unwrap();

        assert_eq!((plan.part_size(), plan.n_parts()), (MAX_PART, MAX_PARTS));
        assert_eq!(
            PartPlan::new(MAX_OBJECT + 1, PartSize::Auto, PLENTY),
            Err(PlanError::ObjectTooLarge { size: MAX_OBJECT + 1, most: MAX_OBJECT })
        );
    }

    #[test]
    fn refuses_a_part_that_does_not_fit_in_memory() {
        let error = PartPlan::new(MAX_OBJECT, PartSize::Auto, ByteSize::mib(128)).unwrap_err();

        assert_eq!(
            error.to_string(),
            "a part of 5.0 GiB does not fit in the memory limit of 128.0 MiB"
        );
    }

    #[test]
    fn a_stream_keeps_its_part_size_for_a_long_time_and_then_grows() {
        let plan = StreamPlan::new(PartSize::Auto, ByteSize::mib(128)).unwrap();

        assert_eq!(plan.part_size(1), Some(16 * MIB));
        assert_eq!(plan.part_size(5_000), Some(16 * MIB));
        assert_eq!(plan.part_size(5_001), Some(32 * MIB));
        assert_eq!(plan.part_size(10_000), Some(52 * MIB));
        assert_eq!(plan.part_size(10_001), None);
    }

    #[test]
    fn a_stream_past_its_last_part_names_a_size_that_does_for_twice_as_much() {
        let usual = StreamPlan::new(PartSize::Auto, ByteSize::mib(128)).unwrap();
        let exact = StreamPlan::new(PartSize::Exactly(ByteSize(5 * MIB)), ByteSize::mib(128));
        let largest = StreamPlan::new(PartSize::Exactly(ByteSize(MAX_PART)), PLENTY).unwrap();

        assert_eq!(usual.longest(), (5_000 * 16 + 1_000 * 32 + 4_000 * 52) * MIB);
        assert_eq!(
            usual.too_long().to_string(),
            "parts of 32.0 MiB would be more than 10000: at least 64.0 MiB is needed"
        );
        assert_eq!(exact.unwrap().longest(), 50_000 * MIB);
        assert_eq!(largest.longest(), MAX_OBJECT);
        assert_eq!(
            largest.too_long(),
            PlanError::TooManyParts { most: MAX_PARTS, part_size: MAX_PART, needed: MAX_PART }
        );
    }

    #[test]
    fn a_store_with_fewer_parts_gets_larger_ones() {
        let limits = Limits { max_parts: 1_000, ..Limits::S3 };
        let plan = |size| PartPlan::within(limits, size, PartSize::Auto, PLENTY).unwrap();

        assert_eq!(plan(8_000 * MIB).part_size(), 8 * MIB);
        assert_eq!((plan(8_001 * MIB).part_size(), plan(8_001 * MIB).n_parts()), (9 * MIB, 889));
        let five = PartSize::Exactly(ByteSize::mib(5));
        assert_eq!(
            PartPlan::within(limits, 6_000 * MIB, five, PLENTY).unwrap_err().to_string(),
            "parts of 5.0 MiB would be more than 1000: at least 6.0 MiB is needed"
        );
        let stream = StreamPlan::within(limits, PartSize::Auto, ByteSize::mib(128)).unwrap();
        assert_eq!(stream.part_size(500), Some(16 * MIB));
        assert_eq!(stream.part_size(501), Some(32 * MIB));
        assert_eq!((stream.part_size(1_000), stream.part_size(1_001)), (Some(52 * MIB), None));
    }

    #[test]
    fn a_store_with_large_parts_gets_no_smaller_ones() {
        let limits = Limits { min_part: 64 * MIB, ..Limits::S3 };
        let plan = |part_size| PartPlan::within(limits, 100 * MIB, part_size, PLENTY);

        assert_eq!(plan(PartSize::Auto).unwrap().part_size(), 64 * MIB);
        assert!(plan(PartSize::Exactly(ByteSize::mib(8))).is_err());
        let stream = StreamPlan::within(limits, PartSize::Auto, ByteSize::mib(128)).unwrap();
        assert_eq!(stream.part_size(1), Some(64 * MIB));
    }

    #[test]
    fn where_all_parts_have_to_be_alike_a_stream_does_not_grow() {
        let limits = Limits { equal: true, ..Limits::S3 };
        let plan = StreamPlan::within(limits, PartSize::Auto, ByteSize::mib(128)).unwrap();

        assert_eq!(plan.part_size(9_999), plan.part_size(1));
    }

    #[test]
    fn a_stream_of_exact_parts_does_not_grow() {
        let exactly = PartSize::Exactly(ByteSize::mib(5));
        let plan = StreamPlan::new(exactly, ByteSize::mib(128)).unwrap();

        assert_eq!(plan.part_size(9_999), Some(5 * MIB));
    }
}
