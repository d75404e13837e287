//! Filters the paths in a folder.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern is no glob.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a glob: {reason}")]
pub struct FilterError {
    pattern: String,
    reason: String,
}

/// A filter of paths: all, or those that match; never the excluded ones.
///
/// A pattern with a slash matches the path relative to the folder, one without matches the name at any
/// depth. An excluded folder is left out with all that is in it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Filter {
    /// Reads the patterns; without `include` every path is taken.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let include = (!include.is_empty()).then(|| set(include)).transpose()?;
        Ok(Self { include, exclude: set(exclude)? })
    }

    pub(crate) fn excludes(&self, relative: &Path) -> bool {
        self.exclude.is_match(relative)
    }

    /// Returns whether a file of that path would be found in the folder.
    pub(crate) fn covers(&self, relative: &Path) -> bool {
        let is_in_excluded = relative.ancestors().skip(1).any(|folder| self.excludes(folder));
        !is_in_excluded && self.takes(relative)
    }

    pub(crate) fn takes(&self, relative: &Path) -> bool {
        !self.excludes(relative)
            && self.include.as_ref().is_none_or(|include| include.is_match(relative))
    }
}

impl Filter {
    /// Returns whether a key below a prefix is taken, by what follows the prefix; it is as if the parts
    /// between its slashes were folders.
    pub fn takes_key(&self, rest: &str) -> bool {
        let path = Path::new(rest);
        let mut folders = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        !folders.any(|folder| self.excludes(folder)) && self.takes(path)
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, FilterError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let trimmed = pattern.trim_end_matches('/');
        let anchored = if trimmed.contains('/') {
            trimmed.trim_start_matches('/').to_owned()
        } else {
            format!("**/{trimmed}")
        };
        set.add(glob(&anchored)?);
    }
    set.build()
        .map_err(|error| FilterError { pattern: patterns.join(" "), reason: error.to_string() })
}

pub(crate) fn glob(pattern: &str) -> Result<Glob, FilterError> {
    GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| FilterError {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    })
}
