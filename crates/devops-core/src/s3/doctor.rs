//! What a store can do, found out by asking it, and what that means for puts.
//!
//! `reach` finds the store, `settings` reads the bucket's, and `probe` stores small objects of its own and
//! deletes them. Each tells [`Finding`]s; what later runs can use is [`Capabilities`].

mod deletion;
mod encryption;
mod examination;
mod finding;
mod multipart;
mod probe;
mod reach;
mod settings;

use std::cell::Cell;

use futures_util::future::LocalBoxFuture;

use super::context::S3Context;
use crate::cancel::Cancelled;
use examination::Examination;
pub use examination::Examined;
pub use finding::{Diagnosis, Finding, Severity};
use probe::Probe;

/// Examines a store and tells what it finds; fails only when a signal comes.
///
/// What it stored is deleted at its end, whatever that is.
pub fn diagnose<'a>(
    context: S3Context<'a>,
    examined: Examined<'a>,
    tell: &'a dyn Fn(Finding),
) -> LocalBoxFuture<'a, Result<Diagnosis, Cancelled>> {
    Box::pin(async move {
        let (failed, keeps_versions) = (Cell::default(), Cell::default());
        let examination = Examination { context, examined, tell, failed, keeps_versions };
        let mut diagnosis = Diagnosis::default();
        examination.credentials();
        if examination.reach().await? {
            let locks = examination.settings().await?;
            if examined.write && !locks {
                diagnosis = Probe::new(&examination).run().await?;
            } else {
                let why = if locks { "new objects would be locked" } else { "--no-write" };
                let message =
                    format!("not tried ({why}): nothing is known of checksums and conditions");
                examination.report(Finding::warn("put", message, None));
            }
        }
        diagnosis.failed = examination.failed.get();
        Ok(diagnosis)
    })
}
