//! The flags of the commands that read archives: `list`, `verify`, `diff` and `cat`.

use std::path::PathBuf;

use clap::Args;

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

/// List the entries of an archive
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// A tar or tar.gz of any make; `-` is stdin
    pub(crate) archive: PathBuf,
    /// Show only what matches, with all below it; without a slash it matches at any depth
    pub(crate) glob: Vec<String>,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

/// Read archives to their end and prove that they are whole
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Tars or tar.gz of any make; `-` is stdin
    #[arg(required = true)]
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
    /// The first, a tar or tar.gz of any make; `-` is stdin, for one of the two
    pub(crate) first: PathBuf,
    /// The second
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyFlags,
}

const DIFF_HELP: &str = "\
Compared are the kind of each entry, content, target of a link, permission bits, owner, modification time,
and attributes: `user.*`, `trusted.*`, access control lists and capabilities. Owners are told by their names
where both sides have some, else by their numbers. Not compared are labels that each host gives, such as
`security.selinux`, other times, inode numbers and holes. Where an archive does not say which attributes an
entry has, that is said once, and they are not compared.";

/// Write the content of one file of an archive to stdout
#[derive(Args, Debug)]
pub(crate) struct CatArgs {
    /// A tar or tar.gz of any make; `-` is stdin
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
