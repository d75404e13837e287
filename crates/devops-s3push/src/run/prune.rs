//! `prune`: removes archives that the rules no longer keep.

use devops_cli::{Failure, Outcome, Session, check_removals, json::insert_path, quote, table};
use devops_core::{
    clock::Clock,
    kind::Kind,
    offsite::{
        ObjectDecision, OffsitePlan, PruneError, PruneOutcome, PruneRequest, StoredArchive,
        lock_kept, plan_prune, remove_pruned,
    },
    s3::{Event, RetentionMode, S3Context},
    units::ByteSize,
};
use serde_json::{Map, Value, json};

use super::{
    connection::Connected,
    explain::explain,
    journals::state_folder,
    reporter::{Reporter, insert},
    rm::{locked, outcome},
    timestamp::rfc3339,
};
use crate::cli::PruneArgs;

pub(crate) async fn prune(args: PruneArgs, session: &Session) -> Result<Outcome, Failure> {
    let request = PruneRequest {
        folder: args.folder.clone(),
        name: args.name.clone(),
        host: args.host.clone(),
        policy: args.keep.policy(),
        now: session.clock().now(),
        versions: args.versions,
        lock: args.lock_mode,
        accept_small: args.accept_small,
        state: state_folder(),
        remembers: !args.dry_run,
    };
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "pruning", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let plan = plan_prune(context, &request).await.map_err(|error| match error {
        PruneError::S3(error) => explain(error),
        PruneError::EmptyPolicy(_) => {
            Failure::from(error).hint("say what to keep with the `--keep-` flags")
        }
        PruneError::NoSuchName { .. } => {
            Failure::from(error).hint("pass the --name of the archives, or another folder")
        }
        PruneError::NotAFolder(_) => Failure::from(error),
    })?;
    if plan.archives.is_empty() {
        let (name, folder) = (&args.name, &args.folder);
        let of = args
            .host
            .as_ref()
            .map_or_else(String::new, |host| format!(" of the host `{}`", quote(host.as_ref())));
        session.status(format!("there is no archive named `{name}`{of} in `{folder}`"));
    }
    let hides = plan.keeps_versions == Some(true) && !args.versions;
    show(&plan, hides, session)?;
    check_removals(plan.removed().count(), plan.most_removals(args.max_delete))?;
    if args.lock_mode.is_some() && plan.keeps_versions == Some(false) {
        return Err(Failure::new(
            Kind::Failed,
            "the bucket keeps no versions, so it locks nothing",
        ));
    }
    let mut done = Done::new(session, &reporter, hides);
    if !args.dry_run {
        // A lock that cannot be put says so before anything is gone.
        lock_kept(context, &plan, &mut |_| done.n_locked += 1).await.map_err(explain)?;
        let result =
            remove_pruned(context, &plan, &mut |archive, outcome| done.show(archive, &outcome))
                .await;
        if let Err(error) = result {
            done.report(&plan, false);
            return Err(explain(error));
        }
    }
    done.report(&plan, args.dry_run);
    done.end(&plan)
}

fn show(plan: &OffsitePlan, hides: bool, session: &Session) -> Result<(), Failure> {
    for (n, group) in (1..).zip(plan.groups()) {
        if session.json() {
            group.iter().try_for_each(|archive| session.emit(&line(archive, n, hides)))?;
            continue;
        }
        let rows = group.iter().map(|archive| {
            let (action, mut reasons) = decision(archive, hides);
            reasons.extend(archive.lock.map(|(mode, until)| {
                format!("lock in {} mode until {}", mode_name(mode), rfc3339(until))
            }));
            [action.to_owned(), quote(archive.uri.to_string().as_ref()), reasons.join(", ")]
        });
        session.line(title(&group[0]))?;
        session.line(table(&["action", "archive", "reason"], rows))?;
    }
    Ok(())
}

/// Says which series a group is.
fn title(archive: &StoredArchive) -> String {
    match &archive.series {
        _ if archive.is_encrypted => "encrypted, of any source:".to_owned(),
        Some(series) => format!("{} on {}:", quote(&series.source), quote(series.host.as_ref())),
        None => "without a source, of other tools or reproducible:".to_owned(),
    }
}

fn line(archive: &StoredArchive, series: usize, hides: bool) -> Value {
    let (action, reasons) = decision(archive, hides);
    let lock =
        archive.lock.map(|(mode, until)| json!({"mode": mode_name(mode), "until": rfc3339(until)}));
    let mut object = Map::new();
    insert(
        &mut object,
        json!({
            "type": "archive", "archive": archive.uri.to_string(), "bucket": archive.uri.bucket, "key": archive.uri.key,
            "action": action, "reasons": reasons, "time": rfc3339(archive.time),
            "size": archive.size, "series": series, "encrypted": archive.is_encrypted, "lock": lock,
        }),
    );
    if let Some(origin) = &archive.origin {
        object.insert("host".to_owned(), origin.host.as_str().into());
        insert_path(&mut object, "source", &origin.source);
        if let Some(machine) = &origin.machine {
            object.insert("machine".to_owned(), machine.as_str().into());
        }
    }
    Value::Object(object)
}

fn decision(archive: &StoredArchive, hides: bool) -> (&'static str, Vec<String>) {
    match &archive.decision {
        ObjectDecision::Keep(reasons) => {
            ("keep", reasons.iter().map(ToString::to_string).collect())
        }
        ObjectDecision::Uncounted(reason) => ("keep", vec![format!("does not count: {reason}")]),
        ObjectDecision::KeepLocked(hold) => ("keep", vec![locked(hold)]),
        ObjectDecision::Remove if hides => ("hide", Vec::new()),
        ObjectDecision::Remove => ("remove", Vec::new()),
    }
}

fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "governance",
        RetentionMode::Compliance => "compliance",
    }
}

/// Counts what was done, and names what was not.
struct Done<'a> {
    session: &'a Session,
    reporter: &'a Reporter<'a>,
    /// Is set if what goes leaves its versions behind, so that nothing is freed.
    hides: bool,
    n_removed: usize,
    n_hidden: usize,
    n_locked: usize,
    n_denied: usize,
    n_left: usize,
    bytes_freed: u64,
}

impl<'a> Done<'a> {
    fn new(session: &'a Session, reporter: &'a Reporter<'a>, hides: bool) -> Self {
        Self {
            session,
            reporter,
            hides,
            n_removed: 0,
            n_hidden: 0,
            n_locked: 0,
            n_denied: 0,
            n_left: 0,
            bytes_freed: 0,
        }
    }

    fn show(&mut self, archive: &StoredArchive, outcome: &PruneOutcome) {
        let reason = match outcome {
            PruneOutcome::Removed => {
                self.n_removed += 1;
                self.bytes_freed += archive.size;
                return;
            }
            PruneOutcome::Hidden => {
                self.n_hidden += 1;
                return;
            }
            PruneOutcome::Replaced => "it is not the one that was to go any more".to_owned(),
            PruneOutcome::Locked(hold) => locked(hold),
            PruneOutcome::Denied(failure) => {
                self.n_denied += 1;
                failure.to_string()
            }
            PruneOutcome::Failed(failure) => failure.to_string(),
        };
        self.n_left += 1;
        let uri = &archive.uri;
        self.reporter.emit("left", |object| {
            insert(object, json!({"bucket": uri.bucket, "key": uri.key, "reason": reason}));
        });
        self.session.warn(format!("left {}: {reason}", quote(uri.to_string().as_ref())));
    }

    fn report(&self, plan: &OffsitePlan, dry_run: bool) {
        let n_removed = plan.removed().count();
        let n_kept = plan.archives.len() - n_removed;
        let freed = plan.removed().filter(|_| !self.hides);
        let bytes_to_free: u64 = freed.map(|archive| archive.size).sum();
        self.reporter.emit("summary", |object| {
            insert(
                object,
                json!({
                    "kept": n_kept, "removed": self.n_removed, "hidden": self.n_hidden,
                    "left": self.n_left, "locked": self.n_locked,
                    "bytes_freed": self.bytes_freed, "to_remove": n_removed,
                    "bytes_to_free": bytes_to_free, "dry_run": dry_run,
                }),
            );
        });
        let (removed, hidden, locked) = if dry_run {
            self.foreseen(plan)
        } else {
            (self.n_removed, self.n_hidden, self.n_locked)
        };
        let removal = match (hidden, dry_run) {
            (0, true) => format!("remove {removed}"),
            (0, false) => format!("removed {removed}, {} freed", ByteSize(self.bytes_freed)),
            (_, true) => format!("hide {hidden} behind delete markers"),
            (_, false) => format!("hid {hidden} behind delete markers"),
        };
        let keep = if dry_run { "would keep" } else { "kept" };
        self.session.status(format!("{keep} {n_kept}, {removal}"));
        if hidden > 0 {
            self.session
                .status("the versions of what is hidden stay and cost; --versions removes them");
        }
        if locked > 0 {
            let lock = if dry_run { "would lock" } else { "locked" };
            self.session.status(format!("{lock} {locked}"));
        }
    }

    /// Returns how many would be removed, hidden and locked.
    fn foreseen(&self, plan: &OffsitePlan) -> (usize, usize, usize) {
        let n_going = plan.removed().count();
        let n_locked = plan.archives.iter().filter(|archive| archive.lock.is_some()).count();
        if self.hides { (0, n_going, n_locked) } else { (n_going, 0, n_locked) }
    }

    fn end(&self, plan: &OffsitePlan) -> Result<Outcome, Failure> {
        let count = |is_it: fn(&ObjectDecision) -> bool| {
            plan.archives.iter().filter(|archive| is_it(&archive.decision)).count()
        };
        let n_uncounted = count(|decision| matches!(decision, ObjectDecision::Uncounted(_)));
        let n_kept_by_lock = count(|decision| matches!(decision, ObjectDecision::KeepLocked(_)));
        if n_uncounted + n_kept_by_lock == 0 {
            return outcome(self.n_removed + self.n_hidden, (self.n_left, self.n_denied));
        }
        let parts = [
            (n_uncounted, "counted for no rule"),
            (n_kept_by_lock, "kept by locks alone"),
            (self.n_left, "not removed"),
        ];
        let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        Ok(Outcome::Partial(parts.collect::<Vec<_>>().join(", ")))
    }
}
