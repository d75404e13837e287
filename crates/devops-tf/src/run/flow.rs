//! Plan, judge, ask, apply: the commands that end in a saved plan.

use std::{
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::Clock,
    fs::parent,
    kind::Kind,
    terraform::{
        Comparison, DiffOptions, Fingerprint, PathPattern, Plan, PlanMode, PlanOptions, Report,
        SavedPlan, Seal, SealOptions, Secrets, Shown, Stack, diff, diff_drift, fingerprint,
        seal_path,
    },
    units::count,
};
use serde_json::json;

use super::{
    approve::{Approval, expect},
    explain::explain,
    report::{self, Places},
    rules::Rules,
    tf_session::{TfSession, open, open_in},
};
use crate::cli::{
    ApplyArgs, DriftArgs, ExtraArgs, PlanArgs, PlanningArgs, RunArgs, SealArgs, StackArgs, VarArgs,
};

const QUESTION: &str = "Do you want to apply this plan? (yes/no): ";

/// What stands between a plan and its execution.
struct ApplyChecks {
    rules: Rules,
    auto_approve: bool,
    approval: Option<Approval>,
    expected: Option<Fingerprint>,
    volatile: Vec<PathPattern>,
}

impl ApplyChecks {
    /// Fails before any work if a question would have to be asked that nobody can answer.
    fn new(
        planning: &PlanningArgs,
        auto_approve: bool,
        session: &Session,
    ) -> Result<Self, Failure> {
        if !auto_approve && !session.stdin_is_terminal() {
            return Err(Failure::usage("cannot ask for approval: stdin is not a terminal")
                .hint("approve beforehand with `--auto-approve`, or use `devops-tf plan --out`"));
        }
        let rules = Rules::read(&planning.guards, session)?;
        Ok(Self { rules, auto_approve, approval: None, expected: None, volatile: Vec::new() })
    }

    /// Reads what was approved beforehand; then nothing is asked.
    fn of_run(args: &RunArgs, session: &Session) -> Result<Self, Failure> {
        let approval = Approval::of(args, session)?;
        let is_answered = args.auto_approve || approval.is_some();
        Ok(Self { approval, ..Self::new(&args.planning, is_answered, session)? })
    }

    /// Compares a plan with what is known of the right one.
    fn compare(&self, stack: &Stack, plan: &Plan, session: &Session) -> Result<(), Failure> {
        expect(self.expected.as_ref(), plan, &self.volatile)?;
        self.approval.as_ref().map_or(Ok(()), |approval| approval.check(stack, plan, session))
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

/// Names the files that a command reads and writes beside its plan.
fn places(planning: &PlanningArgs, seal: &SealArgs, stack: &StackArgs) -> Places {
    Places::default()
        .reads(&planning.vars.var_file)
        .reads(&planning.guards.policy)
        .reads(&seal.seal_key)
        .reads(&seal.identity)
        .reads(&stack.backend_config)
        .writes(&stack.audit_log)
        .reports(&planning.reports.reports)
}

fn places_of_run(args: &RunArgs) -> Places {
    places(&args.planning, &args.seal, &args.at.stack)
        .reads(&args.approved)
        .writes(&args.record.metrics_file)
}

pub(super) fn run(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    places_of_run(args).check()?;
    let checks = ApplyChecks::of_run(args, session)?;
    let mut tf = open(&args.at, session)?;
    let done = tf.run(&args.planning, &checks);
    tf.end("run", args.record.metrics_file.as_ref(), done)
}

pub(super) fn destroy(args: &RunArgs, session: &Session) -> Result<Outcome, Failure> {
    places_of_run(args).check()?;
    let checks = ApplyChecks::of_run(args, session)?;
    let mut tf = open(&args.at, session)?;
    let done = tf.apply_folder(&args.planning, PlanMode::Destroy, &checks);
    tf.end("destroy", args.record.metrics_file.as_ref(), done)
}

pub(super) fn plan(args: &PlanArgs, session: &Session) -> Result<Outcome, Failure> {
    places(&args.planning, &args.seal, &args.at.stack)
        .writes(&args.out)
        .writes(args.out.as_deref().map(seal_path))
        .check()?;
    let rules = Rules::read(&args.planning.guards, session)?;
    let (valid_for, volatile) = (args.valid_for, args.same.volatile.clone());
    let now = session.clock().now();
    if valid_for.is_some_and(|time| Seal::end(now, time).is_none()) {
        return Err(Failure::usage("`--valid-for` ends later than the year 9999"));
    }
    let recipients = args.recipients()?;
    let sealing = SealOptions { valid_for, volatile, recipients, ..args.seal.options(session)? };
    let mut tf = open(&args.at, session)?;
    let done = tf.plan_only(args, &rules, &sealing);
    tf.end("plan", None, done)
}

pub(super) fn apply(args: &ApplyArgs, session: &Session) -> Result<Outcome, Failure> {
    let metrics_file = args.record.metrics_file.as_ref();
    places(&args.planning, &args.seal, &args.stack)
        .reads([&args.path, &seal_path(&args.path)])
        .writes(metrics_file)
        .check()?;
    if args.path.is_dir() {
        let (expected, volatile) = (args.expect.clone(), args.same.volatile.clone());
        let checks = ApplyChecks::new(&args.planning, args.auto_approve, session)?;
        let checks = ApplyChecks { expected, volatile, ..checks };
        let mut tf = open_in(&args.path, &args.stack, session)?;
        let done = tf.apply_folder(&args.planning, PlanMode::Normal, &checks);
        return tf.end("apply", metrics_file, done);
    }
    super::inspect::require(&args.path)?;
    // A target of the environment or of a file was meant for plans.
    if session.is_given("target") {
        return Err(Failure::usage("`--target` is part of a plan already"));
    }
    let sealing = args.seal.options(session)?;
    let seal = Seal::read(&args.path, &sealing.identities).map_err(explain)?;
    let dir = seal.folder().map_err(|error| explain(error.into()))?;
    let mut tf = open_in(dir, &args.stack, session)?;
    let done = tf.apply_sealed(args, sealing);
    tf.end("apply", metrics_file, done)
}

pub(super) fn drift(args: &DriftArgs, session: &Session) -> Result<Outcome, Failure> {
    Places::default()
        .reads(&args.vars.var_file)
        .writes(&args.at.stack.audit_log)
        .writes(&args.record.metrics_file)
        .check()?;
    let mut tf = open(&args.at, session)?;
    let done = tf.drift(args);
    tf.end("drift", args.record.metrics_file.as_ref(), done)
}

pub(super) fn plan_options(mode: PlanMode, vars: &VarArgs, extra: &ExtraArgs) -> PlanOptions {
    PlanOptions {
        mode,
        targets: vars.target.clone(),
        var_files: vars.var_file.clone(),
        vars: vars.var.clone(),
        no_lock: false,
        extra: extra.extra.clone(),
    }
}

impl PlanningArgs {
    fn options(&self, mode: PlanMode) -> PlanOptions {
        plan_options(mode, &self.vars, &self.extra)
    }
}

impl TfSession<'_> {
    /// Fails before any work if a state waits to be saved.
    fn begin(&mut self, planning: &PlanningArgs) -> Result<(), Failure> {
        self.create_workspace = planning.create_workspace;
        self.reports.clone_from(&planning.reports.reports);
        report::check_places(&self.reports)?;
        self.stack.refuse_unsaved().map_err(explain)
    }

    fn run(&mut self, planning: &PlanningArgs, checks: &ApplyChecks) -> Result<Outcome, Failure> {
        self.begin(planning)?;
        self.init()?;
        self.check_workspace()?;
        self.plan_and_apply(&planning.options(PlanMode::Normal), checks)
    }

    fn apply_folder(
        &mut self,
        planning: &PlanningArgs,
        mode: PlanMode,
        checks: &ApplyChecks,
    ) -> Result<Outcome, Failure> {
        self.begin(planning)?;
        self.prepare()?;
        self.plan_and_apply(&planning.options(mode), checks)
    }

    fn plan_only(
        &mut self,
        args: &PlanArgs,
        rules: &Rules,
        sealing: &SealOptions,
    ) -> Result<Outcome, Failure> {
        self.begin(&args.planning)?;
        let planned = self.plan_and_save(args, rules, sealing);
        if let (Err(_), Some(target)) = (&planned, &args.out) {
            self.remove_older(target);
        }
        let saved = planned?;
        Ok(match saved.plan().has_changes() {
            true if args.detailed_exitcode => Outcome::Code(2),
            true if args.fail_on_changes => Outcome::No,
            _ => Outcome::Done,
        })
    }

    fn plan_and_save(
        &mut self,
        args: &PlanArgs,
        rules: &Rules,
        sealing: &SealOptions,
    ) -> Result<SavedPlan, Failure> {
        self.prepare()?;
        let saved = self.plan(&args.planning.options(PlanMode::Normal))?;
        let same =
            args.out.as_deref().and_then(|target| self.same_as(saved.plan(), target, sealing));
        self.report_fingerprint(
            &fingerprint(saved.plan(), None, &sealing.volatile),
            same.as_deref(),
        )?;
        self.check(rules, &saved)?;
        if let Some(target) = &args.out {
            self.save(&saved, target, sealing)?;
        }
        Ok(saved)
    }

    /// Applies a plan that was judged when it was made; the guards of this run judge it, too.
    fn apply_sealed(&mut self, args: &ApplyArgs, sealing: SealOptions) -> Result<Outcome, Failure> {
        let rules = Rules::read(&args.planning.guards, self.session)?;
        let sealing = SealOptions { volatile: args.same.volatile.clone(), ..sealing };
        self.begin(&args.planning)?;
        // Nothing is started in a folder that a broken seal names.
        let now = self.session.clock().now();
        let unsealed = self.stack.unseal(&args.path, &sealing, now).map_err(explain)?;
        self.prepare()?;
        let options = args.planning.options(PlanMode::Normal);
        let saved = self.with(|stack, watch| stack.open_unsealed(unsealed, &options, watch))?;
        let mut vars = options.vars.iter().filter(|_| self.session.is_given("var"));
        if let Some(var) = vars.find(|var| saved.holds_variable(&var.name)) {
            let message = format!("`--var {}=***` is part of a plan already", var.name);
            return Err(
                Failure::usage(message).hint("only variables that are ephemeral are given again")
            );
        }
        self.record.note_plan(saved.plan());
        self.summarize(&saved)?;
        expect(args.expect.as_ref(), saved.plan(), &args.same.volatile)?;
        self.check(&rules, &saved)?;
        self.execute(&saved, &options.extra)
    }

    fn drift(&mut self, args: &DriftArgs) -> Result<Outcome, Failure> {
        self.prepare()?;
        let mut options = plan_options(PlanMode::RefreshOnly, &args.vars, &args.extra);
        options.no_lock = args.no_lock;
        let saved = self.with(|stack, watch| stack.plan(&options, watch))?;
        let drift = saved.plan().drifted_except(&args.ignore);
        let (n_resources, n_outputs) = (drift.resources.len(), drift.outputs.len());
        self.record.note_drift(n_resources + n_outputs);
        if self.session.json() {
            let each = drift.resources.iter();
            let resources: Vec<_> = each
                .map(|one| json!({"address": one.address, "change": one.change.name()}))
                .collect();
            self.session.emit(&json!({
                "type": "drift", "drift": !drift.is_empty(), "resources": resources,
                "outputs": drift.outputs,
            }))?;
        } else {
            let draw = |plan: &Plan, secrets: &Secrets, options| {
                diff_drift(plan, secrets, options, &args.ignore)
            };
            self.show(draw, &saved)?;
            if drift.is_empty() {
                self.session.status("No drift.");
            } else {
                let [resources, outputs] =
                    [count(n_resources, "resource"), count(n_outputs, "output")];
                self.session.status(format_args!("Drift: {resources}, {outputs}."));
            }
        }
        Ok(if drift.is_empty() { Outcome::Done } else { Outcome::No })
    }

    fn plan_and_apply(
        &mut self,
        options: &PlanOptions,
        checks: &ApplyChecks,
    ) -> Result<Outcome, Failure> {
        let saved = self.plan(options)?;
        self.check(&checks.rules, &saved)?;
        self.relay.rest();
        checks.compare(&self.stack, saved.plan(), self.session)?;
        if !saved.plan().has_changes() {
            self.session.status("Nothing to change.");
            return Ok(Outcome::Done);
        }
        checks.ask(self.session)?;
        // The plan's own arguments were for the plan.
        self.execute(&saved, &[])
    }

    /// Makes a plan and says what it would do.
    fn plan(&mut self, options: &PlanOptions) -> Result<SavedPlan, Failure> {
        let saved = self.make_plan(options)?;
        // The diff ends with the summary.
        if self.session.json() || self.native {
            self.summarize(&saved)?;
        }
        Ok(saved)
    }

    /// Makes a plan and shows what it would do.
    fn make_plan(&mut self, options: &PlanOptions) -> Result<SavedPlan, Failure> {
        let saved = self.with(|stack, watch| stack.plan(options, watch))?;
        self.record.note_plan(saved.plan());
        self.show(diff, &saved)?;
        Ok(saved)
    }

    /// Shows a plan to people, in our words or in terraform's own.
    fn show(
        &mut self,
        draw: impl FnOnce(&Plan, &Secrets, DiffOptions) -> Shown<String>,
        saved: &SavedPlan,
    ) -> Result<(), Failure> {
        if self.session.json() {
            return Ok(());
        }
        if self.native {
            return self.with(|stack, watch| stack.show(Some(saved.path()), &[], watch));
        }
        self.draw(draw, saved.plan())
    }

    /// Draws a plan in our words.
    pub(super) fn draw(
        &self,
        draw: impl FnOnce(&Plan, &Secrets, DiffOptions) -> Shown<String>,
        plan: &Plan,
    ) -> Result<(), Failure> {
        self.reveals();
        self.session.line(draw(plan, &self.secrets, self.drawing).get().trim_end())
    }

    /// Says what the plan is known by; without a key it does not say what secrets change to.
    fn report_fingerprint(
        &self,
        fingerprint: &Fingerprint,
        same: Option<&Path>,
    ) -> Result<(), Failure> {
        if self.session.json() {
            let mut event = serde_json::Map::new();
            event.insert("type".to_owned(), "fingerprint".into());
            event.insert("fingerprint".to_owned(), fingerprint.to_string().into());
            if let Some(plan) = same {
                devops_cli::json::insert_path(&mut event, "same_as", plan);
            }
            return self.session.emit(&event);
        }
        let same = same.map(|plan| format!(" (same as {})", quote(plan))).unwrap_or_default();
        self.session.line(format_args!("fingerprint {fingerprint}{same}"))
    }

    /// Returns a plan whose seal lies beside the new one and that would do the same here.
    fn same_as(&self, plan: &Plan, target: &Path, sealing: &SealOptions) -> Option<PathBuf> {
        let entries = std::fs::read_dir(parent(target)).ok()?.flatten();
        let beside = |name| target.with_file_name(name);
        let mut seals: Vec<_> = entries.map(|entry| beside(entry.file_name())).collect();
        seals.sort();
        seals.into_iter().find_map(|path| {
            let sealed = path.to_str()?.strip_suffix(".seal.json")?;
            let seal = Seal::read_file(&path, &sealing.identities).ok()?;
            seal.prove(sealing, self.session.clock().now()).ok()?;
            let comparison = self.stack.compare(&seal, plan, sealing).ok()?;
            (comparison == Comparison::Same).then(|| PathBuf::from(sealed))
        })
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

    /// Writes the reports; fails if the rules refuse the plan.
    fn check(&self, rules: &Rules, saved: &SavedPlan) -> Result<(), Failure> {
        let verdict = rules.judge(saved.plan(), &self.secrets, self.session)?;
        let report = Report::new(&self.name, saved.plan(), &self.secrets, &verdict);
        report::write(&report, &self.reports)?;
        Ok(verdict.into_result()?)
    }

    /// Removes a plan of this name that was made earlier: it must not be applied in place of the
    /// one that was refused, or could not be made.
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
        Ok(Outcome::Done)
    }
}
