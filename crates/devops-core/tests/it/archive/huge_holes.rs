//! Files of huge holes: they cost what lies between the holes.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    process::Command,
};

use devops_core::{
    archive::{
        CreateOptions, Created, EntryKind, Reproducible, RestoreOptions, against, diff, restore,
        verify,
    },
    cancel::Cancel,
    clock::FixedClock,
};
use time::Duration;

use crate::archive::{
    damage::{damage, length},
    fixture::{Fixture, LATER, entries, restore_options},
};

const SIZE: u64 = 1 << 40;
/// Where bytes are: at the start, across a block, across two slices, far behind, at the end.
const PLACES: [(u64, usize); 5] =
    [(0, 10), (65_530, 700), (1 << 30, 3 << 20), (SIZE / 2, 5), (SIZE - 3, 3)];

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|n| (n % 251).to_le_bytes()[0] | 1).collect()
}

/// Makes a file of bytes between holes and one that is all hole; returns whether the file system takes them.
fn make(folder: &Path) -> bool {
    let file = File::create(folder.join("d/huge")).unwrap();
    let is_taken = file.set_len(SIZE).is_ok();
    for (at, n) in PLACES.into_iter().filter(|_| is_taken) {
        file.write_all_at(&bytes(n), at).unwrap();
    }
    is_taken && File::create(folder.join("hole")).unwrap().set_len(SIZE + 5).is_ok()
}

fn fixture() -> Option<Fixture> {
    let fixture = Fixture::new();
    fixture.write("d/before", b"1");
    fixture.write("z", b"behind");
    make(&fixture.source).then_some(fixture)
}

fn run(fixture: &Fixture, day: i64) -> Created {
    let clock = FixedClock(LATER + Duration::days(day));
    let options = CreateOptions { clock: &clock, ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();
    verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    created
}

fn check(folder: &Path) {
    let (huge, hole) = (folder.join("d/huge"), folder.join("hole"));
    let file = File::open(&huge).unwrap();
    for (at, n) in PLACES {
        let mut found = vec![0; n];
        file.read_exact_at(&mut found, at).unwrap();
        assert!(found == bytes(n), "{at}");
    }
    let mut found = [1; 1000];
    file.read_exact_at(&mut found, (1 << 30) + (3 << 20)).unwrap();
    assert_eq!(found, [0; 1000]);
    let sizes = [&huge, &hole].map(|path| fs::metadata(path).unwrap().size());
    assert_eq!(sizes, [SIZE, SIZE + 5]);
    let n_blocks: u64 =
        [&huge, &hole].map(|path| fs::metadata(path).unwrap().blocks()).iter().sum();
    assert!(n_blocks < (16 << 20) / 512, "{n_blocks} blocks");
    assert_eq!(fs::read(folder.join("z")).unwrap(), b"behind");
}

#[test]
fn an_archive_holds_what_lies_between_the_holes() {
    let Some(fixture) = fixture() else { return };

    let created = run(&fixture, 0);
    let summary = fixture.restore(&created.path, "back");

    assert_eq!(summary.n_faults(), 0, "{:?}", summary.skipped);
    check(&fixture.path("back"));
    assert!(length(&created.path) < 100_000, "{}", length(&created.path));
    let root = fixture.path("host");
    let compared = against(&created.path, &fixture.source, &root, &Cancel::new()).unwrap();
    assert_eq!(compared.differences.len(), 0, "{:?}", compared.differences);
    let sizes: Vec<_> = entries(&created.path)
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .map(|entry| entry.size)
        .collect();
    assert_eq!(sizes, [1, SIZE, SIZE + 5, 6]);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "an outside reader says whether we are right")]
fn gnu_tar_restores_it() {
    let Some(fixture) = fixture() else { return };
    let created = run(&fixture, 0);
    let folder = fixture.path("by tar");
    fs::create_dir(&folder).unwrap();

    let mut tar = Command::new("tar");
    let output = tar.arg("-xzf").arg(&created.path).arg("-C").arg(&folder).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(&folder);
}

#[test]
fn the_next_archive_copies_it_and_reads_it_again_once_it_changed() {
    let Some(fixture) = fixture() else { return };
    let first = run(&fixture, 0);
    let second = run(&fixture, 1);
    let file = File::options().write(true).open(fixture.source.join("d/huge")).unwrap();
    file.write_all_at(b"new", SIZE / 4).unwrap();
    let third = run(&fixture, 2);

    assert_eq!(second.summary.bytes_reused, second.summary.bytes_in);
    assert_eq!(second.summary.bytes_in, 2 * SIZE + 5 + 7);
    let differences =
        |first, second| diff(first, second, &Cancel::new()).unwrap().differences.into_keys();
    let (first, second, third) = (&first.path, &second.path, &third.path);
    assert_eq!(differences(first, second).count(), 0);
    assert_eq!(differences(second, third).collect::<Vec<_>>(), [Path::new("d/huge")]);
    assert_eq!(fixture.restore(second, "back").n_faults(), 0);
    check(&fixture.path("back"));
    fixture.restore(third, "new");
    check(&fixture.path("new"));
    let mut found = [0; 3];
    File::open(fixture.path("new/d/huge")).unwrap().read_exact_at(&mut found, SIZE / 4).unwrap();
    assert_eq!(found, *b"new");
}

#[test]
fn damage_to_it_is_healed_from_another_archive() {
    let Some(fixture) = fixture() else { return };
    let first = run(&fixture, 0);
    // Another segment holds its header there.
    fixture.write("d/beside", b"2");
    run(&fixture, 1);
    damage(&first.path, length(&first.path) / 4);

    let lossy = fixture.restore(&first.path, "lossy");
    let folder = fixture.path("back");
    let heal = Some(fixture.dest.as_path());
    let options = RestoreOptions { heal, ..restore_options(&first.path, &folder) };
    let healed = restore(&options, &Cancel::new(), &mut |_| {}).unwrap();

    assert!(lossy.n_lost > 0);
    assert_eq!((healed.n_lost, healed.skipped), (0, Vec::new()));
    check(&folder);
}

#[test]
fn a_reproducible_archive_does_not_depend_on_holes() {
    let fixture = Fixture::new();
    let size = (1 << 30) + (1 << 20);
    let path = fixture.source.join("holes");
    File::create(&path).unwrap().set_len(size).unwrap();
    let reproducible = Some(Reproducible { latest_mtime: None });

    let created =
        fixture.create_with(&CreateOptions { reproducible, ..fixture.options() }).unwrap();

    assert_eq!(entries(&created.path).last().map(|entry| entry.extents.is_none()), Some(true));
}
