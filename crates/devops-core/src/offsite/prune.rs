//! Removes archives from a store that a policy no longer keeps; never the newest sound one of a source.
//!
//! `look` reads what the decision needs, `decisions` decides, `carry_out` does it.

mod decide;
mod error;
mod execute;
mod others;
mod proof;
mod request;
mod scan;
mod selection;
mod stored_archive;

use futures_util::future::LocalBoxFuture;

pub use self::{
    execute::{PruneOutcome, lock_kept, remove_pruned},
    others::Others,
    selection::{Selection, select_kept, select_newest},
};
use crate::{
    retention::{self, EmptyPolicy},
    s3::S3Context,
    verdicts::Verdicts,
};
pub use error::PruneError;
pub use request::PruneRequest;
pub use stored_archive::{ObjectDecision, StoredArchive};

/// The plan of a prune.
#[derive(Clone, Debug)]
pub struct OffsitePlan {
    /// The archives, by source, newest first.
    pub archives: Vec<StoredArchive>,
    /// Is set if a deletion only hides, or nothing where the store does not say.
    pub keeps_versions: Option<bool>,
}

impl OffsitePlan {
    /// Returns the archives by series; those that are encrypted and those that say nothing of their
    /// origin are a group each.
    pub fn groups(&self) -> impl Iterator<Item = &[StoredArchive]> {
        self.archives.chunk_by(|a, b| (a.is_encrypted, &a.series) == (b.is_encrypted, &b.series))
    }

    /// Returns the archives that go, the oldest of each source last.
    pub fn removed(&self) -> impl DoubleEndedIterator<Item = &StoredArchive> {
        self.archives.iter().filter(|archive| archive.decision == ObjectDecision::Remove)
    }

    /// Returns the most archives that one run may remove: `max_delete`, if given.
    pub fn most_removals(&self, max_delete: Option<u64>) -> usize {
        let is_counted =
            |one: &&StoredArchive| !matches!(one.decision, ObjectDecision::Uncounted(_));
        // Archives that do not count must not raise the limit: others may have put them there.
        let n_counted = self.archives.iter().filter(is_counted).count();
        retention::most_removals(n_counted, max_delete)
    }
}

/// Decides which archives in a folder of a store go.
///
/// Archives are grouped by series: host, machine and source; those that are encrypted, and those that do not say where they
/// came from, are a group each. Before anything of a group goes, what the rules keep of it proves itself
/// without being fetched: ours by index and footer, an encrypted one by its header and whole chunks. One of
/// another tool cannot. What does not prove itself counts for no rule and stays. A folder that has
/// something, but no archive of the name, is an error: a retention that never removes anything is none.
pub fn plan_prune<'a>(
    context: S3Context<'a>,
    request: &'a PruneRequest,
) -> LocalBoxFuture<'a, Result<OffsitePlan, PruneError>> {
    Box::pin(async move {
        if request.policy.is_empty() {
            return Err(EmptyPolicy.into());
        }
        if !request.folder.is_prefix() {
            return Err(PruneError::NotAFolder(request.folder.clone()));
        }
        let scan = scan::Scan { context, request };
        let mut verdicts = verdicts(context, request);
        let mut archives = Vec::new();
        let found = scan.archives().await?;
        if found.is_empty() {
            scan.refuse_others().await?;
        }
        verdicts.retain(|key| found.iter().any(|archive| archive.uri.key == key));
        let mut groups = decide::groups(found);
        if let Some(host) = &request.host {
            groups.retain(|group| {
                group[0].series.as_ref().is_some_and(|series| series.host == *host)
            });
        }
        for mut group in groups {
            loop {
                let to_prove = decide::decide(&mut group, request)?;
                if to_prove.is_empty() {
                    break;
                }
                scan.prove(&mut group, &to_prove, &mut verdicts).await?;
            }
            if let Some(mode) = request.lock {
                decide::lock(&mut group, mode, request);
            }
            scan.heed_locks(&mut group).await?;
            archives.extend(group);
        }
        if request.remembers {
            // A verdict that cannot be saved is found again by the next run.
            let _saved = verdicts.save();
        }
        let keeps_versions = scan.keeps_versions().await?;
        Ok(OffsitePlan { archives, keeps_versions })
    })
}

/// Opens the verdicts of this host about the archives of the name in the folder.
fn verdicts(context: S3Context<'_>, request: &PruneRequest) -> Verdicts {
    let endpoint = context.store.address().endpoint_url.as_deref().unwrap_or_default();
    let place = format!("{endpoint} {}{}", request.folder, request.name);
    Verdicts::open(request.state.as_deref(), &place)
}
