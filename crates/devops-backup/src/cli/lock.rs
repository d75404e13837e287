//! The flags of a command that locks the folder of the archives.

use std::time::Duration;

use clap::Args;
use devops_core::units::parse_duration;

/// The wait for another process at work in the same folder.
#[derive(Args, Debug)]
pub(crate) struct LockFlags {
    /// Wait up to this long for the lock on the folder of the archives, then exit with 75
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    pub(crate) lock_wait: Duration,
}
