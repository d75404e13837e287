//! The patterns of gitignore(5), as git itself understands them.
//!
//! Libraries of globs have a richer language, with alternatives in braces, or a poorer one, without
//! classes like `[[:alpha:]]`. A pattern taken for another leaves out what git keeps, so this follows
//! git: lines as its `dir.c` reads them, patterns as its `wildmatch.c` matches them, byte by byte. The
//! time to match is proportional to the lengths of pattern and path, whatever the pattern.

pub(in crate::archive) mod glob;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use glob::Glob;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The patterns of one file; the last one that matches decides.
#[derive(Debug, Default)]
pub(in crate::archive) struct Gitignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    is_taken_back: bool,
    folders_only: bool,
    /// Is set for a pattern without a slash, which matches a name at any depth.
    is_of_name: bool,
    glob: Glob,
}

impl Gitignore {
    /// Reads the text of a file.
    pub(in crate::archive) fn new(text: &[u8]) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self { rules: text.split(|&byte| byte == b'\n').filter_map(rule).collect() }
    }

    pub(in crate::archive) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether `path`, from the folder of the file on, is ignored, or is not although a file
    /// further up says so; `None` when no pattern matches.
    pub(in crate::archive) fn decides(&self, path: &Path, is_folder: bool) -> Option<bool> {
        let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
        let path = path.as_os_str().as_bytes();
        let matching = self.rules.iter().rfind(|rule| {
            let text = if rule.is_of_name { name } else { path };
            (is_folder || !rule.folders_only) && rule.glob.matches(text)
        })?;
        Some(!matching.is_taken_back)
    }
}

/// Reads a line, without its line feed; `None` if it can match nothing.
fn rule(line: &[u8]) -> Option<Rule> {
    if line.first().is_none_or(|&first| first == b'#') {
        return None;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // To git a line is a text of C.
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let line = without_trailing_spaces(line);
    let (is_taken_back, pattern) = match line.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (folders_only, pattern) = match pattern.strip_suffix(b"/") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let is_of_name = !pattern.contains(&b'/');
    let glob = Glob::new(pattern.strip_prefix(b"/").unwrap_or(pattern))?;
    Some(Rule { is_taken_back, folders_only, is_of_name, glob })
}

/// Removes spaces at the end, but one that a backslash keeps; other blanks stay.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        let is_escape = line[at] == b'\\';
        if is_escape && at + 1 == line.len() {
            return line;
        }
        at += if is_escape { 2 } else { 1 };
        if is_escape || line[at - 1] != b' ' {
            end = at;
        }
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a file of this text ignores each path; a slash at the end of one means a folder.
    fn ignored<const N: usize>(text: &[u8], paths: [&str; N]) -> [Option<bool>; N] {
        let file = Gitignore::new(text);
        paths.map(|path| {
            let name = path.strip_suffix('/');
            file.decides(Path::new(name.unwrap_or(path)), name.is_some())
        })
    }

    const IGNORED: Option<bool> = Some(true);

    #[test]
    fn braces_are_themselves() {
        let text = b"*.{key,pem}\n*.py{}\n";

        assert_eq!(ignored(text, ["a.key", "setup.py"]), [None; 2]);
        assert_eq!(ignored(text, ["a.{key,pem}", "a.py{}"]), [IGNORED; 2]);
    }

    #[test]
    fn lines_are_read_as_by_git() {
        for (text, paths, wanted) in [
            (&b"\xef\xbb\xbfa\nb\r\n"[..], ["a", "b", "c"], [IGNORED, IGNORED, None]),
            (b"a\n\xef\xbb\xbfb", ["a", "b", "\u{feff}b"], [IGNORED, None, IGNORED]),
            (b"a  \nb\\ \nc\t", ["a", "b ", "c\t"], [IGNORED; 3]),
            (b"#a\n\\#b\n !c", ["#a", "#b", " !c"], [None, IGNORED, IGNORED]),
            (b"!\n/\n//", ["!", "a", "a/"], [None; 3]),
            (b"a*\n!ab\n\\!c", ["aa", "ab", "!c"], [IGNORED, Some(false), IGNORED]),
            (b"a/\n/b\nc/d", ["x/a", "x/b", "x/c/d"], [None; 3]),
            (b"a/\n/b\nc/d", ["x/a/", "b", "c/d"], [IGNORED; 3]),
            (b"a\\", ["a", "a\\", "\\"], [None; 3]),
            (b"a\0b\n\0c", ["a", "ab", "c"], [IGNORED, None, None]),
        ] {
            assert_eq!(ignored(text, paths), wanted, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn names_and_patterns_need_not_be_utf_8() {
        let file = Gitignore::new(b"caf\xe9*\n[\xe0-\xef]\n");
        let is_ignored = |name: &[u8]| file.decides(Path::new(OsStr::from_bytes(name)), false);

        assert_eq!(is_ignored(b"caf\xe9.txt"), IGNORED);
        assert_eq!(is_ignored("café.txt".as_bytes()), None);
        assert_eq!([is_ignored(b"\xe5"), is_ignored(b"\xf5")], [IGNORED, None]);
    }
}
