//! Archives that are cut off or changed.

use std::{
    fs,
    io::Read,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::Path,
};

use devops_core::{
    archive::{
        ArchiveError, ListEvent, RestoreOptions, RestoreSummary, Skipped, cat, diff, list, restore,
        survey, verify,
    },
    cancel::Cancel,
    kind::{HasKind, Kind},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, names, restore_options, snapshot, write},
    foreign::{Blocks, gzip},
};

/// Returns the paths of what was left out.
fn lost(skipped: &[Skipped]) -> Vec<String> {
    let name = |skipped: &Skipped| skipped.path.file_name().unwrap().to_string_lossy().into_owned();
    skipped.iter().map(name).collect()
}

/// Returns bytes that nothing makes smaller.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56).to_le_bytes()[0]
    };
    (0..n).map(|_| next()).collect()
}

/// Returns the length of a file.
pub(crate) fn length(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).unwrap().len()).unwrap()
}

/// Changes four bytes.
pub(crate) fn damage(archive: &Path, at: usize) {
    let mut bytes = fs::read(archive).unwrap();
    for byte in &mut bytes[at..at + 4] {
        *byte ^= 0x5a;
    }
    write(archive, &bytes);
}

/// Restores an archive, whatever it lacks.
fn salvage(archive: &Path, folder: &Path) -> RestoreSummary {
    restore(&restore_options(archive, folder), &Cancel::new(), &mut |_| {}).unwrap()
}

fn content(archive: &Path, path: &str) -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    cat(archive, Path::new(path), &Cancel::new(), &mut out).map(|()| out)
}

/// A source of eight files in three segments, one of four segments, and a second name of each.
fn segmented(fixture: &Fixture) -> Vec<String> {
    let mut paths = Vec::new();
    for n in 0..9_u64 {
        let path = format!("d/{n}");
        fixture.write(&path, &noise(if n == 4 { 3_300_000 } else { 300_000 }, n));
        fs::hard_link(fixture.source.join(&path), fixture.source.join(format!("link{n}"))).unwrap();
        paths.push(path);
    }
    paths
}

fn small_archive(fixture: &Fixture) -> Vec<u8> {
    fixture.write("a", b"some content that is compressed, compressed, compressed");
    fixture.write("b/c", &(0..3000_u16).flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    fs::read(fixture.create().path).unwrap()
}

#[test]
fn every_cut_is_found() {
    let fixture = Fixture::new();
    let bytes = small_archive(&fixture);
    let archive = fixture.path("cut.tar.gz");

    for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        write(&archive, &bytes[..length]);

        let verified = verify(&archive, &Cancel::new(), &mut |_| {});

        if length >= member_length(&bytes) {
            // The files are whole, only the index is gone.
            assert!(verified.unwrap().notes[0].contains("index"), "cut at {length}");
            continue;
        }
        let error = verified.unwrap_err();
        let expected = if length < 2 { Kind::Usage } else { Kind::Mismatch };
        assert_eq!(error.kind(), expected, "cut at {length}: {error}");
    }
}

/// Returns the length of the member with the tar: the index begins with the first extra field.
fn member_length(archive: &[u8]) -> usize {
    let mut decoder = flate2::bufread::GzDecoder::new(archive);
    decoder.read_to_end(&mut Vec::new()).unwrap();
    archive.len() - decoder.into_inner().len()
}

#[test]
fn every_changed_byte_behind_the_header_is_found() {
    let fixture = Fixture::new();
    let bytes = small_archive(&fixture);
    let archive = fixture.path("changed.tar.gz");

    for position in (10..bytes.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[position] ^= 0x10;
        write(&archive, &changed);

        let result = verify(&archive, &Cancel::new(), &mut |_| {});

        if position < member_length(&bytes) {
            assert_eq!(result.unwrap_err().kind(), Kind::Mismatch, "byte {position}");
        } else {
            assert!(result.unwrap().notes[0].contains("index"), "byte {position}");
        }
    }
}

#[test]
fn sizes_beyond_all_numbers_are_damage() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .file("a", b"1")
        .entry("x", EntryType::XHeader, b"29 size=18446744073709551615\n", |_| {})
        .file("b", b"1")
        .save(&archive);

    let error = verify(&archive, &Cancel::new(), &mut |_| {}).unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch, "{error}");
    assert!(error.to_string().contains("larger than any file"), "{error}");
}

#[test]
fn what_came_before_the_damage_is_restored_links_and_folders_too() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    write(
        &archive,
        &Blocks::default()
            .entry("d/", EntryType::Directory, b"", |header| header.set_mode(0o750))
            .file("d/a", b"1")
            .link("hard", EntryType::Link, "d/a")
            .link("soft", EntryType::Symlink, "d/a")
            .link("to soft", EntryType::Link, "soft")
            .file("b", b"cut off")
            .0[..512 * 7],
    );

    let folder = fixture.path("to");
    let summary = fixture.restore(&archive, "to");

    assert_eq!(summary.damage.as_deref(), Some("it ends in the middle of a file"));
    assert_eq!(lost(&summary.skipped), ["b", "a.tar"]);
    assert_eq!(names(&folder), ["d", "hard", "soft", "to soft"]);
    assert_eq!(fs::read(folder.join("hard")).unwrap(), b"1");
    assert_eq!(fs::read_link(folder.join("to soft")).unwrap(), Path::new("d/a"));
    assert_eq!(folder.join("d").metadata().unwrap().mode() & 0o7777, 0o750);
}

#[test]
fn what_is_no_archive_is_told_from_damage() {
    let fixture = Fixture::new();
    let path = fixture.path("x");
    for bytes in [b"".to_vec(), b"hello".to_vec(), vec![7; 4000], gzip(b""), gzip(&[b'x'; 4000])] {
        write(&path, &bytes);

        let error = verify(&path, &Cancel::new(), &mut |_| {}).unwrap_err();

        assert!(matches!(error, ArchiveError::NotAnArchive { .. }), "{error}");
    }
    let fifo = fixture.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let socket = fixture.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for path in [fixture.dir.path(), &fifo, &socket] {
        let error = verify(path, &Cancel::new(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ArchiveError::NotAnArchive { .. }), "{error}");
    }
}

#[test]
fn damage_costs_what_lies_in_it_and_nothing_else() {
    let fixture = Fixture::new();
    let paths = segmented(&fixture);
    let archive = fixture.create().path;
    let sound = fs::read(&archive).unwrap();
    let mut n_lost = Vec::new();

    for at in (1..8).map(|n| sound.len() * n / 8) {
        write(&archive, &sound);
        damage(&archive, at);
        let folder = fixture.path(&format!("back{at}"));
        let summary = salvage(&archive, &folder);
        let surveyed = survey(&archive, None, &Cancel::new(), &mut |_| {}).unwrap();

        let is_there = |path: &str| {
            let there = fs::read(folder.join(path));
            there.is_ok_and(|bytes| bytes == fs::read(fixture.source.join(path)).unwrap())
        };
        let gone: Vec<_> = paths.iter().filter(|path| !is_there(path)).cloned().collect();
        let links: Vec<_> = gone.iter().map(|path| path.replace("d/", "link")).collect();
        let named = |skipped: &[Skipped]| {
            let path = |one: &Skipped| one.path.to_str().unwrap().to_owned();
            skipped.iter().map(path).collect::<Vec<_>>()
        };
        assert!(!gone.is_empty() && gone.len() <= 4, "{gone:?}");
        assert_eq!(named(&surveyed.lost), [&gone[..], &links].concat());
        assert_eq!(named(&summary.skipped), named(&surveyed.lost));
        assert_eq!(summary.n_lost, 2 * gone.len() as u64);
        assert!(summary.damage.is_some());
        for path in &paths {
            assert!(is_there(path) || !folder.join(path).exists(), "{path} is there in part");
            assert_eq!(content(&archive, path).is_ok(), is_there(path), "{path}");
            let link = path.replace("d/", "link");
            assert_eq!(is_there(&link), is_there(path), "{link}");
        }
        let error = verify(&archive, &Cancel::new(), &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::Mismatch);
        n_lost.push(gone.len());
    }
    assert!(n_lost.contains(&1) && n_lost.iter().any(|&n| n > 1), "{n_lost:?}");
}

#[test]
fn damage_where_no_entry_lies_loses_none_and_is_still_damage() {
    let fixture = Fixture::new();
    segmented(&fixture);
    let archive = fixture.create().path;
    let sound = fs::read(&archive).unwrap();
    let before = fixture.path("before.tar.gz");
    write(&before, &sound);

    // The header of the member, its comment, its end mark and its checksum.
    for at in [2, 40, member_length(&sound) - 16, member_length(&sound) - 6] {
        write(&archive, &sound);
        damage(&archive, at);
        let summary = salvage(&archive, &fixture.path(&format!("back{at}")));

        assert_eq!((summary.n_lost, summary.skipped), (0, Vec::new()), "{at}");
        assert!(summary.damage.is_some(), "{at}");
        assert_eq!(content(&archive, "d/7").unwrap(), noise(300_000, 7));
        assert_eq!(diff(&before, &archive, &Cancel::new()).unwrap().differences.len(), 0);
    }
    write(&archive, &sound);
    damage(&archive, 40);
    let mut n_entries = 0;
    let listed = list(&archive, &[], &Cancel::new(), &mut |event| {
        n_entries += usize::from(matches!(event, ListEvent::Entry(_)));
        true
    });
    assert_eq!((n_entries, listed.unwrap_err().kind()), (20, Kind::Mismatch));
}

#[test]
fn what_has_no_content_comes_back_from_the_index() {
    let fixture = Fixture::new();
    fixture.write("large", &noise(2_000_000, 1));
    fs::create_dir(fixture.source.join("z")).unwrap();
    std::os::unix::fs::symlink("large", fixture.source.join("z/soft")).unwrap();
    fs::hard_link(fixture.source.join("large"), fixture.source.join("z/hard")).unwrap();
    fixture.write("z/empty", b"");
    fixture.write("z/lost", b"small");
    let archive = fixture.create().path;
    let bytes = fs::read(&archive).unwrap();
    // The segment before the last holds what comes behind the large file.
    damage(&archive, member_length(&bytes) - 40);

    let summary = salvage(&archive, &fixture.path("back"));

    assert_eq!(summary.n_lost, 1);
    assert_eq!(lost(&summary.skipped), ["lost"]);
    let mut expected = snapshot(&fixture.source);
    expected.retain(|(path, _)| path != Path::new("z/lost"));
    assert_eq!(snapshot(&fixture.path("back")), expected);
}

#[test]
fn a_large_file_comes_back_whose_header_alone_is_damaged() {
    let fixture = Fixture::new();
    fixture.write("a", &noise(50_000, 1));
    fixture.write("large", &noise(3_000_000, 2));
    let archive = fixture.create().path;
    // The first segment is the comment of the archive, the second the small file with the header.
    damage(&archive, 20_000);

    let summary = salvage(&archive, &fixture.path("back"));

    assert_eq!((summary.n_lost, lost(&summary.skipped)), (1, vec!["a".to_owned()]));
    assert!(summary.damage.is_some());
    let mut expected = snapshot(&fixture.source);
    expected.retain(|(path, _)| path != Path::new("a"));
    assert_eq!(snapshot(&fixture.path("back")), expected);
    assert!(content(&archive, "large").unwrap() == noise(3_000_000, 2));
}

#[test]
fn a_part_is_restored_without_a_word_of_damage_elsewhere() {
    let fixture = Fixture::new();
    segmented(&fixture);
    let archive = fixture.create().path;
    damage(&archive, length(&archive) / 2);
    let restored = |paths: &[&str], to: &str| {
        let paths: Vec<_> = paths.iter().map(Into::into).collect();
        let folder = fixture.path(to);
        let options = RestoreOptions { paths: &paths, ..restore_options(&archive, &folder) };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap()
    };

    let whole = restored(&["d/0", "link8"], "whole");
    let link = restored(&["link4"], "link");

    assert_eq!((whole.damage, whole.n_lost, whole.skipped), (None, 0, Vec::new()));
    assert_eq!(fs::read(fixture.path("whole/link8")).unwrap(), noise(300_000, 8));
    assert_eq!((link.n_lost, link.damage.is_some()), (1, true));
    assert_eq!(lost(&link.skipped), ["link4"]);
    assert_eq!(names(&fixture.path("link")), [""; 0]);
}

#[test]
fn the_next_sound_header_behind_damage_is_found() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let tar = Blocks::default()
        .file("a", b"1")
        .file("b", &[b'b'; 3000])
        .link("c", EntryType::Link, "b")
        .file("d", b"4");
    tar.save(&archive);
    let sound = fs::read(&archive).unwrap();
    let header = |name: &str| sound.chunks(512).position(|block| block[0] == name.as_bytes()[0]);

    for (name, kept) in
        [("a", ["b", "c", "d"].as_slice()), ("b", &["a", "d"]), ("d", &["a", "b", "c"])]
    {
        write(&archive, &sound);
        damage(&archive, header(name).unwrap() * 512 + 100);
        let to = format!("without {name}");
        let summary = salvage(&archive, &fixture.path(&to));
        let mut listed = Vec::new();
        let list = list(&archive, &[], &Cancel::new(), &mut |event| {
            if let ListEvent::Entry(entry) = event {
                listed.push(entry.path.to_str().unwrap().to_owned());
            }
            true
        });

        assert_eq!(names(&fixture.path(&to)), kept, "{:?}", summary.skipped);
        assert!(summary.n_lost >= 1 && summary.damage.is_some());
        assert_eq!(list.unwrap_err().kind(), Kind::Mismatch);
        listed.retain(|name| name != "c" || kept.contains(&"c"));
        assert_eq!(listed, kept);
    }
}

#[test]
fn bytes_too_many_lose_nothing_but_the_place() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let tar = Blocks::default().file("a", b"1").file("b", b"2").file("c", b"3").0;

    // Before a header, as damage to compressed bytes can move what follows.
    for n in [1, 2, 3, 255, 510, 511] {
        write(&archive, &[&tar[..1024], &vec![0; n], &tar[1024..]].concat());
        let to = n.to_string();
        let summary = salvage(&archive, &fixture.path(&to));

        assert_eq!(names(&fixture.path(&to)), ["a", "b", "c"], "{n}: {:?}", summary.skipped);
        assert_eq!(fs::read(fixture.path(&to).join("c")).unwrap(), b"3");
        assert!(summary.damage.is_some());
    }
}

#[test]
fn every_cut_gives_back_what_came_before_it() {
    let fixture = Fixture::new();
    let bytes = small_archive(&fixture);
    let archive = fixture.path("cut.tar.gz");

    for length in (200..bytes.len()).step_by(97) {
        write(&archive, &bytes[..length]);
        let folder = fixture.path(&format!("cut{length}"));
        let restored = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});

        if let Ok(summary) = restored {
            assert_eq!(summary.damage.is_none(), length >= member_length(&bytes), "{length}");
            for path in ["a", "b/c"] {
                let there = fs::read(folder.join(path));
                let is_whole = there
                    .as_ref()
                    .is_ok_and(|b| *b == fs::read(fixture.source.join(path)).unwrap());
                assert!(is_whole || there.is_err(), "{path} of {length} is there in part");
            }
        }
    }
}

#[test]
fn without_an_index_compressed_bytes_are_read_again_behind_damage() {
    let fixture = Fixture::new();
    for n in 0..9_u64 {
        let mut text = noise(600_000, n);
        // Half of it becomes smaller, by codes of different lengths; the rest is stored as it is.
        let letter = |byte: u8| b'a' + byte.leading_zeros().to_le_bytes()[0];
        text.iter_mut().skip(300_000).for_each(|byte| *byte = letter(*byte));
        fixture.write(&n.to_string(), &text);
    }
    let archive = fixture.create().path;
    let sound = fs::read(&archive).unwrap();
    let mut n_lost = 0;

    for n in 1..16 {
        // The index is damaged as well.
        write(&archive, &sound);
        damage(&archive, member_length(&sound) + 100);
        damage(&archive, sound.len() * n / 16);
        let folder = fixture.path(&format!("back{n}"));
        let summary = salvage(&archive, &folder);

        let is_whole = |name: &u64| {
            let path = name.to_string();
            fs::read(folder.join(&path))
                .is_ok_and(|bytes| bytes == fs::read(fixture.source.join(&path)).unwrap())
        };
        let n_whole = (0..9).filter(is_whole).count();
        assert!(n_whole >= 9 - 3, "{n}: {n_whole}, {:?}", summary.skipped);
        assert!(summary.damage.is_some(), "{n}");
        n_lost += summary.n_lost;
    }
    // Bytes that are stored as they are cannot be told from others before the checksum of the whole.
    assert!(n_lost > 0);
}

#[test]
fn the_members_behind_a_damaged_one_are_read() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar.gz");
    let members = ["a", "b", "c", "d"].map(|name| {
        let text = noise(3000, 5).iter().map(|byte| byte % 16 + b'a').collect::<Vec<_>>();
        gzip(&Blocks::default().file(name, &text).0)
    });
    let mut bytes = members.concat();
    bytes.extend(gzip(&[0; 1024]));
    write(&archive, &bytes);
    damage(&archive, members[0].len() + members[1].len() / 2);

    let summary = salvage(&archive, &fixture.path("back"));

    let there = names(&fixture.path("back"));
    assert!(["a", "c", "d"].iter().all(|name| there.contains(&(*name).to_owned())), "{there:?}");
    assert!(summary.damage.is_some());
}

#[test]
fn a_disk_image_that_begins_with_zeros_is_no_archive() {
    let fixture = Fixture::new();
    let path = fixture.path("x");
    // The descriptors of an ISO 9660 image begin behind 32 KiB of zeros.
    let image = [&vec![0; 32 << 10][..], b"\x01CD001\x01", &[7; 4000]].concat();
    for bytes in [image.clone(), gzip(&image)] {
        write(&path, &bytes);

        let verified = verify(&path, &Cancel::new(), &mut |_| {});
        let folder = fixture.path("back");
        let restored = restore(&restore_options(&path, &folder), &Cancel::new(), &mut |_| {});

        assert!(matches!(verified, Err(ArchiveError::NotAnArchive { .. })), "{verified:?}");
        assert!(matches!(restored, Err(ArchiveError::NotAnArchive { .. })), "{restored:?}");
        assert!(!folder.exists());
    }
}
