//! The commands that only look: `show` and `output`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    fs::open_file,
    kind::Kind,
    terraform::{Seal, Stack, diff, seal_path},
};
use serde_json::Value;

use super::tf_session::{TfSession, open, open_in};
use crate::cli::{OutputArgs, SealArgs, ShowArgs, StackArgs};

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
        Some(plan) => folder_of(plan, &args.seal, &args.stack, session)?,
        None => args.path.clone(),
    };
    let mut tf = open_in(&dir, &args.stack, session)?;
    tf.relay.route_to_stderr(true);
    tf.prepare()?;
    match plan {
        Some(path) => tf.show_file(path, args)?,
        None => tf.show_state(&args.extra.extra)?,
    }
    tf.relay.finish()?;
    Ok(Outcome::Done)
}

/// Returns the folder a plan was made for, if a seal that holds names it; else the plan lies there.
///
/// Whatever a broken seal names, terraform must not work in it.
pub(super) fn folder_of(
    plan: &Path,
    seal: &SealArgs,
    stack: &StackArgs,
    session: &Session,
) -> Result<PathBuf, Failure> {
    let beside = devops_core::fs::parent(plan).to_owned();
    if !seal_path(plan).exists() {
        return Ok(beside);
    }
    let options = seal.options(session)?;
    let folder = || {
        let sealed = Seal::read(plan, &options.identities)?;
        let tf = open_in(sealed.folder()?, stack, session)?;
        tf.stack.unseal(plan, &options, session.clock().now())?;
        Ok::<_, Failure>(sealed.dir)
    };
    match folder() {
        Err(failure) if failure.kind == Kind::Seal => {
            session.warn(failure.chain().join(": "));
            Ok(beside)
        }
        folder => folder,
    }
}

impl TfSession<'_> {
    /// Shows a plan: as JSON, in our words, or in terraform's own.
    fn show_file(&mut self, path: &Path, args: &ShowArgs) -> Result<(), Failure> {
        let plan = self.shown_plan(path, &args.seal.options(self.session)?)?;
        let extra = &args.extra.extra;
        if self.session.json() {
            return if self.reveals() {
                self.session.emit(&plan.document())
            } else {
                self.session.emit(&self.secrets.plan_json(plan))
            };
        }
        if !self.native && extra.is_empty() {
            return self.draw(diff, &plan);
        }
        self.relay.route_to_stderr(false);
        self.with(|stack, watch| stack.show(Some(path), extra, watch))
    }

    /// Shows the state: as JSON, or in terraform's own words.
    fn show_state(&mut self, extra: &[OsString]) -> Result<(), Failure> {
        let json = self.with(|stack, watch| stack.show_json(None, watch))?;
        self.secrets.add_state_secrets(&json).map_err(not_understood)?;
        if self.session.json() {
            let document = if self.reveals() {
                whole(&json)?
            } else {
                self.secrets.state_json(&json).map_err(not_understood)?.into_inner()
            };
            return self.session.emit(&document);
        }
        self.relay.route_to_stderr(false);
        self.with(|stack, watch| stack.show(None, extra, watch))
    }
}

pub(super) fn output(args: &OutputArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut tf = open(&args.at, session)?;
    tf.relay.route_to_stderr(true);
    tf.check_workspace()?;
    let json = tf.with(Stack::output_json)?;
    let outputs = if tf.reveals() {
        whole(&json)?
    } else {
        tf.secrets.outputs_json(&json).map_err(not_understood)?.into_inner()
    };
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

/// Reads JSON of terraform, sensitive values included.
fn whole(json: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(json).map_err(|error| {
        not_understood(format!("line {}, column {}", error.line(), error.column()))
    })
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
    if output["sensitive"] == Value::Bool(true) && output.get("value").is_none() {
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
pub(super) fn not_understood(mut place: String) -> Failure {
    place.insert_str(0, "cannot understand terraform's JSON: ");
    Failure::new(Kind::Failed, place)
}
