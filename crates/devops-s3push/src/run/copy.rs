//! `copy` and `move`: objects to other keys, inside the store.

use std::time::Instant;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    s3::{
        CopyOptions, CopySummary, Event, Filter, Link, Outcome as ObjectOutcome, Replace, S3Error,
        S3Uri, copy_object, list, move_object, run_all,
    },
    units::ByteSize,
};
use serde_json::{Value, json};

use super::{
    connection::Connected,
    explain::{Hints, explain, explain_object},
    reporter::{Reporter, insert},
    totals::failed_json,
};
use crate::cli::CopyArgs;

/// An object and where it goes.
struct Pair {
    from: S3Uri,
    to: S3Uri,
    size: u64,
}

pub(crate) async fn copy(
    args: Box<CopyArgs>,
    moves: bool,
    session: &Session,
) -> Result<Outcome, Failure> {
    let filter = check(&args)?;
    let to = destination(&args)?;
    if !args.source.is_prefix() && is_same(&args.source, &to, moves) {
        let source = &args.source;
        return Err(Failure::usage(format!("`{source}` is both what is copied and where to")));
    }
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, if moves { "moving" } else { "copying" }, None);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    let replace = match (args.overwrite, args.if_changed) {
        (true, _) => Replace::Overwrite,
        (_, true) => Replace::IfChanged,
        _ => Replace::Refuse,
    };
    let options = CopyOptions { replace, ..CopyOptions::default() };
    let run = CopyRun { link, options, moves, session, reporter: &reporter };
    if args.source.is_prefix() {
        let pairs = pairs(link, &args, &filter).await?;
        return run.many(&pairs, args.dry_run).await;
    }
    run.one(Pair { from: args.source.clone(), to, size: 0 }, args.dry_run).await
}

/// Fails where the two do not go together; returns what is taken under a prefix.
fn check(args: &CopyArgs) -> Result<Filter, Failure> {
    let CopyArgs { source, destination, .. } = args;
    if !source.is_prefix() {
        if !args.include.is_empty() || !args.exclude.is_empty() {
            return Err(Failure::usage(
                "--include and --exclude are for a prefix that ends with `/`",
            ));
        }
    } else if !destination.is_prefix() {
        return Err(Failure::usage(format!(
            "what is below `{source}` needs a prefix that ends with `/`, not `{destination}`"
        )));
    } else if source.bucket == destination.bucket
        && (source.key.starts_with(&destination.key) || destination.key.starts_with(&source.key))
    {
        // Copies would be copied again, or stand in each other's way.
        let message = format!("`{source}` and `{destination}` are inside each other");
        return Err(Failure::usage(message));
    }
    Filter::new(&args.include, &args.exclude).map_err(|error| Failure::usage(error.to_string()))
}

/// Returns where one object goes: into a prefix it takes its name along.
fn destination(args: &CopyArgs) -> Result<S3Uri, Failure> {
    let CopyArgs { source, destination, .. } = args;
    if source.is_prefix() || !destination.is_prefix() {
        return Ok(destination.clone());
    }
    let name = source.key.rsplit('/').next().unwrap_or_default();
    destination.join(name).map_err(|error| Failure::usage(error.to_string()))
}

/// Returns whether nothing would be copied; a version may be copied over what came after it.
fn is_same(from: &S3Uri, to: &S3Uri, moves: bool) -> bool {
    let is_same_key = (&from.bucket, &from.key) == (&to.bucket, &to.key);
    is_same_key && (moves || from.version_id == to.version_id)
}

/// Lists what is below the prefix to its end, with where each goes.
async fn pairs(link: Link<'_>, args: &CopyArgs, filter: &Filter) -> Result<Vec<Pair>, Failure> {
    let (mut listed, mut n_listed) = (Vec::new(), 0_usize);
    let mut take = |object: devops_core::s3::ListedObject| {
        n_listed += 1;
        // A store that lists more than it was asked for must not move what was not named.
        if let Some(rest) = object.uri.key.strip_prefix(&args.source.key)
            && filter.takes_key(rest)
        {
            listed.push((object.uri.clone(), rest.to_owned(), object.size));
        }
        true
    };
    list(link, &args.source, &mut take).await.map_err(explain)?;
    if n_listed == 0 {
        return Err(Failure::new(Kind::NotFound, format!("no object under `{}`", args.source)));
    }
    let pair = |(from, rest, size): (S3Uri, String, u64)| {
        let to = args.destination.join(&rest).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Pair { from, to, size })
    };
    listed.into_iter().map(pair).collect()
}

struct CopyRun<'a> {
    link: Link<'a>,
    options: CopyOptions,
    moves: bool,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
}

impl CopyRun<'_> {
    async fn one(&self, pair: Pair, dry_run: bool) -> Result<Outcome, Failure> {
        if dry_run {
            self.plan(&pair)?;
            return Ok(Outcome::Done);
        }
        let summary = self.work(&pair).await;
        self.show(&summary.map_err(|error| explain_object(error, &pair.from))?)?;
        Ok(Outcome::Done)
    }

    async fn many(&self, pairs: &[Pair], dry_run: bool) -> Result<Outcome, Failure> {
        if dry_run {
            pairs.iter().try_for_each(|pair| self.plan(pair))?;
            return Ok(Outcome::Done);
        }
        let begun = Instant::now();
        let (mut n_copied, mut n_unchanged, mut hints) = (0, 0, Hints::default());
        let mut failed: Vec<Value> = Vec::new();
        let ended = run_all(
            self.link,
            pairs,
            async |pair| self.work(pair).await,
            |pair, result| match result {
                Ok(summary) => {
                    n_copied += usize::from(summary.outcome == ObjectOutcome::Stored);
                    n_unchanged += usize::from(summary.outcome == ObjectOutcome::Unchanged);
                    // A failure of stdout is remembered by the session and decides nothing here.
                    let _printed = self.show(&summary);
                }
                Err(error) => {
                    let failure = explain_object(error, &pair.from);
                    failed.push(failed_json(&pair.from, &failure));
                    let message = hints.message(&failure);
                    self.session.warn(format!(
                        "`{}` was not {}: {message}",
                        pair.from,
                        self.done()
                    ));
                }
            },
        )
        .await;
        let seconds = begun.elapsed().as_secs_f64();
        self.reporter.emit("summary", |object| {
            let fields = json!({
                (self.done()): n_copied, "unchanged": n_unchanged, "failed": failed,
                "seconds": seconds,
            });
            insert(object, fields);
        });
        ended.map_err(explain)?;
        match (n_copied + n_unchanged, failed.len()) {
            (_, 0) => Ok(Outcome::Done),
            (0, n) => {
                Err(Failure::new(Kind::Failed, format!("none of {n} objects was {}", self.done())))
            }
            (_, n) => Ok(Outcome::Partial(format!("{n} objects were not {}", self.done()))),
        }
    }

    async fn work(&self, pair: &Pair) -> Result<CopySummary, S3Error> {
        if self.moves {
            move_object(self.link, &pair.from, &pair.to, self.options).await
        } else {
            copy_object(self.link, &pair.from, &pair.to, self.options).await
        }
    }

    fn done(&self) -> &'static str {
        if self.moves { "moved" } else { "copied" }
    }

    fn show(&self, summary: &CopySummary) -> Result<(), Failure> {
        let CopySummary { from, to, size, proof, .. } = summary;
        let is_new = summary.outcome == ObjectOutcome::Stored;
        self.reporter.emit("object", |object| {
            let fields = json!({
                "bucket": to.bucket, "key": to.key, "from_bucket": from.bucket,
                "from_key": from.key, "size": size, "proof": proof.name(),
                "outcome": if is_new || self.moves { self.done() } else { "unchanged" },
                "version_id": summary.version_id, "seconds": summary.elapsed.as_secs_f64(),
            });
            insert(object, fields);
        });
        if self.session.json() {
            return Ok(());
        }
        let word = match (is_new, self.moves) {
            (_, true) => "Moved",
            (true, false) => "Copied",
            (false, false) => "Unchanged:",
        };
        self.session.line(format!("{word} {from} to {to} ({}, proof {proof})", ByteSize(*size)))
    }

    fn plan(&self, pair: &Pair) -> Result<(), Failure> {
        let Pair { from, to, size } = pair;
        let action = if self.moves { "move" } else { "copy" };
        self.reporter.emit("planned", |object| {
            let fields = json!({
                "bucket": to.bucket, "key": to.key, "from_bucket": from.bucket,
                "from_key": from.key, "size": size, "action": action,
            });
            insert(object, fields);
        });
        if self.session.json() {
            return Ok(());
        }
        self.session.line(format!("would {action} {from} to {to}"))
    }
}
