//! The flags of `list`.

use clap::{Args, builder::NonEmptyStringValueParser};
use devops_core::s3::S3Uri;

use super::store::Connection;

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The bucket, or a prefix in it
    #[arg(value_name = "S3_URI")]
    pub(crate) prefix: S3Uri,
    /// List all versions and delete markers, with the ids that `get --version-id` takes
    #[arg(long, conflicts_with = "delimiter")]
    pub(crate) versions: bool,
    /// List one level: of keys with this behind the prefix, only what comes before it
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) delimiter: Option<String>,
    /// Say at the end how many there are, and how many bytes they have
    #[arg(long)]
    pub(crate) summarize: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
