//! `devops-backup run`.

use std::io::{self, Write};

use devops_cli::{Failure, Outcome, ProfileTable, Session, exit_code, quote};
use devops_core::{
    archive::{Candidate, CreateEvent, CreateSummary, Created, Decision, PrunePlan},
    cancel::Cancelled,
    kind::Kind,
    lock::LockOwner,
    profile::{self, Problem, ProfileEvent, ProfileSource, Report, RunContext, Shrinkage, Status},
    units::{ByteSize, agree, count, format_duration},
};
use serde_json::Value;

use super::{
    create::{self, not_as_it_was},
    failure::{LOCKED, failure},
    host::holder,
    output::{report_lock, report_skipped},
    prune, rehearse,
};
use crate::cli::RunArgs;

mod settings;

pub(super) use settings::Settings;

pub(super) fn run(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    let tables = select(args.profile.as_deref(), session)?;
    // What is wrong with any of them is said before the first one begins.
    let read = |table: &&ProfileTable| Settings::read(table, session);
    let all = tables.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if args.dry_run {
        return dry_run(&all, args, session);
    }
    let holder = holder(session);
    let mut verdict = Verdict::default();
    for settings in &all {
        session.cancel().check()?;
        let report = run_one(settings, args, &holder, session)?;
        verdict.add(&report);
    }
    verdict.outcome(session)
}

/// Returns the profile of a name, or all of them.
pub(super) fn select<'a>(
    name: Option<&str>,
    session: &'a Session,
) -> Result<Vec<&'a ProfileTable>, Failure> {
    let all = session.profiles();
    let Some(name) = name else {
        if all.is_empty() {
            return Err(Failure::new(Kind::Configuration, "no config file has a profile")
                .hint("add a table `[backup.profile.NAME]`; see `devops-backup run --help`"));
        }
        return Ok(all.iter().collect());
    };
    let found = all.iter().find(|table| table.name == name);
    found.map(|table| vec![table]).ok_or_else(|| {
        let failure = Failure::new(Kind::NotFound, format!("there is no profile `{name}`"));
        let names: Vec<_> = all.iter().map(|table| format!("`{}`", table.name)).collect();
        match names.len() {
            0 => failure.hint(format!("add a table `[backup.profile.{name}]` to a config file")),
            _ => failure.hint(format!("there is {}", names.join(", "))),
        }
    })
}

fn run_one(
    settings: &Settings,
    args: &RunArgs,
    holder: &LockOwner,
    session: &Session,
) -> Result<Report, Failure> {
    session.status(format!("profile {}", settings.name));
    let code = |kind| exit_code(kind, session.cancel().signal());
    let context = RunContext { holder, lock_wait: args.lock.lock_wait, exit_code: &code };
    let mut printer = EventPrinter { session, settings, is_held: false, printed: Ok(()) };
    let profile = settings.profile(args, session)?;
    let report =
        profile::run(&profile, &context, session.cancel(), &mut |event| printer.event(&event));
    printer.printed?;
    if session.json() {
        session.emit(&report.to_json(report.exit_code(&code)))?;
    }
    session.status(format!("profile {}: {}", settings.name, report.headline()));
    Ok(report)
}

/// Says what happens.
struct EventPrinter<'a> {
    session: &'a Session,
    settings: &'a Settings,
    /// Is set if nothing of the last source is pruned.
    is_held: bool,
    /// The first failure to print a result; the work goes on.
    printed: Result<(), Failure>,
}

impl EventPrinter<'_> {
    fn event(&mut self, event: &ProfileEvent<'_>) {
        let session = self.session;
        match event {
            ProfileEvent::Begun(source) => {
                session.status(format!("backing up {}", quote(&source.path)));
            }
            ProfileEvent::Create(CreateEvent::Skipped(skipped)) => {
                report_skipped(session, skipped);
            }
            ProfileEvent::Create(CreateEvent::Uncached(error)) => {
                create::report_uncached(session, error);
            }
            ProfileEvent::Create(CreateEvent::NotReused(archive, reason)) => {
                create::report_not_reused(session, archive, reason);
            }
            ProfileEvent::Create(CreateEvent::ModeKept(archive, mode)) => {
                create::report_mode(session, archive, *mode);
            }
            ProfileEvent::Create(CreateEvent::Unseen(what)) => session.status(what),
            ProfileEvent::Create(_) => {}
            ProfileEvent::Created(source, created) => {
                let printed = self.created(source, created);
                self.keep(printed);
            }
            ProfileEvent::Checking(how, path) => session.status(format!("{how} {}", quote(path))),
            ProfileEvent::Rehearsed(source, rehearsed) => {
                for difference in &rehearsed.differences {
                    report_skipped(session, difference);
                }
                session.status(rehearse::summary(&source.path, rehearsed));
            }
            ProfileEvent::Shrunk(source, shrinkage) => self.shrunk(source, *shrinkage),
            ProfileEvent::Pruned(source, plan) => self.pruned(source, plan),
            ProfileEvent::Hook(moment, n) => session.status(format!("hook {moment} {n}")),
            ProfileEvent::HookLine(line) => {
                // Nobody may be reading; the backup does not depend on it.
                let _written = io::stderr().lock().write_all(&[line, b"\n".as_slice()].concat());
            }
            ProfileEvent::Lock(event) => report_lock(session, &self.settings.dest, event),
            ProfileEvent::Problem(Problem { message, .. }) => {
                session.warn(format!("profile {}: {message}", self.settings.name));
            }
            ProfileEvent::Warning(what) => {
                session.warn(format!("profile {}: {what}", self.settings.name));
            }
        }
    }

    fn created(&self, source: &ProfileSource, created: &Created) -> Result<(), Failure> {
        let Created { path, summary } = created;
        create::report_empty(&source.path, summary, self.session);
        if self.session.json() {
            let mut object = create::summary_json(path, summary);
            object["profile"] = self.settings.name.as_str().into();
            object["source"] = source.path.to_string_lossy().into();
            return self.session.emit(&object);
        }
        create::report(path, summary, false, self.session)
    }

    fn shrunk(&mut self, source: &ProfileSource, shrinkage: Shrinkage) {
        let Shrinkage { shrunk, is_accepted } = shrinkage;
        self.is_held = !is_accepted;
        let place = format!("profile {}: {}", self.settings.name, quote(&source.path));
        if is_accepted {
            self.session.status(format!("{place} shrank, and that is accepted: {shrunk}"));
        } else {
            self.session.warn(format!(
                "{place} shrank: {shrunk}; nothing of it is pruned until it is back, or \
                 `--accept-shrunk` says that the loss is meant"
            ));
        }
    }

    fn pruned(&mut self, source: &ProfileSource, plan: &PrunePlan) {
        prune::report_uncounted(plan, self.session);
        let waiting =
            plan.candidates.iter().filter(|candidate| candidate.decision == Decision::Postponed);
        // While the source is shrunk all wait, and that was said.
        let is_held = std::mem::take(&mut self.is_held);
        for Candidate { path, .. } in waiting.filter(|_| !is_held) {
            self.session.status(format!("left to a later run: `{}`", quote(path)));
        }
        let n_removed = plan.removed().count();
        let n_kept = plan.candidates.len() - n_removed;
        let place = format!("profile {}: {}", self.settings.name, quote(&source.path));
        let name = &source.name;
        self.session.status(format!("{place} ({name}): kept {n_kept}, removed {n_removed}"));
    }

    fn keep(&mut self, printed: Result<(), Failure>) {
        if self.printed.is_ok() {
            self.printed = printed;
        }
    }
}

/// The outcome of all profiles.
#[derive(Default)]
struct Verdict {
    worst: Option<Problem>,
    n_faults: usize,
    n_shrunk: usize,
    is_partial: bool,
    failed: Vec<String>,
}

impl Verdict {
    fn add(&mut self, report: &Report) {
        self.n_faults += report.n_faults();
        self.n_shrunk += report.n_shrunk();
        self.is_partial |= report.status == Status::Partial;
        let Some(problem) = report.worst() else { return };
        self.failed.push(report.profile.clone());
        // A lock asks for another try, which a failure of another profile does not.
        let is_worse = self
            .worst
            .as_ref()
            .is_none_or(|worst| worst.kind == Kind::Temporary || problem.kind == Kind::Interrupted);
        if is_worse {
            self.worst = Some(problem.clone());
        }
    }

    fn outcome(self, session: &Session) -> Result<Outcome, Failure> {
        let Some(worst) = self.worst else {
            return Ok(self.partial());
        };
        if let (Kind::Interrupted, Some(signal)) = (worst.kind, session.cancel().signal()) {
            return Err(Cancelled { signal }.into());
        }
        let failure = match self.failed.as_slice() {
            [one] => {
                Failure::new(worst.kind, worst.message).context(format!("profile `{one}` failed"))
            }
            many => Failure::new(
                worst.kind,
                format!("{} failed: {}", count(many.len(), "profile"), many.join(", ")),
            ),
        };
        Err(if worst.is_locked { failure.hint(LOCKED) } else { failure })
    }

    /// Returns the outcome where nothing failed.
    fn partial(&self) -> Outcome {
        Outcome::Partial(match (self.is_partial, self.n_shrunk, self.n_faults) {
            (false, ..) => return Outcome::Done,
            (true, 0, 0) => "an earlier archive does not count".to_owned(),
            (true, 0, n) => not_as_it_was(n, "in an archive"),
            (true, n, _) => {
                let (sources, them) = (count(n, "source"), agree(n, "it", "them"));
                format!("{sources} shrank, and nothing of {them} was pruned")
            }
        })
    }
}

fn dry_run(all: &[Settings], args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    let (mut n_faults, mut n_shrunk) = (0, 0);
    for settings in all {
        let profile = settings.profile(args, session)?;
        if let Some(shortage) = profile::shortage(&profile)? {
            session.warn(format!("profile {}: {shortage}", settings.name));
        }
        for source in &settings.sources {
            let preview = preview(settings, &profile, source, session)?;
            n_faults += preview.summary.n_faults();
            n_shrunk += usize::from(preview.shrunk.is_some() && !profile.shrink.is_accepted);
        }
    }
    Ok(match (n_shrunk, n_faults) {
        (0, 0) => Outcome::Done,
        (0, n) => Outcome::Partial(format!("{} could not be read", count(n, "thing"))),
        (n, _) => {
            let (sources, them) = (count(n, "source"), agree(n, "it", "them"));
            Outcome::Partial(format!("{sources} shrank, and nothing of {them} would be pruned"))
        }
    })
}

/// Shows what would become of one source, and returns it.
fn preview(
    settings: &Settings,
    profile: &profile::Profile<'_>,
    source: &ProfileSource,
    session: &Session,
) -> Result<profile::Preview, Failure> {
    let mut on_event = |event: CreateEvent<'_>| {
        if let CreateEvent::Skipped(skipped) = event {
            report_skipped(session, skipped);
        }
    };
    let preview = profile::preview(profile, source, session.cancel(), &mut on_event)
        .map_err(|error| failure(error).context(format!("profile `{}`", settings.name)))?;
    let summary = &preview.summary;
    if session.json() {
        let shrinkage = preview
            .shrunk
            .map(|shrunk| Shrinkage { shrunk, is_accepted: profile.shrink.is_accepted });
        let mut object = preview_json(settings, source, summary);
        object["shrunk"] = shrinkage.map_or(Value::Null, Shrinkage::to_json);
        session.emit(&object)?;
    } else {
        session.line(format!(
            "would back up {} as {}: {}, {}",
            quote(&source.path),
            source.name,
            count(summary.n_entries, "entry"),
            ByteSize(summary.bytes_in)
        ))?;
    }
    if let Some(shrunk) = &preview.shrunk {
        session.warn(format!(
            "profile {}: {} shrank: {shrunk}",
            settings.name,
            quote(&source.path)
        ));
    }
    if let Some(plan) = &preview.prune {
        prune::show(plan, session)?;
    }
    session.status(format!("walked in {}", format_duration(summary.elapsed)));
    Ok(preview)
}

fn preview_json(settings: &Settings, source: &ProfileSource, summary: &CreateSummary) -> Value {
    let mut object = create::summary_json(&settings.dest, summary);
    object["archive"] = Value::Null;
    object["dry_run"] = true.into();
    object["profile"] = settings.name.as_str().into();
    object["source"] = source.path.to_string_lossy().into();
    object
}
