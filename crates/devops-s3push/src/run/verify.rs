//! `verify`: files against objects.

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    kind::Kind,
    s3::{
        Depth, Event, Filter, Part, Proof, S3Context, S3Error, UploadItem, Verification,
        find_upload_items, verify as verify_one,
    },
    units::{ByteSize, agree, count},
};
use serde_json::{Map, Value, json};

use super::{
    capability_cache::load_capabilities,
    connection::Connected,
    explain::{explain_object, is_archived, what_is_there},
    reporter::{Reporter, insert},
    totals::{failed_json, skip_file},
};
use crate::cli::VerifyArgs;

pub(crate) async fn verify(args: VerifyArgs, session: &Session) -> Result<Outcome, Failure> {
    let paths = [args.path.clone()];
    let sources = find_upload_items(&paths, &args.object, &Filter::default(), false)?;
    if sources.files.is_empty() && sources.skipped.is_empty() {
        let message = format!("no file to compare in `{}`", quote(&args.path));
        return Err(Failure::new(Kind::NotFound, message));
    }
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    load_capabilities(&connected.store, &args.object.bucket, session);
    let reporter = Reporter::new(session, "verifying", None);
    let events = |event: Event| {
        // Fetching for a comparison is no upload.
        if !matches!(event, Event::Started { .. }) {
            reporter.show(event);
        }
    };
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let depth = match (args.deep, args.parts) {
        (true, _) => Depth::Bytes,
        (false, true) => Depth::Parts,
        (false, false) => Depth::Whole,
    };
    let mut compared = Compared::default();
    for source in &sources.files {
        let found = verify_one(context, &source.path, &source.uri, depth).await;
        let found = match found {
            // One file that cannot be read or compared says nothing of the others.
            Err(error)
                if sources.is_tree
                    && (is_archived(&error) || matches!(error, S3Error::Path(_))) =>
            {
                compared.leave_out(source, error, session);
                continue;
            }
            other => other.map_err(|error| explain_object(error, &source.uri))?,
        };
        if found == Verification::Missing && !sources.is_tree {
            let failure = Failure::new(Kind::NotFound, format!("no object `{}`", source.uri));
            return Err(match what_is_there(context, &source.uri).await {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
        }
        compared.count(show(&reporter, session, (source, &found), args.require_proof)?);
    }
    compared.skipped = sources.skipped.iter().map(|skipped| skip_file(skipped, session)).collect();
    if sources.is_tree {
        compared.emit(&reporter);
    }
    Ok(compared.outcome())
}

/// The outcome of the files.
#[derive(Default)]
struct Compared {
    n_same: usize,
    n_different: usize,
    n_missing: usize,
    n_unproven: usize,
    failed: Vec<Value>,
    skipped: Vec<Value>,
}

impl Compared {
    fn count(&mut self, result: &str) {
        let counter = match result {
            "same" => &mut self.n_same,
            "missing" => &mut self.n_missing,
            "unproven" => &mut self.n_unproven,
            _ => &mut self.n_different,
        };
        *counter += 1;
    }

    /// Names a file that cannot be compared.
    fn leave_out(&mut self, source: &UploadItem, error: S3Error, session: &Session) {
        let (path, uri) = (quote(&source.path), &source.uri);
        session.warn(match &error {
            S3Error::Path(error) => format!("`{path}` cannot be compared: {}", error.source),
            _ => format!(
                "`{uri}` cannot be compared: it is archived; `devops-s3push thaw {uri}` brings it back"
            ),
        });
        let mut object = Map::new();
        insert_path(&mut object, "path", &source.path);
        insert(&mut object, failed_json(uri, &explain_object(error, uri)));
        self.failed.push(object.into());
    }

    fn emit(&self, reporter: &Reporter<'_>) {
        reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "same": self.n_same, "different": self.n_different,
                    "missing": self.n_missing, "unproven": self.n_unproven,
                    "failed": self.failed, "skipped": self.skipped,
                }),
            );
        });
    }

    fn outcome(&self) -> Outcome {
        let n_left_out = self.failed.len() + self.skipped.len();
        match (self.n_different + self.n_missing + self.n_unproven, n_left_out) {
            (0, 0) => Outcome::Done,
            (0, n) => Outcome::Partial(format!(
                "{} {} not compared",
                count(n, "file"),
                agree(n, "was", "were")
            )),
            _ => Outcome::No,
        }
    }
}

/// Shows what was found, and returns its word for it.
fn show(
    reporter: &Reporter<'_>,
    session: &Session,
    (source, found): (&UploadItem, &Verification),
    required: Proof,
) -> Result<&'static str, Failure> {
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
        Verification::Doubtful => (
            "unproven",
            Some(Proof::Size),
            format!(
                "UNPROVEN: {uri} has the size of {path}, but not the ETag most stores give it; pass --deep to fetch it"
            ),
        ),
        Verification::OtherSize { here, there } => (
            "different",
            None,
            format!(
                "DIFFERENT: {uri} is not {path}: {} here, {there} in the store",
                count(*here, "byte")
            ),
        ),
        Verification::Different(parts) => {
            ("different", None, format!("DIFFERENT: {uri} is not {path}: {}", places(parts)))
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
        if let Verification::Different(parts) = found {
            let part = |part: &Part| json!({"offset": part.offset, "size": part.size});
            let parts: Vec<_> = parts.iter().map(part).collect();
            insert(object, json!({"differing": parts}));
        }
    });
    if !session.json() {
        session.line(line)?;
    }
    if word == "same" && proof == Some(Proof::Size) {
        session
            .warn(format!("only the size of `{uri}` could be compared; pass --deep to fetch it"));
    }
    Ok(word)
}

/// The number of places a line names.
const FEW: usize = 4;

/// Says where an object differs, as HTTP names ranges of bytes.
fn places(parts: &[Part]) -> String {
    let range = |part: &Part| format!("{}-{}", part.offset, part.offset + part.size - 1);
    let named = parts.iter().take(FEW).map(range).collect::<Vec<_>>().join(", ");
    match parts.len() {
        0 => "the contents differ".to_owned(),
        1..=FEW => format!("the contents differ in bytes {named}"),
        n => {
            format!("the contents differ in bytes {named} and {}", count(n - FEW, "more part"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_places_are_named_and_the_others_counted() {
        let parts: Vec<_> =
            (0..6).map(|n| Part { number: n + 1, offset: u64::from(n) * 10, size: 5 }).collect();

        assert_eq!(places(&[]), "the contents differ");
        assert_eq!(places(&parts[..2]), "the contents differ in bytes 0-4, 10-14");
        assert!(places(&parts).ends_with("30-34 and 2 more parts"), "{}", places(&parts));
    }
}
