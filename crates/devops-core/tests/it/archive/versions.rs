//! Archives that hold a path more than once: the last counts, as for every tar.

use std::{fs, path::Path};

use devops_core::{
    archive::{ArchiveError, RestoreOptions, cat, restore},
    cancel::Cancel,
};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, restore_options, write},
    foreign::{Blocks, gzip},
};

fn content(archive: &Path, path: &str) -> String {
    let mut out = Vec::new();
    cat(archive, Path::new(path), &Cancel::new(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn cat_and_restored_parts_are_what_a_whole_restore_makes() {
    let fixture = Fixture::new();
    let plain = fixture.path("a.tar");
    Blocks::default()
        .file("f", b"old")
        .link("early", EntryType::Link, "f")
        .file("./f", b"new")
        .link("h", EntryType::Link, "f")
        .link("chain", EntryType::Link, "h")
        .link("before", EntryType::Link, "comes")
        .file("f", b"newest")
        .file("comes", b"later")
        .link("h2", EntryType::Link, "./f")
        .link("twice", EntryType::Link, "comes")
        .link("twice", EntryType::Link, "f")
        .entry("odd", EntryType::new(b'Q'), b"of a sort that POSIX does not know", |_| {})
        .link("to odd", EntryType::Link, "odd")
        .save(&plain);
    let packed = fixture.path("a.tar.gz");
    write(&packed, &gzip(&fs::read(&plain).unwrap()));
    let expected = [
        ("f", "newest"),
        ("early", "old"),
        ("h", "new"),
        ("chain", "new"),
        ("before", "later"),
        ("h2", "newest"),
        ("twice", "newest"),
        ("to odd", "of a sort that POSIX does not know"),
    ];

    for archive in [&plain, &packed] {
        let to = format!("all of {}", archive.display()).replace('/', "-");
        let summary = fixture.restore(archive, &to);
        assert_eq!(summary.n_faults(), 0, "{:?}", summary.skipped);
        for (path, text) in expected {
            let folder = fixture.path(&format!("{path} of {to}"));
            let paths = [path.into()];
            let options = RestoreOptions { paths: &paths, ..restore_options(archive, &folder) };
            let part = restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

            assert_eq!(fs::read_to_string(fixture.path(&to).join(path)).unwrap(), text, "{path}");
            assert_eq!(content(archive, path), text, "{path}");
            assert_eq!(fs::read_to_string(folder.join(path)).unwrap(), text, "{path}");
            assert_eq!((part.n_faults(), part.damage), (0, None));
        }
    }
}

#[test]
fn links_that_lead_nowhere_are_told_from_what_is_missing() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .link("a", EntryType::Link, "b")
        .link("b", EntryType::Link, "a")
        .file("was", b"a file")
        .entry("was", EntryType::Fifo, b"", |_| {})
        .link("to nothing", EntryType::Link, "missing")
        .save(&archive);
    let failure =
        |path: &str| cat(&archive, Path::new(path), &Cancel::new(), &mut Vec::new()).unwrap_err();

    assert!(failure("a").to_string().contains("circle"));
    assert!(failure("was").to_string().contains("a fifo"));
    for path in ["missing", "to nothing"] {
        assert!(matches!(failure(path), ArchiveError::NothingMatches { .. }));
    }
}
