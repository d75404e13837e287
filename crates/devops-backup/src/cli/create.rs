//! The flags of `create`, which profiles share.

use std::path::PathBuf;

use clap::Args;
use devops_cli::parse_mode;
use devops_core::archive::{BackupName, Level};

use super::LockFlags;

/// Create an archive of a folder or a file
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_long_help = CREATE_HELP)]
pub(crate) struct CreateArgs {
    /// The folder or file to back up; its content is stored relative to it
    pub(crate) source: PathBuf,
    /// The folder for the archive, made if missing, or - for stdout
    pub(crate) dest: PathBuf,
    /// The first part of the archive's file name
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    #[command(flatten)]
    pub(crate) flags: CreateFlags,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Show what would go in, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How an archive is made, by `create` or by a profile.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct CreateFlags {
    /// How hard to compress: 1 to 12, fast or best [default: 5, about the size of pigz -6]
    #[arg(long)]
    pub(crate) level: Option<Level>,
    /// Leave out what matches a pattern; may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Read patterns to leave out from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_from: Vec<PathBuf>,
    /// Leave out what .gitignore and .backupignore files in SOURCE say
    #[arg(long)]
    pub(crate) ignore_files: bool,
    /// Store folders that hold a CACHEDIR.TAG with nothing else in them
    #[arg(long)]
    pub(crate) exclude_caches: bool,
    /// Stay on the file system of SOURCE; folders on others are stored empty
    #[arg(long)]
    pub(crate) one_file_system: bool,
    /// Read and compress everything, and copy nothing from an earlier archive
    #[arg(long)]
    pub(crate) full: bool,
    /// Copy from an earlier archive that others could have written, too
    #[arg(long)]
    pub(crate) reuse_from_any: bool,
    /// The permission bits of the archive; others must not be able to write to it
    #[arg(long, value_name = "OCTAL", value_parser = parse_mode, default_value = "600")]
    pub(crate) mode: u32,
    /// The group of the archive, by name or number
    #[arg(long, value_name = "NAME|GID")]
    pub(crate) group: Option<String>,
    /// Make the same bytes from the same files: owner 0:0, no host, source or start time, times
    /// after `SOURCE_DATE_EPOCH` set to it
    #[arg(long)]
    pub(crate) reproducible: bool,
    /// Print the SHA-256 of the archive
    #[arg(long)]
    pub(crate) sha256: bool,
    #[command(flatten)]
    pub(crate) seal: SealFlags,
}

/// Whom an archive is encrypted to.
#[derive(Args, Debug)]
pub(crate) struct SealFlags {
    /// Encrypt to this X25519 key of age, age1...; may be given again
    #[arg(long, value_name = "KEY")]
    pub(crate) recipient: Vec<String>,
    /// Encrypt to the public keys in a file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) recipients_file: Vec<PathBuf>,
    /// Encrypt to the passphrase in the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Keep a plain copy of everything on this host, for the next encrypted archive to copy from
    #[arg(long)]
    pub(crate) cache: bool,
}

const CREATE_HELP: &str = "\
The archive is DEST/NAME-YYYY-MM-DD.tar.gz by the local date; a second one of a day carries the
time as well. It is readable by its owner alone unless --mode and --group say otherwise, and
appears only when it is whole. A NAME belongs to one SOURCE and host: another one needs another
--name.

While others create, one may create too; while `prune` or `run` is at work there, it fails with 75.

REUSE
  What is unchanged is copied from the newest archive of the NAME in DEST, and what that archive
  says goes in unread. So it must be one that no other user could have written: it belongs to
  root, the owner of DEST or the owner that new files get there, and neither others nor a shared
  group may write to it; or this host made it, as it remembers in $XDG_STATE_HOME/devops/backup
  (or ~/.local/state). Otherwise everything is read, and why is said; --reuse-from-any copies
  all the same.

PATTERNS
  *.log          a name, at any depth
  /tmp           from SOURCE on
  cache/         folders only; a folder that matches is left out whole
  logs/**/*.old  * and ? stay within a name, ** goes across folders
  !keep.log      takes an earlier pattern back; the last one that matches decides
  Lines of --exclude-from that begin with # are comments. Patterns of files come first.

IGNORE FILES
  With --ignore-files the patterns of .gitignore and .backupignore files count, in SOURCE and all
  folders below; git's own end at their repository, and leave out tracked files as well.
  .backupignore decides first: !.env in SOURCE/.backupignore brings back what any .gitignore leaves
  out. --exclude stands above both. Files above SOURCE and git's settings do not count.

ENCRYPTION
  With --recipient, --recipients-file or --passphrase-file the archive is NAME-YYYY-MM-DD.tar.gz.age,
  which `age -d -i KEYS ARCHIVE | tar xz` restores too; `age-keygen -o KEYS` makes keys. A host
  that only knows recipients cannot read its old archives, so each run reads everything. With
  --cache it keeps the last archive of each source in plain, all its contents with it, readable
  by its owner alone, in $XDG_CACHE_HOME/devops/backup (or ~/.cache), and the next run copies
  from it what is unchanged. Without --cache a run removes the copy of an earlier one.
  An encrypted archive does not tell its host and source: give each a NAME or DEST of its own.

KEPT
  Owners, modes, times to the nanosecond, hard links, FIFOs, devices, extended attributes, access
  control lists and capabilities. `tar --xattrs --xattrs-include=* --acls -xp` and `bsdtar -xp` restore
  them too. With --reproducible only user.* attributes and capabilities.

SKIPPED
  Sockets, earlier archives in DEST, the plain copies of encrypted archives, with --exclude-caches the
  content of caches and, with --one-file-system, what lies on other file systems are left out and
  named, and the exit code stays 0. What could not be read, and files that changed while being read,
  are named with exit code 3: of such a file the archive has as many bytes as it had at first. So are
  files whose content is another than in the archive before though nothing about them changed: a disk
  may be failing. A thirtieth of what is unchanged is read for that each day.";
