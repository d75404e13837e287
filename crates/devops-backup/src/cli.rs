//! The command line.

use clap::{Parser, Subcommand};
use devops_cli::{SecondSignal, Tool};

mod create;
mod lock;
pub(crate) mod profile;
mod prune;
mod read;
mod rehearse;
mod restore;
mod run;
mod trust;

pub(crate) use create::{CreateArgs, CreateFlags, EncryptFlags, SeriesFlags};
pub(crate) use prune::{PruneArgs, PruneFlags};
pub(crate) use read::{CatArgs, DiffArgs, FindArgs, KeyFlags, ListArgs, VerifyArgs};
pub(crate) use rehearse::RehearseArgs;
pub(crate) use restore::RestoreArgs;
pub(crate) use run::{RunArgs, TimerArgs, Unit};

pub(crate) const TOOL: Tool = Tool {
    name: "devops-backup",
    table: "backup",
    trust: trust::TRUST,
    subjects: trust::SUBJECTS,
    // Commands hold passwords now and then, so they are shown as little as addresses.
    secret: &["after", "before", "finally", "healthcheck", "on-failure", "webhook"],
    profile: Some(profile::keys),
    synonyms: &[
        ("backup", "create"),
        ("check", "verify"),
        ("extract", "restore"),
        ("forget", "prune"),
        ("ls", "list"),
        ("save", "create"),
        ("search", "find"),
        ("snapshots", "list"),
    ],
    second_signal: SecondSignal::EndsAtOnce,
    fails_with_1: None,
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
    Find(FindArgs),
    Verify(VerifyArgs),
    Restore(RestoreArgs),
    Rehearse(RehearseArgs),
    Diff(DiffArgs),
    Cat(CatArgs),
    Prune(PruneArgs),
    Run(RunArgs),
    Timer(TimerArgs),
}

const HELP: &str = "\
EXAMPLES
  devops-backup create /srv/data /mnt/backups
  devops-backup create . - --exclude node_modules | ssh host 'cat > data.tar.gz'
  devops-backup list /mnt/backups
  devops-backup find /mnt/backups app.toml
  devops-backup verify /mnt/backups
  devops-backup restore /mnt/backups --to /tmp/back
  devops-backup restore /mnt/backups etc/app.toml '*.conf' --at 2026-11-22 --to /tmp/back
  devops-backup prune /mnt/backups --keep-daily 7 --keep-monthly 12 --dry-run
  devops-backup run home

EXIT CODES
  0   done
  1   failed; create left no archive
  2   wrong usage, or not an archive at all
  3   partial: the result exists, and everything missing or changed was named
  5   the source, the archive or an entry was not found
  10  an archive is damaged; verify --against, diff: there are differences
  11  prune: more archives would go than may at once
  75  another process is at work in the folder of the archives
  77  no permission, or no key that opens the archive
  78  the config file is wrong
  130 interrupted by SIGINT (143: SIGTERM); create left no archive";
