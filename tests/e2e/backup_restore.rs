//! Restoring what other programs archived, what attackers made, and after a kill.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use devops_e2e::{Run, TestEnv, finish, names_in, outside, wait_until, without_root};
use rustix::process::{Signal, geteuid};

use crate::backup_meta::{facts, write_attributes};

const TOOL: &str = "devops-backup";

#[track_caller]
fn restore(env: &TestEnv, archive: &str, to: &str, more: &[&str]) -> Run {
    let run = env.run(TOOL, [&["restore", archive, "--to", to], more].concat());
    run.expect_code(0);
    assert_eq!(run.stderr, "", "{archive}");
    run
}

#[track_caller]
fn run(command: &mut Command) -> Run {
    let run = finish(command);
    run.expect_code(0);
    run
}

/// A tree with a sparse file, long names and links, which every format but v7 holds.
fn write_tree(env: &TestEnv, longest: usize) {
    env.write("zoo/plain", "hello");
    env.write("zoo/empty", "");
    env.write(format!("zoo/{}/file", "d".repeat(longest)), "deep");
    env.write("zoo/large", "0123456789abcdef".repeat(60_000));
    fs::hard_link(env.path("zoo/plain"), env.path("zoo/second name")).unwrap();
    symlink("plain", env.path("zoo/link")).unwrap();
    let sparse = File::create(env.path("zoo/sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
    for n in 0..30 {
        sparse.write_all_at(b"something", n * 131_072 + 4096).unwrap();
    }
    for name in ["plain", "empty", "large", "sparse"] {
        let whole = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
        File::options()
            .write(true)
            .open(env.path("zoo").join(name))
            .unwrap()
            .set_modified(whole)
            .unwrap();
    }
}

/// Every path with its type, links and content; times and owners are not in every format.
#[track_caller]
fn described(env: &TestEnv, folder: &str) -> String {
    let script = r"cd $0 && export LC_ALL=C && find . -mindepth 1 -printf '%P %y %m %l\n' | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum";
    run(env.program("sh").args(["-c", script, folder])).stdout
}

#[track_caller]
fn expect_holes(env: &TestEnv, file: &str) {
    let meta = env.path(file).metadata().unwrap();
    assert!(meta.blocks() * 512 < meta.size() / 2, "{file} has no holes");
}

#[test]
fn every_format_and_sparse_dialect_of_gnu_tar_comes_back() {
    let env = TestEnv::new();
    write_tree(&env, 90);
    let formats: [&[&str]; 8] = [
        &["--format=v7"],
        &["--format=ustar"],
        &["--format=oldgnu", "-S"],
        &["--format=gnu", "-S"],
        &["--format=pax", "-S", "--sparse-version=0.0"],
        &["--format=pax", "-S", "--sparse-version=0.1"],
        &["--format=pax", "-S", "--sparse-version=1.0"],
        &["--format=gnu", "-z", "--blocking-factor=1"],
    ];
    for (n, format) in formats.iter().enumerate() {
        let (archive, back) = (format!("{n}.tar"), format!("back{n}"));
        run(env.program("tar").args(*format).args(["-C", "zoo", "-cf", &archive, "."]));

        restore(&env, &archive, &back, &[]);

        assert_eq!(described(&env, &back), described(&env, "zoo"), "{format:?}");
        if format.contains(&"-S") {
            expect_holes(&env, &format!("{back}/sparse"));
        }
    }
}

#[test]
fn incremental_archives_and_volume_labels_of_gnu_tar_are_restored() {
    let env = TestEnv::new();
    write_tree(&env, 200);
    run(env.program("tar").args([
        "--format=gnu",
        "--label=weekly",
        "--listed-incremental=snapshot",
        "-C",
        "zoo",
        "-cf",
        "a.tar",
        ".",
    ]));

    let restored = env.run(TOOL, ["restore", "a.tar", "--to", "back"]);

    restored.expect_code(0);
    assert_eq!(restored.stderr, "skipped `weekly`: the label of a volume, which is no file\n");
    assert_eq!(described(&env, "back"), described(&env, "zoo"));
}

#[test]
fn absolute_names_of_gnu_tar_come_back_below_the_folder() {
    let env = TestEnv::new();
    let file = env.write("zoo/a", "1");
    fs::hard_link(&file, env.path("zoo/b")).unwrap();
    run(env.program("tar").args(["-P", "-czf", "a.tgz"]).arg(env.path("zoo")));

    let restored = env.run(TOOL, ["restore", "a.tgz", "--to", "back"]);

    restored.expect_code(0);
    assert_eq!(restored.stderr.lines().count(), 1, "{}", restored.stderr);
    assert!(restored.stderr.contains("without the leading slash"), "{}", restored.stderr);
    let back = env.path("back").join(env.path("zoo").strip_prefix("/").unwrap());
    assert_eq!(names_in(&back), ["a", "b"]);
}

#[test]
fn attributes_in_archives_of_gnu_tar_come_back() {
    let env = TestEnv::new();
    if !write_attributes(&env, true) {
        return outside::skip("the file system of the temporary folder has no attributes");
    }
    // With `--acls` it writes the names of users, which it alone could look up.
    let options = ["--format=pax", "--xattrs", "--xattrs-include=*", "--numeric-owner"];
    run(env.program("tar").args(options).args(["-C", "zoo", "-cf", "a.tar", "."]));

    restore(&env, "a.tar", "back", &["--privileged"]);

    assert_eq!(facts(&env.path("back")), facts(&env.path("zoo")));
}

#[test]
fn our_own_attributes_come_back_and_powerful_ones_with_privilege_alone() {
    let env = TestEnv::new();
    if !write_attributes(&env, true) {
        return outside::skip("the file system of the temporary folder has no attributes");
    }
    let created = env.run(TOOL, ["create", "zoo", "backups"]);
    let archive = created.stdout.trim().rsplit(' ').next().unwrap();

    restore(&env, archive, "back", &["--privileged"]);
    let plain = env.run(TOOL, ["restore", archive, "--to", "plain"]);

    assert_eq!(facts(&env.path("back")), facts(&env.path("zoo")));
    if geteuid().is_root() {
        plain.expect_code(3);
        assert!(plain.stderr.contains("security.capability"), "{}", plain.stderr);
    }
}

#[test]
fn archives_of_bsdtar_busybox_and_python_come_back() {
    let (Some(bsdtar), Some(busybox), Some(python)) =
        (outside::program("bsdtar"), outside::program("busybox"), outside::program("python3"))
    else {
        return;
    };
    let env = TestEnv::new();
    write_tree(&env, 90);
    for format in ["pax", "ustar", "gnutar", "v7"] {
        let archive = format!("{format}.tar.gz");
        let format = format!("--format={format}");
        run(env.program(&bsdtar).args([&format, "-C", "zoo", "-czf", &archive, "."]));
    }
    run(env.program(&busybox).args(["tar", "-C", "zoo", "-czf", "busybox.tar.gz", "."]));
    let script = "import sys, tarfile
for name, format in ('pax', tarfile.PAX_FORMAT), ('gnu', tarfile.GNU_FORMAT), ('ustar', tarfile.USTAR_FORMAT):
    with tarfile.open(f'python-{name}.tar.gz', 'w:gz', format=format) as tar: tar.add('zoo', '.')";
    run(env.program(&python).args(["-c", script]));

    for name in
        ["pax", "ustar", "gnutar", "v7", "busybox", "python-pax", "python-gnu", "python-ustar"]
    {
        restore(&env, &format!("{name}.tar.gz"), name, &[]);

        assert_eq!(described(&env, name), described(&env, "zoo"), "{name}");
    }
    expect_holes(&env, "pax/sparse");
}

fn partials(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.to_string_lossy().ends_with(".partial") {
                found.push(path);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn a_killed_restore_leaves_nothing_behind_the_next() {
    let env = TestEnv::new();
    for n in 0..20 {
        env.write(format!("zoo/{n}/{n}/file"), vec![n; 4 << 20]);
    }
    run(env.program("tar").args(["-C", "zoo", "-cf", "a.tar", "."]));
    let back = env.path("back");
    for n in [0, 3, 11] {
        let args = ["restore", "a.tar", "--to", "back", "--overwrite", "always"];
        let running = env.start(TOOL, args);
        wait_until("it is at work in a folder", || {
            partials(&back.join(n.to_string())).len() == 1 || back.join("9/9/file").exists()
        });
        running.signal(Signal::KILL);
        running.finish();
    }

    restore(&env, "a.tar", "back", &["--overwrite", "always"]);

    assert_eq!(partials(&back), [""; 0].map(PathBuf::from));
    assert_eq!(described(&env, "back"), described(&env, "zoo"));
}

#[test]
fn a_restore_without_root_gives_modes_and_attributes_back() {
    let env = TestEnv::new();
    env.write("zoo/closed/inner/file", "1");
    symlink("closed", env.path("zoo/link")).unwrap();
    let modes =
        "chmod 440 zoo/closed/inner/file && chmod 500 zoo/closed/inner && chmod 555 zoo/closed";
    run(env.program("sh").args(["-c", modes]));
    run(env.program("tar").args(["-C", "zoo", "-cf", "a.tar", "."]));
    run(env.program("chmod").args(["777", "."]));

    let mut tool = env.tool(TOOL);
    let restored = finish(without_root(tool.args(["restore", "a.tar", "--to", "back"])));

    restored.expect_code(0);
    assert_eq!(described(&env, "back"), described(&env, "zoo"));
}

#[test]
fn bombs_take_no_memory() {
    let Some(python) = outside::program("python3") else { return };
    let env = TestEnv::new();
    // Refused paths, links to nothing, one folder again and again, a giant of zeros, and empty members:
    // what is kept of each entry would be far more than the limit.
    let script = r"
import gzip, tarfile
def entry(name, kind=b'0', target='', size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info.tobuf(tarfile.PAX_FORMAT)
def save(name, part, n):
    with gzip.open(name, 'wb', 1) as out:
        for _ in range(n // 100): out.write(part * 100)
        out.write(bytes(1024))
save('refused.tar.gz', entry('../' + 'x/' * 8000), 10_000)
save('links.tar.gz', entry('a', b'1', 'x/' * 3000), 15_000)
save('folders.tar.gz', entry('d' + '/.' * 8000, b'5'), 10_000)
with gzip.open('zeros.tar.gz', 'wb', 1) as out:
    out.write(entry('zeros', size=200 << 20))
    for _ in range(200): out.write(bytes(1 << 20))
    out.write(bytes(1024))
with open('members.tar.gz', 'wb') as out:
    out.write(gzip.compress(entry('a')))
    out.write(gzip.compress(b'') * 30_000)
    out.write(gzip.compress(bytes(1024)))
";
    run(env.program(&python).args(["-c", script]));

    for (name, restored) in
        [("refused", 3), ("links", 3), ("folders", 0), ("zeros", 0), ("members", 0)]
    {
        let archive = format!("{name}.tar.gz");
        env.run_in_memory(TOOL, 100, &["verify", &archive]).expect_code(0);
        let run = env.run_in_memory(TOOL, 160, &["restore", &archive, "--to", name, "--quiet"]);
        assert_eq!(run.code, restored, "{name}: {:.2000}", run.stderr);
    }
}

#[test]
fn odd_names_are_escaped_on_the_terminal() {
    let env = TestEnv::new();
    let name = "\u{1b}[31mred\nline";
    env.write(format!("zoo/{name}"), "1");
    run(env.program("tar").args(["-C", "zoo", "-cf", "a.tar", "."]));
    fs::create_dir(env.path("back")).unwrap();
    env.write(format!("back/{name}"), "there");

    let restored = env.run(TOOL, ["restore", "a.tar", "--to", "back"]);

    restored.expect_code(3);
    assert!(!restored.stderr.contains('\u{1b}'), "{}", restored.stderr);
    assert!(restored.stderr.contains("it exists already"), "{}", restored.stderr);
}

#[test]
fn what_is_odd_about_an_archive_is_a_warning() {
    let env = TestEnv::new();
    env.write("zoo/a", "1");
    run(env.program("tar").args(["-C", "zoo", "-czf", "a.tar.gz", "."]));
    let mut bytes = fs::read(env.path("a.tar.gz")).unwrap();
    bytes.extend(b"garbage");
    env.write("a.tar.gz", bytes);

    let verified = env.run(TOOL, ["verify", "a.tar.gz"]);
    let restored = env.run(TOOL, ["restore", "a.tar.gz", "--to", "back"]);
    let listed = env.run(TOOL, ["list", "a.tar.gz"]);

    for run in [verified, restored, listed] {
        run.expect_code(0);
        let warning = "warning: `a.tar.gz`: garbage behind its end was ignored\n";
        assert_eq!(run.stderr, warning);
    }
}
