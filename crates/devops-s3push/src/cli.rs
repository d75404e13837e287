//! The flags of devops-s3push and their defaults.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use devops_cli::{SecondSignal, Tool};
use devops_core::{
    s3::{Algorithm, LockMode, Method, Proof, S3Uri},
    units::{ByteSize, UnitError, parse_duration},
};

use crate::when::When;

pub(crate) const TOOL: Tool = Tool {
    name: "devops-s3push",
    table: "s3push",
    guarded: &[
        "endpoint-url",
        "profile",
        "ca-bundle",
        "put",
        "expires",
        "sse-kms-key-id",
        "lock-mode",
        "lock-until",
        "legal-hold",
        "base",
        "restart",
        "drop",
        "resumable",
    ],
    secret: &[],
    profile: None,
    second_signal: SecondSignal::EndsAtOnce,
};

const AFTER_HELP: &str = "\
EXAMPLES
  devops-s3push put backup.tar.gz s3://backups
  devops-s3push put site/ s3://www/2025/ --exclude '*.map'
  devops-s3push resume
  pg_dump shop | devops-s3push put - s3://backups/shop.sql
  devops-s3push get s3://backups/backup.tar.gz .
  devops-s3push verify backup.tar.gz s3://backups/backup.tar.gz
  devops-s3push presign s3://backups/backup.tar.gz --expires 1d
  devops-s3push uploads abort s3://backups/ --older-than 7d

EXIT CODES
  0 done   1 failed, or the key is taken   2 wrong usage
  3 some files were skipped, refused or failed, and each was named
  5 file, bucket or object not found   10 content differs   75 try again later
  77 no or wrong credentials, or no permission   78 wrong configuration
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
    /// Go on with uploads that broke off
    Resume(ResumeArgs),
    /// Get one object into a file
    Get(GetArgs),
    /// List objects
    List(ListArgs),
    /// Print an address with which anybody can get one object for some time
    Presign(PresignArgs),
    /// Compare files with objects
    Verify(VerifyArgs),
    /// List or abort unfinished multipart uploads
    #[command(subcommand)]
    Uploads(UploadsCommand),
}

#[derive(Args)]
pub(crate) struct PutArgs {
    /// A file, a folder, a glob, or - for the standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
    /// The bucket with a key, or with a prefix that ends with /
    ///
    /// Without a key the file's name is the key. The key of a file in a folder is the prefix and the
    /// path in the folder.
    #[arg(value_name = "S3_URI")]
    pub(crate) destination: S3Uri,
    /// Replace existing objects
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Leave out what matches, in folders and globs
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Put only what matches, in folders and globs
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Put what symbolic links in folders point to, instead of skipping them (exit 3)
    #[arg(long)]
    pub(crate) follow_symlinks: bool,
    /// Protect and prove with crc64nvme, crc32c, sha256 or none
    #[arg(long, value_name = "ALGORITHM", default_value = "crc64nvme", value_parser = algorithm)]
    pub(crate) checksum: Protection,
    /// Fail with less proof than full, parts, etag or size
    #[arg(long, value_name = "LEVEL", default_value = "size")]
    pub(crate) require_proof: Proof,
    /// Make parts of this size (5 MiB to 5 GiB) instead of choosing it
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<ByteSize>,
    /// Fail unless the standard input has exactly this many bytes
    ///
    /// Without it the end of the input is taken as the end of the object, and a producer that died early
    /// goes unnoticed; unless it is devops-backup, whose archives (those made with --reproducible excepted)
    /// say themselves where they end.
    #[arg(long, value_name = "BYTES")]
    pub(crate) expect_size: Option<ByteSize>,
    /// Show what would be put, and what is there already
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what was stored to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) attributes: AttributeFlags,
    #[command(flatten)]
    pub(crate) base: BaseFlags,
    #[command(flatten)]
    pub(crate) unfinished: UnfinishedFlags,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What the store can copy, so that it need not be sent.
#[derive(Args)]
#[command(next_help_heading = "Copy options")]
pub(crate) struct BaseFlags {
    /// Let the store copy from this archive what the new one has in common with it
    ///
    /// It is in the same bucket. Without it an archive of devops-backup is made from the newest one of its
    /// name beside it, or from the one it replaces, unless that is in a class where copying costs more
    /// than sending. What is copied is not sent, and compared with the file all the same.
    #[arg(long, value_name = "S3_URI")]
    pub(crate) base: Option<S3Uri>,
    /// Send everything, whatever the store has already
    #[arg(long)]
    pub(crate) no_base: bool,
}

/// What becomes of an upload that breaks off.
#[derive(Args)]
#[command(next_help_heading = "Resume options")]
pub(crate) struct UnfinishedFlags {
    /// Begin anew what an earlier run left unfinished, instead of going on with it
    #[arg(long)]
    pub(crate) restart: bool,
    /// Abort an upload that breaks off, instead of keeping it for a later run
    ///
    /// For hosts that are gone afterwards, where nobody could go on with it.
    #[arg(long)]
    pub(crate) no_resume: bool,
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

/// What new objects are stored with.
#[derive(Args)]
#[command(next_help_heading = "Object options")]
pub(crate) struct AttributeFlags {
    /// Store this with the object
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Store this media type with the object
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Store in this class
    #[arg(long, value_name = "CLASS")]
    pub(crate) storage_class: Option<String>,
    /// Tag the object
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// Let the store encrypt: AES256, aws:kms or aws:kms:dsse
    #[arg(long, value_name = "METHOD")]
    pub(crate) sse: Option<Method>,
    /// Encrypt with this key of the key management service instead of its default one
    #[arg(long, value_name = "ID")]
    pub(crate) sse_kms_key_id: Option<String>,
    /// Lock the object: governance, or compliance, which nobody can lift
    ///
    /// The bucket must have Object Lock. A lock is on one version: a new one can still be put over it.
    /// What is there already stays as it is, and is not locked by this.
    #[arg(long, value_name = "MODE")]
    pub(crate) lock_mode: Option<LockMode>,
    /// Lock it for so long (90d), or until then (2027-03-01, 2027-03-01T12:00:00Z)
    ///
    /// A day stands for the midnight it begins with, at this host's present offset.
    #[arg(long, value_name = "WHEN")]
    pub(crate) lock_until: Option<When>,
    /// Lock the object until somebody lifts the hold
    #[arg(long)]
    pub(crate) legal_hold: bool,
}

#[derive(Args)]
pub(crate) struct GetArgs {
    /// The object
    #[arg(value_name = "S3_URI")]
    pub(crate) source: S3Uri,
    /// The file, or a folder to make it in
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The bucket, or a prefix in it
    #[arg(value_name = "S3_URI")]
    pub(crate) prefix: S3Uri,
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
    /// Let whoever has the address put an object there, over one that is there, instead of getting it
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
    /// Fetch the objects and compare every byte, instead of asking for checksums
    #[arg(long)]
    pub(crate) deep: bool,
    /// Take less proof than full, parts, etag or size as a difference
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
    /// Also those that `resume` could go on with on this host
    #[arg(long)]
    pub(crate) resumable: bool,
    /// Show what would be aborted
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Args)]
#[command(next_help_heading = "Transfer options")]
pub(crate) struct Transfer {
    /// How many requests carry data at the same time: auto or a number
    #[arg(long, value_name = "N", default_value = "auto", value_parser = concurrency)]
    pub(crate) concurrency: Concurrency,
    /// How much memory parts may take
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    pub(crate) max_memory: ByteSize,
}

#[derive(Args)]
#[command(next_help_heading = "Connection options")]
pub(crate) struct Connection {
    /// Use this store instead of AWS
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region; a wrong one is corrected when the store names the right one
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Use this profile of the AWS configuration files
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Put the bucket into the path instead of the host name
    #[arg(long)]
    pub(crate) path_style: bool,
    /// Trust the certificates in this file instead of the host's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_bundle: Option<PathBuf>,
    /// Send requests without a signature
    #[arg(long)]
    pub(crate) no_sign_request: bool,
    /// Keep trying for this long until the store answers once, then four times as long per request
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) retry_time: Duration,
    /// Give up a connection that stands still for this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) stall_time: Duration,
}

/// A checksum, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection(pub(crate) Option<Algorithm>);

/// How many requests, 0 to choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Concurrency(pub(crate) usize);

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

fn algorithm(text: &str) -> Result<Protection, String> {
    match text {
        "none" => Ok(Protection(None)),
        _ => match text.parse() {
            Ok(algorithm) => Ok(Protection(Some(algorithm))),
            Err(error) => Err(format!("{error}, none")),
        },
    }
}

fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Concurrency(0)),
        Ok(n) if (1..=1000).contains(&n) => Ok(Concurrency(n)),
        _ => Err(format!("`{text}` is neither auto nor a number from 1 to 1000")),
    }
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}
