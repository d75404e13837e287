//! The commands of terraform on a stack.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use super::{
    TerraformError, TerraformEvent, arguments,
    cipher::Identities,
    command_line::{Arguments, joined},
    compare::Comparison,
    credentials::credentials_of,
    inputs::Inputs,
    lock::StateLock,
    options::{InitOptions, PlanOptions},
    plan::Plan,
    private_plan::PrivatePlanDir,
    redact::Secrets,
    retry::retried,
    saved::{SavedPlan, Unsealed, variables_left_out},
    seal::{Seal, SealOptions},
    sealed_state::SealedState,
    stack::Stack,
    unsaved::{self, Recovered},
    variables::Variables,
    watch::Watch,
    work::{Showing, TerraformCommand, accept, capture, capture_any},
};
use crate::{
    fs::{IoResultExt, PathError},
    process::ChildStatus,
};

/// The exit code of `fmt -check` if files are not formatted.
const NOT_FORMATTED: i32 = 3;

impl Stack {
    /// Learns what gives access to the backend, wherever it was given: in the environment, in the
    /// configuration, or to an earlier init.
    pub fn add_credentials(&self, secrets: &mut Secrets) {
        for secret in &credentials_of(self) {
            secrets.add_given(secret);
        }
    }

    /// Runs `init`.
    pub fn init(&self, options: &InitOptions, watch: &mut Watch<'_>) -> Result<(), TerraformError> {
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        let mut arguments = arguments::init(self, options, &place, watch)?;
        if self.workspace.is_some() || !Variables::of(&self.dir)?.has_cloud {
            // Init would make the workspace if it does not exist; whether it does is checked afterwards.
            arguments.env.push(("TF_WORKSPACE".into(), None));
        }
        retried(self.retries, watch, |watch| {
            let mut work = TerraformCommand::new(self, Showing::FromFirstEvent);
            let done = work.run(&arguments, watch);
            if done.is_err() && work.lacks_json() {
                arguments.without_json();
                return TerraformCommand::new(self, Showing::AtOnce).run(&arguments, watch);
            }
            work.show_held(watch);
            done
        })
    }

    /// Fails if the workspace that was asked for does not exist: terraform would make it on the way.
    pub fn check_workspace(&self, watch: &mut Watch<'_>) -> Result<(), TerraformError> {
        let Some(name) = self.wanted_workspace()? else { return Ok(()) };
        let mut arguments = Arguments::helper("workspace", "list");
        // With the variable set, the list holds its value whether it exists or not.
        arguments.env.push(("TF_WORKSPACE".into(), None));
        let list = capture(self, &arguments, watch)?;
        let list = String::from_utf8_lossy(&list);
        let exists =
            list.lines().any(|line| line.trim_start_matches(['*', ' ']).trim_end() == name);
        if exists { Ok(()) } else { Err(TerraformError::Missing { what: "workspace", name }) }
    }

    /// Returns the workspace that was asked for, by an option or by the environment, and must exist.
    fn wanted_workspace(&self) -> Result<Option<String>, PathError> {
        let by_environment = || self.environment.get("TF_WORKSPACE").map(OsStr::to_string_lossy);
        let name = match (&self.workspace, by_environment()) {
            (Some(name), _) => name.clone(),
            // A service may need the variable to have a workspace at all, and lists none without it.
            (None, Some(name)) if !Variables::of(&self.dir)?.has_cloud => name.into_owned(),
            (None, _) => return Ok(None),
        };
        Ok((name != "default").then_some(name))
    }

    /// Makes a plan and reads it; the plan stays in a private place.
    ///
    /// Until the plan was read only its progress is shown: what else terraform says may hold secrets that
    /// are new in this plan.
    pub fn plan(
        &self,
        options: &PlanOptions,
        watch: &mut Watch<'_>,
    ) -> Result<SavedPlan, TerraformError> {
        unsaved::refuse(self)?;
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        let inputs = Inputs::bring(self, options, &place, watch.cancel)?;
        inputs.secrets.iter().for_each(|secret| watch.secrets.add_given(secret));
        let arguments = arguments::plan(self, options, &place, &inputs)?;
        let plan = retried(self.retries, watch, |watch| {
            let mut work = TerraformCommand::new(self, Showing::Later);
            let made = work.run(&arguments, watch).and_then(|()| self.read(place.path(), watch));
            if made.is_err() {
                self.add_state_secrets(watch);
            }
            work.show_held(watch);
            made
        })?;
        if let Some(var) = options.vars.iter().find(|var| !plan.declares(&var.name)) {
            return Err(TerraformError::NoVariable { name: var.name.clone() });
        }
        let inputs =
            (!inputs.is_empty() && !variables_left_out(&plan).is_empty()).then_some(inputs);
        Ok(SavedPlan::new(place, plan, inputs))
    }

    /// Learns what the state holds; one that cannot be read is for another command to complain about.
    fn add_state_secrets(&self, watch: &mut Watch<'_>) {
        let mut quiet =
            Watch { cancel: watch.cancel, secrets: &mut *watch.secrets, on_event: &mut |_| () };
        if let Ok(json) = self.show_json(None, &mut quiet) {
            let _learned = watch.secrets.add_state_secrets(&json);
        }
    }

    /// Applies a saved plan.
    pub fn apply(
        &self,
        plan: &SavedPlan,
        extra: &[OsString],
        watch: &mut Watch<'_>,
    ) -> Result<(), TerraformError> {
        unsaved::refuse(self)?;
        let arguments = arguments::apply(self, plan, extra)?;
        let done = TerraformCommand::new(self, Showing::AtOnce).run(&arguments, watch);
        if let Some(path) = unsaved::find(self) {
            let folder = self.state_dir.as_deref();
            let copy = folder.and_then(|folder| unsaved::keep(self, folder).ok().flatten());
            (watch.on_event)(TerraformEvent::NotSaved { path, copy });
        }
        done
    }

    /// Writes a plan and its seal, both for their owner alone.
    pub fn save(
        &self,
        plan: &SavedPlan,
        target: &Path,
        options: &SealOptions,
        now: OffsetDateTime,
    ) -> Result<Seal, TerraformError> {
        let around = SealedState::of(self, Some(plan.plan().terraform_version.clone()))?;
        let hash = plan.copy_to(target, &options.recipients)?;
        let sealed = Seal::new(hash, around, now, plan.plan(), options)
            .and_then(|seal| seal.write(target, &options.recipients).map(|()| seal));
        if sealed.is_err() {
            // A plan without its seal could not be applied, and holds secrets.
            let _removed = std::fs::remove_file(target);
        }
        Ok(sealed?)
    }

    /// Compares a plan that was made here with the one that was sealed, and this stack with the sealed one.
    pub fn compare(
        &self,
        seal: &Seal,
        plan: &Plan,
        options: &SealOptions,
    ) -> Result<Comparison, TerraformError> {
        let around = SealedState::of(self, Some(plan.terraform_version.clone()))?;
        Ok(seal.compare_in(&around, plan, options)?)
    }

    /// Copies a plan to a private place and verifies its seal against the copy and what is true now; starts
    /// nothing.
    ///
    /// The copy is what is applied, so no one can change the plan after it was verified.
    pub fn unseal(
        &self,
        plan: &Path,
        options: &SealOptions,
        now: OffsetDateTime,
    ) -> Result<Unsealed, TerraformError> {
        let seal = Seal::read(plan, &options.identities)?;
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        let hash = place.copy(plan, &options.identities)?;
        seal.verify(&hash, &SealedState::of(self, None)?, options.key.as_ref(), now)?;
        Ok(Unsealed { place, seal, hash, now, key: options.key.clone() })
    }

    /// Reads a plan whose seal holds, and verifies what only terraform knows.
    ///
    /// The values of `given` are for variables that are ephemeral; those that the plan holds do not count.
    pub fn open_unsealed(
        &self,
        unsealed: Unsealed,
        given: &PlanOptions,
        watch: &mut Watch<'_>,
    ) -> Result<SavedPlan, TerraformError> {
        let Unsealed { place, seal, hash, now, key } = unsealed;
        // Once more, since init may have changed it.
        seal.verify(&hash, &SealedState::of(self, None)?, key.as_ref(), now)?;
        let plan = self.read(place.path(), watch)?;
        let around = SealedState::of(self, Some(plan.terraform_version.clone()))?;
        seal.verify(&hash, &around, key.as_ref(), now)?;
        let left_out = variables_left_out(&plan);
        let mut given = given.clone();
        if let Some(var) = given.vars.iter().find(|var| !plan.declares(&var.name)) {
            return Err(TerraformError::NoVariable { name: var.name.clone() });
        }
        given.vars.retain(|var| left_out.contains(&var.name));
        let inputs = Inputs::bring(self, &given, &place, watch.cancel)?;
        inputs.secrets.iter().for_each(|secret| watch.secrets.add_given(secret));
        Ok(SavedPlan::new(place, plan, (!inputs.is_empty()).then_some(inputs)))
    }

    /// Returns who holds the lock of the state, as far as terraform says so; nothing if it is free.
    ///
    /// Terraform tells of a lock only to who wants it, so a plan that would only refresh is begun.
    pub fn state_lock(&self, watch: &mut Watch<'_>) -> Result<Option<StateLock>, TerraformError> {
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        let mut arguments = Arguments::helper("plan", "-refresh=false");
        arguments.push("-input=false");
        arguments.push(joined("-out=", place.path()));
        match capture(self, &arguments, watch) {
            Err(TerraformError::Locked { lock }) => Ok(Some(*lock)),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Breaks a lock of the state.
    pub fn unlock(&self, id: &str, watch: &mut Watch<'_>) -> Result<(), TerraformError> {
        let mut arguments = Arguments::helper("force-unlock", "-force");
        arguments.push(id);
        capture(self, &arguments, watch).map(drop)
    }

    /// Checks the configuration, and returns terraform's JSON of what is wrong with it.
    pub fn validate(&self, watch: &mut Watch<'_>) -> Result<Vec<u8>, TerraformError> {
        let arguments = Arguments::helper("validate", "-json");
        match capture_any(self, &arguments, watch)? {
            // Its exit code only says again what the JSON says.
            captured if captured.stdout.starts_with(b"{") => Ok(captured.stdout),
            captured => accept(self, &arguments, watch, captured),
        }
    }

    /// Formats the files of the configuration, or only says which ones are not formatted; returns their names.
    pub fn format(
        &self,
        only_check: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<String>, TerraformError> {
        let mut arguments = Arguments::helper("fmt", "-recursive");
        if only_check {
            arguments.push("-check");
        }
        let captured = capture_any(self, &arguments, watch)?;
        let names = String::from_utf8_lossy(&captured.stdout).lines().map(str::to_owned).collect();
        match captured.exit.status {
            ChildStatus::Code(NOT_FORMATTED) if only_check => Ok(names),
            _ => accept(self, &arguments, watch, captured).map(|_| names),
        }
    }

    /// Runs the tests of the configuration.
    pub fn test(&self, options: &PlanOptions, watch: &mut Watch<'_>) -> Result<(), TerraformError> {
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        let inputs = Inputs::bring(self, options, &place, watch.cancel)?;
        inputs.secrets.iter().for_each(|secret| watch.secrets.add_given(secret));
        let arguments = arguments::test(self, options, &inputs)?;
        TerraformCommand::new(self, Showing::AtOnce).run(&arguments, watch)
    }

    /// Lets terraform show a plan, or the state, for people; what must not be shown has to be known.
    pub fn show(
        &self,
        plan: Option<&Path>,
        extra: &[OsString],
        watch: &mut Watch<'_>,
    ) -> Result<(), TerraformError> {
        let plan = plan.map(|plan| plan.canonicalize().at(plan, "find")).transpose()?;
        let arguments = arguments::show(self, extra, plan.as_deref())?;
        TerraformCommand::new(self, Showing::AtOnce).run(&arguments, watch)
    }

    /// Returns a plan, or the state, as terraform's JSON, sensitive values included.
    pub fn show_json(
        &self,
        plan: Option<&Path>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<u8>, TerraformError> {
        let mut arguments = Arguments::helper("show", "-json");
        if let Some(plan) = plan {
            arguments.push(plan.canonicalize().at(plan, "find")?);
        }
        capture(self, &arguments, watch)
    }

    /// Returns the outputs as terraform's JSON, sensitive values included.
    pub fn output_json(&self, watch: &mut Watch<'_>) -> Result<Vec<u8>, TerraformError> {
        let arguments = Arguments::helper("output", "-json");
        capture(self, &arguments, watch)
    }

    /// Returns the state that could not be saved, if there is one.
    pub fn unsaved(&self) -> Option<PathBuf> {
        unsaved::find(self)
    }

    /// Fails if a state waits to be saved.
    pub fn refuse_unsaved(&self) -> Result<(), TerraformError> {
        unsaved::refuse(self)
    }

    /// Saves the state that could not be saved, and keeps its file in `folder`.
    ///
    /// The saved state must be an earlier one of the same stack.
    pub fn recover(
        &self,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<Recovered, TerraformError> {
        unsaved::recover(self, folder, watch)
    }

    /// Reads a copy of a plan that may be encrypted, and learns what of it must not be shown.
    pub fn read_plan(
        &self,
        plan: &Path,
        identities: &Identities,
        watch: &mut Watch<'_>,
    ) -> Result<Plan, TerraformError> {
        let place = PrivatePlanDir::create(&self.temp_dir)?;
        place.copy(plan, identities)?;
        self.read(place.path(), watch)
    }

    /// Reads a plan, and learns what of it must not be shown.
    fn read(&self, path: &Path, watch: &mut Watch<'_>) -> Result<Plan, TerraformError> {
        let json = self.show_json(Some(path), watch)?;
        let plan = Plan::parse(json).map_err(|reason| self.bad_json("show", reason))?;
        watch.secrets.add_plan_secrets(&plan);
        Ok(plan)
    }

    fn bad_json(&self, command: &str, reason: String) -> TerraformError {
        TerraformError::Json { command: format!("{} {command}", self.program_name()), reason }
    }
}
