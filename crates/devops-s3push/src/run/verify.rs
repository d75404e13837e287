//! `verify`: files against objects.

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    kind::Kind,
    s3::{Event, Filter, Link, Proof, Source, Verification, find_sources, verify as verify_one},
    units::ByteSize,
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::{explain_object, is_archived},
    reporter::{Reporter, insert},
};
use crate::cli::VerifyArgs;

pub(crate) async fn verify(args: VerifyArgs, session: &Session) -> Result<Outcome, Failure> {
    let paths = [args.path.clone()];
    let sources = find_sources(&paths, &args.object, &Filter::default(), false)?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let reporter = Reporter::new(session, "verifying", None);
    let events = |event: Event| {
        // Fetching for a comparison is no upload.
        if !matches!(event, Event::Started { .. }) {
            reporter.show(event);
        }
    };
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let (mut same, mut n_left_out) = (true, sources.skipped.len());
    for source in &sources.files {
        let found = verify_one(link, &source.path, &source.uri, args.deep).await;
        let found = match found {
            Err(error) if sources.is_tree && is_archived(&error) => {
                let uri = &source.uri;
                session.warn(format!(
                    "`{uri}` cannot be compared: it is archived; `devops-s3push thaw {uri}` brings it back"
                ));
                n_left_out += 1;
                continue;
            }
            other => other.map_err(|error| explain_object(error, &source.uri))?,
        };
        if found == Verification::Missing && !sources.is_tree {
            return Err(Failure::new(Kind::NotFound, format!("no object `{}`", source.uri)));
        }
        same &= show(&reporter, session, (source, &found), args.require_proof)?;
    }
    for skipped in &sources.skipped {
        session.warn(format!("skipped `{}`: {}", quote(&skipped.path), skipped.reason));
    }
    match (same, n_left_out) {
        (false, _) => Ok(Outcome::No),
        (true, 0) => Ok(Outcome::Done),
        (true, n) => Ok(Outcome::Partial(format!("{n} files were not compared"))),
    }
}

/// Shows what was found; returns whether it is enough.
fn show(
    reporter: &Reporter<'_>,
    session: &Session,
    (source, found): (&Source, &Verification),
    required: Proof,
) -> Result<bool, Failure> {
    let (path, uri) = (quote(&source.path), &source.uri);
    let (word, proof, line) = match found {
        Verification::Same { size, proof } if *proof >= required => (
            "same",
            Some(*proof),
            format!("OK: {uri} is {path} ({}, proof {proof})", ByteSize(*size)),
        ),
        Verification::Same { proof, .. } => (
            "unproven",
            Some(*proof),
            format!("UNPROVEN: {uri} agrees with {path} by {proof} only"),
        ),
        Verification::Different(how) => {
            ("different", None, format!("DIFFERENT: {uri} is not {path}: {how}"))
        }
        Verification::Missing => ("missing", None, format!("MISSING: {uri} does not exist")),
    };
    reporter.emit("verified", |object| {
        insert_path(object, "path", &source.path);
        insert(
            object,
            json!({
                "bucket": uri.bucket, "key": uri.key, "size": source.size, "result": word,
                "proof": proof.map(Proof::name),
            }),
        );
    });
    if !session.json() {
        session.line(line)?;
    }
    if word == "same" && proof == Some(Proof::Size) {
        session
            .warn(format!("only the size of `{uri}` could be compared; pass --deep to fetch it"));
    }
    Ok(word == "same")
}
