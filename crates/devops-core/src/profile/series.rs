//! The archives of one source: which of them go, and whether the source shrank.

use time::OffsetDateTime;

use super::{
    options::{Profile, PruneLimits},
    remembered_sizes::RememberedSizes,
};
use crate::{
    archive::{
        ArchiveError, BackupName, Candidate, Decision, PruneOptions, PrunePlan, plan_before_next,
        plan_prune,
    },
    cancel::Cancel,
    retention::{self, Comparison, EarlierSize, KeepPolicy, SourceSize},
};

/// Keeps all, where a profile has no policy.
const ALL: KeepPolicy = KeepPolicy {
    last: u32::MAX,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    within: None,
};

/// The archives of one name in the destination of a profile.
pub(super) struct Series<'a> {
    pub(super) profile: &'a Profile<'a>,
    pub(super) name: &'a BackupName,
}

impl Series<'_> {
    /// Decides which archives go.
    pub(super) fn plan(&self, remembers: bool, cancel: &Cancel) -> Result<PrunePlan, ArchiveError> {
        plan_prune(&self.options(remembers), cancel)
    }

    /// Decides which archives make room for the next one.
    pub(super) fn plan_room(&self, cancel: &Cancel) -> Result<PrunePlan, ArchiveError> {
        let create = &self.profile.create;
        let is_encrypted = create.encryption.is_some() && self.profile.keys.is_empty();
        plan_before_next(&self.options(true), is_encrypted, cancel)
    }

    fn options(&self, remembers: bool) -> PruneOptions<'_> {
        let Profile { dest, keep, create, keys, limits, .. } = self.profile;
        let PruneLimits { any_owner, accept_small, .. } = *limits;
        PruneOptions {
            folder: dest,
            within: create.within,
            name: self.name,
            host: None,
            policy: if keep.is_empty() { &ALL } else { keep },
            keys,
            now: create.clock.now(),
            any_owner,
            accept_small,
            state: create.state,
            remembers,
        }
    }

    pub(super) fn remembered_sizes(&self) -> RememberedSizes {
        RememberedSizes::open(self.profile.create.state, self.profile.dest, self.name)
    }

    /// Compares the size of a source with those of earlier archives.
    pub(super) fn compare(
        &self,
        size: SourceSize,
        earlier: &[&Candidate],
        remembered_sizes: &mut RememberedSizes,
    ) -> Comparison {
        let keys = self.profile.keys;
        let mut sizes: Vec<_> = earlier
            .iter()
            .map(|earlier| EarlierSize {
                time: earlier.time,
                size: remembered_sizes.size(earlier, keys),
            })
            .collect();
        sizes.sort_by_key(|earlier| earlier.time);
        retention::compare(&sizes, remembered_sizes.accepted(), size, self.profile.shrink.limit)
    }

    /// Returns whether the source of the newest archive shrank, and no person accepted that.
    pub(super) fn is_shrunk(&self, plan: &PrunePlan) -> bool {
        let now = self.profile.create.clock.now();
        let Some(newest) = newest(plan, now).filter(|_| !self.profile.shrink.is_accepted) else {
            return false;
        };
        let mut remembered_sizes = self.remembered_sizes();
        let Some(size) = remembered_sizes.size(newest, self.profile.keys) else { return false };
        let shrunk = self.compare(size, &before(plan, newest), &mut remembered_sizes);
        matches!(shrunk, Comparison::Shrunk(_))
    }
}

/// Returns the newest archive that is not dated in the future.
fn newest(plan: &PrunePlan, now: OffsetDateTime) -> Option<&Candidate> {
    let past = plan.candidates.iter().filter(|candidate| candidate.time <= now);
    past.max_by_key(|candidate| candidate.time)
}

/// Returns the archives before one that count and may be of the same series: they say so, or do not say of
/// which they are.
pub(super) fn before<'p>(plan: &'p PrunePlan, newest: &Candidate) -> Vec<&'p Candidate> {
    let is_of_series = |candidate: &Candidate| match (&candidate.series, &newest.series) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let is_before = |candidate: &&Candidate| {
        let is_counted = !matches!(candidate.decision, Decision::Uncounted(_));
        let is_other = candidate.path != newest.path && candidate.time <= newest.time;
        is_counted && is_other && is_of_series(candidate)
    };
    plan.candidates.iter().filter(is_before).collect()
}

/// Returns the archives before the next one, which continues the newest.
pub(super) fn before_next(plan: &PrunePlan, now: OffsetDateTime) -> Vec<&Candidate> {
    let newest = newest(plan, now);
    let before = newest.map(|newest| before(plan, newest)).unwrap_or_default();
    let counted = newest.filter(|newest| !matches!(newest.decision, Decision::Uncounted(_)));
    before.into_iter().chain(counted).collect()
}
