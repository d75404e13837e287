//! Objects in archives, and how they come back.

use std::{fs, time::Duration};

use devops_core::{
    cancel::Cancelled,
    fs::{Destination, IfExists},
    kind::{HasKind, Kind},
    s3::{
        ColdTier, Depth, Event, Filter, GetOptions, PartSize, Proof, RequestErrorKind,
        RestoreStatus, RetrievalTier, RetryConfig, S3Error, ThawOptions, ThawOutcome, Verification,
        Waited, Waiting, find_cold_objects, get, inspect, thaw, verify, wait_for_thaw,
    },
};
use time::{Duration as Span, OffsetDateTime};

use crate::s3::test_store::{TestStore, time_enough, uri};

const DEEP: RestoreStatus = RestoreStatus::Cold(ColdTier::Deep);

fn options(days: u16) -> ThawOptions {
    ThawOptions { days, tier: RetrievalTier::Standard, now: OffsetDateTime::now_utc() }
}

fn quick() -> ThawOptions {
    ThawOptions { tier: RetrievalTier::Expedited, ..options(1) }
}

/// A rig with an object `a` in a class or tier.
fn rig_with(place: &str) -> TestStore {
    archived_in(TestStore::new(), place)
}

fn archived_in(test_store: TestStore, place: &str) -> TestStore {
    test_store.server.put("backups", "a", b"12345");
    test_store.server.archive("backups", "a", place);
    test_store
}

fn outcome(test_store: &TestStore, options: &ThawOptions) -> Result<ThawOutcome, S3Error> {
    test_store
        .run(async |context| thaw(context, &uri("a"), options).await)
        .map(|(_, outcome)| outcome)
}

fn state(test_store: &TestStore) -> RestoreStatus {
    test_store.run(async |context| inspect(context, &uri("a")).await).unwrap().restore_status
}

fn fetched(test_store: &TestStore) -> Result<Vec<u8>, S3Error> {
    let path = test_store.path("back");
    let replace = IfExists::Replace;
    let options =
        GetOptions { replace, mode: None, preserve: false, group: None, part_size: PartSize::Auto };
    test_store
        .run(async |context| get(context, &uri("a"), &Destination::open(&path)?, options).await)?;
    Ok(fs::read(path).unwrap())
}

fn error_kind(error: &S3Error) -> &RequestErrorKind {
    match error {
        S3Error::Request(failure) => &failure.error_kind,
        other => panic!("{other:?}"),
    }
}

/// The statuses of the answers to `RestoreObject`.
fn statuses(test_store: &TestStore) -> Vec<u16> {
    let log = test_store.server.log().into_iter();
    log.filter(|entry| entry.operation == "RestoreObject")
        .filter_map(|entry| entry.status)
        .collect()
}

#[test]
fn an_archived_object_is_asked_for_once_and_can_be_read_when_it_is_there() {
    for (place, archive) in [("GLACIER", ColdTier::Glacier), ("DEEP_ARCHIVE", ColdTier::Deep)] {
        let test_store = rig_with(place);
        assert_eq!(state(&test_store), RestoreStatus::Cold(archive));

        let before = OffsetDateTime::now_utc();
        assert_eq!(outcome(&test_store, &options(7)).unwrap(), ThawOutcome::Asked);
        assert_eq!(
            outcome(&test_store, &options(7)).unwrap(),
            ThawOutcome::Left(RestoreStatus::Restoring)
        );
        assert_eq!(
            error_kind(&fetched(&test_store).unwrap_err()),
            &RequestErrorKind::InColdStorage
        );
        test_store.server.finish_restores("backups");

        let RestoreStatus::Restored(Some(until)) = state(&test_store) else {
            panic!("{:?}", state(&test_store))
        };
        let after = OffsetDateTime::now_utc();
        // Until the midnight after the seven days.
        assert!(until >= before + Span::days(7), "{before} {until}");
        assert!(until <= after + Span::days(8), "{after} {until}");
        assert_eq!(fetched(&test_store).unwrap(), b"12345");
        assert_eq!(statuses(&test_store), [202]);
    }
}

#[test]
fn a_copy_is_kept_for_longer_and_never_for_less() {
    let test_store = rig_with("GLACIER");
    outcome(&test_store, &options(7)).unwrap();
    test_store.server.finish_restores("backups");
    let before = state(&test_store);

    let less = outcome(&test_store, &options(3)).unwrap();
    let after_less = state(&test_store);
    let asked = OffsetDateTime::now_utc();
    let more = outcome(&test_store, &options(30)).unwrap();

    assert_eq!((less, after_less), (ThawOutcome::Left(before), before));
    assert_eq!(more, ThawOutcome::Extended);
    let RestoreStatus::Restored(Some(until)) = state(&test_store) else {
        panic!("{:?}", state(&test_store))
    };
    let after = OffsetDateTime::now_utc();
    assert!(until >= asked + Span::days(30), "{asked} {until}");
    assert!(until <= after + Span::days(31), "{after} {until}");
    assert_eq!(statuses(&test_store), [202, 200]);
}

#[test]
fn a_store_that_keeps_a_copy_for_less_time_than_asked_is_told_of() {
    let test_store = rig_with("GLACIER");
    test_store.server.faults(&["RestoreObject:one-day:always"]);
    outcome(&test_store, &options(7)).unwrap();
    test_store.server.finish_restores("backups");
    let mut told = Vec::new();

    let late = test_store.run(async |context| {
        let until = options(7).until();
        let limit = Waiting { until, ..waiting(Duration::from_mins(1)) };
        let mut tell = |waited: Waited<'_>| match waited {
            Waited::Pausing(..) => {}
            Waited::Readable(uri, _) => panic!("{uri} was said to stay"),
            Waited::Failed(_, error) => told.push(error.kind()),
        };
        wait_for_thaw(context, vec![uri("a")], limit, &mut tell).await
    });
    let extended = outcome(&test_store, &options(7)).unwrap_err();

    assert_eq!((late.unwrap(), told), (vec![], vec![Kind::Mismatch]));
    assert_eq!(extended.kind(), Kind::Mismatch, "{extended}");
}

#[test]
fn what_a_tier_archived_comes_back_for_good_and_is_not_given_days() {
    for place in ["ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"] {
        let test_store = rig_with(place);
        assert!(matches!(state(&test_store), RestoreStatus::Cold(_)), "{place}");
        assert_eq!(
            error_kind(&fetched(&test_store).unwrap_err()),
            &RequestErrorKind::InColdStorage
        );

        assert_eq!(outcome(&test_store, &options(7)).unwrap(), ThawOutcome::Asked);
        assert_eq!(state(&test_store), RestoreStatus::Restoring);
        test_store.server.finish_restores("backups");

        assert_eq!(state(&test_store), RestoreStatus::NotCold);
        assert_eq!(fetched(&test_store).unwrap(), b"12345");
    }
}

#[test]
fn what_is_in_no_archive_is_left_alone() {
    for place in ["STANDARD", "GLACIER_IR", "INTELLIGENT_TIERING"] {
        let test_store = rig_with(place);

        let outcome = outcome(&test_store, &options(7)).unwrap();

        assert_eq!(outcome, ThawOutcome::Left(RestoreStatus::NotCold), "{place}");
        assert_eq!(statuses(&test_store), [0; 0]);
    }
}

#[test]
fn a_request_whose_answer_is_lost_was_heard() {
    let lost = ThawOutcome::Left(RestoreStatus::Restoring);
    for (rule, expected) in [
        ("RestoreObject:slow-down", ThawOutcome::Asked),
        ("RestoreObject:internal-error", ThawOutcome::Asked),
        ("RestoreObject:drop-before", ThawOutcome::Asked),
        ("RestoreObject:drop-after", lost),
        ("RestoreObject:error-after", lost),
        ("HeadObject:drop-after", ThawOutcome::Asked),
    ] {
        let test_store = rig_with("GLACIER");
        test_store.server.faults(&[rule]);

        assert_eq!(outcome(&test_store, &options(7)).unwrap(), expected, "{rule}");
        assert_eq!(
            (state(&test_store), test_store.n_retries()),
            (RestoreStatus::Restoring, 1),
            "{rule}"
        );
    }
}

#[test]
fn no_room_for_expedited_retrievals_is_said_at_once() {
    let test_store = rig_with("GLACIER");
    test_store.server.faults(&["RestoreObject:no-expedited"]);

    let error = outcome(&test_store, &quick()).unwrap_err();

    assert_eq!(
        (error_kind(&error), error.kind()),
        (&RequestErrorKind::NoExpedited, Kind::Temporary)
    );
    assert_eq!(test_store.n_retries(), 0);
    assert_eq!(outcome(&test_store, &quick()).unwrap(), ThawOutcome::Asked);
}

#[test]
fn deep_archives_are_not_asked_for_expedited_retrievals() {
    for place in ["DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"] {
        let test_store = rig_with(place);

        let error = outcome(&test_store, &quick()).unwrap_err();

        let message = format!("RestoreObject: there is no expedited retrieval from {place}");
        assert_eq!((error.to_string(), error.kind()), (message, Kind::Failed));
        assert_eq!(statuses(&test_store), [0; 0]);
    }
}

#[test]
fn an_object_that_is_replaced_meanwhile_needs_no_thawing() {
    let test_store = rig_with("GLACIER");
    test_store.server.faults(&["RestoreObject:internal-error"]);
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::Retry { .. }) {
            test_store.server.put("backups", "a", b"another");
        }
    });

    let outcome = outcome(&test_store, &options(7)).unwrap();

    assert_eq!(outcome, ThawOutcome::Left(RestoreStatus::NotCold));
    assert_eq!(statuses(&test_store), [500, 403]);
}

#[test]
fn a_store_that_refuses_what_it_says_is_archived_is_not_believed() {
    let test_store = rig_with("GLACIER");
    test_store.server.faults(&["RestoreObject:archived"]);

    let error = outcome(&test_store, &options(7)).unwrap_err();

    assert_eq!((error_kind(&error), error.kind()), (&RequestErrorKind::Rejected, Kind::Failed));
}

#[test]
fn what_cannot_be_thawed_says_why() {
    let table: [(fn() -> TestStore, _, _); 5] = [
        (TestStore::new, "RestoreObject:denied", Kind::Permission),
        (TestStore::new, "RestoreObject:not-implemented", Kind::Failed),
        (TestStore::new, "RestoreObject:not-allowed", Kind::Failed),
        (TestStore::impatient, "RestoreObject:internal-error:always", Kind::Temporary),
        (TestStore::new, "HeadObject:not-found", Kind::NotFound),
    ];
    for (test_store, rule, kind) in table {
        let test_store = archived_in(test_store(), "GLACIER");
        test_store.server.faults(&[rule]);

        assert_eq!(outcome(&test_store, &options(7)).unwrap_err().kind(), kind, "{rule}");
    }
}

#[test]
fn the_state_is_found_in_another_region() {
    let test_store = rig_with("DEEP_ARCHIVE");
    test_store.server.faults(&["*:region-in-body=eu-west-1:always"]);

    assert_eq!(state(&test_store), DEEP);
}

#[test]
fn a_prefix_is_searched_to_its_end_for_what_may_be_archived() {
    let test_store = TestStore::impatient();
    for n in 0..1005 {
        test_store.server.put("backups", &format!("p/{n:04}"), b"x");
    }
    for (key, place) in [
        ("p/0000", "GLACIER"),
        ("p/0001", "GLACIER_IR"),
        ("p/0500", "ARCHIVE_ACCESS"),
        ("p/0900", "GLACIER"),
        ("p/1004", "DEEP_ARCHIVE"),
    ] {
        test_store.server.archive("backups", key, place);
    }
    let filter = Filter::new(&[], &["0900".to_owned()]).unwrap();
    let find =
        || test_store.run(async |context| find_cold_objects(context, &uri("p/"), &filter).await);

    let found = find().unwrap();
    test_store.server.faults(&["ListObjectsV2:internal-error:after=1:always"]);
    let broken = find().unwrap_err();

    let keys: Vec<_> = found.objects.into_iter().map(|object| object.uri.key).collect();
    assert_eq!(keys, ["p/0000", "p/0500", "p/1004"]);
    assert_eq!((found.n_others, found.n_listed), (1001, 1005));
    assert_eq!(broken.kind(), Kind::Temporary);
}

#[test]
fn an_archived_object_is_compared_by_what_the_store_says_of_it() {
    let test_store = rig_with("GLACIER");
    let file = test_store.path("a");
    std::io::Write::write_all(&mut fs::File::create(&file).unwrap(), b"12345").unwrap();
    let check =
        |depth| test_store.run(async |context| verify(context, &file, &uri("a"), depth).await);

    let shallow = check(Depth::Whole).unwrap();
    let deep = check(Depth::Bytes).unwrap_err();

    assert_eq!(shallow, Verification::Same { size: 5, proof: Proof::Full });
    assert_eq!(error_kind(&deep), &RequestErrorKind::InColdStorage);
}

fn waiting(limit: Duration) -> Waiting {
    let (first_pause, longest_pause) = (Duration::from_millis(5), Duration::from_millis(20));
    Waiting { limit, first_pause, longest_pause, until: None }
}

#[test]
fn waiting_ends_when_all_are_there_whatever_happens_in_between() {
    let before_first_response = Duration::from_millis(50);
    let test_store = TestStore::with(RetryConfig { before_first_response, ..time_enough() });
    let test_store = archived_in(test_store, "GLACIER");
    outcome(&test_store, &options(1)).unwrap();
    test_store.server.faults(&["HeadObject:internal-error:always"]);
    let (mut looks, mut there, mut failed) = (0, Vec::new(), Vec::new());

    let late = test_store.run(async |context| {
        let pending = vec![uri("a"), uri("lost")];
        let limit = waiting(Duration::from_mins(1));
        let mut tell = |waited: Waited<'_>| match waited {
            Waited::Pausing(..) => {
                looks += 1;
                if looks == 3 {
                    test_store.server.clear_faults();
                    test_store.server.finish_restores("backups");
                }
            }
            Waited::Readable(uri, head) => there.push((uri.key.clone(), head.restore_status)),
            Waited::Failed(uri, error) => failed.push((uri.key.clone(), error.kind())),
        };
        wait_for_thaw(context, pending, limit, &mut tell).await
    });

    assert_eq!(late.unwrap(), []);
    assert!(looks >= 3);
    assert!(
        matches!(&there[..], [(key, RestoreStatus::Restored(Some(_)))] if key == "a"),
        "{there:?}"
    );
    assert_eq!(failed, [("lost".to_owned(), Kind::NotFound)]);
}

#[test]
fn waiting_ends_with_its_time_and_with_a_signal() {
    let test_store = rig_with("GLACIER");
    outcome(&test_store, &options(1)).unwrap();
    let wait = |limit, heard: &dyn Fn()| {
        let mut tell = |_: Waited<'_>| heard();
        test_store.run(async |context| {
            wait_for_thaw(context, vec![uri("a")], waiting(limit), &mut tell).await
        })
    };

    let late = wait(Duration::from_millis(50), &|| {}).unwrap();
    let stopped = wait(Duration::from_mins(1), &|| test_store.cancel.cancel(15)).unwrap_err();

    assert_eq!(late, [uri("a")]);
    assert!(matches!(stopped, S3Error::Cancelled(Cancelled { signal: 15 })), "{stopped}");
}
