//! Plan, judge, ask, apply: the commands that end in a saved plan.

use std::{ffi::OsString, io::ErrorKind, path::Path};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    kind::Kind,
    terraform::{Guards, PlanMode, PlanOptions, SavedPlan, Seal, SealOptions, seal_path},
};
use serde_json::json;

use super::{Desk, explain, open, open_in};
use crate::cli::{ApplyArgs, DriftArgs, ExtraArgs, PlanArgs, PlanningArgs, RunArgs, VarArgs};

const QUESTION: &str = "Do you want to apply this plan? (yes/no): ";

/// What stands between a plan and its execution.
struct Gate {
    guards: Guards,
    auto_approve: bool,
}

impl Gate {
    /// Fails before any work if a question would have to be asked that nobody can answer.
    fn new(guards: Guards, auto_approve: bool, session: &Session) -> Result<Self, Failure> {
        if !auto_approve && !session.stdin_is_terminal() {
            return Err(Failure::usage("applying a plan needs a yes, and stdin is no terminal")
                .hint("approve beforehand with `--auto-approve`, or use `devops-tf plan --out`"));
        }
        Ok(Self { guards, auto_approve })
    }

    /// Asks the person, unless the answer was given beforehand.
    fn ask(&self, session: &Session) -> Result<(), Failure> {
        if self.auto_approve {
            return Ok(());
        }
        let answer = session.ask(QUESTION)?;
        // An answer that was typed together with Ctrl-C is none.
        session.cancel().check()?;
        if answer.is_some_and(|answer| answer.trim().eq_ignore_ascii_case("yes")) {
            return Ok(());
        }
        if !session.json() {
            session.line("Apply cancelled.")?;
        }
        Err(Failure::new(Kind::Declined, "the plan was not approved"))
    }
}

pub(super) fn run(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    let gate = Gate::new(args.planning.guards.guards()?, args.auto_approve, session)?;
    let mut desk = open(&args.at, session)?;
    desk.begin(&args.planning)?;
    desk.init()?;
    desk.check_workspace()?;
    desk.plan_and_apply(&args.planning.options(PlanMode::Normal), &gate)
}

pub(super) fn destroy(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    let gate = Gate::new(args.planning.guards.guards()?, args.auto_approve, session)?;
    let mut desk = open(&args.at, session)?;
    desk.begin(&args.planning)?;
    desk.prepare()?;
    desk.plan_and_apply(&args.planning.options(PlanMode::Destroy), &gate)
}

pub(super) fn plan(args: &PlanArgs, session: &Session) -> Result<Outcome, Failure> {
    let guards = args.planning.guards.guards()?;
    let sealing = SealOptions { valid_for: args.valid_for, ..args.seal.options(session)? };
    let mut desk = open(&args.at, session)?;
    desk.begin(&args.planning)?;
    desk.prepare()?;
    let saved = desk.plan(&args.planning.options(PlanMode::Normal))?;
    if let Some(target) = &args.out {
        desk.check(&guards, &saved).inspect_err(|_| desk.remove_older(target))?;
        desk.save(&saved, target, &sealing)?;
    } else {
        desk.check(&guards, &saved)?;
    }
    desk.relay.finish()?;
    Ok(match saved.plan().has_changes() {
        true if args.detailed_exitcode => Outcome::Code(2),
        true if args.fail_on_changes => Outcome::No,
        _ => Outcome::Done,
    })
}

pub(super) fn apply(args: &ApplyArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.path.is_dir() {
        let gate = Gate::new(args.planning.guards.guards()?, args.auto_approve, session)?;
        let mut desk = open_in(&args.path, &args.stack, session)?;
        desk.begin(&args.planning)?;
        desk.prepare()?;
        let options = args.planning.options(PlanMode::Normal);
        return desk.plan_and_apply(&options, &gate);
    }
    apply_sealed(args, session)
}

/// Applies a plan that was judged when it was made; the guards of this run judge it, too.
fn apply_sealed(args: &ApplyArgs, session: &Session) -> Result<Outcome, Failure> {
    super::inspect::require(&args.path)?;
    if !args.planning.vars.target.is_empty() {
        return Err(Failure::usage("`--target` is part of a plan already"));
    }
    let guards = args.planning.guards.guards()?;
    let seal = Seal::read(&args.path).map_err(explain)?;
    let dir = seal.folder().map_err(|error| explain(error.into()))?;
    let mut desk = open_in(dir, &args.stack, session)?;
    let sealing = args.seal.options(session)?;
    desk.begin(&args.planning)?;
    // Nothing is started in a folder that a broken seal names.
    let unsealed =
        desk.stack.unseal(&args.path, &sealing, session.clock().now()).map_err(explain)?;
    desk.prepare()?;
    let options = args.planning.options(PlanMode::Normal);
    let saved = desk.with(|stack, watch| stack.open_unsealed(unsealed, &options, watch))?;
    desk.summarize(&saved)?;
    desk.check(&guards, &saved)?;
    desk.execute(&saved, &options.extra)
}

pub(super) fn drift(args: &DriftArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut desk = open(&args.at, session)?;
    desk.prepare()?;
    let options = plan_options(PlanMode::RefreshOnly, &args.vars, &args.extra);
    let saved = desk.make_plan(&options)?;
    let resources: Vec<_> = saved.plan().drift().collect();
    let outputs: Vec<_> = saved.plan().drifted_outputs().collect();
    let drifted = !resources.is_empty() || !outputs.is_empty();
    if session.json() {
        let resources = resources
            .iter()
            .map(|resource| json!({"address": resource.address, "change": resource.change.name()}));
        let resources: Vec<_> = resources.collect();
        session.emit(&json!({
            "type": "drift", "drift": drifted, "resources": resources, "outputs": outputs,
        }))?;
    } else if drifted {
        let (n_resources, n_outputs) = (resources.len(), outputs.len());
        session.status(format_args!("Drift: {n_resources} resources, {n_outputs} outputs."));
    } else {
        session.status("No drift.");
    }
    desk.relay.finish()?;
    Ok(if drifted { Outcome::No } else { Outcome::Done })
}

fn plan_options(mode: PlanMode, vars: &VarArgs, extra: &ExtraArgs) -> PlanOptions {
    PlanOptions {
        mode,
        targets: vars.target.clone(),
        var_files: vars.var_file.clone(),
        vars: vars.var.clone(),
        extra: extra.extra.clone(),
    }
}

impl PlanningArgs {
    fn options(&self, mode: PlanMode) -> PlanOptions {
        plan_options(mode, &self.vars, &self.extra)
    }
}

impl Desk<'_> {
    /// Fails before any work if a state waits to be saved.
    fn begin(&mut self, planning: &PlanningArgs) -> Result<(), Failure> {
        self.create_workspace = planning.create_workspace;
        self.stack.refuse_unsaved().map_err(explain)
    }

    fn plan_and_apply(&mut self, options: &PlanOptions, gate: &Gate) -> Result<Outcome, Failure> {
        let saved = self.plan(options)?;
        if !saved.plan().has_changes() {
            self.session.status("Nothing to change.");
            self.relay.finish()?;
            return Ok(Outcome::Done);
        }
        self.check(&gate.guards, &saved)?;
        gate.ask(self.session)?;
        // The plan's own arguments were for the plan.
        self.execute(&saved, &[])
    }

    /// Makes a plan and says what it would do.
    fn plan(&mut self, options: &PlanOptions) -> Result<SavedPlan, Failure> {
        let saved = self.make_plan(options)?;
        self.summarize(&saved)?;
        Ok(saved)
    }

    fn make_plan(&mut self, options: &PlanOptions) -> Result<SavedPlan, Failure> {
        let saved = self.with(|stack, watch| stack.plan(options, watch))?;
        self.show_plan(&saved)?;
        Ok(saved)
    }

    /// Shows what a plan would do.
    fn show_plan(&mut self, saved: &SavedPlan) -> Result<(), Failure> {
        if self.session.json() {
            return Ok(());
        }
        self.with(|stack, watch| stack.show(Some(saved.path()), &[], watch))
    }

    fn summarize(&self, saved: &SavedPlan) -> Result<(), Failure> {
        let plan = saved.plan();
        let summary = plan.summary();
        if !self.session.json() {
            self.session.status(format_args!("Plan: {summary}."));
            return Ok(());
        }
        let mut event = serde_json::to_value(summary).unwrap_or_default();
        if let Some(fields) = event.as_object_mut() {
            fields.insert("type".to_owned(), "summary".into());
            fields.insert("has_changes".to_owned(), plan.has_changes().into());
        }
        self.session.emit(&event)
    }

    /// Fails if the guards refuse the plan; a guard that guards nothing is named.
    fn check(&self, guards: &Guards, saved: &SavedPlan) -> Result<(), Failure> {
        for pattern in guards.unmatched(saved.plan()) {
            self.session.warn(format_args!("`--protect {pattern}` matches no resource"));
        }
        Ok(guards.check(saved.plan())?)
    }

    /// Removes a plan of this name that was made earlier: it must not be applied in place of the refused one.
    fn remove_older(&self, target: &Path) {
        for path in [seal_path(target), target.to_owned()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.session.warn(format_args!("cannot remove `{}`: {error}", quote(&path)));
                }
                _ => {}
            }
        }
    }

    fn save(&self, saved: &SavedPlan, target: &Path, sealing: &SealOptions) -> Result<(), Failure> {
        let now = self.session.clock().now();
        let seal = self.stack.save(saved, target, sealing, now).map_err(explain)?;
        if self.session.json() {
            let mut event = serde_json::Map::new();
            event.insert("type".to_owned(), "saved".into());
            devops_cli::json::insert_path(&mut event, "plan", target);
            event.insert("blake3".to_owned(), seal.plan_blake3.into());
            return self.session.emit(&event);
        }
        let target = quote(target);
        self.session
            .status(format_args!("Wrote plan `{target}` and its seal `{target}.seal.json`."));
        Ok(())
    }

    /// Applies exactly this plan.
    fn execute(&mut self, saved: &SavedPlan, extra: &[OsString]) -> Result<Outcome, Failure> {
        self.with(|stack, watch| stack.apply(saved, extra, watch))?;
        if self.session.json() {
            self.session.emit(&json!({"type": "applied"}))?;
        }
        self.relay.finish()?;
        Ok(Outcome::Done)
    }
}
