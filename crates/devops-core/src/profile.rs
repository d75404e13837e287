//! A backup as it is run for years: several sources, hooks around them, retention, and word to those who watch.
//!
//! One run of a profile goes: look whether the destination is locked (if so, nothing else happens), start
//! ping, `before` hooks, lock, every source (created, verified), prune, unlock, `after` or `on_failure` hooks,
//! `finally` hooks, metrics, webhooks, last ping. What fails is a [`Problem`]; the report has them all.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    archive::{
        Archive, ArchiveError, BackupName, CreateEvent, CreateOptions, CreateSummary, Created,
        Keys, PruneOptions, PrunePlan, create_in_folder, plan_prune, preview as preview_create,
        remove_pruned, verify,
    },
    cancel::Cancel,
    fs::create_folders,
    kind::{HasKind, Kind},
    lock::{FolderLock, Holder, LockError, LockEvent, LockMode, LockRequest},
    retention::KeepPolicy,
};

mod calendar;
mod hooks;
mod metrics;
mod notify;
mod report;
mod schedule;

use hooks::Moment;

pub use calendar::check_calendar;
pub use hooks::Hooks;
pub use notify::{BadUrl, SecretUrl};
pub use report::{Problem, Pruned, Report, SourceReport, Status};
pub use schedule::{BadSchedule, Schedule, crontab, service, timer};

/// What a profile backs up, where to, and what happens around it.
#[derive(Clone)]
pub struct Profile<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is backed up, each under a name of its own.
    pub sources: &'a [ProfileSource],
    /// The folder for the archives, made if missing.
    pub dest: &'a Path,
    /// How each archive is made; the source and the lock are set for each.
    pub create: CreateOptions<'a>,
    /// Whether each archive is read again, once it is there.
    pub verify: bool,
    /// What opens the archives, if they are encrypted.
    pub keys: &'a Keys,
    /// What is kept; an empty policy keeps everything.
    pub keep: KeepPolicy,
    /// The archives that count beside the usual ones, and the most that one run may remove.
    pub limits: PruneLimits,
    /// Commands around the work.
    pub hooks: Hooks,
    /// The address that is told of start, success and failure.
    pub healthcheck: Option<SecretUrl>,
    /// The addresses that get the report.
    pub webhooks: Vec<SecretUrl>,
    /// The folder for a file of metrics.
    pub metrics_dir: Option<PathBuf>,
}

/// The archives that a prune of a profile counts, and the most it may remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneLimits {
    /// Is set if archives of all owners count.
    pub any_owner: bool,
    /// Is set if archives count that are much smaller than the ones before.
    pub accept_small: bool,
    /// The most archives of a source that one run may remove; `None` for the usual number.
    pub max_delete: Option<u64>,
}

/// A folder or file of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSource {
    /// Where it is.
    pub path: PathBuf,
    /// The name of its archives.
    pub name: BackupName,
}

/// What a run needs to know beside its profile.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// This process, as others see it that want the same destination.
    pub holder: &'a Holder,
    /// How long to wait for others to leave the destination.
    pub lock_wait: Duration,
    /// Returns the exit code that a sort of trouble leads to.
    pub exit_code: &'a dyn Fn(Kind) -> u8,
}

/// What happens while a profile runs.
pub enum ProfileEvent<'a> {
    /// A source is about to be backed up.
    Begun(&'a ProfileSource),
    /// Something happened in the making of its archive.
    Create(CreateEvent<'a>),
    /// Its archive is there.
    Created(&'a ProfileSource, &'a Created),
    /// An archive is read again.
    Verifying(&'a Path),
    /// It was decided what is kept, and what is not is gone.
    Pruned(&'a PrunePlan),
    /// A hook starts: which ones, and its number among them.
    Hook(&'static str, usize),
    /// A hook wrote a line.
    HookLine(&'a [u8]),
    /// The destination is being locked.
    Lock(LockEvent<'a>),
    /// Something failed.
    Problem(&'a Problem),
    /// Something failed that does not make the backup worse.
    Warning(&'a str),
}

/// Runs a profile to its end, whatever fails on the way.
pub fn run(
    profile: &Profile<'_>,
    context: &RunContext<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Report {
    let started = profile.create.clock.now();
    let report = Report::new(profile.name, profile.create.host, started);
    let mut run = Run { profile, context, cancel, on_event, report };
    if let Err(error) = run.look_for_lock() {
        run.fail(Problem::from(&error));
        run.report.status = Status::Locked;
        return run.report;
    }
    run.ping_start();
    if let Err(problem) = run.work() {
        run.fail(problem);
    }
    run.wind_up();
    run.report.elapsed = (profile.create.clock.now() - started).unsigned_abs();
    run.tell();
    run.report
}

/// What a run would do to one source.
#[derive(Debug)]
pub struct Preview {
    /// What would go into its archive.
    pub summary: CreateSummary,
    /// What of its earlier archives would go; `None` without retention.
    pub prune: Option<PrunePlan>,
}

/// Goes through a profile as [`run`] would, and writes, locks, starts and tells nothing.
pub fn preview(
    profile: &Profile<'_>,
    source: &ProfileSource,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<Preview, ArchiveError> {
    let options = CreateOptions { source: &source.path, lock: None, ..profile.create.clone() };
    let destination = Some((profile.dest, &source.name));
    let summary = preview_create(&options, destination, cancel, on_event)?;
    let is_pruned = !profile.keep.is_empty() && profile.dest.exists();
    let prune = is_pruned.then(|| plan(profile, &source.name, false, cancel)).transpose()?;
    Ok(Preview { summary, prune })
}

/// Decides which archives of a name go, within what one run may remove.
fn plan(
    profile: &Profile<'_>,
    name: &BackupName,
    remembers: bool,
    cancel: &Cancel,
) -> Result<PrunePlan, ArchiveError> {
    let PruneLimits { any_owner, accept_small, max_delete } = profile.limits;
    let options = PruneOptions {
        folder: profile.dest,
        name,
        host: None,
        policy: &profile.keep,
        keys: profile.keys,
        now: profile.create.clock.now(),
        any_owner,
        accept_small,
        state: profile.create.state,
        remembers,
    };
    let mut plan = plan_prune(&options, cancel)?;
    plan.postpone(plan.most_removals(max_delete));
    Ok(plan)
}

/// One run of one profile.
struct Run<'a, 'b> {
    profile: &'a Profile<'a>,
    context: &'a RunContext<'a>,
    cancel: &'a Cancel,
    on_event: &'b mut dyn FnMut(ProfileEvent<'_>),
    report: Report,
}

impl Run<'_, '_> {
    fn fail(&mut self, problem: Problem) {
        (self.on_event)(ProfileEvent::Problem(&problem));
        self.report.problems.push(problem);
        self.report.status = Status::Failed;
    }

    /// Fails while somebody else is at work in the destination, before anything is begun.
    ///
    /// What else is wrong with the destination may be what a hook is there to mend.
    fn look_for_lock(&mut self) -> Result<(), LockError> {
        if !self.profile.dest.is_dir() {
            return Ok(());
        }
        match self.lock() {
            Ok(_) | Err(LockError::Path(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn lock(&mut self) -> Result<FolderLock, LockError> {
        let RunContext { holder, lock_wait: wait, .. } = *self.context;
        let request = LockRequest { holder, mode: LockMode::Exclusive, wait };
        let on_event = &mut *self.on_event;
        let mut tell = |event: LockEvent<'_>| on_event(ProfileEvent::Lock(event));
        FolderLock::acquire(self.profile.dest, &request, self.cancel, &mut tell)
    }

    fn work(&mut self) -> Result<(), Problem> {
        self.hooks(Moment::Before)?;
        let locked = create_folders(self.profile.dest).map_err(|error| Problem::from(&error));
        let lock = locked.and_then(|()| self.lock().map_err(|error| Problem::from(&error)))?;
        for source in self.profile.sources {
            self.cancel.check().map_err(|error| Problem::from(&error))?;
            self.back_up(source);
        }
        if !self.profile.keep.is_empty() {
            self.prune()?;
        }
        drop(lock);
        self.count_archives();
        self.report.settle();
        if self.report.status == Status::Failed { Ok(()) } else { self.hooks(Moment::After) }
    }

    fn back_up(&mut self, source: &ProfileSource) {
        (self.on_event)(ProfileEvent::Begun(source));
        let result = self.archive(source);
        let mut report = SourceReport::new(source);
        let problem = match result {
            Ok((created, problem)) => {
                report.created = Some(created);
                problem
            }
            Err(error) => Some(Problem::of_source(&error, &source.path)),
        };
        report.error = problem.as_ref().map(|problem| problem.message.clone());
        self.report.sources.push(report);
        if let Some(problem) = problem {
            self.fail(problem);
        }
    }

    /// Creates one archive, and verifies it; it stays if it turns out damaged, for a person to look at.
    fn archive(
        &mut self,
        source: &ProfileSource,
    ) -> Result<(Created, Option<Problem>), ArchiveError> {
        let template = self.profile.create.clone();
        let options = CreateOptions { source: &source.path, lock: None, ..template };
        let (dest, on_event) = (self.profile.dest, &mut *self.on_event);
        let mut tell = |event: CreateEvent<'_>| on_event(ProfileEvent::Create(event));
        let created = create_in_folder(&options, dest, &source.name, self.cancel, &mut tell)?;
        (self.on_event)(ProfileEvent::Created(source, &created));
        if !self.profile.verify {
            return Ok((created, None));
        }
        (self.on_event)(ProfileEvent::Verifying(&created.path));
        let archive = Archive { path: &created.path, keys: self.profile.keys };
        let problem = match verify(archive, self.cancel, &mut |_| {}) {
            Ok(_) => None,
            Err(ArchiveError::Sealed { .. }) if self.profile.keys.is_empty() => {
                let name = &source.name;
                self.warn(&format!(
                    "the archive of `{name}` is for others, who alone can verify it"
                ));
                None
            }
            Err(error) => Some(Problem::of_source(&error, &source.path)),
        };
        Ok((created, problem))
    }

    /// Prunes the archives of those sources that have a new one: nothing old goes while nothing new comes.
    fn prune(&mut self) -> Result<(), Problem> {
        for source in self.profile.sources {
            let is_new = |done: &&SourceReport| done.name == source.name && done.error.is_none();
            if self.report.sources.iter().any(|done| is_new(&done)) {
                self.prune_one(&source.name).map_err(|error| Problem::from(&error))?;
            }
        }
        Ok(())
    }

    fn count_archives(&mut self) {
        let names = self.profile.sources.iter().map(|source| &source.name);
        // Only a figure: where the folder cannot be listed, more than this failed.
        let found = names.filter_map(|name| name.archives_in(self.profile.dest).ok());
        self.report.n_archives = found.map(|archives| archives.len()).sum();
    }

    fn prune_one(&mut self, name: &BackupName) -> Result<(), ArchiveError> {
        let dest = self.profile.dest;
        let plan = plan(self.profile, name, true, self.cancel)?;
        let pruned = self.report.pruned.get_or_insert_default();
        pruned.plan(&plan);
        remove_pruned(&plan, dest, self.cancel, &mut |candidate| pruned.removed(candidate))?;
        (self.on_event)(ProfileEvent::Pruned(&plan));
        Ok(())
    }

    /// Runs the hooks that come whatever happened, also when a signal ended the work.
    fn wind_up(&mut self) {
        self.report.settle();
        if self.report.status == Status::Failed
            && let Err(problem) = self.hooks(Moment::OnFailure)
        {
            self.fail(problem);
        }
        if let Err(problem) = self.hooks(Moment::Finally) {
            self.fail(problem);
        }
    }

    fn hooks(&mut self, moment: Moment) -> Result<(), Problem> {
        let exit_code = (moment != Moment::Before).then(|| self.exit_code());
        let environment = hooks::environment(&self.report, exit_code);
        // What cleans up is not stopped by the signal that made it necessary.
        let uncancelled = Cancel::new();
        let cancel = if moment.is_cleanup() { &uncancelled } else { self.cancel };
        hooks::run(&self.profile.hooks, moment, &environment, cancel, self.on_event)
    }

    fn exit_code(&self) -> u8 {
        self.report.exit_code(self.context.exit_code)
    }

    fn ping_start(&mut self) {
        if let Some(url) = &self.profile.healthcheck
            && let Err(reason) = notify::ping_once(&url.below("start"), self.cancel)
        {
            self.warn(&reason);
        }
    }

    /// Tells those who watch; nobody who cannot be reached makes the backup worse.
    fn tell(&mut self) {
        let json = self.report.to_json(self.exit_code());
        if let Some(dir) = &self.profile.metrics_dir
            && let Err(error) = metrics::write(dir, &self.report, self.exit_code())
        {
            self.warn(&report::chain(&error));
        }
        for url in &self.profile.webhooks {
            if let Err(reason) = notify::post_json(url, &json, self.cancel) {
                self.warn(&reason);
            }
        }
        if let Some(url) = &self.profile.healthcheck {
            let is_good = matches!(self.report.status, Status::Success | Status::Partial);
            let url = if is_good { url.clone() } else { url.below("fail") };
            if let Err(reason) = notify::ping(&url, &self.report.text(), self.cancel) {
                self.warn(&reason);
            }
        }
    }

    fn warn(&mut self, what: &str) {
        (self.on_event)(ProfileEvent::Warning(what));
    }
}

impl<E: HasKind> From<&E> for Problem {
    fn from(error: &E) -> Self {
        Self { kind: error.kind(), message: report::chain(error) }
    }
}
