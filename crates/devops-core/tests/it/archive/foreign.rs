//! Archives of other tools.

use std::{
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{ArchiveError, Entry, EntryKind, Skipped, verify},
    cancel::Cancel,
};
use flate2::{Compression, write::GzEncoder};
use tar::{EntryType, Header};

use crate::archive::fixture::{Fixture, entries, snapshot, write};

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

    /// Adds pax records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let body: Vec<u8> = records.iter().flat_map(|&(key, value)| record(key, value)).collect();
        self.entry("x", EntryType::XHeader, &body, |_| {})
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

/// Returns a pax record; its length counts its own digits.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length =
        (rest..rest + 20).find(|length| rest + length.to_string().len() == *length).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
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
fn many_gzip_members_are_one_archive() {
    let fixture = Fixture::new();
    let tar = Blocks::default().file("a", &[b'a'; 700]).file("b", b"2");
    let mut bytes: Vec<u8> = tar.0.chunks(100).flat_map(gzip).collect();
    bytes.extend(gzip(&[0; 1024]));
    bytes.extend(gzip(b""));
    let archive = fixture.path("a.tar.gz");
    write(&archive, &bytes);

    let summary = fixture.restore(&archive, "back");

    assert_eq!((summary.n_entries, summary.skipped), (2, Vec::new()));
    assert_eq!(std::fs::read(fixture.path("back/b")).unwrap(), b"2");
}

#[test]
fn an_archive_without_entries_is_whole_if_anything_says_that_it_is_one() {
    let fixture = Fixture::new();
    let archive = fixture.path("a");
    let verified = |bytes: &[u8]| {
        write(&archive, bytes);
        verify(&archive, &Cancel::new(), &mut |_| {}).map(|verified| verified.n_entries)
    };

    assert_eq!(verified(&gzip(&[0; 1024])).unwrap(), 0);
    for n in [512, 900, 1024, 100_000] {
        let zeros = verified(&vec![0; n]);
        assert!(matches!(zeros, Err(ArchiveError::NotAnArchive { .. })), "{n}: {zeros:?}");
    }
}

/// Reads an archive of these bytes to its end and returns what is odd about it.
fn notes(bytes: &[u8]) -> Result<Vec<&'static str>, ArchiveError> {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a");
    write(&archive, bytes);
    verify(&archive, &Cancel::new(), &mut |_| {}).map(|verified| verified.notes)
}

#[test]
fn what_follows_a_whole_archive_is_noted_at_most() {
    let tar = [Blocks::default().file("a", &[b'a'; 700]).0, vec![0; 1024]].concat();
    let with = |more: &[u8]| notes(&[&gzip(&tar), more].concat()).unwrap();

    assert_eq!(with(&[]), [""; 0]);
    assert_eq!(with(&[0; 5000]), [""; 0]);
    assert_eq!(with(&gzip(b"")), [""; 0]);
    assert_eq!(with(b"\n"), ["garbage behind its end was ignored"]);
    assert_eq!(with(&[0x1f]), ["garbage behind its end was ignored"]);
    assert_eq!(with(&[&[0; 600], &b"x"[..]].concat()), ["garbage behind its end was ignored"]);
    assert_eq!(with(&gzip(b"")[..9]), ["what follows its end is cut off or damaged"]);
    assert_eq!(with(&gzip(&tar)), ["bytes behind its end mark were not read as entries"]);
    let more = notes(&[&tar[..], &[0; 9000], b"x"].concat()).unwrap();
    assert_eq!(more, ["bytes behind its end mark were not read as entries"]);
}

#[test]
fn a_missing_end_mark_is_noted_and_a_cut_is_damage() {
    let tar = Blocks::default().file("a", b"1").file("b", &[b'b'; 600]).0;
    let unmarked = ["it ends without the end mark"];

    assert_eq!(notes(&tar).unwrap(), unmarked);
    assert_eq!(notes(&gzip(&tar)).unwrap(), unmarked);
    // All of the content is there.
    assert_eq!(notes(&tar[..tar.len() - 400]).unwrap(), unmarked);
    for end in [&[0; 512][..], &[0; 700]] {
        let lone = notes(&[&tar, end].concat()).unwrap();
        assert_eq!(lone, ["one block of zeros ends it in place of two"]);
    }
    for cut in [512, 1024 + 100, tar.len() - 425] {
        assert!(matches!(notes(&tar[..cut]), Err(ArchiveError::Damaged { .. })), "{cut}");
    }
    let cut = [gzip(&tar), b"something else".to_vec()].concat();
    assert!(matches!(notes(&cut), Err(ArchiveError::Damaged { .. })));
}

#[test]
fn an_archive_of_ours_must_end_as_it_was_written() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let bytes = std::fs::read(fixture.create().path).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();

    for length in [tar.len() - 1024, tar.len() - 512] {
        let cut = notes(&gzip(&tar[..length]));
        assert!(matches!(cut, Err(ArchiveError::Damaged { .. })), "{cut:?}");
    }
}

#[test]
fn entries_that_are_no_files_are_named_and_the_rest_restored() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .entry("label", EntryType::new(b'V'), b"", |_| {})
        .entry("d/", EntryType::new(b'D'), b"Ya\0Nb\0\0", |header| header.set_mode(0o750))
        .entry("rest", EntryType::new(b'M'), b"the end of something", |_| {})
        .entry("strange", EntryType::new(b'Q'), b"with content", |_| {})
        .file("d/a", b"1")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    let named = |skipped: &Skipped| (skipped.path.display().to_string(), skipped.is_fault);
    let expected = [("label", false), ("rest", true), ("strange", false)]
        .map(|(path, is_fault)| (path.to_owned(), is_fault));
    assert_eq!(summary.skipped.iter().map(named).collect::<Vec<_>>(), expected);
    // As POSIX says, what is of an unknown sort is a file.
    assert_eq!(std::fs::read(fixture.path("back/strange")).unwrap(), b"with content");
    assert_eq!(snapshot(&fixture.path("back")).len(), 4);
    assert_eq!(fixture.path("back/d").metadata().unwrap().mode() & 0o777, 0o750);
}

#[test]
fn sizes_of_what_has_no_content_are_ignored() {
    let size = |header: &mut Header| header.set_size(4096);
    let archive = Blocks::default()
        .entry("d/", EntryType::Directory, b"", size)
        .entry("s", EntryType::Symlink, b"", size)
        .entry("p", EntryType::Fifo, b"", size)
        .entry("c", EntryType::Char, b"", |header| {
            size(header);
            // Blank, as some writers leave the number of a device.
            header.as_mut_bytes()[329..345].fill(b' ');
        })
        .file("a", b"1");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    archive.save(&path);

    let sizes: Vec<_> = entries(&path).iter().map(|entry| entry.size).collect();

    assert_eq!(sizes, [0, 0, 0, 0, 1]);
    assert_eq!(entries(&path)[3].kind, EntryKind::CharDevice { major: 0, minor: 0 });
}

#[test]
fn attributes_lists_and_owners_of_other_tools_are_read() {
    let entry = only_entry(
        Blocks::default()
            .pax(&[
                ("SCHILY.xattr.user.note", b"\0any\nbytes="),
                ("RHT.security.selinux", b"system_u:object_r:etc_t:s0\0"),
                ("SCHILY.acl.access", b"user::rw-,user:joe:r--:1000,group::r--,mask::r--,other::-"),
                ("LIBARCHIVE.creationtime", b"5"),
                ("uid", b"4294967294"),
                ("gid", b"-2"),
                ("mtime", b"-1.25"),
            ])
            .file("a", b""),
    );

    let names: Vec<_> = entry.xattrs.iter().map(|xattr| xattr.name.as_slice()).collect();
    let expected = [&b"security.selinux"[..], b"system.posix_acl_access", b"user.note"];
    assert_eq!(names, expected);
    assert_eq!(entry.xattrs[2].value, b"\0any\nbytes=");
    assert_eq!((entry.uid, entry.gid), (4_294_967_294, u64::MAX));
    assert_eq!((entry.mtime.seconds, entry.mtime.nanoseconds), (-2, 750_000_000));
}

#[test]
fn of_two_extension_headers_the_last_counts_whole() {
    let entry = only_entry(
        Blocks::default()
            .pax(&[("path", b"first"), ("linkpath", b"first"), ("uid", b"5")])
            .pax(&[("linkpath", b"second")])
            .link("name", EntryType::Symlink, "cut"),
    );

    assert_eq!((entry.path, entry.uid), ("name".into(), 0));
    assert_eq!(entry.kind, EntryKind::Symlink { target: "second".into() });
}
