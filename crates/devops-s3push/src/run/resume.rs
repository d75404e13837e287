//! `resume`: uploads that broke off.

use std::time::Instant;

use devops_cli::{Failure, Outcome, ResultExt, Session, json::insert_path, quote};
use devops_core::{
    kind::Kind,
    offsite::{self, Base},
    s3::{
        Event, Job, Journals, ObjectSummary, PutOptions, ResumePolicy, S3Context, Unfinished,
        UploadItem, discard_upload, remove_unused_spool,
    },
    units::{ByteSize, agree, count},
};
use serde_json::json;

use super::{
    capability_cache,
    connection::Connected,
    explain::explain,
    journals::{journals, resumable},
    reporter::{Reporter, insert},
    timestamp::rfc3339,
    totals::Totals,
};
use crate::cli::ResumeArgs;

pub(crate) async fn resume(args: ResumeArgs, session: &Session) -> Result<Outcome, Failure> {
    let Some(journals) = journals() else {
        return Err(Failure::new(
            Kind::Configuration,
            "neither XDG_STATE_HOME nor HOME says where unfinished uploads are kept",
        ));
    };
    let jobs = find(&journals, &args)?;
    if jobs.is_empty() {
        let to = args.connection.endpoint_url.as_ref();
        let to = to.map_or_else(String::new, |endpoint| format!(" to {endpoint}"));
        session.status(format!("no upload{to} is unfinished"));
    }
    let reporter = Reporter::new(session, "uploading", Some(jobs.iter().map(Job::size).sum()));
    let run = Run { args: &args, journals: &journals, session, reporter: &reporter };
    if args.dry_run {
        jobs.iter().try_for_each(|job| run.show("unfinished", job))?;
        return Ok(Outcome::Done);
    }
    if args.drop { run.drop_all(&jobs).await } else { run.put_all(&jobs).await }
}

/// Returns the jobs that are meant.
fn find(journals: &Journals, args: &ResumeArgs) -> Result<Vec<Job>, Failure> {
    let endpoint = args.connection.endpoint_url.as_deref().map(trimmed);
    let is_meant = |job: &Job| match &args.id {
        Some(id) => job.id() == *id,
        None => endpoint.is_none_or(|endpoint| {
            job.store.endpoint_url.as_deref().map(trimmed) == Some(endpoint)
        }),
    };
    let all = journals.unfinished()?.into_iter().map(|Unfinished { job, .. }| job);
    let meant: Vec<Job> = all.filter(is_meant).collect();
    match &args.id {
        Some(id) if meant.is_empty() => {
            let failure = Failure::new(Kind::NotFound, format!("no unfinished upload is `{id}`"));
            Err(failure.hint("`devops-s3push resume --dry-run` shows what is unfinished"))
        }
        _ => Ok(meant),
    }
}

fn trimmed(endpoint: &str) -> &str {
    endpoint.trim_end_matches('/')
}

fn source(job: &Job) -> UploadItem {
    UploadItem::new(job.path.clone(), job.uri.clone(), job.size())
}

struct Run<'a> {
    args: &'a ResumeArgs,
    journals: &'a Journals,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
}

impl Run<'_> {
    async fn put_all(&self, jobs: &[Job]) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let mut totals = Totals::default();
        let mut ended = Ok(());
        for job in jobs {
            match self.put(job).await {
                Ok(summary) => totals.store(summary, self.reporter),
                Err(failure) if jobs.len() == 1 || failure.kind == Kind::Interrupted => {
                    ended = Err(failure);
                    break;
                }
                Err(failure) => totals.fail(&source(job), &failure, self.session),
            }
        }
        if let Err(failure) = &ended {
            totals.note_rest(&jobs.iter().map(source).collect::<Vec<_>>(), failure);
        }
        totals.emit(self.reporter, begun);
        ended?;
        totals.outcome()
    }

    async fn put(&self, job: &Job) -> Result<ObjectSummary, Failure> {
        let connected = self.connect(job).await?;
        capability_cache::load_capabilities(&connected.store, &job.uri.bucket, self.session);
        let events = |event: Event| self.reporter.show(event);
        let context = S3Context {
            store: &connected.store,
            cancel_token: &connected.cancel_token,
            events: &events,
        };
        let resume = resumable(self.session, ResumePolicy::Required);
        let options = PutOptions { resume, ..job.options.clone() };
        let put = offsite::put(context, &source(job), &options, &Base::Newest).await;
        capability_cache::save_capabilities(&connected.store, &job.uri.bucket, self.session);
        if job.options.spooled {
            remove_unused_spool(Some(self.journals), &job.path).await;
        }
        put.map_err(explain).hint(format!("`devops-s3push resume --drop {}` gives it up", job.id()))
    }

    async fn drop_all(&self, jobs: &[Job]) -> Result<Outcome, Failure> {
        let mut left = 0;
        for job in jobs {
            match self.drop(job).await {
                Ok(()) => self.show("dropped", job)?,
                Err(failure) if jobs.len() == 1 || failure.kind == Kind::Interrupted => {
                    return Err(failure);
                }
                Err(failure) => {
                    left += 1;
                    let why = failure.chain().join(": ");
                    self.session.warn(format!("{} was not dropped: {why}", job.id()));
                }
            }
        }
        match left {
            0 => Ok(Outcome::Done),
            n if n == jobs.len() => Err(Failure::new(Kind::Failed, "no upload could be dropped")),
            n => {
                let (uploads, were) = (count(jobs.len(), "upload"), agree(n, "was", "were"));
                Ok(Outcome::Partial(format!("{n} of {uploads} {were} not dropped")))
            }
        }
    }

    async fn drop(&self, job: &Job) -> Result<(), Failure> {
        let connected = self.connect(job).await?;
        let events = |event: Event| self.reporter.show(event);
        let context = S3Context {
            store: &connected.store,
            cancel_token: &connected.cancel_token,
            events: &events,
        };
        discard_upload(context, self.journals, job).await.map_err(explain).hint(format!(
            "to forget it without freeing its parts, remove `{}`",
            quote(&self.journals.path(job))
        ))
    }

    /// Connects to the store that has the parts, and to no other.
    async fn connect(&self, job: &Job) -> Result<Connected, Failure> {
        let (connection, transfer) = (&self.args.connection, &self.args.transfer);
        let connected = Connected::again(&job.store, connection, transfer, self.session).await?;
        let (then, now) = (&job.store.endpoint_url, &connected.store.address().endpoint_url);
        if then.as_deref().map(trimmed) == now.as_deref().map(trimmed) {
            return Ok(connected);
        }
        let named =
            |endpoint: &Option<String>| endpoint.clone().unwrap_or_else(|| "AWS".to_owned());
        Err(Failure::new(
            Kind::Configuration,
            format!("the upload was begun at {}, and this would go to {}", named(then), named(now)),
        )
        .hint("check AWS_ENDPOINT_URL and --profile"))
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
