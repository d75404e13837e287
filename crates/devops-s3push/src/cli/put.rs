//! The flags of `put`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, value_parser};
use devops_cli::{KeepFlags, When};
use devops_core::{
    s3::{Algorithm, Method, Proof, RetentionMode, S3Uri},
    units::ByteSize,
};

use super::store::{Connection, Transfer};

const USAGE: &str = "\
devops-s3push put [OPTIONS] <PATH>... <S3_URI>
       devops-s3push put [OPTIONS] --from-command <S3_URI> -- <CMD>...";

const PUT_HELP: &str = "\
With --keep- flags, only those archives are put that `prune` with the same flags would keep. The \
archives in the store count too: what was pruned there does not go up again, so that a nightly \
put and prune send nothing twice. Files that are no archives, and a single file that is named, \
are always put.";

#[derive(Args)]
#[command(override_usage = USAGE, after_long_help = PUT_HELP)]
pub(crate) struct PutArgs {
    /// Files, folders, globs, or - for the standard input; and last where to: a bucket with a key, or
    /// with a prefix that ends with /
    ///
    /// Without a key the file's name is the key. The key of a file in a folder is the prefix and the
    /// path in the folder. A file whose name begins with - goes behind --, and one called - is ./-
    #[arg(required_unless_present = "command", value_name = "PATH")]
    pub(crate) operands: Vec<OsString>,
    /// With --from-command the command to run, with its arguments, which no shell reads; else more
    /// of what can stand before --
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    /// Upload to this destination as well
    ///
    /// Each place has its own result: one that fails does not keep the others from being stored (exit 3).
    /// A stream is read once for all of them, and goes as fast as the slowest takes it; files go side by
    /// side, so that what the disk gave to the first comes from memory for the others.
    #[arg(long, value_name = "S3_URI")]
    pub(crate) also: Vec<S3Uri>,
    #[command(flatten)]
    pub(crate) replace: ReplaceFlags,
    /// Leave out what matches, in folders and globs
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Put only what matches, in folders and globs
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    #[command(flatten)]
    pub(crate) selection: SelectionFlags,
    /// Put what symbolic links in folders point to, instead of skipping them (exit 3)
    ///
    /// So it is with links that a GLOB of this tool finds. A link that is named on the command line, by a
    /// person or by the shell, is always followed, to a file or to a folder.
    #[arg(long)]
    pub(crate) follow_symlinks: bool,
    /// Show what would be put, and what is there already
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what was stored to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Write how it went to this file, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) object: ObjectFlags,
    #[command(flatten)]
    pub(crate) stream: StreamFlags,
    #[command(flatten)]
    pub(crate) base: BaseFlags,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Which of several files are put.
#[derive(Args)]
#[command(next_help_heading = "Selection options")]
pub(crate) struct SelectionFlags {
    /// Put only the N newest: of each series of archives, and of the other files in each folder
    ///
    /// Archives of devops-backup are dated by the start they record, others by the date in their name, and
    /// other files by the time of their last change. A single file that is named is always put.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub(crate) newest: Option<u32>,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
}

/// How every new object is stored.
#[derive(Args)]
pub(crate) struct ObjectFlags {
    #[command(flatten)]
    pub(crate) proof: ProofFlags,
    #[command(flatten)]
    pub(crate) attributes: AttributeFlags,
    #[command(flatten)]
    pub(crate) unfinished: UnfinishedFlags,
}

/// How what is stored is proven.
#[derive(Args)]
pub(crate) struct ProofFlags {
    /// Protect and prove with crc64nvme, crc32c, sha256 or none
    #[arg(long, value_name = "ALGORITHM", default_value = "crc64nvme", value_parser = algorithm)]
    pub(crate) checksum: Protection,
    /// Fail with less proof than full, parts, etag or size
    #[arg(long, value_name = "LEVEL", default_value = "size")]
    pub(crate) require_proof: Proof,
    /// Make parts of this size (5 MiB to 5 GiB) instead of choosing it
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<ByteSize>,
}

/// What is known of a stream, and where it comes from.
#[derive(Args)]
#[command(next_help_heading = "Stream options")]
pub(crate) struct StreamFlags {
    /// Run the command behind -- and put what it writes
    ///
    /// The object appears only after the command has exited with 0; otherwise nothing is stored. What the
    /// command writes to stderr is passed on, and it reads nothing. It is started only if the key is free.
    /// The keys and the token of AWS in the environment are not handed on to it.
    #[arg(long)]
    pub(crate) from_command: bool,
    /// Fail unless the stream has exactly this many bytes
    ///
    /// Without it the end of the standard input is taken as the end of the object, and a producer that
    /// died early goes unnoticed; unless it is devops-backup, whose archives (those made with
    /// --reproducible excepted) say themselves where they end. A stream of unknown length may have 312 GiB;
    /// for more, give this or a larger --max-memory.
    #[arg(long, value_name = "BYTES")]
    pub(crate) expect_size: Option<ByteSize>,
    /// Write the whole stream to a file in this folder before sending it, so that `resume` can go on
    ///
    /// It needs as much space there as the stream has, and the upload begins when the stream has ended;
    /// in return the store can copy what it has already, and an upload that breaks off can be gone on with.
    /// A stream that breaks off leaves nothing. The file is for its owner's eyes only, and removed when the
    /// object is stored.
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

/// What becomes of existing objects.
#[derive(Args)]
pub(crate) struct ReplaceFlags {
    /// Replace existing objects
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Overwrite only objects whose content differs
    ///
    /// The content is compared by checksum. An object that someone else changes meanwhile is not
    /// replaced (75), where the store knows conditional writes.
    #[arg(long)]
    pub(crate) if_changed: bool,
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
    ///
    /// An upload whose file changed since is aborted and begun anew in any case.
    #[arg(long)]
    pub(crate) restart: bool,
    /// Abort an upload that breaks off, instead of keeping it for a later run
    ///
    /// For hosts that are gone afterwards, where nobody could go on with it.
    #[arg(long)]
    pub(crate) no_resume: bool,
}

/// What new objects are stored with.
#[derive(Args)]
#[command(next_help_heading = "Object options")]
pub(crate) struct AttributeFlags {
    /// Store this with the object
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Keep the mode and the modification time of each file in its metadata
    ///
    /// They are named as rclone (mode, mtime) and s3cmd (s3cmd-attrs) name them; `get --preserve` gives them
    /// back. Owners, links and empty folders are not kept: devops-backup makes an archive of a whole tree.
    #[arg(long)]
    pub(crate) preserve: bool,
    /// Store this media type with the object
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
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
    pub(crate) lock_mode: Option<RetentionMode>,
    /// Lock it for so long (90d), or until then (2027-03-01, 2027-03-01T12:00:00Z)
    ///
    /// A day stands for the midnight it begins with, at this host's present offset.
    #[arg(long, value_name = "WHEN")]
    pub(crate) lock_until: Option<When>,
    /// Lock the object until somebody lifts the hold
    #[arg(long)]
    pub(crate) legal_hold: bool,
}

/// A checksum, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection(pub(crate) Option<Algorithm>);

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// Metadata travels as a header of its own for each key (RFC 9110, "Tokens").
fn metadata(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !key.bytes().all(is_token) {
        return Err(format!(
            "`{key}` cannot be the name of a header: letters, digits, - and _ can"
        ));
    }
    if value.contains(char::is_control) {
        return Err(format!("the value of `{key}` has a control character"));
    }
    Ok((key, value))
}

fn media_type(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.contains(|character: char| !matches!(character, ' '..='~')) {
        return Err("a media type has printable ASCII characters alone".to_owned());
    }
    Ok(text.to_owned())
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
