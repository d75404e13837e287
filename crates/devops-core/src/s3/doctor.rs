//! Tests the capabilities of a store, and says what they mean for puts.
//!
//! `reach` finds the store, `settings` reads the bucket's, and `probe` stores small objects of its own and
//! deletes them. Each tells [`Finding`]s; what later runs can use is [`Capabilities`](crate::s3::Capabilities).

mod deletion;
mod doctor_run;
mod encryption;
mod finding;
mod multipart;
mod probe;
mod reach;
mod settings;

use std::cell::Cell;

use futures_util::future::LocalBoxFuture;

use crate::cancel::Cancelled;
use crate::s3::request::context::S3Context;
pub use doctor_run::DoctorOptions;
use doctor_run::DoctorRun;
pub use finding::{Diagnosis, Finding, Severity};
use probe::ProbeObject;

/// Examines a store and tells what it finds; fails only when a signal comes.
///
/// What it stored is deleted at its end, whatever that is.
pub fn diagnose<'a>(
    context: S3Context<'a>,
    options: DoctorOptions<'a>,
    tell: &'a dyn Fn(Finding),
) -> LocalBoxFuture<'a, Result<Diagnosis, Cancelled>> {
    Box::pin(async move {
        let (failed, keeps_versions) = (Cell::default(), Cell::default());
        let run = DoctorRun { context, options, tell, failed, keeps_versions };
        let mut diagnosis = Diagnosis::default();
        run.credentials();
        if run.reach().await? {
            let locks = run.settings().await?;
            if options.write && !locks {
                diagnosis = ProbeObject::new(&run).run().await?;
            } else {
                let why = if locks { "new objects would be locked" } else { "--no-write" };
                let message =
                    format!("not tried ({why}): nothing is known of checksums and conditions");
                run.report(Finding::warn("put", message, None));
            }
        }
        diagnosis.failed = run.failed.get();
        Ok(diagnosis)
    })
}
