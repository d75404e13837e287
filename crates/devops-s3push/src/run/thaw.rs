//! `thaw`: objects out of archives, so that they can be read.

mod tally;

use std::time::Duration;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    clock::Clock,
    kind::Kind,
    s3::{
        Event, Filter, S3Context, S3Error, S3Uri, ThawOptions, ThawOutcome, ThawStep, Waited,
        Waiting, check_tier, find_cold_objects, for_each_concurrent, inspect, plan_thaw,
        thaw as thaw_object, wait_for_thaw,
    },
};

use self::tally::{Mode, Tally};
use super::{connection::Connected, explain::explain, reporter::Reporter};
use crate::cli::ThawArgs;

pub(crate) async fn thaw(args: ThawArgs, session: &Session) -> Result<Outcome, Failure> {
    let filter = check(&args)?;
    let mode = match (args.status, args.dry_run) {
        (true, _) => Mode::Look,
        (false, true) => Mode::Foresee,
        (false, false) => Mode::Thaw,
    };
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "thawing", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let options = ThawOptions { days: args.days, tier: args.tier, now: session.clock().now() };
    let (objects, n_others) = find(context, &args, &filter).await?;
    let run = ThawRun { context, options, objects: &objects };
    let mut tally = Tally::new((session, &reporter), mode, &args.source);
    tally.pass_over(n_others);
    let mut ended = match mode {
        Mode::Look => run.look(&mut tally).await,
        Mode::Foresee => run.foresee(&mut tally).await,
        Mode::Thaw => run.thaw(&mut tally).await,
    };
    if let (Ok(()), Some(limit)) = (&ended, args.wait) {
        ended = run.wait(limit, &mut tally).await;
    }
    tally.sum_up(args.wait.is_some());
    ended.map_err(explain)?;
    tally.outcome(args.wait.is_some())
}

fn check(args: &ThawArgs) -> Result<Filter, Failure> {
    if args.wait.is_some() && (args.status || args.dry_run) {
        return Err(Failure::usage("--wait goes neither with --status nor with --dry-run"));
    }
    let has_filter = !args.include.is_empty() || !args.exclude.is_empty();
    if has_filter && !args.source.is_prefix() {
        return Err(Failure::usage("--include and --exclude are for a prefix that ends with `/`"));
    }
    Filter::new(&args.include, &args.exclude).map_err(|error| Failure::usage(error.to_string()))
}

/// Returns the objects that are looked at one by one, and how many others can be read as they are.
async fn find(
    context: S3Context<'_>,
    args: &ThawArgs,
    filter: &Filter,
) -> Result<(Vec<S3Uri>, usize), Failure> {
    if !args.source.is_prefix() {
        return Ok((vec![args.source.clone()], 0));
    }
    let found = find_cold_objects(context, &args.source, filter).await.map_err(explain)?;
    if found.n_listed == 0 {
        return Err(Failure::new(Kind::NotFound, format!("no object under `{}`", args.source)));
    }
    Ok((found.objects.into_iter().map(|object| object.uri).collect(), found.n_others))
}

struct ThawRun<'a> {
    context: S3Context<'a>,
    options: ThawOptions,
    objects: &'a [S3Uri],
}

impl ThawRun<'_> {
    async fn look(&self, tally: &mut Tally<'_>) -> Result<(), S3Error> {
        let work = async |uri| {
            let head = inspect(self.context, uri).await?;
            let outcome = ThawOutcome::Left(head.restore_status);
            Ok((head, outcome))
        };
        for_each_concurrent(self.context, self.objects, work, |uri, result| tally.take(uri, result))
            .await
    }

    async fn foresee(&self, tally: &mut Tally<'_>) -> Result<(), S3Error> {
        let work = async |uri| {
            let head = inspect(self.context, uri).await?;
            let outcome = match plan_thaw(head.restore_status, &self.options) {
                ThawStep::Ask(archive) => {
                    check_tier(archive, self.options.tier)?;
                    ThawOutcome::Asked
                }
                ThawStep::Extend => ThawOutcome::Extended,
                ThawStep::Leave => ThawOutcome::Left(head.restore_status),
            };
            Ok((head, outcome))
        };
        for_each_concurrent(self.context, self.objects, work, |uri, result| tally.take(uri, result))
            .await
    }

    async fn thaw(&self, tally: &mut Tally<'_>) -> Result<(), S3Error> {
        let work = async |uri| thaw_object(self.context, uri, &self.options).await;
        for_each_concurrent(self.context, self.objects, work, |uri, result| tally.take(uri, result))
            .await
    }

    async fn wait(&self, limit: Duration, tally: &mut Tally<'_>) -> Result<(), S3Error> {
        let pending = tally.take_pending();
        let mut tell = |waited: Waited<'_>| match waited {
            Waited::Pausing(n, pause) => tally.pause(n, pause),
            Waited::Readable(uri, head) => tally.arrive(uri, &head),
            Waited::Failed(uri, error) => tally.fail(uri, error),
        };
        let waiting = Waiting::of(limit, self.options.until());
        let late = wait_for_thaw(self.context, pending, waiting, &mut tell).await?;
        tally.give_back(late);
        Ok(())
    }
}
