//! The keys of a profile, `[backup.profile.NAME]`, and the help of what runs it.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Command};
use devops_core::{
    archive::BackupName,
    secret::Secret,
    units::{ByteSize, parse_duration},
};

use devops_cli::KeepFlags;

use super::{CreateFlags, PruneFlags, read::parse_share};

/// Returns a command whose long flags are the keys of a profile.
pub(crate) fn keys() -> Command {
    ProfileKeys::augment_args(Command::new("profile"))
}

/// What a profile may say.
#[derive(Args, Debug)]
pub(crate) struct ProfileKeys {
    /// The folders or files to back up
    #[arg(long)]
    pub(crate) source: Vec<PathBuf>,
    /// The folder for the archives
    #[arg(long)]
    pub(crate) dest: Option<PathBuf>,
    /// The first part of the names of the archives
    #[arg(long)]
    pub(crate) name: Option<BackupName>,
    #[command(flatten)]
    pub(crate) create: CreateFlags,
    /// Read each new archive again
    #[arg(long)]
    pub(crate) verify: bool,
    /// Restore this random share of each new archive, such as 1%, and compare it
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) rehearse: Option<f64>,
    /// Keep so many bytes free in the folder for the archives
    #[arg(long, value_name = "SIZE", default_value = "0")]
    pub(crate) keep_free: ByteSize,
    /// The share of its entries or bytes that a source may lose; 100% allows everything
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "50%")]
    pub(crate) shrink_limit: f64,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    #[command(flatten)]
    pub(crate) limits: PruneFlags,
    /// Commands to run first
    #[arg(long)]
    pub(crate) before: Vec<String>,
    /// Commands to run once the archives are there
    #[arg(long)]
    pub(crate) after: Vec<String>,
    /// Commands to run when anything failed
    #[arg(long)]
    pub(crate) on_failure: Vec<String>,
    /// Commands to run at the end, whatever happened
    #[arg(long)]
    pub(crate) finally: Vec<String>,
    /// How long one command may run; 0s is for ever
    #[arg(long, value_parser = parse_duration, default_value = "1h")]
    pub(crate) hook_timeout: Duration,
    // Any text is taken: an error about it here would show it.
    /// The address to ping
    #[arg(long)]
    pub(crate) healthcheck: Option<Secret>,
    /// The addresses that get the report
    #[arg(long)]
    pub(crate) webhook: Vec<Secret>,
    /// The folder for a file of metrics
    #[arg(long)]
    pub(crate) metrics_dir: Option<PathBuf>,
}

pub(super) const RUN_HELP: &str = "\
A PROFILE
  [backup.profile.home]
  source = [\"~/documents\", \"~/photos\"]   # each becomes an archive of its own
  dest = \"/mnt/backups\"
  exclude = [\"*.tmp\"]                     # and every other option of `create`
  keep_daily = 7                          # and every other option of `prune`
  verify = true                           # read each new archive again, if a key is at hand
  rehearse = \"1%\"                       # restore a random share of it and compare, see below
  keep_free = \"20GB\"                    # see below
  shrink_limit = \"50%\"                  # see below
  before = [\"pg_dump app > ~/documents/app.sql\"]
  after = [\"devops-s3push put /mnt/backups s3://offsite/home/ --if-changed\"] \
  on_failure = [\"logger -p user.err \\\"backup: $DEVOPS_BACKUP_ERROR\\\"\"]
  finally = [\"rm -f ~/documents/app.sql\"]
  hook_timeout = \"1h\"                     # for each command; 0s is for ever
  healthcheck = \"https://hc-ping.com/UUID\"
  webhook = [\"https://chat.example.com/hooks/TOKEN\"]
  metrics_dir = \"/var/lib/prometheus/node-exporter\"

  `source` and `dest` are needed. Paths are absolute, begin with ~/ or are relative to the file they \
  stand in. With one source the archives are named as the profile, or as its `name`; with several \
  the last part of each source is added: home-documents, home-photos. What [backup.profile] says \
  holds for all profiles. The environment holds for flags, not for the keys of a profile.

WHAT HAPPENS
  Start ping, `before`, room, the sources, prune, `after` or `on_failure`, `finally`, metrics, \
  webhooks, ping. A `before` that fails ends the profile; a source that fails does not stop the others, and \
  its old archives are not pruned. `finally` runs after a signal too. Where another process is at \
  work in `dest`, nothing is begun. All profiles means one after the other, whatever fails.

A SOURCE THAT SHRANK
  has lost more than `shrink_limit` of its entries or bytes, beside the most that one of the last \
  seven archives has that count: a disk is not mounted, files were deleted or encrypted. Its \
  archive is made, nothing old of it is pruned, and the exit code is 3, every night until it is \
  back or `run PROFILE --accept-shrunk` says once that the loss is meant. That is remembered in \
  $XDG_STATE_HOME/devops/backup (or that of the service of `timer`, if it is the same user's, or \
  ~/.local/state), with the sizes of sources whose archives are encrypted; where no earlier archive \
  tells its size, that is said.

ROOM
  Before anything is read, the free space of `dest` must suffice for archives as large as the last \
  ones and for `keep_free`. If it does not, what the rules would remove once the new archives are \
  there goes first, but for the two newest good ones of each source. If that is not enough, the \
  profile fails (1) and says how much is missing.

REHEARSAL
  With `rehearse` a random share of the entries of each new archive, at least one, is \
  restored into a private folder next to what is remembered, compared with the archive's index and \
  with the source where that did not change since, and removed. A difference is named and makes \
  the profile fail (10). `devops-backup rehearse ARCHIVE` does the same by hand.

HOOKS
  Each command is a line for /bin/sh, reads nothing, and writes to stderr. Its environment has \
  DEVOPS_BACKUP_PROFILE, and once the archives are made DEVOPS_BACKUP_STATUS (success, partial, \
  failed), DEVOPS_BACKUP_EXIT_CODE, DEVOPS_BACKUP_ARCHIVE (one a line) and DEVOPS_BACKUP_ERROR. \
  A command that fails or takes too long makes the profile fail.

NOTIFICATIONS
  healthcheck is pinged at URL/start, URL and URL/fail, with the outcome as text; partial is a \
  success, but a source that shrank pings URL/fail. webhook gets the report as JSON, as --json \
  prints it. An unreachable URL is a warning. Addresses are secret and never shown whole; \
  `user:password@` in one is sent as a login.

METRICS
  metrics_dir gets devops-backup-PROFILE.prom for the textfile collector of node_exporter. Each \
  name begins with devops_backup_: last_run_, last_success_ and last_failure_timestamp_seconds, \
  last_exit_code, last_duration_seconds, last_source_bytes, last_reused_bytes, last_archive_bytes, \
  last_entries, last_skipped, last_faults, last_shrunk_sources, last_rehearsed_entries and \
  last_rehearsal_differences (with `rehearse`), archives_kept, destination_free_bytes.

PROJECT FILES
  A profile of a `devops.toml` that was found by walking up reads and writes below the folder of that \
  file alone, and has neither commands nor addresses; --trust-project FILE lifts both for one run. \
  A config file that others can write starts no commands (78).

EXIT CODES
  The worst of all profiles: ended by a signal (128+n), failed (1; 10 if all that failed is a \
  rehearsal that found a difference, 124 if it is a hook that took too long), not begun because of \
  a lock (75), partial, a source that shrank included (3), done (0).";

pub(super) const TIMER_HELP: &str = "\
EXAMPLES
  devops-backup timer home
  devops-backup timer home --only service | sudo tee /etc/systemd/system/devops-backup-home.service
  devops-backup timer home --only timer | sudo tee /etc/systemd/system/devops-backup-home.timer
  sudo systemctl daemon-reload && sudo systemctl enable --now devops-backup-home.timer
  devops-backup timer home --cron --on-calendar '30 3 * * *'

Made by root the service runs as root, and can do no more than read all files and write where the \
profile does: attributes of trusted.* it does not see. Made by another user it runs as that one. \
Services with hooks have a weaker sandbox, because hooks may need any access. Profiles that meet in one folder take \
turns; exit code 3 counts as failed.";
