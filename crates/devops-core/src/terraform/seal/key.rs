//! The key of a seal, which only its owner can renew.

use std::{fs::File, io::Read, path::Path};

use crate::{
    fs::{IoResultExt, PathError},
    secret::Secret,
};

/// Separates this use of a key from all others.
const CONTEXT: &str = "devops-tf 2026-11 seal of a plan";

/// The kernel's random bytes.
const RANDOM: &str = "/dev/urandom";

/// A key of 32 bytes; it hashes what others must not guess or make up.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// Derives a key from a secret of any length.
    pub fn derive(secret: &Secret) -> Self {
        Self(blake3::derive_key(CONTEXT, secret.expose().trim_end().as_bytes()))
    }

    pub(super) fn random() -> Result<Self, PathError> {
        let path = Path::new(RANDOM);
        let mut key = [0; 32];
        File::open(path).and_then(|mut file| file.read_exact(&mut key)).at(path, "read")?;
        Ok(Self(key))
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        Some(Self(*blake3::Hash::from_hex(text).ok()?.as_bytes()))
    }

    pub(super) fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Returns the keyed hash of a text.
    pub(super) fn hash(&self, text: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, text)
    }

    /// Returns the bytes, for a hash made elsewhere.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(***)")
    }
}
