//! The version of the format of a seal, and the place of its file.

use std::path::{Path, PathBuf};

/// The version of the format written here.
pub(super) const VERSION: u32 = 2;

/// Returns the path of the seal of `plan`: `PLAN.seal.json`.
pub fn seal_path(plan: &Path) -> PathBuf {
    let mut path = plan.as_os_str().to_owned();
    path.push(".seal.json");
    path.into()
}
