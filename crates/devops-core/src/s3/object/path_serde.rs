//! Paths in JSON: they need not be UTF-8, and JSON must be.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Writes a path, for serde's `with`.
pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&percent_encode(path.as_os_str().as_bytes(), ESCAPED))
}

/// Reads a path, for serde's `with`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(reader: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(reader)?;
    Ok(PathBuf::from(OsString::from_vec(percent_decode_str(&text).collect())))
}

/// The same for a path that may not be there.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Escaped(#[serde(with = "super")] PathBuf);

    #[allow(clippy::ref_option, reason = "what serde calls")]
    pub(crate) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.clone().map(Escaped).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        reader: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Escaped>::deserialize(reader)?.map(|Escaped(path)| path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super::optional")]
        maybe: Option<PathBuf>,
    }

    #[test]
    fn any_path_comes_back() {
        for name in [&b"/a/100 %/\xff\n\xc3\xa4.bin"[..], b"", b"%41"] {
            let path = PathBuf::from(OsString::from_vec(name.to_vec()));
            for maybe in [Some(path.clone()), None] {
                let paths = Paths { one: path.clone(), maybe };

                let text = serde_json::to_string(&paths).unwrap();

                assert_eq!(serde_json::from_str::<Paths>(&text).unwrap(), paths, "{text}");
            }
        }
    }
}
