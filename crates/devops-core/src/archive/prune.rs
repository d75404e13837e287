//! Removes archives a policy no longer keeps; never the newest good one of a source.

use rustix::fs::FileType;
use time::OffsetDateTime;

use super::ArchiveError;
use crate::archive::read::ownership::{FolderOwners, verdicts};
use crate::{
    cancel::Cancel,
    fs::{IoResultExt, OpenFolder},
    retention::{self, Decision, EmptyPolicy, Member, Proof, Rules, Ruling},
};

mod candidate;
mod scan;

use candidate::look;
pub use candidate::{Candidate, PruneOptions};
use scan::Scan;

/// The plan of a prune.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The archives, by source, newest first.
    pub candidates: Vec<Candidate>,
    folder: OpenFolder,
}

impl PrunePlan {
    /// Returns the archives by series; those that are encrypted and those that say nothing of their
    /// origin are a group each.
    pub fn groups(&self) -> impl Iterator<Item = &[Candidate]> {
        self.candidates.chunk_by(|a, b| (a.is_encrypted, &a.series) == (b.is_encrypted, &b.series))
    }

    /// Returns the archives that go, oldest last.
    pub fn removed(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.decision == Decision::Remove)
    }

    /// Returns the archives that count for no rule, each with the reason.
    pub fn uncounted(&self) -> impl Iterator<Item = (&Candidate, &str)> {
        self.candidates.iter().filter_map(|candidate| match &candidate.decision {
            Decision::Uncounted(reason) => Some((candidate, reason.as_str())),
            Decision::Keep(_) | Decision::Postponed | Decision::Remove => None,
        })
    }

    /// Returns the most archives that one run may remove: `max_delete`, if given.
    pub fn most_removals(&self, max_delete: Option<u64>) -> usize {
        // Archives that do not count must not raise the limit: others may have put them there.
        let n_counted = self.candidates.len() - self.uncounted().count();
        retention::most_removals(n_counted, max_delete)
    }

    /// Leaves all but the oldest `budget` removals to a later run; returns how many wait.
    pub fn postpone(&mut self, budget: usize) -> usize {
        let mut going: Vec<_> = self
            .candidates
            .iter_mut()
            .filter(|candidate| candidate.decision == Decision::Remove)
            .collect();
        let times: Vec<_> = going.iter().map(|candidate| candidate.time).collect();
        let waiting = retention::postponed(&times, budget);
        for &index in &waiting {
            going[index].decision = Decision::Postponed;
        }
        waiting.len()
    }
}

/// Decides which archives go.
///
/// Archives are grouped by series: host, machine and source. Before any of a group is removed, those that the rules
/// keep are proven: ours by index and footer; of other tools the newest, which is read whole.
/// Encrypted archives that none of the keys opens are a group of their own, and must have the shape
/// of one. An archive that is not proven, or that belongs to another user, counts for no rule and
/// stays.
pub fn plan_prune(options: &PruneOptions<'_>, cancel: &Cancel) -> Result<PrunePlan, ArchiveError> {
    plan(options, None, cancel)
}

/// Decides which archives make room for the next one: those that [`plan_prune`] would remove once it is
/// there, but for the two newest that count.
///
/// `is_encrypted` says whether the next one is encrypted and none of the keys opens it.
pub fn plan_before_next(
    options: &PruneOptions<'_>,
    is_encrypted: bool,
    cancel: &Cancel,
) -> Result<PrunePlan, ArchiveError> {
    plan(options, Some(is_encrypted), cancel)
}

fn plan(
    options: &PruneOptions<'_>,
    next: Option<bool>,
    cancel: &Cancel,
) -> Result<PrunePlan, ArchiveError> {
    if options.policy.is_empty() {
        return Err(EmptyPolicy.into());
    }
    let owners = FolderOwners::of(options.folder)?.or_any(options.any_owner);
    let verdicts = verdicts(options.state, options.folder, options.name);
    let folder = OpenFolder::open_within(options.folder, options.within)?;
    let mut scan = Scan { options, folder, owners, verdicts, cancel };
    let mut groups = scan.groups()?;
    let continued = next.and_then(|is_encrypted| continued(&groups, is_encrypted, options.now));
    for (n, group) in groups.iter_mut().enumerate() {
        let judge = if continued == Some(n) { retention::judge_before } else { retention::judge };
        decide(group, judge, &mut scan)?;
    }
    if options.remembers {
        // A verdict that cannot be saved is found again by the next run.
        let _saved = scan.verdicts.save();
    }
    let candidates = groups.into_iter().flatten().collect();
    Ok(PrunePlan { candidates, folder: scan.folder })
}

/// Returns the group that the next archive belongs to: that of the newest one of its sort.
fn continued(groups: &[Vec<Candidate>], is_encrypted: bool, now: OffsetDateTime) -> Option<usize> {
    let newest = |group: &[Candidate]| {
        let counts = |candidate: &&Candidate| {
            let is_counted = !matches!(candidate.proof, Proof::Uncounted(_));
            is_counted && candidate.is_encrypted == is_encrypted && candidate.time <= now
        };
        group.iter().filter(counts).map(|candidate| candidate.time).max()
    };
    let newest = groups.iter().enumerate().filter_map(|(n, group)| Some((newest(group)?, n)));
    newest.max().map(|(_, n)| n)
}

/// Removes what the plan says from the folder that it looked at, the oldest first; a file that was replaced
/// since then stays.
pub fn remove_pruned(
    plan: &PrunePlan,
    cancel: &Cancel,
    on_removed: &mut dyn FnMut(&Candidate),
) -> Result<(), ArchiveError> {
    let removed: Vec<_> = plan.removed().collect();
    for candidate in removed.iter().rev() {
        cancel.check()?;
        let at = plan.folder.entry(candidate.path.file_name().unwrap_or_default());
        let meta = look(&at).at(&candidate.path, "read")?;
        if meta.id == candidate.id && meta.kind == FileType::RegularFile {
            at.remove().at(&candidate.path, "remove")?;
            on_removed(candidate);
        }
    }
    if !removed.is_empty() {
        plan.folder.entry(".").sync_dir().at(plan.folder.path(), "sync")?;
    }
    Ok(())
}

/// Decides the fates in one group, newest first, once what they rest on has proved itself.
fn decide(
    group: &mut [Candidate],
    judge: fn(&[Member], &Rules<'_>) -> Result<Ruling, EmptyPolicy>,
    scan: &mut Scan<'_>,
) -> Result<(), ArchiveError> {
    let PruneOptions { policy, now, accept_small, .. } = *scan.options;
    loop {
        let members: Vec<Member> = group.iter().map(Candidate::member).collect();
        let ruling = judge(&members, &Rules { policy, now, accept_small })?;
        if ruling.to_prove.is_empty() {
            for (candidate, decision) in group.iter_mut().zip(ruling.decisions) {
                candidate.decision = decision;
            }
            return Ok(());
        }
        for index in ruling.to_prove {
            scan.cancel.check()?;
            scan.prove(&mut group[index])?;
        }
    }
}
