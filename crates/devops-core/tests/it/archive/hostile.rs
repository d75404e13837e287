//! Archives that try to write outside the folder, or to hide what they hold.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, symlink},
    },
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{
        ArchiveError, Lookup, OverwritePolicy, RestoreEvent, RestoreOptions, RestoreSummary,
        restore, verify,
    },
    cancel::Cancel,
};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, names, restore_options, snapshot, write},
    foreign::{Blocks, gzip},
};

/// Restores a tar into `dir/to` beside a file that must not change, in every way there is.
fn attack(build: impl Fn(&Fixture) -> Blocks) -> RestoreSummary {
    let mut last = None;
    for overwrite in [OverwritePolicy::Never, OverwritePolicy::IfNewer, OverwritePolicy::Always] {
        for lookup in [Lookup::Kernel, Lookup::Components] {
            let fixture = Fixture::new();
            fs::create_dir(fixture.path("to")).unwrap();
            write(&fixture.path("victim"), b"untouched");
            let archive = fixture.path("evil.tar");
            build(&fixture).save(&archive);
            let before = outside(&fixture);

            let folder = fixture.path("to");
            let options =
                RestoreOptions { overwrite, lookup, ..restore_options(&archive, &folder) };
            last = Some(restore(&options, &Cancel::new(), &mut |_| {}).unwrap());

            assert_eq!(outside(&fixture), before);
            expect_nothing_temporary(&folder);
        }
    }
    last.unwrap()
}

/// Everything beside the target folder.
pub(crate) fn outside(fixture: &Fixture) -> Vec<(PathBuf, String)> {
    let mut all = snapshot(fixture.dir.path());
    all.retain(|(path, _)| !path.starts_with("to"));
    all
}

pub(crate) fn expect_nothing_temporary(folder: &Path) {
    for (path, _) in snapshot(folder) {
        assert!(!path.to_string_lossy().contains("partial"), "{}", path.display());
    }
}

fn refused(summary: &RestoreSummary) -> Vec<PathBuf> {
    summary.skipped.iter().map(|skipped| skipped.path.clone()).collect()
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

    // An absolute path is restored below the folder.
    assert_eq!((summary.n_faults(), summary.n_entries), (3, 2));
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

    assert!(refused(&summary).len() >= 3, "{:?}", summary.skipped);
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

    // The absolute target is sought below the folder, and nothing is there.
    let mut found = refused(&summary);
    found.retain(|path| path != Path::new("c"));
    found.sort();
    assert_eq!(found, ["a", "b", "d"].map(PathBuf::from));
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

/// An archive whose size is 0 to some readers and hides an entry for others.
fn doubtful() -> Blocks {
    Blocks::default()
        .entry("outer", EntryType::Regular, b"", |header| {
            header.as_old_mut().size = *b"\0\0\0\0\0\0\x002000\0";
        })
        .file("hidden", b"seen")
        .file("after", b"1")
}

#[test]
fn what_readers_take_for_different_numbers_is_damage_and_restored_as_gnu_tar_does() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    doubtful().save(&archive);

    let error = verify(&archive, &Cancel::new(), &mut |_| {}).unwrap_err();
    let summary = fixture.restore(&archive, "to");

    assert!(matches!(error, ArchiveError::Damaged { n_entries: 0, .. }), "{error}");
    assert_eq!(names(&fixture.path("to")), ["after", "hidden", "outer"]);
    assert_eq!(fs::read(fixture.path("to/outer")).unwrap(), b"");
    assert_eq!(refused(&summary), [PathBuf::from("outer")]);
    assert_eq!((summary.n_lost, summary.damage.is_some()), (0, true));
}

#[test]
fn every_number_of_a_header_is_doubted() {
    type Change = fn(&mut tar::Header);
    let changes: [Change; 5] = [
        |header| header.as_old_mut().mode = *b"\0\x00644\0\0\0",
        |header| header.as_old_mut().uid = *b"\0\0\x001000\0",
        |header| header.as_old_mut().gid = *b"\x81\0\0\0\0\0\0\x01",
        |header| header.as_old_mut().mtime = *b"\0\0\0\0\0\0\0\x001234",
        |header| header.as_old_mut().size = *b"\x000000000003\0",
    ];
    for change in changes {
        let fixture = Fixture::new();
        let archive = fixture.path("a.tar");
        let blocks = Blocks::default().entry("a", EntryType::Regular, b"123", change);
        blocks.file("b", b"").save(&archive);

        let verified = verify(&archive, &Cancel::new(), &mut |_| {});
        let summary = fixture.restore(&archive, "to");

        assert!(matches!(verified, Err(ArchiveError::Damaged { .. })), "{verified:?}");
        assert!(refused(&summary).contains(&PathBuf::from("a")), "{:?}", summary.skipped);
        assert_eq!(fs::read(fixture.path("to/a")).unwrap(), b"123");
        assert!(fixture.path("to/b").exists());
    }
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
    let summary = fixture.restore(&archive, "to");

    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    // As GNU tar does.
    assert_eq!(names(&fixture.path("to")), ["a", "d"]);
    assert_eq!((summary.n_lost, summary.damage.is_some()), (0, true));
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

        let verified = verify(&archive, &Cancel::new(), &mut |_| {});
        let summary = fixture.restore(&archive, "to");

        assert!(
            matches!(verified, Err(ArchiveError::Damaged { n_entries: 1, .. })),
            "{verified:?}"
        );
        // The entry behind it is restored without it, as GNU tar does.
        assert_eq!(names(&fixture.path("to")), ["a", "first"]);
        assert_eq!((summary.n_entries, summary.n_lost), (2, 1));
        assert!(summary.damage.is_some());
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
    assert!(!folder.exists());
}

#[test]
fn the_last_of_two_links_or_pipes_of_one_name_counts() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .link("l", EntryType::Symlink, "first")
        .entry("p", EntryType::Fifo, b"", |header| header.set_mode(0o600))
        .link("l", EntryType::Symlink, "second")
        .entry("p", EntryType::Fifo, b"", |header| header.set_mode(0o640))
        .save(&archive);

    let summary = fixture.restore(&archive, "to");

    assert_eq!(summary.skipped, []);
    assert_eq!(fs::read_link(fixture.path("to/l")).unwrap(), Path::new("second"));
    assert_eq!(fixture.path("to/p").metadata().unwrap().mode() & 0o777, 0o640);
}

#[test]
fn no_order_of_types_under_one_name_leads_out() {
    // Every ordered triple of entries of one name, and something below it.
    let add = |blocks: Blocks, kind: usize| match kind {
        0 => blocks.file("x", b"file"),
        1 => blocks.entry("x/", EntryType::Directory, b"", |header| header.set_mode(0o777)),
        2 => blocks.link("x", EntryType::Symlink, ".."),
        3 => blocks.link("x", EntryType::Link, "../victim"),
        4 => blocks.link("x", EntryType::Link, "s"),
        5 => blocks.file("x/victim", b"evil"),
        _ => blocks.entry("x", EntryType::Fifo, b"", |_| {}),
    };
    for triple in 0..343 {
        let [a, b, c] = [triple / 49, triple / 7 % 7, triple % 7];
        let fixture = Fixture::new();
        fs::create_dir(fixture.path("to")).unwrap();
        write(&fixture.path("victim"), b"untouched");
        let archive = fixture.path("evil.tar");
        let blocks = Blocks::default().link("s", EntryType::Symlink, "../victim");
        add(add(add(blocks, a), b), c).save(&archive);
        let before = outside(&fixture);

        fixture.restore(&archive, "to");
        fixture.restore_with(&archive, "to", OverwritePolicy::Always);

        assert_eq!(outside(&fixture), before, "{a} {b} {c}");
        expect_nothing_temporary(&fixture.path("to"));
    }
}

#[test]
fn a_wrong_owner_never_gets_set_id_bits() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .pax(&[("uid", b"99999999999")])
        .entry("su", EntryType::Regular, b"#!", |header| header.set_mode(0o6755))
        .save(&archive);

    let folder = fixture.path("to");
    let options = RestoreOptions { privileged: true, ..restore_options(&archive, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    let mode = folder.join("su").metadata().unwrap().mode() & 0o7777;
    let is_root = rustix::process::geteuid().is_root();
    // Without root everything belongs to who restores it, which nobody asked to change.
    assert_eq!(mode, if is_root { 0o755 } else { 0o6755 });
}

#[test]
fn sizes_and_lengths_that_promise_too_much_take_no_memory() {
    let huge = |header: &mut tar::Header| header.set_size(8 << 30);
    let cases = [
        Blocks::default().entry("x", EntryType::XHeader, b"10 path=a\n", huge),
        Blocks::default().entry("x", EntryType::XHeader, b"9999999999 path=a\n", |_| {}),
        Blocks::default().entry("x", EntryType::GNULongName, b"a", huge),
        Blocks::default().entry("x", EntryType::XGlobalHeader, b"", huge),
        Blocks::default().pax(&[("GNU.sparse.map", &b"1,".repeat(5 << 20))]),
        Blocks::default().pax(&[("path", &b"x".repeat(2 << 20))]),
        Blocks::default().pax(&[("SCHILY.acl.access", &b"u".repeat(1 << 20))]),
        Blocks::default().entry("a", EntryType::Regular, b"short", huge),
    ];
    for blocks in cases {
        let fixture = Fixture::new();
        let archive = fixture.path("a.tar");
        blocks.file("a", b"1").save(&archive);

        let result = verify(&archive, &Cancel::new(), &mut |_| {});

        assert!(matches!(result, Err(ArchiveError::Damaged { .. })), "{result:?}");
    }
}

#[test]
fn the_list_of_what_was_refused_stops_growing_and_the_count_does_not() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar.gz");
    let path = [&b"../"[..], &b"x".repeat(1_000_000)].concat();
    let refused = Blocks::default().pax(&[("path", &path)]).file("a", b"").0;
    write(&archive, &gzip(&[refused.repeat(50), vec![0; 1024]].concat()));

    let mut n_events = 0;
    let folder = fixture.path("to");
    let mut count = |event: RestoreEvent<'_>| {
        n_events += u64::from(matches!(event, RestoreEvent::Skipped(_)));
    };
    let summary = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut count).unwrap();

    assert_eq!((n_events, summary.n_left_out, summary.n_faults()), (50, 50, 50));
    assert!(summary.skipped.len() < 10);
}

/// An archive with something of everything, and a few lies.
pub(crate) fn rich() -> Vec<u8> {
    let blocks = Blocks::default()
        .entry("d/", EntryType::Directory, b"", |header| header.set_mode(0o750))
        .pax(&[("SCHILY.xattr.user.a", b"1"), ("mtime", b"1.5"), ("path", b"d/long")])
        .file("cut", &[b'x'; 600])
        .link("d/hard", EntryType::Link, "d/long")
        .link("soft", EntryType::Symlink, "../victim")
        .link("late", EntryType::Link, "later")
        .entry("././@LongLink", EntryType::GNULongName, b"d/gnu\0", |_| {})
        .file("cut", b"2")
        .file("later", b"3")
        .pax(&[("GNU.sparse.size", b"9000"), ("GNU.sparse.map", b"4096,3")])
        .file("sparse", b"abc")
        .entry("pipe", EntryType::Fifo, b"", |_| {})
        .file("../victim", b"evil");
    [blocks.0, vec![0; 1024]].concat()
}

/// Restores bytes that may be anything; what is outside must stay, and nothing may be left half-made.
fn survive(bytes: &[u8], what: &str) {
    let fixture = Fixture::new();
    write(&fixture.path("victim"), b"untouched");
    fs::create_dir(fixture.path("to")).unwrap();
    let archive = fixture.path("a");
    write(&archive, bytes);
    let before = outside(&fixture);

    let folder = fixture.path("to");
    let _any = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});

    assert_eq!(outside(&fixture), before, "{what}");
    expect_nothing_temporary(&folder);
}

#[test]
fn a_cut_at_any_byte_leaves_nothing_half_made() {
    let tar = rich();
    for length in (0..tar.len()).step_by(97).chain((0..tar.len()).step_by(512)) {
        survive(&tar[..length], &format!("cut at {length}"));
    }
    let compressed = gzip(&tar);
    for length in 0..compressed.len() {
        survive(&compressed[..length], &format!("gzip cut at {length}"));
    }
}

#[test]
fn a_flipped_bit_anywhere_leads_nowhere() {
    let tar = rich();
    for position in (0..tar.len()).filter(|&position| tar[position] != 0).step_by(9) {
        let mut changed = tar.clone();
        changed[position] ^= 1 << (position % 8);
        survive(&changed, &format!("bit of byte {position}"));
        // And what a checksum that fits lets through.
        let header = position / 512 * 512;
        if position % 512 < 345 {
            fix_checksum(&mut changed[header..header + 512]);
            survive(&changed, &format!("bit of byte {position}, with its checksum"));
        }
    }
}

pub(crate) fn fix_checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn names_of_any_bytes_are_names_and_nothing_more() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let odd: [&[u8]; 5] = [b"new\nline", b"\x1b[31mred", b"\xff\xfe", b" ", b"-rf"];
    let mut blocks = Blocks::default();
    for name in odd {
        blocks = blocks.pax(&[("path", name)]).file("cut", b"1");
    }
    blocks.save(&archive);

    let summary = fixture.restore(&archive, "to");

    assert_eq!((summary.n_entries, summary.skipped), (5, Vec::new()));
    for name in odd {
        assert!(fixture.path("to").join(OsStr::from_bytes(name)).is_file());
    }
    let nul = Blocks::default().pax(&[("path", b"a\0b")]).file("cut", b"1");
    nul.save(&archive);
    assert!(matches!(
        verify(&archive, &Cancel::new(), &mut |_| {}),
        Err(ArchiveError::Damaged { .. })
    ));
}
