//! Archives of other tools.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{Entry, EntryKind, verify},
    cancel::Cancel,
};
use flate2::{Compression, write::GzEncoder};
use tar::{EntryType, Header};

use crate::fixture::{Fixture, entries, write};

/// Builds a tar block by block.
#[derive(Default)]
pub(crate) struct Blocks(pub(crate) Vec<u8>);

impl Blocks {
    /// Adds an entry whose header may be changed before its checksum is set.
    pub(crate) fn entry(
        mut self,
        name: &str,
        kind: EntryType,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, content, |_| {})
    }

    pub(crate) fn link(self, name: &str, kind: EntryType, target: &str) -> Self {
        self.entry(name, kind, b"", |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        })
    }

    /// Writes the end mark and saves it as a plain tar.
    pub(crate) fn save(mut self, path: &Path) {
        self.0.extend([0; 1024]);
        write(path, &self.0);
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn only_entry(blocks: Blocks) -> Entry {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar");
    blocks.save(&archive);
    let mut entries = entries(&archive);
    assert_eq!(entries.len(), 1);
    entries.pop().unwrap()
}

#[test]
fn gnu_long_names_are_read() {
    let (path, target) = ("x/".repeat(200) + "end", "y/".repeat(200) + "end");

    let entry = only_entry(
        Blocks::default()
            .entry("././@LongLink", EntryType::GNULongName, format!("{path}\0").as_bytes(), |_| {})
            .entry(
                "././@LongLink",
                EntryType::GNULongLink,
                format!("{target}\0").as_bytes(),
                |_| {},
            )
            .link("cut", EntryType::Symlink, "cut"),
    );

    assert_eq!(entry.path, PathBuf::from(path));
    assert_eq!(entry.kind, EntryKind::Symlink { target: target.into() });
}

#[test]
fn v7_folders_end_with_a_slash() {
    let entry = only_entry(Blocks::default().entry("dir/", EntryType::new(0), b"", |header| {
        header.as_mut_bytes()[257..265].fill(0);
    }));

    assert_eq!((entry.path, entry.kind), ("dir".into(), EntryKind::Folder));
}

#[test]
fn numbers_in_base_256_are_read() {
    let entry = only_entry(Blocks::default().entry("a", EntryType::Regular, b"", |header| {
        header.as_old_mut().uid = *b"\x80\0\0\0\x7f\xff\xff\xff";
        header.as_old_mut().mtime = [0xff; 12];
    }));

    assert_eq!(entry.uid, 0x7fff_ffff);
    assert_eq!(entry.mtime.seconds, -1);
}

#[test]
fn a_size_in_a_pax_record_wins() {
    let entry = only_entry(
        Blocks::default().entry("x", EntryType::XHeader, b"12 size=600\n", |_| {}).entry(
            "a",
            EntryType::Regular,
            &[b'.'; 600],
            |header| header.set_size(0),
        ),
    );

    assert_eq!(entry.size, 600);
}

#[test]
fn a_gnu_sparse_file_is_skipped_whole() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar");
    let sparse = Blocks::default().entry("s", EntryType::GNUSparse, &[], |header| {
        header.as_mut_bytes()[257..265].copy_from_slice(b"ustar  \0");
        header.set_size(512);
        header.as_gnu_mut().unwrap().isextended[0] = 1;
    });
    let mut bytes = sparse.0;
    bytes.extend([0; 512]);
    bytes.extend([b'd'; 512]);
    bytes.extend(Blocks::default().file("b", b"2").0);
    Blocks(bytes).save(&archive);

    let kinds: Vec<_> = entries(&archive).into_iter().map(|entry| entry.kind).collect();

    assert_eq!(kinds, [EntryKind::Unsupported { flag: b'S' }, EntryKind::File]);
}

#[test]
fn many_gzip_members_are_one_archive() {
    let fixture = Fixture::new();
    let tar = Blocks::default().file("a", &[b'a'; 700]).file("b", b"2");
    let mut bytes: Vec<u8> = tar.0.chunks(100).flat_map(gzip).collect();
    bytes.extend(gzip(&[0; 1024]));
    bytes.extend(gzip(b""));
    let archive = fixture.path("a.tar.gz");
    write(&archive, &bytes);

    let summary = fixture.restore(&archive, "back");

    assert_eq!((summary.n_entries, summary.left_out), (2, Vec::new()));
    assert_eq!(std::fs::read(fixture.path("back/b")).unwrap(), b"2");
}

#[test]
fn an_archive_without_entries_is_whole() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default().save(&archive);

    assert_eq!(verify(&archive, &Cancel::new(), &mut |_| {}).unwrap().n_entries, 0);
}
