//! Every reader of tar.gz that people have reads our archives whole: the same entries, the same bytes.
//!
//! They get an archive made after another of nearly the same tree, so it may hold what was taken over.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt::Write,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use devops_e2e::{Run, TestEnv, finish, outside};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use sha2::{Digest, Sha256};

const PYTHON: &str = include_str!("tar_compatibility/read.py");
const NODE: &str = include_str!("tar_compatibility/read.js");
const PERL: &str = include_str!("tar_compatibility/read.pl");
const GO: &str = include_str!("tar_compatibility/read.go");

/// A tree with every sort of entry and name, and two archives of it.
struct Zoo {
    env: TestEnv,
    archives: Vec<PathBuf>,
}

impl Zoo {
    #[track_caller]
    fn new() -> Self {
        let env = TestEnv::new();
        write_names(&env);
        write_contents(&env);
        let first = back_up(&env);
        env.write("zoo/small/007", "changed");
        env.write("zoo/small/new", "new");
        let second = back_up(&env);
        Self { env, archives: vec![first, second] }
    }

    /// The newest archive; the tree is as it stands there.
    fn newest(&self) -> &Path {
        &self.archives[1]
    }

    fn tree(&self) -> PathBuf {
        self.env.path("zoo")
    }

    fn run(&self, program: impl AsRef<OsStr>, args: &[&OsStr]) -> Run {
        let run = finish(self.env.program(program).args(args));
        run.expect_code(0);
        run
    }

    /// Checks what a reader told of the entries against the tree.
    #[track_caller]
    fn expect_told(&self, told: &str) {
        let mut told: Vec<_> = told.lines().map(str::to_owned).collect();
        told.sort();
        expect_same(&told, &entries(&self.tree(), Detail::WithoutTimes));
    }

    /// Checks what a reader told that knows no extended headers:
    /// it must have each entry that a plain header can name, and the content of every file.
    #[track_caller]
    fn expect_told_plainly(&self, told: &[String]) {
        let expected = entries(&self.tree(), Detail::WithoutTimes);
        // In hexadecimal; a plain header holds 100 bytes.
        let is_plain = |line: &&String| line.split(' ').skip(3).all(|word| word.len() <= 200);
        let plain: Vec<_> = expected.iter().filter(is_plain).collect();
        assert!(plain.len() > 400, "most entries have short names");
        let missing: Vec<_> = plain.into_iter().filter(|line| !told.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:#?}");
        self.expect_contents(told);
    }

    /// Checks that the content of every file was told, whatever its name became.
    #[track_caller]
    fn expect_contents(&self, told: &[String]) {
        let content = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
        let contents: Vec<_> = told.iter().map(content).collect();
        for line in entries(&self.tree(), Detail::WithoutTimes) {
            assert!(!line.starts_with('f') || contents.contains(&content(&line)), "{line}");
        }
    }
}

/// Names and links that strain a format.
fn write_names(env: &TestEnv) {
    env.write("zoo/plain.txt", "hello\n");
    env.write("zoo/with space\nand newline", "odd");
    env.write("zoo/grüße", "utf-8");
    env.write(format!("zoo/{}", "n".repeat(255)), "a long name");
    env.write(format!("zoo/{}/{}/deep", "d".repeat(200), "e".repeat(200)), "a long path");
    let not_utf8 = OsStr::from_bytes(b"caf\xe9");
    env.write(Path::new("zoo").join(not_utf8), "latin-1");
    let deep = Path::new("zoo").join("x".repeat(250)).join("y".repeat(250));
    env.write(deep.join(not_utf8), "long and latin-1");
    let zoo = env.path("zoo");
    fs::create_dir(zoo.join("empty folder")).unwrap();
    fs::hard_link(zoo.join("plain.txt"), zoo.join("second name")).unwrap();
    symlink("plain.txt", zoo.join("link")).unwrap();
    symlink("t".repeat(300), zoo.join("long link")).unwrap();
    symlink("nowhere/", zoo.join("dangling")).unwrap();
    mknodat(CWD, zoo.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
}

/// Contents that make pieces of every sort: shared by many files, many of one file, stored, empty.
fn write_contents(env: &TestEnv) {
    env.write("zoo/empty", "");
    for n in 0..400 {
        env.write(format!("zoo/small/{n:03}"), format!("line {n}\n").repeat(n * 3));
    }
    let mut state = 1_u64;
    let noise = (0..1 << 19).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state ^ state >> 29).to_le_bytes()
    });
    let mut large: Vec<u8> = noise.collect();
    large.extend("0123456789abcdef".repeat(500_000).as_bytes());
    env.write("zoo/large", large);
    let sparse = env.write("zoo/sparse", "");
    let sparse = File::options().write(true).open(sparse).unwrap();
    sparse.write_all_at(b"an island", 3 << 20).unwrap();
    sparse.set_len(9 << 20).unwrap();
    let zoo = env.path("zoo");
    fs::set_permissions(zoo.join("empty"), Permissions::from_mode(0o400)).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    File::open(zoo.join("plain.txt")).unwrap().set_modified(time).unwrap();
}

#[track_caller]
fn back_up(env: &TestEnv) -> PathBuf {
    let run = env.run("devops-backup", ["create", "zoo", "backups"]);
    run.expect_code(0);
    let path = run.stdout.trim_end().strip_prefix("Successfully created backup: ");
    env.path(path.expect("the line of the seed"))
}

/// How much a reader keeps of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Everything, times to the nanosecond.
    WithTimes,
    WithoutTimes,
}

/// Describes a tree, a line for each entry, sorted: what the readers in scripts print too.
///
/// Type, mode, size, the path in hexadecimal, and the SHA-256 of the content or the target of the link.
fn entries(folder: &Path, detail: Detail) -> Vec<String> {
    let (mut lines, mut first_names) = (Vec::new(), HashMap::new());
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let place = folder.join(&path);
        let metadata = place.symlink_metadata().unwrap();
        if metadata.is_dir() {
            let children = fs::read_dir(&place).unwrap();
            todo.extend(children.map(|child| path.join(child.unwrap().file_name())));
            // The first name of a file is that which sorts first.
            todo.sort_by(|one, other| other.cmp(one));
        }
        if path.as_os_str().is_empty() {
            continue;
        }
        let first = first_names.entry((metadata.dev(), metadata.ino())).or_insert(path.clone());
        let mut line = if *first != path && !metadata.is_dir() {
            format!("h - - {} {}", hex(path.as_os_str()), hex(first.as_os_str()))
        } else {
            described(&place, &path)
        };
        if detail == Detail::WithTimes {
            write!(line, " {}.{:09}", metadata.mtime(), metadata.mtime_nsec()).unwrap();
        }
        lines.push(line);
    }
    lines.sort();
    lines
}

fn described(place: &Path, path: &Path) -> String {
    let metadata = place.symlink_metadata().unwrap();
    let (kind, name) = (metadata.file_type(), hex(path.as_os_str()));
    let mode = metadata.mode() & 0o7777;
    if kind.is_symlink() {
        format!("l - - {name} {}", hex(fs::read_link(place).unwrap().as_os_str()))
    } else if kind.is_dir() {
        format!("d {mode:o} - {name} -")
    } else if kind.is_fifo() {
        format!("p {mode:o} - {name} -")
    } else {
        let sum = Sha256::digest(fs::read(place).unwrap());
        format!("f {mode:o} {} {name} {}", metadata.len(), hex(OsStr::from_bytes(&sum)))
    }
}

fn hex(name: &OsStr) -> String {
    name.as_bytes().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[track_caller]
fn expect_same(found: &[String], expected: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(5).collect();
    let strange: Vec<_> = found.iter().filter(|line| !expected.contains(line)).take(5).collect();
    assert!(
        found == expected,
        "{} entries for {}; missing {missing:#?}; strange {strange:#?}",
        found.len(),
        expected.len()
    );
}

/// Unpacks with a program that makes a tree, and compares the trees.
#[track_caller]
fn expect_unpacked(program: &str, args: &[&str], detail: Detail) {
    let Some(program) = outside::program(program) else { return };
    let zoo = Zoo::new();
    let out = zoo.env.path("out");
    fs::create_dir(&out).unwrap();
    let mut all: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    all.extend([zoo.newest().as_os_str(), "-C".as_ref(), out.as_os_str()]);

    let run = zoo.run(program, &all);

    assert_eq!(run.stderr, "");
    expect_same(&entries(&out, detail), &entries(&zoo.tree(), detail));
}

#[test]
fn gnu_tar_reads_the_archive() {
    expect_unpacked("tar", &["-xpzf"], Detail::WithTimes);
}

#[test]
fn gnu_tar_that_ignores_end_marks_reads_the_archive() {
    expect_unpacked("tar", &["-i", "-xpzf"], Detail::WithTimes);
}

#[test]
fn bsdtar_reads_the_archive() {
    expect_unpacked("bsdtar", &["-xpzf"], Detail::WithTimes);
}

/// Busybox knows no extended headers: what has a long or an odd name comes under a short one.
#[test]
fn busybox_tar_reads_every_entry_that_a_ustar_header_can_name() {
    let Some(busybox) = outside::program("busybox") else { return };
    let zoo = Zoo::new();
    let out = zoo.env.path("out");
    fs::create_dir(&out).unwrap();
    let args = ["tar", "-xpzf"].map(OsStr::new);
    let args = [args[0], args[1], zoo.newest().as_os_str(), "-C".as_ref(), out.as_os_str()];

    zoo.run(busybox, &args);

    zoo.expect_told_plainly(&entries(&out, Detail::WithoutTimes));
}

#[test]
fn seven_zip_reads_the_archive() {
    let Some(seven_zip) = outside::program("7z") else { return };
    let zoo = Zoo::new();
    for archive in &zoo.archives {
        let tested = zoo.run(&seven_zip, &["t".as_ref(), archive.as_os_str()]);
        assert!(tested.stdout.contains("Everything is Ok"), "{}", tested.stdout);
    }
    let (tar, out) = (zoo.env.path("zoo.tar"), zoo.env.path("out"));
    let mut unpack = zoo.env.program(&seven_zip);
    unpack.args(["x", "-so"]).arg(zoo.newest()).stdout(File::create(&tar).unwrap());
    finish(&mut unpack).expect_code(0);
    let to = [b"-o", out.as_os_str().as_bytes()].concat();

    // It refuses some links, and says so with its exit code; files are what it is asked for.
    let args = ["x", "-ttar"].map(OsStr::new);
    finish(zoo.env.program(&seven_zip).args(args).arg(&tar).arg(OsStr::from_bytes(&to)));

    zoo.expect_contents(&entries(&out, Detail::WithoutTimes));
}

#[test]
fn gzip_and_pigz_find_the_archive_whole() {
    let Some(pigz) = outside::program("pigz") else { return };
    let zoo = Zoo::new();
    for archive in &zoo.archives {
        for program in [Path::new("gzip"), &pigz] {
            let run = zoo.run(program, &["-t".as_ref(), archive.as_os_str()]);
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        }
        let tars = [Path::new("gzip"), &pigz].map(|program| {
            let out = zoo.env.path("unpacked");
            let mut unpack = zoo.env.program(program);
            unpack.arg("-dc").arg(archive).stdout(File::create(&out).unwrap());
            finish(&mut unpack).expect_code(0);
            fs::read(out).unwrap()
        });
        assert!(tars[0] == tars[1]);
        assert_eq!(tars[0].len() % 512, 0);
    }
}

/// Runs a script that tells of every entry, on standard output.
#[track_caller]
fn expect_read_by_script(program: &str, script: &str, modes: &[&str]) {
    let Some(program) = outside::program(program) else { return };
    let zoo = Zoo::new();
    let script = zoo.env.write("script", script);
    for mode in modes {
        let args = [script.as_os_str(), zoo.newest().as_os_str(), mode.as_ref()];

        let run = zoo.run(&program, &args);

        assert_eq!(run.stderr, "", "{mode}");
        zoo.expect_told(&run.stdout);
    }
}

#[test]
fn python_reads_the_archive_from_a_file_and_from_a_stream() {
    expect_read_by_script("python3", PYTHON, &["r:gz", "r|gz"]);
}

#[test]
fn node_reads_the_archive_whole_and_as_a_stream() {
    expect_read_by_script("node", NODE, &["whole", "stream"]);
}

#[test]
fn perl_reads_every_entry_that_a_ustar_header_can_name() {
    let Some(perl) = outside::program("perl") else { return };
    let zoo = Zoo::new();
    let script = zoo.env.write("script", PERL);

    let run = zoo.run(perl, &[script.as_os_str(), zoo.newest().as_os_str()]);

    assert_eq!(run.stderr, "");
    let told: Vec<_> = run.stdout.lines().map(str::to_owned).collect();
    zoo.expect_told_plainly(&told);
}

#[test]
fn go_reads_the_archive() {
    let Some(go) = outside::program("go") else { return };
    let zoo = Zoo::new();
    zoo.env.write("reader/main.go", GO);
    let reader = zoo.env.path("read");
    let mut build = zoo.env.program(go);
    build.args(["build", "-o"]).arg(&reader).arg("main.go");
    build.current_dir(zoo.env.path("reader")).envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0")]);
    finish(&mut build).expect_code(0);

    let run = zoo.run(reader, &[zoo.newest().as_os_str()]);

    assert_eq!(run.stderr, "");
    zoo.expect_told(&run.stdout);
}
