//! Shows what becomes of the objects that are to be thawed, and sums it up.

use std::time::Duration;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    s3::{ObjectHead, RestoreStatus, S3Error, S3Uri, ThawOutcome},
    units::{ByteSize, count, format_duration},
};
use serde_json::{Value, json};

use super::super::{
    explain::{Hints, explain},
    reporter::{Reporter, insert},
    timestamp::rfc3339,
    totals::failed_json,
};

/// What is done with the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Look,
    Foresee,
    Thaw,
}

/// Shows what becomes of each, and counts.
pub(super) struct Tally<'a> {
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    mode: Mode,
    source: &'a S3Uri,
    n_asked: usize,
    bytes_asked: u64,
    n_extended: usize,
    n_readable: usize,
    /// Those that are in an archive, and that nothing was done about.
    n_cold: usize,
    /// Those that the store is fetching.
    pending: Vec<S3Uri>,
    failed: Vec<Value>,
    first_failure: Option<Failure>,
    hints: Hints,
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        (session, reporter): (&'a Session, &'a Reporter<'a>),
        mode: Mode,
        source: &'a S3Uri,
    ) -> Self {
        Self {
            session,
            reporter,
            mode,
            source,
            n_asked: 0,
            bytes_asked: 0,
            n_extended: 0,
            n_readable: 0,
            n_cold: 0,
            pending: Vec::new(),
            failed: Vec::new(),
            first_failure: None,
            hints: Hints::default(),
        }
    }

    /// Counts objects that are of a class in which all can be read.
    pub(super) fn pass_over(&mut self, n: usize) {
        self.n_readable += n;
    }

    pub(super) fn take(&mut self, uri: &S3Uri, result: Result<(ObjectHead, ThawOutcome), S3Error>) {
        let (head, outcome) = match result {
            Ok(done) => done,
            Err(error) => return self.fail(uri, error),
        };
        match outcome {
            ThawOutcome::Asked => {
                self.n_asked += 1;
                self.bytes_asked += head.size;
                self.pending.push(uri.clone());
            }
            ThawOutcome::Extended => {
                self.n_extended += 1;
                self.n_readable += 1;
            }
            ThawOutcome::Left(RestoreStatus::Cold(_)) => self.n_cold += 1,
            ThawOutcome::Left(RestoreStatus::Restoring) => self.pending.push(uri.clone()),
            ThawOutcome::Left(RestoreStatus::NotCold | RestoreStatus::Restored(_)) => {
                self.n_readable += 1;
            }
        }
        self.show(uri, &head, outcome);
    }

    /// Counts an object that was waited for.
    pub(super) fn arrive(&mut self, uri: &S3Uri, head: &ObjectHead) {
        self.n_readable += 1;
        self.show(uri, head, ThawOutcome::Left(head.restore_status));
    }

    pub(super) fn fail(&mut self, uri: &S3Uri, error: S3Error) {
        let failure = explain(error);
        if uri != self.source {
            let message = self.hints.message(&failure);
            self.session.warn(format!("`{uri}`: {message}"));
            self.failed.push(failed_json(uri, &failure));
        }
        self.first_failure.get_or_insert(failure);
    }

    pub(super) fn take_pending(&mut self) -> Vec<S3Uri> {
        std::mem::take(&mut self.pending)
    }

    pub(super) fn give_back(&mut self, late: Vec<S3Uri>) {
        self.pending = late;
    }

    pub(super) fn pause(&self, n: usize, pause: Duration) {
        let shown = format_duration(pause);
        self.session
            .status(format!("{} cannot be read yet; looking again in {shown}", count(n, "object")));
        self.reporter.emit("waiting", |object| {
            insert(object, json!({"pending": n, "pause_seconds": pause.as_secs_f64()}));
        });
    }

    fn show(&self, uri: &S3Uri, head: &ObjectHead, outcome: ThawOutcome) {
        let (kind, name) = match self.mode {
            Mode::Look => ("status", None),
            Mode::Foresee => ("planned", Some("action")),
            Mode::Thaw => ("object", Some("outcome")),
        };
        let (word, text) = said(self.mode, outcome);
        let state = match outcome {
            ThawOutcome::Left(state) => state,
            ThawOutcome::Asked if self.mode == Mode::Thaw => RestoreStatus::Restoring,
            ThawOutcome::Asked | ThawOutcome::Extended => head.restore_status,
        };
        let until = match state {
            RestoreStatus::Restored(until) if outcome != ThawOutcome::Extended => {
                until.map(rfc3339)
            }
            _ => None,
        };
        self.reporter.emit(kind, |object| {
            insert(
                object,
                json!({
                    "bucket": uri.bucket, "key": uri.key, "size": head.size,
                    "storage_class": head.storage_class, "state": state.name(), "until": until,
                }),
            );
            if let Some(name) = name {
                object.insert(name.to_owned(), word.into());
            }
        });
        if !self.session.json() {
            let (size, class) = (ByteSize(head.size), head.storage_class.as_ref());
            let class = class.map_or_else(String::new, |class| format!(", {class}"));
            // A failure of stdout is remembered by the session and decides nothing here.
            let _printed = self.session.line(format!("{text}: {uri} ({size}{class})"));
        }
    }

    pub(super) fn sum_up(&self, waited: bool) {
        let (n_asked, n_pending) = (self.n_asked, self.pending.len());
        self.reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "asked": n_asked, "bytes_asked": self.bytes_asked, "extended": self.n_extended,
                    "thawing": if self.mode == Mode::Foresee { n_pending - n_asked } else { n_pending },
                    "archived": self.n_cold, "readable": self.n_readable,
                    "failed": self.failed, "dry_run": self.mode == Mode::Foresee,
                }),
            );
        });
        if self.source.is_prefix() {
            self.session.status(self.counts());
        }
        if self.mode == Mode::Thaw && n_pending > 0 && !waited {
            let source = self.source;
            self.session
                .status(format!("`devops-s3push thaw {source} --status` says when it is there"));
        }
    }

    fn counts(&self) -> String {
        let would = if self.mode == Mode::Foresee { "would be " } else { "" };
        let n_before = match self.mode {
            Mode::Look => self.pending.len(),
            Mode::Foresee | Mode::Thaw => self.pending.len().saturating_sub(self.n_asked),
        };
        let asked = format!("{would}asked for ({})", ByteSize(self.bytes_asked));
        let counts = [
            (self.n_asked, asked),
            (self.n_extended, format!("{would}extended")),
            (self.n_cold, "archived".to_owned()),
            (n_before, "thawing already".to_owned()),
            (self.n_readable, "can be read".to_owned()),
            (self.failed.len(), "failed".to_owned()),
        ];
        let counts = counts.into_iter().filter(|(n, _)| *n > 0);
        let counts: Vec<_> = counts.map(|(n, what)| format!("{n} {what}")).collect();
        if counts.is_empty() { "nothing is archived".to_owned() } else { counts.join(", ") }
    }

    pub(super) fn outcome(self, waited: bool) -> Result<Outcome, Failure> {
        let n_late = self.pending.len() + self.n_cold;
        let n_well = self.n_asked + self.n_extended + self.n_readable + n_late;
        let is_tree = self.source.is_prefix();
        match self.first_failure {
            Some(failure) if !is_tree => return Err(failure),
            Some(failure) if n_well == 0 => {
                let message = format!("none of {} was thawed", count(self.failed.len(), "object"));
                return Err(Failure::new(failure.kind, message));
            }
            _ => {}
        }
        if waited && n_late > 0 {
            let message = format!("{} cannot be read yet", count(n_late, "object"));
            return Err(
                Failure::new(Kind::Temporary, message).hint("the same command goes on waiting")
            );
        }
        if self.mode == Mode::Look && n_late > 0 {
            return Ok(Outcome::No);
        }
        Ok(match self.failed.len() {
            0 => Outcome::Done,
            n => Outcome::Partial(format!("{} failed", count(n, "object"))),
        })
    }
}

/// Returns what is said of an object to a program, and to a person.
fn said(mode: Mode, outcome: ThawOutcome) -> (&'static str, String) {
    let (word, text) = match (outcome, mode) {
        (ThawOutcome::Asked, Mode::Foresee) => ("ask", "would ask for"),
        (ThawOutcome::Asked, _) => ("asked", "asked for"),
        (ThawOutcome::Extended, Mode::Foresee) => ("extend", "would extend"),
        (ThawOutcome::Extended, _) => ("extended", "extended"),
        (ThawOutcome::Left(state), Mode::Foresee) => return ("leave", shown(state)),
        (ThawOutcome::Left(state), _) => return ("left", shown(state)),
    };
    (word, text.to_owned())
}

fn shown(state: RestoreStatus) -> String {
    match state {
        RestoreStatus::NotCold => "not archived".to_owned(),
        RestoreStatus::Cold(_) => "archived".to_owned(),
        RestoreStatus::Restoring => "thawing".to_owned(),
        RestoreStatus::Restored(None) => "thawed".to_owned(),
        RestoreStatus::Restored(Some(until)) => format!("thawed until {}", rfc3339(until)),
    }
}
