//! A saved plan in a private place: what terraform applies is what was judged.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};
use time::OffsetDateTime;

use super::{
    cipher::Recipients,
    inputs::Inputs,
    json,
    plan::Plan,
    private_plan::PrivatePlanDir,
    seal::{Seal, SealKey},
    sealed_state::copy_and_hash,
};
use crate::fs::{IoResultExt, PathError, PrivateFolder, replace};

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

impl SavedPlan {
    /// Takes the plan in a place, which holds one now.
    pub(super) fn new(place: PrivatePlanDir, plan: Plan, inputs: Option<Inputs>) -> Self {
        Self { _folder: place.folder, path: place.path, plan, inputs }
    }

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
