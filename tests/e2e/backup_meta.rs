//! What `devops-backup` keeps besides names and content, as other programs read it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use devops_e2e::{Run, TestEnv, finish, outside};
use rustix::{
    buffer::spare_capacity,
    fs::{
        CWD, FileType, Mode, OFlags, XattrFlags, lgetxattr, llistxattr, lsetxattr, makedev,
        mkdirat, mknodat, openat,
    },
    io::Errno,
    process::geteuid,
};

const TOOL: &str = "devops-backup";

/// Creates an archive of `source` with nothing left out, and returns its path.
#[track_caller]
fn create(env: &TestEnv, source: &str) -> PathBuf {
    let run = env.run(TOOL, ["create", source, "backups"]);
    run.expect_code(0);
    env.path(run.stdout.trim_end().strip_prefix("Successfully created backup: ").unwrap())
}

/// Runs a program and checks that it has nothing to remark.
#[track_caller]
fn expect_silence(env: &TestEnv, program: &Path, args: &[&OsStr]) -> Run {
    let run = finish(env.program(program).args(args));
    run.expect_code(0);
    assert_eq!(run.stderr, "", "{}", program.display());
    run
}

/// Extracts with options and returns the folder.
#[track_caller]
fn extract(env: &TestEnv, program: &Path, options: &[&str], archive: &Path, to: &str) -> PathBuf {
    let to = env.path(to);
    fs::create_dir(&to).unwrap();
    let mut args: Vec<_> = options.iter().map(OsStr::new).collect();
    args.extend(["-xpzf".as_ref(), archive.as_os_str(), "-C".as_ref(), to.as_os_str()]);
    expect_silence(env, program, &args);
    to
}

/// A list that gives user 2,500,000 and group 7 more than the permission bits say.
fn list() -> Vec<u8> {
    let none = u32::MAX;
    let entries: [(u16, u16, u32); 6] =
        [(1, 6, none), (2, 7, 2_500_000), (4, 4, none), (8, 0, 7), (16, 7, none), (32, 4, none)];
    let mut bytes = vec![2, 0, 0, 0];
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Describes everything below `root`: mode, owner, type, device, time, and the attributes.
pub(crate) fn facts(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let (mode, uid, gid, rdev) = (meta.mode(), meta.uid(), meta.gid(), meta.rdev());
        let (seconds, nanoseconds) = (meta.mtime(), meta.mtime_nsec());
        let facts = format!("{mode:o} {uid}:{gid} {rdev} {seconds}+{nanoseconds:09}");
        let attributes: Vec<_> = attributes(&path)
            .iter()
            .map(|(name, value)| match value.len() {
                0..300 => format!("{}={}", name.escape_ascii(), value.escape_ascii()),
                n => format!("{}: {n} bytes, {:?}", name.escape_ascii(), &value[..9]),
            })
            .collect();
        // bsdtar leaves the time of the folder it extracts into alone.
        if path != root {
            let path = path.strip_prefix(root).unwrap().display();
            found.push(format!("{path} {facts} {attributes:#?}"));
        }
    }
    found.sort();
    found
}

fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = Vec::with_capacity(64 << 10);
    llistxattr(path, spare_capacity(&mut list)).unwrap();
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let mut found: Vec<_> = names
        .map(|name| {
            let mut value = Vec::with_capacity(64 << 10);
            lgetxattr(path, name, spare_capacity(&mut value)).unwrap();
            (name.to_vec(), value)
        })
        .collect();
    found.sort();
    found
}

/// Sets an attribute; false where the file system or a missing right does not allow it.
fn set(path: &Path, name: &[u8], value: &[u8]) -> bool {
    match lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(Errno::OPNOTSUPP | Errno::PERM) => false,
        Err(error) => panic!("{}: {error}", name.escape_ascii()),
    }
}

/// A tree in which every sort of thing has attributes; false where attributes are impossible.
pub(crate) fn write_attributes(env: &TestEnv, all_names: bool) -> bool {
    let every_byte: Vec<u8> = (0..=255).collect();
    let file = env.write("zoo/file", "content");
    let tool = env.write("zoo/tool", "#!/bin/sh\n");
    env.write("zoo/plain", "nothing special");
    let folder = env.path("zoo/folder");
    fs::create_dir(&folder).unwrap();
    let fifo = env.path("zoo/fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let link = env.path("zoo/link");
    symlink("file", &link).unwrap();
    fs::hard_link(&file, env.path("zoo/second name")).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    if !set(&file, b"user.bytes", &every_byte) {
        return false;
    }
    set(&file, b"user.empty", b"");
    set(&file, b"user.new\nline \xff", b"a=b\n");
    set(&file, b"user.50%", b"1");
    if all_names {
        set(&file, b"user.a=b%3D", b"2");
    }
    set(&folder, b"user.long", &[0; 3000]);
    for path in [&file, &folder, &fifo] {
        set(path, b"system.posix_acl_access", &list());
    }
    set(&folder, b"system.posix_acl_default", &list());
    // What only root may: cap_net_bind_service for a tool, and a label on a link.
    set(&tool, b"security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    set(&link, b"trusted.label", b"on the link itself");
    true
}

#[test]
fn gnu_tar_restores_every_attribute() {
    let env = TestEnv::new();
    if !write_attributes(&env, true) {
        return outside::skip("the file system of the temporary folder has no attributes");
    }
    let archive = create(&env, "zoo");

    let tar = Path::new("tar");
    let options = ["--xattrs", "--xattrs-include=*", "--acls"];
    let whole = extract(&env, tar, &options, &archive, "whole");
    extract(&env, tar, &[], &archive, "plain");

    assert_eq!(facts(&whole), facts(&env.path("zoo")));
}

#[test]
fn bsdtar_restores_every_attribute() {
    let Some(bsdtar) = outside::program("bsdtar") else { return };
    let env = TestEnv::new();
    // It takes keywords to the letter, with the `%3D` that stands for `=`.
    if !write_attributes(&env, false) {
        return outside::skip("the file system of the temporary folder has no attributes");
    }
    let archive = create(&env, "zoo");

    let back = extract(&env, &bsdtar, &["--acls", "--xattrs"], &archive, "back");

    assert_eq!(facts(&back), facts(&env.path("zoo")));
}

#[test]
fn a_reproducible_archive_has_no_lists() {
    let env = TestEnv::new();
    if !write_attributes(&env, true) {
        return outside::skip("the file system of the temporary folder has no attributes");
    }
    env.run(TOOL, ["create", "zoo", "backups", "--reproducible"]).expect_code(0);
    let archive = fs::read_dir(env.path("backups")).unwrap().next().unwrap().unwrap().path();

    let options = ["--xattrs", "--xattrs-include=*", "--acls"];
    let back = extract(&env, Path::new("tar"), &options, &archive, "back");

    let names = |path: &str| -> Vec<String> {
        let attributes = attributes(&back.join(path));
        attributes.iter().map(|(name, _)| name.escape_ascii().to_string()).collect()
    };
    let mode = back.join("file").metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o644, "the mask of the list is no right of the group");
    assert_eq!(names("folder"), ["user.long"]);
    assert_eq!(names("fifo"), [""; 0]);
    assert_eq!(names("link"), [""; 0]);
}

#[test]
fn devices_and_large_owners_survive_every_tar() {
    let (Some(bsdtar), Some(python)) = (outside::program("bsdtar"), outside::program("python3"))
    else {
        return;
    };
    if !geteuid().is_root() {
        return outside::skip("only root makes devices and gives files away");
    }
    let env = TestEnv::new();
    let file = env.write("zoo/file", "1");
    let mode = Mode::from_raw_mode(0o620);
    for (name, kind, device) in [
        ("null", FileType::CharacterDevice, makedev(1, 3)),
        ("far", FileType::CharacterDevice, makedev(4095, 1_048_575)),
        ("loop", FileType::BlockDevice, makedev(7, 200)),
    ] {
        match mknodat(CWD, env.path("zoo").join(name), kind, mode, device) {
            Err(Errno::PERM) => return outside::skip("this container makes no devices"),
            done => done.unwrap(),
        }
    }
    lchown(&file, Some(2_500_000), Some(4_294_967_294)).unwrap();
    lchown(env.path("zoo/null"), Some(2_097_151), Some(2_097_152)).unwrap();
    let early = UNIX_EPOCH - Duration::new(86_400, 1);
    let early_file = env.write("zoo/early", "2");
    File::open(early_file).unwrap().set_modified(early).unwrap();
    let archive = create(&env, "zoo");

    // GNU tar remarks on times before 1970, and restores them.
    let gnu = ["--numeric-owner", "--warning=no-timestamp"];
    let gnu = extract(&env, Path::new("tar"), &gnu, &archive, "gnu");
    let bsd = extract(&env, &bsdtar, &["--numeric-owner"], &archive, "bsd");
    let script = "import sys, tarfile
for m in tarfile.open(sys.argv[1], 'r|gz'): print(m.name, m.type.decode(), m.uid, m.gid, m.devmajor, m.devminor, m.pax_headers.get('mtime') if m.mtime < 0 else '')";
    let listed =
        expect_silence(&env, &python, &["-c".as_ref(), script.as_ref(), archive.as_os_str()]);

    let mut expected = facts(&env.path("zoo"));
    assert_eq!(facts(&gnu), expected);
    // bsdtar takes the minus for the whole seconds alone.
    let mut bsd = facts(&bsd);
    for facts in [&mut expected, &mut bsd] {
        facts.retain(|line| !line.starts_with("early "));
    }
    assert_eq!(bsd, expected);
    let lines: Vec<_> = listed.stdout.lines().skip(1).map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "early 0 0 0 0 0 -86400.000000001",
            "far 3 0 0 4095 1048575",
            "file 0 2500000 4294967294 0 0",
            "loop 4 0 0 7 200",
            "null 3 2097151 2097152 1 3",
        ]
    );
}

/// Makes folders of 255 bytes each within each other, with a file in the last.
fn write_deep(root: &Path, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut folder = openat(CWD, root, flags, Mode::empty()).unwrap();
    for n in 0..depth {
        let name = format!("{n:0>255}");
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = openat(&folder, &name, flags, Mode::empty()).unwrap();
    }
    openat(&folder, "file\n", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
}

#[test]
fn paths_of_four_thousand_bytes_and_beyond_are_read_by_every_tar() {
    let (Some(bsdtar), Some(python)) = (outside::program("bsdtar"), outside::program("python3"))
    else {
        return;
    };
    for (depth, is_extractable) in [(15, true), (40, false)] {
        let env = TestEnv::new();
        fs::create_dir(env.path("zoo")).unwrap();
        write_deep(&env.path("zoo"), depth);
        let archive = create(&env, "zoo");

        let script = "import sys, tarfile
for m in tarfile.open(sys.argv[1], 'r|gz'): print(m.name.replace('\\n', '\\\\n') + ('/' if m.isdir() else ''))";
        let python =
            expect_silence(&env, &python, &["-c".as_ref(), script.as_ref(), archive.as_os_str()]);
        let [gnu, bsd] = [Path::new("tar"), &bsdtar]
            .map(|tar| expect_silence(&env, tar, &["-tzf".as_ref(), archive.as_os_str()]));

        let mut folder = String::new();
        let mut expected = String::from("./\n");
        for n in 0..depth {
            folder = format!("{folder}{n:0>255}/");
            expected = format!("{expected}{folder}\n");
        }
        expected = format!("{expected}{folder}file\\n\n");
        assert!(folder.len() > if is_extractable { 3800 } else { 10_000 });
        assert_eq!(gnu.stdout, expected);
        assert_eq!(bsd.stdout, expected);
        assert_eq!(python.stdout, expected);
        if is_extractable {
            for (tar, to) in [(Path::new("tar"), "gnu"), (&bsdtar, "bsd")] {
                let back = extract(&env, tar, &[], &archive, to);
                let same = finish(env.program("diff").arg("-r").arg(&back).arg("zoo"));
                assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{to}");
            }
        }
    }
}

#[test]
fn a_dry_run_heeds_ignore_files_and_marks_of_caches() {
    let env = TestEnv::new();
    env.write("source/.gitignore", "*.log\n.env\n");
    env.write("source/.backupignore", "!.env\n");
    env.write("source/.env", "1");
    env.write("source/a.log", "1");
    env.write("source/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    env.write("source/cache/large", "1");

    let args = ["create", "source", "backups", "--dry-run", "--ignore-files", "--exclude-caches"];
    let run = env.run(TOOL, args);

    run.expect_code(0);
    assert_eq!(run.stdout, ".\n.backupignore\n.env\n.gitignore\ncache\ncache/CACHEDIR.TAG\n");
    assert!(run.stderr.contains("`cache`: the content of a cache"), "{}", run.stderr);
}
