//! Writes down what was stored.

use std::path::Path;

use devops_cli::{Failure, ResultExt, quote};
use devops_core::{fs, kind::Kind, s3::ObjectSummary};
use serde_json::json;

use super::reporter::object_json;

/// A receipt names the objects of a user, and their places.
const MODE: u32 = 0o600;

/// Fails where a file could not be written at the end, before anything is sent.
pub(crate) fn check_place(path: &Path, what: &str) -> Result<(), Failure> {
    let folder = fs::parent(path);
    if !folder.is_dir() {
        return Err(no_folder(folder).context(format!("the {what} could not be written")));
    }
    fs::check_output(path).context(format!("the {what} could not be written"))
}

/// Says that a folder does not exist.
pub(crate) fn no_folder(folder: &Path) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no folder `{}`", quote(folder)))
}

/// Replaces the receipt with the objects of this run.
pub(crate) fn write(path: &Path, objects: &[ObjectSummary]) -> Result<(), Failure> {
    let objects: Vec<_> = objects.iter().map(object_json).collect();
    let mut text = serde_json::to_vec_pretty(&json!({"objects": objects}))
        .map_err(|error| Failure::new(Kind::Bug, error))?;
    text.push(b'\n');
    fs::write_output(path, &text, MODE)
        .context("failed to write the receipt; the objects are stored")
}
