//! The flags of `rm`.

use clap::Args;
use devops_core::s3::S3Uri;

use super::store::Connection;

const RM_HELP: &str = "\
Nothing is removed if anything that is named does not exist, or if a listing cannot be read to its \
end. In a bucket that keeps versions a removal is a delete marker: it hides the object, whose \
versions stay and cost. With --versions they go for good, the latest last; versions that are \
locked stay, are named, and the exit code is 3.";

#[derive(Args)]
#[command(after_long_help = RM_HELP)]
pub(crate) struct RmArgs {
    /// The objects; with --recursive folders, with all that is in them
    #[arg(required = true, value_name = "S3_URI")]
    pub(crate) objects: Vec<S3Uri>,
    /// Remove all whose keys begin with what is named and a slash
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Leave what matches, by the rest of its key
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Remove only what matches, by the rest of its key
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Remove all versions and delete markers for good, instead of hiding what is there
    #[arg(long)]
    pub(crate) versions: bool,
    #[command(flatten)]
    pub(crate) limit: LimitFlags,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What holds a removal back.
#[derive(Args)]
pub(crate) struct LimitFlags {
    /// Refuse to remove more than N, and remove nothing then (exit 11)
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
