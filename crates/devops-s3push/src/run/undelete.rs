//! `undelete`: brings back what delete markers hide.

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    s3::{
        Event, Filter, HiddenObject, Link, RemoveError, RemoveOptions, UndeletePlan, plan_undelete,
        undelete as remove_markers,
    },
    units::ByteSize,
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    reporter::{Reporter, insert},
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
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let plan = plan_undelete(link, &args.objects, &options).await.map_err(explain_missing)?;
    let mut tally = Tally { session, reporter: &reporter, n_back: 0, n_failed: 0, n_gone: 0 };
    tally.tell_of_others(&plan);
    if args.dry_run {
        plan.hidden
            .iter()
            .try_for_each(|hidden| tally.show(hidden, "planned", "would undelete"))?;
        return tally.end(&plan, true);
    }
    let ended = remove_markers(link, &plan.hidden, &mut |hidden, result| match result {
        Ok(()) => {
            tally.n_back += 1;
            // A failure of stdout is remembered by the session and decides nothing here.
            let _printed = tally.show(hidden, "undeleted", "Undeleted");
        }
        Err(failure) => {
            tally.n_failed += 1;
            let failure = explain(failure);
            session.warn(format!("`{}` is not back: {}", hidden.uri, failure.chain().join(": ")));
        }
    })
    .await;
    ended.map_err(explain)?;
    tally.end(&plan, false)
}

fn explain_missing(error: RemoveError) -> Failure {
    match error {
        RemoveError::S3(error) => explain(error),
        RemoveError::Folder(_) => {
            Failure::from(error).hint("pass --recursive to bring back all that is in it")
        }
        RemoveError::NoObject(_) | RemoveError::Nothing(_) => Failure::from(error)
            .hint("the bucket has no version of it: only buckets that keep versions can undelete"),
    }
}

struct Tally<'a> {
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    n_back: usize,
    n_failed: usize,
    n_gone: usize,
}

impl Tally<'_> {
    fn tell_of_others(&mut self, plan: &UndeletePlan) {
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

    fn end(&self, plan: &UndeletePlan, dry_run: bool) -> Result<Outcome, Failure> {
        self.reporter.emit("summary", |object| {
            let fields = json!({
                "undeleted": self.n_back, "failed": self.n_failed, "gone": self.n_gone,
                "there": plan.there.len(), "dry_run": dry_run,
            });
            insert(object, fields);
        });
        if plan.hidden.is_empty() && plan.there.is_empty() && self.n_gone == 0 {
            self.session.status("nothing is deleted there");
        }
        let left = self.n_failed + self.n_gone;
        match (self.n_back + plan.there.len(), left) {
            (_, 0) => Ok(Outcome::Done),
            (0, _) if self.n_failed > 0 => {
                Err(Failure::new(Kind::Failed, "no object could be brought back"))
            }
            (0, n) if !dry_run => {
                Err(Failure::new(Kind::NotFound, format!("{n} objects have no version any more")))
            }
            (_, n) => Ok(Outcome::Partial(format!("{n} objects are not back"))),
        }
    }
}
