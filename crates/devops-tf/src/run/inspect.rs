//! The commands that only look: `show` and `output`.

use std::path::{Path, PathBuf};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    fs::open_file,
    kind::Kind,
    terraform::{SavedPlan, Seal, Secrets, redact_outputs, redact_plan, redact_state, seal_path},
};
use serde_json::Value;

use super::{Desk, explain, open, open_in};
use crate::cli::{OutputArgs, ShowArgs};

/// Fails unless there is a folder or a file at `path`.
pub(super) fn require(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        // A named pipe would hold up terraform.
        open_file(path)?;
        return Ok(());
    }
    Err(Failure::new(Kind::NotFound, format!("no plan and no folder `{}`", quote(path))))
}

pub(super) fn show(args: &ShowArgs, session: &Session) -> Result<Outcome, Failure> {
    require(&args.path)?;
    let plan = (!args.path.is_dir()).then_some(args.path.as_path());
    let dir = match plan {
        Some(plan) => stack_of(plan)?,
        None => args.path.clone(),
    };
    let mut desk = open_in(&dir, &args.stack, session)?;
    desk.relay.aside(true);
    desk.prepare()?;
    if session.json() {
        let (json, _) = desk.json(plan)?;
        session.emit(&json)?;
    } else {
        let (_, secrets) = desk.json(plan)?;
        desk.relay.hide(secrets);
        desk.relay.aside(false);
        let cancel = session.cancel();
        desk.stack
            .show(plan, &args.extra.extra, cancel, &mut |event| desk.relay.event(event))
            .map_err(explain)?;
    }
    desk.relay.finish()?;
    Ok(Outcome::Done)
}

/// Returns the folder a plan was made for: its seal knows; else the plan lies there.
fn stack_of(plan: &Path) -> Result<PathBuf, Failure> {
    if seal_path(plan).exists() {
        return Ok(Seal::read(plan).map_err(explain)?.dir);
    }
    Ok(devops_core::fs::parent(plan).to_owned())
}

impl Desk<'_> {
    /// Returns a plan or the state as JSON with sensitive values hidden, and those values.
    fn json(&mut self, plan: Option<&Path>) -> Result<(Value, Secrets), Failure> {
        let cancel = self.session.cancel();
        let json = self
            .stack
            .show_json(plan, cancel, &mut |event| self.relay.event(event))
            .map_err(explain)?;
        let mut document = parse(&json)?;
        let secrets =
            if plan.is_some() { redact_plan(&mut document) } else { redact_state(&mut document) };
        Ok((document, secrets))
    }

    /// Learns what the state holds, so that a plan does not print it where it carries no mark.
    ///
    /// A state that cannot be read is for the plan to complain about.
    pub(super) fn learn_state(&mut self) {
        let json = self.stack.show_json(None, self.session.cancel(), &mut |_| ());
        if let Ok(mut state) = json.map_err(explain).and_then(|json| parse(&json)) {
            self.relay.hide(redact_state(&mut state));
        }
    }

    pub(super) fn learn_plan(&mut self, saved: &SavedPlan) -> Result<(), Failure> {
        let mut plan = parse(saved.json())?;
        self.relay.hide(redact_plan(&mut plan));
        Ok(())
    }
}

pub(super) fn output(args: &OutputArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut desk = open(&args.at, session)?;
    desk.relay.aside(true);
    desk.check_workspace()?;
    let cancel = session.cancel();
    let json =
        desk.stack.output_json(cancel, &mut |event| desk.relay.event(event)).map_err(explain)?;
    let mut outputs = parse(&json)?;
    redact_outputs(&mut outputs);
    match &args.name {
        Some(name) => one_output(&outputs, name, session)?,
        None if session.json() => session.emit(&outputs)?,
        None => {
            for (name, output) in outputs.as_object().into_iter().flatten() {
                session.line(format_args!("{name} = {}", output["value"]))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// Prints the bare value, so that a script can take it as it is.
fn one_output(outputs: &Value, name: &str, session: &Session) -> Result<(), Failure> {
    let Some(output) = outputs.get(name) else {
        let known: Vec<_> =
            outputs.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::new(Kind::NotFound, format!("the state has no output `{name}`"))
            .hint(format!(
                "it has: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
    };
    if output["sensitive"] == Value::Bool(true) {
        return Err(Failure::new(Kind::Denied, format!("output `{name}` is sensitive"))
            .hint(format!("`terraform output -raw {name}` prints it")));
    }
    match &output["value"] {
        value if session.json() => session.emit(value),
        Value::String(text) => session.line(text),
        value => session.line(value),
    }
}

/// Reads terraform's JSON; an error does not quote it, since it holds secrets.
fn parse(json: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let place = format!("line {line}, column {column}");
        Failure::new(Kind::Failed, format!("cannot understand terraform's JSON: {place}"))
    })
}
