//! Restoring parts, over what exists, and as somebody.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use devops_core::{
    archive::{
        ArchiveError, CreateOptions, OverwritePolicy, Reproducible, RestoreOptions, restore,
    },
    cancel::Cancel,
    kind::{HasKind, Kind},
};
use tar::EntryType;

use crate::archive::{
    fixture::{
        Fixture, LIST, attribute_of, entries, may_give_away, names, restore_options, set_attribute,
        snapshot, write,
    },
    foreign::Blocks,
};

#[test]
fn what_exists_is_kept_and_named() {
    let fixture = Fixture::new();
    fixture.write("a", b"new");
    fixture.write("d/b", b"new");
    let created = fixture.create();
    let back = fixture.path("back");
    fs::create_dir_all(back.join("d")).unwrap();
    write(&back.join("a"), b"old");

    let summary = fixture.restore(&created.path, "back");

    assert_eq!(fs::read(back.join("a")).unwrap(), b"old");
    assert_eq!(fs::read(back.join("d/b")).unwrap(), b"new");
    assert_eq!(summary.skipped.len(), 1);
    assert_eq!(summary.skipped[0].path, Path::new("a"));
    assert_eq!(summary.n_faults(), 1);
}

#[test]
fn files_are_replaced_as_the_policy_says() {
    let fixture = Fixture::new();
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000);
    for name in ["older", "newer"] {
        File::open(fixture.write(name, b"new")).unwrap().set_modified(time).unwrap();
    }
    let created = fixture.create();
    let restored = |overwrite| {
        let back = fixture.path(&format!("{overwrite:?}"));
        fs::create_dir(&back).unwrap();
        for (name, seconds) in [("older", 999_999), ("newer", 1_000_001)] {
            write(&back.join(name), b"old");
            let there = UNIX_EPOCH + Duration::from_secs(seconds);
            File::open(back.join(name)).unwrap().set_modified(there).unwrap();
        }
        let summary = fixture.restore_with(&created.path, &format!("{overwrite:?}"), overwrite);
        let read = |name| String::from_utf8(fs::read(back.join(name)).unwrap()).unwrap();
        (read("older"), read("newer"), summary.n_faults())
    };

    let expected = |older: &str, newer: &str, n| (older.to_owned(), newer.to_owned(), n);
    assert_eq!(restored(OverwritePolicy::Never), expected("old", "old", 2));
    assert_eq!(restored(OverwritePolicy::IfNewer), expected("new", "old", 0));
    assert_eq!(restored(OverwritePolicy::Always), expected("new", "new", 0));
}

#[test]
fn restoring_twice_over_itself_changes_nothing() {
    let fixture = Fixture::new();
    let first = fixture.write("a", b"1");
    fs::hard_link(first, fixture.source.join("b")).unwrap();
    fixture.write("d/c", b"2");
    std::os::unix::fs::symlink("a", fixture.source.join("l")).unwrap();
    let created = fixture.create();

    for _ in 0..2 {
        let summary = fixture.restore_with(&created.path, "back", OverwritePolicy::Always);

        assert_eq!(summary.skipped, []);
        assert_eq!(snapshot(&fixture.path("back")), snapshot(&fixture.source));
    }
}

fn restore_paths(fixture: &Fixture, archive: &Path, paths: &[&str]) -> Result<usize, ArchiveError> {
    let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
    let folder = fixture.path("back");
    let options = RestoreOptions { paths: &paths, ..restore_options(archive, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).map(|summary| summary.n_faults())
}

#[test]
fn one_path_brings_what_is_below_it() {
    let fixture = Fixture::new();
    for name in ["a", "d/b", "d/e/c", "dd"] {
        fixture.write(name, b"1");
    }
    let created = fixture.create();

    assert_eq!(restore_paths(&fixture, &created.path, &["d"]).unwrap(), 0);

    assert_eq!(names(&fixture.path("back")), ["d"]);
    assert_eq!(names(&fixture.path("back/d")), ["b", "e"]);
}

#[test]
fn a_path_that_is_not_there_is_named_or_an_error_when_it_is_the_only_one() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let created = fixture.create();

    assert_eq!(restore_paths(&fixture, &created.path, &["a", "x"]).unwrap(), 1);
    let error = restore_paths(&fixture, &created.path, &["x"]).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn a_hard_link_alone_brings_its_content() {
    let fixture = Fixture::new();
    let first = fixture.write("a", b"content");
    for name in ["b", "c"] {
        fs::hard_link(&first, fixture.source.join(name)).unwrap();
    }
    let created = fixture.create();

    assert_eq!(restore_paths(&fixture, &created.path, &["b", "c"]).unwrap(), 0);

    assert_eq!(names(&fixture.path("back")), ["b", "c"]);
    assert_eq!(fs::read(fixture.path("back/c")).unwrap(), b"content");
    let inode = |name| fixture.path("back").join(name).metadata().unwrap().ino();
    assert_eq!(inode("b"), inode("c"));
}

#[test]
fn components_are_stripped() {
    let fixture = Fixture::new();
    fixture.write("x/y/a", b"1");
    let created = fixture.create();

    let folder = fixture.path("back");
    let options = RestoreOptions { strip_components: 1, ..restore_options(&created.path, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!(names(&folder), ["y"]);
    assert_eq!(fs::read(folder.join("y/a")).unwrap(), b"1");
}

#[test]
fn absolute_paths_are_restored_below_the_folder() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .file("/srv/f", b"1")
        .link("/srv/h", EntryType::Link, "/srv/f")
        .file("//srv/./g", b"2")
        .link("/srv/s", EntryType::Symlink, "/srv/f")
        .file("/../out", b"evil")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    let back = fixture.path("back/srv");
    assert_eq!(names(&back), ["f", "g", "h", "s"]);
    assert_eq!(back.join("f").metadata().unwrap().ino(), back.join("h").metadata().unwrap().ino());
    assert_eq!(fs::read_link(back.join("s")).unwrap(), Path::new("/srv/f"));
    let said: Vec<_> = summary.skipped.iter().map(|it| (it.path.as_path(), it.is_fault)).collect();
    assert_eq!(said, [(Path::new("/srv/f"), false), (Path::new("/../out"), true)]);
    for (folder, path, n_stripped, expected) in
        [("some", "srv/h", 0, "srv/h"), ("other", "/srv/g", 0, "srv/g"), ("less", "srv/h", 1, "h")]
    {
        let (paths, folder) = ([PathBuf::from(path)], fixture.path(folder));
        let options = RestoreOptions {
            paths: &paths,
            strip_components: n_stripped,
            ..restore_options(&archive, &folder)
        };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap();
        assert!(folder.join(expected).is_file(), "{path}");
    }
}

/// A folder that stands for the root of a host with these users; each has a group of its name.
fn host(fixture: &Fixture, name: &str, users: &[(&str, u32)]) -> PathBuf {
    let root = fixture.path(name);
    fs::create_dir_all(root.join("etc")).unwrap();
    let list = |rest: &str| {
        let lines = users.iter().map(|(name, id)| format!("{name}:x:{id}:{rest}\n"));
        lines.collect::<Vec<_>>().concat()
    };
    write(&root.join("etc/passwd"), list("1::/:/bin/false").as_bytes());
    write(&root.join("etc/group"), list("").as_bytes());
    root
}

#[test]
fn owners_are_restored_by_name_where_it_is_known() {
    if !may_give_away() {
        return;
    }
    let fixture = Fixture::new();
    let long = "service-with-a-very-long-name-of-its-own";
    let users = [("svc", 5001), (long, 5002), ("m\u{fc}ller", 5003), ("gone", 5004)];
    let old = host(&fixture, "old", &users);
    for (_, id) in &users {
        let file = fixture.write(&id.to_string(), b"1");
        std::os::unix::fs::chown(file, Some(*id), Some(*id)).unwrap();
    }
    let folder = fixture.write("d/f", b"1");
    std::os::unix::fs::chown(folder.parent().unwrap(), Some(5001), Some(5001)).unwrap();
    let options = CreateOptions { root: &old, ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();
    let new = host(
        &fixture,
        "new",
        &[("svc", 6001), (long, 6002), ("m\u{fc}ller", 6003), ("else", 5001)],
    );

    let owners = |to: &str, numeric_owner| {
        let folder = fixture.path(to);
        let options =
            RestoreOptions { numeric_owner, root: &new, ..restore_options(&created.path, &folder) };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap();
        ["5001", "5002", "5003", "5004", "d", "d/f"].map(|name| {
            let meta = folder.join(name).metadata().unwrap();
            assert!(meta.uid() == meta.gid(), "{name}");
            meta.uid()
        })
    };

    assert_eq!(owners("named", false), [6001, 6002, 6003, 5004, 6001, 0]);
    assert_eq!(owners("numbered", true), [5001, 5002, 5003, 5004, 5001, 0]);
    let uname = |name: &str| {
        let found = entries(&created.path);
        let entry = found.into_iter().find(|entry| entry.path == Path::new(name));
        String::from_utf8(entry.unwrap().uname.to_vec()).unwrap()
    };
    assert_eq!(["5002", "5003", "d/f"].map(uname), [long, "m\u{fc}ller", ""]);
}

#[test]
fn a_reproducible_archive_names_no_owner() {
    let fixture = Fixture::new();
    fixture.write("f", b"1");
    let root = host(&fixture, "old", &[("zero", 0), ("me", rustix::process::geteuid().as_raw())]);
    let bytes = |root: &Path| {
        let reproducible = Some(Reproducible { latest_mtime: None });
        let options = CreateOptions { root, reproducible, ..fixture.options() };
        let created = fixture.create_with(&options).unwrap();
        assert!(entries(&created.path).iter().all(|entry| entry.uname.is_empty()));
        fs::read(created.path).unwrap()
    };

    assert!(bytes(&root) == bytes(&fixture.path("none")));
}

#[test]
fn a_signal_leaves_no_half_file() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    fixture.write("b", &vec![7; 9 << 20]);
    let created = fixture.create();
    let cancel = Cancel::new();

    let folder = fixture.path("back");
    let options = restore_options(&created.path, &folder);
    let result = restore(&options, &cancel, &mut |_| cancel.cancel(15));

    assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
    assert!(names(&folder).iter().all(|name| name == "a"), "{:?}", names(&folder));
}

#[test]
fn no_folder_is_made_for_what_is_no_archive() {
    let fixture = Fixture::new();
    let text = fixture.write("a.txt", b"hello");
    let folder = fixture.path("back");

    let result = restore(&restore_options(&text, &folder), &Cancel::new(), &mut |_| {});

    assert!(matches!(result, Err(ArchiveError::NotAnArchive { .. })));
    assert!(!folder.exists());
}

#[test]
fn attributes_and_lists_come_back_on_files_and_folders() {
    let fixture = Fixture::new();
    let file = fixture.write("d/file", b"1");
    let folder = fixture.source.join("d");
    let are_set = [
        set_attribute(&file, "user.note", b"any\0bytes"),
        set_attribute(&file, "system.posix_acl_access", LIST),
        set_attribute(&folder, "user.empty", b""),
        set_attribute(&folder, "system.posix_acl_default", LIST),
    ];
    // Nobody may write it, and its attributes are restored all the same.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let created = fixture.create();

    let summary = fixture.restore(&created.path, "back");

    assert_eq!(summary.skipped, []);
    let back = fixture.path("back/d");
    let found = [
        attribute_of(&back.join("file"), "user.note") == Some(b"any\0bytes".to_vec()),
        attribute_of(&back.join("file"), "system.posix_acl_access")
            == attribute_of(&file, "system.posix_acl_access")
            && are_set[1],
        attribute_of(&back, "user.empty") == Some(Vec::new()),
        attribute_of(&back, "system.posix_acl_default") == Some(LIST.to_vec()),
    ];
    assert_eq!(found, are_set);
    // The list for new files of the folder came after the file.
    assert_eq!(back.join("file").metadata().unwrap().mode() & 0o777, 0o440);
}

#[test]
fn powerful_attributes_need_privilege_and_labels_are_said_once() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let label = ("SCHILY.xattr.security.selinux", &b"system_u:object_r:etc_t:s0\0"[..]);
    Blocks::default()
        .pax(&[("SCHILY.xattr.security.capability", capability), label])
        .file("ping", b"1")
        .pax(&[("SCHILY.xattr.trusted.t", b"1"), label])
        .file("t", b"1")
        .pax(&[("SCHILY.xattr.com.apple.quarantine", b"1"), label])
        .file("mac", b"1")
        .save(&archive);

    let plain = fixture.restore(&archive, "plain");
    let folder = fixture.path("privileged");
    let options = RestoreOptions { privileged: true, ..restore_options(&archive, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    let named: Vec<_> = plain
        .skipped
        .iter()
        .map(|skipped| (skipped.path.to_str().unwrap(), skipped.is_fault))
        .collect();
    let expected = [("ping", true), ("ping", false), ("t", true), ("mac", false)];
    assert_eq!(sorted(named), sorted(expected.to_vec()));
    assert_eq!(attribute_of(&fixture.path("plain/ping"), "security.capability"), None);
    let probe = fixture.write("probe", b"");
    for (name, attribute, value) in
        [("ping", "security.capability", &capability[..]), ("t", "trusted.t", b"1")]
    {
        let can = set_attribute(&probe, attribute, value);
        assert_eq!(attribute_of(&folder.join(name), attribute).as_deref(), can.then_some(value));
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

#[test]
fn a_list_that_names_people_is_named() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .pax(&[("SCHILY.acl.access", b"user::rw-\nuser:joe:r--\ngroup::r--\nmask::r--\nother::-")])
        .file("a", b"1")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    assert_eq!(summary.n_faults(), 1);
    assert!(summary.skipped[0].reason.contains("without their numbers"));
    assert!(fixture.path("back/a").exists());
}

#[test]
fn hard_links_may_come_before_their_first_name() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .link("b", EntryType::Link, "a")
        .link("c", EntryType::Link, "./a")
        .file("a", b"content")
        .link("d", EntryType::Link, "nowhere")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    let inode = |name| fixture.path("back").join(name).metadata().unwrap().ino();
    assert_eq!([inode("b"), inode("c")], [inode("a"); 2]);
    assert_eq!(summary.n_entries, 3);
    assert_eq!(summary.skipped.len(), 1);
    assert_eq!(summary.skipped[0].path, Path::new("d"));
}

#[test]
fn a_link_to_a_first_name_that_was_kept_gets_the_content_of_the_archive() {
    let fixture = Fixture::new();
    let first = fixture.write("a", b"archived");
    fs::hard_link(first, fixture.source.join("b")).unwrap();
    let created = fixture.create();
    fs::create_dir(fixture.path("back")).unwrap();
    write(&fixture.path("back/a"), b"kept");

    let summary = fixture.restore(&created.path, "back");

    assert_eq!(summary.n_faults(), 1);
    assert_eq!(fs::read(fixture.path("back/a")).unwrap(), b"kept");
    assert_eq!(fs::read(fixture.path("back/b")).unwrap(), b"archived");
}

#[test]
fn folders_are_dressed_last_and_only_where_they_may() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .entry("closed/", EntryType::Directory, b"", |header| header.set_mode(0o555))
        .file("closed/in/a", b"1")
        .entry("closed/in/", EntryType::Directory, b"", |header| header.set_mode(0o700))
        .entry("closed/in/", EntryType::Directory, b"", |header| header.set_mode(0o500))
        .entry("there/", EntryType::Directory, b"", |header| header.set_mode(0o777))
        .save(&archive);
    let there = fixture.path("back/there");
    fs::create_dir_all(&there).unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o711)).unwrap();

    let summary = fixture.restore(&archive, "back");

    assert_eq!(summary.skipped, []);
    let mode = |name| fixture.path("back").join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!([mode("closed"), mode("closed/in"), mode("there")], [0o555, 0o500, 0o711]);
    fixture.restore_with(&archive, "back", OverwritePolicy::Always);
    assert_eq!(mode("there"), 0o777);
}
