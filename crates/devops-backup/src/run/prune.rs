//! `devops-backup prune`.

use std::path::Path;

use devops_cli::{
    Failure, Outcome, Session, check_removals,
    json::{self, utc},
    quote, table,
};
use devops_core::{
    archive::{Candidate, Decision, PruneOptions, PrunePlan, Series, plan_prune, remove_pruned},
    clock::Clock,
    lock::{FolderLock, LockEvent, LockMode, LockRequest},
    retention::KeepPolicy,
    units::{ByteSize, agree, count},
};
use serde_json::{Value, json};

use super::{
    failure::failure,
    host::{holder, state_folder},
    keys::keys,
    output::{object, report_lock},
};
use crate::cli::PruneArgs;

pub(super) fn prune(args: &PruneArgs, session: &Session) -> Result<Outcome, Failure> {
    let policy = args.keep.policy();
    let (now, cancel) = (session.clock().now(), session.cancel());
    let keys = keys(&args.keys, session)?;
    let _lock = lock(args, &policy, session)?;
    let state = state_folder();
    let options = PruneOptions {
        folder: &args.dest,
        within: None,
        name: &args.name,
        host: args.host.as_deref(),
        policy: &policy,
        keys: &keys,
        now,
        any_owner: args.limits.any_owner,
        accept_small: args.limits.accept_small,
        state: state.as_deref(),
        remembers: !args.dry_run,
    };
    let plan = plan_prune(&options, cancel).map_err(failure)?;
    show(&plan, session)?;
    report_uncounted(&plan, session);
    check_removals(plan.removed().count(), plan.most_removals(args.limits.max_delete))?;
    let (mut n_removed, mut bytes_freed) = (0, 0);
    if !args.dry_run {
        remove_pruned(&plan, cancel, &mut |candidate| {
            n_removed += 1;
            bytes_freed += candidate.size;
        })
        .map_err(failure)?;
    }
    let n_kept = plan.candidates.len() - plan.removed().count();
    if session.json() {
        session.emit(&json!({
            "type": "summary",
            "kept": n_kept,
            "removed": n_removed,
            "bytes_freed": bytes_freed,
            "to_remove": plan.removed().count(),
            "bytes_to_free": plan.removed().map(|candidate| candidate.size).sum::<u64>(),
            "dry_run": args.dry_run,
        }))?;
    } else if args.dry_run {
        session.status(format!("would keep {n_kept}, remove {}", plan.removed().count()));
    } else {
        let size = ByteSize(bytes_freed);
        session.status(format!("kept {n_kept}, removed {n_removed}, {size} freed"));
    }
    Ok(match plan.uncounted().count() {
        0 => Outcome::Done,
        n => Outcome::Partial(format!(
            "{} {} not count and {} left alone",
            count(n, "archive"),
            agree(n, "does", "do"),
            agree(n, "was", "were")
        )),
    })
}

/// Names the archives that count for no rule.
pub(super) fn report_uncounted(plan: &PrunePlan, session: &Session) {
    for (candidate, reason) in plan.uncounted() {
        session.warn(format!("`{}` does not count: {reason}", quote(&candidate.path)));
    }
}

/// Locks the folder, if anything may happen to it.
fn lock(
    args: &PruneArgs,
    policy: &KeepPolicy,
    session: &Session,
) -> Result<Option<FolderLock>, Failure> {
    if args.dry_run || policy.is_empty() {
        return Ok(None);
    }
    let holder = holder(session);
    let wait = args.lock.lock_wait;
    let request = LockRequest { holder: &holder, mode: LockMode::Exclusive, wait };
    let mut tell = |event: LockEvent<'_>| report_lock(session, &args.dest, &event);
    let locked = FolderLock::acquire(&args.dest, &request, session.cancel(), &mut tell);
    locked.map(Some).map_err(|error| failure(error.into()))
}

pub(super) fn show(plan: &PrunePlan, session: &Session) -> Result<(), Failure> {
    for (n, group) in (1..).zip(plan.groups()) {
        if session.json() {
            group.iter().try_for_each(|candidate| session.emit(&line(candidate, n)))?;
            continue;
        }
        let rows = group.iter().map(|candidate| {
            let (action, reasons) = decision(candidate);
            [action.to_owned(), quote(&candidate.path), reasons.join(", ")]
        });
        session.line(title(&group[0]))?;
        session.line(table(&["action", "archive", "reason"], rows))?;
    }
    Ok(())
}

/// Says which series a group is.
fn title(candidate: &Candidate) -> String {
    match &candidate.series {
        _ if candidate.is_encrypted => "encrypted, of any source:".to_owned(),
        Some(Series { host, source, machine }) => {
            let machine = machine.as_deref().map(|id| format!(" (machine {})", start(id)));
            let (source, host) = (quote(source), quote(Path::new(host)));
            format!("{source} on {host}{}:", machine.unwrap_or_default())
        }
        None => "without a source, of other tools or reproducible:".to_owned(),
    }
}

/// Returns enough of the hash of a machine's id to tell it from others.
fn start(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn line(candidate: &Candidate, series: usize) -> Value {
    let (action, reasons) = decision(candidate);
    let mut object = object("archive", "path", &candidate.path);
    json::insert_path(&mut object, "archive", &candidate.path);
    object.insert("action".to_owned(), action.into());
    object.insert("reasons".to_owned(), reasons.into());
    object.insert("time".to_owned(), utc(candidate.time));
    object.insert("size".to_owned(), candidate.size.into());
    object.insert("series".to_owned(), series.into());
    if let Some(origin) = &candidate.origin {
        object.insert("host".to_owned(), origin.host.as_str().into());
        json::insert_path(&mut object, "source", &origin.source);
        if let Some(machine) = &origin.machine {
            object.insert("machine".to_owned(), machine.as_str().into());
        }
    }
    Value::Object(object)
}

fn decision(candidate: &Candidate) -> (&'static str, Vec<String>) {
    match &candidate.decision {
        Decision::Keep(reasons) => ("keep", reasons.iter().map(ToString::to_string).collect()),
        Decision::Uncounted(reason) => ("keep", vec![format!("does not count: {reason}")]),
        Decision::Postponed => ("keep", vec!["goes in a later run".to_owned()]),
        Decision::Remove => ("remove", Vec::new()),
    }
}
