//! Archives that are cut off or changed.

use std::{
    fs,
    io::Read,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::Path,
};

use devops_core::{
    archive::{ArchiveError, restore, verify},
    cancel::Cancel,
    kind::{HasKind, Kind},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, names, restore_options, write},
    foreign::{Blocks, gzip},
};

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
    let error = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});

    assert_eq!(error.unwrap_err().kind(), Kind::Mismatch);
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
