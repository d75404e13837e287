//! `presign`: an address for somebody without credentials.

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    clock::Clock,
    s3::{Event, MAX_LIFETIME, Permission, S3Context, presign as sign},
};
use serde_json::json;

use super::{connection::Connected, explain::explain, reporter::Reporter, timestamp::rfc3339};
use crate::cli::PresignArgs;

pub(crate) async fn presign(args: PresignArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.object.is_prefix() {
        return Err(Failure::usage(format!("give a key, not `{}`", args.object)));
    }
    if args.connection.no_sign_request {
        return Err(Failure::usage("--no-sign-request leaves nothing to sign with"));
    }
    let connection = &args.connection;
    if connection.requester_pays
        || connection.expected_bucket_owner.is_some()
        || connection.sse_c_key_file.is_some()
    {
        return Err(Failure::usage(
            "an address cannot say who pays, whose bucket it is, or which key encrypts",
        ));
    }
    if args.expires.as_secs() == 0 || args.expires > MAX_LIFETIME {
        return Err(Failure::usage("--expires is between a second and 7 days"));
    }
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "signing", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let permission = if args.put { Permission::Put } else { Permission::Get };
    let wanted = session.clock().now() + args.expires;
    let end = connected.store.credentials_end().map(time::OffsetDateTime::from);
    let expires = end.map_or(wanted, |end| wanted.min(end));
    if expires < wanted {
        session.warn(format!("the address ends with the credentials, at {}", rfc3339(expires)));
    }
    let url = sign(context, &args.object, permission, args.expires).await.map_err(explain)?;
    if session.json() {
        session.emit(&json!({
            "type": "presigned", "bucket": args.object.bucket, "key": args.object.key,
            "method": if args.put { "PUT" } else { "GET" }, "url": url, "expires": rfc3339(expires),
        }))?;
    } else {
        session.line(url)?;
    }
    Ok(Outcome::Done)
}
