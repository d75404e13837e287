//! The folders of the user, as the XDG Base Directory Specification has them.

use std::{env, path::PathBuf};

/// Returns the folder that the variable names, or else the one below the user's home.
///
/// The specification wants absolute paths, and others ignored.
pub fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}
