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

use crate::s3::rig::{Rig, time_enough, uri};

const DEEP: RestoreStatus = RestoreStatus::Cold(ColdTier::Deep);

fn options(days: u16) -> ThawOptions {
    ThawOptions { days, tier: RetrievalTier::Standard, now: OffsetDateTime::now_utc() }
}

fn quick() -> ThawOptions {
    ThawOptions { tier: RetrievalTier::Expedited, ..options(1) }
}

/// A rig with an object `a` in a class or tier.
fn rig_with(place: &str) -> Rig {
    archived_in(Rig::new(), place)
}

fn archived_in(rig: Rig, place: &str) -> Rig {
    rig.server.put("backups", "a", b"12345");
    rig.server.archive("backups", "a", place);
    rig
}

fn outcome(rig: &Rig, options: &ThawOptions) -> Result<ThawOutcome, S3Error> {
    rig.run(async |context| thaw(context, &uri("a"), options).await).map(|(_, outcome)| outcome)
}

fn state(rig: &Rig) -> RestoreStatus {
    rig.run(async |context| inspect(context, &uri("a")).await).unwrap().restore_status
}

fn fetched(rig: &Rig) -> Result<Vec<u8>, S3Error> {
    let path = rig.path("back");
    let replace = IfExists::Replace;
    let options =
        GetOptions { replace, mode: None, preserve: false, group: None, part_size: PartSize::Auto };
    rig.run(async |context| get(context, &uri("a"), &Destination::open(&path)?, options).await)?;
    Ok(fs::read(path).unwrap())
}

fn error_kind(error: &S3Error) -> &RequestErrorKind {
    match error {
        S3Error::Request(failure) => &failure.error_kind,
        other => panic!("{other:?}"),
    }
}

/// The statuses of the answers to `RestoreObject`.
fn statuses(rig: &Rig) -> Vec<u16> {
    let log = rig.server.log().into_iter();
    log.filter(|entry| entry.operation == "RestoreObject")
        .filter_map(|entry| entry.status)
        .collect()
}

#[test]
fn an_archived_object_is_asked_for_once_and_can_be_read_when_it_is_there() {
    for (place, archive) in [("GLACIER", ColdTier::Glacier), ("DEEP_ARCHIVE", ColdTier::Deep)] {
        let rig = rig_with(place);
        assert_eq!(state(&rig), RestoreStatus::Cold(archive));

        let before = OffsetDateTime::now_utc();
        assert_eq!(outcome(&rig, &options(7)).unwrap(), ThawOutcome::Asked);
        assert_eq!(
            outcome(&rig, &options(7)).unwrap(),
            ThawOutcome::Left(RestoreStatus::Restoring)
        );
        assert_eq!(error_kind(&fetched(&rig).unwrap_err()), &RequestErrorKind::InColdStorage);
        rig.server.finish_restores("backups");

        let RestoreStatus::Restored(Some(until)) = state(&rig) else { panic!("{:?}", state(&rig)) };
        let after = OffsetDateTime::now_utc();
        // Until the midnight after the seven days.
        assert!(until >= before + Span::days(7), "{before} {until}");
        assert!(until <= after + Span::days(8), "{after} {until}");
        assert_eq!(fetched(&rig).unwrap(), b"12345");
        assert_eq!(statuses(&rig), [202]);
    }
}

#[test]
fn a_copy_is_kept_for_longer_and_never_for_less() {
    let rig = rig_with("GLACIER");
    outcome(&rig, &options(7)).unwrap();
    rig.server.finish_restores("backups");
    let before = state(&rig);

    let less = outcome(&rig, &options(3)).unwrap();
    let after_less = state(&rig);
    let asked = OffsetDateTime::now_utc();
    let more = outcome(&rig, &options(30)).unwrap();

    assert_eq!((less, after_less), (ThawOutcome::Left(before), before));
    assert_eq!(more, ThawOutcome::Extended);
    let RestoreStatus::Restored(Some(until)) = state(&rig) else { panic!("{:?}", state(&rig)) };
    let after = OffsetDateTime::now_utc();
    assert!(until >= asked + Span::days(30), "{asked} {until}");
    assert!(until <= after + Span::days(31), "{after} {until}");
    assert_eq!(statuses(&rig), [202, 200]);
}

#[test]
fn a_store_that_keeps_a_copy_for_less_time_than_asked_is_told_of() {
    let rig = rig_with("GLACIER");
    rig.server.faults(&["RestoreObject:one-day:always"]);
    outcome(&rig, &options(7)).unwrap();
    rig.server.finish_restores("backups");
    let mut told = Vec::new();

    let late = rig.run(async |context| {
        let until = options(7).until();
        let limit = Waiting { until, ..waiting(Duration::from_mins(1)) };
        let mut tell = |waited: Waited<'_>| match waited {
            Waited::Pausing(..) => {}
            Waited::Readable(uri, _) => panic!("{uri} was said to stay"),
            Waited::Failed(_, error) => told.push(error.kind()),
        };
        wait_for_thaw(context, vec![uri("a")], limit, &mut tell).await
    });
    let extended = outcome(&rig, &options(7)).unwrap_err();

    assert_eq!((late.unwrap(), told), (vec![], vec![Kind::Mismatch]));
    assert_eq!(extended.kind(), Kind::Mismatch, "{extended}");
}

#[test]
fn what_a_tier_archived_comes_back_for_good_and_is_not_given_days() {
    for place in ["ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"] {
        let rig = rig_with(place);
        assert!(matches!(state(&rig), RestoreStatus::Cold(_)), "{place}");
        assert_eq!(error_kind(&fetched(&rig).unwrap_err()), &RequestErrorKind::InColdStorage);

        assert_eq!(outcome(&rig, &options(7)).unwrap(), ThawOutcome::Asked);
        assert_eq!(state(&rig), RestoreStatus::Restoring);
        rig.server.finish_restores("backups");

        assert_eq!(state(&rig), RestoreStatus::NotCold);
        assert_eq!(fetched(&rig).unwrap(), b"12345");
    }
}

#[test]
fn what_is_in_no_archive_is_left_alone() {
    for place in ["STANDARD", "GLACIER_IR", "INTELLIGENT_TIERING"] {
        let rig = rig_with(place);

        let outcome = outcome(&rig, &options(7)).unwrap();

        assert_eq!(outcome, ThawOutcome::Left(RestoreStatus::NotCold), "{place}");
        assert_eq!(statuses(&rig), [0; 0]);
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
        let rig = rig_with("GLACIER");
        rig.server.faults(&[rule]);

        assert_eq!(outcome(&rig, &options(7)).unwrap(), expected, "{rule}");
        assert_eq!((state(&rig), rig.n_retries()), (RestoreStatus::Restoring, 1), "{rule}");
    }
}

#[test]
fn no_room_for_expedited_retrievals_is_said_at_once() {
    let rig = rig_with("GLACIER");
    rig.server.faults(&["RestoreObject:no-expedited"]);

    let error = outcome(&rig, &quick()).unwrap_err();

    assert_eq!(
        (error_kind(&error), error.kind()),
        (&RequestErrorKind::NoExpedited, Kind::Temporary)
    );
    assert_eq!(rig.n_retries(), 0);
    assert_eq!(outcome(&rig, &quick()).unwrap(), ThawOutcome::Asked);
}

#[test]
fn deep_archives_are_not_asked_for_expedited_retrievals() {
    for place in ["DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"] {
        let rig = rig_with(place);

        let error = outcome(&rig, &quick()).unwrap_err();

        let message = format!("RestoreObject: there is no expedited retrieval from {place}");
        assert_eq!((error.to_string(), error.kind()), (message, Kind::Failed));
        assert_eq!(statuses(&rig), [0; 0]);
    }
}

#[test]
fn an_object_that_is_replaced_meanwhile_needs_no_thawing() {
    let rig = rig_with("GLACIER");
    rig.server.faults(&["RestoreObject:internal-error"]);
    rig.on_event(|rig, event| {
        if matches!(event, Event::Retry { .. }) {
            rig.server.put("backups", "a", b"another");
        }
    });

    let outcome = outcome(&rig, &options(7)).unwrap();

    assert_eq!(outcome, ThawOutcome::Left(RestoreStatus::NotCold));
    assert_eq!(statuses(&rig), [500, 403]);
}

#[test]
fn a_store_that_refuses_what_it_says_is_archived_is_not_believed() {
    let rig = rig_with("GLACIER");
    rig.server.faults(&["RestoreObject:archived"]);

    let error = outcome(&rig, &options(7)).unwrap_err();

    assert_eq!((error_kind(&error), error.kind()), (&RequestErrorKind::Rejected, Kind::Failed));
}

#[test]
fn what_cannot_be_thawed_says_why() {
    let table: [(fn() -> Rig, _, _); 5] = [
        (Rig::new, "RestoreObject:denied", Kind::Permission),
        (Rig::new, "RestoreObject:not-implemented", Kind::Failed),
        (Rig::new, "RestoreObject:not-allowed", Kind::Failed),
        (Rig::impatient, "RestoreObject:internal-error:always", Kind::Temporary),
        (Rig::new, "HeadObject:not-found", Kind::NotFound),
    ];
    for (rig, rule, kind) in table {
        let rig = archived_in(rig(), "GLACIER");
        rig.server.faults(&[rule]);

        assert_eq!(outcome(&rig, &options(7)).unwrap_err().kind(), kind, "{rule}");
    }
}

#[test]
fn the_state_is_found_in_another_region() {
    let rig = rig_with("DEEP_ARCHIVE");
    rig.server.faults(&["*:region-in-body=eu-west-1:always"]);

    assert_eq!(state(&rig), DEEP);
}

#[test]
fn a_prefix_is_searched_to_its_end_for_what_may_be_archived() {
    let rig = Rig::impatient();
    for n in 0..1005 {
        rig.server.put("backups", &format!("p/{n:04}"), b"x");
    }
    for (key, place) in [
        ("p/0000", "GLACIER"),
        ("p/0001", "GLACIER_IR"),
        ("p/0500", "ARCHIVE_ACCESS"),
        ("p/0900", "GLACIER"),
        ("p/1004", "DEEP_ARCHIVE"),
    ] {
        rig.server.archive("backups", key, place);
    }
    let filter = Filter::new(&[], &["0900".to_owned()]).unwrap();
    let find = || rig.run(async |context| find_cold_objects(context, &uri("p/"), &filter).await);

    let found = find().unwrap();
    rig.server.faults(&["ListObjectsV2:internal-error:after=1:always"]);
    let broken = find().unwrap_err();

    let keys: Vec<_> = found.objects.into_iter().map(|object| object.uri.key).collect();
    assert_eq!(keys, ["p/0000", "p/0500", "p/1004"]);
    assert_eq!((found.n_others, found.n_listed), (1001, 1005));
    assert_eq!(broken.kind(), Kind::Temporary);
}

#[test]
fn an_archived_object_is_compared_by_what_the_store_says_of_it() {
    let rig = rig_with("GLACIER");
    let file = rig.path("a");
    std::io::Write::write_all(&mut fs::File::create(&file).unwrap(), b"12345").unwrap();
    let check = |depth| rig.run(async |context| verify(context, &file, &uri("a"), depth).await);

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
    let rig = Rig::with(RetryConfig { before_first_response, ..time_enough() });
    let rig = archived_in(rig, "GLACIER");
    outcome(&rig, &options(1)).unwrap();
    rig.server.faults(&["HeadObject:internal-error:always"]);
    let (mut looks, mut there, mut failed) = (0, Vec::new(), Vec::new());

    let late = rig.run(async |context| {
        let pending = vec![uri("a"), uri("lost")];
        let limit = waiting(Duration::from_mins(1));
        let mut tell = |waited: Waited<'_>| match waited {
            Waited::Pausing(..) => {
                looks += 1;
                if looks == 3 {
                    rig.server.clear_faults();
                    rig.server.finish_restores("backups");
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
    let rig = rig_with("GLACIER");
    outcome(&rig, &options(1)).unwrap();
    let wait = |limit, heard: &dyn Fn()| {
        let mut tell = |_: Waited<'_>| heard();
        rig.run(async |context| {
            wait_for_thaw(context, vec![uri("a")], waiting(limit), &mut tell).await
        })
    };

    let late = wait(Duration::from_millis(50), &|| {}).unwrap();
    let stopped = wait(Duration::from_mins(1), &|| rig.cancel.cancel(15)).unwrap_err();

    assert_eq!(late, [uri("a")]);
    assert!(matches!(stopped, S3Error::Cancelled(Cancelled { signal: 15 })), "{stopped}");
}
