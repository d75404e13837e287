//! age recipients and identities.
//!
//! The format is version 1 of age, <https://c2sp.org/age>: `age -d` and `rage -d` open what is made here.
//! Recipients are public, so a host that can make backups cannot read its old ones.

use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{self, Read, Write},
    iter,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use age::{
    DecryptError, Decryptor, Encryptor, Identity, Recipient,
    secrecy::{ExposeSecret, SecretString},
    stream::StreamReader,
};
use age_core::format::{FileKey, Stanza};

use crate::{
    cancel::Cancel,
    fs::{Input, IoResultExt, PathError},
    kind::{HasKind, Kind},
    secret::Secret,
};

/// The logarithm of the work a passphrase costs, as the reference implementation has it: 256 MiB for
/// about a second.
const WORK: u8 = 18;
/// Is held while a passphrase is tried, so that archives that are opened at once do not each take that memory.
static PASSPHRASE: Mutex<()> = Mutex::new(());
/// The most work an archive may ask for, 4 GiB; the reference implementation takes no more either.
const MAX_WORK: u8 = 22;

/// Those who can open an archive: public keys, or a passphrase alone.
#[derive(Default)]
pub struct Recipients(Vec<Box<dyn Recipient + Send + Sync>>);

/// A key that is none. What it is instead is not shown, since it may be a secret in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// A recipient is malformed.
    #[error("not an X25519 recipient of age, which begins with `age1`")]
    Recipient,
    /// The secret half was given where the public one belongs.
    #[error("an age identity, which is secret; its recipient, which begins with `age1`, is wanted")]
    SecretRecipient,
    /// An identity is malformed.
    #[error("not an X25519 identity of age, which begins with `AGE-SECRET-KEY-1`")]
    Identity,
    /// A passphrase without a character.
    #[error("an empty passphrase")]
    EmptyPassphrase,
}

impl HasKind for InvalidKey {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Recipients {
    /// Adds a public key, `age1…`.
    pub fn add(&mut self, key: &str) -> Result<(), InvalidKey> {
        match key.parse::<age::x25519::Recipient>() {
            Ok(recipient) => self.0.push(Box::new(recipient)),
            Err(_) if key.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") => {
                return Err(InvalidKey::SecretRecipient);
            }
            Err(_) => return Err(InvalidKey::Recipient),
        }
        Ok(())
    }

    /// Returns whether nobody could open an archive.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encrypts to whoever knows a passphrase.
    pub fn passphrase(passphrase: &Secret) -> Result<Self, InvalidKey> {
        let mut recipient = age::scrypt::Recipient::new(secret(passphrase)?);
        recipient.set_work_factor(WORK);
        Ok(Self(vec![Box::new(recipient)]))
    }

    pub(in crate::archive) fn encryptor(&self) -> io::Result<Encryptor> {
        let recipients = self.0.iter().map(|recipient| &**recipient as &dyn Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

fn secret(passphrase: &Secret) -> Result<SecretString, InvalidKey> {
    let passphrase = passphrase.expose();
    if passphrase.is_empty() {
        return Err(InvalidKey::EmptyPassphrase);
    }
    Ok(SecretString::from(passphrase.to_owned()))
}

/// The keys for archives that do not open by their path alone: encrypted ones, and those from a pipe.
#[derive(Clone)]
pub struct Keys {
    identities: Vec<Arc<dyn Identity + Send + Sync>>,
    /// Open files, by the path that was named.
    streams: Vec<(PathBuf, Arc<File>)>,
}

impl Keys {
    /// Opens nothing.
    pub const fn none() -> Self {
        Self { identities: Vec::new(), streams: Vec::new() }
    }

    /// Adds the archive in `open`, which is then found under `path`; one that comes through a pipe is kept in a
    /// temporary file without a name, since an archive is read from its end.
    pub fn add_stream(
        &mut self,
        path: &Path,
        open: OwnedFd,
        cancel: &Cancel,
    ) -> Result<(), PathError> {
        let mut file = File::from(open);
        if !file.metadata().at(path, "read")?.is_file() {
            file = spool(path, Input::new(file, cancel))?;
        }
        self.streams.push((path.to_owned(), Arc::new(file)));
        Ok(())
    }

    /// Returns the open file that is found under a path.
    pub(in crate::archive) fn stream(&self, path: &Path) -> Option<&File> {
        self.streams.iter().find(|(named, _)| named == path).map(|(_, file)| &**file)
    }

    /// Adds a secret key, `AGE-SECRET-KEY-1…`.
    pub fn add_identity(&mut self, identity: &Secret) -> Result<(), InvalidKey> {
        let identity = identity.expose().parse::<age::x25519::Identity>();
        self.identities.push(Arc::new(identity.map_err(|_| InvalidKey::Identity)?));
        Ok(())
    }

    /// Adds a passphrase.
    pub fn add_passphrase(&mut self, passphrase: &Secret) -> Result<(), InvalidKey> {
        let mut identity = age::scrypt::Identity::new(secret(passphrase)?);
        identity.set_max_work_factor(MAX_WORK);
        self.identities.push(Arc::new(identity));
        Ok(())
    }

    /// Returns whether there is nothing that opens anything.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Opens a file, and returns its own key too.
    pub(in crate::archive) fn open(
        &self,
        decryptor: Decryptor<File>,
    ) -> Result<(StreamReader<File>, FileKey), NotDecrypted> {
        let is_scrypt = decryptor.is_scrypt();
        let _turn = is_scrypt.then(|| PASSPHRASE.lock().unwrap_or_else(PoisonError::into_inner));
        let opener = FileKeyFinder { keys: self, key: Cell::new(None) };
        let reader = decryptor.decrypt(iter::once(&opener as &dyn Identity));
        let reader = reader.map_err(|error| match error {
            DecryptError::NoMatchingKeys if is_scrypt => {
                NotDecrypted::Encrypted("no passphrase was given")
            }
            DecryptError::NoMatchingKeys if self.is_empty() => {
                NotDecrypted::Encrypted("no identity was given")
            }
            DecryptError::NoMatchingKeys => {
                NotDecrypted::Encrypted("it is for none of the identities given")
            }
            DecryptError::DecryptionFailed if is_scrypt => {
                NotDecrypted::Encrypted("the passphrase is another one")
            }
            DecryptError::ExcessiveWork { .. } => {
                NotDecrypted::Encrypted("its passphrase asks for too much work")
            }
            other => NotDecrypted::Failed(other),
        })?;
        Ok((reader, opener.key.take().expect("what opened it had its key")))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.identities.len())
    }
}

/// Copies what comes through a pipe into a file without a name.
fn spool(path: &Path, mut input: Input) -> Result<File, PathError> {
    let folder = std::env::temp_dir();
    let mut file = tempfile::tempfile().at(&folder, "write a file in")?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        match input.read(&mut buffer).at(path, "read")? {
            0 => return Ok(file),
            n => file.write_all(&buffer[..n]).at(&folder, "write a file in")?,
        }
    }
}

/// The reason a file stays closed.
pub(in crate::archive) enum NotDecrypted {
    /// The keys do not fit.
    Encrypted(&'static str),
    /// It is damaged, or cannot be read.
    Failed(DecryptError),
}

/// Tries all keys, and remembers the key of the file.
struct FileKeyFinder<'a> {
    keys: &'a Keys,
    key: Cell<Option<FileKey>>,
}

impl Identity for FileKeyFinder<'_> {
    fn unwrap_stanza(&self, _stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        None
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let found =
            self.keys.identities.iter().find_map(|identity| identity.unwrap_stanzas(stanzas))?;
        Some(found.inspect(|key| self.key.set(Some(copy(key)))))
    }
}

/// Opens a file whose own key is known.
pub(in crate::archive) struct FileKeyIdentity<'a>(pub(in crate::archive) &'a FileKey);

impl Identity for FileKeyIdentity<'_> {
    fn unwrap_stanza(&self, _stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(copy(self.0)))
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|copy| copy.copy_from_slice(key.expose_secret()))
}
