//! `put` of what comes only once: the standard input, or what a command writes.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    time::Instant,
};

use devops_cli::{Failure, Outcome, ResultExt, Session, quote};
use devops_core::{
    fs::Input,
    kind::Kind,
    offsite::{self, Base, StreamError, StreamInput, StreamPut},
    s3::{Event, ObjectSummary, PutOptions, S3Context, S3Error, S3Uri},
};

use super::{
    capability_cache::{recall_for_put, save_capabilities},
    connection::Connected,
    explain::explain,
    metrics::Metrics,
    operands::PutInput,
    receipt,
    reporter::Reporter,
    totals::Totals,
};
use crate::cli::PutArgs;

pub(super) async fn put_stream(
    args: &PutArgs,
    (input, places): (PutInput, Vec<S3Uri>),
    (options, base, metrics): (&PutOptions, &Base, &Metrics),
    session: &Session,
) -> Result<Outcome, Failure> {
    check(args, (&input, &places), session)?;
    let (name, origin) = open(input, session)?;
    let expect_size = args.stream.expect_size.map(|size| size.0);
    let spool = args.stream.spool.as_deref();
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    recall_for_put(&connected.store, &places[0].bucket, options, session);
    let total = expect_size.map(|size| size * places.len() as u64);
    let reporter = Reporter::new(session, "uploading", total.filter(|_| spool.is_none()));
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    if let Some(folder) = spool {
        session.status(format!("Writing {name} to `{}` first...", quote(folder)));
    } else {
        for uri in &places {
            let (bucket, key) = (&uri.bucket, quote(uri.key.as_ref()));
            session.status(format!("Uploading {name} to bucket '{bucket}' as '{key}'..."));
        }
    }
    let begun = Instant::now();
    let to = StreamPut { context, options, base, spool, expect_size };
    let mut totals = Totals::default();
    let put = offsite::put_stream(&to, origin, &places).await;
    save_capabilities(&connected.store, &places[0].bucket, session);
    let result = match put {
        Ok(stored) => take(stored, &places, &mut totals, (&reporter, session)),
        Err(error) => {
            let failure = match error {
                StreamError::S3(error) => explain(error),
                StreamError::Command(error) => error.into(),
            };
            for uri in &places {
                totals.note((uri, None), &failure);
            }
            Err(failure)
        }
    };
    if args.stream.from_command && totals.stored.iter().any(|summary| summary.size == 0) {
        session.warn(format!("{name} wrote nothing: the object is empty"));
    }
    totals.emit(&reporter, begun);
    metrics.note(&totals);
    totals.warn_of_unchanged(options, session);
    if let Some(path) = args.receipt.as_ref().filter(|_| !totals.stored.is_empty()) {
        receipt::write(path, &totals.stored)?;
    }
    result?;
    totals.outcome()
}

/// Fails when a stream cannot be put as asked.
fn check(
    args: &PutArgs,
    (input, places): (&PutInput, &[S3Uri]),
    session: &Session,
) -> Result<(), Failure> {
    if let Some(uri) = places.iter().find(|uri| uri.is_prefix()) {
        let what = match input {
            PutInput::Command(_) => "what a command writes",
            PutInput::Stdin | PutInput::Paths(_) => "the standard input",
        };
        return Err(Failure::usage(format!("{what} has no name: give a key, not `{uri}`")));
    }
    if args.replace.if_changed {
        return Err(Failure::usage("--if-changed is for files: a stream cannot be read twice"));
    }
    if args.base.base.is_some() && args.stream.spool.is_none() {
        return Err(Failure::usage(
            "--base is for files: without --spool a stream is sent as it comes",
        ));
    }
    if args.dry_run {
        return Err(Failure::usage("--dry-run cannot tell anything about a stream"));
    }
    check_memory(args)?;
    if matches!(input, PutInput::Stdin) && session.stdin_is_terminal() {
        return Err(Failure::usage(
            "the standard input is a terminal; pipe something into `put -`",
        ));
    }
    Ok(())
}

/// Fails when a part as large as asked for cannot be kept; that of a spool stays in its file.
fn check_memory(args: &PutArgs) -> Result<(), Failure> {
    let Some(part_size) = args.object.proof.part_size else { return Ok(()) };
    let limit = args.transfer.max_memory;
    if part_size > limit && args.stream.spool.is_none() {
        let message = format!("a part of {part_size} does not fit in --max-memory {limit}");
        return Err(Failure::usage(message).hint(format!("{part_size} is the least that works")));
    }
    Ok(())
}

/// Returns where the bytes come from, and what that is called.
fn open(input: PutInput, session: &Session) -> Result<(String, StreamInput), Failure> {
    if let PutInput::Command(spec) = input {
        let name = format!("`{}`", quote(spec.program.as_ref()));
        return Ok((name, StreamInput::command(*spec, Box::new(Session::write_stderr))));
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    let stdin =
        stdin.map_err(|error| Failure::new(Kind::Failed, error)).context("cannot read -")?;
    let input: Box<dyn Read + Send> = Box::new(Input::new(stdin, session.cancel()));
    Ok(("-".to_owned(), StreamInput::Input(input)))
}

/// Counts what was stored where; the error of a single place, or a signal, is that of the whole.
fn take(
    stored: Vec<Result<ObjectSummary, S3Error>>,
    places: &[S3Uri],
    totals: &mut Totals,
    (reporter, session): (&Reporter<'_>, &Session),
) -> Result<(), Failure> {
    let mut whole = Ok(());
    for (uri, result) in places.iter().zip(stored) {
        match result.map_err(explain) {
            Ok(summary) => totals.store(summary, reporter),
            Err(failure) if places.len() == 1 || failure.kind == Kind::Interrupted => {
                totals.note((uri, None), &failure);
                whole = Err(failure);
            }
            Err(failure) => totals.fail_place((uri, None), &failure, session),
        }
    }
    whole
}
