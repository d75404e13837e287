//! Which of the files that were found are put.

use devops_cli::{Failure, Session, quote};
use devops_core::{
    clock::Clock,
    offsite::{Selection, select_kept, select_newest},
    s3::{S3Context, UploadItems},
    units::count,
};

use super::explain::explain;
use crate::cli::SelectionFlags;

/// Leaves out what the flags do not choose of several files, and returns how many files that are.
pub(super) async fn select(
    context: S3Context<'_>,
    flags: &SelectionFlags,
    found: &mut UploadItems,
    session: &Session,
) -> Result<usize, Failure> {
    let (policy, now) = (flags.keep.policy(), session.clock().now());
    let mut n_left_out = 0;
    if !found.is_tree {
        return Ok(0);
    }
    if let Some(n) = flags.newest {
        let selection = select_newest(context, &found.files, n, now).await.map_err(explain)?;
        n_left_out += take(selection, "--newest", found, session);
    }
    if !policy.is_empty() {
        let selection = select_kept(context, &found.files, &policy, now).await.map_err(explain)?;
        n_left_out += take(selection, "the --keep- flags", found, session);
    }
    Ok(n_left_out)
}

fn take(selection: Selection, rules: &str, found: &mut UploadItems, session: &Session) -> usize {
    let Selection { chosen, skipped, is_blind } = selection;
    if is_blind {
        session.warn("the archives in the store may not be read: those here alone decide");
    }
    if !skipped.is_empty() {
        let (n, total) = (skipped.len(), found.files.len());
        session.status(format!("Leaving out {n} of {}, by {rules}", count(total, "file")));
    }
    for source in &skipped {
        tracing::info!("left out {}", quote(&source.path));
    }
    found.files = chosen;
    skipped.len()
}
