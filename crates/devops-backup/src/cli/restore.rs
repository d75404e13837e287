//! The flags of `restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::UnknownArgumentValueParser};
use devops_cli::When;
use devops_core::archive::{BackupName, OverwritePolicy};

use super::KeyFlags;

/// Restore an archive, or parts of it, into a folder
#[derive(Args, Debug)]
#[command(after_long_help = RESTORE_HELP, override_usage = USAGE)]
pub(crate) struct RestoreArgs {
    /// An archive (any tar or tar.gz; `-` reads it from stdin), or a folder whose newest archive is restored
    #[arg(value_name = "ARCHIVE|DIR")]
    pub(crate) archive: PathBuf,
    /// Restore only these paths, with all below them, and what matches patterns such as '*.jpg'
    #[arg(value_name = "GLOB")]
    pub(crate) path: Vec<PathBuf>,
    /// The folder to restore into, made if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Of a folder of archives take the newest that was made by then: 2026-11-22,
    /// '2026-11-22 08:49:39', or 3d for three days ago
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    /// Of a folder of archives take those of this NAME
    #[arg(long)]
    pub(crate) name: Option<BackupName>,
    /// Of a folder of archives take those of this host
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Policy for files that exist already
    #[arg(long, value_enum, default_value_t)]
    pub(crate) overwrite: OverwriteArg,
    /// Strip this many leading path components
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) strip_components: usize,
    /// Restore setuid and setgid bits, capabilities, devices, and `trusted.*` and `security.*`
    /// attributes too; only for archives you trust
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Restore owners by their numbers, though users of those names may have others here
    #[arg(long)]
    pub(crate) numeric_owner: bool,
    /// Take what is damaged from archives in this folder that hold the same, each piece proven by its hash
    #[arg(long, value_name = "DIR")]
    pub(crate) heal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
    // The flag of tar for it is met with the name it has here.
    #[arg(short = 'C', hide = true, value_name = "DIR", value_parser = UnknownArgumentValueParser::suggest_arg("--to"))]
    _tar: Option<String>,
}

/// `--to` is needed, though the parser leaves it to us to say so.
const USAGE: &str = "devops-backup restore [OPTIONS] --to <DIR> <ARCHIVE|DIR> [GLOB]...";

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum OverwriteArg {
    #[default]
    Never,
    IfNewer,
    Always,
}

impl From<OverwriteArg> for OverwritePolicy {
    fn from(overwrite: OverwriteArg) -> Self {
        match overwrite {
            OverwriteArg::Never => Self::Never,
            OverwriteArg::IfNewer => Self::IfNewer,
            OverwriteArg::Always => Self::Always,
        }
    }
}

const RESTORE_HELP: &str = "\
Paths are relative to the source, as `list` shows them. Of a folder with archives of several series \
(NAME, source and host), --name or --host says which.

Nothing is written outside DIR, whatever the archive says: entries with `..` and paths through symbolic \
links are refused and named; absolute paths lose their leading slash, which is said once. What is refused, \
or exists already, is named, and the exit code is 3. So is a name that the file system takes for another \
one, such as `readme` beside `README` where case does not count: the first stays.

Owners are restored only by root: by name where the archive has one that /etc/passwd or /etc/group know \
here, else by number. Where no hard link can be made, a further name of a file becomes a copy, which is \
said once.

Attributes of `user.*`, access control lists and holes come back as they were. An attribute the file \
system takes none of is named once, with exit code 3; labels such as `security.selinux` are left to \
this host and named once, with exit code 0, unless --privileged is given.

DAMAGE
  Of a damaged archive everything that can be read is restored, what is lost is named, and the exit code \
  is 10. No file is left that is whole in part. An archive with an index loses what lies in the damage and \
  nothing else; without one the next sound header behind the damage is looked for. With --heal an archive \
  that has all its losses in others of the folder is restored with exit code 0; encrypted ones need keys.

ODDITIES
  Garbage behind the end, or a missing end mark, is a warning. What tars read differently is restored as \
  GNU tar does, named, and the exit code is 10. An entry of an unknown sort is restored as a file and named.";
