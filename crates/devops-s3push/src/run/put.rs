//! `put`: files, folders, globs, the standard input.

use std::{ffi::OsStr, io::Read, path::PathBuf, time::Instant};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    archive_index::WholeArchive,
    kind::{HasKind, Kind},
    offsite::{self, Base},
    s3::{
        EarlierRun, Event, Filter, Link, ObjectSummary, Outcome as ObjectOutcome, PartSize,
        PutOptions, Replace, Resume, S3Error, S3Uri, Source, Sources, StreamOptions, find_sources,
        preview, put_all, put_stream,
    },
    units::ByteSize,
};
use serde_json::{Map, Value, json};

use super::{
    attributes::attributes,
    connection::Connected,
    explain::explain,
    journals::resumable,
    receipt,
    reporter::{Reporter, insert},
};
use crate::cli::{BaseFlags, PutArgs};

pub(crate) async fn put(args: Box<PutArgs>, session: &Session) -> Result<Outcome, Failure> {
    let options = options(&args, session)?;
    if args.paths.iter().any(|path| path == OsStr::new("-")) {
        return put_stdin(&args, &options, session).await;
    }
    if args.expect_size.is_some() {
        return Err(Failure::usage("--expect-size is for the standard input, `put -`"));
    }
    let base = base(&args.base, &args.destination)?;
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let paths: Vec<PathBuf> = args.paths.iter().map(PathBuf::from).collect();
    let sources = find_sources(&paths, &args.destination, &filter, args.follow_symlinks)?;
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let total = sources.files.iter().map(|file| file.size).sum();
    let reporter = Reporter::new(session, "uploading", Some(total));
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let run = PutRun {
        link,
        options: &options,
        base,
        session,
        reporter: &reporter,
        receipt: args.receipt,
    };
    if args.dry_run { run.dry(&sources).await } else { run.real(&sources).await }
}

fn options(args: &PutArgs, session: &Session) -> Result<PutOptions, Failure> {
    Ok(PutOptions {
        replace: if args.overwrite { Replace::Overwrite } else { Replace::Refuse },
        checksum: args.checksum.0,
        require_proof: args.require_proof,
        part_size: args.part_size.map_or(PartSize::Auto, PartSize::Exactly),
        attributes: attributes(args, session)?,
        resume: resume(args, session)?,
    })
}

fn resume(args: &PutArgs, session: &Session) -> Result<Option<Resume>, Failure> {
    let flags = &args.unfinished;
    if flags.restart && flags.no_resume {
        return Err(Failure::usage("--restart and --no-resume do not go together"));
    }
    if flags.no_resume {
        return Ok(None);
    }
    let earlier = if flags.restart { EarlierRun::GiveUp } else { EarlierRun::TakeUp };
    let resume = resumable(session, earlier);
    if resume.is_none() {
        session
            .warn("neither XDG_STATE_HOME nor HOME is set: an upload that breaks off is aborted");
    }
    Ok(resume)
}

fn base(flags: &BaseFlags, destination: &S3Uri) -> Result<Base, Failure> {
    match &flags.base {
        _ if flags.no_base => Ok(Base::None),
        Some(base) if base.is_prefix() || base.bucket != destination.bucket => {
            Err(Failure::usage(format!("--base is an archive in the same bucket, not `{base}`")))
        }
        Some(base) => Ok(Base::Named(base.clone())),
        None => Ok(Base::Newest),
    }
}

async fn put_stdin(
    args: &PutArgs,
    options: &PutOptions,
    session: &Session,
) -> Result<Outcome, Failure> {
    let uri = &args.destination;
    if args.paths.len() > 1 {
        return Err(Failure::usage("`-` goes alone"));
    }
    if uri.is_prefix() {
        return Err(Failure::usage(format!(
            "the standard input has no name: give a key, not `{uri}`"
        )));
    }
    if args.base.base.is_some() {
        return Err(Failure::usage("--base is for files: the standard input is sent as it comes"));
    }
    if args.dry_run {
        return Err(Failure::usage("--dry-run cannot tell anything about the standard input"));
    }
    if session.stdin_is_terminal() {
        return Err(Failure::usage(
            "the standard input is a terminal; pipe something into `put -`",
        ));
    }
    let expected = StreamOptions { expect_size: args.expect_size.map(|size| size.0) };
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let reporter = Reporter::new(session, "uploading", expected.expect_size);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    session.status(format!("Uploading - to bucket '{}' as '{}'...", uri.bucket, uri.key));
    let begun = Instant::now();
    let summary =
        put_stream(link, input(expected), uri, (options, expected)).await.map_err(explain)?;
    reporter.object(&summary);
    if let Some(path) = &args.receipt {
        receipt::write(path, std::slice::from_ref(&summary))?;
    }
    let mut totals = Totals::default();
    totals.stored.push(summary);
    totals.emit(&reporter, begun);
    totals.warn_of_unchanged(options, session);
    Ok(Outcome::Done)
}

/// Where the length is known, that alone decides whether all of it came.
fn input(expected: StreamOptions) -> Box<dyn Read + Send> {
    let stdin = std::io::stdin();
    if expected.expect_size.is_some() {
        Box::new(stdin)
    } else {
        Box::new(WholeArchive::new(stdin))
    }
}

struct PutRun<'a> {
    link: Link<'a>,
    options: &'a PutOptions,
    base: Base,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    receipt: Option<PathBuf>,
}

/// What came of the files.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) stored: Vec<ObjectSummary>,
    failed: Vec<Value>,
    skipped: Vec<Value>,
}

impl Totals {
    fn of(sources: &Sources, session: &Session) -> Self {
        let mut totals = Self::default();
        for skipped in &sources.skipped {
            session.warn(format!("skipped `{}`: {}", quote(&skipped.path), skipped.reason));
            let mut object = Map::new();
            insert_path(&mut object, "path", &skipped.path);
            object.insert("reason".to_owned(), skipped.reason.clone().into());
            totals.skipped.push(object.into());
        }
        totals
    }

    pub(super) fn fail(&mut self, source: &Source, failure: &Failure, session: &Session) {
        let message = failure.chain().join(": ");
        session.warn(format!("`{}` was not stored: {message}", quote(&source.path)));
        let mut object = Map::new();
        insert_path(&mut object, "path", &source.path);
        insert(
            &mut object,
            json!({"key": source.uri.key, "kind": failure.kind.name(), "message": message}),
        );
        self.failed.push(object.into());
    }

    pub(super) fn emit(&self, reporter: &Reporter<'_>, begun: Instant) {
        let count =
            |outcome| self.stored.iter().filter(|summary| summary.outcome == outcome).count();
        reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "stored": count(ObjectOutcome::Stored),
                    "unchanged": count(ObjectOutcome::Unchanged),
                    "failed": self.failed,
                    "skipped": self.skipped,
                    "bytes_sent": self.stored.iter().map(|summary| summary.bytes_sent).sum::<u64>(),
                    "seconds": begun.elapsed().as_secs_f64(),
                }),
            );
        });
    }

    /// What is there already keeps what it was stored with: nobody must take it for locked.
    fn warn_of_unchanged(&self, options: &PutOptions, session: &Session) {
        let is_unchanged = |summary: &&ObjectSummary| summary.outcome == ObjectOutcome::Unchanged;
        let n = self.stored.iter().filter(is_unchanged).count();
        if n > 0 && !options.attributes.is_empty() {
            session.warn(format!(
                "{n} of the objects were there already, and keep the metadata, tags, encryption and \
                 locks they have"
            ));
        }
    }

    /// Returns how the whole ended: none of many is a failure, some of many are a part.
    pub(super) fn outcome(&self) -> Result<Outcome, Failure> {
        let left_out = self.failed.len() + self.skipped.len();
        let total = self.stored.len() + left_out;
        if self.stored.is_empty() && !self.failed.is_empty() {
            return Err(Failure::new(Kind::Failed, format!("none of {total} files was stored")));
        }
        if left_out > 0 {
            return Ok(Outcome::Partial(format!("{left_out} of {total} files were not stored")));
        }
        Ok(Outcome::Done)
    }
}

impl PutRun<'_> {
    async fn real(&self, sources: &Sources) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let mut totals = Totals::of(sources, self.session);
        let result = match sources.files.as_slice() {
            [source] if !sources.is_tree => self.one(source, &mut totals).await,
            files => self.many(files, &mut totals).await,
        };
        totals.emit(self.reporter, begun);
        totals.warn_of_unchanged(self.options, self.session);
        if let Some(path) = &self.receipt {
            receipt::write(path, &totals.stored)?;
        }
        result.map_err(explain)?;
        totals.outcome()
    }

    async fn put(&self, source: &Source) -> Result<ObjectSummary, S3Error> {
        offsite::put(self.link, source, self.options, &self.base).await
    }

    async fn one(&self, source: &Source, totals: &mut Totals) -> Result<(), S3Error> {
        let summary = self.put(source).await?;
        self.reporter.object(&summary);
        totals.stored.push(summary);
        Ok(())
    }

    async fn many(&self, files: &[Source], totals: &mut Totals) -> Result<(), S3Error> {
        put_all(
            self.link,
            files,
            async |source| self.put(source).await,
            |source, result| match result {
                Ok(summary) => {
                    self.reporter.object(&summary);
                    totals.stored.push(summary);
                }
                Err(error) => totals.fail(source, &explain(error), self.session),
            },
        )
        .await
    }

    async fn dry(&self, sources: &Sources) -> Result<Outcome, Failure> {
        let mut totals = Totals::of(sources, self.session);
        let mut n_fine = 0;
        for source in &sources.files {
            match preview(self.link, source, self.options).await {
                Ok(plan) => {
                    n_fine += 1;
                    self.show_plan(source, &plan)?;
                }
                Err(error) if sources.is_tree && error.kind() == Kind::Exists => {
                    totals.fail(source, &explain(error), self.session);
                }
                Err(error) => return Err(explain(error)),
            }
        }
        let left_out = totals.failed.len() + totals.skipped.len();
        match (n_fine, left_out) {
            (_, 0) => Ok(Outcome::Done),
            (0, _) if !totals.failed.is_empty() => totals.outcome(),
            _ => Ok(Outcome::Partial(format!("{left_out} files would not be stored"))),
        }
    }

    fn show_plan(&self, source: &Source, plan: &devops_core::s3::Preview) -> Result<(), Failure> {
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
