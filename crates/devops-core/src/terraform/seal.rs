//! The seal of a plan: what must still be true when it is applied.
//!
//! Terraform compares only the state's lineage and serial. A first plan has neither, so it applies to any
//! empty state: of another workspace, or of another backend.

use std::{
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use super::plan::Summary;
use crate::{
    fs::{self, At, PathError},
    kind::{HasKind, Kind},
};

/// The version of the format written here.
const VERSION: u32 = 1;

/// A seal is small; what is larger is none.
const SIZE_LIMIT: u64 = 1 << 20;

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
    /// BLAKE3 of the initialized backend's settings, in hex; absent for the default local backend.
    pub backend_blake3: Option<String>,
    /// The variables that added arguments, without their values.
    pub cli_args: Vec<String>,
    /// When the plan was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// What the plan would do.
    pub summary: Summary,
}

/// Why a seal does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no seal beside the plan.
    #[error("plan `{}` has no seal `{}`", .plan.display(), seal_path(.plan).display())]
    Missing {
        /// The plan.
        plan: PathBuf,
    },
    /// The seal is not one of ours, or a newer one.
    #[error("seal `{}` cannot be read", .path.display())]
    Unreadable {
        /// The seal.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The seal is of a version we do not know.
    #[error("seal `{}` has version {version}, and this tool knows version {VERSION}", .path.display())]
    Version {
        /// The seal.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Something is not what it was.
    #[error("the seal is broken: the {what} was {sealed} and is {found}")]
    Broken {
        /// What differs.
        what: &'static str,
        /// What it was when the plan was made.
        sealed: String,
        /// What it is.
        found: String,
    },
}

impl HasKind for SealError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Version { .. }
            | Self::Broken { .. } => Kind::Seal,
        }
    }
}

/// What is true of a stack: the parts of a seal that do not depend on the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surroundings {
    pub(super) dir: PathBuf,
    pub(super) workspace: String,
    pub(super) terraform_version: String,
    pub(super) lock_file_blake3: Option<String>,
    pub(super) backend_blake3: Option<String>,
    pub(super) cli_args: Vec<String>,
}

impl Seal {
    pub(super) fn new(
        plan_blake3: String,
        around: Surroundings,
        created: OffsetDateTime,
        summary: Summary,
    ) -> Self {
        let Surroundings {
            dir,
            workspace,
            terraform_version,
            lock_file_blake3,
            backend_blake3,
            cli_args,
        } = around;
        Self {
            version: VERSION,
            plan_blake3,
            dir,
            workspace,
            terraform_version,
            lock_file_blake3,
            backend_blake3,
            cli_args,
            created: created.to_offset(UtcOffset::UTC),
            summary,
        }
    }

    /// Reads the seal of `plan`.
    pub fn read(plan: &Path) -> Result<Self, super::TerraformError> {
        let path = seal_path(plan);
        if !path.try_exists().at(&path, "find")? {
            return Err(SealError::Missing { plan: plan.to_owned() }.into());
        }
        let text = fs::read_text(&path, SIZE_LIMIT)?;
        let seal: Self = serde_json::from_str(&text)
            .map_err(|source| SealError::Unreadable { path: path.clone(), source })?;
        if seal.version != VERSION {
            return Err(SealError::Version { path, version: seal.version }.into());
        }
        Ok(seal)
    }

    /// Writes the seal beside `plan`, for its owner alone.
    pub(super) fn write(&self, plan: &Path) -> Result<(), PathError> {
        let mut text = serde_json::to_vec_pretty(self).expect("a seal has only plain fields");
        text.push(b'\n');
        fs::replace(&seal_path(plan), &text, 0o600)
    }

    /// Compares the seal with the plan's bytes and what is true now.
    pub(super) fn verify(&self, plan_blake3: &str, now: &Surroundings) -> Result<(), SealError> {
        let cli_args = |names: &[String]| names.join(", ");
        let pairs = [
            ("content of the plan", self.plan_blake3.clone(), plan_blake3.to_owned()),
            ("folder", exact(&self.dir), exact(&now.dir)),
            ("workspace", self.workspace.clone(), now.workspace.clone()),
            ("terraform version", self.terraform_version.clone(), now.terraform_version.clone()),
            (
                "dependency lock file",
                or_none(self.lock_file_blake3.as_ref()),
                or_none(now.lock_file_blake3.as_ref()),
            ),
            (
                "backend",
                or_none(self.backend_blake3.as_ref()),
                or_none(now.backend_blake3.as_ref()),
            ),
            (
                "set of TF_CLI_ARGS variables",
                or_none(Some(&cli_args(&self.cli_args))),
                or_none(Some(&cli_args(&now.cli_args))),
            ),
        ];
        match pairs.into_iter().find(|(_, sealed, found)| sealed != found) {
            None => Ok(()),
            Some((what, sealed, found)) => {
                let quote = |text: String| if text == "none" { text } else { format!("`{text}`") };
                Err(SealError::Broken { what, sealed: quote(sealed), found: quote(found) })
            }
        }
    }
}

/// Returns a text that no other path has.
fn exact(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

/// A path as one field, or as two when it is not UTF-8.
mod folder {
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt, OsStringExt},
        path::{Path, PathBuf},
    };

    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    struct Folder {
        dir: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dir_b64: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let bytes = path.as_os_str().as_bytes();
        let dir_b64 = path.to_str().is_none().then(|| BASE64_STANDARD.encode(bytes));
        Folder { dir: path.to_string_lossy().into_owned(), dir_b64 }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let Folder { dir, dir_b64 } = Folder::deserialize(from)?;
        let Some(text) = dir_b64 else { return Ok(dir.into()) };
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        Ok(OsString::from_vec(bytes).into())
    }
}

fn or_none(value: Option<&String>) -> String {
    value.filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| "none".to_owned())
}

/// Returns the path of the seal of `plan`: `PLAN.seal.json`.
pub fn seal_path(plan: &Path) -> PathBuf {
    let mut path = plan.as_os_str().to_owned();
    path.push(".seal.json");
    path.into()
}

/// Returns the BLAKE3 hash of a file in hex; nothing if it does not exist.
pub(super) fn hash_file(path: &Path) -> Result<Option<String>, PathError> {
    match fs::open_file(path) {
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        opened => {
            let mut file = opened?;
            copy_and_hash(&mut file, &mut std::io::sink()).at(path, "read").map(Some)
        }
    }
}

/// Returns the BLAKE3 hash of the backend's settings that `init` wrote; nothing without any.
///
/// The rest of the file changes with every `init`.
pub(super) fn hash_backend(path: &Path) -> Result<Option<String>, PathError> {
    if !path.try_exists().at(path, "find")? {
        return Ok(None);
    }
    let text = fs::read_text(path, SIZE_LIMIT)?;
    let settings = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|state| state.get("backend").map(ToString::to_string))
        .unwrap_or(text);
    Ok(Some(blake3::hash(settings.as_bytes()).to_hex().to_string()))
}

/// Copies and returns the BLAKE3 hash, in hex, of exactly the bytes that were copied.
pub(super) fn copy_and_hash(
    from: &mut impl Read,
    to: &mut impl std::io::Write,
) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            dir: "/srv/stack".into(),
            workspace: "default".to_owned(),
            terraform_version: "1.11.4".to_owned(),
            lock_file_blake3: None,
            backend_blake3: None,
            cli_args: Vec::new(),
        }
    }

    fn seal() -> Seal {
        let created = datetime!(2026-01-02 03:04:05 UTC);
        Seal::new("ab".to_owned(), around(), created, Summary::default())
    }

    #[test]
    fn holds_while_nothing_has_changed() {
        assert!(seal().verify("ab", &around()).is_ok());
    }

    #[test]
    fn breaks_on_every_part() {
        let broken = |hash: &str, change: fn(&mut Surroundings)| {
            let mut now = around();
            change(&mut now);
            seal().verify(hash, &now).unwrap_err().to_string()
        };
        let cases = [
            (broken("cd", |_| ()), "content of the plan was `ab` and is `cd`"),
            (broken("ab", |now| now.dir = "/x".into()), "folder was `/srv/stack` and is `/x`"),
            (
                broken("ab", |now| now.workspace = "prod".to_owned()),
                "workspace was `default` and is `prod`",
            ),
            (
                broken("ab", |now| now.terraform_version = "1.12.0".to_owned()),
                "terraform version was `1.11.4` and is `1.12.0`",
            ),
            (
                broken("ab", |now| now.lock_file_blake3 = Some("12".to_owned())),
                "dependency lock file was none and is `12`",
            ),
            (
                broken("ab", |now| now.backend_blake3 = Some("34".to_owned())),
                "backend was none and is `34`",
            ),
            (
                broken("ab", |now| now.cli_args = vec!["TF_CLI_ARGS".to_owned()]),
                "TF_CLI_ARGS variables was none and is `TF_CLI_ARGS`",
            ),
        ];
        for (message, expected) in cases {
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn keeps_a_folder_whose_name_is_not_utf8() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("plan");
        let odd = |name: &'static [u8]| PathBuf::from(OsStr::from_bytes(name));
        let seal = Seal { dir: odd(b"/srv/a\xff"), ..seal() };

        seal.write(&plan).unwrap();

        let read = Seal::read(&plan).unwrap();
        assert_eq!(read, seal);
        assert!(read.verify("ab", &Surroundings { dir: odd(b"/srv/a\xff"), ..around() }).is_ok());
        assert!(read.verify("ab", &Surroundings { dir: odd(b"/srv/a\xfe"), ..around() }).is_err());
    }

    #[test]
    fn a_missing_broken_or_newer_seal_does_not_hold() {
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("plan");
        let error = || Seal::read(&plan).unwrap_err();

        assert!(error().to_string().contains("has no seal"));
        fs::replace(&seal_path(&plan), b"{}", 0o600).unwrap();
        assert_eq!(error().kind(), Kind::Seal);
        Seal { version: 2, ..seal() }.write(&plan).unwrap();
        assert!(error().to_string().contains("version 2"));
        seal().write(&plan).unwrap();
        assert_eq!(Seal::read(&plan).unwrap(), seal());
    }
}
