//! The flags of `prune`.

use clap::{Args, builder::NonEmptyStringValueParser};
use devops_cli::KeepFlags;
use devops_core::{
    archive_index::BackupName,
    s3::{RetentionMode, S3Uri},
};

use super::store::Connection;

const PRUNE_HELP: &str = "\
The rules are those of restic, and of `devops-backup prune`: one archive may be kept by several, \
and one reason is enough. Archives are grouped by series: NAME, host (with its machine) and \
source, which are shown; and dated by the start time they record. Archives that are encrypted or \
of other tools are grouped by NAME alone, and dated by the date in it.

Before anything of a group is removed, what the rules keep of it proves itself without being \
fetched: an archive of ours by its index and footer, an encrypted one by its header and whole \
chunks. One that cannot, as all of other tools, or is in a class where it cannot be read, is \
named, counts for no rule and stays, and the exit code is 3. So it is with archives that a lock \
keeps, and with encrypted ones that have less than a tenth of the median size of the five before, \
by date or by the time the store got them, unless --accept-small is given. One dated in the future stays, and counts for no rule either. \
What was found out is remembered for 30 days in $XDG_STATE_HOME/devops/s3push (or \
~/.local/state).

More removals than 10, or than half of the archives where that is more, are refused (11) unless \
--max-delete allows them. Who may add objects can still make old ones go by the rules: where \
others write too, prefer --keep-within, versions and locks.

In a bucket that keeps versions a removal is a delete marker: it hides the archive, whose versions \
stay and cost. With --versions those of what the rules no longer keep go for good; what was hidden \
before stays.

--lock-mode locks what is kept for as long as the rules will keep it at least, if one comes in \
each period of the finest rule; a week, month or year that is not over promises nothing to its \
newest, and --keep-last promises nothing at all. Locks are extended and never shortened.";

#[derive(Args)]
#[command(after_long_help = PRUNE_HELP)]
pub(crate) struct PruneArgs {
    /// The folder with the archives: the bucket, or a prefix that ends with /
    #[arg(value_name = "S3_URI")]
    pub(crate) folder: S3Uri,
    /// The name of the backup; objects of other names are never touched
    ///
    /// A folder that has something, but no archive of this name, is an error (exit 5).
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    /// The host of the archives, as they record it; those of others are left alone
    ///
    /// Encrypted archives, and those of other tools, do not say of which host they are.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    /// Remove all versions of what goes for good, instead of hiding it
    #[arg(long)]
    pub(crate) versions: bool,
    /// Lock what is kept: governance, or compliance, which nobody can lift
    #[arg(long, value_name = "MODE")]
    pub(crate) lock_mode: Option<RetentionMode>,
    /// Let encrypted archives count that have less than a tenth of the usual size
    #[arg(long)]
    pub(crate) accept_small: bool,
    /// Remove as many as N at once [default: 10, or half of the archives if that is more]
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
