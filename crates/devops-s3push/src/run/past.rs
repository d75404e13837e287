//! What was there at a time in the past.

use devops_cli::{Failure, Session};
use devops_core::{
    clock::Clock,
    kind::Kind,
    s3::{DownloadItems, Filter, S3Context, S3Uri, find_at, find_download_items_at},
};
use time::OffsetDateTime;

use super::{
    connection::Connected,
    explain::{explain_versions, unversioned},
    timestamp::rfc3339,
};
use crate::cli::GetArgs;

/// Returns the time that is asked for; fails if the flags do not fit the source.
pub(super) fn time(args: &GetArgs, session: &Session) -> Result<Option<OffsetDateTime>, Failure> {
    if args.version_id.is_some() && args.source.is_prefix() {
        return Err(Failure::usage("--version-id is for one object")
            .hint("pass --at to get a prefix as it was"));
    }
    let before = |at: devops_cli::When| at.before(session.clock().now());
    let at =
        args.at.map(|at| before(at).ok_or_else(|| Failure::usage("--at is before all calendars")));
    at.transpose()
}

/// Returns the version that an object had then.
pub(super) async fn version_at(
    connected: &Connected,
    uri: &S3Uri,
    at: OffsetDateTime,
) -> Result<S3Uri, Failure> {
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &|_| {},
    };
    check_versions(context, uri).await?;
    let found = match find_at(context, uri, at).await {
        Ok(found) => found,
        Err(error) => return Err(explain_versions(context, error, &uri.bucket).await),
    };
    found.map(|object| object.uri).ok_or_else(|| nothing(uri, at))
}

/// Returns what the objects that were under a prefix then become.
pub(super) async fn targets_at(
    context: S3Context<'_>,
    prefix: &S3Uri,
    filter: &Filter,
    at: OffsetDateTime,
) -> Result<DownloadItems, Failure> {
    check_versions(context, prefix).await?;
    let targets = match find_download_items_at(context, prefix, filter, at).await {
        Ok(targets) => targets,
        Err(error) => return Err(explain_versions(context, error, &prefix.bucket).await),
    };
    if targets.n_listed == 0 { Err(nothing(prefix, at)) } else { Ok(targets) }
}

/// Fails where the present is all that the bucket knows.
async fn check_versions(context: S3Context<'_>, uri: &S3Uri) -> Result<(), Failure> {
    match unversioned(context, &uri.bucket).await {
        Some(hint) => {
            let message = format!("what was at `{uri}` then is not known");
            Err(Failure::new(Kind::Failed, message).hint(hint))
        }
        None => Ok(()),
    }
}

fn nothing(uri: &S3Uri, at: OffsetDateTime) -> Failure {
    let message = format!("there was nothing at `{uri}` at {}", rfc3339(at));
    let hint = format!("`devops-s3push list {uri} --versions` shows what there was when");
    Failure::new(Kind::NotFound, message).hint(hint)
}
