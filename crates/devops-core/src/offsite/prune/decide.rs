//! Decides which archives of a store stay; pure.

use std::{cmp::Reverse, collections::BTreeMap};

use time::OffsetDateTime;

use super::{
    request::PruneRequest,
    stored_archive::{ObjectDecision, StoredArchive},
};
use crate::{
    archive_index::SeriesMap,
    retention::{self, EmptyPolicy, Member, Proof, Rules, Ruling},
    s3::RetentionMode,
};

/// Puts archives of one series together, each group newest first; of two of one time, the later name
/// is the newer.
pub(super) fn groups(mut archives: Vec<StoredArchive>) -> Vec<Vec<StoredArchive>> {
    archives.sort_by(|a, b| b.uri.key.cmp(&a.uri.key));
    // What does not count says nothing about others.
    let counted = archives.iter().filter(|one| !matches!(one.proof, Proof::Uncounted(_)));
    let origins: Vec<_> = counted.filter_map(|one| one.origin.clone()).collect();
    let map = SeriesMap::new(&origins);
    let mut groups: BTreeMap<_, Vec<StoredArchive>> = BTreeMap::new();
    for mut archive in archives {
        archive.series = archive.origin.as_ref().map(|origin| map.series(origin));
        groups.entry((archive.is_encrypted, archive.series.clone())).or_default().push(archive);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|archive| Reverse(archive.time));
    }
    groups
}

/// Decides the fates in one group; returns which archives have to prove themselves before anything goes.
pub(super) fn decide(
    group: &mut [StoredArchive],
    request: &PruneRequest,
) -> Result<Vec<usize>, EmptyPolicy> {
    let PruneRequest { policy, now, accept_small, .. } = request;
    let members: Vec<_> = group.iter().map(member).collect();
    let rules = Rules { policy, now: *now, accept_small: *accept_small };
    let Ruling { decisions, to_prove } = retention::judge(&members, &rules)?;
    for (archive, decision) in group.iter_mut().zip(decisions) {
        archive.decision = match decision {
            retention::Decision::Keep(reasons) => ObjectDecision::Keep(reasons),
            retention::Decision::Uncounted(reason) => ObjectDecision::Uncounted(reason),
            retention::Decision::Postponed | retention::Decision::Remove => ObjectDecision::Remove,
        };
    }
    Ok(to_prove)
}

fn member(archive: &StoredArchive) -> Member {
    let stored = archive.seen.modified.map(OffsetDateTime::from_unix_timestamp);
    Member {
        time: archive.time,
        arrived: stored.and_then(Result::ok).unwrap_or(archive.time),
        size: archive.size,
        // One that is not encrypted counts by its footer alone.
        is_weighed: archive.is_encrypted,
        proof: archive.proof.clone(),
    }
}

fn sound(group: &[StoredArchive]) -> Vec<usize> {
    let is_sound = |index: &usize| !matches!(group[*index].decision, ObjectDecision::Uncounted(_));
    (0..group.len()).filter(is_sound).collect()
}

/// Says how long what is kept is to be locked, by the reasons that were found.
pub(super) fn lock(group: &mut [StoredArchive], mode: RetentionMode, request: &PruneRequest) {
    let sound = sound(group);
    let times: Vec<_> = sound.iter().map(|&index| group[index].time).collect();
    let reasons = sound.iter().map(|&index| match &group[index].decision {
        ObjectDecision::Keep(reasons) => reasons.clone(),
        ObjectDecision::Uncounted(_) | ObjectDecision::KeepLocked(_) | ObjectDecision::Remove => {
            Vec::new()
        }
    });
    let reasons: Vec<_> = reasons.collect();
    let until = retention::retain_until(&times, &reasons, &request.policy, request.now);
    for (index, until) in sound.into_iter().zip(until) {
        group[index].lock = until.map(|until| (mode, until));
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;
    use crate::{
        archive_index::Origin, offsite::prune::stored_archive::Seen, retention::KeepPolicy,
        s3::S3Uri,
    };

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn archive(key: &str, host: Option<&str>, age: i64) -> StoredArchive {
        let time = NOW - Duration::days(age);
        let origin = |host: &str| Origin {
            host: host.to_owned(),
            machine: None,
            source: "/srv".into(),
            resolved: None,
            started: time,
        };
        StoredArchive {
            uri: S3Uri::new("backups", key).unwrap(),
            origin: host.map(origin),
            series: None,
            is_encrypted: false,
            time,
            size: 1,
            decision: ObjectDecision::Remove,
            lock: None,
            seen: Seen::default(),
            versions: Vec::new(),
            proof: Proof::Unproven { is_costly: false },
        }
    }

    fn keys(group: &[StoredArchive]) -> Vec<&str> {
        group.iter().map(|archive| archive.uri.key.as_str()).collect()
    }

    fn last(n: u32) -> PruneRequest {
        PruneRequest {
            host: None,
            folder: S3Uri::new("backups", "daily/").unwrap(),
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

    #[test]
    fn archives_of_other_sources_are_other_groups() {
        let encrypted = StoredArchive { is_encrypted: true, ..archive("d", None, 0) };
        let archives = vec![
            archive("a", Some("web-1"), 2),
            archive("b", Some("web-2"), 1),
            archive("c", None, 0),
            encrypted,
            archive("e", Some("web-1"), 1),
        ];

        let groups = groups(archives);

        let groups: Vec<_> = groups.iter().map(|group| keys(group)).collect();
        assert_eq!(groups, [vec!["c"], vec!["e", "a"], vec!["b"], vec!["d"]]);
    }

    #[test]
    fn of_two_of_one_time_the_later_name_is_the_newer() {
        let groups = groups(vec![archive("x-1", None, 1), archive("x-2", None, 1)]);

        assert_eq!(keys(&groups[0]), ["x-2", "x-1"]);
    }

    #[test]
    fn what_stays_has_to_prove_itself_only_if_something_goes() {
        let mut group = [archive("b", None, 1), archive("a", None, 2)];

        assert_eq!(decide(&mut group, &last(2)), Ok(vec![]));
        assert_eq!(decide(&mut group, &last(1)), Ok(vec![0]));
        assert_eq!(group[1].decision, ObjectDecision::Remove);
    }

    #[test]
    fn one_that_did_not_counts_for_nothing() {
        let mut group = [archive("c", None, 0), archive("b", None, 1), archive("a", None, 2)];
        group[0].proof = Proof::Uncounted("cut off".to_owned());

        assert_eq!(decide(&mut group, &last(1)), Ok(vec![1]));
        assert!(matches!(group[0].decision, ObjectDecision::Uncounted(_)));
        assert!(matches!(group[1].decision, ObjectDecision::Keep(_)));
    }

    #[test]
    fn small_ones_that_came_last_do_not_count_whatever_their_date() {
        let came = |key, age, size, modified| StoredArchive {
            is_encrypted: true,
            size,
            seen: Seen { modified: Some(modified), ..Seen::default() },
            ..archive(key, None, age)
        };
        let mut group = [came("d", 0, 40, 102), came("c", 1, 60_000, 100), came("b", 900, 40, 101)];

        assert_eq!(decide(&mut group, &last(1)), Ok(vec![]));
        let uncounted =
            group.each_ref().map(|one| matches!(one.decision, ObjectDecision::Uncounted(_)));
        assert_eq!(uncounted, [true, false, true]);
    }

    #[test]
    fn one_dated_in_the_future_stays_and_proves_nothing() {
        let mut group = [archive("c", None, -9), archive("b", None, 1), archive("a", None, 2)];

        assert_eq!(decide(&mut group, &last(1)), Ok(vec![1]));
        assert!(matches!(group[0].decision, ObjectDecision::Keep(_)));
        assert_eq!(decide(&mut group[..1], &last(1)), Ok(vec![]));
    }
}
