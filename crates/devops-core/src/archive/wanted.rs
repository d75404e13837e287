//! Which entries of an archive are asked for.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use super::ArchiveError;

/// Entries asked for by pattern or by path; everything when none was given.
pub(super) struct Wanted {
    rules: Vec<Rule>,
}

struct Rule {
    shown: String,
    test: Test,
    has_matched: bool,
}

enum Test {
    Pattern(GlobMatcher),
    Path(PathBuf),
}

impl Wanted {
    /// Asks for what matches a pattern: one without a slash matches a name at any depth.
    pub(super) fn patterns(patterns: &[String]) -> Result<Self, ArchiveError> {
        let rules = patterns.iter().map(|pattern| {
            let plain = pattern.trim_start_matches("./").trim_matches('/');
            let anchored =
                if plain.contains('/') { plain.to_owned() } else { format!("**/{plain}") };
            let glob =
                GlobBuilder::new(&anchored).literal_separator(true).build().map_err(|source| {
                    ArchiveError::BadPattern { pattern: pattern.clone(), source: Some(source) }
                })?;
            let test = Test::Pattern(glob.compile_matcher());
            Ok(Rule { shown: pattern.clone(), test, has_matched: false })
        });
        Ok(Self { rules: rules.collect::<Result<_, ArchiveError>>()? })
    }

    /// Asks for these paths and everything below them.
    pub(super) fn paths(paths: &[PathBuf]) -> Self {
        let rule = |path: &PathBuf| Rule {
            shown: path.display().to_string(),
            test: Test::Path(plain(path).to_owned()),
            has_matched: false,
        };
        Self { rules: paths.iter().map(rule).collect() }
    }

    /// Returns whether an entry is asked for, itself or as part of a folder.
    pub(super) fn takes(&mut self, path: &Path) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let path = plain(path);
        let mut is_wanted = false;
        for rule in &mut self.rules {
            let is_match = match &rule.test {
                Test::Pattern(glob) => path.ancestors().any(|above| glob.is_match(above)),
                Test::Path(wanted) => path.starts_with(wanted),
            };
            rule.has_matched |= is_match;
            is_wanted |= is_match;
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
