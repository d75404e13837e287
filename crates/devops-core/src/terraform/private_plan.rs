//! A private place for a plan file, and for the files that belong to it.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{TerraformError, cipher::Identities, sealed_state::copy_and_hash};
use crate::{
    cancel::Cancel,
    fs::{Input, IoResultExt, PathError, PrivateFolder, open_file},
};

/// The prefix of the names of private folders.
const PREFIX: &str = "devops-tf-";

/// A place for a plan file that does not hold one yet.
pub(super) struct PrivatePlanDir {
    pub(super) folder: PrivateFolder,
    pub(super) path: PathBuf,
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
}

fn create_private(path: &Path) -> Result<File, PathError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at(path, "create")
}
