//! Archives that take what they lost from others.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{
        Archive, CreateOptions, Keys, Recipients, RestoreOptions, RestoreSummary, restore, survey,
        verify,
    },
    cancel::Cancel,
    clock::FixedClock,
    kind::{HasKind, Kind},
    secret::Secret,
};
use rustix::fs::rename;
use time::Duration;

use crate::archive::{
    damage::{damage, length, noise},
    fixture::{Fixture, LATER, restore_options, snapshot, write},
};

// Made with `age-keygen` for these tests.
const RECIPIENT: &str = "age1cg9jwuaz9s45plxj8m6l5hcc0m5qqcwfudwg4zal3thex3ke2e2s5dgzj5";
const IDENTITY: &str = "AGE-SECRET-KEY-1VWXSKTJFSXKFFKRRFYHUEGWKWU44DRMRER4KPCTLHMMP4MSXRUMSRGYXSL";

/// A source of small files in a few segments, and a large one.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.clock = FixedClock(LATER);
    for n in 0..40_u64 {
        fixture.write(&format!("d/{n:02}"), &noise(60_000, n));
    }
    fixture.write("large", &noise(2_500_000, 99));
    fixture
}

/// Makes an archive that copies nothing, a day after the one before.
fn create(fixture: &mut Fixture) -> PathBuf {
    fixture.clock = FixedClock(fixture.clock.0 + Duration::days(1));
    fixture.create_with(&CreateOptions { reuse: false, ..fixture.options() }).unwrap().path
}

fn heal(archive: Archive<'_>, from: &Path, to: &Path) -> RestoreSummary {
    let options = RestoreOptions { archive, heal: Some(from), ..restore_options(archive.path, to) };
    restore(&options, &Cancel::new(), &mut |_| {}).unwrap()
}

#[test]
fn what_a_neighbour_holds_is_not_lost() {
    let mut fixture = fixture();
    let first = create(&mut fixture);
    let second = create(&mut fixture);
    write(&fixture.dest.join("notes"), b"no archive");
    let sound = fs::read(&first).unwrap();

    for (n, at) in (1..8).map(|n| sound.len() * n / 8).enumerate() {
        write(&first, &sound);
        damage(&first, at);
        let folder = fixture.path(&format!("back{n}"));
        let summary = heal((&first).into(), &fixture.dest, &folder);
        let surveyed = survey(&first, Some(&fixture.dest), &Cancel::new(), &mut |_| {}).unwrap();

        assert_eq!((summary.n_lost, summary.damage, summary.skipped), (0, None, Vec::new()));
        assert_eq!(summary.healed.len(), 1);
        assert_eq!((&summary.healed[0].archive, summary.healed[0].n_segments), (&second, 1));
        assert_eq!(snapshot(&folder), snapshot(&fixture.source), "{at}");
        assert_eq!((surveyed.n_lost, surveyed.healed), (0, summary.healed));
        // The archive itself stays damaged.
        assert!(verify(&first, &Cancel::new(), &mut |_| {}).is_err());
    }
}

#[test]
fn entries_that_did_not_change_are_healed_where_their_segment_did() {
    let mut fixture = fixture();
    let first = create(&mut fixture);
    // Another file in each segment of small ones, and none that is gone.
    let changed = ["d/03", "d/20", "d/37"];
    for n in [3, 20, 37] {
        fixture.write(&format!("d/{n:02}"), &noise(50_000, 1000 + n));
    }
    let second = create(&mut fixture);
    let sound = fs::read(&second).unwrap();
    let mut n_healed = 0;

    for n in 1..12 {
        write(&second, &sound);
        damage(&second, sound.len() * n / 12);
        let folder = fixture.path(&format!("back{n}"));
        let summary = heal((&second).into(), &fixture.dest, &folder);

        // What is new is nowhere else.
        let lost: Vec<_> = summary.skipped.iter().map(|one| one.path.clone()).collect();
        assert!(lost.iter().all(|path| changed.contains(&path.to_str().unwrap())), "{lost:?}");
        assert_eq!(summary.damage.is_some(), !lost.is_empty());
        let mut expected = snapshot(&fixture.source);
        expected.retain(|(path, _)| !lost.contains(path));
        assert_eq!(snapshot(&folder), expected);
        assert!(summary.healed.iter().all(|healed| healed.archive == first));
        n_healed += usize::from(!lost.is_empty() && !summary.healed.is_empty());
    }
    assert!(n_healed > 0, "no segment with a new file was healed for its other files");
}

#[test]
fn what_was_renamed_or_touched_since_is_healed_by_its_content() {
    let mut fixture = fixture();
    let first = create(&mut fixture);
    let original = snapshot(&fixture.source);
    for n in 0..40 {
        let path = fixture.source.join(format!("d/{n:02}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if n % 2 == 0 {
            rename(&path, fixture.source.join(format!("d/new {n}"))).unwrap();
        }
    }
    fs::set_permissions(fixture.source.join("large"), fs::Permissions::from_mode(0o600)).unwrap();
    let second = create(&mut fixture);
    let sound = fs::read(&first).unwrap();

    for n in 1..12 {
        write(&first, &sound);
        damage(&first, sound.len() * n / 12);
        let folder = fixture.path(&format!("back{n}"));
        let summary = heal((&first).into(), &fixture.dest, &folder);

        assert_eq!((summary.n_lost, summary.damage, summary.skipped), (0, None, Vec::new()));
        assert_eq!(snapshot(&folder), original, "{n}");
        assert_eq!(summary.healed[0].archive, second);
    }
}

#[test]
fn a_neighbour_that_is_damaged_in_the_same_place_heals_nothing_and_harms_nothing() {
    let mut fixture = fixture();
    let first = create(&mut fixture);
    let second = create(&mut fixture);
    let at = length(&first) / 2;
    damage(&first, at);
    damage(&second, at);

    let summary = heal((&first).into(), &fixture.dest, &fixture.path("back"));
    let missing = survey(&first, Some(&fixture.path("nowhere")), &Cancel::new(), &mut |_| {});

    assert!(summary.n_lost > 0 && summary.damage.is_some() && summary.healed.is_empty());
    assert_eq!(missing.unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn an_encrypted_neighbour_heals_where_its_key_is_at_hand() {
    let mut fixture = fixture();
    let first = create(&mut fixture);
    let mut recipients = Recipients::default();
    recipients.add(RECIPIENT).unwrap();
    fixture.clock = FixedClock(fixture.clock.0 + Duration::days(1));
    let options =
        CreateOptions { reuse: false, encryption: Some(&recipients), ..fixture.options() };
    let second = fixture.create_with(&options).unwrap().path;
    damage(&first, length(&first) / 2);
    let mut keys = Keys::none();
    keys.add_identity(&Secret::new(IDENTITY)).unwrap();

    let without = heal((&first).into(), &fixture.dest, &fixture.path("without"));
    let with = heal(Archive { path: &first, keys: &keys }, &fixture.dest, &fixture.path("with"));

    assert!(without.n_lost > 0);
    assert_eq!((with.n_lost, with.damage), (0, None));
    assert_eq!(with.healed[0].archive, second);
    assert_eq!(snapshot(&fixture.path("with")), snapshot(&fixture.source));
}
