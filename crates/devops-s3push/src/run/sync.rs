//! `sync`: the objects under a prefix become what the files in a folder are.

use std::{collections::HashMap, ffi::OsStr, path::Path, time::Instant};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    offsite::{self, Base},
    s3::{
        DeleteOutcome, DeleteTarget, Deletion, Event, Filter, OverwritePolicy, PlannedFile,
        PutOptions, S3Context, S3Uri, SyncAction, SyncPlan, SyncScope, UploadItem, check_listing,
        delete, for_each_concurrent, plan_sync, unchanged, upload_if_changed,
    },
    units::{ByteSize, agree, count},
};
use serde_json::json;

use super::{
    capability_cache::{recall_for_put, save_capabilities},
    connection::Connected,
    explain::explain,
    options::put_options,
    reporter::{Reporter, insert},
    sync_down::sync_down,
    sync_refusal::refused,
    totals::Totals,
};
use crate::cli::SyncArgs;

pub(crate) async fn sync(args: Box<SyncArgs>, session: &Session) -> Result<Outcome, Failure> {
    let deletion = deletion(&args)?;
    let (uri, folder, goes_down) = ends(&args)?;
    if !uri.is_prefix() {
        let message = format!("a folder needs a prefix that ends with `/`, not `{uri}`");
        return Err(Failure::usage(message));
    }
    if goes_down {
        refuse_flags_of_objects(session)?;
        return sync_down(&args, (&uri, folder), deletion, session).await;
    }
    let options =
        put_options((&args.object, &args.connection), OverwritePolicy::IfChanged, session)?;
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    recall_for_put(&connected.store, &uri.bucket, &options, session);
    let reporter = Reporter::new(session, "uploading", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let scope = SyncScope { folder, prefix: &uri, filter: &filter };
    let (sources, plan) =
        plan_sync(context, scope, args.follow_symlinks, deletion).await.map_err(refused)?;
    let mut totals = Totals::of(&sources, session);
    for kept in &plan.kept {
        totals.skip_object(&kept.uri, kept.reason, session);
    }
    let begun = Instant::now();
    let run = SyncRun { context, scope, options: &options, session, reporter: &reporter, begun };
    if args.dry_run {
        return run.dry(&plan, totals).await;
    }
    let outcome = run.real(&plan, totals).await;
    save_capabilities(&connected.store, &uri.bucket, session);
    outcome
}

/// Returns the prefix, the folder, and whether the folder is what changes.
fn ends(args: &SyncArgs) -> Result<(S3Uri, &Path, bool), Failure> {
    let (source, destination) = (Path::new(&args.source), Path::new(&args.destination));
    match (address(&args.source)?, address(&args.destination)?) {
        (None, Some(uri)) => Ok((uri, source, false)),
        (Some(uri), None) => Ok((uri, destination, true)),
        (Some(_), Some(_)) => Err(Failure::usage("one of both has to be a folder here")
            .hint("`devops-s3push copy` copies inside a store")),
        (None, None) => Err(Failure::usage(format!(
            "neither `{}` nor `{}` is an address such as `s3://bucket/prefix/`",
            quote(source),
            quote(destination)
        ))),
    }
}

/// The flags that say how objects are stored.
const OF_OBJECTS: [&str; 15] = [
    "checksum",
    "content-type",
    "follow-symlinks",
    "legal-hold",
    "lock-mode",
    "lock-until",
    "metadata",
    "no-resume",
    "part-size",
    "require-proof",
    "restart",
    "sse",
    "sse-kms-key-id",
    "storage-class",
    "tag",
];

/// Fails where a flag of this command line would do nothing; settings for all runs may stay.
fn refuse_flags_of_objects(session: &Session) -> Result<(), Failure> {
    match OF_OBJECTS.iter().find(|flag| session.is_given(flag)) {
        None => Ok(()),
        Some(flag) => Err(Failure::usage(format!(
            "`--{flag}` is for objects that are stored, and this run writes files"
        ))),
    }
}

/// Reads an address; a folder is none.
fn address(text: &OsStr) -> Result<Option<S3Uri>, Failure> {
    let Some(text) = text.to_str().filter(|text| text.starts_with("s3://")) else {
        return Ok(None);
    };
    let uri = text
        .parse()
        .map_err(|error| Failure::usage(format!("invalid value '{text}' for '<S3_URI>': {error}")));
    uri.map(Some)
}

fn deletion(args: &SyncArgs) -> Result<Option<Deletion>, Failure> {
    match (args.delete.delete, args.delete.max_delete) {
        (false, Some(_)) => Err(Failure::usage("--max-delete goes with --delete")),
        (false, None) => Ok(None),
        (true, max) => Ok(Some(Deletion { max })),
    }
}

struct SyncRun<'a> {
    context: S3Context<'a>,
    scope: SyncScope<'a>,
    options: &'a PutOptions,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    begun: Instant,
}

/// The outcome of both sides.
struct Ends {
    totals: Totals,
    deleted: Vec<S3Uri>,
}

impl SyncRun<'_> {
    async fn real(&self, plan: &SyncPlan, totals: Totals) -> Result<Outcome, Failure> {
        let mut ends = Ends { totals, deleted: Vec::new() };
        let put = async |source: &UploadItem, options: &PutOptions| {
            offsite::put(self.context, source, options, &Base::Newest).await
        };
        let brought = for_each_concurrent(
            self.context,
            &plan.files,
            async |file| upload_if_changed(self.context, file, self.options, &put).await,
            |file, result| match result {
                Ok(summary) => {
                    self.reporter.object(&summary);
                    ends.totals.stored.push(summary);
                }
                Err(error) => ends.totals.fail(&file.source, &explain(error), self.session),
            },
        )
        .await;
        let ended = match brought {
            Ok(()) => self.delete(plan, &mut ends).await,
            Err(error) => Err(explain(error)),
        };
        if let Err(failure) = &ended {
            ends.totals.note_rest(plan.files.iter().map(|file| &file.source), failure);
        }
        self.emit(&ends);
        ends.totals.warn_of_unchanged(self.options, self.session);
        ended?;
        ends.outcome()
    }

    /// Deletes what has no file, now that everything else is done.
    async fn delete(&self, plan: &SyncPlan, ends: &mut Ends) -> Result<(), Failure> {
        self.warn_of_unread(plan);
        if plan.extra.is_empty() {
            return Ok(());
        }
        if ends.totals.has_failed() {
            self.session.warn("nothing is deleted, because not every file was stored");
            return Ok(());
        }
        check_listing(self.context, self.scope.prefix, plan, &ends.totals.stored)
            .await
            .map_err(refused)?;
        let sizes: HashMap<&S3Uri, u64> =
            plan.extra.iter().map(|object| (&object.uri, object.size)).collect();
        let targets: Vec<DeleteTarget> =
            plan.extra.iter().map(|object| object.uri.clone().into()).collect();
        delete(self.context, &targets, &mut |target, outcome| {
            let uri = &target.uri;
            match outcome {
                DeleteOutcome::Deleted | DeleteOutcome::Hidden { .. } => {
                    self.show_deleted(uri, sizes.get(uri).copied().unwrap_or_default());
                    ends.deleted.push(uri.clone());
                }
                DeleteOutcome::Refused(failure) | DeleteOutcome::Failed(failure) => {
                    let failure = explain(failure);
                    ends.totals.fail_object((uri, "deleted"), &failure, self.session);
                }
            }
        })
        .await
        .map_err(explain)
    }

    fn warn_of_unread(&self, plan: &SyncPlan) {
        if let Some(path) = &plan.unread {
            let path = quote(path);
            self.session.warn(format!("nothing is deleted, because `{path}` could not be read"));
        }
    }

    fn show_deleted(&self, uri: &S3Uri, size: u64) {
        self.reporter.emit("deleted", |object| {
            insert(object, json!({"bucket": uri.bucket, "key": uri.key, "size": size}));
        });
        if !self.session.json() {
            // A failure of stdout is remembered by the session and decides nothing here.
            let _printed = self.session.line(format!("Deleted {uri} ({})", ByteSize(size)));
        }
    }

    fn emit(&self, ends: &Ends) {
        self.reporter.emit("summary", |object| {
            insert(object, ends.totals.fields(self.begun));
            insert(object, json!({"deleted": ends.deleted.len()}));
        });
    }

    async fn dry(&self, plan: &SyncPlan, totals: Totals) -> Result<Outcome, Failure> {
        let mut ends = Ends { totals, deleted: Vec::new() };
        let mut printed = Ok(());
        for_each_concurrent(
            self.context,
            &plan.files,
            async |file| unchanged(self.context, file, self.options).await,
            |file, result| match result {
                Ok(same) => {
                    let shown = self.show_plan(file, same.is_some());
                    printed = std::mem::replace(&mut printed, Ok(())).and(shown);
                }
                Err(error) => ends.totals.fail(&file.source, &explain(error), self.session),
            },
        )
        .await
        .map_err(explain)?;
        printed?;
        self.warn_of_unread(plan);
        for object in &plan.extra {
            let (uri, size) = (&object.uri, ByteSize(object.size));
            self.show(("delete", uri, object.size), None, format!("would delete {uri} ({size})"))?;
        }
        ends.outcome()
    }

    fn show_plan(&self, file: &PlannedFile, is_same: bool) -> Result<(), Failure> {
        let UploadItem { path, uri, size, .. } = &file.source;
        let (shown, n) = (quote(path), ByteSize(*size));
        let (action, line) = match &file.action {
            _ if is_same => ("leave", format!("would leave {uri} ({n}, unchanged)")),
            SyncAction::Put => ("put", format!("would put {shown} to {uri} ({n})")),
            SyncAction::Replace(_) | SyncAction::Compare(_) => {
                ("replace", format!("would replace {uri} with {shown} ({n})"))
            }
        };
        self.show((action, uri, *size), Some(path), line)
    }

    fn show(
        &self,
        (action, uri, size): (&str, &S3Uri, u64),
        path: Option<&Path>,
        line: String,
    ) -> Result<(), Failure> {
        self.reporter.emit("planned", |object| {
            if let Some(path) = path {
                insert_path(object, "path", path);
            }
            let (bucket, key) = (&uri.bucket, &uri.key);
            insert(object, json!({"bucket": bucket, "key": key, "size": size, "action": action}));
        });
        if self.session.json() { Ok(()) } else { self.session.line(line) }
    }
}

impl Ends {
    /// Returns how the whole ended; what was deleted is something done.
    fn outcome(&self) -> Result<Outcome, Failure> {
        match self.totals.n_left_out() {
            n if n > 0 && !self.deleted.is_empty() => {
                let (things, were) = (count(n, "file or object"), agree(n, "was", "were"));
                Ok(Outcome::Partial(format!("{things} {were} left out")))
            }
            _ => self.totals.outcome(),
        }
    }
}
