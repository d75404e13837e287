//! `get … -`: an object to whoever reads the standard output.

use std::io;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    s3::{Event, Link, S3Error, Streamed, get_stream},
    units::ByteSize,
};
use serde_json::json;

use super::{connection::Connected, explain::explain_object, reporter::Reporter};
use crate::cli::GetArgs;

pub(super) async fn get_to_stdout(args: &GetArgs, session: &Session) -> Result<Outcome, Failure> {
    let uri = &args.source;
    if uri.is_prefix() {
        return Err(Failure::usage(format!("`{uri}` is a prefix: only one object goes to stdout")));
    }
    if !args.include.is_empty() || !args.exclude.is_empty() {
        return Err(Failure::usage("--include and --exclude are for a prefix that ends with `/`"));
    }
    let sink = session.stdout_file()?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let reporter = Reporter::new(session, "downloading", None);
    // Events as JSON would stand between the bytes.
    let events = |event: Event| {
        if !session.json() {
            reporter.show(event);
        }
    };
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    match get_stream(link, uri, (sink, "standard output".into())).await {
        Ok(streamed) => {
            tell(args, &streamed, session);
            Ok(Outcome::Done)
        }
        // Who reads has enough.
        Err(S3Error::Path(error)) if error.source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Outcome::Done)
        }
        Err(error) => Err(explain_object(error, uri)),
    }
}

fn tell(args: &GetArgs, streamed: &Streamed, session: &Session) {
    let (uri, checksum) = (&args.source, streamed.checksum.as_ref());
    if session.json() {
        session.emit_beside(&json!({
            "type": "object", "bucket": uri.bucket, "key": uri.key, "path": "-",
            "size": streamed.size, "outcome": "fetched",
            "checksum": checksum.map(|checksum| checksum.value.clone()),
            "checksum_algorithm": checksum.map(|checksum| checksum.algorithm.name()),
            "proof": streamed.proof.name(), "seconds": streamed.elapsed.as_secs_f64(),
        }));
        return;
    }
    let (size, proof) = (ByteSize(streamed.size), streamed.proof);
    let checksum = checksum.map_or_else(|| "no checksum".to_owned(), ToString::to_string);
    session.status(format!("Downloaded {uri} to stdout ({size}, {checksum}, proof {proof})"));
}
