//! `devops-backup create --ignore-files` beside git itself, on random trees and patterns.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use devops_e2e::{TestEnv, finish, outside};
use devops_fakes::random::Random;

/// A tree for each of these many; `PROPTEST_CASES` asks for more.
const CASES: u64 = 60;

/// Makes random trees and patterns.
struct Maker(Random);

impl Maker {
    fn join(&mut self, parts: &[&[u8]], most: usize) -> Vec<u8> {
        (0..=self.0.below(most)).flat_map(|_| parts[self.0.below(parts.len())]).copied().collect()
    }

    fn name(&mut self) -> Vec<u8> {
        const COMMON: [&[u8]; 4] = [b"a", b"b", b"ab", b"A1"];
        const RARE: [&[u8]; 14] = [
            b"{", b"}", b",", b"!", b"#", b" ", b"[", b"]", b"-", b"\\", b"*", b"\xe9", b"\t", b":",
        ];
        let mut name = self.join(&COMMON, 2);
        if self.0.below(3) == 0 {
            name.extend(RARE[self.0.below(RARE.len())]);
        }
        if self.0.below(6) == 0 {
            name.insert(0, RARE[self.0.below(RARE.len())][0]);
        }
        name
    }

    /// Returns a pattern, often part of one of these paths.
    fn line(&mut self, paths: &[Vec<u8>]) -> Vec<u8> {
        const PARTS: [&[u8]; 35] = [
            b"a",
            b"b",
            b"A",
            b"1",
            b"*",
            b"*",
            b"**",
            b"***",
            b"?",
            b"/",
            b"/",
            b"**/",
            b"/**",
            b"/**/",
            b"[ab]",
            b"[!a]",
            b"[^b-c]",
            b"[[:alpha:]]",
            b"[[:digit:]_]",
            b"[]-]",
            b"[a",
            b"[[:no:]]",
            b"{",
            b"}",
            b"{a,b}",
            b"{}",
            b",",
            b"\\",
            b"\\a",
            b"\\/",
            b" ",
            b"\xe9",
            b"!",
            b"#",
            b"\t",
        ];
        let mut line = match self.0.below(3) {
            0 => self.join(&PARTS, 5),
            1 => paths[self.0.below(paths.len())].clone(),
            _ => {
                let path = &paths[self.0.below(paths.len())];
                let cut = self.0.below(path.len());
                let part = PARTS[self.0.below(PARTS.len())];
                [&path[..cut], part, &path[(cut + self.0.below(2)).min(path.len())..]].concat()
            }
        };
        if self.0.below(4) == 0 {
            line.insert(0, b'!');
        }
        for end in [b'/', b' ', b'\r'] {
            if self.0.below(8) == 0 {
                line.push(end);
            }
        }
        line
    }

    /// Returns the text of an ignore file.
    fn text(&mut self, paths: &[Vec<u8>]) -> Vec<u8> {
        let mark: &[u8] = if self.0.below(8) == 0 { b"\xef\xbb\xbf" } else { b"" };
        let lines = (0..=self.0.below(6)).map(|_| self.line(paths)).collect::<Vec<_>>();
        [mark, &lines.join(&b'\n')].concat()
    }

    /// Makes a tree with ignore files in some of its folders; returns all of its paths.
    fn tree(&mut self, root: &Path) -> Vec<OsString> {
        let mut folders = vec![Vec::new()];
        let mut paths = Vec::new();
        for _ in 0..30 {
            let above = folders[self.0.below(folders.len())].clone();
            let path = [above, self.name()].concat();
            let at = root.join(OsStr::from_bytes(&path));
            if self.0.below(2) == 0 {
                if fs::create_dir(at).is_ok() {
                    folders.push([&path[..], b"/"].concat());
                    paths.push(path);
                }
            } else if File::create_new(at).is_ok() {
                paths.push(path);
            }
        }
        for (n, folder) in folders.iter().enumerate() {
            if n == 0 || self.0.below(3) == 0 {
                let below = paths.iter().filter_map(|path| path.strip_prefix(&folder[..]));
                let below: Vec<_> = below.map(<[u8]>::to_vec).collect();
                if !below.is_empty() {
                    let file = root.join(OsStr::from_bytes(folder)).join(".gitignore");
                    write(&file, &self.text(&below));
                    paths.push([&folder[..], b".gitignore"].concat());
                }
            }
        }
        paths.into_iter().map(OsString::from_vec).collect()
    }
}

#[allow(clippy::disallowed_methods, reason = "test input needs no atomic replacement")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

/// Returns the paths that end with a NUL each.
fn paths_in(bytes: &[u8]) -> BTreeSet<OsString> {
    let paths = bytes.split(|&byte| byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| OsString::from_vec(path.to_vec())).collect()
}

#[test]
fn ignore_files_mean_what_they_mean_to_git() {
    if outside::program("git").is_none() {
        return;
    }
    let env = TestEnv::new();
    let asked = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut all = Vec::new();
    for case in 0..asked.unwrap_or(CASES) {
        let root = env.path(format!("source/{case}"));
        fs::create_dir_all(&root).unwrap();
        let found = Maker(Random::new(case)).tree(&root);
        all.extend(found.iter().map(|path| Path::new(&case.to_string()).join(path)));
    }
    let source = env.path("source");
    let git = |args: &[&str]| {
        let mut git = env.program("git");
        git.args(["-c", "core.excludesFile=/dev/null"]).args(args).current_dir(&source);
        git
    };
    finish(&mut git(&["init", "--quiet"])).expect_code(0);
    let listed: Vec<_> = all.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"]).collect();
    let input = env.write("paths", listed.concat());
    let mut check = git(&["check-ignore", "--no-index", "--stdin", "-z"]);
    let checked = check.stdin(File::open(input).unwrap()).output().unwrap();
    let ignored = paths_in(&checked.stdout);

    env.run("devops-backup", ["create", "source", "out", "--ignore-files"]).expect_code(0);
    let archive = env.path("out").join(devops_e2e::names_in(&env.path("out")).pop().unwrap());
    let mut list = env.program("tar");
    let list = list.args(["--null", "--quoting-style=literal", "-tzf"]).arg(archive);
    let listed = list.output().unwrap();

    let expected: BTreeSet<_> =
        all.into_iter().map(OsString::from).filter(|path| !ignored.contains(path)).collect();
    let taken: BTreeSet<_> = listed
        .stdout
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"/").unwrap_or(line))
        .filter(|line| line.contains(&b'/') && !line.starts_with(b".git/"))
        .map(|line| OsString::from_vec(line.to_vec()))
        .collect();
    let differences: Vec<_> = taken.symmetric_difference(&expected).collect();
    assert!(differences.is_empty(), "{differences:?}");
    assert!(!ignored.is_empty() && !expected.is_empty(), "nothing was compared");
}

#[test]
fn patterns_are_bytes() {
    let env = TestEnv::new();
    let named = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    for name in [&b"caf\xe9.log"[..], b"caf\xe9.txt", b"na\xefve", b"plain"] {
        env.write(Path::new("source").join(named(name)), "x");
    }
    env.write("patterns", b"# one a line\nna\xef*\n");
    let mut create = env.tool("devops-backup");
    create.args(["create", "source", "out", "--exclude-from", "patterns", "--exclude"]);
    finish(create.arg(named(b"caf\xe9.l*"))).expect_code(0);

    let made = fs::read_dir(env.path("out")).unwrap().flatten().map(|file| file.path());
    let archive = made.into_iter().find(|path| path.extension() == Some("gz".as_ref()));
    let archive = archive.expect("an archive");
    for args in [&["list".as_ref(), archive.as_os_str()][..], &["find".as_ref(), "out".as_ref()]] {
        let found = finish(env.tool("devops-backup").args(args).arg(named(b"caf\xe9*")));
        found.expect_code(0);
    }
    let mut restore = env.tool("devops-backup");
    restore.args(["restore", "out", "--to", "new"]).arg(named(b"caf\xe9*"));
    finish(&mut restore).expect_code(0);
    let restored: Vec<_> = fs::read_dir(env.path("new")).unwrap().flatten().collect();
    let restored: Vec<_> = restored.iter().map(fs::DirEntry::file_name).collect();
    assert_eq!(restored, [named(b"caf\xe9.txt")]);
}
