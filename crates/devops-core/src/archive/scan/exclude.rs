//! Excludes paths by patterns like those of `.gitignore`.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::gitignore::glob::Glob;
use crate::archive::ArchiveError;

/// Patterns of paths to leave out; the last one that matches decides.
///
/// A pattern without a slash matches a name at any depth; one with a slash matches from the source
/// folder on. A slash at its end limits it to folders, `!` in front takes back an earlier pattern,
/// `*` and `?` match within a name, `**` across folders, `[a-z]` one character, `{a,b}` one of several
/// texts. A folder that matches is left out whole. One that is not UTF-8 is matched byte by byte, and braces
/// in it are themselves.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    set: GlobSet,
    /// The rule of each glob of the set.
    rules_of_set: Vec<usize>,
    /// The globs that are not UTF-8, each with its rule.
    of_bytes: Vec<(usize, BytesGlob)>,
    rules: Vec<Rule>,
}

/// A glob that is not UTF-8.
#[derive(Clone, Debug)]
struct BytesGlob {
    glob: Glob,
    /// Is set for a pattern without a slash, which matches a name at any depth.
    is_of_name: bool,
}

impl BytesGlob {
    fn matches(&self, path: &Path) -> bool {
        let text = if self.is_of_name { path.file_name() } else { Some(path.as_os_str()) };
        text.is_some_and(|text| self.glob.matches(text.as_bytes()))
    }
}

/// The pattern of a rule, compiled.
enum Matcher {
    Text(globset::Glob),
    Bytes(BytesGlob),
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
    pub fn new<'a, P: AsRef<OsStr> + ?Sized + 'a>(
        patterns: impl IntoIterator<Item = &'a P>,
    ) -> Result<Self, ArchiveError> {
        let mut builder = GlobSetBuilder::new();
        let mut excludes = Self::default();
        for (n, pattern) in patterns.into_iter().enumerate() {
            let (matcher, rule) = parse(pattern.as_ref())?;
            match matcher {
                Matcher::Text(glob) => {
                    builder.add(glob);
                    excludes.rules_of_set.push(n);
                }
                Matcher::Bytes(glob) => excludes.of_bytes.push((n, glob)),
            }
            excludes.rules.push(rule);
        }
        let set = builder.build().map_err(|source| ArchiveError::BadPattern {
            pattern: source.glob().unwrap_or_default().to_owned(),
            source: Some(source),
        })?;
        Ok(Self { set, ..excludes })
    }

    /// Returns the patterns in the text of a file: one a line, without `#` comments and what says nothing.
    pub fn lines(text: &[u8]) -> impl Iterator<Item = &OsStr> {
        let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        lines.filter(|line| !is_empty(line) && !line.starts_with(b"#")).map(OsStr::from_bytes)
    }

    /// Returns whether `path`, relative to the source, is left out.
    pub fn matches(&self, path: &Path, is_folder: bool) -> bool {
        self.decides(path, is_folder).unwrap_or(false)
    }

    /// Returns whether `path` is left out, or not although something else would; `None` when no
    /// pattern matches.
    pub(in crate::archive) fn decides(&self, path: &Path, is_folder: bool) -> Option<bool> {
        if self.rules.is_empty() {
            return None;
        }
        let of_set = self.set.matches_candidate(&Candidate::new(path));
        let of_set = of_set.into_iter().map(|index| self.rules_of_set[index]);
        let of_bytes = self.of_bytes.iter().filter(|(_, glob)| glob.matches(path));
        let matching = of_set.chain(of_bytes.map(|(n, _)| *n));
        let matching = matching.filter(|&n| is_folder || !self.rules[n].folders_only);
        let last = matching.inspect(|&n| self.rules[n].has_matched.store(true, Ordering::Relaxed));
        last.max().map(|n| self.rules[n].excludes)
    }

    /// Returns the patterns that matched nothing of what was looked at.
    pub(in crate::archive) fn unmatched(&self) -> impl Iterator<Item = &str> {
        let unmatched = self.rules.iter().filter(|rule| !rule.has_matched.load(Ordering::Relaxed));
        unmatched.map(|rule| rule.pattern.as_str())
    }
}

/// Returns whether nothing but slashes is in a pattern, taken back or not.
fn is_empty(pattern: &[u8]) -> bool {
    pattern.strip_prefix(b"!").unwrap_or(pattern).iter().all(|&byte| byte == b'/')
}

fn parse(pattern: &OsStr) -> Result<(Matcher, Rule), ArchiveError> {
    let shown = pattern.to_string_lossy().into_owned();
    let bytes = pattern.as_bytes();
    if is_empty(bytes) {
        return Err(ArchiveError::BadPattern { pattern: shown, source: None });
    }
    let (excludes, rest) = match bytes.strip_prefix(b"!") {
        Some(rest) => (false, rest),
        None => (true, bytes),
    };
    let (folders_only, rest) = match rest.strip_suffix(b"/") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let is_of_name = !rest.contains(&b'/');
    let rest = rest.strip_prefix(b"/").or_else(|| rest.strip_prefix(b"./")).unwrap_or(rest);
    let bad = |source| ArchiveError::BadPattern { pattern: shown.clone(), source };
    let matcher = match std::str::from_utf8(rest) {
        Ok(text) if is_of_name => {
            Matcher::Text(glob(&format!("**/{text}")).map_err(|e| bad(Some(e)))?)
        }
        Ok(text) => Matcher::Text(glob(text).map_err(|e| bad(Some(e)))?),
        Err(_) => {
            let glob = Glob::new(rest).ok_or_else(|| bad(None))?;
            Matcher::Bytes(BytesGlob { glob, is_of_name })
        }
    };
    let has_matched = AtomicBool::new(false);
    Ok((matcher, Rule { pattern: shown, excludes, folders_only, has_matched }))
}

fn glob(pattern: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(patterns: &[&str], path: &str, is_folder: bool) -> bool {
        Excludes::new(patterns.iter().copied()).unwrap().matches(Path::new(path), is_folder)
    }

    #[test]
    fn a_pattern_without_a_slash_matches_at_any_depth() {
        assert!(skipped(&["*.log"], "a.log", false));
        assert!(skipped(&["*.log"], "x/y/a.log", false));
        assert!(!skipped(&["*.log"], "a.log.txt", false));
        assert!(skipped(&["node_modules"], "x/node_modules", true));
    }

    #[test]
    fn a_pattern_with_a_slash_matches_from_the_source_on() {
        assert!(skipped(&["/tmp"], "tmp", true));
        assert!(!skipped(&["/tmp"], "x/tmp", true));
        assert!(skipped(&["x/*.o"], "x/a.o", false));
        assert!(!skipped(&["x/*.o"], "x/y/a.o", false));
        assert!(skipped(&["x/**/*.o"], "x/y/z/a.o", false));
    }

    #[test]
    fn a_slash_at_the_end_limits_it_to_folders() {
        assert!(skipped(&["cache/"], "x/cache", true));
        assert!(!skipped(&["cache/"], "x/cache", false));
    }

    #[test]
    fn the_last_match_decides() {
        assert!(!skipped(&["*.log", "!keep.log"], "keep.log", false));
        assert!(skipped(&["!keep.log", "*.log"], "keep.log", false));
        assert!(skipped(&[r"\!odd"], "!odd", false));
    }

    #[test]
    fn braces_are_alternatives_and_brackets_a_set() {
        assert!(skipped(&["*.{key,pem}"], "a.pem", false));
        assert!(skipped(&["[a-c]?"], "b1", false));
        assert!(skipped(&[r"\{a\}"], "{a}", false));
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
    fn patterns_need_not_be_utf_8() {
        let patterns: Vec<_> =
            Excludes::lines(b"# \xe9\ncaf\xe9*\n!caf\xe9.txt\n/top\xe9/\n*.tmp\n").collect();
        let excludes = Excludes::new(patterns).unwrap();
        let matches = |path: &[u8], is_folder| {
            excludes.decides(Path::new(OsStr::from_bytes(path)), is_folder)
        };

        assert_eq!(matches(b"x/caf\xe9.log", false), Some(true));
        assert_eq!(matches(b"caf\xe9.txt", false), Some(false));
        assert_eq!(matches(b"caf\xe9.tmp", false), Some(true));
        assert_eq!(matches("caf\u{e9}.log".as_bytes(), false), None);
        assert_eq!([matches(b"top\xe9", true), matches(b"top\xe9", false)], [Some(true), None]);
        assert_eq!(matches(b"x/top\xe9", true), None);
        assert!(Excludes::new([OsStr::from_bytes(b"\xe9[a")]).is_err());
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
        let lines: Vec<&OsStr> =
            Excludes::lines(b"# why\n\n/\n  \n!\n*.log  \r\n\\#odd\n").collect();

        assert_eq!(lines, ["*.log", r"\#odd"]);
    }
}
