//! Pruning the archives of a store.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use devops_core::{
    archive::{CreateOptions, Reproducible, create_to_writer},
    cancel::Cancel,
    clock::FixedClock,
    kind::{HasKind, Kind},
    offsite::{
        ObjectDecision, OffsitePlan, PruneError, PruneOutcome, PruneRequest, StoredArchive,
        lock_kept, plan_prune, remove_pruned,
    },
    retention::KeepPolicy,
    s3::{RetentionMode, S3Error},
};
use time::{OffsetDateTime, macros::datetime};

use crate::archive::fixture::create_options;
use crate::s3::test_store::{TestStore, uri};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);
const AN_HOUR: Duration = Duration::from_hours(1);

/// Returns an archive of this day and that host, and of a folder that no other one is of.
fn archive(host: &str, day: u8) -> Vec<u8> {
    let source = tempfile::tempdir().unwrap();
    archive_of(source.path(), host, day)
}

fn archive_of(source: &Path, host: &str, day: u8) -> Vec<u8> {
    archive_with(source, host, day, None)
}

/// Returns an archive that does not say where it came from, with so many bytes of content.
fn reproducible(n_bytes: usize) -> Vec<u8> {
    let source = tempfile::tempdir().unwrap();
    let mut content = vec![0; n_bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    File::create(source.path().join("a")).unwrap().write_all(&content).unwrap();
    archive_with(source.path(), "", 1, Some(Reproducible { latest_mtime: None }))
}

fn archive_with(source: &Path, host: &str, day: u8, reproducible: Option<Reproducible>) -> Vec<u8> {
    let clock = FixedClock(NOW.replace_day(day).unwrap());
    let options = CreateOptions {
        host,
        n_threads: 1,
        reuse: false,
        reproducible,
        ..create_options(source, &clock)
    };
    let mut bytes = Vec::new();
    create_to_writer(&options, &mut bytes, None, &Cancel::new(), &mut |_| {}).unwrap();
    bytes
}

pub(crate) fn key(day: u8) -> String {
    format!("daily/backup-2026-11-{day:02}.tar.gz")
}

/// A rig with archives of one source.
fn rig_with(days: impl IntoIterator<Item = u8>) -> TestStore {
    let test_store = TestStore::new();
    days.into_iter().for_each(|day| test_store.server.put("backups", &key(day), ours(day)));
    test_store
}

/// Returns the archive of a day in a series of one source.
pub(crate) fn ours(day: u8) -> &'static [u8] {
    static SERIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let source = tempfile::tempdir().unwrap();
        (1..=30).map(|day| archive_of(source.path(), "web-1", day)).collect()
    });
    &SERIES[usize::from(day) - 1]
}

/// Returns what another tool would have made.
fn foreign(n_bytes: u32) -> Vec<u8> {
    let bytes: Vec<u8> =
        (0..n_bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&bytes).unwrap();
    packed.finish().unwrap()
}

/// Returns what age would have made of so many bytes: all that can be told without the key.
fn sealed(n_recipients: usize, n_bytes: usize) -> Vec<u8> {
    let stanza = format!("-> X25519 {}\n{}\n", "A".repeat(43), "B".repeat(43));
    let header =
        format!("age-encryption.org/v1\n{}--- {}\n", stanza.repeat(n_recipients), "C".repeat(43));
    let n_chunks = n_bytes.div_ceil(64 << 10);
    let mut bytes = header.into_bytes();
    bytes.resize(bytes.len() + 16 + n_bytes + 16 * n_chunks, 7);
    bytes
}

pub(crate) fn last(n: u32) -> PruneRequest {
    PruneRequest {
        host: None,
        folder: uri("daily/"),
        name: "backup".parse().unwrap(),
        policy: KeepPolicy { last: n, ..KeepPolicy::default() },
        now: NOW,
        versions: false,
        lock: None,
        accept_small: false,
        state: None,
        remembers: false,
    }
}

fn plan(test_store: &TestStore, request: &PruneRequest) -> Result<OffsitePlan, PruneError> {
    test_store.run(async |context| plan_prune(context, request).await)
}

/// Carries a plan out; returns a word for each archive, in order.
fn carry_out(
    test_store: &TestStore,
    plan: &OffsitePlan,
) -> Result<Vec<(String, &'static str)>, S3Error> {
    let mut words = Vec::new();
    let result = test_store.run(async |context| {
        remove_pruned(context, plan, &mut |archive, outcome| {
            let word = match outcome {
                PruneOutcome::Removed => "removed",
                PruneOutcome::Hidden => "hidden",
                PruneOutcome::Replaced => "replaced",
                PruneOutcome::Locked(_) => "locked",
                PruneOutcome::Denied(_) => "denied",
                PruneOutcome::Failed(_) => "failed",
            };
            words.push((archive.uri.key.clone(), word));
        })
        .await
    });
    result.map(|()| words)
}

fn removed(plan: &OffsitePlan) -> Vec<&str> {
    plan.removed().map(|archive| archive.uri.key.as_str()).collect()
}

fn decision<'a>(plan: &'a OffsitePlan, key: &str) -> &'a ObjectDecision {
    &plan.archives.iter().find(|archive| archive.uri.key == key).unwrap().decision
}

#[test]
fn what_no_rule_keeps_goes_the_oldest_first_and_nothing_else() {
    let test_store = rig_with([20, 21, 22, 23]);
    let others =
        ["backup-2026-11-01.tar.gz", "daily/other-2026-11-01.tar.gz", "daily/backup-x.tar.gz"];
    let deep = ["daily/backup-2026-11-01.tar.gz.txt", "daily/backup-a/backup-2026-11-01.tar.gz"];
    let others = [&others[..], &deep].concat();
    for key in &others {
        test_store.server.put("backups", key, b"\x1f\x8b");
    }

    let plan = plan(&test_store, &last(2)).unwrap();
    let words = carry_out(&test_store, &plan).unwrap();

    assert_eq!(removed(&plan), [key(21), key(20)]);
    assert_eq!(words, [(key(20), "removed"), (key(21), "removed")]);
    let kept = [key(22), key(23)];
    let mut left = others.clone();
    left.extend(kept.iter().map(String::as_str));
    left.sort_unstable();
    assert_eq!(test_store.server.keys("backups"), left);
    let log = test_store.server.log();
    let mut deletions = log.iter().filter(|entry| entry.operation == "DeleteObject");
    assert!(deletions.all(|entry| entry.header("if-match").is_some()));
}

#[test]
fn a_folder_without_an_archive_of_the_name_is_an_error_unless_it_is_empty() {
    for (there, others) in [
        (&[][..], None),
        (&["other/backup-2026-11-01.tar.gz", "daily/"], None),
        (&["daily/shop-2026-11-01.tar.gz", "daily/a.sql"], Some("archives named `shop`")),
        (&["daily/a.sql"], Some("`a.sql`")),
        (&["daily/web-1/backup-2026-11-01.tar.gz"], Some("`web-1/`")),
    ] {
        let test_store = TestStore::new();
        for key in there {
            test_store.server.put("backups", key, b"\x1f\x8b");
        }

        let planned = plan(&test_store, &last(1));

        match (planned, others) {
            (Ok(plan), None) => assert!(plan.archives.is_empty()),
            (Err(error), Some(others)) => {
                assert_eq!(error.kind(), Kind::NotFound);
                let wanted = "there is no archive named `backup` in `s3://backups/daily/`, but ";
                assert_eq!(error.to_string(), format!("{wanted}{others}"));
            }
            (planned, _) => panic!("{there:?}: {planned:?}"),
        }
    }
}

#[test]
fn every_source_has_its_own_newest_and_what_is_no_archive_counts_for_nothing() {
    let test_store = rig_with([3, 4]);
    test_store.server.put("backups", &key(20), &archive("web-1", 20));
    test_store.server.put("backups", &key(21), &archive("web-2", 21));
    for day in [1, 2] {
        let encrypted = format!("{}.age", key(day));
        test_store.server.put("backups", &encrypted, &sealed(1, 1000));
    }
    test_store.server.put("backups", &key(24), b"");
    test_store.server.put("backups", &key(23), b"<html>");

    let plan = plan(&test_store, &last(1)).unwrap();

    let mut gone = removed(&plan);
    gone.sort_unstable();
    assert_eq!(gone, [format!("{}.age", key(1)), key(3)]);
    for day in [4, 20, 21] {
        assert!(matches!(decision(&plan, &key(day)), ObjectDecision::Keep(_)), "{day}");
    }
    for day in [23, 24] {
        assert!(matches!(decision(&plan, &key(day)), ObjectDecision::Uncounted(_)), "{day}");
    }
    let found = plan.archives.iter().find(|archive| archive.uri.key == key(20)).unwrap();
    assert_eq!(found.origin.as_ref().unwrap().host, "web-1");
    assert_eq!(found.time, NOW.replace_day(20).unwrap());
}

#[test]
fn a_newest_archive_without_its_footer_gives_way_to_the_next() {
    let test_store = TestStore::new();
    let whole = archive("web-1", 20);
    test_store.server.put("backups", &key(18), &whole);
    test_store.server.put("backups", &key(19), &whole);
    // The same beginning, so the same source and time; of these the later name is the newer.
    test_store.server.put("backups", &key(20), &whole[..whole.len() - 1]);

    let plan = plan(&test_store, &last(1)).unwrap();

    assert!(matches!(decision(&plan, &key(20)), ObjectDecision::Uncounted(_)));
    assert!(matches!(decision(&plan, &key(19)), ObjectDecision::Keep(_)));
    assert_eq!(removed(&plan), [key(18)]);
}

#[test]
fn nothing_is_planned_without_a_whole_listing_or_a_rule() {
    let test_store = TestStore::new();
    for n in 0..1001 {
        let day = datetime!(2020-01-01 0:00 UTC) + Duration::from_hours(24 * n);
        test_store.server.put(
            "backups",
            &format!("daily/backup-{}.tar.gz", day.date()),
            b"\x1f\x8b",
        );
    }
    test_store
        .server
        .faults(&["ListObjectsV2:denied:after=1", "ListObjectVersions:denied:after=1"]);

    for versions in [false, true] {
        let error = plan(&test_store, &PruneRequest { versions, ..last(1) }).unwrap_err();
        assert_eq!(error.kind(), Kind::Permission);
    }
    let n_requests = test_store.server.log().len();
    let empty = PruneRequest { policy: KeepPolicy::default(), ..last(1) };
    let not_a_folder = PruneRequest { folder: uri("daily"), ..last(1) };
    for request in [empty, not_a_folder] {
        assert_eq!(plan(&test_store, &request).unwrap_err().kind(), Kind::Usage);
    }
    assert_eq!(test_store.server.log().len(), n_requests);
}

#[test]
fn an_archive_dated_in_the_future_stays_and_counts_for_no_rule() {
    let test_store = rig_with([24, 25, 29]);

    let plan = plan(&test_store, &last(1)).unwrap();

    assert_eq!(removed(&plan), [key(24)]);
}

#[test]
fn an_archive_that_was_replaced_since_the_plan_stays() {
    let test_store = rig_with([20, 21, 22]);
    let plan = plan(&test_store, &last(1)).unwrap();
    test_store.server.put("backups", &key(20), b"precious");

    let words = carry_out(&test_store, &plan).unwrap();

    assert_eq!(words, [(key(20), "replaced"), (key(21), "removed")]);
    assert_eq!(test_store.server.object("backups", &key(20)).unwrap().bytes(), b"precious");
}

#[test]
fn a_store_without_conditions_on_deletions_deletes_without_one() {
    let test_store = rig_with([20, 21]);
    test_store.server.faults(&["DeleteObject:not-implemented"]);
    let plan = plan(&test_store, &last(1)).unwrap();

    assert_eq!(carry_out(&test_store, &plan).unwrap(), [(key(20), "removed")]);
    assert_eq!(test_store.server.keys("backups"), [key(21)]);
}

#[test]
fn a_deletion_whose_answer_was_lost_is_told_as_what_it_was() {
    let test_store = rig_with([20, 21, 22]);
    test_store.server.faults(&["DeleteObject:drop-after", "DeleteObject:no-match:after=1"]);
    let archives = plan(&test_store, &last(1)).unwrap();

    assert_eq!(
        carry_out(&test_store, &archives).unwrap(),
        [(key(20), "removed"), (key(21), "removed")]
    );

    let test_store = rig_with([20, 21]);
    test_store.server.faults(&["DeleteObject:drop-before", "DeleteObject:no-match:after=1"]);
    let archives = plan(&test_store, &last(1)).unwrap();

    assert_eq!(carry_out(&test_store, &archives).unwrap(), [(key(20), "failed")]);
}

#[test]
fn one_that_may_not_be_deleted_is_named_and_the_others_go() {
    let test_store = rig_with([20, 21, 22]);
    test_store.server.faults(&["DeleteObject:denied"]);
    let plan = plan(&test_store, &last(1)).unwrap();

    let words = carry_out(&test_store, &plan).unwrap();

    assert_eq!(words, [(key(20), "denied"), (key(21), "removed")]);
}

#[test]
fn only_the_archives_of_a_host_are_looked_at_if_it_is_named() {
    let test_store = rig_with([20, 21, 22]);
    let source = tempfile::tempdir().unwrap();
    let of_db = [18, 19].map(|day| format!("daily/backup-2026-11-{day}T08-00-00.tar.gz"));
    for (key, day) in of_db.iter().zip([18, 19]) {
        test_store.server.put("backups", key, &archive_of(source.path(), "db", day));
    }
    test_store.server.put("backups", "daily/backup-2026-11-17.tar.gz", &reproducible(1));
    let of = |host: &str| PruneRequest { host: Some(host.to_owned()), ..last(1) };

    let one = plan(&test_store, &of("db")).unwrap();
    let none = plan(&test_store, &of("mail")).unwrap();

    let removed: Vec<_> = one.removed().map(|archive| archive.uri.key.as_str()).collect();
    assert_eq!((one.archives.len(), removed), (2, vec![&*of_db[0]]));
    assert!(none.archives.is_empty());
}

#[test]
fn a_signal_between_two_removals_leaves_the_rest() {
    let test_store = rig_with([20, 21, 22]);
    let plan = plan(&test_store, &last(1)).unwrap();

    let result = test_store.run(async |context| {
        remove_pruned(context, &plan, &mut |_, _| test_store.cancel.cancel(2)).await
    });

    assert!(matches!(result, Err(S3Error::Cancelled(_))), "{result:?}");
    assert_eq!(test_store.server.keys("backups"), [key(21), key(22)]);
}

#[test]
fn a_bucket_with_versions_hides_unless_versions_are_asked_for() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for day in [19, 20, 20, 21, 22] {
        test_store.server.put("backups", &key(day), ours(day));
    }

    let hiding = plan(&test_store, &last(3)).unwrap();
    let hidden = carry_out(&test_store, &hiding).unwrap();
    let removing = plan(&test_store, &PruneRequest { versions: true, ..last(1) }).unwrap();
    let gone = carry_out(&test_store, &removing).unwrap();

    assert_eq!(hiding.keeps_versions, Some(true));
    assert_eq!(hidden, [(key(19), "hidden")]);
    assert_eq!(gone, [(key(20), "removed"), (key(21), "removed")]);
    let left = test_store.server.versions("backups");
    let left: Vec<_> = left.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(left, [key(19), key(19), key(22)], "what was hidden before is left alone");
}

#[test]
fn a_store_that_answers_in_another_way_whether_it_keeps_versions_does_not_say_so() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for day in [19, 20] {
        test_store.server.put("backups", &key(day), ours(day));
    }
    test_store.server.faults(&["GetBucketVersioning:other-root:always"]);

    let plan = plan(&test_store, &last(1)).unwrap();

    assert_eq!(plan.keeps_versions, None);
    assert_eq!(carry_out(&test_store, &plan).unwrap(), [(key(19), "hidden")]);
}

#[test]
fn locked_archives_stay() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for day in [20, 21, 22, 22] {
        test_store.server.put("backups", &key(day), ours(day));
        // The lock of a past version must not count less.
        let until = if day == 20 { NOW + AN_HOUR } else { NOW - AN_HOUR };
        test_store.server.lock("backups", &key(day), until.into());
    }
    test_store.server.put("backups", &key(20), ours(20));

    let hiding = plan(&test_store, &last(1)).unwrap();
    let removing = plan(&test_store, &PruneRequest { versions: true, ..last(1) }).unwrap();

    assert_eq!(removed(&hiding), [key(21), key(20)], "what is visible of it is not locked");
    assert_eq!(removed(&removing), [key(21)]);
    assert!(
        matches!(decision(&removing, &key(20)), ObjectDecision::KeepLocked(hold) if hold.lock.is_some())
    );
}

#[test]
fn what_is_kept_is_locked_for_as_long_as_the_rules_keep_it() {
    let test_store = TestStore::new();
    test_store.server.keep_versions("backups");
    for day in [21, 22, 23, 24, 25] {
        test_store.server.put("backups", &key(day), ours(day));
    }
    let long: SystemTime = datetime!(2030-01-01 0:00 UTC).into();
    test_store.server.lock("backups", &key(25), long);
    let request = PruneRequest {
        policy: KeepPolicy { daily: 4, ..KeepPolicy::default() },
        lock: Some(RetentionMode::Governance),
        ..last(0)
    };

    let mut n = 0;
    let planned = plan(&test_store, &request).unwrap();
    test_store.run(async |context| lock_kept(context, &planned, &mut |_| n += 1).await).unwrap();
    let again = plan(&test_store, &request).unwrap();

    let until = |day: u8| {
        let object = test_store.server.object("backups", &key(day)).unwrap();
        object.lock().map(|(_, until)| OffsetDateTime::from(*until))
    };
    assert_eq!(n, 3);
    assert_eq!(until(25), Some(long.into()), "no lock is shortened");
    assert_eq!(until(24), Some(datetime!(2026-11-28 0:00 UTC)));
    assert_eq!(until(23), Some(datetime!(2026-11-27 0:00 UTC)));
    assert_eq!(until(22), Some(datetime!(2026-11-26 0:00 UTC)));
    assert_eq!(until(21), None);
    assert!(again.archives.iter().all(|archive| archive.lock.is_none()));
}

/// Returns the names of those that count for no rule, and of those that go, each in order.
fn judged(test_store: &TestStore, request: &PruneRequest) -> [Vec<String>; 2] {
    let plan = plan(test_store, request).unwrap();
    let is_uncounted =
        |archive: &&StoredArchive| matches!(archive.decision, ObjectDecision::Uncounted(_));
    let uncounted = plan.archives.iter().filter(is_uncounted).map(|one| one.uri.key.clone());
    let mut uncounted: Vec<_> = uncounted.collect();
    let mut gone: Vec<_> = plan.removed().map(|one| one.uri.key.clone()).collect();
    uncounted.sort();
    gone.sort();
    [uncounted, gone]
}

fn encrypted(day: u8) -> String {
    format!("{}.age", key(day))
}

#[test]
fn what_only_begins_like_an_archive_counts_for_nothing() {
    let test_store = TestStore::new();
    let whole = sealed(1, 300_000);
    for day in [1, 2, 3] {
        test_store.server.put("backups", &encrypted(day), &whole);
    }
    let header = sealed(1, 0).len() - 16;
    let chunk = (64 << 10) + 16;
    let cuts = [22, 60, header - 1, header, header + 16, header + 32, header + 16 + chunk + 16];
    let cut_days: Vec<u8> = (11..).take(cuts.len()).collect();
    for (&day, cut) in cut_days.iter().zip(cuts) {
        test_store.server.put("backups", &encrypted(day), &whole[..cut]);
    }

    let [uncounted, gone] = judged(&test_store, &PruneRequest { accept_small: true, ..last(3) });
    assert_eq!(uncounted, cut_days.iter().map(|&day| encrypted(day)).collect::<Vec<_>>());
    assert!(gone.is_empty());
    let [_, gone] = judged(&test_store, &PruneRequest { accept_small: true, ..last(1) });
    assert_eq!(gone, [encrypted(1), encrypted(2)]);
}

#[test]
fn small_encrypted_archives_count_only_if_that_is_asked_for() {
    let test_store = TestStore::new();
    for day in [1, 2, 3] {
        test_store.server.put("backups", &encrypted(day), &sealed(1, 300_000));
        test_store.server.put("backups", &encrypted(day + 10), &sealed(1, 10));
    }

    let [uncounted, gone] = judged(&test_store, &last(3));
    assert_eq!((uncounted, gone.len()), ([11, 12, 13].map(encrypted).to_vec(), 0));
    let [uncounted, gone] = judged(&test_store, &PruneRequest { accept_small: true, ..last(3) });
    assert_eq!((uncounted.len(), gone), (0, [1, 2, 3].map(encrypted).to_vec()));
}

#[test]
fn the_header_of_many_recipients_is_read_to_its_end() {
    let test_store = TestStore::new();
    for day in [1, 2] {
        test_store.server.put("backups", &encrypted(day), &sealed(300, 1000));
    }

    assert_eq!(judged(&test_store, &last(1)), [vec![], vec![encrypted(1)]]);
}

#[test]
fn archives_of_another_tool_are_not_fetched_and_not_proven() {
    let test_store = TestStore::new();
    for day in [1, 2, 3] {
        test_store.server.put("backups", &key(day), &foreign(500_000));
    }
    test_store.server.put("backups", &key(4), &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

    let [uncounted, gone] = judged(&test_store, &last(1));

    // Of the last one nothing depends on whether it is good.
    assert_eq!((uncounted, gone.len()), ([2, 3, 4].map(key).to_vec(), 0));
    let log = test_store.server.log();
    let reads: Vec<_> = log.iter().filter(|entry| entry.operation == "GetObject").collect();
    for range in reads.iter().filter_map(|entry| entry.header("range")) {
        let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let n = to.parse::<u64>().unwrap() + 1 - from.parse::<u64>().unwrap();
        assert!(n <= 64 << 10, "{range}");
    }
    // The beginnings of all, and the ends of three: on the last nothing depends.
    assert_eq!(reads.len(), 7);
}

#[test]
fn every_archive_that_a_rule_keeps_proves_itself_by_its_index() {
    let test_store = rig_with([20, 21, 22, 23]);
    let mut broken = ours(22).to_vec();
    // In the index, ahead of the footer.
    let at = broken.len() - 126 - 40;
    broken[at] ^= 1;
    test_store.server.put("backups", &key(22), &broken);

    assert_eq!(judged(&test_store, &last(2)), [vec![key(22)], vec![key(20)]]);
}

#[test]
fn what_was_found_out_is_remembered_until_the_object_is_another() {
    let test_store = rig_with([20, 21, 22]);
    let state = tempfile::tempdir().unwrap();
    let state = Some(state.path().to_owned());
    let request = PruneRequest { state, remembers: true, ..last(1) };
    let gets = || {
        let log = test_store.server.log();
        log.iter().filter(|entry| entry.operation == "GetObject").count()
    };
    let mut before = 0;
    let mut n_gets = |now| {
        let request = PruneRequest { now, ..request.clone() };
        assert_eq!(judged(&test_store, &request)[1], [key(20), key(21)]);
        let n = gets() - before;
        before += n;
        n
    };

    // The beginning of each, and the end of the newest.
    assert_eq!(n_gets(NOW), 4);
    assert_eq!(n_gets(NOW + AN_HOUR), 3);
    assert_eq!(n_gets(NOW + 24 * 30 * AN_HOUR), 4);

    test_store.server.put("backups", &key(22), &ours(22)[..ours(22).len() - 1]);
    assert_eq!(judged(&test_store, &request), [vec![key(22)], vec![key(20)]]);
}

#[test]
fn a_reproducible_archive_proves_itself_however_small() {
    let test_store = TestStore::new();
    for day in 1..=3 {
        test_store.server.put("backups", &key(day), &reproducible(100_000));
    }
    test_store.server.put("backups", &key(4), &reproducible(1));

    let plan = plan(&test_store, &last(1)).unwrap();

    let kept =
        plan.archives.iter().filter(|archive| matches!(archive.decision, ObjectDecision::Keep(_)));
    let kept: Vec<_> = kept.map(|archive| archive.uri.key.clone()).collect();
    assert_eq!(kept, [key(4)]);
    assert_eq!(plan.removed().count(), 3);
}
