//! `resume`: uploads that broke off.

use std::time::Instant;

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    kind::{HasKind, Kind},
    offsite::{self, Base},
    s3::{Event, Job, Journals, Link, PutOptions, S3Error, Source, Unfinished, give_up},
    units::ByteSize,
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    journals::{journals, resumable},
    list::rfc3339,
    put::Totals,
    reporter::{Reporter, insert},
};
use crate::cli::ResumeArgs;

pub(crate) async fn resume(args: ResumeArgs, session: &Session) -> Result<Outcome, Failure> {
    let Some(journals) = journals() else {
        return Err(Failure::new(
            Kind::Configuration,
            "neither XDG_STATE_HOME nor HOME says where unfinished uploads are kept",
        ));
    };
    let jobs: Vec<Job> = find(&journals, &args)?;
    let begun = Instant::now();
    let reporter = Reporter::new(session, "uploading", Some(jobs.iter().map(Job::size).sum()));
    let run = Run { args: &args, journals: &journals, session, reporter: &reporter };
    let mut totals = Totals::default();
    for job in &jobs {
        if args.dry_run {
            run.show("unfinished", job)?;
            continue;
        }
        match run.one(job, &mut totals).await? {
            Ok(()) => {}
            Err(error) if jobs.len() == 1 || error.kind() == Kind::Interrupted => {
                return Err(explain(error));
            }
            Err(error) => totals.fail(&source(job), &error, session),
        }
    }
    if jobs.is_empty() {
        session.status("no upload is unfinished");
    }
    if args.drop || args.dry_run {
        return Ok(Outcome::Done);
    }
    totals.emit(&reporter, begun);
    totals.outcome()
}

/// Returns the jobs that are meant.
fn find(journals: &Journals, args: &ResumeArgs) -> Result<Vec<Job>, Failure> {
    let endpoint = args.connection.endpoint_url.as_deref().map(|url| url.trim_end_matches('/'));
    let is_meant = |job: &Job| match &args.id {
        Some(id) => job.id() == *id,
        None => endpoint.is_none_or(|endpoint| {
            job.store.endpoint_url.as_deref().map(|url| url.trim_end_matches('/')) == Some(endpoint)
        }),
    };
    let all = journals.unfinished()?.into_iter().map(|Unfinished { job, .. }| job);
    let meant: Vec<Job> = all.filter(is_meant).collect();
    match &args.id {
        Some(id) if meant.is_empty() => {
            let failure = Failure::new(Kind::NotFound, format!("no unfinished upload is `{id}`"));
            Err(failure.hint("`devops-s3push resume --dry-run` shows them all"))
        }
        _ => Ok(meant),
    }
}

fn source(job: &Job) -> Source {
    Source { path: job.path.clone(), uri: job.uri.clone(), size: job.size() }
}

struct Run<'a> {
    args: &'a ResumeArgs,
    journals: &'a Journals,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
}

impl Run<'_> {
    async fn one(&self, job: &Job, totals: &mut Totals) -> Result<Result<(), S3Error>, Failure> {
        let (connection, transfer) = (&self.args.connection, &self.args.transfer);
        let connected = Connected::again(&job.store, connection, transfer, self.session).await?;
        let events = |event: Event| self.reporter.show(event);
        let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
        if self.args.drop {
            return match give_up(link, self.journals, job).await {
                Ok(()) => self.show("dropped", job).map(Ok),
                Err(error) => Ok(Err(error)),
            };
        }
        let options = PutOptions { resume: resumable(self.session, false), ..job.options.clone() };
        let put = offsite::put(link, &source(job), &options, &Base::Newest).await;
        Ok(put.map(|summary| {
            self.reporter.object(&summary);
            totals.stored.push(summary);
        }))
    }

    fn show(&self, kind: &str, job: &Job) -> Result<(), Failure> {
        let (id, begun, size) = (job.id(), rfc3339(job.begun), job.size());
        self.reporter.emit(kind, |object| {
            insert_path(object, "path", &job.path);
            insert(
                object,
                json!({
                    "id": id, "begun": begun, "bucket": job.uri.bucket, "key": job.uri.key,
                    "size": size, "endpoint": job.store.endpoint_url,
                }),
            );
        });
        if self.session.json() {
            return Ok(());
        }
        let word = if kind == "dropped" { "dropped " } else { "" };
        let (path, uri, size) = (quote(&job.path), &job.uri, ByteSize(size));
        self.session.line(format!("{word}{id}  {begun}  {path} to {uri} ({size})"))
    }
}
