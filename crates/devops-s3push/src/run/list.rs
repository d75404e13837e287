//! `list`: objects below a prefix.

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    s3::{Event, Link, ListedObject, list as list_objects},
    units::ByteSize,
};
use serde_json::json;

use super::{connection::Connected, explain::explain, reporter::Reporter};
use crate::cli::ListArgs;

pub(crate) async fn list(args: ListArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "listing", None);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let (mut printed, mut n_listed) = (Ok(()), 0_u64);
    list_objects(link, &args.prefix, &mut |object| {
        n_listed += 1;
        printed = show(session, &object);
        printed.is_ok() && !session.stdout_closed()
    })
    .await
    .map_err(explain)?;
    if n_listed == 0 {
        session.status(format!("there is no object under `{}`", args.prefix));
    }
    printed.map(|()| Outcome::Done)
}

fn show(session: &Session, object: &ListedObject) -> Result<(), Failure> {
    let modified = object.modified.map(rfc3339).unwrap_or_default();
    if session.json() {
        return session.emit(&json!({
            "type": "object", "bucket": object.uri.bucket, "key": object.uri.key,
            "size": object.size, "modified": modified, "etag": object.etag,
            "storage_class": object.storage_class,
        }));
    }
    let key = quote(object.uri.key.as_ref());
    let size = ByteSize(object.size);
    session.write(format!("{modified:<20}  {size:>10}  {key}\n").as_bytes())
}

/// Shows a time to the second, in UTC.
pub(crate) fn rfc3339(time: time::OffsetDateTime) -> String {
    let seconds = time.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(time);
    seconds.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
