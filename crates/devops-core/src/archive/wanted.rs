//! Which entries of an archive are asked for.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use super::ArchiveError;

/// Entries asked for by pattern or by path; everything when none was given.
pub(super) struct Wanted {
    rules: Vec<Rule>,
    /// The numbers of the rules that are patterns.
    patterns: Vec<(GlobMatcher, usize)>,
    /// The numbers of those that are paths: there may be thousands.
    paths: HashMap<PathBuf, Vec<usize>>,
}

struct Rule {
    shown: String,
    has_matched: bool,
}

impl Wanted {
    /// Asks for what matches a pattern: one without a slash matches a name at any depth.
    pub(super) fn patterns(patterns: &[String]) -> Result<Self, ArchiveError> {
        let mut wanted = Self::all();
        for (n, pattern) in patterns.iter().enumerate() {
            let plain = pattern.trim_start_matches("./").trim_matches('/');
            let anchored =
                if plain.contains('/') { plain.to_owned() } else { format!("**/{plain}") };
            let glob =
                GlobBuilder::new(&anchored).literal_separator(true).build().map_err(|source| {
                    ArchiveError::BadPattern { pattern: pattern.clone(), source: Some(source) }
                })?;
            wanted.patterns.push((glob.compile_matcher(), n));
            wanted.rules.push(Rule { shown: pattern.clone(), has_matched: false });
        }
        Ok(wanted)
    }

    /// Asks for these paths and everything below them.
    pub(super) fn paths(paths: &[PathBuf]) -> Self {
        let mut wanted = Self::all();
        for path in paths {
            wanted.paths.entry(plain(path).to_owned()).or_default().push(wanted.rules.len());
            wanted.rules.push(Rule { shown: path.display().to_string(), has_matched: false });
        }
        wanted
    }

    fn all() -> Self {
        Self { rules: Vec::new(), patterns: Vec::new(), paths: HashMap::new() }
    }

    /// Returns whether an entry is asked for, itself or as part of a folder.
    pub(super) fn takes(&mut self, path: &Path) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let path = plain(path);
        let mut is_wanted = false;
        let by_path = path.ancestors().filter_map(|above| self.paths.get(above)).flatten();
        let by_pattern = self
            .patterns
            .iter()
            .filter(|(glob, _)| path.ancestors().any(|above| glob.is_match(above)));
        for &n in by_path.chain(by_pattern.map(|(_, n)| n)) {
            self.rules[n].has_matched = true;
            is_wanted = true;
        }
        is_wanted
    }

    /// Returns the rules nothing has matched, as they were given.
    pub(super) fn unmatched(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| !rule.has_matched).map(|rule| rule.shown.as_str())
    }
}

/// Returns the path without slashes and `./` in front: it is restored without them.
pub(super) fn plain(path: &Path) -> &Path {
    let mut bytes = path.as_os_str().as_bytes();
    while let Some(rest) = bytes.strip_prefix(b"./").or_else(|| bytes.strip_prefix(b"/")) {
        bytes = rest;
    }
    Path::new(OsStr::from_bytes(if bytes == b"." { b"" } else { bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_a_folder_with_all_in_it() {
        let mut wanted = Wanted::patterns(&["*.d".to_owned(), "x/y".to_owned()]).unwrap();

        assert!(wanted.takes(Path::new("a/conf.d/1")));
        assert!(wanted.takes(Path::new("./conf.d")));
        assert!(!wanted.takes(Path::new("y")));
        assert_eq!(wanted.unmatched().collect::<Vec<_>>(), ["x/y"]);
    }

    #[test]
    fn a_path_is_taken_to_the_letter() {
        let mut wanted = Wanted::paths(&[PathBuf::from("./a*/")]);

        assert!(wanted.takes(Path::new("a*/b")));
        assert!(!wanted.takes(Path::new("ab")));
    }
}
