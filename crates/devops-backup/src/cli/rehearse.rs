//! The flags of `rehearse`.

use std::path::PathBuf;

use clap::Args;

use super::{KeyFlags, read::parse_share};

/// Restore a random sample of an archive into a private folder, compare it, and remove it
#[derive(Args, Debug)]
#[command(after_long_help = REHEARSE_HELP)]
pub(crate) struct RehearseArgs {
    /// Any tar or tar.gz; `-` reads it from stdin
    pub(crate) archive: PathBuf,
    /// The share of its entries, at least one; devices are left out
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "1%")]
    pub(crate) sample: f64,
    /// Choose the same sample as a rehearsal that said this number
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

const REHEARSE_HELP: &str = "\
The sample has files, folders, symbolic and hard links, and named pipes; devices, setuid bits and what else only \
`restore --privileged` restores are left out. What is restored is compared with the archive's index, or with its \
content where it has none: kind, content, where links lead, mode, time, extended attributes and access control lists \
where the folder takes them, and as root the owner. The output says which were compared. The folder is made next to what is remembered, in \
$XDG_STATE_HOME/devops/backup (or ~/.local/state), or where temporary files go if there is no home; \
its owner alone can enter it, and it is removed at the end, after a signal too. `rehearse = \"1%\"` in \
a profile does this with each new archive, and compares with the source as well.

EXIT CODES
  0   all that was restored is as the archive says
  10  something is not, and was named; or the archive is damaged";
