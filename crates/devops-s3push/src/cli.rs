//! The flags of devops-s3push and their defaults.

mod copy;
mod doctor;
mod get;
mod list;
mod prune;
mod put;
mod rm;
mod store;
mod sync;
mod thaw;
mod trust;
mod undelete;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use devops_cli::{SecondSignal, Tool};
use devops_core::s3::{Proof, S3Uri};

use self::store::duration;
pub(crate) use self::{
    copy::CopyArgs,
    doctor::DoctorArgs,
    get::GetArgs,
    list::ListArgs,
    prune::PruneArgs,
    put::{
        AttributeFlags, BaseFlags, ObjectFlags, Protection, PutArgs, SelectionFlags,
        UnfinishedFlags,
    },
    rm::{LimitFlags, RmArgs},
    store::{Connection, Transfer},
    sync::SyncArgs,
    thaw::ThawArgs,
    undelete::UndeleteArgs,
};

pub(crate) const TOOL: Tool = Tool {
    name: "devops-s3push",
    table: "s3push",
    trust: trust::TRUST,
    subjects: trust::SUBJECTS,
    secret: &[],
    profile: None,
    synonyms: &[
        ("upload", "put"),
        ("download", "get"),
        ("restore", "get"),
        ("ls", "list"),
        ("del", "rm"),
        ("delete", "rm"),
        ("remove", "rm"),
        ("mirror", "sync"),
    ],
    second_signal: SecondSignal::EndsAtOnce,
    fails_with_1: None,
};

const AFTER_HELP: &str = "\
EXAMPLES
  devops-s3push put backup.tar.gz s3://backups
  devops-s3push put site/ s3://www/2025/ --exclude '*.map'
  devops-s3push put backups/ s3://backups/web-1/ --keep-daily 7 --keep-monthly 12
  devops-s3push sync site/ s3://www/live/ --delete
  devops-s3push sync s3://www/live/ site/ --delete
  devops-s3push resume
  pg_dump shop | devops-s3push put - s3://backups/shop.sql
  devops-s3push put --from-command s3://backups/etc.tar.gz -- devops-backup create /etc -
  devops-s3push put backup.tar.gz s3://backups --also s3://far-away/host/
  devops-s3push mb s3://backups
  devops-s3push list s3://backups/2025/ --versions
  devops-s3push get s3://backups/backup.tar.gz .
  devops-s3push get s3://www/live/ site/ --at '2026-11-22 08:00'
  devops-s3push thaw s3://backups/2024/ --tier bulk
  devops-s3push verify backup.tar.gz s3://backups/backup.tar.gz
  devops-s3push presign s3://backups/backup.tar.gz --expires 1d
  devops-s3push copy s3://www/live/ s3://archive/www/2025/
  devops-s3push move s3://www/draft.html s3://www/live/
  devops-s3push rm s3://www/2024/ --recursive --dry-run
  devops-s3push undelete s3://www/2024/ --recursive
  devops-s3push prune s3://backups/ --keep-daily 7 --keep-monthly 12 --dry-run
  devops-s3push uploads list s3://backups/
  devops-s3push uploads abort s3://backups/ --older-than 7d
  devops-s3push doctor s3://backups/

EXIT CODES
  0 done   1 failed, or the key is taken   2 wrong usage
  3 some files were skipped, refused or failed, and each was named
  5 file, bucket or object not found
  10 content differs, an object lacks the encryption, lock or hold that was asked for, `doctor`
     found what puts need missing, or `thaw --status` what cannot be read yet
  11 refused: `resume` of a source that was changed, more would be deleted than may be, or a key
     would go over plain HTTP
  75 try again later
  77 no or wrong credentials, or no permission   78 wrong configuration
  125 126 127 the command of --from-command cannot be supervised, executed, found
  128+n ended by signal n";

/// Put files and folders into S3 and prove that they arrived
#[derive(Parser)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Put files, folders, globs or the standard input
    Put(Box<PutArgs>),
    /// Mirror a folder to a prefix, or a prefix to a folder
    Sync(Box<SyncArgs>),
    /// Resume interrupted uploads
    Resume(ResumeArgs),
    /// Get an object into a file, or all under a prefix into a folder
    Get(Box<GetArgs>),
    /// Restore archived objects (GLACIER and deeper tiers) so that they can be read
    Thaw(ThawArgs),
    /// List objects and their versions
    List(ListArgs),
    /// Print a presigned URL for one object
    Presign(PresignArgs),
    /// Compare files with objects
    Verify(VerifyArgs),
    /// Copy objects inside a store
    #[command(visible_alias = "cp")]
    Copy(Box<CopyArgs>),
    /// Move objects inside a store
    #[command(visible_alias = "mv")]
    Move(Box<CopyArgs>),
    /// Remove objects and versions
    Rm(RmArgs),
    /// Bring back objects that delete markers hide
    Undelete(UndeleteArgs),
    /// Make a bucket
    Mb(MbArgs),
    /// Remove archives that a policy no longer keeps
    Prune(PruneArgs),
    /// List or abort unfinished multipart uploads
    #[command(subcommand)]
    Uploads(UploadsCommand),
    /// Find out what a store can do, and what that means for puts
    Doctor(DoctorArgs),
}

#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// The upload, as the put that broke off named it; all of this host without it
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Give the uploads up, and free their parts in the store
    #[arg(long)]
    pub(crate) drop: bool,
    /// Show what is unfinished
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
pub(crate) struct MbArgs {
    /// The bucket
    #[arg(value_name = "S3_URI")]
    pub(crate) bucket: S3Uri,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
pub(crate) struct PresignArgs {
    /// The object
    #[arg(value_name = "S3_URI")]
    pub(crate) object: S3Uri,
    /// How long the address works, a week at most; it ends with the credentials if they end before
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) expires: Duration,
    /// Presign a PUT, which may overwrite the object, instead of a GET
    #[arg(long)]
    pub(crate) put: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// A file or folder
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The object, or the prefix the folder was put under
    #[arg(value_name = "S3_URI")]
    pub(crate) object: S3Uri,
    /// Ask for the checksum of every part, and say where an object differs
    #[arg(long, conflicts_with = "deep")]
    pub(crate) parts: bool,
    /// Fetch the objects and compare every byte
    #[arg(long)]
    pub(crate) deep: bool,
    /// Minimum proof: full, parts, etag or size; anything weaker counts as a difference, and another MD5 always does
    #[arg(long, value_name = "LEVEL", default_value = "size")]
    pub(crate) require_proof: Proof,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Subcommand)]
pub(crate) enum UploadsCommand {
    /// List unfinished multipart uploads
    List(UploadsListArgs),
    /// Abort unfinished multipart uploads and free their parts
    Abort(UploadsAbortArgs),
}

#[derive(Args)]
pub(crate) struct UploadsListArgs {
    /// The bucket, or a prefix in it
    #[arg(value_name = "S3_URI")]
    pub(crate) prefix: S3Uri,
    /// Only those begun longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
pub(crate) struct UploadsAbortArgs {
    /// The bucket, or a prefix in it
    #[arg(value_name = "S3_URI")]
    pub(crate) prefix: S3Uri,
    /// Only those begun longer ago than this; younger ones may still be at work
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = duration)]
    pub(crate) older_than: Duration,
    /// Only the one with this id
    #[arg(long, value_name = "ID")]
    pub(crate) upload_id: Option<String>,
    /// Also those that `resume` could go on with on this host, as their files are still there
    #[arg(long)]
    pub(crate) resumable: bool,
    /// Show what would be aborted
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
