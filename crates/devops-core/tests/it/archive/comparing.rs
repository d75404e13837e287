//! Comparing archives with each other and with folders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{Comparison, CreateOptions, Difference, Reproducible, against, diff},
    cancel::Cancel,
};

use crate::archive::{
    fixture::{Fixture, LIST, may_give_away, set_attribute, write},
    foreign::Blocks,
};

fn compared(fixture: &Fixture, archive: &Path, folder: &Path) -> Comparison {
    against(archive, folder, &fixture.path("host"), &Cancel::new()).unwrap()
}

fn changed(what: &'static str, path: &str) -> Vec<(PathBuf, Difference)> {
    vec![(PathBuf::from(path), Difference::Changed(vec![what]))]
}

/// The differences, where nothing was left out.
fn found(comparison: Comparison) -> Vec<(PathBuf, Difference)> {
    assert_eq!((comparison.notes, comparison.unreadable), (vec![], vec![]));
    comparison.differences.into_iter().collect()
}

#[test]
fn attributes_lists_and_capabilities_are_compared() {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (path, name, value) in [
        ("f", "user.a", &b"1"[..]),
        ("f", "trusted.a", b"1"),
        ("f", "security.capability", capability),
        ("d", "system.posix_acl_default", LIST),
        ("d", "user.a", b"1"),
    ] {
        let fixture = Fixture::new();
        fixture.write("f", b"1");
        fs::create_dir(fixture.source.join("d")).unwrap();
        let plain = fixture.create().path;
        assert_eq!(found(compared(&fixture, &plain, &fixture.source)), []);
        if !set_attribute(&fixture.source.join(path), name, value) {
            continue;
        }

        let dressed = fixture.create().path;

        let expected = changed("attributes", path);
        assert_eq!(found(diff(&plain, &dressed, &Cancel::new()).unwrap()), expected, "{name}");
        assert_eq!(found(diff(&dressed, &plain, &Cancel::new()).unwrap()), expected, "{name}");
        assert_eq!(found(diff(&dressed, &dressed, &Cancel::new()).unwrap()), []);
        assert_eq!(found(compared(&fixture, &plain, &fixture.source)), expected, "{name}");
        assert_eq!(found(compared(&fixture, &dressed, &fixture.source)), []);
        // Also without the index, from the tar.
        let bytes = fs::read(&dressed).unwrap();
        let cut = fixture.path("cut.tar.gz");
        write(&cut, &bytes[..bytes.len() - 10]);
        assert_eq!(found(diff(&plain, &cut, &Cancel::new()).unwrap()), expected, "{name}");
        assert_eq!(found(diff(&cut, &dressed, &Cancel::new()).unwrap()), []);
    }
}

#[test]
fn an_access_list_is_not_compared_with_an_archive_that_keeps_none() {
    let fixture = Fixture::new();
    let file = fixture.write("f", b"1");
    set_attribute(&file, "system.posix_acl_access", LIST);
    let reproducible = Some(Reproducible { latest_mtime: None });
    let options = CreateOptions { reproducible, ..fixture.options() };

    let archive = fixture.create_with(&options).unwrap().path;

    assert_eq!(found(compared(&fixture, &archive, &fixture.source)), []);
    set_attribute(&file, "user.a", b"1");
    assert!(found(compared(&fixture, &archive, &fixture.source)).len() <= 1);
}

#[test]
fn what_an_archive_does_not_say_is_not_compared_and_named_once() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default().file("f", b"1").file("/g", b"1").save(&archive);
    let back = fixture.path("back");
    fixture.restore(&archive, "back");

    let clean = compared(&fixture, &archive, &back);
    set_attribute(&back.join("f"), "user.a", b"1");
    let dressed = compared(&fixture, &archive, &back);

    for comparison in [clean, dressed] {
        assert_eq!(comparison.notes.len(), 1);
        let differences: Vec<_> = comparison.differences.into_keys().collect();
        assert_eq!(differences, [""; 0].map(PathBuf::from));
    }
}

#[test]
fn owners_are_told_by_their_names() {
    if !may_give_away() {
        return;
    }
    let mut fixture = Fixture::new();
    let host = fixture.path("host");
    let lists = |user: &str| {
        fs::create_dir_all(host.join("etc")).unwrap();
        write(&host.join("etc/passwd"), format!("{user}:x:5001:5001::/:/bin/false\n").as_bytes());
    };
    let file = fixture.write("f", b"1");
    std::os::unix::fs::chown(&file, Some(5001), Some(5001)).unwrap();
    lists("svc");
    let root = host.clone();
    let create = |fixture: &Fixture| {
        let options = CreateOptions { root: &root, ..fixture.options() };
        fixture.create_with(&options).unwrap().path
    };
    let first = create(&fixture);
    assert_eq!(found(compared(&fixture, &first, &fixture.source)), []);

    lists("other");
    fixture.clock = devops_core::clock::FixedClock(crate::archive::fixture::LATER);
    let second = create(&fixture);

    // Nothing about the file has changed, and its owner is another all the same.
    assert_eq!(found(diff(&first, &second, &Cancel::new()).unwrap()), changed("owner", "f"));
    assert_eq!(found(compared(&fixture, &first, &fixture.source)), changed("owner", "f"));
    assert_eq!(found(compared(&fixture, &second, &fixture.source)), []);
}

#[test]
fn the_last_of_several_versions_counts_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let saved = |name: &str, files: &[(&str, &str)]| {
        let path = dir.path().join(name);
        let blocks = files.iter().fold(Blocks::default(), |blocks, (name, content)| {
            blocks.file(name, content.as_bytes())
        });
        blocks.save(&path);
        path
    };
    let once = saved("once", &[("a", "1"), ("b", "1")]);

    for (files, wanted) in [
        (&[("a", "2"), ("a", "1"), ("b", "1")][..], vec![]),
        (&[("a", "1"), ("b", "1"), ("a", "2")], vec!["a"]),
        (&[("a", "2"), ("a", "3"), ("c", "1"), ("c", "2")], vec!["a", "b", "c"]),
    ] {
        let twice = saved("twice", files);
        for (first, second) in [(&once, &twice), (&twice, &once)] {
            let compared = diff(first, second, &Cancel::new()).unwrap();
            let paths: Vec<_> =
                compared.differences.keys().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(paths, wanted, "{files:?}");
        }
    }
}
