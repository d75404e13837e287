//! Plans and seals that only some can read.
//!
//! The format is version 1 of age, <https://c2sp.org/age>: `age -d` opens what is made here.

use std::{
    fmt,
    io::{self, Read, Write},
};

use age::{Decryptor, Encryptor, x25519};

use super::seal::error::SealError;
use crate::secret::Secret;

/// The first bytes of an encrypted file.
const MAGIC: &[u8] = b"age-encryption.org/";

/// Those who can read a plan; it is not encrypted if there are none.
#[derive(Clone, Default)]
pub struct Recipients(Vec<x25519::Recipient>);

/// The age identities that decrypt plans.
#[derive(Clone, Default)]
pub struct Identities(Vec<x25519::Identity>);

impl Recipients {
    /// Adds a public key, `age1…`; returns whether it is one.
    pub fn add(&mut self, key: &str) -> bool {
        let recipient = key.parse::<x25519::Recipient>().ok();
        let is_one = recipient.is_some();
        self.0.extend(recipient);
        is_one
    }

    /// Encrypts a text; leaves it as it is if there are no recipients.
    pub(super) fn seal(&self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.0.is_empty() {
            return Ok(plain);
        }
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(&plain)?;
        writer.finish()?;
        Ok(sealed)
    }
}

impl Identities {
    /// Adds a secret key, `AGE-SECRET-KEY-1…`; returns whether it is one.
    pub fn add(&mut self, key: &Secret) -> bool {
        let identity = key.expose().parse::<x25519::Identity>().ok();
        let is_one = identity.is_some();
        self.0.extend(identity);
        is_one
    }

    /// Opens what is encrypted; returns all else as it is.
    pub(super) fn open(&self, bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
        if !is_encrypted(&bytes) {
            return Ok(bytes);
        }
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let opened = Decryptor::new(&bytes[..]).and_then(|file| file.decrypt(identities));
        let mut plain = Vec::new();
        let mut reader = opened.map_err(|_| SealError::Closed)?;
        reader.read_to_end(&mut plain).map_err(|_| SealError::Closed)?;
        Ok(plain)
    }
}

/// Returns whether a file is encrypted.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn pair() -> (Recipients, Identities) {
        let key = x25519::Identity::generate();
        let (mut recipients, mut identities) = (Recipients::default(), Identities::default());
        assert!(recipients.add(&key.to_public().to_string()));
        assert!(identities.add(&Secret::new(key.to_string().expose_secret())));
        (recipients, identities)
    }

    #[test]
    fn only_an_identity_of_a_recipient_opens_it() {
        let (recipients, identities) = pair();
        let sealed = recipients.seal(b"a plan".to_vec()).unwrap();

        assert!(is_encrypted(&sealed) && !sealed.windows(6).any(|part| part == b"a plan"));
        assert_eq!(identities.open(sealed.clone()).unwrap(), b"a plan");
        assert!(matches!(pair().1.open(sealed.clone()), Err(SealError::Closed)));
        assert!(Identities::default().open(sealed.clone()).is_err());
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(identities.open(changed).is_err());
    }

    #[test]
    fn without_recipients_nothing_is_encrypted_and_a_wrong_key_is_told() {
        let mut recipients = Recipients::default();

        assert_eq!(recipients.seal(b"x".to_vec()).unwrap(), b"x");
        assert_eq!(Identities::default().open(b"x".to_vec()).unwrap(), b"x");
        assert!(!recipients.add("age1") && !Identities::default().add(&Secret::new("no")));
    }
}
