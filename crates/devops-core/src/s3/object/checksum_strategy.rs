//! The checksum that goes with a body.

use serde::{Deserialize, Serialize};

use super::checksum::Algorithm;

/// How bytes on the way are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChecksumStrategy {
    Checksum(Algorithm),
    /// For stores that know no other.
    Md5,
    Nothing,
}
