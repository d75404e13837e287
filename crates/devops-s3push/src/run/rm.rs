//! `rm`: removes objects and versions.

use std::collections::BTreeSet;

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    kind::Kind,
    s3::{
        Event, Filter, ObjectHold, PlannedRemoval, RemovalOutcome, RemoveError, RemoveOptions,
        S3Context, S3Uri, keeps_versions, plan_removal, remove,
    },
    units::{ByteSize, agree, count},
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    reporter::{Reporter, insert},
    timestamp::rfc3339,
};
use crate::cli::{LimitFlags, RmArgs};

pub(crate) async fn rm(args: RmArgs, session: &Session) -> Result<Outcome, Failure> {
    let options = options(&args)?;
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "removing", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let planned = plan_removal(context, &args.objects, &options).await.map_err(explain_removal)?;
    check_limit(planned.len(), &args.limit)?;
    let mut tally = Tally::new(session, &reporter);
    if args.limit.dry_run {
        let hiding = hiding(context, &args, &planned).await?;
        for planned in &planned {
            tally.plan(planned, &hiding);
        }
        return tally.end(true);
    }
    let result =
        remove(context, &planned, &mut |planned, outcome| tally.show(planned, &outcome)).await;
    if let Err(error) = result {
        if tally.n_done() > 0 {
            session.status(format!(
                "{} of {} were removed until then",
                tally.n_done(),
                planned.len()
            ));
        }
        return Err(explain(error));
    }
    tally.end(false)
}

fn options(args: &RmArgs) -> Result<RemoveOptions, Failure> {
    if !(args.recursive || args.exclude.is_empty() && args.include.is_empty()) {
        return Err(Failure::usage("--exclude and --include go with --recursive"));
    }
    let filter = Filter::new(&args.include, &args.exclude);
    let filter = filter.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(RemoveOptions { recursive: args.recursive, filter, versions: args.versions })
}

fn explain_removal(error: RemoveError) -> Failure {
    match error {
        RemoveError::S3(error) => explain(error),
        RemoveError::Folder(_) => {
            Failure::from(error).hint("pass --recursive to remove all that is in it")
        }
        RemoveError::NoObject(_) => Failure::from(error).hint("nothing was removed"),
        RemoveError::Nothing(_) => Failure::from(error),
    }
}

/// Refuses what goes beyond `--max-delete`.
pub(super) fn check_limit(n: usize, limit: &LimitFlags) -> Result<(), Failure> {
    match limit.max_delete {
        Some(max) if n as u64 > max => {
            let message = format!("{n} would be removed, and --max-delete allows {max}");
            Err(Failure::new(Kind::Denied, message).hint("nothing was removed"))
        }
        _ => Ok(()),
    }
}

/// Returns the buckets in which a removal would only hide.
async fn hiding(
    context: S3Context<'_>,
    args: &RmArgs,
    planned: &[PlannedRemoval],
) -> Result<BTreeSet<String>, Failure> {
    let mut hiding = BTreeSet::new();
    if args.versions {
        return Ok(hiding);
    }
    let buckets: BTreeSet<_> = planned.iter().map(|planned| &planned.target.uri.bucket).collect();
    for bucket in buckets {
        if keeps_versions(context, bucket).await.map_err(explain)? == Some(true) {
            hiding.insert(bucket.clone());
        }
    }
    Ok(hiding)
}

/// Shows what becomes of each, and counts.
struct Tally<'a> {
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    n_removed: usize,
    n_hidden: usize,
    bytes_freed: u64,
    /// Those that a lock keeps, by itself or by what lies beneath.
    n_locked: usize,
    n_denied: usize,
    n_failed: usize,
}

impl<'a> Tally<'a> {
    fn new(session: &'a Session, reporter: &'a Reporter<'a>) -> Self {
        Self {
            session,
            reporter,
            n_removed: 0,
            n_hidden: 0,
            bytes_freed: 0,
            n_locked: 0,
            n_denied: 0,
            n_failed: 0,
        }
    }

    fn n_done(&self) -> usize {
        self.n_removed + self.n_hidden
    }

    fn plan(&mut self, planned: &PlannedRemoval, hiding: &BTreeSet<String>) {
        if hiding.contains(&planned.target.uri.bucket) {
            self.n_hidden += 1;
            self.line("hide", planned, "would hide");
        } else {
            self.n_removed += 1;
            self.bytes_freed += planned.size;
            self.line("remove", planned, "would remove");
        }
    }

    fn show(&mut self, planned: &PlannedRemoval, outcome: &RemovalOutcome) {
        match outcome {
            RemovalOutcome::Removed => {
                self.n_removed += 1;
                self.bytes_freed += planned.size;
                self.line("removed", planned, "removed");
            }
            RemovalOutcome::Hidden => {
                self.n_hidden += 1;
                self.line("hidden", planned, "hid");
            }
            RemovalOutcome::Locked(hold) => {
                self.n_locked += 1;
                self.left("locked", planned, &locked(hold));
            }
            RemovalOutcome::Covers => {
                self.n_locked += 1;
                self.left("covers", planned, "an earlier version stays, and would come to light");
            }
            RemovalOutcome::Denied(failure) => {
                self.n_denied += 1;
                self.left("denied", planned, &failure.to_string());
            }
            RemovalOutcome::Failed(failure) => {
                self.n_failed += 1;
                self.left("failed", planned, &failure.to_string());
            }
        }
    }

    fn line(&self, kind: &str, planned: &PlannedRemoval, word: &str) {
        self.emit(kind, planned, None);
        if !self.session.json() {
            // A failure of stdout is remembered by the session and decides nothing here.
            let _printed = self.session.line(format!("{word} {}", shown(planned)));
        }
    }

    fn left(&self, kind: &str, planned: &PlannedRemoval, reason: &str) {
        self.emit(kind, planned, Some(reason));
        self.session.warn(format!("left {}: {reason}", shown(planned)));
    }

    fn emit(&self, kind: &str, planned: &PlannedRemoval, reason: Option<&str>) {
        self.reporter.emit(kind, |object| {
            let S3Uri { bucket, key, .. } = &planned.target.uri;
            insert(
                object,
                json!({
                    "bucket": bucket, "key": key, "version_id": planned.target.version_id,
                    "size": planned.size, "delete_marker": planned.is_marker,
                }),
            );
            if let Some(reason) = reason {
                object.insert("reason".to_owned(), reason.into());
            }
        });
    }

    fn end(self, dry_run: bool) -> Result<Outcome, Failure> {
        let n_left = self.n_locked + self.n_denied + self.n_failed;
        self.reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "removed": self.n_removed, "hidden": self.n_hidden, "left": n_left,
                    "bytes_freed": self.bytes_freed, "dry_run": dry_run,
                }),
            );
        });
        let would = if dry_run { "would be " } else { "" };
        if self.n_hidden > 0 {
            self.session.status(format!(
                "{} {would}hidden behind delete markers: their versions stay; --versions removes them",
                self.n_hidden
            ));
        }
        if self.n_removed > 0 {
            let freed = ByteSize(self.bytes_freed);
            self.session.status(format!("{} {would}removed, {freed} {would}freed", self.n_removed));
        }
        outcome(self.n_done() + self.n_locked, (n_left, self.n_denied))
    }
}

/// Returns the outcome of removing many: permission is missing only where nothing but that was found.
pub(super) fn outcome(
    n_well: usize,
    (n_left, n_denied): (usize, usize),
) -> Result<Outcome, Failure> {
    match (n_well, n_left, n_denied) {
        (_, 0, _) => Ok(Outcome::Done),
        (0, _, 0) => Err(Failure::new(Kind::Failed, "nothing could be removed")),
        (0, ..) => Err(Failure::new(Kind::Permission, "nothing could be removed")
            .hint("the credentials lack a permission, or the bucket's policy forbids it")),
        (_, n, _) => {
            Ok(Outcome::Partial(format!("{} {}", count(n, "object"), agree(n, "stays", "stay"))))
        }
    }
}

/// Says what keeps a version.
pub(super) fn locked(hold: &ObjectHold) -> String {
    match (hold.lock, hold.is_legal) {
        (Some((_, until)), false) => format!("it is locked until {}", rfc3339(until)),
        (Some((_, until)), true) => {
            format!("it is under legal hold, and locked until {}", rfc3339(until))
        }
        (None, _) => "it is under legal hold".to_owned(),
    }
}

fn shown(planned: &PlannedRemoval) -> String {
    let uri = quote(planned.target.uri.to_string().as_ref());
    match (&planned.target.version_id, planned.is_marker) {
        (None, _) => uri,
        (Some(id), false) => format!("{uri} (version {id})"),
        (Some(id), true) => format!("{uri} (delete marker {id})"),
    }
}
