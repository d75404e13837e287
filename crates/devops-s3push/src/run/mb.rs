//! `mb`: makes a bucket.

use devops_cli::{Failure, Outcome, Session};
use devops_core::s3::{Event, S3Context, check_bucket_name, create_bucket};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    reporter::{Reporter, insert},
};
use crate::cli::MbArgs;

pub(crate) async fn mb(args: MbArgs, session: &Session) -> Result<Outcome, Failure> {
    let bucket = &args.bucket.bucket;
    if !args.bucket.key.is_empty() {
        return Err(Failure::usage(format!("`{}` names more than a bucket", args.bucket))
            .hint(format!("prefixes need not be made: `devops-s3push mb s3://{bucket}`")));
    }
    check_bucket_name(bucket).map_err(|error| Failure::usage(error.to_string()))?;
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "making", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let is_old = create_bucket(context, bucket).await.map_err(explain)?;
    reporter.emit("bucket", |object| insert(object, json!({"bucket": bucket, "made": !is_old})));
    if !session.json() {
        let done = if is_old { "Unchanged: yours already is" } else { "Made bucket" };
        session.line(format!("{done} s3://{bucket}"))?;
    }
    Ok(Outcome::Done)
}
