//! The outcome of the files and streams of one run.

use std::{collections::HashSet, path::Path, time::Instant};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    kind::Kind,
    s3::{
        ObjectSummary, Outcome as ObjectOutcome, PutOptions, S3Uri, Skipped, UploadItem,
        UploadItems,
    },
    units::{agree, count},
};
use serde_json::{Map, Value, json};

use super::{
    explain::Hints,
    reporter::{Reporter, insert},
};

/// The outcome of the files.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) stored: Vec<ObjectSummary>,
    pub(super) failed: Vec<Value>,
    pub(super) skipped: Vec<Value>,
    /// The number of files the flags did not choose.
    pub(super) n_unselected: usize,
    /// The objects that are named in `failed`.
    failed_uris: HashSet<S3Uri>,
    /// The sort of error that several places had.
    kinds: Vec<Kind>,
    hints: Hints,
}

impl Totals {
    pub(super) fn of(sources: &UploadItems, session: &Session) -> Self {
        name_empty_folders(sources, session);
        let skipped = sources.skipped.iter().map(|skipped| skip_file(skipped, session)).collect();
        Self { skipped, ..Self::default() }
    }

    pub(super) fn fail(&mut self, source: &UploadItem, failure: &Failure, session: &Session) {
        let message = self.hints.message(failure);
        session.warn(format!("`{}` was not stored: {message}", quote(&source.path)));
        self.note((&source.uri, Some(&source.path)), failure);
    }

    /// Counts what is not stored in one of several places, and says why.
    pub(super) fn fail_place(
        &mut self,
        (uri, path): (&S3Uri, Option<&Path>),
        failure: &Failure,
        session: &Session,
    ) {
        let message = self.hints.message(failure);
        session.warn(format!("`{uri}` was not stored: {message}"));
        self.note((uri, path), failure);
        self.kinds.push(failure.kind);
    }

    /// Counts an object that is not stored, where the error of the whole run says why.
    pub(super) fn note(&mut self, (uri, path): (&S3Uri, Option<&Path>), failure: &Failure) {
        let mut object = Map::new();
        if let Some(path) = path {
            insert_path(&mut object, "path", path);
        }
        insert(&mut object, failed_json(uri, failure));
        self.failed.push(object.into());
        self.failed_uris.insert(uri.clone());
    }

    /// Counts the files that were not stored when `failure` ended the run.
    pub(super) fn note_rest<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a UploadItem>,
        failure: &Failure,
    ) {
        let stored: HashSet<_> = self.stored.iter().map(|summary| summary.uri.clone()).collect();
        for source in files {
            if !stored.contains(&source.uri) && !self.failed_uris.contains(&source.uri) {
                self.note((&source.uri, Some(&source.path)), failure);
            }
        }
    }

    /// Names an object that was left out though it could have been done.
    pub(super) fn fail_object(
        &mut self,
        (uri, what): (&S3Uri, &str),
        failure: &Failure,
        session: &Session,
    ) {
        let message = self.hints.message(failure);
        session.warn(format!("`{uri}` was not {what}: {message}"));
        self.note((uri, None), failure);
    }

    /// Names an object that is left as it is.
    pub(super) fn skip_object(&mut self, uri: &S3Uri, reason: &str, session: &Session) {
        session.warn(format!("skipped `{uri}`: {reason}"));
        self.skipped.push(json!({"bucket": uri.bucket, "key": uri.key, "reason": reason}));
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub(super) fn n_left_out(&self) -> usize {
        self.failed.len() + self.skipped.len()
    }

    /// Takes an object that is stored.
    pub(super) fn store(&mut self, summary: ObjectSummary, reporter: &Reporter<'_>) {
        reporter.object(&summary);
        self.stored.push(summary);
    }

    pub(super) fn emit(&self, reporter: &Reporter<'_>, begun: Instant) {
        reporter.emit("summary", |object| insert(object, self.fields(begun)));
    }

    /// Returns the fields of a summary.
    pub(super) fn fields(&self, begun: Instant) -> Value {
        let count =
            |outcome| self.stored.iter().filter(|summary| summary.outcome == outcome).count();
        json!({
            "stored": count(ObjectOutcome::Stored),
            "unchanged": count(ObjectOutcome::Unchanged),
            "failed": self.failed,
            "skipped": self.skipped,
            "unselected": self.n_unselected,
            "bytes_sent": self.stored.iter().map(|summary| summary.bytes_sent).sum::<u64>(),
            "seconds": begun.elapsed().as_secs_f64(),
        })
    }

    /// What is there already keeps what it was stored with: nobody must take it for locked.
    pub(super) fn warn_of_unchanged(&self, options: &PutOptions, session: &Session) {
        let is_unchanged = |summary: &&ObjectSummary| summary.outcome == ObjectOutcome::Unchanged;
        let n = self.stored.iter().filter(is_unchanged).count();
        if n > 0 && !options.attributes.is_empty() {
            session.warn(format!(
                "{} {} there already, and {} the metadata, tags, encryption and locks of before",
                count(n, "object"),
                agree(n, "was", "were"),
                agree(n, "keeps", "keep")
            ));
        }
    }

    /// Returns how the whole ended: none of many is a failure, some of many are a part.
    pub(super) fn outcome(&self) -> Result<Outcome, Failure> {
        let skipped = self.n_left_out();
        let total = self.stored.len() + skipped;
        let of_all = count(total, if self.kinds.is_empty() { "file" } else { "object" });
        if self.stored.is_empty() && !self.failed.is_empty() {
            let message = format!("none of {of_all} was stored");
            return Err(Failure::new(self.shared_kind(), message));
        }
        if skipped > 0 {
            let were = agree(skipped, "was", "were");
            return Ok(Outcome::Partial(format!("{skipped} of {of_all} {were} not stored")));
        }
        let lacking = self.stored.iter().filter(|summary| !summary.lacks.is_empty()).count();
        if lacking > 0 {
            let lack = agree(lacking, "lacks", "lack");
            let message = format!("{lacking} of {of_all} {lack} something that was asked for");
            return Ok(Outcome::Partial(message));
        }
        Ok(Outcome::Done)
    }

    /// What all places have in common says more than that they failed.
    fn shared_kind(&self) -> Kind {
        match self.kinds.split_first() {
            Some((first, others)) if others.iter().all(|kind| kind == first) => *first,
            _ => Kind::Failed,
        }
    }
}

/// Names the folders that a store has no place for; they have no content that could be missing.
fn name_empty_folders(sources: &UploadItems, session: &Session) {
    for folder in &sources.empty_folders {
        session.warn(format!("`{}` is an empty folder: nothing of it is put", quote(folder)));
    }
}

/// Names a file that is left out, and returns that as JSON.
pub(super) fn skip_file(skipped: &Skipped, session: &Session) -> Value {
    session.warn(format!("skipped `{}`: {}", quote(&skipped.path), skipped.reason));
    let mut object = Map::new();
    insert_path(&mut object, "path", &skipped.path);
    object.insert("reason".to_owned(), skipped.reason.clone().into());
    object.into()
}

/// Returns what a summary says of an object that something went wrong with.
pub(super) fn failed_json(uri: &S3Uri, failure: &Failure) -> Value {
    let mut object = json!({
        "bucket": uri.bucket, "key": uri.key, "kind": failure.kind.name(),
        "message": failure.chain().join(": "),
    });
    if let Some(hint) = &failure.hint {
        object["hint"] = hint.as_str().into();
    }
    object
}
