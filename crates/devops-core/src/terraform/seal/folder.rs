//! A path as one field, or as two when it is not UTF-8.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

#[derive(Serialize, Deserialize)]
struct Folder {
    dir: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dir_b64: Option<String>,
}

pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let bytes = path.as_os_str().as_bytes();
    let dir_b64 = path.to_str().is_none().then(|| BASE64_STANDARD.encode(bytes));
    Folder { dir: path.to_string_lossy().into_owned(), dir_b64 }.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let Folder { dir, dir_b64 } = Folder::deserialize(from)?;
    let Some(text) = dir_b64 else { return Ok(dir.into()) };
    let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
    Ok(OsString::from_vec(bytes).into())
}
