//! `get … -`, and `get` to a pipe: the bytes of an object in order, as they come.

use std::{fs::File, io, path::Path};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::s3::{Event, GetSummary, S3Context, S3Error, S3Uri, get_stream};
use serde_json::{Map, json};

use super::{
    connection::Connected,
    explain::explain_missing,
    reporter::{Reporter, fetched_json, insert, proof_of},
};
use crate::cli::GetArgs;

/// The DEST that stands for stdout.
pub(super) const STDOUT: &str = "-";

/// An open pipe, terminal or stdout, and the DEST that names it.
pub(super) struct OutputStream<'a> {
    pub(super) file: File,
    pub(super) name: &'a Path,
}

/// Refuses what cannot be done with a stream, and says what is not.
pub(super) fn check_stream(args: &GetArgs, session: &Session) -> Result<(), Failure> {
    let uri = &args.source;
    if uri.is_prefix() {
        return Err(Failure::usage(format!(
            "`{uri}` is a prefix: only one object can be a stream"
        )));
    }
    if !args.include.is_empty() || !args.exclude.is_empty() {
        return Err(Failure::usage("--include and --exclude are for a prefix that ends with `/`"));
    }
    if args.mode.is_some() || args.group.is_some() {
        session.warn("--mode and --group are for files: a stream stays as it is");
    }
    Ok(())
}

/// Writes the object to a stream.
pub(super) async fn get_to_stream(
    uri: &S3Uri,
    connected: &Connected,
    stream: OutputStream<'_>,
    session: &Session,
) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(session, "downloading", None);
    // Events as JSON would stand between the bytes.
    let events = |event: Event| {
        if !session.json() {
            reporter.show(event);
        }
    };
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let OutputStream { file, name } = stream;
    let shown = if name == Path::new(STDOUT) { Path::new("standard output") } else { name };
    match get_stream(context, uri, Box::new(file), shown.to_owned()).await {
        Ok(summary) => {
            report(&summary, name, session);
            Ok(Outcome::Done)
        }
        // Who reads has enough.
        Err(S3Error::Path(error)) if error.source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Outcome::Done)
        }
        Err(error) => Err(explain_missing(context, error, uri).await),
    }
}

fn report(summary: &GetSummary, name: &Path, session: &Session) {
    if session.json() {
        let mut object = Map::new();
        insert(&mut object, json!({"type": "object"}));
        insert_path(&mut object, "path", name);
        insert(&mut object, fetched_json(summary));
        session.emit_to_stderr(&object);
        return;
    }
    let (shown, proof) = (shown(name), proof_of(summary));
    session.status(format!("Downloaded {} to {shown} {proof}", summary.uri));
}

/// Returns how a DEST is named to people.
pub(super) fn shown(name: &Path) -> String {
    if name == Path::new(STDOUT) { "stdout".to_owned() } else { quote(name) }
}
