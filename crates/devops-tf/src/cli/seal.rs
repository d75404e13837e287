//! Reads the options of a seal from its flags.

use std::{io::ErrorKind, path::Path};

use devops_cli::{Failure, Session, quote};
use devops_core::{
    secret::Secret,
    terraform::{Identities, Recipients, SealKey, SealOptions},
};

use super::{PlanArgs, SealArgs};

/// The largest key file that is read.
const KEY_LIMIT: u64 = 64 << 10;

/// The shortest key that is accepted, in characters.
const KEY_LENGTH: usize = 16;

impl SealArgs {
    /// Reads the files of the keys.
    pub(crate) fn options(&self, session: &Session) -> Result<SealOptions, Failure> {
        let key = self.seal_key.as_deref().map(|file| seal_key(file, session)).transpose()?;
        let mut identities = Identities::default();
        for file in &self.identity {
            add_identities(&mut identities, file, session)?;
        }
        Ok(SealOptions { key, identities, ..SealOptions::default() })
    }
}

impl PlanArgs {
    /// Reads who can read the plan.
    pub(crate) fn recipients(&self) -> Result<Recipients, Failure> {
        let mut recipients = Recipients::default();
        if self.recipient.iter().all(|key| recipients.add(key)) {
            return Ok(recipients);
        }
        // The text may be a secret key that went astray, so it is not repeated.
        Err(Failure::usage(
            "a `--recipient` is no X25519 recipient of age, which begins with `age1`",
        ))
    }
}

/// Reads the file of a key; one that is not text is wrong usage.
fn read(file: &Path, session: &Session) -> Result<Secret, Failure> {
    session.read_secret(file, KEY_LIMIT).map_err(|error| match error.source.kind() {
        ErrorKind::InvalidData => Failure::usage(format!("`{}` is not UTF-8 text", quote(file)))
            .hint("`openssl rand -hex 32` makes a key"),
        _ => error.into(),
    })
}

fn seal_key(file: &Path, session: &Session) -> Result<SealKey, Failure> {
    let secret = read(file, session)?;
    if secret.expose().trim().len() < KEY_LENGTH {
        let message = format!("`{}` has fewer than {KEY_LENGTH} characters", quote(file));
        return Err(Failure::usage(message).hint("`openssl rand -hex 32` makes a key"));
    }
    Ok(SealKey::derive(&secret))
}

fn add_identities(
    identities: &mut Identities,
    file: &Path,
    session: &Session,
) -> Result<(), Failure> {
    let text = read(file, session)?;
    let lines = text.expose().lines().map(str::trim);
    let mut keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    if keys.peek().is_some() && keys.all(|key| identities.add(&Secret::new(key))) {
        return Ok(());
    }
    Err(Failure::usage(format!("`{}` holds no X25519 identities of age alone", quote(file))))
}
