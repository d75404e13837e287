//! `uploads`: multipart uploads that were never finished.

use std::time::Duration;

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    s3::{Event, Link, PendingUpload, S3Error, abort_upload, pending_uploads},
};
use serde_json::json;
use time::OffsetDateTime;

use super::{connection::Connected, explain::explain, list::rfc3339, reporter::Reporter};
use crate::cli::{UploadsAbortArgs, UploadsListArgs};

pub(crate) async fn list(args: UploadsListArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "listing", None);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let before = args.older_than.map(|age| ago(session, age));
    for upload in pending_uploads(link, &args.prefix, before).await.map_err(explain)? {
        show(session, "upload", &upload)?;
    }
    Ok(Outcome::Done)
}

pub(crate) async fn abort(args: UploadsAbortArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "aborting", None);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let before = Some(ago(session, args.older_than));
    let uploads = pending_uploads(link, &args.prefix, before).await.map_err(explain)?;
    let mut failures = 0;
    for upload in &uploads {
        if args.dry_run {
            show(session, "planned", upload)?;
            continue;
        }
        match abort_upload(link, upload).await {
            Ok(()) => show(session, "aborted", upload)?,
            Err(error @ S3Error::Cancelled(_)) => return Err(explain(error)),
            Err(error) => {
                failures += 1;
                session.warn(format!("upload {} of `{}` stays: {error}", upload.id, upload.uri));
            }
        }
    }
    match failures {
        0 => Ok(Outcome::Done),
        n if n == uploads.len() => {
            Err(Failure::new(devops_core::kind::Kind::Failed, "no upload could be aborted"))
        }
        n => Ok(Outcome::Partial(format!("{n} of {} uploads could not be aborted", uploads.len()))),
    }
}

fn ago(session: &Session, age: Duration) -> OffsetDateTime {
    session.clock().now() - age
}

fn show(session: &Session, kind: &str, upload: &PendingUpload) -> Result<(), Failure> {
    let begun = upload.begun.map(rfc3339).unwrap_or_default();
    if session.json() {
        return session.emit(&json!({
            "type": kind, "bucket": upload.uri.bucket, "key": upload.uri.key,
            "upload_id": upload.id, "begun": begun,
        }));
    }
    let word = match kind {
        "upload" => "",
        "planned" => "would abort ",
        _ => "aborted ",
    };
    let key = quote(upload.uri.key.as_ref());
    session.line(format!("{word}{begun:<20}  {key}  {}", upload.id))
}
