//! Who can open an encrypted archive, and what opens it.
//!
//! The format is version 1 of age, <https://c2sp.org/age>: `age -d` and `rage -d` open what is made here.
//! Recipients are public, so a host that can make backups cannot read its old ones.

use std::{fmt, fs::File, io, path::Path};

use age::{
    DecryptError, Decryptor, Encryptor, Identity, Recipient, secrecy::SecretString,
    stream::StreamReader,
};

use crate::{
    kind::{HasKind, Kind},
    secret::Secret,
};

/// The logarithm of the work a passphrase costs, as the reference implementation has it: 256 MiB for
/// about a second.
const WORK: u8 = 18;
/// The most work an archive may ask for, 4 GiB; the reference implementation takes no more either.
const MAX_WORK: u8 = 22;

/// How an archive is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct Encryption<'a> {
    /// Who can open it.
    pub recipients: &'a Recipients,
    /// The folder, made if missing, for the plain form of the last archive of each source: the next one
    /// copies from it. `None` reads and compresses everything each time.
    pub cache: Option<&'a Path>,
}

/// Those who can open an archive: public keys, or a passphrase alone.
#[derive(Default)]
pub struct Recipients(Vec<Box<dyn Recipient + Send + Sync>>);

/// A key that is none. What it is instead is not shown, since it may be a secret in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A recipient is malformed.
    #[error("not an age recipient, which begins with `age1`")]
    Recipient,
    /// The secret half was given where the public one belongs.
    #[error("an age identity, which is secret; its recipient, which begins with `age1`, is wanted")]
    SecretRecipient,
    /// An identity is malformed.
    #[error("not an age identity, which begins with `AGE-SECRET-KEY-1`")]
    Identity,
    /// A passphrase without a character.
    #[error("an empty passphrase")]
    EmptyPassphrase,
}

impl HasKind for BadKey {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Recipients {
    /// Adds a public key, `age1…`.
    pub fn add(&mut self, key: &str) -> Result<(), BadKey> {
        match key.parse::<age::x25519::Recipient>() {
            Ok(recipient) => self.0.push(Box::new(recipient)),
            Err(_) if key.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") => {
                return Err(BadKey::SecretRecipient);
            }
            Err(_) => return Err(BadKey::Recipient),
        }
        Ok(())
    }

    /// Returns how many there are; an archive needs one.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Encrypts to whoever knows a passphrase.
    pub fn passphrase(passphrase: &Secret) -> Result<Self, BadKey> {
        let mut recipient = age::scrypt::Recipient::new(secret(passphrase)?);
        recipient.set_work_factor(WORK);
        Ok(Self(vec![Box::new(recipient)]))
    }

    pub(super) fn encryptor(&self) -> io::Result<Encryptor> {
        let recipients = self.0.iter().map(|recipient| &**recipient as &dyn Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

fn secret(passphrase: &Secret) -> Result<SecretString, BadKey> {
    let passphrase = passphrase.expose();
    if passphrase.is_empty() {
        return Err(BadKey::EmptyPassphrase);
    }
    Ok(SecretString::from(passphrase.to_owned()))
}

/// What opens encrypted archives.
pub struct Keys(Vec<Box<dyn Identity + Send + Sync>>);

impl Keys {
    /// Opens nothing.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a secret key, `AGE-SECRET-KEY-1…`.
    pub fn add_identity(&mut self, identity: &Secret) -> Result<(), BadKey> {
        let identity = identity.expose().parse::<age::x25519::Identity>();
        self.0.push(Box::new(identity.map_err(|_| BadKey::Identity)?));
        Ok(())
    }

    /// Adds a passphrase.
    pub fn add_passphrase(&mut self, passphrase: &Secret) -> Result<(), BadKey> {
        let mut identity = age::scrypt::Identity::new(secret(passphrase)?);
        identity.set_max_work_factor(MAX_WORK);
        self.0.push(Box::new(identity));
        Ok(())
    }

    /// Opens a file, or says why nothing does.
    pub(super) fn open(
        &self,
        decryptor: Decryptor<File>,
    ) -> Result<StreamReader<File>, &'static str> {
        let is_scrypt = decryptor.is_scrypt();
        let identities = self.0.iter().map(|identity| &**identity as &dyn Identity);
        decryptor.decrypt(identities).map_err(|error| match error {
            _ if self.0.is_empty() && is_scrypt => "no passphrase was given",
            _ if self.0.is_empty() => "no identity was given",
            DecryptError::ExcessiveWork { .. } => "its passphrase asks for too much work",
            DecryptError::InvalidMac | DecryptError::InvalidHeader => "its header is damaged",
            _ if is_scrypt => "the passphrase is another one",
            _ => "it is for none of the identities given",
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}
