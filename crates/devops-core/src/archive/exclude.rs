//! Which paths a backup leaves out, by patterns like those of `.gitignore`.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::ArchiveError;

/// Patterns of paths to leave out; the last one that matches decides.
///
/// A pattern without a slash matches a name at any depth; one with a slash matches from the source
/// folder on. A slash at its end limits it to folders, `!` in front takes back an earlier pattern,
/// `*` and `?` match within a name, `**` across folders, `[a-z]` one character, `{a,b}` one of several
/// texts. A folder that matches is left out whole.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    set: GlobSet,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    excludes: bool,
    folders_only: bool,
    /// Is set once it matched something.
    has_matched: AtomicBool,
}

impl Clone for Rule {
    /// Returns the same rule for another run, in which it matched nothing yet.
    fn clone(&self) -> Self {
        let Self { ref pattern, excludes, folders_only, .. } = *self;
        Self {
            pattern: pattern.clone(),
            excludes,
            folders_only,
            has_matched: AtomicBool::new(false),
        }
    }
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
        let mut decided = None;
        for index in self.set.matches_candidate(&Candidate::new(path)) {
            let rule = &self.rules[index];
            if is_folder || !rule.folders_only {
                rule.has_matched.store(true, Ordering::Relaxed);
                decided = Some(rule.excludes);
            }
        }
        decided
    }

    /// Returns the patterns that matched nothing of what was looked at.
    pub(super) fn unmatched(&self) -> impl Iterator<Item = &str> {
        let unmatched = self.rules.iter().filter(|rule| !rule.has_matched.load(Ordering::Relaxed));
        unmatched.map(|rule| rule.pattern.as_str())
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
    let has_matched = AtomicBool::new(false);
    Ok((glob, Rule { pattern: pattern.to_owned(), excludes, folders_only, has_matched }))
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
    fn braces_are_alternatives_and_brackets_a_set() {
        assert!(left_out(&["*.{key,pem}"], "a.pem", false));
        assert!(left_out(&["[a-c]?"], "b1", false));
        assert!(left_out(&[r"\{a\}"], "{a}", false));
    }

    #[test]
    fn patterns_that_matched_nothing_are_known_of_each_run() {
        let excludes = Excludes::new(["*.log", "/tmp/", "!keep.log", "none"]).unwrap();
        for path in ["x/keep.log", "tmp"] {
            excludes.matches(Path::new(path), false);
        }

        assert_eq!(excludes.unmatched().collect::<Vec<_>>(), ["/tmp/", "none"]);
        assert_eq!(excludes.clone().unmatched().count(), 4);
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
