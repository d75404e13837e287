//! Filters the entries of an archive.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::archive::{ArchiveError, scan::gitignore::glob::Glob};

/// Entries asked for by pattern or by path; everything when none was given.
#[derive(Clone)]
pub(in crate::archive) struct EntryFilter {
    rules: Vec<Rule>,
    /// The patterns, each with the number of its rule.
    patterns: Vec<(Pattern, usize)>,
    /// The numbers of those that are paths: there may be thousands.
    paths: HashMap<PathBuf, Vec<usize>>,
    /// Nothing below the paths is asked for.
    is_exact: bool,
}

#[derive(Clone)]
struct Rule {
    shown: String,
    has_matched: bool,
}

#[derive(Clone)]
enum Pattern {
    /// One without a special character is compared as it stands, which is many times faster.
    Name(Vec<u8>),
    Path(PathBuf),
    /// One without a slash is compared with each name of a path.
    NameGlob(Matcher),
    PathGlob(Matcher),
}

#[derive(Clone)]
enum Matcher {
    Text(GlobMatcher),
    /// One that is not UTF-8 is matched byte by byte, and braces in it are themselves.
    Bytes(Glob),
}

impl Matcher {
    fn new(pattern: &[u8]) -> Result<Self, Option<globset::Error>> {
        match std::str::from_utf8(pattern) {
            Ok(text) => {
                let glob = GlobBuilder::new(text).literal_separator(true).build();
                Ok(Self::Text(glob.map_err(Some)?.compile_matcher()))
            }
            Err(_) => Glob::new(pattern).map(Self::Bytes).ok_or(None),
        }
    }

    fn is_match(&self, text: &OsStr) -> bool {
        match self {
            Self::Text(glob) => glob.is_match(text),
            Self::Bytes(glob) => glob.matches(text.as_bytes()),
        }
    }
}

/// Returns whether a text has a character that makes a pattern of a name.
fn has_special(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[]{\\".contains(byte))
}

impl Pattern {
    /// Reads a pattern; the error says why it is none, where that is known.
    fn new(pattern: &OsStr) -> Result<Self, Option<globset::Error>> {
        let plain = trimmed(without_dot(Path::new(pattern))).as_os_str().as_bytes();
        let is_name = !plain.contains(&b'/');
        if !has_special(plain) {
            let path = Path::new(OsStr::from_bytes(plain));
            return Ok(if is_name { Self::Name(plain.into()) } else { Self::Path(path.into()) });
        }
        let glob = Matcher::new(plain)?;
        Ok(if is_name { Self::NameGlob(glob) } else { Self::PathGlob(glob) })
    }

    fn matches(&self, path: &Path) -> bool {
        match self {
            Self::Name(name) => names(path).any(|found| found == name),
            Self::Path(wanted) => is_below(path, wanted),
            Self::NameGlob(glob) => names(path).any(|name| glob.is_match(OsStr::from_bytes(name))),
            Self::PathGlob(glob) => path.ancestors().any(|above| glob.is_match(above.as_os_str())),
        }
    }
}

/// Returns the names a path is made of.
fn names(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.as_os_str().as_bytes().split(|&byte| byte == b'/')
}

/// Returns whether a path is another one or lies below it; faster than by components.
fn is_below(path: &Path, above: &Path) -> bool {
    let (path, above) = (path.as_os_str().as_bytes(), above.as_os_str().as_bytes());
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| above.is_empty() || rest.is_empty() || rest[0] == b'/')
}

impl EntryFilter {
    /// Asks for what matches a pattern: one without a slash matches a name at any depth.
    pub(in crate::archive) fn patterns(patterns: &[OsString]) -> Result<Self, ArchiveError> {
        let mut wanted = Self::all();
        for pattern in patterns {
            let shown = pattern.to_string_lossy().into_owned();
            let bad = |source| ArchiveError::BadPattern { pattern: shown.clone(), source };
            let n = wanted.add(shown.clone());
            wanted.patterns.push((Pattern::new(pattern).map_err(bad)?, n));
        }
        Ok(wanted)
    }

    /// Asks for these paths and everything below them, and for what matches those that are patterns.
    pub(in crate::archive) fn paths(paths: &[PathBuf]) -> Self {
        let mut wanted = Self::all();
        for path in paths {
            let n = wanted.add(path.display().to_string());
            wanted.paths.entry(trimmed(without_dot(path)).to_owned()).or_default().push(n);
            let pattern = Some(path.as_os_str()).filter(|text| has_special(text.as_bytes()));
            // An invalid pattern may be the name of a file.
            if let Some(pattern) = pattern.and_then(|pattern| Pattern::new(pattern).ok()) {
                wanted.patterns.push((pattern, n));
            }
        }
        wanted
    }

    /// Asks for the entries of these paths, and for nothing below them.
    pub(in crate::archive) fn entries(paths: &[PathBuf]) -> Self {
        let mut wanted = Self { is_exact: true, ..Self::all() };
        for path in paths {
            let n = wanted.add(path.display().to_string());
            wanted.paths.entry(trimmed(without_dot(path)).to_owned()).or_default().push(n);
        }
        wanted
    }

    fn all() -> Self {
        Self { rules: Vec::new(), patterns: Vec::new(), paths: HashMap::new(), is_exact: false }
    }

    /// Adds a rule; returns its number.
    fn add(&mut self, shown: String) -> usize {
        self.rules.push(Rule { shown, has_matched: false });
        self.rules.len() - 1
    }

    /// Returns the numbers of the rules that ask for a path.
    fn matching(&self, path: &Path) -> impl Iterator<Item = usize> {
        let most = if self.is_exact { 1 } else { usize::MAX };
        let above = path.ancestors().take(most).take_while(|_| !self.paths.is_empty());
        let by_path = above.filter_map(|above| self.paths.get(above)).flatten().copied();
        let by_pattern = self.patterns.iter().filter(move |(pattern, _)| pattern.matches(path));
        by_path.chain(by_pattern.map(|&(_, n)| n))
    }

    /// Returns whether an entry is asked for, itself or as part of a folder, and remembers it.
    pub(in crate::archive) fn matches(&mut self, path: &Path) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let path = without_dot(path);
        let matching: Vec<usize> = self.matching(path).collect();
        for &n in &matching {
            self.rules[n].has_matched = true;
        }
        !matching.is_empty()
    }

    /// Returns whether an entry is asked for.
    pub(in crate::archive) fn has(&self, path: &Path) -> bool {
        let path = without_dot(path);
        self.rules.is_empty() || self.matching(path).next().is_some()
    }

    /// Returns the rules nothing has matched, as they were given.
    pub(in crate::archive) fn unmatched(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| !rule.has_matched).map(|rule| rule.shown.as_str())
    }
}

/// Returns the path without slashes and `./` in front: it is restored without them.
pub(in crate::archive) fn without_dot(path: &Path) -> &Path {
    let mut bytes = path.as_os_str().as_bytes();
    while let Some(rest) = bytes.strip_prefix(b"./").or_else(|| bytes.strip_prefix(b"/")) {
        bytes = rest;
    }
    Path::new(OsStr::from_bytes(if bytes == b"." { b"" } else { bytes }))
}

/// Returns the path without slashes at its end.
fn trimmed(path: &Path) -> &Path {
    let mut bytes = path.as_os_str().as_bytes();
    while let [rest @ .., b'/'] = bytes
        && !rest.is_empty()
    {
        bytes = rest;
    }
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_a_folder_with_all_in_it() {
        let mut wanted = EntryFilter::patterns(&["*.d", "x/y"].map(OsString::from)).unwrap();

        assert!(wanted.matches(Path::new("a/conf.d/1")));
        assert!(wanted.matches(Path::new("./conf.d")));
        assert!(!wanted.matches(Path::new("y")));
        assert_eq!(wanted.unmatched().collect::<Vec<_>>(), ["x/y"]);
    }

    #[test]
    fn a_name_or_path_without_a_special_character_is_compared_as_it_stands() {
        let patterns = ["d", "./x/y/"].map(OsString::from);
        let wanted = EntryFilter::patterns(&patterns).unwrap();

        for (path, is_wanted) in [
            ("", false),
            ("d", true),
            ("./a/d/e", true),
            ("ad", false),
            ("a/dd", false),
            ("x/y", true),
            ("x/y/z", true),
            ("x/yz", false),
            ("a/x/y", false),
        ] {
            assert_eq!(wanted.has(Path::new(path)), is_wanted, "{path}");
        }
    }

    #[test]
    fn patterns_need_not_be_utf_8() {
        let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let patterns = [bytes(b"caf\xe9*"), bytes(b"x/\xe9"), bytes(b"\xff")];
        let paths: Vec<PathBuf> = patterns.iter().map(PathBuf::from).collect();
        let by_path = EntryFilter::paths(&paths);
        let by_pattern = EntryFilter::patterns(&patterns).unwrap();

        for (path, is_wanted) in [
            (&b"a/caf\xe9.txt"[..], true),
            (b"x/\xe9/b", true),
            (b"\xff", true),
            ("a/caf\u{e9}.txt".as_bytes(), false),
            (b"x/\xea", false),
        ] {
            let path = Path::new(OsStr::from_bytes(path));
            assert_eq!(
                (by_pattern.has(path), by_path.has(path)),
                (is_wanted, is_wanted),
                "{path:?}"
            );
        }
    }

    #[test]
    fn a_path_is_taken_to_the_letter_and_as_a_pattern_if_it_is_one() {
        let mut wanted = EntryFilter::paths(&["./a*/", "b[", "c//"].map(PathBuf::from));

        for (path, is_wanted) in [
            ("a*/b", true),
            ("ab", true),
            ("x/ab/c", true),
            ("ba", false),
            ("b[", true),
            ("b[/c", true),
            ("x/b[", false),
            ("c", true),
            ("x/c", false),
        ] {
            assert_eq!(wanted.matches(Path::new(path)), is_wanted, "{path}");
        }
    }
}
