//! The keys of a profile, `[backup.profile.NAME]`, and the help of what runs it.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Command};
use devops_core::{archive::BackupName, secret::Secret, units::parse_duration};

use devops_cli::KeepFlags;

use super::{CreateFlags, PruneFlags};

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
  before = [\"pg_dump app > ~/documents/app.sql\"]
  after = [\"devops-s3push put /mnt/backups s3://offsite/home/ --if-changed\"]
  on_failure = [\"logger -p user.err \\\"backup: $DEVOPS_BACKUP_ERROR\\\"\"]
  finally = [\"rm -f ~/documents/app.sql\"]
  hook_timeout = \"1h\"                     # for each command; 0s is for ever
  healthcheck = \"https://hc-ping.com/UUID\"
  webhook = [\"https://chat.example.com/hooks/TOKEN\"]
  metrics_dir = \"/var/lib/prometheus/node-exporter\"

  `source` and `dest` are needed. Paths are absolute, begin with ~/ or are relative to the file they
  stand in. With one source the archives are named as the profile, or as its `name`; with several
  the last part of each source is added: home-documents, home-photos. What [backup.profile] says
  holds for all profiles. The environment holds for flags, not for the keys of a profile.

WHAT HAPPENS
  Start ping, `before`, the sources, prune, `after` or `on_failure`, `finally`, metrics, webhooks,
  ping. A `before` that fails ends the profile; a source that fails does not stop the others, and
  its old archives are not pruned. `finally` runs after a signal too. Where another process is at
  work in `dest`, nothing is begun. All profiles means one after the other, whatever fails.

HOOKS
  Each command is a line for /bin/sh, reads nothing, and writes to stderr. Its environment has
  DEVOPS_BACKUP_PROFILE, and once the archives are made DEVOPS_BACKUP_STATUS (success, partial,
  failed), DEVOPS_BACKUP_EXIT_CODE, DEVOPS_BACKUP_ARCHIVE (one a line) and DEVOPS_BACKUP_ERROR.
  A command that fails or takes too long makes the profile fail.

NOTIFICATIONS
  healthcheck is pinged at URL/start, URL and URL/fail; partial is a success. webhook gets the
  report as JSON. One that cannot be reached is a warning. Addresses are secret and never shown
  whole; `user:password@` in one is sent as a login.

PROJECT FILES
  A profile of a `devops.toml` that was found by walking up reads and writes below the folder of that
  file alone, and has neither commands nor addresses; --trust-project FILE lifts both for one run.
  A config file that others can write starts no commands (78).

EXIT CODES
  The worst of all profiles: ended by a signal (128+n), failed (1; 124 if all that failed is a hook
  that took too long), not begun because of a lock (75), partial (3), done (0).";

pub(super) const TIMER_HELP: &str = "\
EXAMPLES
  devops-backup timer home
  devops-backup timer home --only service | sudo tee /etc/systemd/system/devops-backup-home.service
  devops-backup timer home --only timer | sudo tee /etc/systemd/system/devops-backup-home.timer
  sudo systemctl daemon-reload && sudo systemctl enable --now devops-backup-home.timer
  devops-backup timer home --cron --on-calendar '30 3 * * *'

Made by root the service runs as root, and can do no more than read all files and write where the
profile does: attributes of trusted.* it does not see. Made by another user it runs as that one.
Hooks are less restricted, since nobody knows what they need. Profiles that meet in one folder take
turns; exit code 3 counts as failed.";
