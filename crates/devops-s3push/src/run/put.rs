//! `put`: files, folders, globs, the standard input.

use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
    time::Instant,
};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    kind::{HasKind, Kind},
    offsite::{self, Base},
    s3::{
        Event, Filter, Listed, MIN_PART, ObjectSummary, OverwritePolicy, PutOptions,
        RequestErrorKind, S3Context, S3Error, S3Uri, UploadItem, UploadItems, check_bucket,
        find_upload_items, for_each_concurrent, inspect, list_absent_keys, preview, upload_to_all,
    },
    units::{ByteSize, count},
};
use serde_json::json;

use super::{
    capability_cache::{recall_for_put, save_capabilities},
    connection::Connected,
    explain::explain,
    metrics::Metrics,
    operands::{PutInput, operands},
    options::put_options,
    receipt,
    reporter::{Reporter, insert},
    selection::select,
    stream::put_stream,
    totals::Totals,
};
use crate::cli::{BaseFlags, PutArgs};

pub(crate) async fn put(args: Box<PutArgs>, session: &Session) -> Result<Outcome, Failure> {
    let (input, places) = operands(&args)?;
    let destination = places[0].to_string();
    let metrics = Metrics::new(args.metrics_file.clone().filter(|_| !args.dry_run), destination);
    metrics.check_place()?;
    let result = Box::pin(put_to(args, (input, places), &metrics, session)).await;
    metrics.write(&result, session)?;
    result
}

async fn put_to(
    args: Box<PutArgs>,
    (input, places): (PutInput, Vec<S3Uri>),
    metrics: &Metrics,
    session: &Session,
) -> Result<Outcome, Failure> {
    let options = put_options((&args.object, &args.connection), replace(&args)?, session)?;
    let base = base(&args.base, &places)?;
    if let Some(path) = args.receipt.as_ref().filter(|_| !args.dry_run) {
        receipt::check_place(path, "receipt")?;
    }
    let paths = match input {
        PutInput::Paths(paths) => paths,
        _ if options.preserve => {
            return Err(Failure::usage(
                "--preserve is for files: a stream has no mode and no time",
            ));
        }
        stream => {
            let how = (&options, &base, metrics);
            return put_stream(&args, (stream, places), how, session).await;
        }
    };
    if args.stream.expect_size.is_some() || args.stream.spool.is_some() {
        return Err(Failure::usage(
            "--expect-size and --spool are for streams: `put -` and --from-command",
        ));
    }
    let mut found = find(&args, &paths, &places)?;
    refuse_nothing(&found[0], &paths)?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    recall_for_put(&connected.store, &places[0].bucket, &options, session);
    let (store, cancel_token) = (&connected.store, &connected.cancel_token);
    let mut n_unselected = 0;
    for sources in &mut found {
        let context = S3Context { store, cancel_token, events: &|_| {} };
        n_unselected += select(context, &args.selection, sources, session).await?;
    }
    let total = found.iter().flat_map(|sources| &sources.files).map(|file| file.size).sum();
    let reporter = Reporter::new(session, "uploading", Some(total));
    let events = |event: Event| reporter.show(event);
    let context = S3Context { store, cancel_token, events: &events };
    warn_of_missing_base(context, &base, session).await;
    let run = PutRun {
        context,
        options: &options,
        base,
        session,
        reporter: &reporter,
        receipt: args.receipt,
        places,
        metrics,
        n_unselected,
    };
    if args.dry_run {
        return run.dry(&found).await;
    }
    let outcome = run.real(&found).await;
    save_capabilities(&connected.store, &run.places[0].bucket, session);
    outcome
}

/// Fails where there is nothing to put: a source that is not mounted must not look like a success.
fn refuse_nothing(found: &UploadItems, paths: &[PathBuf]) -> Result<(), Failure> {
    if !found.files.is_empty() || !found.skipped.is_empty() {
        return Ok(());
    }
    let named = paths.iter().map(|path| format!("`{}`", quote(path))).collect::<Vec<_>>();
    Err(Failure::new(Kind::NotFound, format!("no file to put in {}", named.join(", "))))
}

/// Finds the files, with what they become in each place.
fn find(args: &PutArgs, paths: &[PathBuf], places: &[S3Uri]) -> Result<Vec<UploadItems>, Failure> {
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut found = Vec::new();
    for place in places {
        found.push(find_upload_items(paths, place, &filter, args.follow_symlinks)?);
    }
    let mut uris = HashSet::new();
    match found.iter().flat_map(|sources| &sources.files).find(|file| !uris.insert(&file.uri)) {
        Some(file) => {
            Err(Failure::usage(format!("two of the places would both be `{}`", file.uri)))
        }
        None => Ok(found),
    }
}

fn replace(args: &PutArgs) -> Result<OverwritePolicy, Failure> {
    match (args.replace.overwrite, args.replace.if_changed) {
        (true, true) => Err(Failure::usage("--overwrite and --if-changed do not go together")
            .hint("--if-changed overwrites what has other content")),
        (true, false) => Ok(OverwritePolicy::Overwrite),
        (false, true) => Ok(OverwritePolicy::IfChanged),
        (false, false) => Ok(OverwritePolicy::Refuse),
    }
}

fn base(flags: &BaseFlags, places: &[S3Uri]) -> Result<Base, Failure> {
    match &flags.base {
        Some(_) if flags.no_base => Err(Failure::usage("--base and --no-base do not go together")),
        None if flags.no_base => Ok(Base::None),
        Some(_) if places.len() > 1 => {
            Err(Failure::usage("--base is for one place, and does not go with --also"))
        }
        Some(base) if base.is_prefix() || base.bucket != places[0].bucket => {
            Err(Failure::usage(format!("--base is an archive in the same bucket, not `{base}`")))
        }
        Some(base) => Ok(Base::Named(base.clone())),
        None => Ok(Base::Newest),
    }
}

/// A base with a wrong name costs time and nothing else, but nobody should look for the reason.
async fn warn_of_missing_base(context: S3Context<'_>, base: &Base, session: &Session) {
    if let Base::Named(uri) = base
        && let Err(S3Error::Request(failure)) = inspect(context, uri).await
        && failure.error_kind == RequestErrorKind::NoObject
    {
        session.warn(format!("`{uri}` does not exist: nothing is copied from it"));
    }
}

struct PutRun<'a> {
    context: S3Context<'a>,
    options: &'a PutOptions,
    base: Base,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    receipt: Option<PathBuf>,
    places: Vec<S3Uri>,
    metrics: &'a Metrics,
    /// How many of the files that were found are not put, by the flags.
    n_unselected: usize,
}

impl PutRun<'_> {
    async fn real(&self, found: &[UploadItems]) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let mut totals = Totals::of(&found[0], self.session);
        totals.n_unselected = self.n_unselected;
        let result = match found {
            [sources] => match sources.files.as_slice() {
                [source] if !sources.is_tree => self.one(source, &mut totals).await,
                files => self.many(files, &mut totals).await,
            },
            found => self.everywhere(found, &mut totals).await,
        };
        let result = result.map_err(explain);
        if let Err(failure) = &result {
            totals.note_rest(found.iter().flat_map(|sources| &sources.files), failure);
        }
        totals.emit(self.reporter, begun);
        self.metrics.note(&totals);
        totals.warn_of_unchanged(self.options, self.session);
        if let Some(path) = &self.receipt {
            receipt::write(path, &totals.stored)?;
        }
        result?;
        totals.outcome()
    }

    /// Puts a file; what a listing said of its key counts if the write follows at once.
    async fn put(
        &self,
        source: &UploadItem,
        free: &HashSet<S3Uri>,
    ) -> Result<ObjectSummary, S3Error> {
        if source.size >= MIN_PART || !free.contains(&source.uri) {
            return offsite::put(self.context, source, self.options, &self.base).await;
        }
        let options = PutOptions { listed: Some(Listed::Free), ..self.options.clone() };
        offsite::put(self.context, source, &options, &self.base).await
    }

    async fn one(&self, source: &UploadItem, totals: &mut Totals) -> Result<(), S3Error> {
        totals.store(self.put(source, &HashSet::new()).await?, self.reporter);
        Ok(())
    }

    async fn many(&self, files: &[UploadItem], totals: &mut Totals) -> Result<(), S3Error> {
        let free = list_absent_keys(self.context, files, self.options).await?;
        for_each_concurrent(
            self.context,
            files,
            async |source| self.put(source, &free).await,
            |source, result| match result {
                Ok(summary) => totals.store(summary, self.reporter),
                Err(error) => totals.fail(source, &explain(error), self.session),
            },
        )
        .await
    }

    /// Puts the same into several places; one that fails does not keep the others.
    async fn everywhere(&self, found: &[UploadItems], totals: &mut Totals) -> Result<(), S3Error> {
        let files: Vec<_> = found.iter().map(|sources| sources.files.clone()).collect();
        let mut free = HashSet::new();
        for files in &files {
            free.extend(list_absent_keys(self.context, files, self.options).await?);
        }
        let put = async |source: &UploadItem| self.put(source, &free).await;
        let each = |source: &UploadItem, result| match result {
            Ok(summary) => totals.store(summary, self.reporter),
            Err(error) => {
                let what = (&source.uri, Some(source.path.as_path()));
                totals.fail_place(what, &explain(error), self.session);
            }
        };
        let ends = upload_to_all(self.context, &files, put, each).await;
        for (n, end) in ends.into_iter().enumerate() {
            let (path, uri) = match files[n].as_slice() {
                [source] => (Some(source.path.as_path()), &source.uri),
                _ => (None, &self.places[n]),
            };
            match end {
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => totals.fail_place((uri, path), &explain(error), self.session),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn dry(&self, found: &[UploadItems]) -> Result<Outcome, Failure> {
        // The preview of a file says no more than that its key is free.
        let buckets: BTreeSet<_> = self.places.iter().map(|place| &place.bucket).collect();
        for bucket in buckets {
            check_bucket(self.context, bucket).await.map_err(explain)?;
        }
        let mut totals = Totals::of(&found[0], self.session);
        let (mut n_planned, mut n_unchanged) = (0, 0);
        let is_one_of_many = found.len() > 1 || found[0].is_tree;
        for source in found.iter().flat_map(|sources| &sources.files) {
            match preview(self.context, source, self.options).await {
                Ok(plan) => {
                    n_planned += usize::from(!plan.unchanged);
                    n_unchanged += usize::from(plan.unchanged);
                    self.show_plan(source, &plan)?;
                }
                Err(error) if is_one_of_many && error.kind() == Kind::Exists => {
                    totals.fail(source, &explain(error), self.session);
                }
                Err(error) => return Err(explain(error)),
            }
        }
        self.reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "planned": n_planned, "unchanged": n_unchanged, "failed": totals.failed,
                    "skipped": totals.skipped, "unselected": self.n_unselected, "dry_run": true,
                }),
            );
        });
        match (n_planned + n_unchanged, totals.n_left_out()) {
            (_, 0) => Ok(Outcome::Done),
            (0, _) if totals.has_failed() => totals.outcome(),
            (_, n) => Ok(Outcome::Partial(format!("{} would not be stored", count(n, "file")))),
        }
    }

    fn show_plan(
        &self,
        source: &UploadItem,
        plan: &devops_core::s3::Preview,
    ) -> Result<(), Failure> {
        self.reporter.emit("planned", |object| {
            insert_path(object, "path", &source.path);
            insert(
                object,
                json!({
                    "bucket": source.uri.bucket, "key": source.uri.key, "size": plan.size,
                    "parts": plan.parts, "unchanged": plan.unchanged,
                }),
            );
        });
        if self.session.json() {
            return Ok(());
        }
        let (file, uri, size) = (quote(&source.path), &source.uri, ByteSize(plan.size));
        self.session.line(if plan.unchanged {
            format!("would leave {uri} ({size}, unchanged)")
        } else {
            format!("would put {file} to {uri} ({size}, parts: {})", plan.parts)
        })
    }
}
