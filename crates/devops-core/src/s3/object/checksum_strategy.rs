//! The checksum that goes with a body.

use serde::{Deserialize, Serialize};

use super::checksum::Algorithm;

/// The checksum that protects bytes on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChecksumStrategy {
    Checksum(Algorithm),
    /// For stores that know no other.
    Md5,
    Nothing,
}
