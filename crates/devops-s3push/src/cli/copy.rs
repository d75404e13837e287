//! The flags of `copy` and `move`.

use clap::Args;
use devops_core::s3::{S3Uri, UriError};

use super::store::Connection;

const COPY_HELP: &str = "\
The store copies; the bytes do not pass here. Metadata and tags go along, the storage class, \
and the encryption, which the store has to confirm; locks do not. Afterwards the copy is compared with the object, by checksum or ETag where the store \
has them. `move` deletes the object only where one of these proves the copy; it looks at the object \
once more right before, and asks the store to delete only that one, which not every store does: what \
another writer puts there in that very moment may be lost.";

#[derive(Args)]
#[command(after_long_help = COPY_HELP)]
pub(crate) struct CopyArgs {
    /// The object, or a prefix that ends with /, with all below it
    #[arg(value_name = "S3_URI", value_parser = object)]
    pub(crate) source: S3Uri,
    /// Where to: a key, or a prefix that ends with /
    #[arg(value_name = "S3_URI", value_parser = object)]
    pub(crate) destination: S3Uri,
    /// Replace existing objects
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Overwrite only objects whose content differs
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) if_changed: bool,
    /// Leave out what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Take only what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Show what would be copied
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Other tools copy files to and from a store with the command of this name.
fn object(text: &str) -> Result<S3Uri, String> {
    text.parse().map_err(|error| match error {
        UriError::Scheme(_) => format!("{error}: `put` stores files, and `get` fetches objects"),
        UriError::Bucket(_) | UriError::KeyTooLong(_) => error.to_string(),
    })
}
