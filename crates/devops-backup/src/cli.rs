//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use devops_cli::{KeepFlags, SecondSignal, Tool, parse_mode};
use devops_core::{
    archive::{BackupName, Level, OverwritePolicy},
    units::parse_duration,
};

pub(crate) mod profile;
mod trust;

pub(crate) const TOOL: Tool = Tool {
    name: "devops-backup",
    table: "backup",
    trust: trust::TRUST,
    subjects: trust::SUBJECTS,
    // Commands hold passwords now and then, so they are shown as little as addresses.
    secret: &["after", "before", "finally", "healthcheck", "on-failure", "webhook"],
    profile: Some(profile::keys),
    second_signal: SecondSignal::EndsAtOnce,
};

/// Back up a folder into one dated tar.gz that every tar reads
#[derive(Debug, Parser)]
#[command(about, after_long_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(CreateArgs),
    List(ListArgs),
    Verify(VerifyArgs),
    Restore(RestoreArgs),
    Diff(DiffArgs),
    Cat(CatArgs),
    Prune(PruneArgs),
    Run(RunArgs),
    Timer(TimerArgs),
}

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

/// What opens encrypted archives.
#[derive(Args, Debug)]
pub(crate) struct KeyFlags {
    /// Open with the secret keys of age in a file, AGE-SECRET-KEY-1..., one a line
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    /// Open with the passphrase in the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// What to do while somebody else is at work in the same folder.
#[derive(Args, Debug)]
pub(crate) struct LockFlags {
    /// Wait this long for others to leave the folder of the archives, then fail with 75
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    pub(crate) lock_wait: Duration,
}

/// List the entries of an archive
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// A tar or tar.gz of any make
    pub(crate) archive: PathBuf,
    /// Show only what matches, with all below it; without a slash it matches at any depth
    pub(crate) glob: Vec<String>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Read archives to their end and prove that they are whole
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Tars or tar.gz of any make
    #[arg(required = true)]
    pub(crate) archive: Vec<PathBuf>,
    /// Compare with this folder as well: what the archive holds must be there, and the same
    #[arg(long, value_name = "DIR", conflicts_with = "sample")]
    pub(crate) against: Option<PathBuf>,
    /// Prove only a random share of the archive, such as 5%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) sample: Option<f64>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Compare two archives, entry by entry
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first, a tar or tar.gz of any make
    pub(crate) first: PathBuf,
    /// The second
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Write the content of one file of an archive to stdout
#[derive(Args, Debug)]
pub(crate) struct CatArgs {
    /// A tar or tar.gz of any make
    pub(crate) archive: PathBuf,
    /// The path in the archive
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Reads a percentage between 0 and 100 as a share.
fn parse_share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("a share is a percentage above 0% and up to 100%".to_owned()),
    }
}

/// Restore an archive, or parts of it, into a folder
#[derive(Args, Debug)]
#[command(after_long_help = RESTORE_HELP)]
pub(crate) struct RestoreArgs {
    /// A tar or tar.gz of any make
    pub(crate) archive: PathBuf,
    /// Restore only these paths, with all below them
    pub(crate) path: Vec<PathBuf>,
    /// The folder to restore into, made if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// What to do with files that exist already
    #[arg(long, value_enum, default_value_t)]
    pub(crate) overwrite: Overwrite,
    /// Take this many components off the front of every path
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) strip_components: usize,
    /// Restore setuid and setgid bits, capabilities, devices, and `trusted.*` and `security.*`
    /// attributes too; only for archives you trust
    #[arg(long)]
    pub(crate) privileged: bool,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Overwrite {
    #[default]
    Never,
    IfNewer,
    Always,
}

impl From<Overwrite> for OverwritePolicy {
    fn from(overwrite: Overwrite) -> Self {
        match overwrite {
            Overwrite::Never => Self::Never,
            Overwrite::IfNewer => Self::IfNewer,
            Overwrite::Always => Self::Always,
        }
    }
}

/// Remove archives that a policy no longer keeps
#[derive(Args, Debug)]
#[command(after_long_help = PRUNE_HELP)]
pub(crate) struct PruneArgs {
    /// The folder with the archives
    pub(crate) dest: PathBuf,
    /// The name of the backup; files of other names are never touched
    #[arg(long, default_value = "backup")]
    pub(crate) name: BackupName,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    #[command(flatten)]
    pub(crate) limits: PruneFlags,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Show what would be kept, why, and what removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The archives that a prune counts, and the most it may remove.
#[derive(Args, Debug)]
pub(crate) struct PruneFlags {
    /// Let archives of every owner count, not only those of root, of the folder's owner and our own
    #[arg(long)]
    pub(crate) any_owner: bool,
    /// Let encrypted archives and those of other tools count that have less than a tenth of the
    /// usual size
    #[arg(long)]
    pub(crate) accept_small: bool,
    /// Remove as many as N at once [default: 10, or half of the archives if that is more]
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
}

/// Run the profiles of the config file: back up, verify, prune, with hooks and notifications
#[derive(Args, Debug)]
#[command(after_long_help = profile::RUN_HELP)]
pub(crate) struct RunArgs {
    /// The profile, `[backup.profile.NAME]`; without it all of them, one after the other
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// Show what would be archived and removed; run no hook, tell nobody, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Print a service and a timer of systemd that run a profile, or a line for cron
#[derive(Args, Debug)]
#[command(after_long_help = profile::TIMER_HELP)]
pub(crate) struct TimerArgs {
    /// The profile; without it one service runs all of them
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// When: an expression of systemd.time(7); with --cron a word or the five fields of crontab(5)
    #[arg(long, value_name = "WHEN", default_value = "daily")]
    pub(crate) on_calendar: String,
    /// Print a line for cron instead
    #[arg(long)]
    pub(crate) cron: bool,
    /// Print one of the two units alone, to be redirected into its file
    #[arg(long, value_enum, conflicts_with = "cron")]
    pub(crate) only: Option<Unit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    Service,
    Timer,
}

const HELP: &str = "\
EXAMPLES
  devops-backup create /srv/data /mnt/backups
  devops-backup create . - --exclude node_modules | ssh host 'cat > data.tar.gz'
  devops-backup verify /mnt/backups/*.tar.gz
  devops-backup restore /mnt/backups/backup-2026-11-22.tar.gz etc/app.toml --to /tmp/back
  devops-backup prune /mnt/backups --keep-daily 7 --keep-monthly 12 --dry-run
  devops-backup run home

EXIT CODES
  0   done
  1   failed; create left no archive
  2   wrong usage, or not an archive at all
  3   partial: the result exists, and everything missing or changed was named
  5   the source, the archive or an entry was not found
  10  verify, restore: an archive is damaged
  11  prune: more archives would go than may at once
  75  another process is at work in the folder of the archives
  77  no permission, or no key that opens the archive
  78  the config file is wrong
  130 interrupted by SIGINT (143: SIGTERM); create left no archive";

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

const RESTORE_HELP: &str = "\
Nothing is written outside DIR, whatever the archive says: entries with `..`, absolute paths, and paths
through symbolic links are refused and named. Owners are restored only by root, by number. What is
refused, or exists already, is named, and the exit code is 3.

Attributes of `user.*`, access control lists and holes come back as they were. An attribute the file
system takes none of is named once, with exit code 3; labels such as `security.selinux` are left to
this host and named once, with exit code 0, unless --privileged is given.

ODDITIES
  Garbage behind the end, or a missing end mark, is a warning. A cut-off archive is damaged: what came
  before the damage is restored, and the exit code is 10.";

const PRUNE_HELP: &str = "\
The rules are those of restic: one archive may be kept by several, and one reason is enough.
Archives are grouped by NAME, host and source, and dated by the start time they record, at its
own local time; archives of other tools by the date in their name. One dated in the future
stays, and counts for no rule. Encrypted archives without a key here are grouped by NAME alone,
dated by the date in their name, and not read; those from before the encryption are a group of
their own.

WHAT COUNTS
  Before anything of a group goes, what the rules keep proves itself: an archive of ours by its
  index and footer, the newest one of another tool by being read whole, an encrypted one by its
  shape. What was found out is remembered for 30 days in $XDG_STATE_HOME/devops/backup (or
  ~/.local/state).
  An archive counts that belongs to root, to the owner of DEST or to the owner that new files
  get there, or that this host made; with --any-owner the owner does not matter. Encrypted
  archives and those of other tools that have less than a tenth of the median size of those
  before count only with --accept-small. What does not count is named and stays, and the exit
  code is 3.

HOW MUCH
  More removals than 10, or than half of the archives where that is more, are refused (11)
  unless --max-delete allows them. In a profile, `max_delete` or that number go in one run, the
  oldest first, and the rest in the next ones.";
