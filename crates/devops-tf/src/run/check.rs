//! The commands that check a configuration: `validate`, `fmt` and `test`.

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    terraform::{Diagnostic, PlanMode, Stack},
    units::count,
};
use serde_json::{Value, json};

use super::{flow::plan_options, inspect::not_understood, tf_session::open};
use crate::cli::{FmtArgs, TestArgs, ValidateArgs};

pub(super) fn validate(args: &ValidateArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut tf = open(&args.at, session)?;
    tf.relay.route_to_stderr(true);
    tf.prepare()?;
    let json = tf.with(Stack::validate)?;
    let document: Value =
        serde_json::from_slice(&json).map_err(|error| not_understood(error.to_string()))?;
    let document = tf.secrets.event(document);
    let document = document.get();
    if session.json() {
        session.emit(document)?;
    } else {
        for diagnostic in document["diagnostics"].as_array().into_iter().flatten() {
            let lines = Diagnostic::new(diagnostic).lines();
            session.beside(lines.join("\n") + "\n");
        }
    }
    tf.relay.finish()?;
    if document["valid"] == Value::Bool(false) {
        let n_errors = document["error_count"].as_u64().unwrap_or_default();
        let message = format!("the configuration has {}", count(n_errors, "error"));
        return Err(Failure::new(Kind::Failed, message));
    }
    if !session.json() {
        session.line("The configuration is valid.")?;
    }
    Ok(Outcome::Done)
}

pub(super) fn fmt(args: &FmtArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut tf = open(&args.at, session)?;
    let files = tf.with(|stack, watch| stack.format(args.check, watch))?;
    if session.json() {
        session.emit(&json!({"type": "fmt", "changed": !args.check, "files": files}))?;
    } else {
        files.iter().try_for_each(|file| session.line(file))?;
    }
    tf.relay.finish()?;
    Ok(if args.check && !files.is_empty() { Outcome::No } else { Outcome::Done })
}

pub(super) fn test(args: &TestArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut tf = open(&args.at, session)?;
    tf.prepare()?;
    let options = plan_options(PlanMode::Normal, &args.vars, &args.extra);
    tf.with(|stack, watch| stack.test(&options, watch))?;
    tf.relay.finish()?;
    Ok(Outcome::Done)
}
