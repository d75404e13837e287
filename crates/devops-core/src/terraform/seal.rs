//! The seal of a plan: what must still be true when it is applied.
//!
//! Terraform compares only the state's lineage and serial. A first plan has neither, so it applies to any
//! empty state: of another workspace, or of another backend.
//!
//! A seal ends with a keyed hash of itself. With a key of the user's it proves who made the plan. Without one
//! the key lies in the seal, which then guards against mistakes alone: who may write plan and seal may make
//! both anew.

use std::{
    collections::BTreeMap,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use time::{
    Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::well_known::Rfc3339,
};

use super::{
    cipher::{Identities, Recipients},
    compare::{Comparison, Fingerprint, compare, fingerprint},
    patterns::PathPattern,
    plan::{Plan, Summary},
    sealed_state::SealedState,
};
use crate::{
    fs::{self, IoResultExt, PathError},
    secret::Secret,
};

pub(super) mod error;
mod folder;
mod format;
mod key;

use format::VERSION;

pub use error::SealError;
pub use format::seal_path;
pub use key::SealKey;

/// A seal is small; what is larger is none.
const SIZE_LIMIT: u64 = 16 << 20;

/// What was true when a plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The version of this format.
    pub version: u32,
    /// BLAKE3 of the plan file, in hex.
    pub plan_blake3: String,
    /// The folder of the stack, absolute; its exact bytes are in `dir_b64` when it is not UTF-8.
    #[serde(flatten, with = "folder")]
    pub dir: PathBuf,
    /// The workspace in effect.
    pub workspace: String,
    /// The version of terraform that made the plan.
    pub terraform_version: String,
    /// BLAKE3 of the dependency lock file, in hex; absent without one.
    pub lock_file_blake3: Option<String>,
    /// The keyed hash of each setting of the backend; credentials are left out.
    pub backend: BTreeMap<String, String>,
    /// The keyed hash of each variable that adds arguments to `apply`.
    pub apply_args: BTreeMap<String, String>,
    /// The time the plan was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Until when it may be applied; absent for ever.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub valid_until: Option<OffsetDateTime>,
    /// What the plan would do.
    pub summary: Summary,
    /// The hashes of its changes, to compare it with another plan.
    pub fingerprint: Fingerprint,
    /// Values that may differ from those of another plan.
    pub volatile: Vec<String>,
    /// The key, in hex; absent where it is the user's.
    key: Option<String>,
    /// The keyed hash of all the above, in hex.
    mac: String,
}

/// Options of making and verifying a seal.
#[derive(Clone, Debug, Default)]
pub struct SealOptions {
    /// The user's key.
    pub key: Option<SealKey>,
    /// The time for which a new seal holds.
    pub valid_for: Option<std::time::Duration>,
    /// Values that may differ between two plans that are the same.
    pub volatile: Vec<PathPattern>,
    /// The age recipients that a new plan and its seal are encrypted to.
    pub recipients: Recipients,
    /// The age identities that decrypt them.
    pub identities: Identities,
}

impl Seal {
    pub(super) fn new(
        plan_blake3: String,
        around: SealedState,
        created: OffsetDateTime,
        plan: &Plan,
        options: &SealOptions,
    ) -> Result<Self, PathError> {
        let key = options.key.clone().map_or_else(SealKey::random, Ok)?;
        let hashed = |map: BTreeMap<String, Secret>| hashes(&key, &map);
        let created = created.to_offset(UtcOffset::UTC);
        // What ends beyond all dates ends with them, and not never.
        let end = |time| Self::end(created, time).unwrap_or(PrimitiveDateTime::MAX.assume_utc());
        let mut seal = Self {
            version: VERSION,
            plan_blake3,
            dir: around.dir,
            workspace: around.workspace,
            terraform_version: around.terraform_version.unwrap_or_default(),
            lock_file_blake3: around.lock_file_blake3,
            backend: hashed(around.backend.unwrap_or_default()),
            apply_args: hashed(around.apply_args),
            created,
            valid_until: options.valid_for.map(end),
            summary: plan.summary(),
            fingerprint: fingerprint(plan, Some(key.bytes()), &options.volatile),
            volatile: options.volatile.iter().map(ToString::to_string).collect(),
            key: options.key.is_none().then(|| key.to_hex()),
            mac: String::new(),
        };
        seal.mac = seal.own_hash(&key).to_hex().to_string();
        Ok(seal)
    }

    /// Returns when a seal ends that holds for a time; nothing if no date can say it.
    pub fn end(created: OffsetDateTime, valid_for: std::time::Duration) -> Option<OffsetDateTime> {
        created.to_offset(UtcOffset::UTC).checked_add(Duration::try_from(valid_for).ok()?)
    }

    /// Reads the seal of `plan`.
    pub fn read(plan: &Path, identities: &Identities) -> Result<Self, super::TerraformError> {
        let path = seal_path(plan);
        if !path.try_exists().at(&path, "find")? {
            return Err(SealError::Missing { plan: plan.to_owned() }.into());
        }
        Self::read_file(&path, identities)
    }

    /// Reads a seal by its own path.
    pub fn read_file(path: &Path, identities: &Identities) -> Result<Self, super::TerraformError> {
        let mut bytes = Vec::new();
        fs::open_file(path)?.take(SIZE_LIMIT).read_to_end(&mut bytes).at(path, "read")?;
        let text = identities.open(bytes)?;
        Self::parse(&text, path).map_err(Into::into)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, SealError> {
        let unreadable = |source| SealError::Unreadable { path: path.to_owned(), source };
        let document: serde_json::Value = serde_json::from_slice(text).map_err(unreadable)?;
        // Another version may have other fields.
        match document.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => {
                return Err(SealError::Version { path: path.to_owned(), version });
            }
            _ => {}
        }
        serde_json::from_slice(text).map_err(unreadable)
    }

    /// Writes the seal beside `plan`, for its owner alone.
    pub(super) fn write(&self, plan: &Path, recipients: &Recipients) -> Result<(), PathError> {
        let mut text = serde_json::to_vec_pretty(self).expect("a seal has only plain fields");
        text.push(b'\n');
        let path = seal_path(plan);
        let sealed = recipients.seal(text).at(&path, "encrypt")?;
        fs::replace(&path, &sealed, 0o600)
    }

    /// Returns the folder of the stack; one that was moved breaks the seal.
    pub fn folder(&self) -> Result<&Path, SealError> {
        if self.dir.is_dir() {
            return Ok(&self.dir);
        }
        Err(SealError::Broken { what: format!("there is no folder `{}`", exact(&self.dir)) })
    }

    /// Compares the seal with the plan's bytes and what is true now, as far as that is known.
    pub(super) fn verify(
        &self,
        plan_blake3: &str,
        around: &SealedState,
        key: Option<&SealKey>,
        now: OffsetDateTime,
    ) -> Result<(), SealError> {
        let key = self.key_of(key)?;
        let version = around.terraform_version.as_ref().unwrap_or(&self.terraform_version);
        let content = self.plan_blake3 != plan_blake3;
        let differing = [
            changed("terraform version", &self.terraform_version, version),
            lock_file_change(self.lock_file_blake3.as_ref(), around.lock_file_blake3.as_ref()),
            differing_name(&self.apply_args, &hashes(&key, &around.apply_args))
                .map(|name| format!("the environment variable `{name}` differs")),
        ];
        let first = content
            .then(|| "the content of the plan differs".to_owned())
            .into_iter()
            .chain(self.moved(&key, around))
            .chain(differing.into_iter().flatten())
            .next();
        match first {
            Some(what) => Err(SealError::Broken { what }),
            None => self.verify_time(now),
        }
    }

    /// Says what differs of the place that a plan is for: its folder, its workspace, its backend.
    fn moved(&self, key: &SealKey, around: &SealedState) -> Vec<String> {
        let backend = around.backend.as_ref().and_then(|backend| {
            let name = differing_name(&self.backend, &hashes(key, backend))?;
            Some(format!("the backend's setting `{name}` differs"))
        });
        [
            changed("folder", &exact(&self.dir), &exact(&around.dir)),
            changed("workspace", &self.workspace, &around.workspace),
            backend,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Compares a plan for a place with the one that was sealed, and the place with the sealed one.
    pub(super) fn compare_in(
        &self,
        around: &SealedState,
        plan: &Plan,
        options: &SealOptions,
    ) -> Result<Comparison, SealError> {
        let moved = self.moved(&self.key_of(options.key.as_ref())?, around);
        if moved.is_empty() { self.compare(plan, options) } else { Ok(Comparison::Differs(moved)) }
    }

    /// Compares what another plan does with what the sealed one does, wherever that is; fails if the seal was
    /// not made with the key.
    pub fn compare(&self, plan: &Plan, options: &SealOptions) -> Result<Comparison, SealError> {
        let key = self.key_of(options.key.as_ref())?;
        let wider: Vec<_> = options.volatile.iter().map(ToString::to_string).collect();
        let wider = wider.iter().filter(|pattern| !self.volatile.contains(pattern));
        let wider: Vec<_> =
            wider.map(|one| format!("`--volatile {one}` was not approved")).collect();
        if !wider.is_empty() {
            return Ok(Comparison::Differs(wider));
        }
        let volatile: Vec<_> = self.volatile.iter().filter_map(|text| text.parse().ok()).collect();
        Ok(compare(&self.fingerprint, &fingerprint(plan, Some(key.bytes()), &volatile)))
    }

    /// Proves that the seal was made with the key, and that its time is not over.
    pub fn prove(&self, options: &SealOptions, now: OffsetDateTime) -> Result<(), SealError> {
        self.key_of(options.key.as_ref())?;
        self.verify_time(now)
    }

    /// Returns the key, and proves the seal with it.
    fn key_of(&self, given: Option<&SealKey>) -> Result<SealKey, SealError> {
        let key = match (&self.key, given) {
            (None, None) => return Err(SealError::NoKey),
            // A seal that brings its own key proves nothing to the owner of another.
            (Some(_), Some(_)) => return Err(SealError::Key),
            (None, Some(key)) => key.clone(),
            (Some(own), None) => SealKey::from_hex(own).ok_or(SealError::Key)?,
        };
        // Comparing hashes takes the same time wherever they differ.
        let proves = blake3::Hash::from_hex(&self.mac).is_ok_and(|mac| mac == self.own_hash(&key));
        if proves { Ok(key) } else { Err(SealError::Key) }
    }

    fn verify_time(&self, now: OffsetDateTime) -> Result<(), SealError> {
        match self.valid_until {
            Some(until) if now > until || now < self.created => {
                let until = until.format(&Rfc3339).unwrap_or_default();
                Err(SealError::Expired { until })
            }
            _ => Ok(()),
        }
    }

    fn own_hash(&self, key: &SealKey) -> blake3::Hash {
        let without = Self { mac: String::new(), ..self.clone() };
        key.hash(&serde_json::to_vec(&without).expect("a seal has only plain fields"))
    }
}

fn hashes(key: &SealKey, map: &BTreeMap<String, Secret>) -> BTreeMap<String, String> {
    let hash = |(name, value): (&String, &Secret)| {
        let text = [name.as_bytes(), b"\0", value.expose().as_bytes()].concat();
        (name.clone(), key.hash(&text).to_hex().to_string())
    };
    map.iter().map(hash).collect()
}

/// Returns the first name that one of the two has not, or with another value.
fn differing_name<'a>(
    one: &'a BTreeMap<String, String>,
    other: &'a BTreeMap<String, String>,
) -> Option<String> {
    let names = one.keys().chain(other.keys());
    names.into_iter().find(|name| one.get(*name) != other.get(*name)).cloned()
}

fn changed(what: &str, sealed: &str, found: &str) -> Option<String> {
    (sealed != found).then(|| format!("the {what} was `{sealed}` and is `{found}`"))
}

fn lock_file_change(sealed: Option<&String>, found: Option<&String>) -> Option<String> {
    let how = match (sealed, found) {
        (None, Some(_)) => "is new",
        (Some(_), None) => "is gone",
        _ if sealed != found => "differs",
        _ => return None,
    };
    Some(format!("the dependency lock file {how}"))
}

/// Returns a text that no other path has.
fn exact(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests;
