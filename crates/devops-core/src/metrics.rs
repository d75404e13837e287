//! What the host is doing: CPU, memory, swap, load, disks, network.
//!
//! [`HostCounters`] reads the files of `/proc` under a root folder into a [`Reading`] of raw counters;
//! [`sample()`] makes percentages and rates of two readings and decides nothing else.
//! [`DiskProbe`] asks file systems for their space without ever hanging on one.
//! [`check`] compares with limits, [`encode`] writes for Prometheus.

pub mod check;
pub mod cpu;
pub mod disk;
pub mod encode;
pub mod host;
pub mod memory;
pub mod mounts;
pub mod network;
mod reading;
mod sample;
pub mod usage;

use std::path::PathBuf;

pub use self::{
    disk::{Disk, DiskProbe},
    host::Host,
    reading::{HostCounters, Load, Problem, Reading},
    sample::{HIGH, HIGH_PERCENT, NORMAL, Sample, System, Timestamp, UNKNOWN, sample},
};
use crate::kind::{HasKind, Kind};

/// The reason the host cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Neither of the two files that every Linux host has is there.
    #[error("neither `proc/stat` nor `proc/meminfo` can be read under `{}`", .root.display())]
    NoHost {
        /// The folder that should be the root of a host.
        root: PathBuf,
    },
}

impl HasKind for MetricsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoHost { .. } => Kind::NotFound,
        }
    }
}

/// Returns what percentage `part` is of `whole`, to a tenth and at most 100; none of nothing.
///
/// A limit is compared with the rounded figure, so that what is shown is what is judged.
fn round_percent(part: u64, whole: u64) -> Option<f64> {
    let (part, whole) = (u128::from(part.min(whole)), u128::from(whole));
    if whole == 0 {
        return None;
    }
    let tenths = (part * 1000 + whole / 2) / whole;
    Some(f64::from(u16::try_from(tenths).expect("a part is at most the whole")) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::round_percent;

    #[test]
    fn percentages_are_rounded_to_a_tenth_and_clamped() {
        assert_eq!(round_percent(1, 3), Some(33.3));
        assert_eq!(round_percent(8004, 10_000), Some(80.0));
        assert_eq!(round_percent(8005, 10_000), Some(80.1));
        assert_eq!(round_percent(9, 3), Some(100.0));
        assert_eq!(round_percent(u64::MAX, u64::MAX), Some(100.0));
        assert_eq!(round_percent(0, 0), None);
    }
}
