//! The flags of `get`.

use std::path::PathBuf;

use clap::Args;
use devops_cli::{When, parse_mode};
use devops_core::s3::S3Uri;

use super::store::{Connection, Transfer};

#[derive(Args)]
pub(crate) struct GetArgs {
    /// The object, or a prefix: the bucket, or a key that ends with /
    ///
    /// Of a prefix every object is fetched to its path behind the prefix. Those whose key is no path below
    /// a folder are skipped and named (exit 3).
    #[arg(value_name = "S3_URI")]
    pub(crate) source: S3Uri,
    /// The file, a folder to make it in, or - for stdout
    ///
    /// What goes to stdout is checked as it goes by: only the exit code tells whether it was right.
    ///
    /// A file that has the same content already stays as it is. What is fetched of a large object before
    /// the work breaks off stays beside it, under a hidden name that ends with .s3get-part; the same
    /// command resumes it, if the object is still the same.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// Get this version of the object; `list --versions` shows the ids
    #[arg(long, value_name = "ID", conflicts_with = "at")]
    pub(crate) version_id: Option<String>,
    /// Get what was there then: 2026-11-22, '2026-11-22 08:49:39', or 3d for three days ago
    ///
    /// A prefix is fetched as it was, with what was deleted or overwritten since. The bucket has to keep
    /// versions; an object of several parts is dated by the beginning of its upload. A day
    /// means its end, and a time without fractions all of that second.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    /// Replace existing files
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The permission bits of the files, in octal [default: those of the file that is replaced, or 666 less the umask; at most 600 for archives]
    #[arg(long, value_name = "OCTAL", value_parser = parse_mode)]
    pub(crate) mode: Option<u32>,
    /// Give files the mode and the modification time that put --preserve, rclone or s3cmd kept of them
    ///
    /// The mode comes without setuid, setgid and sticky bits, and --mode counts more. An object without
    /// such metadata gets what it gets without this flag, and a file that is there already stays as it is.
    #[arg(long)]
    pub(crate) preserve: bool,
    /// The group of the files, by name or number
    #[arg(long, value_name = "NAME|GID")]
    pub(crate) group: Option<String>,
    /// Leave out what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Get only what matches, under a prefix
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Show what would be fetched
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
