//! The keys of encrypted archives, where flags or a profile name them.

use std::path::{Path, PathBuf};

use devops_cli::{Failure, Session, quote, user_folder};
use devops_core::{
    archive::{CreateOptions, InvalidKey, Keys, Recipients, ReuseCache},
    fs::read_input,
    secret::Secret,
};

use crate::cli::{EncryptFlags, KeyFlags};

/// The most a file of keys may hold.
const MAX_KEYS: u64 = 1 << 20;

/// Reads what opens archives.
pub(super) fn keys(flags: &KeyFlags, session: &Session) -> Result<Keys, Failure> {
    let mut keys = Keys::none();
    for file in &flags.identity {
        let text = session.read_secret(file, MAX_KEYS)?;
        if lines(text.expose()).next().is_none() {
            return Err(Failure::usage(format!("`{}` holds no identity", quote(file))));
        }
        for (n, line) in lines(text.expose()) {
            keys.add_identity(&Secret::new(line)).map_err(|error| bad(file, Some(n), error))?;
        }
    }
    if let Some(file) = &flags.passphrase_file {
        let passphrase = passphrase(file, session)?;
        keys.add_passphrase(&passphrase).map_err(|error| bad(file, None, error))?;
    }
    Ok(keys)
}

/// Whom new archives are encrypted to, and what opens them here.
pub(super) struct Encryption {
    recipients: Option<Recipients>,
    copies: Option<PathBuf>,
    keeps_copy: bool,
    pub(super) keys: Keys,
}

impl Encryption {
    pub(super) fn read(flags: &EncryptFlags, session: &Session) -> Result<Self, Failure> {
        let mut encryption = Self {
            recipients: None,
            copies: copies_folder(),
            keeps_copy: flags.cache,
            keys: Keys::none(),
        };
        if let Some(file) = &flags.passphrase_file {
            if !flags.recipient.is_empty() || !flags.recipients_file.is_empty() {
                return Err(Failure::usage(
                    "a passphrase opens an archive alone, without recipients",
                )
                .hint("leave out `--passphrase-file` or the recipients"));
            }
            let passphrase = passphrase(file, session)?;
            let recipients = Recipients::passphrase(&passphrase);
            encryption.recipients = Some(recipients.map_err(|error| bad(file, None, error))?);
            encryption.keys.add_passphrase(&passphrase).map_err(|error| bad(file, None, error))?;
        } else {
            encryption.recipients = recipients(flags, session)?;
        }
        if encryption.copies.is_none() && encryption.makes_copies() {
            session.warn("without a home no copy is kept for the next encrypted archive");
        }
        Ok(encryption)
    }

    /// Completes the options of an archive.
    pub(super) fn apply<'a>(&'a self, options: CreateOptions<'a>) -> CreateOptions<'a> {
        let folder = self.copies.as_deref();
        CreateOptions {
            encryption: self.recipients.as_ref(),
            copies: folder.map(|folder| ReuseCache { folder, keep: self.keeps_copy }),
            ..options
        }
    }

    /// Returns whether a plain copy is written beside an archive.
    pub(super) fn makes_copies(&self) -> bool {
        self.recipients.is_some() && self.keeps_copy
    }
}

fn recipients(flags: &EncryptFlags, session: &Session) -> Result<Option<Recipients>, Failure> {
    let mut recipients = Recipients::default();
    for key in &flags.recipient {
        let added = recipients.add(key);
        added.map_err(|error| Failure::usage(format!("a `--recipient` is {error}")))?;
    }
    for file in &flags.recipients_file {
        let text = read_input(file, MAX_KEYS, session.cancel())?;
        if lines(&text).next().is_none() {
            return Err(Failure::usage(format!("`{}` names no recipient", quote(file))));
        }
        for (n, line) in lines(&text) {
            recipients.add(line).map_err(|error| bad(file, Some(n), error))?;
        }
    }
    Ok(Some(recipients).filter(|recipients| !recipients.is_empty()))
}

/// Returns the lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Reads a passphrase: the first line of a file.
fn passphrase(file: &Path, session: &Session) -> Result<Secret, Failure> {
    let text = session.read_secret(file, MAX_KEYS)?;
    Ok(Secret::new(text.expose().lines().next().unwrap_or_default()))
}

fn bad(file: &Path, line: Option<usize>, error: InvalidKey) -> Failure {
    let place = line.map_or_else(String::new, |line| format!(", line {line}"));
    Failure::usage(format!("`{}`{place} is {error}", quote(file)))
}

/// Returns the folder for the plain copies that encrypted archives are made from.
fn copies_folder() -> Option<PathBuf> {
    Some(user_folder("XDG_CACHE_HOME", ".cache")?.join("devops/backup"))
}
