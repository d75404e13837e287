//! Sparse files in every dialect of GNU tar.

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{ArchiveError, Difference, EntryKind, against, diff, verify},
    cancel::Cancel,
};
use tar::EntryType;

use crate::archive::{
    fixture::{Fixture, entries},
    foreign::Blocks,
};

/// The size of the file, and its only bytes.
const SIZE: u64 = 3 << 20;
const EXTENTS: [(u64, &[u8]); 3] =
    [(4096, b"first"), (1 << 20, &[b'm'; 700]), ((3 << 20) - 4, b"last")];

fn stored() -> Vec<u8> {
    EXTENTS.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect()
}

fn whole() -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
    for (start, data) in EXTENTS {
        let start = usize::try_from(start).unwrap();
        bytes[start..start + data.len()].copy_from_slice(data);
    }
    bytes
}

fn pairs() -> impl Iterator<Item = (u64, u64)> {
    EXTENTS.into_iter().map(|(start, bytes)| (start, bytes.len() as u64))
}

/// Writes an old GNU header with `n_first` pairs in it, and blocks for the rest.
fn old_gnu(pairs: &[(u64, u64)], size: u64, stored: &[u8]) -> Blocks {
    let field = |number: u64| format!("{number:011o}\0").into_bytes();
    let cells: Vec<u8> =
        pairs.iter().flat_map(|&(start, length)| [field(start), field(length)].concat()).collect();
    let n_first = cells.len().min(4 * 24);
    let mut goes_on = cells[n_first..].chunks(21 * 24).peekable();
    let header = Blocks::default().entry("s", EntryType::GNUSparse, b"", |header| {
        let bytes = header.as_mut_bytes();
        bytes[257..265].copy_from_slice(b"ustar  \0");
        bytes[386..386 + n_first].copy_from_slice(&cells[..n_first]);
        bytes[482] = u8::from(goes_on.peek().is_some());
        bytes[483..495].copy_from_slice(&field(size));
        header.set_size(stored.len() as u64);
    });
    let mut blocks = header.0;
    while let Some(cells) = goes_on.next() {
        let mut block = [0; 512];
        block[..cells.len()].copy_from_slice(cells);
        block[504] = u8::from(goes_on.peek().is_some());
        blocks.extend(block);
    }
    blocks.extend(stored);
    blocks.resize(blocks.len().next_multiple_of(512), 0);
    Blocks(blocks)
}

fn version_0_0() -> Blocks {
    let numbers: Vec<_> =
        pairs().map(|(start, length)| (start.to_string(), length.to_string())).collect();
    let size = SIZE.to_string();
    let mut records = vec![("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.numblocks", b"3")];
    for (start, length) in &numbers {
        records.push(("GNU.sparse.offset", start.as_bytes()));
        records.push(("GNU.sparse.numbytes", length.as_bytes()));
    }
    Blocks::default().pax(&records).file("s", &stored())
}

fn version_0_1() -> Blocks {
    let map: Vec<_> = pairs().map(|(start, length)| format!("{start},{length}")).collect();
    Blocks::default()
        .pax(&[
            ("GNU.sparse.size", SIZE.to_string().as_bytes()),
            ("GNU.sparse.numblocks", b"3"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.map", map.join(",").as_bytes()),
        ])
        .file("GNUSparseFile.1/s", &stored())
}

fn version_1_0(map: &str, stored: &[u8]) -> Blocks {
    let mut content = map.as_bytes().to_vec();
    content.resize(content.len().next_multiple_of(512), 0);
    content.extend(stored);
    Blocks::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.realsize", SIZE.to_string().as_bytes()),
        ])
        .file("GNUSparseFile.1/s", &content)
}

fn map() -> String {
    pairs().fold("3\n".to_owned(), |map, (start, length)| format!("{map}{start}\n{length}\n"))
}

/// The same file in every dialect.
pub(crate) fn dialects() -> [Blocks; 4] {
    let end = (SIZE, 0);
    let pairs: Vec<_> = pairs().chain([end]).collect();
    [version_0_0(), version_0_1(), version_1_0(&map(), &stored()), old_gnu(&pairs, SIZE, &stored())]
}

fn check(dialect: &str, blocks: Blocks, expected: &[u8]) {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    blocks.file("behind", b"1").save(&archive);

    let found = entries(&archive);
    let summary = fixture.restore(&archive, "back");

    assert_eq!(found[0].path, PathBuf::from("s"), "{dialect}");
    assert_eq!((&found[0].kind, found[0].size), (&EntryKind::File, expected.len() as u64));
    assert_eq!((summary.n_entries, summary.skipped), (2, Vec::new()), "{dialect}");
    let restored = fixture.path("back/s");
    assert!(fs::read(&restored).unwrap() == expected, "{dialect}");
    assert!(restored.metadata().unwrap().blocks() < 200, "{dialect}: the holes are filled");
}

#[test]
fn every_dialect_is_restored_with_its_holes() {
    let whole = whole();

    for (blocks, dialect) in dialects().into_iter().zip(["0.0", "0.1", "1.0", "old"]) {
        check(dialect, blocks, &whole);
    }
}

#[test]
fn a_map_may_go_on_for_many_blocks() {
    let pairs: Vec<_> = (0..60).map(|n| (n * 8192, 512)).collect();
    let stored: Vec<u8> = (0..60).flat_map(|n| [n; 512]).collect();
    let mut whole = vec![0; 1 << 20];
    for (part, (start, _)) in stored.chunks(512).zip(&pairs) {
        let start = usize::try_from(*start).unwrap();
        whole[start..start + 512].copy_from_slice(part);
    }
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    old_gnu(&pairs, 1 << 20, &stored).save(&archive);

    fixture.restore(&archive, "back");

    assert!(fs::read(fixture.path("back/s")).unwrap() == whole);
}

#[test]
fn a_file_may_be_one_hole() {
    let nothing = vec![0; usize::try_from(SIZE).unwrap()];

    check("1.0", version_1_0("0\n", b""), &nothing);
    check("1.0", version_1_0(&format!("1\n{SIZE}\n0\n"), b""), &nothing);
    check("old", old_gnu(&[(SIZE, 0)], SIZE, b""), &nothing);
    let size = SIZE.to_string();
    let no_map = Blocks::default().pax(&[("GNU.sparse.size", size.as_bytes())]).file("s", b"");
    check("0.0", no_map, &nothing);
}

#[test]
fn a_map_that_lies_is_damage() {
    let with = |map: &str| version_1_0(map, &stored());
    let cases = [
        old_gnu(&[(0, 5)], 4, b"12345"),
        old_gnu(&[(5, 5), (0, 5)], 99, b"1234567890"),
        old_gnu(&[(0, 5)], 99, b"1234567890"),
        old_gnu(&[(u64::from(u32::MAX), 5)], 99, b"12345"),
        with("1\n0\n"),
        with("nonsense"),
        with("99999999999\n"),
        with(&map().replace("4096", "5000000")),
        with(&map().replace("4096", "-096")),
    ];
    for (case, blocks) in cases.into_iter().enumerate() {
        let fixture = Fixture::new();
        let archive = fixture.path("a.tar");
        blocks.file("behind", b"1").save(&archive);

        let result = verify(&archive, &Cancel::new(), &mut |_| {});

        assert!(matches!(result, Err(ArchiveError::Damaged { .. })), "case {case}: {result:?}");
    }
}

#[test]
fn a_hole_larger_than_the_file_system_takes_is_refused_alone() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let size = (1_u64 << 59).to_string();
    Blocks::default()
        .pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", b"576460752303423487,1")])
        .file("s", b"x")
        .file("behind", b"1")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    // Some file systems take even that, and no space is used either way.
    let is_there = fixture.path("back/s").exists();
    assert_eq!(summary.n_faults(), usize::from(!is_there));
    assert!(fixture.path("back/behind").exists());
}

#[test]
fn an_unknown_dialect_is_named() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    Blocks::default()
        .pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")])
        .file("s", b"who knows")
        .file("behind", b"1")
        .save(&archive);

    let summary = fixture.restore(&archive, "back");

    assert_eq!(summary.skipped.len(), 1);
    assert!(!fixture.path("back/s").exists());
    assert!(fixture.path("back/behind").exists());
}

#[test]
fn our_own_archives_keep_holes_and_every_reader_gets_zeros() {
    let fixture = Fixture::new();
    let sizes = [300 << 10, 40 << 20];
    for (name, size) in ["small", "large"].into_iter().zip(sizes) {
        let file = fs::File::create(fixture.source.join(name)).unwrap();
        file.set_len(size).unwrap();
        for (start, bytes) in [(size / 2, b"middle"), (size - 6, b"at end")] {
            file.write_all_at(bytes, start).unwrap();
        }
    }
    fs::File::create(fixture.source.join("nothing")).unwrap().set_len(5 << 20).unwrap();

    let created = fixture.create();
    assert_eq!(fixture.restore(&created.path, "back").n_faults(), 0);

    for name in ["small", "large", "nothing"] {
        let [old, new] = [fixture.source.join(name), fixture.path("back").join(name)];
        assert!(fs::read(&old).unwrap() == fs::read(&new).unwrap(), "{name}");
        let [old, new] = [old, new].map(|path| fs::metadata(path).unwrap().blocks());
        assert!(new <= old, "{name}: {old} blocks became {new}");
    }
    let file = fs::File::open(&created.path).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut n_bytes = 0;
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type() == EntryType::Regular {
            n_bytes += std::io::copy(&mut entry, &mut std::io::sink()).unwrap();
        }
    }
    assert_eq!(n_bytes, (300 << 10) + (45 << 20));
}

#[test]
fn contents_of_endless_holes_are_compared_by_what_lies_between_them() {
    let fixture = Fixture::new();
    let huge = 1_u64 << 60;
    let archive = |name: &str, pairs: &str, stored: &[u8]| {
        let path = fixture.path(name);
        let (mut content, size) = (format!("{pairs}\n").into_bytes(), huge.to_string());
        content.resize(512, 0);
        content.extend(stored);
        Blocks::default()
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"s"),
                ("GNU.sparse.realsize", size.as_bytes()),
            ])
            .file("GNUSparseFile.0/s", &content)
            .save(&path);
        path
    };
    let nothing = archive("nothing.tar", "0", b"");
    let byte = archive("byte.tar", "1\n4096\n1", b"x");
    let more = archive("more.tar", "2\n4095\n1\n4096\n2", b"\0x\0");
    let other = archive("other.tar", "1\n4097\n1", b"x");

    let n_differences = |first: &Path, second: &Path| {
        diff(first, second, &Cancel::new()).unwrap().differences.len()
    };
    assert_eq!(n_differences(&nothing, &nothing), 0);
    assert_eq!(n_differences(&byte, &more), 0);
    assert_eq!(n_differences(&byte, &other), 1);
    assert_eq!(n_differences(&byte, &nothing), 1);
}

#[test]
fn a_file_of_a_huge_hole_is_compared_with_the_one_on_the_disk() {
    let fixture = Fixture::new();
    let archive = fixture.path("a.tar");
    let size = (1_u64 << 40).to_string();
    Blocks::default()
        .pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", b"500,1")])
        .file("s", b"x")
        .save(&archive);
    if fixture.restore(&archive, "back").n_faults() > 0 {
        // The file system takes no file of this size.
        return;
    }
    let compared = || {
        let root = fixture.path("host");
        let back = fixture.path("back");
        against(&archive, &back, &root, &Cancel::new()).unwrap().differences
    };
    let same = compared();
    let file = fs::File::options().write(true).open(fixture.path("back/s")).unwrap();
    file.write_all_at(b"y", 1 << 39).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();

    assert_eq!(same.len(), 0);
    let changed = compared().remove(Path::new("s"));
    let Some(Difference::Changed(what)) = changed else { panic!("{changed:?}") };
    assert!(what.contains(&"content"), "{what:?}");
}
