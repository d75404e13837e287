//! The flags of `prune`.

use std::path::PathBuf;

use clap::{Args, builder::NonEmptyStringValueParser};
use devops_cli::KeepFlags;
use devops_core::archive::BackupName;

use super::{KeyFlags, lock::LockFlags};

/// Remove archives that a policy no longer keeps
#[derive(Args, Debug)]
#[command(after_long_help = PRUNE_HELP)]
pub(crate) struct PruneArgs {
    /// The folder with the archives
    pub(crate) dest: PathBuf,
    /// The name of the backup; files of other names are never touched
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    /// The host of the archives, as they record it; those of others are left alone
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    #[command(flatten)]
    pub(crate) limits: PruneFlags,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Show what would be kept, why, and what removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The archives that a prune counts, and the most it may remove.
#[derive(Args, Debug)]
pub(crate) struct PruneFlags {
    /// Let archives of every owner count, not only those of root, of the folder's owner and our own
    #[arg(long)]
    pub(crate) any_owner: bool,
    /// Let encrypted archives and those of other tools count that have less than a tenth of the
    /// usual size
    #[arg(long)]
    pub(crate) accept_small: bool,
    /// Remove as many as N at once [default: 10, or half of the archives if that is more]
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
}

const PRUNE_HELP: &str = "\
The rules are those of restic: one archive may be kept by several, and one reason is enough. \
Archives are grouped by series: NAME, host (with its machine, see `create`) and source, which are \
shown; and dated by the start time they record, at its own local time; archives of other tools by \
the date in their name. The hour that a clock turned back repeats is one hour. One dated in the future \
stays, and counts for no rule. Encrypted archives without a key here are grouped by NAME alone, \
dated by the date in their name, and not opened; those from before the encryption are a group \
of their own.

WHAT COUNTS
  Before anything of a group goes, what the rules keep proves itself: an archive of ours by its \
  index and footer, the newest one of another tool by being read whole, an encrypted one by its \
  header and whole chunks, as far as they can be told without a key. What was found out is \
  remembered for 30 days in $XDG_STATE_HOME/devops/backup (or ~/.local/state).
  An archive counts that belongs to root, to the owner of DEST or to the owner that new files \
  get there, or that this host made; with --any-owner the owner does not matter. Encrypted \
  archives and those of other tools that have less than a tenth of the median size of the five \
  before count only with --accept-small. What does not count is named and stays, and the exit \
  code is 3.

HOW MUCH
  More removals than 10, or than half of the archives where that is more, are refused (11) \
  unless --max-delete allows them. In a profile, `max_delete` or that number go in one run, the \
  oldest first, and the rest in the next ones.";
