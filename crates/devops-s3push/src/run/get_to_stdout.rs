//! `get … -`: an object to whoever reads the standard output.

use std::io;

use devops_cli::{Failure, Outcome, Session};
use devops_core::s3::{Event, GetSummary, Link, S3Error, get_stream};
use serde_json::{Map, json};

use super::{
    connection::Connected,
    explain::explain_object,
    reporter::{Reporter, fetched_json, insert, proof_of},
};
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
    match get_stream(link, uri, Box::new(sink), "standard output".into()).await {
        Ok(summary) => {
            tell(&summary, session);
            Ok(Outcome::Done)
        }
        // Who reads has enough.
        Err(S3Error::Path(error)) if error.source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Outcome::Done)
        }
        Err(error) => Err(explain_object(error, uri)),
    }
}

fn tell(summary: &GetSummary, session: &Session) {
    if session.json() {
        let mut object = Map::new();
        insert(&mut object, json!({"type": "object", "path": "-"}));
        insert(&mut object, fetched_json(summary));
        session.emit_beside(&object);
        return;
    }
    session.status(format!("Downloaded {} to stdout {}", summary.uri, proof_of(summary)));
}
