//! The flags of `undelete`.

use clap::Args;
use devops_core::s3::S3Uri;

use super::store::Connection;

const UNDELETE_HELP: &str = "\
In a bucket that keeps versions a removal hides an object behind a delete marker. The markers are \
removed, and the newest version is there again; versions stay as they are. What was overwritten is \
not hidden: `list --versions` shows the earlier versions, `get --version-id` and `get --at` fetch \
them.";

#[derive(Args)]
#[command(after_long_help = UNDELETE_HELP)]
pub(crate) struct UndeleteArgs {
    /// The objects; with --recursive folders, with all that is in them
    #[arg(required = true, value_name = "S3_URI")]
    pub(crate) objects: Vec<S3Uri>,
    /// Bring back all whose keys begin with what is named and a slash
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Leave what matches, by the rest of its key
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Bring back only what matches, by the rest of its key
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Show what would come back
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
