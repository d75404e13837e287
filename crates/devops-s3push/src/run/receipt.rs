//! Writes down what was stored.

use std::path::Path;

use devops_cli::{Failure, ResultExt};
use devops_core::{fs, kind::Kind, s3::ObjectSummary};
use serde_json::json;

use super::reporter::object_json;

/// Replaces the receipt with the objects of this run.
pub(crate) fn write(path: &Path, objects: &[ObjectSummary]) -> Result<(), Failure> {
    let objects: Vec<_> = objects.iter().map(object_json).collect();
    let mut text = serde_json::to_vec_pretty(&json!({"objects": objects}))
        .map_err(|error| Failure::new(Kind::Bug, error))?;
    text.push(b'\n');
    fs::replace(path, &text, 0o644).context("failed to write the receipt; the objects are stored")
}
