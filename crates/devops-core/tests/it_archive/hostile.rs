//! Archives that try to write outside the folder, or to hide what they hold.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::PathBuf,
};

use devops_core::{
    archive::{ArchiveError, OverwritePolicy, RestoreOptions, RestoreSummary, restore, verify},
    cancel::Cancel,
};
use tar::EntryType;

use crate::{
    fixture::{Fixture, names, restore_options, snapshot, write},
    foreign::Blocks,
};

/// Restores a tar into `dir/to` beside a file that must not change, with every policy in turn.
fn attack(build: impl Fn(&Fixture) -> Blocks) -> RestoreSummary {
    let mut last = None;
    for overwrite in [OverwritePolicy::Never, OverwritePolicy::IfNewer, OverwritePolicy::Always] {
        let fixture = Fixture::new();
        write(&fixture.path("victim"), b"untouched");
        fs::create_dir(fixture.path("to")).unwrap();
        let archive = fixture.path("evil.tar");
        build(&fixture).save(&archive);
        let outside = |fixture: &Fixture| {
            let mut all = snapshot(fixture.dir.path());
            all.retain(|(path, _)| !path.starts_with("to"));
            all
        };
        let before = outside(&fixture);

        last = Some(fixture.restore_with(&archive, "to", overwrite));

        assert_eq!(outside(&fixture), before);
        assert!(names(&fixture.path("to")).iter().all(|name| !name.contains("partial")));
    }
    last.unwrap()
}

fn refused(summary: &RestoreSummary) -> Vec<PathBuf> {
    summary.left_out.iter().map(|left_out| left_out.path.clone()).collect()
}

#[test]
fn paths_that_lead_out_are_refused_and_the_rest_restored() {
    let summary = attack(|fixture| {
        let absolute = fixture.path("victim").to_string_lossy().into_owned();
        Blocks::default()
            .file("../victim", b"evil")
            .file("a/../../victim", b"evil")
            .file(&absolute, b"evil")
            .entry("../folder/", EntryType::Directory, b"", |_| {})
            .file("good", b"1")
    });

    assert_eq!(refused(&summary).len(), 4);
    assert_eq!(summary.n_entries, 1);
}

#[test]
fn nothing_is_written_through_a_link_of_the_archive() {
    let summary = attack(|_| {
        Blocks::default()
            .link("out", EntryType::Symlink, "..")
            .file("out/victim", b"evil")
            .link("direct", EntryType::Symlink, "../victim")
            .file("direct", b"evil")
    });

    // The files come first and make the links impossible.
    assert_eq!(refused(&summary), [PathBuf::from("out"), PathBuf::from("direct")]);
}

#[test]
fn nothing_is_written_through_a_link_that_is_there() {
    let summary = attack(|fixture| {
        let to = fixture.path("to");
        let _there = symlink("..", to.join("out"));
        let _there = symlink("../victim", to.join("direct"));
        Blocks::default()
            .file("out/victim", b"evil")
            .file("out/deep/new", b"evil")
            .entry("out/", EntryType::Directory, b"", |header| header.set_mode(0o777))
            .link("hard", EntryType::Link, "out/victim")
            .link("hard2", EntryType::Link, "direct")
            .file("hard2", b"evil")
    });

    assert!(refused(&summary).len() >= 4, "{:?}", summary.left_out);
}

#[test]
fn hard_links_reach_only_what_this_run_has_made() {
    let summary = attack(|fixture| {
        let absolute = fixture.path("victim").to_string_lossy().into_owned();
        fs::hard_link(fixture.path("victim"), fixture.path("to/inside")).unwrap();
        Blocks::default()
            .link("a", EntryType::Link, "../victim")
            .link("b", EntryType::Link, &absolute)
            .link("c", EntryType::Link, "inside")
            .entry("c", EntryType::Regular, b"evil", |header| header.set_mode(0o777))
            .link("d", EntryType::Link, "d")
    });

    assert_eq!(
        refused(&summary),
        ["a", "b", "d", "c"].map(PathBuf::from)[..refused(&summary).len()]
    );
    assert!(refused(&summary).len() >= 3);
}

#[test]
fn a_replaced_folder_does_not_lead_out() {
    let summary = attack(|_| {
        Blocks::default()
            .entry("d/", EntryType::Directory, b"", |_| {})
            .link("d", EntryType::Symlink, "..")
            .entry("d/", EntryType::Directory, b"", |header| header.set_mode(0o777))
            .file("d/victim", b"inside")
    });

    assert_eq!(refused(&summary), [PathBuf::from("d")]);
}

#[test]
fn devices_and_set_id_bits_need_privilege() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .entry("null", EntryType::Char, b"", |header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        })
        .entry("su", EntryType::Regular, b"#!", |header| header.set_mode(0o6755))
        .save(&archive);

    let summary = fixture.restore(&archive, "plain");
    let folder = fixture.path("privileged");
    let options = RestoreOptions { privileged: true, ..restore_options(&archive, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!(refused(&summary), ["null", "su"].map(PathBuf::from));
    assert!(!fixture.path("plain/null").exists());
    assert_eq!(fixture.path("plain/su").metadata().unwrap().mode() & 0o7777, 0o755);
    assert_eq!(folder.join("su").metadata().unwrap().mode() & 0o7777, 0o6755);
}

#[test]
fn entries_cannot_hide_behind_a_wrong_size() {
    // The header says the content has 1536 bytes, the record says none: what one reader takes for
    // content is an entry to another. The record counts.
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .entry("x", EntryType::XHeader, b"9 size=0\n", |_| {})
        .entry("outer", EntryType::Regular, b"", |header| header.set_size(1536))
        .file("inner", b"seen")
        .save(&archive);

    fixture.restore(&archive, "to");

    assert_eq!(names(&fixture.path("to")), ["inner", "outer"]);
    assert_eq!(fs::read(fixture.path("to/outer")).unwrap(), b"");
}

#[test]
fn a_folder_with_the_content_of_a_file_is_damage() {
    // Some readers take what follows for entries, others for content.
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .entry("d/", EntryType::Regular, &[b'x'; 512], |_| {})
        .file("a", b"1")
        .save(&archive);

    let error = verify(&archive, &Cancel::new(), &mut |_| {}).unwrap_err();

    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
}

#[test]
fn a_global_name_or_size_is_damage() {
    for body in [&b"10 path=a\n"[..], b"14 linkpath=a\n", b"10 size=1\n"] {
        let fixture = Fixture::new();
        let archive = fixture.path("a.tar");
        Blocks::default()
            .entry("g", EntryType::XGlobalHeader, body, |_| {})
            .file("a", b"1")
            .save(&archive);

        let error = verify(&archive, &Cancel::new(), &mut |_| {}).unwrap_err();

        assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    }
}

#[test]
fn of_two_entries_of_one_name_the_later_counts() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .file("a", b"first")
        .file("./a", b"second")
        .entry("f", EntryType::Fifo, b"", |_| {})
        .file("f", b"not a pipe")
        .save(&archive);

    let summary = fixture.restore(&archive, "to");

    assert_eq!(fs::read(fixture.path("to/a")).unwrap(), b"second");
    assert_eq!(refused(&summary), [PathBuf::from("f")]);
}

#[test]
fn malformed_extensions_are_damage() {
    let huge = format!("{} path={}\n", 2_000_000 + 14, "x".repeat(2_000_000));
    let cases: [(EntryType, &[u8]); 4] = [
        (EntryType::XHeader, b"12 path=a\n"),
        (EntryType::XHeader, b"10 size=-\n"),
        (EntryType::XGlobalHeader, b"nonsense"),
        (EntryType::XHeader, huge.as_bytes()),
    ];
    for (kind, body) in cases {
        let fixture = Fixture::new();
        let archive = fixture.path("a.tar");
        Blocks::default()
            .file("first", b"")
            .entry("x", kind, body, |_| {})
            .file("a", b"1")
            .save(&archive);

        let folder = fixture.path("to");
        let result = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});

        assert!(matches!(result, Err(ArchiveError::Damaged { n_entries: 1, .. })), "{result:?}");
    }
}

#[test]
fn an_extension_without_its_entry_is_damage() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default().entry("x", EntryType::XHeader, b"9 path=a\n", |_| {}).save(&archive);

    let folder = fixture.path("to");
    let result = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});

    assert!(matches!(result, Err(ArchiveError::Damaged { .. })), "{result:?}");
}
