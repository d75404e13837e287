//! JSON as the contract wants it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use serde_json::{Map, Value};

/// Inserts `path` under `key`, and its exact bytes under `{key}_b64` when it is not UTF-8.
pub fn insert_path(object: &mut Map<String, Value>, key: &str, path: &Path) {
    let text: &OsStr = path.as_os_str();
    object.insert(key.to_owned(), text.to_string_lossy().into());
    if text.to_str().is_none() {
        object.insert(format!("{key}_b64"), base64(text.as_bytes()).into());
    }
}

/// Encodes bytes as RFC 4648 base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { symbol as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_vectors_of_the_rfc() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

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
