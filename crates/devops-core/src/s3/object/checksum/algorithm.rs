//! The algorithms of checksums.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An algorithm that S3 stores know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// CRC-64/NVME: what S3 itself uses; parts combine into the checksum of the whole.
    #[default]
    Crc64Nvme,
    /// CRC-32C (Castagnoli); parts combine as well.
    Crc32c,
    /// SHA-256; of many parts only a checksum of their checksums is possible.
    Sha256,
}

impl Algorithm {
    /// Returns the name S3 and this tool use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
            Self::Sha256 => "sha256",
        }
    }

    /// Returns how many bytes a checksum has.
    pub fn n_bytes(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32c => 4,
            Self::Sha256 => 32,
        }
    }

    /// Returns whether the checksum of a whole follows from those of its parts.
    pub fn combines(self) -> bool {
        match self {
            Self::Crc64Nvme | Self::Crc32c => true,
            Self::Sha256 => false,
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "crc64nvme" => Ok(Self::Crc64Nvme),
            "crc32c" => Ok(Self::Crc32c),
            "sha256" => Ok(Self::Sha256),
            other => Err(format!("`{other}` is none of crc64nvme, crc32c, sha256")),
        }
    }
}
