//! The ranges of a download.

use std::sync::Arc;

use super::parts::{Limits, MIN_PART, PartPlan, PartSize, PlanError};
use crate::s3::object::checksum::Sum;
use crate::units::ByteSize;

/// So many ranges are noted in a few megabytes, and larger ones are not worth their memory.
pub(crate) const MANY_RANGES: u64 = 100_000;

pub(crate) const LARGEST_RANGE: u64 = 32 << 20;

/// Plans the ranges of an object of `size` bytes: other than parts there may be any number of them.
pub(crate) fn plan_ranges(
    size: u64,
    part_size: PartSize,
    max_memory: ByteSize,
) -> Result<PartPlan, PlanError> {
    let limits = Limits { max_parts: u32::MAX, ..Limits::S3 };
    let needed = size.div_ceil(MANY_RANGES).next_multiple_of(1 << 20).min(LARGEST_RANGE);
    let part_size = match part_size {
        PartSize::Auto if size > MANY_RANGES * MIN_PART => {
            PartSize::Exactly(ByteSize(needed.max(8 << 20).min(max_memory.0.max(MIN_PART))))
        }
        other => other,
    };
    PartPlan::within(limits, size, part_size, max_memory)
}

/// Writes down that a range is there.
pub(crate) type Note = Arc<dyn Fn(u32, &Sum) + Send + Sync>;
