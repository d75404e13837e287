//! Folder, workspace, backend and versions of a stack, which the seal of a plan records.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    TerraformError,
    address::{is_credential, user_of},
    stack::Stack,
};
use crate::{
    fs::{self, IoResultExt, PathError},
    secret::Secret,
};

/// The file of the initialized backend is small; what is larger is none.
const SIZE_LIMIT: u64 = 1 << 20;

/// Folder, workspace, backend and versions of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SealedState {
    pub(super) dir: PathBuf,
    pub(super) workspace: String,
    /// Absent as long as terraform has not said it.
    pub(super) terraform_version: Option<String>,
    pub(super) lock_file_blake3: Option<String>,
    /// The settings of the backend; absent as long as it is not initialized.
    pub(super) backend: Option<BTreeMap<String, Secret>>,
    /// The environment variables that add arguments to `apply`.
    pub(super) apply_args: BTreeMap<String, Secret>,
}

impl SealedState {
    /// Reads what is true of a stack now; starts nothing.
    pub(super) fn of(
        stack: &Stack,
        terraform_version: Option<String>,
    ) -> Result<Self, TerraformError> {
        // When terraform has said its version, the backend is initialized, if there is one.
        let is_known = terraform_version.is_some() || !stack.needs_init();
        let settings = backend_settings(&stack.data_dir().join("terraform.tfstate"))?;
        Ok(Self {
            dir: stack.dir.clone(),
            workspace: stack.workspace()?,
            terraform_version,
            lock_file_blake3: hash_file(&stack.dir.join(".terraform.lock.hcl"))?,
            backend: is_known.then_some(settings),
            apply_args: stack.environment.apply_args(),
        })
    }
}

/// Returns the BLAKE3 hash of a file in hex; nothing if it does not exist.
fn hash_file(path: &Path) -> Result<Option<String>, PathError> {
    match fs::open_file(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => {
            let mut file = opened?;
            copy_and_hash(&mut file, &mut io::sink()).at(path, "read").map(Some)
        }
    }
}

/// Copies and returns the BLAKE3 hash, in hex, of exactly the bytes that were copied.
pub(super) fn copy_and_hash(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
}

/// Returns the settings of the backend that `init` wrote, without credentials; none for the default one.
///
/// The rest of the file changes with every `init`.
fn backend_settings(path: &Path) -> Result<BTreeMap<String, Secret>, PathError> {
    if !path.try_exists().at(path, "find")? {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_text(path, SIZE_LIMIT)?;
    let Ok(mut state) = serde_json::from_str::<Value>(&text) else {
        return Ok(BTreeMap::from([("file".to_owned(), Secret::new(text))]));
    };
    let mut settings = BTreeMap::new();
    let Some(backend) = state.get_mut("backend") else { return Ok(settings) };
    if let Some(kind) = backend.get("type") {
        settings.insert("type".to_owned(), Secret::new(kind.to_string()));
    }
    remove_credentials(backend);
    for (name, value) in backend["config"].as_object().into_iter().flatten() {
        if !value.is_null() {
            settings.insert(name.clone(), Secret::new(value.to_string()));
        }
    }
    Ok(settings)
}

fn remove_credentials(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_credential(name));
            fields.values_mut().for_each(remove_credentials);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_credentials),
        Value::String(text) => *text = without_user(text),
        _ => {}
    }
}

/// Removes user and password from an address.
fn without_user(text: &str) -> String {
    match user_of(text) {
        Some(user) => text.replacen(&format!("{user}@"), "", 1),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(config: &Value) -> BTreeMap<String, Secret> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let state = json!({"serial": 1, "backend": {"type": "x", "hash": 7, "config": config}});
        fs::replace(&path, state.to_string().as_bytes(), 0o600).unwrap();
        backend_settings(&path).unwrap()
    }

    #[test]
    fn settings_of_a_backend_are_where_the_state_is_and_not_who_asks() {
        let one = settings(&json!({
            "bucket": "b", "key": "k", "access_key": "A", "secret_key": "s", "region": null,
            "assume_role": {"role_arn": "r", "token": "t"},
            "conn_str": "postgres://u:p@h/db?x=1",
        }));
        let other = settings(&json!({
            "bucket": "b", "key": "k", "access_key": "B", "assume_role": {"role_arn": "r"},
            "conn_str": "postgres://v:q@h/db?x=1", "password": "p",
        }));

        assert_eq!(one, other);
        assert_eq!(
            one.keys().collect::<Vec<_>>(),
            ["assume_role", "bucket", "conn_str", "key", "type"]
        );
        assert_ne!(one, settings(&json!({"bucket": "c"})));
        assert_eq!(one["conn_str"].expose(), "\"postgres://h/db?x=1\"");
    }

    #[test]
    fn a_backend_that_is_not_there_has_no_settings() {
        assert!(backend_settings(Path::new("/no/such/file")).unwrap().is_empty());
    }
}
