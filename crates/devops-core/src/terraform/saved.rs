//! A saved plan in a private place: what terraform applies is what was judged.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};

use time::OffsetDateTime;

use super::{
    TerraformError,
    cipher::{Identities, Recipients},
    inputs::Inputs,
    json,
    plan::Plan,
    seal::{Seal, SealKey},
    sealed_state::copy_and_hash,
};
use crate::{
    cancel::Cancel,
    fs::{Input, IoResultExt, PathError, PrivateFolder, open_file, replace},
};

/// How the names of the private folders begin.
const PREFIX: &str = "devops-tf-";

/// A plan file in a folder that only its owner can enter; both are removed with this value.
///
/// A plan holds secrets in the clear.
#[derive(Debug)]
pub struct SavedPlan {
    _folder: PrivateFolder,
    path: PathBuf,
    plan: Plan,
    /// The variables that are given again when the plan is applied.
    inputs: Option<Inputs>,
}

/// Returns the declared variables that a plan leaves out: those that are ephemeral have to be given again.
pub(super) fn variables_left_out(plan: &Plan) -> Vec<String> {
    let Ok(document) = json::read::<Document>(plan.json()) else { return Vec::new() };
    let declared = document.configuration.root_module.variables.into_keys();
    declared.filter(|name| !document.variables.contains_key(name)).collect()
}

/// The parts of a plan's JSON that name its variables.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    variables: Names,
    #[serde(default)]
    configuration: Configuration,
}

type Names = BTreeMap<String, Option<IgnoredAny>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    root_module: RootModule,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RootModule {
    variables: Names,
}

/// A private copy of a plan whose seal holds, as far as that is known without terraform.
pub struct Unsealed {
    pub(super) place: PrivatePlanDir,
    pub(super) seal: Seal,
    pub(super) hash: String,
    pub(super) now: OffsetDateTime,
    pub(super) key: Option<SealKey>,
}

/// A place for a plan file that does not hold one yet.
pub(super) struct PrivatePlanDir {
    folder: PrivateFolder,
    path: PathBuf,
}

impl PrivatePlanDir {
    /// Makes an empty file in a folder of its own, below `parent`; what killed runs left there goes.
    pub(super) fn create(parent: &Path) -> Result<Self, PathError> {
        PrivateFolder::remove_stale(parent, PREFIX);
        let folder = PrivateFolder::create(parent, PREFIX)?;
        let path = folder.path().join("plan");
        // Made beforehand, since terraform would create it readable by all; it keeps the mode it finds.
        create_private(&path)?;
        Ok(Self { folder, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a private file beside the plan and returns its path.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, PathError> {
        let path = self.folder.path().join(name);
        let mut file = create_private(&path)?;
        std::io::Write::write_all(&mut file, bytes).at(&path, "write")?;
        Ok(path)
    }

    /// Copies a file or a pipe beside the plan, once; a signal ends the wait for a pipe.
    ///
    /// The copy is called by the file's own name behind `prefix`, since its ending says what it holds.
    pub(super) fn bring(
        &self,
        from: &Path,
        prefix: &str,
        cancel: &Cancel,
    ) -> Result<PathBuf, PathError> {
        let mut input = Input::open(from, cancel)?;
        let mut name = OsString::from(prefix);
        name.push("-");
        name.push(from.file_name().unwrap_or_default());
        let path = self.folder.path().join(name);
        let mut copy = create_private(&path)?;
        std::io::copy(&mut input, &mut copy).at(from, "read")?;
        Ok(path)
    }

    /// Fills the place with a copy of `plan`, decrypted, and returns the hash of the copied bytes.
    pub(super) fn copy(
        &self,
        plan: &Path,
        identities: &Identities,
    ) -> Result<String, TerraformError> {
        let mut bytes = Vec::new();
        open_file(plan)?.read_to_end(&mut bytes).at(plan, "read")?;
        let opened = identities.open(bytes)?;
        let mut to = OpenOptions::new().write(true).open(&self.path).at(&self.path, "write")?;
        Ok(copy_and_hash(&mut &opened[..], &mut to).at(plan, "copy")?)
    }

    pub(super) fn into_saved(self, plan: Plan, inputs: Option<Inputs>) -> SavedPlan {
        SavedPlan { _folder: self.folder, path: self.path, plan, inputs }
    }
}

fn create_private(path: &Path) -> Result<File, PathError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at(path, "create")
}

impl SavedPlan {
    /// Returns what the plan would do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns where the plan file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the plan holds the value of this variable; that of an ephemeral one it does not.
    pub fn holds_variable(&self, name: &str) -> bool {
        self.plan.declares(name) && !variables_left_out(&self.plan).iter().any(|one| one == name)
    }

    pub(super) fn inputs(&self) -> Option<&Inputs> {
        self.inputs.as_ref()
    }

    /// Copies the plan to `target` as one step, for its owner and the recipients alone; returns the hash of
    /// the plan itself.
    pub(super) fn copy_to(
        &self,
        target: &Path,
        recipients: &Recipients,
    ) -> Result<String, PathError> {
        let mut plain = Vec::new();
        let mut from = File::open(&self.path).at(&self.path, "read")?;
        let hash = copy_and_hash(&mut from, &mut plain).at(&self.path, "read")?;
        let sealed = recipients.seal(plain).at(target, "encrypt")?;
        replace(target, &sealed, 0o600)?;
        Ok(hash)
    }
}
