//! The flags of `prune`.

use std::time::Duration;

use clap::Args;
use devops_core::{
    archive_index::BackupName,
    s3::{LockMode, S3Uri},
};

use super::{
    rm::LimitFlags,
    store::{Connection, duration},
};

const PRUNE_HELP: &str = "\
The rules are those of restic, and of `devops-backup prune`: one archive may be kept by several,
and one reason is enough. Archives are grouped by NAME, host and source, and dated by the start
time they record; archives that are encrypted or of other tools are grouped by NAME alone, and
dated by the date in it.

Before anything of a group is removed, its newest archive proves itself without being fetched: by
the footer one of ours ends with, else by having bytes that begin as an archive does. One that
cannot, or is in a class where it cannot be read, is named, counts for no rule and stays, and the
exit code is 3. So it is with archives that a lock keeps. One dated in the future stays, and
counts for no rule either.

In a bucket that keeps versions a removal is a delete marker: it hides the archive, whose versions
stay and cost. With --versions those of what the rules no longer keep go for good; what was hidden
before stays.

--lock-mode locks what is kept for as long as the rules will keep it at least, if one comes in
each period of the finest rule; a week, month or year that is not over promises nothing to its
newest, and --keep-last promises nothing at all. Locks are extended and never shortened.";

#[derive(Args)]
#[command(after_long_help = PRUNE_HELP)]
pub(crate) struct PruneArgs {
    /// The folder with the archives: the bucket, or a prefix that ends with /
    #[arg(value_name = "S3_URI")]
    pub(crate) folder: S3Uri,
    /// The name of the backup; objects of other names are never touched
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    /// Remove all versions of what goes for good, instead of hiding it
    #[arg(long)]
    pub(crate) versions: bool,
    /// Lock what is kept: governance, or compliance, which nobody can lift
    #[arg(long, value_name = "MODE")]
    pub(crate) lock_mode: Option<LockMode>,
    #[command(flatten)]
    pub(crate) limit: LimitFlags,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What is kept.
#[derive(Args)]
#[allow(clippy::struct_field_names, reason = "they are the flags")]
pub(crate) struct KeepFlags {
    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_last: u32,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_hourly: u32,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_daily: u32,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_weekly: u32,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_monthly: u32,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_yearly: u32,
    /// Keep all that are at most this much older than the newest, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) keep_within: Option<Duration>,
}
