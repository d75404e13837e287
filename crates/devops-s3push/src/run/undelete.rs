//! `undelete`: brings back what delete markers hide.

use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    s3::{
        Event, Filter, HiddenObject, RemoveError, RemoveOptions, RequestError, S3Context, S3Uri,
        UndeletePlan, plan_undelete, undelete as remove_markers,
    },
    units::{ByteSize, agree, count},
};
use serde_json::{Value, json};

use super::{
    connection::Connected,
    explain::{Hints, explain, explain_versions, unversioned},
    reporter::{Reporter, insert},
    totals::failed_json,
};
use crate::cli::UndeleteArgs;

pub(crate) async fn undelete(args: UndeleteArgs, session: &Session) -> Result<Outcome, Failure> {
    if !(args.recursive || args.exclude.is_empty() && args.include.is_empty()) {
        return Err(Failure::usage("--exclude and --include go with --recursive"));
    }
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let options = RemoveOptions { recursive: args.recursive, filter, versions: true };
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "bringing back", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let plan = match plan_undelete(context, &args.objects, &options).await {
        Ok(plan) => plan,
        Err(error) => return Err(explain_missing(context, error, &args.objects).await),
    };
    let mut tally = Tally::new(session, &reporter);
    tally.report_others(&plan);
    if plan.hidden.is_empty()
        && let Some(hint) = unversioned_of(context, &args.objects).await
    {
        session.status(hint);
    }
    if args.dry_run {
        plan.hidden
            .iter()
            .try_for_each(|hidden| tally.show(hidden, "planned", "would undelete"))?;
        tally.emit(&plan, true);
        return tally.outcome(&plan, true);
    }
    let mut each = |hidden: &HiddenObject, result| tally.take(hidden, result);
    let ended = remove_markers(context, &plan.hidden, &mut each).await.map_err(explain);
    if let Err(failure) = &ended {
        tally.note_rest(&plan, failure);
    }
    tally.emit(&plan, false);
    ended?;
    tally.outcome(&plan, false)
}

async fn explain_missing(context: S3Context<'_>, error: RemoveError, named: &[S3Uri]) -> Failure {
    match error {
        RemoveError::S3(error) => explain_versions(context, error, &named[0].bucket).await,
        RemoveError::Folder(_) => {
            Failure::from(error).hint("pass --recursive to bring back all that is in it")
        }
        RemoveError::NoObject(ref uri) | RemoveError::Nothing(ref uri) => {
            let hint = unversioned(context, &uri.bucket).await;
            let hint = hint.unwrap_or_else(|| "the bucket has no version of it".to_owned());
            Failure::from(error).hint(hint)
        }
    }
}

/// Returns what to say where one of the buckets keeps no versions.
async fn unversioned_of(context: S3Context<'_>, named: &[S3Uri]) -> Option<String> {
    let buckets: BTreeSet<&str> = named.iter().map(|uri| uri.bucket.as_str()).collect();
    for bucket in buckets {
        if let Some(hint) = unversioned(context, bucket).await {
            return Some(hint);
        }
    }
    None
}

/// The results of an undelete.
struct Tally<'a> {
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    begun: Instant,
    back: HashSet<S3Uri>,
    failed: Vec<Value>,
    /// The objects that are named in `failed`.
    failed_uris: HashSet<S3Uri>,
    n_gone: usize,
    hints: Hints,
}

impl<'a> Tally<'a> {
    fn new(session: &'a Session, reporter: &'a Reporter<'a>) -> Self {
        Self {
            session,
            reporter,
            begun: Instant::now(),
            back: HashSet::new(),
            failed: Vec::new(),
            failed_uris: HashSet::new(),
            n_gone: 0,
            hints: Hints::default(),
        }
    }

    fn take(&mut self, hidden: &HiddenObject, result: Result<(), RequestError>) {
        let uri = &hidden.uri;
        match result {
            Ok(()) => {
                self.back.insert(uri.clone());
                // A failure of stdout is remembered by the session and decides nothing here.
                let _printed = self.show(hidden, "undeleted", "Undeleted");
            }
            Err(failure) => {
                let failure = explain(failure);
                let message = self.hints.message(&failure);
                self.session.warn(format!("`{uri}` is not back: {message}"));
                self.note(uri, &failure);
            }
        }
    }

    fn note(&mut self, uri: &S3Uri, failure: &Failure) {
        self.failed.push(failed_json(uri, failure));
        self.failed_uris.insert(uri.clone());
    }

    /// Counts the objects that were not looked at when `failure` ended the run.
    fn note_rest(&mut self, plan: &UndeletePlan, failure: &Failure) {
        for HiddenObject { uri, .. } in &plan.hidden {
            if !self.back.contains(uri) && !self.failed_uris.contains(uri) {
                self.note(uri, failure);
            }
        }
    }

    fn report_others(&mut self, plan: &UndeletePlan) {
        for uri in &plan.there {
            self.session.status(format!("{uri} is not deleted"));
        }
        for uri in &plan.gone {
            self.n_gone += 1;
            self.session.warn(format!("`{uri}` has delete markers and no version any more"));
        }
    }

    fn show(&self, hidden: &HiddenObject, kind: &str, word: &str) -> Result<(), Failure> {
        let HiddenObject { uri, size, markers } = hidden;
        self.reporter.emit(kind, |object| {
            let fields = json!({
                "bucket": uri.bucket, "key": uri.key, "version_id": uri.version_id, "size": size,
                "markers": markers.len(), "action": "undelete",
            });
            insert(object, fields);
        });
        if self.session.json() {
            return Ok(());
        }
        self.session.line(format!("{word} {uri} ({})", ByteSize(*size)))
    }

    fn emit(&self, plan: &UndeletePlan, dry_run: bool) {
        self.reporter.emit("summary", |object| {
            let fields = json!({
                "undeleted": self.back.len(), "failed": self.failed, "gone": self.n_gone,
                "there": plan.there.len(), "dry_run": dry_run,
                "seconds": self.begun.elapsed().as_secs_f64(),
            });
            insert(object, fields);
        });
    }

    fn outcome(&self, plan: &UndeletePlan, dry_run: bool) -> Result<Outcome, Failure> {
        if plan.hidden.is_empty() && plan.there.is_empty() && self.n_gone == 0 {
            self.session.status("nothing is deleted there");
        }
        let left = self.failed.len() + self.n_gone;
        let n_back = if dry_run { plan.hidden.len() } else { self.back.len() };
        match (n_back + plan.there.len(), left) {
            (_, 0) => Ok(Outcome::Done),
            (0, _) if !self.failed.is_empty() => {
                Err(Failure::new(Kind::Failed, "no object could be brought back"))
            }
            (0, n) => {
                let (objects, have) = (count(n, "object"), agree(n, "has", "have"));
                let message = format!("{objects} {have} no version any more");
                Err(Failure::new(Kind::NotFound, message))
            }
            (_, n) => {
                let (objects, are) = (count(n, "object"), agree(n, "is", "are"));
                Ok(Outcome::Partial(format!("{objects} {are} not back")))
            }
        }
    }
}
