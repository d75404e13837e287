//! One run of a profile: the lock, the hooks, and word to those who watch.

use super::{
    event::ProfileEvent,
    hooks::{self, HookPhase},
    metrics, notify,
    options::{Profile, RunContext},
    report::{self, Problem, Report, Status},
};
use crate::{
    cancel::Cancel,
    fs::OpenFolder,
    kind::HasKind,
    lock::{FolderLock, LockError, LockEvent, LockMode, LockRequest},
};

/// One run of one profile.
pub(super) struct Run<'a, 'b> {
    pub(super) profile: &'a Profile<'a>,
    context: &'a RunContext<'a>,
    pub(super) cancel: &'a Cancel,
    pub(super) on_event: &'b mut dyn FnMut(ProfileEvent<'_>),
    pub(super) report: Report,
    /// The number of archives of each source that are gone already.
    pub(super) n_removed: Vec<usize>,
}

impl<'a, 'b> Run<'a, 'b> {
    pub(super) fn new(
        profile: &'a Profile<'a>,
        context: &'a RunContext<'a>,
        cancel: &'a Cancel,
        on_event: &'b mut dyn FnMut(ProfileEvent<'_>),
    ) -> Self {
        let report = Report::new(profile.name, profile.create.host, profile.create.clock.now());
        let n_removed = vec![0; profile.sources.len()];
        Self { profile, context, cancel, on_event, report, n_removed }
    }

    pub(super) fn fail(&mut self, problem: Problem) {
        (self.on_event)(ProfileEvent::Problem(&problem));
        self.report.problems.push(problem);
        self.report.status = Status::Failed;
    }

    /// Fails while another process is at work in the destination, before anything is begun.
    ///
    /// A hook may be there to mend anything else that is wrong with the destination.
    pub(super) fn ensure_unlocked(&mut self) -> Result<(), LockError> {
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
        let mut notify = |event: LockEvent<'_>| on_event(ProfileEvent::Lock(event));
        let folder = OpenFolder::open_within(self.profile.dest, self.profile.create.within)?;
        FolderLock::acquire_in(&folder, &request, self.cancel, &mut notify)
    }

    pub(super) fn work(&mut self) -> Result<(), Problem> {
        self.hooks(HookPhase::Before)?;
        let made = OpenFolder::create_within(self.profile.dest, self.profile.create.within);
        let made = made.map_err(|error| Problem::from(&error));
        let lock = made.and_then(|_| self.lock().map_err(|error| Problem::of_lock(&error)))?;
        self.make_room()?;
        for n in 0..self.profile.sources.len() {
            self.cancel.check().map_err(|error| Problem::from(&error))?;
            self.back_up(n);
        }
        self.settle()?;
        drop(lock);
        self.report.settle();
        if self.report.status == Status::Failed { Ok(()) } else { self.hooks(HookPhase::After) }
    }

    fn count_archives(&mut self) {
        let names = self.profile.sources.iter().map(|source| &source.name);
        // Only a figure: where the folder cannot be listed, more than this failed.
        let found = names.filter_map(|name| name.archives_in(self.profile.dest).ok());
        self.report.n_archives = found.map(|archives| archives.len()).sum();
        let free = self.profile.create.file_io.free_bytes(self.profile.dest);
        self.report.free_bytes = free.ok().flatten();
    }

    /// Runs the hooks that come whatever happened, also when a signal ended the work.
    pub(super) fn run_after_hooks(&mut self) {
        self.count_archives();
        self.report.settle();
        if self.report.status == Status::Failed
            && let Err(problem) = self.hooks(HookPhase::OnFailure)
        {
            self.fail(problem);
        }
        if let Err(problem) = self.hooks(HookPhase::Finally) {
            self.fail(problem);
        }
    }

    fn hooks(&mut self, moment: HookPhase) -> Result<(), Problem> {
        let exit_code = (moment != HookPhase::Before).then(|| self.exit_code());
        let environment = hooks::environment(&self.report, exit_code);
        // What cleans up is not stopped by the signal that made it necessary.
        let uncancelled = Cancel::new();
        let cancel = if moment.is_cleanup() { &uncancelled } else { self.cancel };
        hooks::run(&self.profile.hooks, moment, &environment, cancel, self.on_event)
    }

    fn exit_code(&self) -> u8 {
        self.report.exit_code(self.context.exit_code)
    }

    pub(super) fn ping_start(&mut self) {
        if let Some(url) = &self.profile.healthcheck
            && let Err(reason) = notify::ping_once(&url.below("start"), self.cancel)
        {
            self.warn(&reason);
        }
    }

    /// Tells those who watch; a failure to reach them does not make the backup worse.
    pub(super) fn notify(&mut self) {
        let json = self.report.to_json(self.exit_code());
        if let Some(dir) = &self.profile.metrics_dir
            && let Err(error) =
                metrics::write(dir, self.profile.create.within, &self.report, self.exit_code())
        {
            self.warn(&report::chain(&error));
        }
        for url in &self.profile.webhooks {
            if let Err(reason) = notify::post_json(url, &json, self.cancel) {
                self.warn(&reason);
            }
        }
        if let Some(url) = &self.profile.healthcheck {
            let is_whole = matches!(self.report.status, Status::Success | Status::Partial);
            // A source that shrank waits for a person, and no other ping calls one.
            let is_good = is_whole && self.report.n_shrunk() == 0;
            let url = if is_good { url.clone() } else { url.below("fail") };
            if let Err(reason) = notify::ping(&url, &self.report.text(), self.cancel) {
                self.warn(&reason);
            }
        }
    }

    pub(super) fn warn(&mut self, what: &str) {
        (self.on_event)(ProfileEvent::Warning(what));
    }
}

impl<E: HasKind> From<&E> for Problem {
    fn from(error: &E) -> Self {
        Self::new(error.kind(), report::chain(error))
    }
}
