//! Which archives are kept, as the tools that remove some let it be said.

use std::time::Duration;

use clap::Args;
use devops_core::{
    kind::Kind,
    retention::KeepPolicy,
    units::{count, parse_duration},
};

use crate::failure::Failure;

/// Refuses to remove `n` archives where at most `most` may go at once.
pub fn check_removals(n: usize, most: usize) -> Result<(), Failure> {
    if n <= most {
        return Ok(());
    }
    let message = format!("{} would go, and {most} may at once", count(n, "archive"));
    let hint = format!("nothing was removed; allow it with `--max-delete {n}`");
    Err(Failure::new(Kind::Denied, message).hint(hint))
}

/// The flags of every command that keeps archives by rules.
#[derive(Args, Debug)]
#[allow(clippy::struct_field_names, reason = "they are the flags")]
pub struct KeepFlags {
    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: u32,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_hourly: u32,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: u32,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: u32,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: u32,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_yearly: u32,
    /// Keep all that are at most this much older than the newest, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    keep_within: Option<Duration>,
}

impl KeepFlags {
    /// Returns the rules.
    pub fn policy(&self) -> KeepPolicy {
        KeepPolicy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within,
        }
    }
}
