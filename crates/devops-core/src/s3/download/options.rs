//! The options of a download, and its summary.

use std::{path::PathBuf, time::Duration};

use crate::fs::IfExists;
use crate::s3::{
    object::{checksum::Checksum, proof::Proof, uri::S3Uri},
    plan::parts::PartSize,
};

/// The settings of a download.
#[derive(Clone, Copy, Debug)]
pub struct GetOptions {
    /// The policy for a file that exists.
    pub replace: IfExists,
    /// The permission bits of the file; without them an archive is for its owner alone, and anything else
    /// gets 0666 less the umask.
    pub mode: Option<u32>,
    /// Is set if the file gets the mode and the modification time that the metadata keeps, where it does.
    pub preserve: bool,
    /// The group of the file; without it the folder decides, as for every new file.
    pub group: Option<u32>,
    /// The size of the ranges that are fetched at once.
    pub part_size: PartSize,
}

/// One object that is here.
#[derive(Clone, Debug)]
pub struct GetSummary {
    /// The object.
    pub uri: S3Uri,
    /// The file, or the name of the stream.
    pub path: PathBuf,
    /// Is set if the file had the same content already, so that nothing was fetched.
    pub is_unchanged: bool,
    /// The number of bytes it has.
    pub size: u64,
    /// The checksum of the bytes here; none where their MD5 was compared.
    pub checksum: Option<Checksum>,
    /// The proof by what the store says.
    pub proof: Proof,
    /// The duration.
    pub elapsed: Duration,
}
