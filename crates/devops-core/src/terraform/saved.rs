//! A saved plan in a private place: what terraform applies is what was judged.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{plan::Plan, seal};
use crate::fs::{At, AtomicFile, PathError, PrivateFolder, ReplacePolicy, open_file};

/// How the names of the private folders begin.
const PREFIX: &str = "devops-tf-";

/// A plan file in a folder that only its owner can enter; both are removed with this value.
///
/// A plan holds secrets in the clear.
#[derive(Debug)]
pub struct SavedPlan {
    _folder: PrivateFolder,
    path: PathBuf,
    pub(super) plan: Plan,
}

/// A place for a plan file that does not hold one yet.
pub(super) struct PrivatePlace {
    folder: PrivateFolder,
    path: PathBuf,
}

impl PrivatePlace {
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
    pub(super) fn file(&self, name: &str, text: &str) -> Result<PathBuf, PathError> {
        let path = self.folder.path().join(name);
        let mut file = create_private(&path)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).at(&path, "write")?;
        Ok(path)
    }

    /// Fills the place with a copy of `plan` and returns the hash of the copied bytes.
    pub(super) fn copy(&self, plan: &Path) -> Result<String, PathError> {
        let mut from = open_file(plan)?;
        let mut to = OpenOptions::new().write(true).open(&self.path).at(&self.path, "write")?;
        seal::copy_and_hash(&mut from, &mut to).at(plan, "copy")
    }

    pub(super) fn into_saved(self, plan: Plan) -> SavedPlan {
        SavedPlan { _folder: self.folder, path: self.path, plan }
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

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the plan to `target` as one step, for its owner alone, and returns its hash.
    pub(super) fn copy_to(&self, target: &Path) -> Result<String, PathError> {
        let mut from = File::open(&self.path).at(&self.path, "read")?;
        let mut file = AtomicFile::create(target)?;
        let hash = seal::copy_and_hash(&mut from, &mut file).at(target, "write")?;
        file.commit(0o600, ReplacePolicy::Replace)?;
        Ok(hash)
    }
}
