//! The flags of `create`, which profiles share.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, builder::NonEmptyStringValueParser};
use devops_cli::parse_mode;
use devops_core::archive::{BackupName, Level};

use super::lock::LockFlags;

/// Create an archive of a folder or a file
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_long_help = CREATE_HELP)]
pub(crate) struct CreateArgs {
    /// The folder or file to back up, its content stored relative to it, or - for stdin
    pub(crate) source: PathBuf,
    /// The folder for the archive, made if missing, or - for stdout
    pub(crate) dest: PathBuf,
    /// The first part of the archive's file name
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    /// The name of the one file in the archive that a stream on stdin becomes
    #[arg(long, value_name = "NAME", value_parser = parse_file_name)]
    pub(crate) stdin_name: Option<String>,
    #[command(flatten)]
    pub(crate) flags: CreateFlags,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Show what would go in, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn parse_file_name(text: &str) -> Result<String, &'static str> {
    let is_name = !["", ".", ".."].contains(&text) && !text.contains(['/', '\0']);
    is_name.then(|| text.to_owned()).ok_or("it is not the name of a file")
}

/// The settings of an archive, for `create` and for profiles.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct CreateFlags {
    #[command(flatten)]
    pub(crate) series: SeriesFlags,
    /// Compression level: 1 to 12, fast or best [default: 5, about the size of pigz -6]
    #[arg(long)]
    pub(crate) level: Option<Level>,
    /// Leave out what matches a pattern; may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<OsString>,
    /// Read patterns to leave out from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_from: Vec<PathBuf>,
    /// Skip files matched by .gitignore and .backupignore files in SOURCE
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
    /// Count a file as unchanged that has another inode number, for file systems that make them up
    /// (some FUSE, NFS): one that replaced another of its size and times is then not seen
    #[arg(long)]
    pub(crate) ignore_inode: bool,
    /// Count a file as unchanged that has another change time (ctime), for file systems that make it up:
    /// content of the same size and modification time, and new attributes, are then not seen
    #[arg(long)]
    pub(crate) ignore_ctime: bool,
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
    pub(crate) seal: EncryptFlags,
}

/// The series that an archive belongs to, beside its name.
#[derive(Args, Debug)]
pub(crate) struct SeriesFlags {
    /// The name of this host in the archive, where its own one changes or is not its own
    /// [default: the host's name, with a hash of its machine id]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) host: Option<String>,
    /// The source that the archive is of, where SOURCE is another path each time, as a snapshot is
    /// [default: SOURCE as given, made absolute]
    #[arg(long, value_name = "PATH")]
    pub(crate) source_as: Option<PathBuf>,
}

/// The recipients of an encrypted archive.
#[derive(Args, Debug)]
pub(crate) struct EncryptFlags {
    /// Encrypt for this age recipient (age1...); may be given again
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

impl EncryptFlags {
    /// Returns whether an archive is encrypted.
    pub(crate) fn is_given(&self) -> bool {
        let has_keys = !self.recipient.is_empty() || !self.recipients_file.is_empty();
        has_keys || self.passphrase_file.is_some()
    }
}

const CREATE_HELP: &str = "\
The archive is DEST/NAME-YYYY-MM-DD.tar.gz by the local date; a second one of a day carries the \
time as well. It is readable by its owner alone unless --mode and --group say otherwise, and \
appears only when it is whole.

SERIES
  The archives of one NAME, host and SOURCE are a series: they are copied from and pruned together. \
  The host is its name and, to tell machines of one name apart, a hash of /etc/machine-id; SOURCE is \
  the path as given, made absolute, its links not resolved. A NAME whose newest archive is of \
  another series is refused: give it another --name; or if it is the same one, in a container \
  (another host name each time), after a rename, or from a snapshot (another path each time), say so \
  with --host and --source-as, each time, or in the config file. A host that is named so is on any \
  machine.

While others create, one may create too; while `prune` or `run` is at work there, it fails with 75.

REUSE
  What is unchanged is copied from the newest archive of the NAME in DEST, and what that archive \
  says goes in unread. So it must be one that no other user could have written: it belongs to \
  root, the owner of DEST or the owner that new files get there, and neither others nor a shared \
  group may write to it; or this host made it, as it remembers in $XDG_STATE_HOME/devops/backup \
  (or ~/.local/state). Otherwise everything is read, and why is said; --reuse-from-any copies \
  all the same.

PATTERNS
  *.log          a name, at any depth
  /tmp           from SOURCE on
  cache/         folders only; a folder that matches is left out whole
  logs/**/*.old  * and ? stay within a name, ** goes across folders
  *.{log,tmp}    one of several texts
  img[0-9]?      one character of a set, any one character
  !keep.log      takes an earlier pattern back; the last one that matches decides
  \\              takes the meaning from the character behind it
  Lines of --exclude-from that begin with # are comments. Patterns of files come first. Those that \
  match nothing are named. One that is not UTF-8 is compared byte by byte, and braces in it are themselves.

IGNORE FILES
  With --ignore-files the patterns of .gitignore and .backupignore files count, in SOURCE and all \
  folders below, and mean what they mean to git; git's own end at their repository, and leave out tracked files as well. \
  .backupignore decides first: !.env in SOURCE/.backupignore brings back what any .gitignore leaves \
  out. --exclude stands above both. Files above SOURCE and git's settings do not count.

SPARSE FILES
  Holes are not read, and come back as holes. A file with more than 1 GiB of them is stored without, in \
  the sparse format of GNU tar, which bsdtar and Python read as well. A tar that does not know it, \
  such as busybox, puts what is stored of the file under GNUSparseFile.0/.

A STREAM
  pg_dump app | devops-backup create - DEST --name app --stdin-name app.sql
  makes an archive of one file. The stream is first written to a file without a name in DEST, or in \
  $TMPDIR if DEST is - or the archive is encrypted. That a command in front fails cannot be seen \
  through a pipe: `set -o pipefail`, or run it in `before` of a profile. Its SERIES is of the source \
  stdin:NAME.

ENCRYPTION
  With --recipient, --recipients-file or --passphrase-file the archive is NAME-YYYY-MM-DD.tar.gz.age, \
  which `age -d -i KEYS ARCHIVE | tar xz` restores too; `age-keygen -o KEYS` makes keys. A host \
  that only knows recipients cannot read its old archives, so each run reads everything. With \
  --cache it keeps the last archive of each source in plain, all its contents with it, readable \
  by its owner alone, in $XDG_CACHE_HOME/devops/backup (or ~/.cache), and the next run copies \
  from it what is unchanged; until then it holds what was deleted from the source, too. Without --cache a run removes the copy of an earlier one. \
  An encrypted archive does not tell its host and source: give each a NAME or DEST of its own.

KEPT
  Owners, modes, times to the nanosecond, hard links, FIFOs, devices, extended attributes, access \
  control lists and capabilities. `tar --xattrs --xattrs-include=* --acls -xp` and `bsdtar -xp` restore \
  them too. With --reproducible only user.* attributes and capabilities. Attributes of trusted.* are \
  seen by root with CAP_SYS_ADMIN alone; where they are not, that is said.

SKIPPED
  Sockets, earlier archives in DEST, the plain copies of encrypted archives, with --exclude-caches the \
  content of caches and, with --one-file-system, what lies on other file systems are left out and \
  named, and the exit code stays 0. What could not be read, and files that changed while being read, \
  are named with exit code 3: of such a file the archive has as many bytes as it had at first. So are \
  files whose content is another than in the archive before though nothing about them changed: a disk \
  may be failing. About 1/30 of the unchanged data is read again per day for this check.";
