//! The outcome of a run, for people, programs and hooks.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::options::ProfileSource;
use crate::{
    archive::{
        ArchiveError, BackupName, Candidate, Created, Decision, PrunePlan, Rehearsed, Skipped,
    },
    kind::{HasKind, Kind},
    lock::LockError,
    retention::Shrunk,
    units::{ByteSize, agree, count, format_duration},
};

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Everything was done.
    Success,
    /// Every archive is there; something that could not be read, or changed, is not in it as it was.
    Partial,
    /// Something was not done.
    Failed,
    /// Nothing was begun: somebody else is at work in the destination.
    Locked,
}

impl Status {
    /// Returns the word that stands in JSON and in the environment of hooks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Locked => "locked",
        }
    }
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The sort of error.
    pub kind: Kind,
    /// What happened, with its causes.
    pub message: String,
    /// Is set where another process holds the destination, which ends by itself.
    pub is_locked: bool,
}

impl Problem {
    pub(super) fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, is_locked: false }
    }

    /// Says why the destination could not be locked.
    pub(super) fn of_lock(error: &LockError) -> Self {
        let is_locked = matches!(error, LockError::Held { .. });
        Self { is_locked, ..Self::from(error) }
    }

    /// A source that could not be backed up is a failure of the run, whatever the reason: what else went well
    /// must not be repeated for it, as a code for a retry would ask for.
    pub(super) fn of_source(error: &ArchiveError, source: &Path) -> Self {
        let kind = match error.kind() {
            kind @ (Kind::Interrupted | Kind::Bug) => kind,
            _ => Kind::Failed,
        };
        let message = format!("failed to back up `{}`: {}", source.display(), chain(error));
        Self::new(kind, message)
    }

    fn rank(&self) -> u8 {
        match self.kind {
            Kind::Interrupted => 3,
            Kind::Bug => 2,
            Kind::Failed => 1,
            _ => 0,
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The name of the profile.
    pub profile: String,
    /// The name of this host.
    pub host: String,
    /// The time it began.
    pub started: OffsetDateTime,
    /// The duration.
    pub elapsed: Duration,
    /// The status at the end.
    pub status: Status,
    /// The sources that were tried.
    pub sources: Vec<SourceReport>,
    /// The number of archives of these sources there are now.
    pub n_archives: usize,
    /// The bytes that are free in their folder now; `None` if that is not known.
    pub free_bytes: Option<u64>,
    /// The outcome of earlier archives; `None` when nothing was pruned.
    pub pruned: Option<Pruned>,
    /// What was not done, in the order it happened.
    pub problems: Vec<Problem>,
}

/// The outcome of one source.
#[derive(Debug)]
pub struct SourceReport {
    /// The path.
    pub source: PathBuf,
    /// The name of its archives.
    pub name: BackupName,
    /// Its archive.
    pub created: Option<Created>,
    /// The reason there is none, or none that can be relied on.
    pub error: Option<String>,
    /// The loss of the source, if it is more than it may be.
    pub shrunk: Option<Shrinkage>,
    /// The result of restoring a part of the archive, where that was asked for.
    pub rehearsed: Option<Rehearsed>,
}

/// A source that lost more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrinkage {
    /// Its loss.
    pub shrunk: Shrunk,
    /// Is set if a person accepted it; else nothing old of the source goes.
    pub is_accepted: bool,
}

/// The outcome of earlier archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number that are there now.
    pub n_kept: usize,
    /// The number that are gone.
    pub n_removed: usize,
    /// The number of those kept that count for no rule: they are damaged, or of another user.
    pub n_uncounted: usize,
    /// The number of those kept that a later run removes.
    pub n_postponed: usize,
    /// The bytes of those that are gone.
    pub bytes_freed: u64,
}

impl Shrinkage {
    /// Returns the loss as reports have it.
    pub fn to_json(self) -> Value {
        let Shrunk { before, now } = self.shrunk;
        json!({
            "accepted": self.is_accepted,
            "entries_before": before.n_entries,
            "entries": now.n_entries,
            "bytes_before": before.n_bytes,
            "bytes": now.n_bytes,
        })
    }
}

impl Pruned {
    pub(super) fn plan(&mut self, plan: &PrunePlan) {
        self.n_kept += plan.candidates.len();
        self.n_uncounted += plan.uncounted().count();
        let is_postponed = |candidate: &&Candidate| candidate.decision == Decision::Postponed;
        self.n_postponed += plan.candidates.iter().filter(is_postponed).count();
    }

    pub(super) fn removed(&mut self, candidate: &Candidate) {
        self.n_kept -= 1;
        self.made_room(candidate);
    }

    /// Counts one that went before the new archive was made.
    pub(super) fn made_room(&mut self, candidate: &Candidate) {
        self.n_removed += 1;
        self.bytes_freed += candidate.size;
    }
}

impl SourceReport {
    pub(super) fn new(source: &ProfileSource) -> Self {
        let ProfileSource { path, name } = source.clone();
        Self { source: path, name, created: None, error: None, shrunk: None, rehearsed: None }
    }

    fn n_faults(&self) -> usize {
        self.created.as_ref().map_or(0, |created| created.summary.n_faults())
    }

    /// Returns whether a person has to say that what it lost may be lost.
    fn is_shrunk(&self) -> bool {
        self.shrunk.is_some_and(|shrinkage| !shrinkage.is_accepted)
    }

    fn status(&self) -> Status {
        match (&self.error, self.n_faults()) {
            (Some(_), _) => Status::Failed,
            (None, 0) if !self.is_shrunk() => Status::Success,
            (None, _) => Status::Partial,
        }
    }

    /// Returns what a person should know beside the headline.
    fn remarks(&self) -> Vec<String> {
        let source = self.source.display();
        let shrunk = self.shrunk.iter().map(|shrinkage| match shrinkage {
            Shrinkage { shrunk, is_accepted: false } => {
                format!("`{source}` shrank, and nothing of it was pruned: {shrunk}")
            }
            Shrinkage { shrunk, is_accepted: true } => {
                format!("`{source}` shrank, and that was accepted: {shrunk}")
            }
        });
        let rehearsed = self.rehearsed.iter().map(|rehearsed| {
            let Rehearsed { n_sampled, n_of, differences, .. } = rehearsed;
            let n_differences = differences.len();
            let (of, differ) = (count(*n_of, "entry"), agree(n_differences, "differs", "differ"));
            format!("`{source}`: restored {n_sampled} of {of}, {n_differences} {differ}")
        });
        let empty = self.created.iter().filter(|created| created.summary.is_empty());
        let empty = empty.map(|_| format!("`{source}` is empty"));
        empty.chain(shrunk).chain(rehearsed).collect()
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "source": self.source.to_string_lossy(),
            "name": self.name.to_string(),
            "status": self.status().name(),
            "error": self.error,
        });
        if let Some(Created { path, summary }) = &self.created {
            object["archive"] = path.to_string_lossy().into();
            object["bytes_in"] = summary.bytes_in.into();
            object["bytes_reused"] = summary.bytes_reused.into();
            object["bytes_out"] = summary.bytes_out.into();
            object["entries"] = summary.n_entries.into();
            object["files"] = summary.n_files.into();
            object["faults"] = summary.n_faults().into();
            object["seconds"] = summary.elapsed.as_secs_f64().into();
        }
        if let Some(shrinkage) = self.shrunk {
            object["shrunk"] = shrinkage.to_json();
        }
        if let Some(rehearsed) = &self.rehearsed {
            object["rehearsal"] = rehearsal(rehearsed);
        }
        object
    }
}

/// Returns the result of a rehearsal as programs read it.
fn rehearsal(rehearsed: &Rehearsed) -> Value {
    let difference = |Skipped { path, reason, .. }: &Skipped| json!({"path": path.to_string_lossy(), "reason": reason});
    json!({
        "seed": rehearsed.seed,
        "entries": rehearsed.n_sampled,
        "of": rehearsed.n_of,
        "kinds": rehearsed.n_of_kind,
        "compared": rehearsed.compared,
        "bytes": rehearsed.n_bytes,
        "like_source": rehearsed.n_like_source,
        "differences": rehearsed.differences.iter().map(difference).collect::<Value>(),
    })
}

impl Report {
    pub(super) fn new(profile: &str, host: &str, started: OffsetDateTime) -> Self {
        Self {
            profile: profile.to_owned(),
            host: host.to_owned(),
            started,
            elapsed: Duration::ZERO,
            status: Status::Success,
            sources: Vec::new(),
            n_archives: 0,
            free_bytes: None,
            pruned: None,
            problems: Vec::new(),
        }
    }

    /// Sets the status as far as things went.
    pub(super) fn settle(&mut self) {
        let is_doubtful = self.pruned.is_some_and(|pruned| pruned.n_uncounted > 0);
        self.status = if !self.problems.is_empty() {
            Status::Failed
        } else if self.n_faults() > 0 || is_doubtful || self.n_shrunk() > 0 {
            Status::Partial
        } else {
            Status::Success
        };
    }

    /// Returns how many things are not in an archive as they were.
    pub fn n_faults(&self) -> usize {
        self.sources.iter().map(SourceReport::n_faults).sum()
    }

    /// Returns how many sources wait for an answer: they lost more than they may.
    pub fn n_shrunk(&self) -> usize {
        self.sources.iter().filter(|source| source.is_shrunk()).count()
    }

    /// Returns how many entries were restored on trial, and how many of them differed; `None`
    /// without a rehearsal.
    pub fn rehearsed(&self) -> Option<(u64, usize)> {
        let rehearsed = self.sources.iter().filter_map(|source| source.rehearsed.as_ref());
        let figures = rehearsed.map(|rehearsed| (rehearsed.n_sampled, rehearsed.differences.len()));
        figures.reduce(|(n, differing), (more, differ)| (n + more, differing + differ))
    }

    /// Returns the new archives.
    pub fn archives(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().filter_map(|source| Some(source.created.as_ref()?.path.as_path()))
    }

    /// Returns the problem that decides the exit code.
    pub fn worst(&self) -> Option<&Problem> {
        // Of equals the first.
        self.problems.iter().rev().max_by_key(|problem| problem.rank())
    }

    /// Returns what was not done, in one text.
    pub fn error(&self) -> Option<String> {
        let messages: Vec<_> = self.problems.iter().map(|problem| &*problem.message).collect();
        (!messages.is_empty()).then(|| messages.join("; "))
    }

    /// Returns the exit code; `of_kind` knows that of each sort of error.
    pub fn exit_code(&self, of_kind: &dyn Fn(Kind) -> u8) -> u8 {
        match (self.worst(), self.status) {
            (Some(problem), _) => of_kind(problem.kind),
            (None, Status::Partial) => 3,
            (None, _) => 0,
        }
    }

    /// Returns the report as programs read it.
    pub fn to_json(&self, exit_code: u8) -> Value {
        let started = self.started.to_offset(UtcOffset::UTC).format(&Rfc3339).ok();
        let pruned = self.pruned.map(|pruned| {
            json!({
                "kept": pruned.n_kept,
                "removed": pruned.n_removed,
                // The name it had when damage was the only reason.
                "damaged": pruned.n_uncounted,
                "postponed": pruned.n_postponed,
                "bytes_freed": pruned.bytes_freed,
            })
        });
        json!({
            "type": "profile",
            "profile": self.profile,
            "host": self.host,
            "status": self.status.name(),
            "exit_code": exit_code,
            "error": self.error(),
            "started": started,
            "seconds": self.elapsed.as_secs_f64(),
            "sources": self.sources.iter().map(SourceReport::to_json).collect::<Value>(),
            "archives": self.n_archives,
            "free_bytes": self.free_bytes,
            "pruned": pruned,
        })
    }

    /// Returns the report as people read it, in one line, without what went wrong.
    pub fn headline(&self) -> String {
        let archives = count(self.archives().count(), "archive");
        let summaries = self.sources.iter().filter_map(|source| source.created.as_ref());
        let size = ByteSize(summaries.map(|created| created.summary.bytes_out).sum());
        let elapsed = format_duration(self.elapsed);
        format!("{}: {archives}, {size}, {elapsed}", self.status.name())
    }

    /// Returns the headline, what went wrong and what a person should know.
    pub fn text(&self) -> String {
        let problems = self.problems.iter().map(|problem| problem.message.clone());
        let remarks = self.sources.iter().flat_map(SourceReport::remarks);
        let lines: Vec<_> = [self.headline()].into_iter().chain(problems).chain(remarks).collect();
        lines.join("\n")
    }
}

/// Returns an error with its causes, none said twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text.push_str(&[": ", &said].concat());
        }
        cause = next.source();
    }
    text
}
