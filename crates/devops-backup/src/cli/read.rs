//! The flags of the commands that read archives: `list`, `find`, `verify`, `diff` and `cat`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

/// The keys for encrypted archives.
#[derive(Args, Debug)]
pub(crate) struct KeyFlags {
    /// Open with the secret keys of age in a file, AGE-SECRET-KEY-1..., one a line
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    /// Open with the passphrase in the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Show which archives a folder holds, or which entries an archive
#[derive(Args, Debug)]
#[command(after_long_help = LIST_HELP)]
pub(crate) struct ListArgs {
    /// A folder of archives, or one archive: any tar or tar.gz; `-` reads it from stdin
    #[arg(value_name = "ARCHIVE|DIR")]
    pub(crate) archive: PathBuf,
    /// Show only entries that match, with all below them; without a slash they match at any depth; of a folder,
    /// only archives whose NAME or file name matches
    pub(crate) glob: Vec<OsString>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

const LIST_HELP: &str = "\
A FOLDER
  Its archives are shown by series (NAME, source and host), the oldest first, those of other tools \
  and encrypted ones too, with as much as they tell without being read.
  new       compressed bytes of contents that the archive before it does not hold
  verified  when this host last read all of it and found it whole (`verify`), or a part (`prune`)
  What looks damaged is named, and the exit code is 10; what cannot be read is named with 3.";

/// Find every version of a file in the archives of a folder
#[derive(Args, Debug)]
#[command(after_long_help = FIND_HELP)]
pub(crate) struct FindArgs {
    /// The folder with the archives
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The paths or patterns to look for, with all below them; without a slash they match at any depth
    #[arg(required = true)]
    pub(crate) glob: Vec<OsString>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

const FIND_HELP: &str = "\
For each path that matches it shows the archives that hold it, the oldest first, with its size and \
its time there, and whether its content is the same as in the archive before, by its hash.

Only the indexes are read. An archive without one, as other tools make them, is read to its end, which \
takes longer. An encrypted archive without a key here is named as not searched, and the exit code is 3. \
One that is damaged is searched as far as it can be read, and the exit code is 10.";

/// Check that archives are complete and undamaged
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Archives (any tar or tar.gz; `-` reads one from stdin), or folders whose archives are all read
    #[arg(required = true, value_name = "ARCHIVE|DIR")]
    pub(crate) archive: Vec<PathBuf>,
    /// Compare with this folder as well: what the archive holds must be there, and the same in what `diff
    /// --help` lists
    #[arg(long, value_name = "DIR", conflicts_with = "sample")]
    pub(crate) against: Option<PathBuf>,
    /// Prove only a random share of the archive, such as 5%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) sample: Option<f64>,
    /// Say of damage whether archives in this folder hold what is lost; it stays damage, with exit code 10
    #[arg(long, value_name = "DIR")]
    pub(crate) heal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Compare two archives, entry by entry
#[derive(Args, Debug)]
#[command(after_long_help = DIFF_HELP)]
pub(crate) struct DiffArgs {
    /// The first archive, any tar or tar.gz; `-` reads one of the two from stdin
    pub(crate) first: PathBuf,
    /// The second
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

const DIFF_HELP: &str = "\
Compared are the kind of each entry, content, target of a link, permission bits, owner, modification time, \
and attributes: `user.*`, `trusted.*`, access control lists and capabilities. Owners are told by their names \
where both sides have some, else by their numbers. Not compared are labels that each host gives, such as \
`security.selinux`, other times, inode numbers and holes. Where an archive does not say which attributes an \
entry has, that is said once, and they are not compared.";

/// Write the content of one file of an archive to stdout
#[derive(Args, Debug)]
pub(crate) struct CatArgs {
    /// Any tar or tar.gz; `-` reads it from stdin
    pub(crate) archive: PathBuf,
    /// The path in the archive
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Reads a percentage between 0 and 100 as a share.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("a share is a percentage above 0% and up to 100%".to_owned()),
    }
}
