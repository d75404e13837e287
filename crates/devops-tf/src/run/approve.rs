//! Is this the plan that was approved? `compare`, `--approved` and `--expect`.

use std::{io::Read, path::Path};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    fs::{IoResultExt, open_file},
    kind::Kind,
    terraform::{
        Comparison, Fingerprint, PathPattern, Plan, Seal, SealOptions, Stack, compare, fingerprint,
        is_encrypted,
    },
};
use serde_json::json;

use super::{
    explain::explain,
    inspect::folder_of,
    tf_session::{TfSession, open_in},
};
use crate::cli::{CompareArgs, RunArgs};

/// The largest JSON of a plan that is read.
const PLAN_LIMIT: u64 = 2 << 30;

/// The plan that was approved, as far as it is known.
pub(super) enum Approved {
    /// Its fingerprint without a key: of a sensitive value it only knows that it changes.
    Fingerprint(Fingerprint),
    Seal(Box<Seal>),
    Plan(Box<Plan>),
}

/// An approval: a seal or a fingerprint, and the rules of the comparison.
pub(super) struct Approval {
    approved: Approved,
    allow_subset: bool,
    options: SealOptions,
}

impl Approval {
    /// Reads what was approved, before any work.
    pub(super) fn of(args: &RunArgs, session: &Session) -> Result<Option<Self>, Failure> {
        let Some(approved) = &args.approved else { return Ok(None) };
        let options =
            SealOptions { volatile: args.same.volatile.clone(), ..args.seal.options(session)? };
        let approved = match approved.parse() {
            Ok(fingerprint) => Approved::Fingerprint(fingerprint),
            Err(reason) if approved.starts_with("tf1:") => return Err(Failure::usage(reason)),
            Err(_) => {
                let seal =
                    Seal::read_file(Path::new(approved), &options.identities).map_err(explain)?;
                seal.prove(&options, session.clock().now())
                    .map_err(|error| explain(error.into()))?;
                Approved::Seal(Box::new(seal))
            }
        };
        if args.allow_subset && matches!(approved, Approved::Fingerprint(_)) {
            return Err(Failure::usage("`--allow-subset` needs a seal, which knows each change"));
        }
        Ok(Some(Self { approved, allow_subset: args.allow_subset, options }))
    }

    /// Fails unless a plan is the one that was approved, and for the stack that it was approved for.
    pub(super) fn check(
        &self,
        stack: &Stack,
        plan: &Plan,
        session: &Session,
    ) -> Result<(), Failure> {
        let comparison = match &self.approved {
            Approved::Seal(seal) => stack.compare(seal, plan, &self.options).map_err(explain)?,
            approved => approved.compare(plan, &self.options)?,
        };
        match comparison {
            Comparison::Same => Ok(()),
            Comparison::Subset(gone) if self.allow_subset => {
                for what in gone {
                    session.status(format_args!("Approved and not planned: {what}"));
                }
                Ok(())
            }
            Comparison::Subset(gone) => Err(differs(&gone, " is not planned any more")
                .hint("`--allow-subset` applies a plan that does a part of what was approved")),
            Comparison::Differs(differences) => Err(differs(&differences, "")),
        }
    }
}

impl Approved {
    fn compare(&self, plan: &Plan, options: &SealOptions) -> Result<Comparison, Failure> {
        let volatile = options.volatile.as_slice();
        Ok(match self {
            Self::Fingerprint(approved) => compare(approved, &fingerprint(plan, None, volatile)),
            Self::Seal(seal) => {
                seal.compare(plan, options).map_err(|error| explain(error.into()))?
            }
            Self::Plan(approved) => compare(
                // Both sides have one key, so that values that are secret can be compared.
                &fingerprint(approved, Some(&KEY), volatile),
                &fingerprint(plan, Some(&KEY), volatile),
            ),
        })
    }
}

/// A key for fingerprints that are not shown.
const KEY: [u8; 32] = [0; 32];

fn differs(differences: &[String], what: &str) -> Failure {
    let lines: Vec<_> = differences.iter().map(|one| format!("{one}{what}")).collect();
    let message = format!("the plan is not the one that was approved:\n{}", lines.join("\n"));
    Failure::new(Kind::Differs, message)
}

/// Fails unless a plan has the fingerprint that was expected.
pub(super) fn expect(
    expected: Option<&Fingerprint>,
    plan: &Plan,
    volatile: &[PathPattern],
) -> Result<(), Failure> {
    let found = fingerprint(plan, None, volatile);
    match expected {
        Some(expected) if expected.to_string() != found.to_string() => Err(Failure::new(
            Kind::Seal,
            format!("the plan has the fingerprint `{found}`, and `{expected}` is expected"),
        )),
        _ => Ok(()),
    }
}

pub(super) fn compare_plans(args: &CompareArgs, session: &Session) -> Result<Outcome, Failure> {
    let options =
        SealOptions { volatile: args.same.volatile.clone(), ..args.seal.options(session)? };
    let approved = read(&args.approved, args, &options, session)?;
    let Approved::Plan(plan) = read(&args.plan, args, &options, session)? else {
        return Err(Failure::usage(format!("`{}` is a seal", quote(&args.plan)))
            .hint("a seal is compared with a plan or the JSON of one"));
    };
    let comparison = approved.compare(&plan, &options)?;
    let (word, lines) = match &comparison {
        Comparison::Same => ("same", Vec::new()),
        Comparison::Subset(gone) => ("subset", gone.clone()),
        Comparison::Differs(differences) => ("differs", differences.clone()),
    };
    if session.json() {
        session.emit(&json!({"type": "comparison", "result": word, "differences": lines}))?;
    } else {
        let title = match &comparison {
            Comparison::Same => "The plans would do the same.",
            Comparison::Subset(_) => "The plan would do a part of the approved one, without:",
            Comparison::Differs(_) => "The plans differ:",
        };
        session.line(title)?;
        lines.iter().try_for_each(|line| session.line(format_args!("  {line}")))?;
    }
    Ok(if comparison == Comparison::Same { Outcome::Done } else { Outcome::No })
}

/// Reads one side: a seal, the JSON of a plan, or a plan, which terraform shows.
fn read(
    path: &Path,
    args: &CompareArgs,
    options: &SealOptions,
    session: &Session,
) -> Result<Approved, Failure> {
    if path.to_string_lossy().ends_with(".seal.json") {
        return Ok(Approved::Seal(Box::new(
            Seal::read_file(path, &options.identities).map_err(explain)?,
        )));
    }
    let mut bytes = Vec::new();
    open_file(path)?.take(PLAN_LIMIT).read_to_end(&mut bytes).at(path, "read")?;
    // A plan file is a ZIP archive.
    if !bytes.starts_with(b"PK") && !is_encrypted(&bytes) {
        let plan = Plan::parse(bytes).map_err(|reason| {
            let message =
                format!("`{}` is neither a plan nor the JSON of one: {reason}", quote(path));
            Failure::usage(message)
        })?;
        return Ok(Approved::Plan(Box::new(plan)));
    }
    let dir = folder_of(path, &args.seal, &args.stack, session)?;
    let mut tf = open_in(&dir, &args.stack, session)?;
    tf.relay.route_to_stderr(true);
    tf.prepare()?;
    tf.shown_plan(path, options).map(|plan| Approved::Plan(Box::new(plan)))
}

impl TfSession<'_> {
    /// Lets terraform show a plan as JSON, and learns what of it must not be shown.
    pub(super) fn shown_plan(
        &mut self,
        path: &Path,
        options: &SealOptions,
    ) -> Result<Plan, Failure> {
        self.with(|stack, watch| stack.read_plan(path, &options.identities, watch))
    }
}
