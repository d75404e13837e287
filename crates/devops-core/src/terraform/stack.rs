//! One stack: a folder with a configuration, and the program that works on it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use time::OffsetDateTime;

use super::{
    TerraformError, TerraformEvent,
    arguments::{self, Arguments, InitOptions, PlanOptions, Variable},
    environment::Environment,
    plan::Plan,
    saved::{PrivatePlace, SavedPlan},
    seal::{Seal, Surroundings, hash_backend, hash_file},
    work::Work,
};
use crate::{
    cancel::Cancel,
    fs::{self, At, PathError},
    process::{ProcessError, find_program},
};

/// The programs that are looked for, in this order.
const PROGRAMS: [&str; 2] = ["terraform", "tofu"];

/// A name of a workspace is a line in a file; what is longer is none.
const WORKSPACE_LIMIT: u64 = 4096;

/// How to work on a stack.
#[derive(Clone, Debug, Default)]
pub struct StackOptions {
    /// The program; `terraform` or `tofu` from the `PATH` when absent.
    pub program: Option<OsString>,
    /// The workspace to work in, whichever is selected.
    pub workspace: Option<String>,
    /// How long one command may run before it is interrupted.
    pub timeout: Option<Duration>,
    /// How long to wait for the lock of the state.
    pub lock_timeout: Option<Duration>,
    /// Whether terraform may color its output.
    pub color: bool,
    /// Where private folders for plans are made.
    pub temp_dir: PathBuf,
}

/// A folder with a configuration, and the program that works on it.
#[derive(Clone, Debug)]
pub struct Stack {
    pub(super) program: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) environment: Environment,
    pub(super) workspace: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) lock_timeout: Option<Duration>,
    pub(super) color: bool,
    temp_dir: PathBuf,
}

impl Stack {
    /// Finds the folder and the program; starts nothing.
    pub fn open(
        dir: &Path,
        options: StackOptions,
        environment: Environment,
    ) -> Result<Self, TerraformError> {
        if !dir.is_dir() {
            return Err(TerraformError::NoDir { dir: dir.to_owned() });
        }
        Ok(Self {
            program: program(options.program.as_deref(), &environment)?,
            dir: dir.canonicalize().at(dir, "find")?,
            environment,
            workspace: options.workspace,
            timeout: options.timeout,
            lock_timeout: options.lock_timeout,
            color: options.color,
            temp_dir: options.temp_dir,
        })
    }

    /// Returns the folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the name of the program: `terraform` or `tofu`.
    pub fn program_name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns the name of the workspace in effect.
    pub fn workspace(&self) -> Result<String, PathError> {
        if let Some(name) = &self.workspace {
            return Ok(name.clone());
        }
        if let Some(name) = self.environment.get("TF_WORKSPACE") {
            return Ok(name.to_string_lossy().into_owned());
        }
        let selected = self.data_dir().join("environment");
        let name = if selected.try_exists().at(&selected, "find")? {
            fs::read_text(&selected, WORKSPACE_LIMIT)?.trim().to_owned()
        } else {
            String::new()
        };
        Ok(if name.is_empty() { "default".to_owned() } else { name })
    }

    /// Returns whether `init` has not been run here, or its downloads are gone.
    pub fn needs_init(&self) -> bool {
        let data = self.data_dir();
        let locked = self.dir.join(".terraform.lock.hcl").exists();
        !data.exists() || (locked && !data.join("providers").exists())
    }

    fn data_dir(&self) -> PathBuf {
        self.dir
            .join(self.environment.get("TF_DATA_DIR").unwrap_or_else(|| OsStr::new(".terraform")))
    }

    /// Runs `init`.
    pub fn init(
        &self,
        options: &InitOptions,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<(), TerraformError> {
        let place = PrivatePlace::create(&self.temp_dir)?;
        let mut arguments = arguments::init(self, options, &place)?;
        if self.workspace.is_some() {
            // Init would make the workspace if it does not exist; whether it does is checked afterwards.
            arguments.env.push(("TF_WORKSPACE".into(), None));
        }
        Work { stack: self, cancel, on_event }.stream(&arguments)
    }

    /// Fails if the workspace that was asked for does not exist: terraform would make it on the way.
    pub fn check_workspace(
        &self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<(), TerraformError> {
        let Some(name) = self.workspace.as_ref().filter(|name| *name != "default") else {
            return Ok(());
        };
        let mut arguments = Arguments::new("workspace");
        arguments.push("list");
        // With the variable set, the list holds its value whether it exists or not.
        arguments.env.push(("TF_WORKSPACE".into(), None));
        let list = Work { stack: self, cancel, on_event }.capture(&arguments)?;
        let list = String::from_utf8_lossy(&list);
        let exists =
            list.lines().any(|line| line.trim_start_matches(['*', ' ']).trim_end() == name);
        if exists { Ok(()) } else { Err(TerraformError::NoWorkspace { name: name.clone() }) }
    }

    /// Makes a plan and reads it; the plan stays in a private place.
    pub fn plan(
        &self,
        options: &PlanOptions,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<SavedPlan, TerraformError> {
        let place = PrivatePlace::create(&self.temp_dir)?;
        let arguments = arguments::plan(self, options, &place)?;
        Work { stack: self, cancel, on_event }.stream(&arguments)?;
        let plan = self.judge(place.path(), cancel, on_event)?;
        if let Some(var) = options.vars.iter().find(|var| !plan.declares(&var.name)) {
            return Err(TerraformError::NoVariable { name: var.name.clone() });
        }
        Ok(place.into_saved(plan))
    }

    /// Applies a saved plan; `vars` are needed again for variables that are ephemeral.
    pub fn apply(
        &self,
        plan: &SavedPlan,
        with: (&[Variable], &[OsString]),
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<(), TerraformError> {
        let (vars, extra) = with;
        let arguments = arguments::apply(self, vars, extra, plan.path())?;
        Work { stack: self, cancel, on_event }.stream(&arguments)
    }

    /// Writes a plan and its seal, both for their owner alone.
    pub fn save(
        &self,
        plan: &SavedPlan,
        target: &Path,
        now: OffsetDateTime,
    ) -> Result<Seal, TerraformError> {
        let around = self.surroundings(plan.plan().terraform_version.clone())?;
        let hash = plan.copy_to(target)?;
        let seal = Seal::new(hash, around, now, plan.plan().summary());
        if let Err(error) = seal.write(target) {
            // A plan without its seal could be applied by nobody, and holds secrets.
            let _removed = std::fs::remove_file(target);
            return Err(error.into());
        }
        Ok(seal)
    }

    /// Copies a plan to a private place and verifies its seal against the copy and what is true now.
    ///
    /// The copy is what is applied, so nobody can change the plan after it was verified.
    pub fn open_sealed(
        &self,
        plan: &Path,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<SavedPlan, TerraformError> {
        let seal = Seal::read(plan)?;
        let place = PrivatePlace::create(&self.temp_dir)?;
        let hash = place.copy(plan)?;
        // Before terraform opens the file: a plan that was tampered with is not for it to read.
        seal.verify(&hash, &self.surroundings(seal.terraform_version.clone())?)?;
        let version = self.version(cancel, on_event)?;
        seal.verify(&hash, &self.surroundings(version)?)?;
        let judged = self.judge(place.path(), cancel, on_event)?;
        Ok(place.into_saved(judged))
    }

    /// Lets terraform show a plan, or the state, for people.
    pub fn show(
        &self,
        plan: Option<&Path>,
        extra: &[OsString],
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<(), TerraformError> {
        let plan = plan.map(|plan| plan.canonicalize().at(plan, "find")).transpose()?;
        let arguments = arguments::show(self, extra, plan.as_deref())?;
        Work { stack: self, cancel, on_event }.stream(&arguments)
    }

    /// Returns a plan, or the state, as terraform's JSON, sensitive values included.
    pub fn show_json(
        &self,
        plan: Option<&Path>,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<Vec<u8>, TerraformError> {
        self.environment.refuse_traps("show")?;
        let mut arguments = Arguments::new("show");
        arguments.push("-json");
        if let Some(plan) = plan {
            arguments.push(plan.canonicalize().at(plan, "find")?);
        }
        Work { stack: self, cancel, on_event }.capture(&arguments)
    }

    /// Returns the outputs as terraform's JSON, sensitive values included.
    pub fn output_json(
        &self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<Vec<u8>, TerraformError> {
        self.environment.refuse_traps("output")?;
        let mut arguments = Arguments::new("output");
        arguments.push("-json");
        Work { stack: self, cancel, on_event }.capture(&arguments)
    }

    fn judge(
        &self,
        path: &Path,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<Plan, TerraformError> {
        let json = self.show_json(Some(path), cancel, on_event)?;
        Plan::parse(json).map_err(|reason| self.bad_json("show", reason))
    }

    fn version(
        &self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TerraformEvent),
    ) -> Result<String, TerraformError> {
        let mut arguments = Arguments::new("version");
        arguments.push("-json");
        let json = Work { stack: self, cancel, on_event }.capture(&arguments)?;
        let document: serde_json::Value = serde_json::from_slice(&json)
            .map_err(|error| self.bad_json("version", error.to_string()))?;
        let version = document.get("terraform_version").and_then(serde_json::Value::as_str);
        let missing = || self.bad_json("version", "it names no version".to_owned());
        version.map(str::to_owned).ok_or_else(missing)
    }

    fn bad_json(&self, command: &str, reason: String) -> TerraformError {
        TerraformError::Json { command: format!("{} {command}", self.program_name()), reason }
    }

    fn surroundings(&self, terraform_version: String) -> Result<Surroundings, TerraformError> {
        Ok(Surroundings {
            dir: self.dir.clone(),
            workspace: self.workspace()?,
            terraform_version,
            lock_file_blake3: hash_file(&self.dir.join(".terraform.lock.hcl"))?,
            backend_blake3: hash_backend(&self.data_dir().join("terraform.tfstate"))?,
            cli_args: self.environment.cli_args_names(),
        })
    }
}

fn program(wanted: Option<&OsStr>, environment: &Environment) -> Result<PathBuf, TerraformError> {
    let search_path = environment.get("PATH").unwrap_or_default();
    let found = match wanted {
        // What exists and cannot be executed says so when it is started.
        Some(name) => find_program(name, search_path)
            .or_else(|| Path::new(name).exists().then(|| PathBuf::from(name))),
        None => PROGRAMS.iter().find_map(|name| find_program(name.as_ref(), search_path)),
    };
    let Some(path) = found else {
        let program = wanted.unwrap_or(PROGRAMS[0].as_ref()).to_owned();
        return Err(ProcessError::NotFound { program }.into());
    };
    // It may be relative to our folder, and the child runs in another.
    Ok(std::path::absolute(&path).at(&path, "find")?)
}
