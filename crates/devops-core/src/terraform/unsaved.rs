//! A state that terraform could not save: it lies in the folder of the stack, and is the only one that knows
//! what was changed.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use time::macros::format_description;

use super::{
    TerraformError, command_line::Arguments, json, stack::Stack, watch::Watch, work::capture,
};
use crate::fs::{self, IoResultExt, PathError};

mod error;

pub use error::UnsavedError;

/// The name that terraform gives to a state that it could not save.
const NAME: &str = "errored.tfstate";

/// The largest state that is read.
const SIZE_LIMIT: u64 = 1 << 30;

/// A state that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The serial of the state.
    pub serial: u64,
    /// The path of the copy that is kept.
    pub copy: PathBuf,
}

/// The lineage and serial of a state.
#[derive(Deserialize)]
struct Version {
    lineage: String,
    serial: u64,
    #[serde(default)]
    resources: Value,
    #[serde(default)]
    outputs: Value,
}

/// Returns the state that could not be saved, if there is one.
pub(super) fn find(stack: &Stack) -> Option<PathBuf> {
    let path = stack.dir.join(NAME);
    path.exists().then_some(path)
}

/// Fails if a state waits to be saved.
pub(super) fn refuse(stack: &Stack) -> Result<(), TerraformError> {
    match find(stack) {
        Some(path) => Err(UnsavedError::Waiting { path }.into()),
        None => Ok(()),
    }
}

/// Copies the unsaved state to `folder`, for its owner alone: the folder of the stack may not last.
pub(super) fn keep(stack: &Stack, folder: &Path) -> Result<Option<PathBuf>, PathError> {
    let Some(path) = find(stack) else { return Ok(None) };
    let bytes = std::fs::read(&path).at(&path, "read")?;
    fs::create_private_folders(folder)?;
    let copy = folder.join(copy_name(stack, &bytes));
    fs::replace(&copy, &bytes, 0o600)?;
    Ok(Some(copy))
}

/// Names a copy by its stack, its time and its content.
fn copy_name(stack: &Stack, bytes: &[u8]) -> String {
    let name = stack.dir.file_name().unwrap_or_default().to_string_lossy();
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = stack.started.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default();
    let hash = blake3::hash(bytes).to_hex();
    format!("{name}-{time}-{}.tfstate", &hash[..8])
}

/// Saves the state that could not be saved, and keeps its file in `folder`.
///
/// The saved state must be an earlier one of the same stack.
pub(super) fn recover(
    stack: &Stack,
    folder: &Path,
    watch: &mut Watch<'_>,
) -> Result<Recovered, TerraformError> {
    let path = stack.dir.join(NAME);
    let unsaved = version_of_unsaved(&path)?;
    let Some(copy) = keep(stack, folder)? else {
        return Err(UnsavedError::None { path }.into());
    };
    let pulled = capture(stack, &Arguments::helper("state", "pull"), watch)?;
    if let Some(saved) = read(&pulled) {
        check(&unsaved, saved, &path)?;
    }
    let mut push = Arguments::helper("state", "push");
    push.push(&path);
    capture(stack, &push, watch)?;
    std::fs::remove_file(&path).at(&path, "remove")?;
    Ok(Recovered { serial: unsaved.serial, copy })
}

fn version_of_unsaved(path: &Path) -> Result<Version, TerraformError> {
    let text = match fs::read_text(path, SIZE_LIMIT) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
            return Err(UnsavedError::None { path: path.to_owned() }.into());
        }
        read => read?,
    };
    let version = read(text.as_bytes());
    version.ok_or_else(|| UnsavedError::Unreadable { path: path.to_owned() }.into())
}

fn read(json: &[u8]) -> Option<Version> {
    json::read(json).ok()
}

/// Fails unless the saved state may be written over.
fn check(unsaved: &Version, saved: Version, path: &Path) -> Result<(), UnsavedError> {
    let path = path.to_owned();
    // A state that was never written has neither.
    if saved.lineage.is_empty() || saved.serial == 0 {
        return Ok(());
    }
    if saved.lineage != unsaved.lineage {
        let (unsaved, saved) = (unsaved.lineage.clone(), saved.lineage);
        return Err(UnsavedError::Lineage { path, unsaved, saved });
    }
    if saved.serial > unsaved.serial {
        return Err(UnsavedError::Serial { path, unsaved: unsaved.serial, saved: saved.serial });
    }
    let is_same = saved.resources == unsaved.resources && saved.outputs == unsaved.outputs;
    if saved.serial == unsaved.serial && !is_same {
        return Err(UnsavedError::Content { path, serial: saved.serial });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_state_of_the_same_stack_is_written_over() {
        let with = |lineage: &str, serial, outputs| {
            let (lineage, resources) = (lineage.to_owned(), Value::Null);
            Version { lineage, serial, resources, outputs }
        };
        let version = |lineage: &str, serial| with(lineage, serial, Value::Null);
        let check = |saved| check(&version("a", 5), saved, Path::new("errored.tfstate"));

        assert!(check(version("a", 4)).is_ok());
        assert!(check(version("a", 5)).is_ok());
        assert!(check(version("", 0)).is_ok());
        assert!(matches!(check(version("a", 6)), Err(UnsavedError::Serial { saved: 6, .. })));
        let other = with("a", 5, Value::Bool(true));
        assert!(matches!(check(other), Err(UnsavedError::Content { serial: 5, .. })));
        assert!(matches!(check(version("b", 4)), Err(UnsavedError::Lineage { .. })));
    }

    #[test]
    fn what_is_no_state_is_not_read() {
        assert!(read(b"{\"version\": 4, \"lineage\": \"a\", \"serial\": 1}").is_some());
        for text in [&b""[..], b"{}", b"[1]", b"{\"lineage\": 1, \"serial\": 1}"] {
            assert!(read(text).is_none());
        }
    }
}
