//! The commands that only look: `show` and `output`.

use std::path::{Path, PathBuf};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    fs::open_file,
    kind::Kind,
    terraform::{Plan, Seal, Shown, Stack, seal_path},
};
use serde_json::Value;

use super::{Desk, open, open_in};
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
        Some(plan) => stack_of(plan, args, session)?,
        None => args.path.clone(),
    };
    let mut desk = open_in(&dir, &args.stack, session)?;
    desk.relay.aside(true);
    desk.prepare()?;
    let document = desk.json(plan)?;
    if session.json() {
        session.emit(&document)?;
    } else {
        desk.relay.aside(false);
        let extra = &args.extra.extra;
        desk.with(|stack, watch| stack.show(plan, extra, watch))?;
    }
    desk.relay.finish()?;
    Ok(Outcome::Done)
}

/// Returns the folder a plan was made for, if a seal that holds names it; else the plan lies there.
///
/// Whatever a broken seal names, terraform must not work in it.
fn stack_of(plan: &Path, args: &ShowArgs, session: &Session) -> Result<PathBuf, Failure> {
    let beside = devops_core::fs::parent(plan).to_owned();
    if !seal_path(plan).exists() {
        return Ok(beside);
    }
    match sealed_folder(plan, args, session) {
        Ok(dir) => Ok(dir),
        Err(failure) if failure.kind == Kind::Seal => {
            session.warn(failure.chain().join(": "));
            Ok(beside)
        }
        Err(failure) => Err(failure),
    }
}

fn sealed_folder(plan: &Path, args: &ShowArgs, session: &Session) -> Result<PathBuf, Failure> {
    let seal = Seal::read(plan)?;
    let desk = open_in(seal.folder()?, &args.stack, session)?;
    desk.stack.unseal(plan, &args.seal.options(session)?, session.clock().now())?;
    Ok(seal.dir)
}

impl Desk<'_> {
    /// Returns a plan or the state as JSON with sensitive values hidden; from then on they are hidden.
    fn json(&mut self, plan: Option<&Path>) -> Result<Shown<Value>, Failure> {
        let json = self.with(|stack, watch| stack.show_json(plan, watch))?;
        let secrets = &mut self.secrets;
        if plan.is_some() {
            let plan = Plan::parse(json).map_err(not_understood)?;
            secrets.learn_plan(&plan);
            return Ok(secrets.plan_json(&plan));
        }
        secrets.learn_state(&json).map_err(not_understood)?;
        secrets.state_json(&json).map_err(not_understood)
    }
}

pub(super) fn output(args: &OutputArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut desk = open(&args.at, session)?;
    desk.relay.aside(true);
    desk.check_workspace()?;
    let json = desk.with(Stack::output_json)?;
    let outputs = desk.secrets.outputs_json(&json).map_err(not_understood)?.into_inner();
    match &args.name {
        Some(name) => one_output(&outputs, name, session)?,
        None if session.json() => session.emit(&outputs)?,
        None => {
            for (name, output) in outputs.as_object().into_iter().flatten() {
                match output.get("value") {
                    Some(value) => session.line(format_args!("{name} = {value}"))?,
                    None => session.line(format_args!("{name} = \"(sensitive value)\""))?,
                }
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

/// Says where terraform's JSON is wrong.
fn not_understood(place: String) -> Failure {
    Failure::new(Kind::Failed, format!("cannot understand terraform's JSON: {place}"))
}
