//! What goes in comes out again.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{CreateOptions, Created, EntryKind, Reproducible, verify},
    cancel::Cancel,
    clock::FixedClock,
};
use proptest::prelude::*;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, mkdirat, mknodat, openat, utimensat,
};
use time::Duration;

use crate::archive::fixture::{Fixture, LATER, LIST, entries, set_attribute, snapshot, write};

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Folder,
    Symlink(String),
    HardLinkToLastFile,
    Fifo,
}

fn node() -> impl Strategy<Value = Node> {
    let small = prop::collection::vec(any::<u8>(), 0..2000);
    // Around the sizes where a block, a slice and a group end.
    let around = prop::sample::select(vec![511, 512, 513, 1 << 20, (1 << 20) + 1, (2 << 20) + 5]);
    let large = (around, any::<u8>()).prop_map(|(size, byte)| vec![byte; size]);
    prop_oneof![
        6 => small.prop_map(Node::File),
        1 => large.prop_map(Node::File),
        3 => Just(Node::Folder),
        2 => "[a-z./]{1,200}".prop_map(Node::Symlink),
        2 => Just(Node::HardLinkToLastFile),
        1 => Just(Node::Fifo),
    ]
}

/// A name of any bytes but a slash and NUL.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(97..100_u8, 1..3),
        2 => prop::collection::vec(1..=255_u8, 1..20),
        1 => prop::collection::vec(97..100_u8, 150..250),
    ]
    .prop_map(|mut name| {
        name.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'_');
        if name.iter().all(|&byte| byte == b'.') { b"dots".to_vec() } else { name }
    })
}

type Step = (Vec<u8>, Node, prop::sample::Index, u32, i64, u32);

fn step() -> impl Strategy<Value = Step> {
    let mtime = prop_oneof![-3_000_000_000..9_000_000_000_i64, Just(0), Just(1_700_000_000)];
    let nanoseconds = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (name(), node(), any::<prop::sample::Index>(), 0..0o1000_u32, mtime, nanoseconds)
}

/// Builds what the steps say below `root`; what the system refuses is left out.
fn build(root: &Path, steps: &[Step]) {
    let mut folders = vec![root.to_owned()];
    let mut made: Vec<(PathBuf, &Step)> = Vec::new();
    let mut last_file = None;
    for step in steps {
        let path = folders[step.2.index(folders.len())].join(OsStr::from_bytes(&step.0));
        if path.symlink_metadata().is_ok() || path.as_os_str().len() > 4000 {
            continue;
        }
        match &step.1 {
            Node::File(bytes) => {
                write(&path, bytes);
                last_file = Some(path.clone());
            }
            Node::Folder => {
                fs::create_dir(&path).unwrap();
                folders.push(path.clone());
            }
            Node::Symlink(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            Node::HardLinkToLastFile => match &last_file {
                Some(file) => fs::hard_link(file, &path).unwrap(),
                None => continue,
            },
            Node::Fifo => {
                mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            }
        }
        made.push((path, step));
    }
    for (path, (_, node, _, mode, seconds, nanoseconds)) in made.iter().rev() {
        set_metadata(path, node, *mode, *seconds, *nanoseconds);
    }
}

fn set_metadata(path: &Path, node: &Node, mode: u32, seconds: i64, nanoseconds: u32) {
    if !matches!(node, Node::Symlink(_)) {
        // Readable and enterable for us, root or not.
        let mode = Mode::from_raw_mode(mode | 0o700);
        rustix::fs::chmod(path, mode).unwrap();
    }
    if matches!(node, Node::File(_) | Node::Folder) {
        let value = seconds.to_le_bytes();
        let _has_notes = mode.is_multiple_of(3) && set_attribute(path, "user.note", &value);
        let _has_lists =
            mode.is_multiple_of(5) && set_attribute(path, "system.posix_acl_access", LIST);
    }
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_survives_create_list_verify_restore_and_create_again(
        steps in prop::collection::vec(step(), 0..25),
    ) {
        let fixture = Fixture::new();
        build(&fixture.source, &steps);
        let expected = snapshot(&fixture.source);

        for (day, back) in [(0, "first"), (1, "second")] {
            let clock = FixedClock(LATER + Duration::days(day));
            let created = fixture.create_with(&CreateOptions { clock: &clock, ..fixture.options() });
            let Created { path, summary } = created.unwrap();
            let restored = fixture.restore(&path, back);

            prop_assert_eq!(summary.n_faults(), 0);

            let mut listed: Vec<_> = entries(&path).into_iter().map(|entry| entry.path).collect();
            listed[0] = PathBuf::new();
            listed.sort();
            prop_assert_eq!(listed, expected.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
            let verified = verify(&path, &Cancel::new(), &mut |_| {}).unwrap();
            prop_assert_eq!(verified.n_entries, summary.n_entries);
            prop_assert_eq!(verified.n_files, summary.n_files);
            prop_assert_eq!(restored.skipped, []);
            prop_assert_eq!(&snapshot(&fixture.path(back)), &expected);
        }
    }
}

#[test]
fn entries_are_sorted_by_bytes_with_parents_first() {
    let fixture = Fixture::new();
    for name in ["b", "a.txt", "a/z", "a/B", "A", "é"] {
        fixture.write(name, b"");
    }

    let created = fixture.create();

    let paths: Vec<_> = entries(&created.path).into_iter().map(|entry| entry.path).collect();
    let expected = [".", "A", "a", "a/B", "a/z", "a.txt", "b", "é"];
    assert_eq!(paths, expected.map(PathBuf::from));
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let fixture = Fixture::new();
    for n in 0..200_usize {
        fixture.write(&format!("d{}/f{n}", n % 7), &vec![n.to_le_bytes()[0]; n * 300]);
    }
    fixture.write("large", &vec![7; 5 << 20]);

    let archives = [1, 4].map(|n_threads| {
        let options = CreateOptions { n_threads, ..fixture.options() };
        fs::read(fixture.create_with(&options).unwrap().path).unwrap()
    });

    assert!(archives[0] == archives[1]);
}

#[test]
fn a_reproducible_archive_holds_nothing_of_the_host() {
    let make = |host| {
        let fixture = Fixture::new();
        fixture.write("a", b"1");
        let options = CreateOptions {
            host,
            reproducible: Some(Reproducible { latest_mtime: Some(1_000_000_000) }),
            ..fixture.options()
        };
        let created = fixture.create_with(&options).unwrap();
        let entry = entries(&created.path).pop().unwrap();
        assert_eq!((entry.uid, entry.gid, entry.mtime.seconds), (0, 0, 1_000_000_000));
        fs::read(created.path).unwrap()
    };

    assert_eq!(make("one"), make("two"));
}

#[test]
fn a_single_file_is_the_one_entry() {
    let fixture = Fixture::new();
    let file = fixture.write("a.txt", b"1");
    let link = fixture.path("link.txt");
    std::os::unix::fs::symlink(&file, &link).unwrap();

    let options = CreateOptions { source: &link, ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();

    let entries = entries(&created.path);
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].path.to_str(), &entries[0].kind), (Some("link.txt"), &EntryKind::File));
}

#[test]
fn folders_deeper_than_any_path_the_system_takes_survive() {
    const DEPTH: usize = 150;
    let name = "d".repeat(60);
    let fixture = Fixture::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut folder = openat(CWD, &fixture.source, flags, Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        mkdirat(&folder, "z", Mode::RWXU).unwrap();
        folder = openat(&folder, &name, flags, Mode::empty()).unwrap();
    }

    let created = fixture.create();
    let restored = fixture.restore(&created.path, "back");

    assert_eq!(created.summary.skipped, []);
    assert_eq!(created.summary.n_entries, 2 * DEPTH as u64 + 1);
    assert_eq!(restored.skipped, []);
    let mut folder = openat(CWD, fixture.path("back"), flags, Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        openat(&folder, "z", flags, Mode::empty()).unwrap();
        folder = openat(&folder, &name, flags, Mode::empty()).unwrap();
    }
}
