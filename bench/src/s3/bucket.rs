//! The bucket of the benchmarks.

pub(super) const BUCKET: &str = "bench";
