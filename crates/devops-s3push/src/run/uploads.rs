//! `uploads`: multipart uploads that were never finished.

use std::time::Duration;

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    fs::PathError,
    kind::Kind,
    s3::{
        Event, Job, Journals, PendingUpload, S3Context, S3Error, Unfinished, abort_upload,
        discard_upload, pending_uploads,
    },
    units::count,
};
use serde_json::json;
use time::OffsetDateTime;

use super::{
    connection::Connected, explain::explain, journals::journals, reporter::Reporter,
    timestamp::rfc3339,
};
use crate::cli::{UploadsAbortArgs, UploadsListArgs};

pub(crate) async fn list(args: UploadsListArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "listing", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let before = args.older_than.map(|age| ago(session, age));
    let ours = Ours::find().unwrap_or_else(|error| {
        session.warn(format!("{error}: what `resume` can go on with is not shown"));
        Ours::none()
    });
    for upload in pending_uploads(context, &args.prefix, before).await.map_err(explain)? {
        show(session, "upload", &upload, ours.job(&upload))?;
    }
    Ok(Outcome::Done)
}

pub(crate) async fn abort(args: UploadsAbortArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "aborting", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    // Without an age all are meant: the store's clock may be ahead, and Swift rounds up.
    let before = (!args.older_than.is_zero()).then(|| ago(session, args.older_than));
    let mut uploads = pending_uploads(context, &args.prefix, before).await.map_err(explain)?;
    let named = args.upload_id.as_deref();
    uploads.retain(|upload| named.is_none_or(|id| is_named(upload, id)));
    let ours = Ours::find()?;
    let (mut failures, mut aborted) = (0, 0);
    for upload in &uploads {
        let job = ours.job(upload);
        // Without its file nothing can go on with it.
        if let Some(job) = job.filter(|job| !args.resumable && job.path.exists()) {
            report_kept(session, upload, job);
            continue;
        }
        if args.dry_run {
            show(session, "planned", upload, job)?;
            continue;
        }
        match ours.abort(context, upload, job).await {
            Ok(()) => {
                aborted += 1;
                show(session, "aborted", upload, job)?;
            }
            Err(error @ S3Error::Cancelled(_)) => return Err(explain(error)),
            Err(error) => {
                failures += 1;
                session.warn(format!("upload {} of `{}` stays: {error}", upload.id, upload.uri));
            }
        }
    }
    match (failures, aborted) {
        (0, _) => Ok(Outcome::Done),
        (_, 0) => Err(Failure::new(Kind::Failed, "no upload could be aborted")),
        (n, _) => {
            let uploads = count(n + aborted, "upload");
            Ok(Outcome::Partial(format!("{n} of {uploads} could not be aborted")))
        }
    }
}

/// The uploads that this host can go on with.
struct Ours {
    journals: Option<Journals>,
    unfinished: Vec<Unfinished>,
}

impl Ours {
    fn find() -> Result<Self, PathError> {
        let journals = journals();
        let unfinished = journals.as_ref().map(Journals::unfinished).transpose()?;
        Ok(Self { journals, unfinished: unfinished.unwrap_or_default() })
    }

    fn none() -> Self {
        Self { journals: None, unfinished: Vec::new() }
    }

    fn job(&self, upload: &PendingUpload) -> Option<&Job> {
        let is_it = |ours: &&Unfinished| {
            ours.upload_id.as_ref() == Some(&upload.id) && ours.job.uri == upload.uri
        };
        self.unfinished.iter().find(is_it).map(|ours| &ours.job)
    }

    async fn abort(
        &self,
        context: S3Context<'_>,
        upload: &PendingUpload,
        job: Option<&Job>,
    ) -> Result<(), S3Error> {
        match (&self.journals, job) {
            (Some(journals), Some(job)) => discard_upload(context, journals, job).await,
            _ => abort_upload(context, upload).await,
        }
    }
}

/// Returns whether an id is that of the upload, as the store sent it or as it is shown.
fn is_named(upload: &PendingUpload, id: &str) -> bool {
    let shown = upload.id.to_string();
    upload.id == *id || shown == id
}

fn report_kept(session: &Session, upload: &PendingUpload, job: &Job) {
    let (uri, id) = (&upload.uri, job.id());
    session.status(format!("left that of `{uri}`: `devops-s3push resume {id}` can go on with it"));
}

fn ago(session: &Session, age: Duration) -> OffsetDateTime {
    session.clock().now() - age
}

fn show(
    session: &Session,
    kind: &str,
    upload: &PendingUpload,
    job: Option<&Job>,
) -> Result<(), Failure> {
    let begun = upload.begun.map(rfc3339).unwrap_or_default();
    let resume = job.map(Job::id);
    if session.json() {
        return session.emit(&json!({
            "type": kind, "bucket": upload.uri.bucket, "key": upload.uri.key,
            "upload_id": upload.id, "begun": begun, "resume": resume,
        }));
    }
    let word = match kind {
        "upload" => "",
        "planned" => "would abort ",
        _ => "aborted ",
    };
    let key = quote(upload.uri.key.as_ref());
    let resume = resume.map_or_else(String::new, |id| format!("  (resume {id})"));
    session.line(format!("{word}{begun:<20}  {key}  {}{resume}", upload.id))
}
