//! Restoring parts, over what exists, and as somebody.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use devops_core::{
    archive::{ArchiveError, OverwritePolicy, RestoreOptions, restore},
    cancel::Cancel,
    kind::{HasKind, Kind},
};

use crate::fixture::{Fixture, names, restore_options, snapshot, write};

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
    assert_eq!(summary.left_out.len(), 1);
    assert_eq!(summary.left_out[0].path, Path::new("a"));
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

        assert_eq!(summary.left_out, []);
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
