//! A backup as it is run for years: several sources, hooks around them, retention, and word to those who watch.
//!
//! One run of a profile goes: look whether the destination is locked (if so, nothing else happens), start
//! ping, `before` hooks, lock, room for the archives, every source (created, verified, rehearsed), prune,
//! unlock, `after` or `on_failure` hooks, `finally` hooks, metrics, webhooks, last ping. What fails is a
//! [`Problem`]; the report has them all.
//!
//! `series` decides what becomes of the archives of a source, `remembered_sizes` remembers their sizes, `room` says
//! whether the next ones fit.

use crate::{
    archive::{
        ArchiveError, CreateEvent, CreateOptions, CreateSummary, PrunePlan,
        preview as preview_create,
    },
    cancel::{Cancel, hold_cleanup},
    fs::PathError,
    retention::{Comparison, Shrunk},
};

mod calendar;
mod event;
mod hooks;
mod metrics;
mod notify;
mod options;
mod remembered_sizes;
mod report;
mod room;
mod running;
mod schedule;
mod series;
mod source;
mod state;

use running::Run;
use series::Series;

pub use calendar::check_calendar;
pub use event::ProfileEvent;
pub use notify::{BadUrl, SecretUrl};
pub use options::{Hooks, Profile, ProfileSource, PruneLimits, Rehearsal, RunContext, ShrinkRule};
pub use report::{Problem, Pruned, Report, Shrinkage, SourceReport, Status};
pub use room::Shortage;
pub use schedule::{BadSchedule, Schedule, crontab, service, timer};
pub use state::service_state_folder;

/// Runs a profile to its end, whatever fails on the way.
pub fn run(
    profile: &Profile<'_>,
    context: &RunContext<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Report {
    let mut run = Run::new(profile, context, cancel, on_event);
    if let Err(error) = run.ensure_unlocked() {
        run.fail(Problem::of_lock(&error));
        run.report.status = Status::Locked;
        return run.report;
    }
    run.ping_start();
    // What hooks have begun, others undo: they must run although a signal found the work in a slow step.
    let is_cleanup_due = !(profile.hooks.on_failure.is_empty() && profile.hooks.finally.is_empty());
    let hold = is_cleanup_due.then(hold_cleanup);
    if let Err(problem) = run.work() {
        run.fail(problem);
    }
    run.run_after_hooks();
    drop(hold);
    run.report.elapsed = (profile.create.clock.now() - run.report.started).unsigned_abs();
    run.notify();
    run.report
}

/// What a run would do to one source.
#[derive(Debug)]
pub struct Preview {
    /// What would go into its archive.
    pub summary: CreateSummary,
    /// The earlier archives of it that would go; `None` without retention, and if the source shrank.
    pub prune: Option<PrunePlan>,
    /// The loss of the source, if it is more than it may be.
    pub shrunk: Option<Shrunk>,
}

/// Goes through a profile as [`run`] would, and writes, locks, starts and tells nothing.
pub fn preview(
    profile: &Profile<'_>,
    source: &ProfileSource,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Preview, ArchiveError> {
    let (template, any_owner) = (profile.create.clone(), profile.limits.any_owner);
    let options = CreateOptions { source: &source.path, any_owner, lock: None, ..template };
    let destination = Some((profile.dest, &source.name));
    let summary = preview_create(&options, destination, cancel, on_event)?;
    let mut preview = Preview { summary, prune: None, shrunk: None };
    if !profile.dest.exists() {
        return Ok(preview);
    }
    let series = Series { profile, name: &source.name };
    let mut plan = series.plan(false, cancel)?;
    let earlier = series::before_next(&plan, profile.create.clock.now());
    let size = preview.summary.source_size();
    if let Comparison::Shrunk(shrunk) =
        series.compare(size, &earlier, &mut series.remembered_sizes())
    {
        preview.shrunk = Some(shrunk);
    }
    if !profile.keep.is_empty() && (preview.shrunk.is_none() || profile.shrink.is_accepted) {
        plan.postpone(plan.most_removals(profile.limits.max_delete));
        preview.prune = Some(plan);
    }
    Ok(preview)
}

/// Returns what the destination lacks for the next archives, if it does.
pub fn shortage(profile: &Profile<'_>) -> Result<Option<Shortage>, PathError> {
    if profile.dest.exists() { room::shortage(profile) } else { Ok(None) }
}
