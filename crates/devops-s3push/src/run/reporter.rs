//! Shows events: as JSON lines, or as messages and progress.

use std::cell::{Cell, RefCell};

use devops_cli::{Progress, Session, json::insert_path, quote};
use devops_core::{
    s3::{Event, GetSummary, Lack, ObjectSummary, Outcome, S3Uri},
    units::{ByteSize, format_duration},
};
use serde_json::{Map, Value, json};

use super::timestamp::rfc3339;

/// Shows the events of one command.
pub(crate) struct Reporter<'a> {
    session: &'a Session,
    progress: Progress,
    moved: Cell<i64>,
    /// How much there is to move, as far as objects say it, where nobody knew before.
    found: Cell<Option<u64>>,
    /// Shown while a stream is written down, before anything is sent.
    spooling: RefCell<Option<Progress>>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(session: &'a Session, label: &str, total: Option<u64>) -> Self {
        let found = Cell::new(total.is_none().then_some(0));
        Self {
            session,
            progress: session.progress(label, total),
            moved: Cell::new(0),
            found,
            spooling: RefCell::default(),
        }
    }

    /// Shows one event; a stdout that fails is found out at the end.
    pub(crate) fn show(&self, event: Event) {
        match event {
            Event::BytesTransferred(bytes) => {
                self.moved.set(self.moved.get() + bytes);
                self.progress.set(u64::try_from(self.moved.get()).unwrap_or(0));
            }
            Event::Started { uri, path, size, parts } => {
                self.spooling.take();
                if let (Some(found), Some(size)) = (self.found.get(), size) {
                    self.found.set(Some(found + size));
                    self.progress.set_total(found + size);
                }
                if let Some(path) = &path {
                    let (file, bucket, key) = (quote(path), &uri.bucket, quote(uri.key.as_ref()));
                    self.session
                        .status(format!("Uploading {file} to bucket '{bucket}' as '{key}'..."));
                }
                self.emit("started", |object| {
                    if let Some(path) = &path {
                        insert_path(object, "path", path);
                    }
                    insert(
                        object,
                        json!({"bucket": uri.bucket, "key": uri.key, "size": size, "parts": parts}),
                    );
                });
            }
            Event::Part { uri, number, size, attempts } => {
                let fields = json!({"number": number, "size": size, "attempts": attempts});
                self.emit_of("part", &uri, fields);
            }
            Event::Retry { operation, attempt, pause, reason } => {
                tracing::info!(
                    "attempt {attempt} failed, next in {}: {reason}",
                    format_duration(pause)
                );
                self.emit("retry", |object| {
                    let seconds = pause.as_secs_f64();
                    insert(object, json!({"operation": operation, "attempt": attempt, "pause_seconds": seconds, "reason": reason}));
                });
            }
            Event::Region(region) => tracing::info!("the bucket is in {region}"),
            Event::Renewed => tracing::info!("the credentials had ended; going on with newer ones"),
            Event::FeatureUnsupported(what) => {
                self.session.warn(format!("the store does not know {what}; going on without"));
            }
            Event::InColdStorage(uri) => self.session.status(format!(
                "{uri} is archived: `devops-s3push thaw {uri}` would bring it back"
            )),
            Event::ProbeLeft { uri, reason } => {
                self.session.warn(format!("`{uri}` is left behind, and can be deleted: {reason}"));
            }
            Event::Object(_) => {}
            upload => self.show_upload(upload),
        }
    }

    /// Shows what an upload is made of, beside what is sent.
    fn show_upload(&self, event: Event) {
        match event {
            Event::Resumed { uri, begun, parts, size } => {
                let (begun, there) = (rfc3339(begun), ByteSize(size));
                self.session
                    .status(format!("Going on with the upload of {begun}: {there} are there"));
                let fields = json!({"begun": begun, "parts": parts, "size": size});
                self.emit_of("resumed", &uri, fields);
            }
            Event::Composed { uri, base, copied, parts } => {
                let size = ByteSize(copied);
                self.session.status(format!("Copying {size} of it from {base} inside the store"));
                let base = format!("s3://{}/{}", base.bucket, base.key);
                let fields = json!({"base": base, "copied": copied, "parts": parts});
                self.emit_of("composed", &uri, fields);
            }
            Event::NoServerSideCopy { uri, reason } => {
                self.session.status(format!("Sending all of {uri}: {reason}"));
                self.emit_of("uncomposed", &uri, json!({"reason": reason}));
            }
            Event::Spooled(bytes) => {
                let mut spooling = self.spooling.borrow_mut();
                let start = || self.session.progress("writing", None);
                spooling.get_or_insert_with(start).set(bytes);
            }
            Event::Continued { uri, parts, size } => {
                let there = ByteSize(size);
                self.session.status(format!("Going on with {uri}: {there} are here"));
                self.emit_of("continued", &uri, json!({"parts": parts, "size": size}));
            }
            Event::RestartedDownload { uri } => {
                self.session.status(format!("Beginning anew: {uri} is not what it was"));
                self.emit_of("anew", &uri, json!({}));
            }
            Event::PartialKept { path, size } => {
                let (file, there) = (quote(&path), ByteSize(size));
                self.session.status(format!("Kept {there} in {file}: the same command resumes it"));
                self.emit("kept", |object| {
                    insert_path(object, "path", &path);
                    insert(object, json!({"size": size}));
                });
            }
            Event::JournalUnavailable(error) => {
                let cause = error.source;
                self.session.warn(format!(
                    "failed to {} `{}` ({cause}): an interrupted upload is aborted",
                    error.action,
                    quote(&error.path)
                ));
            }
            stale => self.show_stale(stale),
        }
    }

    /// Shows what becomes of an earlier run's upload that is of no use.
    fn show_stale(&self, event: Event) {
        match event {
            Event::AbandonedUpload { uri, reason } => {
                self.session.warn(format!(
                    "aborting what an earlier run sent to {uri}, and beginning anew: {reason}"
                ));
                self.emit_of("given_up", &uri, json!({"reason": reason}));
            }
            Event::AbortFailed { uri, upload_id, reason } => {
                let abort = format!(
                    "devops-s3push uploads abort {uri} --upload-id {upload_id} --older-than 0s"
                );
                self.session.warn(format!(
                    "the multipart upload {upload_id} of {uri} stays, and costs: {reason} (remove it with `{abort}`)"
                ));
                self.emit_of(
                    "left_behind",
                    &uri,
                    json!({"upload_id": upload_id, "reason": reason}),
                );
            }
            _ => {}
        }
    }

    /// Shows an object that is stored.
    pub(crate) fn object(&self, summary: &ObjectSummary) {
        for Lack { feature, is_certain } in &summary.lacks {
            let (uri, name) = (&summary.uri, feature.name());
            self.session.warn(if *is_certain {
                format!("`{uri}` is stored without the {name} asked for")
            } else {
                format!("the store does not say whether `{uri}` has the {name} asked for")
            });
        }
        let line = match summary.outcome {
            Outcome::Stored => "Upload Successful!",
            Outcome::Unchanged => "Unchanged:",
        };
        if self.session.json() {
            self.emit("object", |object| insert(object, object_json(summary)));
            return;
        }
        let size = ByteSize(summary.size);
        let checksum = match &summary.checksum {
            Some(checksum) => checksum.to_string(),
            None => "no checksum".to_owned(),
        };
        let (uri, proof) = (&summary.uri, summary.proof);
        // A failure of stdout is remembered by the session and decides nothing here.
        let _printed =
            self.session.line(format!("{line} {uri} ({size}, {checksum}, proof {proof})"));
    }

    /// Emits one JSON event about an object.
    fn emit_of(&self, kind: &str, uri: &S3Uri, fields: Value) {
        self.emit(kind, |object| {
            insert(object, json!({"bucket": uri.bucket, "key": uri.key}));
            insert(object, fields);
        });
    }

    /// Emits one JSON event.
    pub(crate) fn emit(&self, kind: &str, fill: impl FnOnce(&mut Map<String, Value>)) {
        if !self.session.json() {
            return;
        }
        let mut object = Map::new();
        object.insert("type".to_owned(), kind.into());
        fill(&mut object);
        let _printed = self.session.emit(&object);
    }
}

/// Inserts the fields of a JSON object.
pub(crate) fn insert(object: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
}

pub(crate) fn object_json(summary: &ObjectSummary) -> Value {
    let checksum = summary.checksum.as_ref();
    json!({
        "bucket": summary.uri.bucket,
        "key": summary.uri.key,
        "size": summary.size,
        "outcome": match summary.outcome { Outcome::Stored => "stored", Outcome::Unchanged => "unchanged" },
        "checksum": checksum.map(|checksum| checksum.value.clone()),
        "checksum_algorithm": checksum.map(|checksum| checksum.algorithm.name()),
        "proof": summary.proof.name(),
        "version_id": summary.version_id,
        "parts": summary.parts,
        "bytes_sent": summary.bytes_sent,
        "bytes_copied": summary.bytes_copied,
        "attempts": summary.attempts,
        "lacks": summary.lacks.iter().map(|lack| lack.feature.name()).collect::<Vec<_>>(),
        "seconds": summary.elapsed.as_secs_f64(),
    })
}

/// Returns what is told of an object that is here, wherever it went.
pub(super) fn fetched_json(summary: &GetSummary) -> Value {
    let checksum = summary.checksum.as_ref();
    json!({
        "bucket": summary.uri.bucket,
        "key": summary.uri.key,
        "size": summary.size,
        "outcome": if summary.is_unchanged { "unchanged" } else { "fetched" },
        "checksum": checksum.map(|checksum| checksum.value.clone()),
        "checksum_algorithm": checksum.map(|checksum| checksum.algorithm.name()),
        "proof": summary.proof.name(),
        "seconds": summary.elapsed.as_secs_f64(),
    })
}

/// Says how large an object that is here is, and how well it is proven.
pub(super) fn proof_of(summary: &GetSummary) -> String {
    let checksum = summary.checksum.as_ref();
    let checksum = checksum.map_or_else(|| "no checksum".to_owned(), ToString::to_string);
    format!("({}, {checksum}, proof {})", ByteSize(summary.size), summary.proof)
}
