//! Policies in Rego: what the rules `deny`, `violation` and `warn` of a package say of a plan.
//!
//! Names and verdicts are those of [conftest](https://www.conftest.dev/): the input is the plan's JSON as terraform
//! gives it, a rule is a set of messages, and `exception` takes rules out. Policies see values that are sensitive;
//! what they say of them is redacted.

#[cfg(feature = "rego")]
mod engine;
mod error;
mod files;
#[cfg(not(feature = "rego"))]
mod no_engine;
mod outcome;

use std::{
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{
    guard::{Objection, Verdict},
    plan::Plan,
    redact::Secrets,
};
use crate::{cancel::Cancel, limits};

#[cfg(feature = "rego")]
use engine::Engine;
#[cfg(not(feature = "rego"))]
use no_engine::Engine;
use outcome::{Effect, Outcome};

pub use error::PolicyError;

/// The package whose rules are judged by, unless others are named.
const NAMESPACE: &str = "main";

/// The interval between looks for a signal while policies are evaluated.
const POLL: Duration = Duration::from_millis(20);

/// The stack of the thread that evaluates, since values nest deeply.
const STACK: usize = 64 << 20;

/// The files of policies, and how they are judged by.
#[derive(Clone, Debug)]
pub struct PolicyOptions {
    /// Files, and folders that are searched for `*.rego` and for data in `*.json`, `*.yaml` and `*.yml`.
    pub paths: Vec<PathBuf>,
    /// The packages whose rules count; `main` if there is none.
    pub namespaces: Vec<String>,
    /// The time that a judgment may take.
    pub limit: Duration,
}

/// Policies that have been read and understood.
#[derive(Clone)]
pub struct Policies {
    engine: Engine,
    limit: Duration,
}

impl Policies {
    /// Reads and parses policies and their data.
    pub fn load(options: &PolicyOptions, cancel: &Cancel) -> Result<Self, PolicyError> {
        let files = files::read(&options.paths, cancel)?;
        let mut namespaces = options.namespaces.clone();
        if namespaces.is_empty() {
            namespaces.push(NAMESPACE.to_owned());
        }
        let engine = Engine::load(&files, &namespaces, options.limit)?;
        Ok(Self { engine, limit: options.limit })
    }

    /// Judges a plan; messages of the verdict hold no value that the plan marks as sensitive.
    pub fn judge(
        &self,
        plan: &Plan,
        secrets: &Secrets,
        cancel: &Cancel,
    ) -> Result<Verdict, PolicyError> {
        let (sender, receiver) = mpsc::channel();
        let (engine, document) = (self.engine.clone(), plan.document());
        let work = move || sender.send(engine.judge(document));
        // A call of a built-in function cannot be interrupted: after the limit the thread is left behind.
        let _left_behind =
            limits::spawn_with_stack("policy", STACK, work).map_err(PolicyError::Thread)?;
        let end = Instant::now() + self.limit;
        let outcomes = loop {
            cancel.check()?;
            match receiver.recv_timeout(POLL) {
                Ok(outcomes) => break outcomes,
                Err(RecvTimeoutError::Disconnected) => {
                    break Err("the evaluation crashed".to_owned());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() > end => {
                    return Err(PolicyError::TimedOut { limit: self.limit });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let secrets = secrets.for_policies(plan);
        let clean = |text: &str| secrets.text(text).into_inner();
        let outcomes =
            outcomes.map_err(|reason| PolicyError::Evaluation { reason: clean(&reason) })?;
        Ok(verdict(outcomes, clean))
    }
}

fn verdict(outcomes: Vec<Outcome>, clean: impl Fn(&str) -> String) -> Verdict {
    let mut verdict = Verdict::default();
    for Outcome { rule, effect, message } in outcomes {
        let list = match effect {
            Effect::Deny => &mut verdict.objections,
            Effect::Warn => &mut verdict.warnings,
            Effect::Except => &mut verdict.exceptions,
        };
        list.push(Objection { rule: rule.into(), address: None, message: clean(&message) });
    }
    verdict
}
