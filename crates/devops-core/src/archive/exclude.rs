//! Which paths a backup leaves out, by patterns like those of `.gitignore`.

use std::path::Path;

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::ArchiveError;

/// Patterns of paths to leave out; the last one that matches decides.
///
/// A pattern without a slash matches a name at any depth; one with a slash matches from the source
/// folder on. A slash at its end limits it to folders, `!` in front takes back an earlier pattern,
/// `*` and `?` match within a name, `**` across folders. A folder that matches is left out whole.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    set: GlobSet,
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    excludes: bool,
    folders_only: bool,
}

impl Excludes {
    /// Reads patterns as they stand on a command line; an empty one is refused, as it would match
    /// everything.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, ArchiveError> {
        let mut builder = GlobSetBuilder::new();
        let mut rules = Vec::new();
        for pattern in patterns {
            let (glob, rule) = parse(pattern)?;
            builder.add(glob);
            rules.push(rule);
        }
        let set = builder.build().map_err(|source| ArchiveError::BadPattern {
            pattern: source.glob().unwrap_or_default().to_owned(),
            source: Some(source),
        })?;
        Ok(Self { set, rules })
    }

    /// Returns the patterns in the text of a file: one a line, without `#` comments and what says nothing.
    pub fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.lines().map(str::trim_end).filter(|line| !is_empty(line) && !line.starts_with('#'))
    }

    /// Returns whether `path`, relative to the source, is left out.
    pub fn matches(&self, path: &Path, is_folder: bool) -> bool {
        self.decides(path, is_folder).unwrap_or(false)
    }

    /// Returns whether `path` is left out, or not although something else would; `None` when no
    /// pattern matches.
    pub(super) fn decides(&self, path: &Path, is_folder: bool) -> Option<bool> {
        if self.rules.is_empty() {
            return None;
        }
        let matching = self.set.matches_candidate(&Candidate::new(path));
        matching
            .into_iter()
            .map(|index| self.rules[index])
            .rfind(|rule| is_folder || !rule.folders_only)
            .map(|rule| rule.excludes)
    }
}

/// Returns whether nothing but slashes is in a pattern, taken back or not.
fn is_empty(pattern: &str) -> bool {
    pattern.strip_prefix('!').unwrap_or(pattern).bytes().all(|byte| byte == b'/')
}

fn parse(pattern: &str) -> Result<(Glob, Rule), ArchiveError> {
    if is_empty(pattern) {
        return Err(ArchiveError::BadPattern { pattern: pattern.to_owned(), source: None });
    }
    let (excludes, rest) = match pattern.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, pattern),
    };
    let (folders_only, rest) = match rest.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let anchored = match rest.strip_prefix('/') {
        Some(rest) => rest.to_owned(),
        None if rest.contains('/') => rest.strip_prefix("./").unwrap_or(rest).to_owned(),
        None => format!("**/{rest}"),
    };
    let glob = GlobBuilder::new(&anchored)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|source| ArchiveError::BadPattern {
        pattern: pattern.to_owned(),
        source: Some(source),
    })?;
    Ok((glob, Rule { excludes, folders_only }))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    fn left_out(patterns: &[&str], path: &str, is_folder: bool) -> bool {
        Excludes::new(patterns.iter().copied()).unwrap().matches(Path::new(path), is_folder)
    }

    #[test]
    fn a_pattern_without_a_slash_matches_at_any_depth() {
        assert!(left_out(&["*.log"], "a.log", false));
        assert!(left_out(&["*.log"], "x/y/a.log", false));
        assert!(!left_out(&["*.log"], "a.log.txt", false));
        assert!(left_out(&["node_modules"], "x/node_modules", true));
    }

    #[test]
    fn a_pattern_with_a_slash_matches_from_the_source_on() {
        assert!(left_out(&["/tmp"], "tmp", true));
        assert!(!left_out(&["/tmp"], "x/tmp", true));
        assert!(left_out(&["x/*.o"], "x/a.o", false));
        assert!(!left_out(&["x/*.o"], "x/y/a.o", false));
        assert!(left_out(&["x/**/*.o"], "x/y/z/a.o", false));
    }

    #[test]
    fn a_slash_at_the_end_limits_it_to_folders() {
        assert!(left_out(&["cache/"], "x/cache", true));
        assert!(!left_out(&["cache/"], "x/cache", false));
    }

    #[test]
    fn the_last_match_decides() {
        assert!(!left_out(&["*.log", "!keep.log"], "keep.log", false));
        assert!(left_out(&["!keep.log", "*.log"], "keep.log", false));
        assert!(left_out(&[r"\!odd"], "!odd", false));
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let path = Path::new(OsStr::from_bytes(b"x/caf\xe9.log"));

        assert!(Excludes::new(["*.log"]).unwrap().matches(path, false));
    }

    #[test]
    fn refuses_a_broken_pattern() {
        assert_eq!(Excludes::new(["a[b"]).unwrap_err().to_string(), "`a[b` is not a pattern");
    }

    #[test]
    fn refuses_an_empty_pattern() {
        for pattern in ["", "/", "//", "!", "!/"] {
            let error = Excludes::new([pattern]).unwrap_err();
            assert!(matches!(error, ArchiveError::BadPattern { .. }), "{pattern}");
        }
    }

    #[test]
    fn a_file_of_patterns_has_comments_and_empty_lines() {
        let lines: Vec<_> = Excludes::lines("# why\n\n/\n  \n!\n*.log  \r\n\\#odd\n").collect();

        assert_eq!(lines, ["*.log", r"\#odd"]);
    }
}
