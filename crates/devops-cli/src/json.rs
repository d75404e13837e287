//! JSON as the contract wants it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

/// Inserts `path` under `key`, and its exact bytes under `{key}_b64` when it is not UTF-8.
pub fn insert_path(object: &mut Map<String, Value>, key: &str, path: &Path) {
    let text: &OsStr = path.as_os_str();
    object.insert(key.to_owned(), text.to_string_lossy().into());
    if text.to_str().is_none() {
        object.insert(format!("{key}_b64"), BASE64_STANDARD.encode(text.as_bytes()).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_that_is_not_utf8_carries_its_bytes() {
        let mut object = Map::new();
        insert_path(&mut object, "plain", Path::new("a/b"));
        insert_path(&mut object, "odd", Path::new(OsStr::from_bytes(b"a\xff")));

        assert_eq!(
            Value::Object(object),
            serde_json::json!({"plain": "a/b", "odd": "a\u{fffd}", "odd_b64": "Yf8="})
        );
    }
}
