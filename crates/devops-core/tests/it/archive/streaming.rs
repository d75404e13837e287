//! Archives that come through a pipe.

use std::{fs, io::Write, os::fd::OwnedFd, path::Path, thread};

use devops_core::{
    archive::{Archive, Keys, ListEvent, RestoreOptions, cat, diff, list, restore, verify},
    cancel::Cancel,
};

use crate::archive::fixture::{Fixture, restore_options, snapshot, write};

/// Returns keys that open what came through a pipe as `-`.
fn piped(bytes: Vec<u8>) -> Keys {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let writing = thread::spawn(move || writer.write_all(&bytes).unwrap());
    let mut keys = Keys::none();
    keys.add_stream(Path::new("-"), OwnedFd::from(reader), &Cancel::new()).unwrap();
    writing.join().unwrap();
    keys
}

#[test]
fn a_whole_archive_in_a_pipe_is_one_with_its_index() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    fixture.write("large", &vec![7; 3_000_000]);
    fs::hard_link(fixture.source.join("a"), fixture.source.join("b")).unwrap();
    let created = fixture.create();
    let keys = piped(fs::read(&created.path).unwrap());
    let archive = Archive { path: Path::new("-"), keys: &keys };

    let verified = verify(archive, &Cancel::new(), &mut |_| {}).unwrap();
    let mut n_listed = 0;
    let mut count = |event: ListEvent<'_>| {
        n_listed += u64::from(matches!(event, ListEvent::Entry(_)));
        true
    };
    list(archive, &[], &Cancel::new(), &mut count).unwrap();
    let mut content = Vec::new();
    cat(archive, Path::new("b"), &Cancel::new(), &mut content).unwrap();
    let folder = fixture.path("back");
    let options = RestoreOptions { archive, ..restore_options(&created.path, &folder) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!((verified.n_entries, n_listed, verified.notes), (4, 4, Vec::new()));
    assert_eq!(content, b"1");
    assert_eq!(snapshot(&folder), snapshot(&fixture.source));
    assert!(diff(&created.path, archive, &Cancel::new()).unwrap().differences.is_empty());
}

#[test]
fn a_file_that_is_open_is_read_from_its_beginning_and_not_copied() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let created = fixture.create();
    let mut file = fs::File::open(&created.path).unwrap();
    std::io::Read::read_exact(&mut file, &mut [0; 30]).unwrap();
    let mut keys = Keys::none();
    keys.add_stream(Path::new("-"), file.into(), &Cancel::new()).unwrap();
    let archive = Archive { path: Path::new("-"), keys: &keys };

    assert_eq!(verify(archive, &Cancel::new(), &mut |_| {}).unwrap().n_files, 1);
    write(&created.path, b"changed");
    assert!(verify(archive, &Cancel::new(), &mut |_| {}).is_err());
}
