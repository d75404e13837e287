//! `copy` and `move`: objects to other keys, inside the store.

use std::{collections::HashSet, time::Instant};

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    s3::{
        CopyOptions, CopyPreview, CopySummary, Event, Existing, Filter, Outcome as ObjectOutcome,
        OverwritePolicy, S3Context, S3Error, S3Uri, copy_object, for_each_concurrent, list,
        move_object, preview_copy, preview_move,
    },
    units::{ByteSize, count},
};
use serde_json::{Value, json};

use super::{
    connection::Connected,
    explain::{Hints, explain, explain_missing, explain_object},
    reporter::{Reporter, insert},
    totals::failed_json,
};
use crate::cli::CopyArgs;

/// An object and where it goes.
struct Pair {
    from: S3Uri,
    to: S3Uri,
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
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let replace = match (args.overwrite, args.if_changed) {
        (true, _) => OverwritePolicy::Overwrite,
        (_, true) => OverwritePolicy::IfChanged,
        _ => OverwritePolicy::Refuse,
    };
    let options = CopyOptions { replace, ..CopyOptions::default() };
    let run = CopyRun { context, options, moves, session, reporter: &reporter };
    if args.source.is_prefix() {
        let pairs = pairs(context, &args, &filter).await?;
        return if args.dry_run { run.dry(&pairs).await } else { run.many(&pairs).await };
    }
    run.one(Pair { from: args.source.clone(), to }, args.dry_run).await
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
    } else if source.bucket == destination.bucket && destination.key.starts_with(&source.key) {
        // Copies would be copied again.
        let message = format!("`{destination}` is inside `{source}`");
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
async fn pairs(
    context: S3Context<'_>,
    args: &CopyArgs,
    filter: &Filter,
) -> Result<Vec<Pair>, Failure> {
    let (mut listed, mut n_listed) = (Vec::new(), 0_usize);
    let mut take = |object: devops_core::s3::ListedObject| {
        n_listed += 1;
        // A store that lists more than it was asked for must not move what was not named.
        if let Some(rest) = object.uri.key.strip_prefix(&args.source.key)
            && filter.takes_key(rest)
        {
            listed.push((object.uri.clone(), rest.to_owned()));
        }
        true
    };
    list(context, &args.source, &mut take).await.map_err(explain)?;
    if n_listed == 0 {
        return Err(Failure::new(Kind::NotFound, format!("no object under `{}`", args.source)));
    }
    let pair = |(from, rest): (S3Uri, String)| {
        let to = args.destination.join(&rest).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Pair { from, to })
    };
    let pairs = listed.into_iter().map(pair).collect::<Result<Vec<_>, Failure>>()?;
    refuse_chains(&pairs)?;
    Ok(pairs)
}

/// Fails where one object would take the place of another that is copied as well, as in `p/p/x` and `p/x` going
/// up by a level: which of the two is read then would be chance.
fn refuse_chains(pairs: &[Pair]) -> Result<(), Failure> {
    let sources: HashSet<&S3Uri> = pairs.iter().map(|pair| &pair.from).collect();
    match pairs.iter().find(|pair| sources.contains(&pair.to)) {
        None => Ok(()),
        Some(Pair { from, to }) => {
            let message = format!("`{from}` would take the place of `{to}`, which goes elsewhere");
            let hint =
                format!("nothing was done: take `{to}` first, or leave one out with --exclude");
            Err(Failure::usage(message).hint(hint))
        }
    }
}

struct CopyRun<'a> {
    context: S3Context<'a>,
    options: CopyOptions,
    moves: bool,
    session: &'a Session,
    reporter: &'a Reporter<'a>,
}

impl CopyRun<'_> {
    async fn one(&self, pair: Pair, dry_run: bool) -> Result<Outcome, Failure> {
        let result = if dry_run {
            self.preview(&pair).await.map(|preview| self.show_plan(&pair, preview))
        } else {
            self.work(&pair).await.map(|summary| self.show(&summary))
        };
        match result {
            Ok(shown) => shown.map(|()| Outcome::Done),
            Err(error) => Err(explain_missing(self.context, error, &pair.from).await),
        }
    }

    async fn many(&self, pairs: &[Pair]) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let mut tally = Tally::new(false);
        let ended = for_each_concurrent(
            self.context,
            pairs,
            async |pair| self.work(pair).await,
            |pair, result| match result {
                Ok(summary) => {
                    tally.add(self.is_left(summary.outcome));
                    tally.n_bytes += copied_bytes(&summary);
                    // A failure of stdout is remembered by the session and decides nothing here.
                    let _printed = self.show(&summary);
                }
                Err(error) => tally.fail(self, pair, error),
            },
        )
        .await;
        self.reporter.emit("summary", |object| {
            let fields = json!({
                (self.done()): tally.n_done, "unchanged": tally.n_unchanged,
                "failed": tally.failed, "bytes_copied": tally.n_bytes,
                "seconds": begun.elapsed().as_secs_f64(),
            });
            insert(object, fields);
        });
        ended.map_err(explain)?;
        tally.outcome(self.done())
    }

    /// Shows what [`Self::many`] would do.
    async fn dry(&self, pairs: &[Pair]) -> Result<Outcome, Failure> {
        let mut tally = Tally::new(true);
        let ended = for_each_concurrent(
            self.context,
            pairs,
            async |pair| self.preview(pair).await,
            |pair, result| match result {
                Ok(preview) => {
                    let is_there = matches!(preview.there, Existing::Same(_));
                    tally.add(is_there && !self.moves);
                    let _printed = self.show_plan(pair, preview);
                }
                Err(error) => tally.fail(self, pair, error),
            },
        )
        .await;
        self.reporter.emit("summary", |object| {
            let fields = json!({
                "planned": tally.n_done, "unchanged": tally.n_unchanged, "failed": tally.failed,
                "dry_run": true,
            });
            insert(object, fields);
        });
        ended.map_err(explain)?;
        tally.outcome(self.done())
    }

    async fn work(&self, pair: &Pair) -> Result<CopySummary, S3Error> {
        if self.moves {
            move_object(self.context, &pair.from, &pair.to, self.options).await
        } else {
            copy_object(self.context, &pair.from, &pair.to, self.options).await
        }
    }

    async fn preview(&self, pair: &Pair) -> Result<CopyPreview, S3Error> {
        if self.moves {
            preview_move(self.context, &pair.from, &pair.to, self.options).await
        } else {
            preview_copy(self.context, &pair.from, &pair.to, self.options).await
        }
    }

    fn done(&self) -> &'static str {
        if self.moves { "moved" } else { "copied" }
    }

    /// Returns whether nothing was done: a move to where the same content is still removes the object.
    fn is_left(&self, outcome: ObjectOutcome) -> bool {
        outcome == ObjectOutcome::Unchanged && !self.moves
    }

    fn show(&self, summary: &CopySummary) -> Result<(), Failure> {
        let CopySummary { from, to, size, proof, .. } = summary;
        let is_left = self.is_left(summary.outcome);
        self.reporter.emit("object", |object| {
            insert(object, pair_json(from, to));
            let fields = json!({
                "size": size, "proof": proof.name(),
                "outcome": if is_left { "unchanged" } else { self.done() },
                "bytes_copied": copied_bytes(summary), "version_id": summary.version_id,
                "seconds": summary.elapsed.as_secs_f64(),
            });
            insert(object, fields);
        });
        if self.session.json() {
            return Ok(());
        }
        let word = match (is_left, self.moves) {
            (true, _) => "Unchanged:",
            (_, true) => "Moved",
            (_, false) => "Copied",
        };
        self.session.line(format!("{word} {from} to {to} ({}, proof {proof})", ByteSize(*size)))
    }

    fn show_plan(&self, pair: &Pair, preview: CopyPreview) -> Result<(), Failure> {
        let (Pair { from, to }, CopyPreview { size, there }) = (pair, preview);
        let is_there = matches!(there, Existing::Same(_));
        let action = match (is_there, self.moves) {
            (_, true) => "move",
            (true, false) => "leave",
            (false, false) => "copy",
        };
        self.reporter.emit("planned", |object| {
            insert(object, pair_json(from, to));
            let replaces = there == Existing::Other;
            let fields = json!({
                "size": size, "action": action, "unchanged": is_there, "replaces": replaces,
            });
            insert(object, fields);
        });
        if self.session.json() {
            return Ok(());
        }
        let size = ByteSize(size);
        let note = match there {
            Existing::Nothing => "",
            Existing::Same(_) => ", the same content is there",
            Existing::Other => ", replaces what is there",
        };
        self.session.line(match action {
            "leave" => format!("would leave {to} ({size}, unchanged)"),
            action => format!("would {action} {from} to {to} ({size}{note})"),
        })
    }
}

/// The counts of a copy of the objects under a prefix.
struct Tally {
    is_dry: bool,
    n_done: usize,
    n_unchanged: usize,
    n_bytes: u64,
    failed: Vec<Value>,
    hints: Hints,
}

impl Tally {
    fn new(is_dry: bool) -> Self {
        Self {
            is_dry,
            n_done: 0,
            n_unchanged: 0,
            n_bytes: 0,
            failed: Vec::new(),
            hints: Hints::default(),
        }
    }

    fn add(&mut self, is_left: bool) {
        self.n_unchanged += usize::from(is_left);
        self.n_done += usize::from(!is_left);
    }

    fn fail(&mut self, run: &CopyRun<'_>, pair: &Pair, error: S3Error) {
        let failure = explain_object(error, &pair.from);
        self.failed.push(failed_json(&pair.from, &failure));
        let message = self.hints.message(&failure);
        let verb = if self.is_dry { "would not be" } else { "was not" };
        run.session.warn(format!("`{}` {verb} {}: {message}", pair.from, run.done()));
    }

    /// Returns how the whole ended: none of many is a failure, some of many are a part.
    fn outcome(&self, done: &str) -> Result<Outcome, Failure> {
        let verb = if self.is_dry { "would be" } else { "was" };
        match (self.n_done + self.n_unchanged, self.failed.len()) {
            (_, 0) => Ok(Outcome::Done),
            (0, n) => {
                let objects = count(n, "object");
                Err(Failure::new(Kind::Failed, format!("none of {objects} {verb} {done}")))
            }
            (_, n) => Ok(Outcome::Partial(format!("not {done}: {}", count(n, "object")))),
        }
    }
}

/// Returns how many bytes the store copied.
fn copied_bytes(summary: &CopySummary) -> u64 {
    if summary.outcome == ObjectOutcome::Stored { summary.size } else { 0 }
}

fn pair_json(from: &S3Uri, to: &S3Uri) -> Value {
    json!({
        "bucket": to.bucket, "key": to.key, "from_bucket": from.bucket, "from_key": from.key,
    })
}
