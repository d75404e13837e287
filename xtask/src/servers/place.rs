//! The place of a server, and the folder of what it needs.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::shell::release_folder;

/// The address of a server, and its credentials.
pub(crate) struct Place {
    pub(super) name: &'static str,
    pub(super) endpoint: String,
    pub(super) region: &'static str,
    pub(super) access_key: String,
    pub(super) secret_key: String,
    /// The role that may be assumed with the key, where there are roles.
    pub(super) role: Option<String>,
}

impl Place {
    /// Returns a server on a port of loopback, with a key of the tests.
    pub(super) fn with_key(name: &'static str, port: u16) -> Self {
        Self {
            name,
            endpoint: format!("http://127.0.0.1:{port}"),
            region: "us-east-1",
            access_key: "access-key-of-the-tests".to_owned(),
            secret_key: "secret-key-of-the-tests".to_owned(),
            role: None,
        }
    }
}

/// Returns a folder below `target/servers`, which is kept from one run to the next.
pub(super) fn folder(name: &str) -> Result<PathBuf> {
    let release = release_folder();
    let target = release.parent().context("the folder of release builds has a parent")?;
    let folder = target.join("servers").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    Ok(folder)
}
