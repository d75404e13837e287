//! Creating and restoring on file systems that miss what others have.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{CreateEvent, OverwritePolicy, RestoreSummary, create_in_folder, verify},
    cancel::Cancel,
    fs::{AtomicFile, IfExists, replace},
};
use devops_fakes::fuse::{Mounted, Quirks};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, backup, names, write},
    foreign::Blocks,
};

const FOLDS: Quirks = quirks(true, false);
const NO_LINKS: Quirks = quirks(false, true);

const fn quirks(folds_names: bool, has_no_links: bool) -> Quirks {
    let has_no_noreplace = has_no_links;
    Quirks { folds_names, has_no_links, has_no_noreplace, refuses_chmod: false, mode: None }
}

/// A fixture with such a file system at `disk`; says on stderr where there can be none.
fn fixture(quirks: Quirks) -> Option<(Mounted, Fixture)> {
    let fixture = Fixture::new();
    let disk = fixture.path("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Mounted::new(&disk, quirks);
    if mounted.is_none() {
        let _said = writeln!(std::io::stderr(), "skipped: mounting needs root and /dev/fuse");
    }
    Some((mounted?, fixture))
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Returns the refusals, without mere remarks.
fn faults(summary: &RestoreSummary) -> Vec<PathBuf> {
    let faults = summary.skipped.iter().filter(|skipped| skipped.is_fault);
    faults.map(|skipped| skipped.path.clone()).collect()
}

#[test]
fn of_names_that_are_one_here_the_first_stays_and_the_others_are_named() {
    let Some((_mounted, fixture)) = fixture(FOLDS) else { return };
    let archive = fixture.path("a.tar");
    let folder = |blocks: Blocks, name| blocks.entry(name, EntryType::Directory, b"", |_| {});
    let mut blocks = Blocks::default()
        .file("README", b"first")
        .file("readme", b"lower")
        .file("cafe\u{301}", b"two letters")
        .file("caf\u{e9}", b"one letter");
    for name in ["Docs/", "docs/", "Docs/"] {
        blocks = folder(blocks, name);
    }
    blocks
        .file("Docs/a", b"1")
        .file("docs/a", b"2")
        .file("docs/in/b", b"3")
        .file("Deep/x/c", b"4")
        .file("deep/X/d", b"5")
        .file("README", b"later")
        .link("hard", EntryType::Link, "readme")
        .link("Hard", EntryType::Link, "README")
        .link("Soft", EntryType::Symlink, "README")
        .link("soft", EntryType::Symlink, "readme")
        .save(&archive);

    let summary = fixture.restore(&archive, "disk/back");

    let back = fixture.path("disk/back");
    assert_eq!(names(&back), ["Deep", "Docs", "Hard", "README", "Soft", "cafe\u{301}"]);
    // Of one name twice the later counts, as everywhere.
    assert_eq!([read(&back, "README"), read(&back, "Hard")], ["later", "later"]);
    assert_eq!([read(&back, "Docs/a"), read(&back, "cafe\u{301}")], ["1", "two letters"]);
    assert_eq!([names(&back.join("Docs")), names(&back.join("Deep"))], [["a"], ["x"]]);
    assert_eq!(fs::read_link(back.join("Soft")).unwrap(), Path::new("README"));
    let refused =
        ["readme", "caf\u{e9}", "docs", "docs/a", "docs/in/b", "deep/X/d", "soft", "hard"];
    assert_eq!(faults(&summary), refused.map(PathBuf::from));
}

#[test]
fn what_is_there_takes_the_entries_of_one_name_only() {
    let Some((_mounted, fixture)) = fixture(FOLDS) else { return };
    let archive = fixture.path("a.tar");
    Blocks::default()
        .file("docs/a", b"1")
        .file("Docs/b", b"2")
        .file("README", b"upper")
        .file("readme", b"lower")
        .save(&archive);
    let back = fixture.path("disk");
    fs::create_dir(back.join("DOCS")).unwrap();
    write(&back.join("readme"), b"there");

    let kept = fixture.restore(&archive, "disk");
    assert_eq!(faults(&kept), ["Docs/b", "README", "readme"].map(PathBuf::from));
    assert_eq!(read(&back, "readme"), "there");

    let replaced = fixture.restore_with(&archive, "disk", OverwritePolicy::Always);
    assert_eq!(faults(&replaced), ["Docs/b", "readme"].map(PathBuf::from));
    assert_eq!(read(&back, "readme"), "upper");
    assert_eq!(names(&back.join("DOCS")), ["a"]);
}

#[test]
fn where_no_links_can_be_made_files_get_their_names_and_links_are_copies() {
    let Some((_mounted, mut fixture)) = fixture(NO_LINKS) else { return };
    let first = fixture.write("a", b"content");
    fs::set_permissions(&first, fs::Permissions::from_mode(0o640)).unwrap();
    for name in ["b", "d/c"] {
        fs::create_dir_all(fixture.source.join(name).parent().unwrap()).unwrap();
        fs::hard_link(&first, fixture.source.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("a", fixture.source.join("soft")).unwrap();
    fixture.dest = fixture.path("disk/archives");

    let [first, second] = [(); 2].map(|()| fixture.create().path);
    assert_ne!(first, second);
    assert_eq!(names(&fixture.dest).len(), 2);
    verify(&second, &Cancel::new(), &mut |_| {}).unwrap();
    let summary = fixture.restore(&second, "disk/back");

    let back = fixture.path("disk/back");
    let said: Vec<_> = summary.skipped.iter().map(|it| (it.path.as_path(), it.is_fault)).collect();
    assert_eq!(said, [(Path::new("b"), false)]);
    for name in ["a", "b", "d/c"] {
        assert_eq!(read(&back, name), "content", "{name}");
        let meta = back.join(name).metadata().unwrap();
        let source = fixture.source.join(name).metadata().unwrap();
        let facts = |meta: &fs::Metadata| (meta.mode(), meta.mtime(), meta.mtime_nsec());
        assert_eq!((facts(&meta), meta.nlink()), (facts(&source), 1), "{name}");
    }
    assert_eq!(fs::read_link(back.join("soft")).unwrap(), Path::new("a"));
    // What was there stays.
    let again = fixture.restore(&second, "disk/back");
    assert_eq!(again.n_faults(), 4);
}

#[test]
fn a_file_gets_its_name_only_if_that_is_free_also_without_links() {
    let Some((_mounted, fixture)) = fixture(NO_LINKS) else { return };
    let path = fixture.path("disk/f");
    let commit = |text: &str, policy| {
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.commit(0o600, policy).is_ok()
    };

    assert!(commit("1", IfExists::Fail));
    assert!(!commit("2", IfExists::Fail));
    assert_eq!(fs::read_to_string(&path).unwrap(), "1");
    assert!(commit("3", IfExists::Replace));
    replace(&path, b"4", 0o644).unwrap();

    assert_eq!(fs::read_to_string(&path).unwrap(), "4");
    assert_eq!(names(&fixture.path("disk")), ["f"]);
}

#[test]
fn where_no_mode_can_be_set_archives_are_made_and_files_restored() {
    for mode in [None, Some(0o777)] {
        let quirks = Quirks { refuses_chmod: true, mode, ..Quirks::default() };
        let Some((_mounted, mut fixture)) = fixture(quirks) else { return };
        for name in ["a", "b"] {
            let path = fixture.write(name, b"1");
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        fixture.dest = fixture.path("disk/archives");
        let mut kept = Vec::new();
        let (cancel, name) = (Cancel::new(), backup());
        let options = fixture.options();
        let created = create_in_folder(&options, &fixture.dest, &name, &cancel, &mut |event| {
            if let CreateEvent::ModeKept(_, mode) = event {
                kept.push(mode);
            }
        });

        assert_eq!(kept, Vec::from_iter(mode));
        let summary = fixture.restore(&created.unwrap().path, "disk/back");
        // Said once, not for each.
        assert_eq!(summary.n_faults(), 1);
        assert!(summary.skipped[0].reason.starts_with("its mode could not be set"));
        assert_eq!(names(&fixture.path("disk/back")), ["a", "b"]);
    }
}

#[test]
fn a_receipt_is_written_where_no_mode_can_be_set() {
    let quirks = Quirks { refuses_chmod: true, ..Quirks::default() };
    let Some((_mounted, fixture)) = fixture(quirks) else { return };
    let path = fixture.path("disk/receipt.json");

    replace(&path, b"{}", 0o644).unwrap();

    let file = File::open(&path).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), b"{}");
}
