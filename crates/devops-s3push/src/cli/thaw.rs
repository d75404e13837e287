//! The flags of `thaw`.

use std::time::Duration;

use clap::{Args, value_parser};
use devops_core::s3::{RetrievalTier, S3Uri};

use super::store::{Connection, duration};

const THAW_HELP: &str = "\
An object in GLACIER or DEEP_ARCHIVE cannot be read; the store makes a copy of it that can, and \
stays for some days. Out of an archive tier of INTELLIGENT_TIERING the object itself comes back. \
Objects that are being thawed, or stay thawed for long enough, are left as they are: the same \
command can be repeated.

  expedited  1 to 5 minutes, for the most money; not from deep archives
  standard   3 to 5 hours, from deep archives 12
  bulk       5 to 12 hours, from deep archives 48

EXIT CODES
  0 asked for, or nothing to do; with --status or --wait: all can be read
  3 some could not be asked for, and each was named
  10 with --status: some cannot be read yet
  75 with --wait: some cannot be read yet; or the store has no room for expedited retrievals";

#[derive(Args)]
#[command(after_long_help = THAW_HELP)]
pub(crate) struct ThawArgs {
    /// The object, or a prefix: the bucket, or a key that ends with /
    #[arg(value_name = "S3_URI")]
    pub(crate) source: S3Uri,
    /// Days to keep the restored copy, counted from when it is there
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = value_parser!(u16).range(1..))]
    pub(crate) days: u16,
    /// Retrieval tier: expedited, standard or bulk
    #[arg(long, value_name = "TIER", default_value = "standard")]
    pub(crate) tier: RetrievalTier,
    /// Only say what is archived, thawing or thawed: 0 if all can be read, 10 if some cannot
    #[arg(long)]
    pub(crate) status: bool,
    /// Wait until all can be read, for so long at most (75 then)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
    /// Leave out what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Thaw only what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Show what would be asked for
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
