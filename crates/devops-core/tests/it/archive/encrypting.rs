//! Archives that only their recipients can read.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use devops_core::{
    archive::{
        Archive, ArchiveError, CreateEvent, CreateOptions, Created, Decision, InvalidKey, Keys,
        Recipients, RestoreOptions, ReuseCache, cat, create_in_folder, create_to_writer, diff,
        restore, verify, verify_sample,
    },
    cancel::Cancel,
    clock::FixedClock,
    kind::{HasKind, Kind},
    retention::KeepPolicy,
    secret::Secret,
};
use time::{Duration, OffsetDateTime, macros::datetime};

use crate::archive::fixture::{Fixture, backup, names, restore_options, snapshot, write};

// Made with `age-keygen` for these tests.
const RECIPIENT: &str = "age1cg9jwuaz9s45plxj8m6l5hcc0m5qqcwfudwg4zal3thex3ke2e2s5dgzj5";
pub(crate) const IDENTITY: &str =
    "AGE-SECRET-KEY-1VWXSKTJFSXKFFKRRFYHUEGWKWU44DRMRER4KPCTLHMMP4MSXRUMSRGYXSL";
const OTHER: &str = "AGE-SECRET-KEY-1QTX848ZXWQFMKJNUZADRN86GNFUYD5576L07HVQFXZ5VF0C2WPRSH3EZZZ";

/// Long after every file of these tests changed, as the files see it.
const LATER: OffsetDateTime = datetime!(2400-01-01 03:00 UTC);

pub(crate) fn recipients() -> Recipients {
    let mut recipients = Recipients::default();
    recipients.add(RECIPIENT).unwrap();
    recipients
}

pub(crate) fn keys(identity: &str) -> Keys {
    let mut keys = Keys::none();
    keys.add_identity(&Secret::new(identity)).unwrap();
    keys
}

/// A source with some small files, one of many segments, and a second name.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.clock = FixedClock(LATER);
    fixture.write("a/small", b"small");
    fixture.write("a/empty", b"");
    let large: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 9).to_le_bytes()[0]).collect();
    fixture.write("large", &large);
    fs::hard_link(fixture.source.join("large"), fixture.source.join("again")).unwrap();
    fixture
}

fn create(fixture: &Fixture, folder: Option<&Path>) -> Created {
    let recipients = recipients();
    let copies = folder.map(|folder| ReuseCache { folder, keep: true });
    let encryption = Some(&recipients);
    fixture.create_with(&CreateOptions { encryption, copies, ..fixture.options() }).unwrap()
}

#[test]
fn what_is_encrypted_comes_back_to_its_recipient() {
    let fixture = fixture();
    let created = create(&fixture, None);
    assert!(created.path.ends_with("backup-2400-01-01.tar.gz.age"));
    assert_eq!(created.summary.bytes_out, fs::metadata(&created.path).unwrap().len());
    let keys = keys(IDENTITY);
    let archive = Archive { path: &created.path, keys: &keys };

    let verified = verify(archive, &Cancel::new(), &mut |_| {}).unwrap();
    let sampled = verify_sample(archive, 1.0, &Cancel::new()).unwrap().unwrap();
    let folder = fixture.path("back");
    let options = RestoreOptions { archive, ..restore_options(&created.path, &folder) };
    let restored = restore(&options, &Cancel::new(), &mut |_| {}).unwrap();
    let mut content = Vec::new();
    cat(archive, Path::new("again"), &Cancel::new(), &mut content).unwrap();

    assert_eq!((verified.n_entries, restored.n_entries), (6, 6));
    assert_eq!(sampled.n_segments, sampled.n_of);
    assert_eq!(content, fs::read(fixture.source.join("large")).unwrap());
    assert_eq!(snapshot(&folder), snapshot(&fixture.source));
}

#[test]
fn nobody_else_reads_it() {
    let fixture = fixture();
    let created = create(&fixture, None);
    let with = |keys: &Keys| {
        let archive = Archive { path: &created.path, keys };
        verify(archive, &Cancel::new(), &mut |_| {}).unwrap_err()
    };
    let mut passphrase = Keys::none();
    passphrase.add_passphrase(&"wrong".into()).unwrap();

    for keys in [Keys::none(), keys(OTHER), passphrase] {
        let error = with(&keys);
        assert!(matches!(error, ArchiveError::Encrypted { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Permission);
    }
    let plain = fs::read(fixture.create().path).unwrap();
    let sealed = fs::read(&created.path).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    let of =
        |bytes: &[u8]| bytes.windows(16).step_by(1).map(<[u8]>::to_vec).collect::<HashSet<_>>();
    assert!(of(&plain[..100_000]).is_disjoint(&of(&sealed[..110_000])));
}

#[test]
fn a_passphrase_opens_what_it_closed() {
    let fixture = Fixture::new();
    fixture.write("file", b"content");
    let secret = Secret::new("correct horse");
    let recipients = Recipients::passphrase(&secret).unwrap();
    let options = CreateOptions { encryption: Some(&recipients), ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();
    let mut keys = Keys::none();
    keys.add_passphrase(&secret).unwrap();

    let verified =
        verify(Archive { path: &created.path, keys: &keys }, &Cancel::new(), &mut |_| {});

    assert_eq!(verified.unwrap().n_bytes, 7);
}

#[test]
fn every_changed_or_missing_byte_is_found() {
    let fixture = fixture();
    let created = create(&fixture, None);
    let keys = keys(IDENTITY);
    let sound = fs::read(&created.path).unwrap();
    let copy = fixture.path("copy");
    let verified = |bytes: &[u8]| {
        write(&copy, bytes);
        verify(Archive { path: &copy, keys: &keys }, &Cancel::new(), &mut |_| {})
    };
    verified(&sound).unwrap();

    for at in (0..sound.len()).step_by(sound.len() / 40).chain([sound.len() - 1]) {
        let mut broken = sound.clone();
        broken[at] ^= 4;
        let error = verified(&broken).unwrap_err();
        assert!(
            matches!(
                error,
                ArchiveError::Damaged { .. }
                    | ArchiveError::Encrypted { .. }
                    | ArchiveError::NotAnArchive { .. }
            ),
            "{at}: {error}"
        );
        assert!(verified(&sound[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn one_bad_chunk_costs_no_other() {
    let mut fixture = Fixture::new();
    fixture.clock = FixedClock(LATER);
    // Hashes do not compress: the index takes several chunks.
    for n in 0..6000 {
        fixture.write(&format!("folder-{}/file-{n}", n % 7), n.to_string().as_bytes());
    }
    let created = create(&fixture, None);
    let keys = keys(IDENTITY);
    let archive = Archive { path: &created.path, keys: &keys };
    let sound = fs::read(&created.path).unwrap();
    let flip = |at: usize| {
        let mut broken = sound.clone();
        broken[at] ^= 1;
        write(&created.path, &broken);
    };

    // In the index: the tar is whole, and found by reading it.
    flip(sound.len() - 80_000);
    let verified = verify(archive, &Cancel::new(), &mut |_| {}).unwrap();
    assert_eq!(verified.n_entries, 6008);
    assert!(!verified.notes.is_empty());

    // In the first chunk: damage, which stops no pruning.
    flip(1000);
    let error = verify(archive, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    let policy = KeepPolicy { last: 1, ..KeepPolicy::default() };
    let plan = fixture.plan(&policy, &keys, LATER, |_| {});
    assert!(matches!(plan.candidates[0].decision, Decision::Uncounted(_)));

    // In the checksum of the header, which the right key finds.
    let header = sound.windows(4).position(|window| window == b"--- ").unwrap();
    flip(header + 10);
    let error = verify(archive, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
}

#[test]
fn a_cut_or_damaged_archive_gives_back_what_is_left() {
    let fixture = fixture();
    let created = create(&fixture, None);
    let keys = keys(IDENTITY);
    let archive = Archive { path: &created.path, keys: &keys };
    let sound = fs::read(&created.path).unwrap();
    let restored = |to: &str| {
        let folder = fixture.path(to);
        let options = RestoreOptions { archive, ..restore_options(&created.path, &folder) };
        restore(&options, &Cancel::new(), &mut |_| {}).unwrap()
    };

    write(&created.path, &sound[..sound.len() / 2]);
    let cut = restored("cut");
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    write(&created.path, &flipped);
    let damaged = restored("damaged");

    for (summary, to) in [(cut, "cut"), (damaged, "damaged")] {
        assert!(summary.damage.is_some() && summary.n_lost > 0);
        assert_eq!(fs::read(fixture.path(to).join("a/small")).unwrap(), b"small");
        assert!(!fixture.path(to).join("large").exists());
    }
}

#[test]
fn an_unchanged_source_is_copied_from_the_cache() {
    let mut fixture = fixture();
    let cache = fixture.path("cache");
    let first = create(&fixture, Some(&cache));
    fixture.clock = FixedClock(LATER + Duration::days(1));
    fixture.write("b", b"new");

    let second = create(&fixture, Some(&cache));

    assert_eq!(first.summary.bytes_reused, 0);
    assert!(second.summary.bytes_reused > 2_900_000, "{}", second.summary.bytes_reused);
    let [copy] = <[String; 1]>::try_from(names(&cache)).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&cache.join(&copy))), (0o700, 0o600));
    let keys = keys(IDENTITY);
    let sealed = Archive { path: &second.path, keys: &keys };
    let difference = diff(sealed, &cache.join(copy), &Cancel::new()).unwrap();
    assert!(difference.differences.is_empty());
}

#[test]
fn a_damaged_cache_is_named_and_not_copied_from() {
    let mut fixture = fixture();
    let cache = fixture.path("cache");
    create(&fixture, Some(&cache));
    let copy = cache.join(names(&cache).pop().unwrap());
    let file = fs::OpenOptions::new().write(true).open(&copy).unwrap();
    file.write_all_at(b"rot", file.metadata().unwrap().len() / 2).unwrap();
    fixture.clock = FixedClock(LATER + Duration::days(1));
    let recipients = recipients();
    let copies = Some(ReuseCache { folder: &cache, keep: true });
    let options = CreateOptions { encryption: Some(&recipients), copies, ..fixture.options() };
    let mut damaged = Vec::new();

    let created =
        create_in_folder(&options, &fixture.dest, &backup(), &Cancel::new(), &mut |event| {
            if let CreateEvent::Damaged(path) = event {
                damaged.push(path.to_owned());
            }
        })
        .unwrap();

    assert_eq!(damaged, [copy]);
    let keys = keys(IDENTITY);
    verify(Archive { path: &created.path, keys: &keys }, &Cancel::new(), &mut |_| {}).unwrap();
}

#[test]
fn a_cache_that_cannot_be_written_stops_nothing() {
    let fixture = fixture();
    let cache = fixture.write("../no-folder", b"");
    let recipients = recipients();
    let copies = Some(ReuseCache { folder: &cache, keep: true });
    let options = CreateOptions { encryption: Some(&recipients), copies, ..fixture.options() };
    let mut n_uncached = 0;

    let created =
        create_in_folder(&options, &fixture.dest, &backup(), &Cancel::new(), &mut |event| {
            n_uncached += u32::from(matches!(event, CreateEvent::Uncached(_)));
        })
        .unwrap();

    assert_eq!(n_uncached, 1);
    let keys = keys(IDENTITY);
    verify(Archive { path: &created.path, keys: &keys }, &Cancel::new(), &mut |_| {}).unwrap();
}

#[test]
fn a_folder_in_the_hands_of_others_is_no_cache() {
    let mut fixture = fixture();
    let open = fixture.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let cache = open.join("cache");

    let created = create(&fixture, Some(&cache));

    assert!(!cache.exists());
    let keys = keys(IDENTITY);
    verify(Archive { path: &created.path, keys: &keys }, &Cancel::new(), &mut |_| {}).unwrap();

    // Nor is what somebody there leads to.
    let elsewhere = fixture.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&elsewhere, &cache).unwrap();
    fixture.clock = FixedClock(LATER + Duration::days(1));

    create(&fixture, Some(&cache));

    assert_eq!(names(&elsewhere), [""; 0]);
    assert_eq!(elsewhere.metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn an_unwanted_copy_is_removed() {
    let mut fixture = fixture();
    let cache = fixture.path("cache");
    create(&fixture, Some(&cache));
    assert_eq!(names(&cache).len(), 1);
    fixture.clock = FixedClock(LATER + Duration::days(1));
    let recipients = recipients();
    let copies = Some(ReuseCache { folder: &cache, keep: false });
    let options = CreateOptions { encryption: Some(&recipients), copies, ..fixture.options() };

    let created = fixture.create_with(&options).unwrap();

    assert_eq!(names(&cache), [""; 0]);
    assert_eq!(created.summary.bytes_reused, 0);
}

#[test]
fn an_encrypted_archive_takes_no_name_of_a_plain_one() {
    let mut fixture = Fixture::new();
    fixture.clock = FixedClock(LATER);
    let plain = fixture.create().path;

    let sealed = create(&fixture, None).path;

    assert!(plain.ends_with("backup-2400-01-01.tar.gz"));
    assert!(sealed.ends_with("backup-2400-01-01T03-00-00.tar.gz.age"), "{}", sealed.display());
}

#[test]
fn a_cache_in_the_source_stays_out_of_the_archive() {
    let mut fixture = fixture();
    let cache = fixture.source.join(".cache");
    create(&fixture, Some(&cache));
    fixture.clock = FixedClock(LATER + Duration::days(1));

    let second = create(&fixture, Some(&cache));

    // The six of the fixture, and the empty folder.
    assert_eq!(second.summary.n_entries, 7);
}

#[test]
fn a_stream_is_encrypted_too() {
    let fixture = fixture();
    let recipients = recipients();
    let options = CreateOptions { encryption: Some(&recipients), ..fixture.options() };
    let mut stream = Vec::new();

    create_to_writer(&options, &mut stream, None, &Cancel::new(), &mut |_| {}).unwrap();

    let path = fixture.path("stream");
    write(&path, &stream);
    let keys = keys(IDENTITY);
    let verified = verify(Archive { path: &path, keys: &keys }, &Cancel::new(), &mut |_| {});
    assert_eq!(verified.unwrap().n_entries, 6);
}

#[test]
fn encrypted_archives_are_pruned_by_their_names() {
    let mut fixture = fixture();
    for day in (0..3).rev() {
        fixture.clock = FixedClock(LATER - Duration::days(day));
        create(&fixture, None);
    }
    let policy = KeepPolicy { last: 1, ..KeepPolicy::default() };
    let removed = |keys: &Keys| -> Vec<PathBuf> {
        let plan = fixture.plan(&policy, keys, LATER, |_| {});
        assert!(plan.candidates.iter().all(|one| one.is_encrypted == one.origin.is_none()));
        plan.removed().map(|candidate| candidate.path.clone()).collect()
    };

    let expected = ["backup-2399-12-31.tar.gz.age", "backup-2399-12-30.tar.gz.age"];
    let expected = expected.map(|name| fixture.dest.join(name));
    assert_eq!(removed(&Keys::none()), expected);
    assert_eq!(removed(&keys(IDENTITY)), expected);
}

/// Returns the names of the archives that count for no rule, and of those that go.
fn judged(fixture: &Fixture, accept_small: bool) -> [Vec<String>; 2] {
    let policy = KeepPolicy { last: 3, ..KeepPolicy::default() };
    let plan =
        fixture.plan(&policy, &Keys::none(), LATER, |options| options.accept_small = accept_small);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut uncounted: Vec<_> = plan.uncounted().map(|(one, _)| name(&one.path)).collect();
    uncounted.sort();
    [uncounted, plan.removed().map(|one| name(&one.path)).collect()]
}

#[test]
fn what_has_not_the_shape_of_an_encrypted_archive_counts_for_nothing() {
    let mut fixture = fixture();
    for day in 11..14 {
        fixture.clock = FixedClock(LATER - Duration::days(day));
        create(&fixture, None);
    }
    let whole = fs::read(create(&fixture, None).path).unwrap();
    let header = whole.windows(5).position(|window| window == b"\n--- ").unwrap();
    let header =
        header + 1 + whole[header + 1..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
    // The places of a cut: in the header, in the nonce, and in and between the chunks behind it.
    let chunk = (64 << 10) + 16;
    let cuts = [22, 60, header - 1, header, header + 16, header + 32, header + 16 + chunk + 16];
    let mut wanted = Vec::new();
    for (day, cut) in (1..).zip(cuts) {
        let name = format!("backup-2399-12-{:02}.tar.gz.age", 31 - day);
        write(&fixture.dest.join(&name), &whole[..cut]);
        wanted.push(name);
    }
    wanted.sort();

    // The fourth of the whole ones is the second of its day.
    let gone = vec!["backup-2399-12-19.tar.gz.age".to_owned()];
    assert_eq!(judged(&fixture, true), [wanted.clone(), gone.clone()]);
    assert_eq!(judged(&fixture, false), [wanted, gone]);
}

#[test]
fn small_files_for_another_key_count_for_nothing_unless_that_is_asked_for() {
    let mut fixture = fixture();
    for day in [29, 28, 27] {
        fixture.clock = FixedClock(LATER - Duration::days(day));
        create(&fixture, None);
    }
    let other = Fixture::new();
    let small = fs::read(create(&other, None).path).unwrap();
    let names: Vec<_> = (28..=30).map(|day| format!("backup-2399-12-{day}.tar.gz.age")).collect();
    for name in &names {
        write(&fixture.dest.join(name), &small);
    }

    let [uncounted, gone] = judged(&fixture, false);
    assert_eq!((uncounted, gone.len()), (names, 0));
    let [uncounted, gone] = judged(&fixture, true);
    assert_eq!((uncounted.len(), gone.len()), (0, 3));
}

#[test]
fn without_a_plain_copy_an_encrypted_archive_reads_everything_and_says_why() {
    let fixture = fixture();
    let recipients = recipients();
    let options = CreateOptions { encryption: Some(&recipients), ..fixture.options() };
    let run = |options: &CreateOptions<'_>| {
        let mut told = Vec::new();
        let created =
            create_in_folder(options, &fixture.dest, &backup(), &Cancel::new(), &mut |event| {
                if let CreateEvent::NotReused(path, reason) = event {
                    told.push((path.to_owned(), reason.to_owned()));
                }
            })
            .unwrap();
        (created, told)
    };
    let (first, nothing_before) = run(&options);
    assert!(nothing_before.is_empty());

    let (second, told) = run(&options);
    let (_, untold) = run(&CreateOptions { reuse: false, ..options.clone() });

    assert_eq!(second.summary.bytes_reused, 0);
    let [(path, reason)] = <[_; 1]>::try_from(told).unwrap();
    assert_eq!(path, first.path);
    assert!(reason.contains("no plain copy was kept"), "{reason}");
    assert!(untold.is_empty());
}

#[test]
fn what_is_no_key_is_refused_without_being_shown() {
    let mut recipients = Recipients::default();
    let mut keys = Keys::none();

    assert_eq!(recipients.add("age1nonsense"), Err(InvalidKey::Recipient));
    assert_eq!(recipients.add(IDENTITY), Err(InvalidKey::SecretRecipient));
    assert_eq!(keys.add_identity(&RECIPIENT.into()), Err(InvalidKey::Identity));
    assert_eq!(keys.add_passphrase(&"".into()), Err(InvalidKey::EmptyPassphrase));
    assert!(recipients.is_empty());
    let shown =
        format!("{recipients:?} {:?} {}", self::keys(IDENTITY), InvalidKey::SecretRecipient);
    assert!(!shown.contains("VWXSK"));
}
