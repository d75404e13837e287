//! The flags of `run` and `timer`, which work on profiles.

use clap::{Args, ValueEnum};
use devops_core::units::ByteSize;

use super::{lock::LockFlags, profile, read::parse_share};

/// Run the profiles of the config file: back up, verify, prune, with hooks and notifications
#[derive(Args, Debug)]
#[command(after_long_help = profile::RUN_HELP)]
pub(crate) struct RunArgs {
    /// The profile, `[backup.profile.NAME]`; without it all of them, one after the other
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Accept that sources lost more than they may, and prune their archives from now on
    #[arg(long)]
    pub(crate) accept_shrunk: bool,
    /// The share of its entries or bytes that a source may lose, in place of the profile's
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) shrink_limit: Option<f64>,
    /// Keep so many bytes free in the folder for the archives, in place of the profile's
    #[arg(long, value_name = "SIZE")]
    pub(crate) keep_free: Option<ByteSize>,
    /// Show what would be archived and removed; write nothing, run no hooks, send no notifications
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Print a service and a timer of systemd that run a profile, or a line for cron
#[derive(Args, Debug)]
#[command(after_long_help = profile::TIMER_HELP)]
pub(crate) struct TimerArgs {
    /// The profile; without it one service runs all of them
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Schedule: a calendar event of systemd.time(7); with --cron a keyword or the five fields of crontab(5)
    #[arg(long, value_name = "WHEN", default_value = "daily")]
    pub(crate) on_calendar: String,
    /// Print a line for cron instead
    #[arg(long)]
    pub(crate) cron: bool,
    /// Print one of the two units alone, to be redirected into its file
    #[arg(long, value_enum, conflicts_with = "cron")]
    pub(crate) only: Option<Unit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    Service,
    Timer,
}
