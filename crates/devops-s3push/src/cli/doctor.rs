//! The flags of `doctor`.

use clap::Args;
use devops_core::s3::S3Uri;

use super::store::Connection;

/// Find out what a store can do, and what that means for puts
///
/// Small objects are put below the prefix and deleted again. What was found out is remembered for a week:
/// later puts go by it instead of being refused first.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// The bucket, or a prefix in it
    #[arg(value_name = "S3_URI")]
    pub(crate) prefix: S3Uri,
    /// Put nothing: less can be found out
    #[arg(long)]
    pub(crate) no_write: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
