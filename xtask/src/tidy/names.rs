//! Names that say nothing, and folders of modules without a file of their own.

use super::{findings::Findings, sources::Source};

/// A module with such a name collects what has no place.
const EMPTY_NAMES: [&str; 6] = ["common", "helper", "helpers", "manager", "types", "utils"];

/// Checks the name of one file.
pub(crate) fn check(file: &Source, findings: &mut Findings) {
    let stem = file.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        findings.error(format!("{}: `{stem}` says nothing about what is inside", file.name));
    }
    if stem == "mod" {
        findings.error(format!("{}: name the file after its module instead", file.name));
    }
}
