//! The folders of the user, as the XDG Base Directory Specification has them.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Once,
};

use crate::text;

/// Returns the folder for state or caches that the variable names, or else the one below the user's home.
///
/// The specification wants absolute paths, and others ignored. A home that does not exist is not
/// created, even if a variable names a folder below it: there is then no folder, with one warning.
pub fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    static WARNED: Once = Once::new();
    let home = absolute("HOME");
    let named = absolute(variable);
    let folder = named.or_else(|| Some(home.as_ref()?.join(below_home)))?;
    let home = match home {
        Some(home) if folder.starts_with(&home) && !home.is_dir() => home,
        _ => return Some(folder),
    };
    WARNED.call_once(|| {
        let home = text::quote(&home);
        tracing::warn!("the home folder `{home}` does not exist: nothing is kept for later runs");
    });
    None
}

/// Returns the folder for config files, which is never made.
pub(crate) fn config_folder() -> Option<PathBuf> {
    absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path: &PathBuf| Path::is_absolute(path))
}
