//! One stack: a folder with a configuration, and the program that works on it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use super::{TerraformError, built_in::is_built_in, environment::Environment};
use crate::{
    fs::{self, IoResultExt, PathError},
    process::{ProcessError, find_program},
};

/// The programs that are looked for, in this order.
pub(super) const PROGRAMS: [&str; 2] = ["terraform", "tofu"];

/// The end of the name of the program that a wrapper starts.
const BEHIND_WRAPPER: &str = "-bin";

/// A name of a workspace is a line in a file; what is longer is none.
const WORKSPACE_LIMIT: u64 = 4096;

/// How to work on a stack.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// The program; `terraform` or `tofu` from the `PATH` when absent.
    pub program: Option<OsString>,
    /// The workspace to work in, whichever is selected.
    pub workspace: Option<String>,
    /// How long one command may run before it is interrupted.
    pub timeout: Option<Duration>,
    /// The time without output after which a command is interrupted.
    pub silence: Option<Duration>,
    /// The time at which the whole run must have ended.
    pub deadline: Option<Instant>,
    /// The number of retries of `init` and `plan` after a transient error.
    pub retries: u32,
    /// How long to wait for the lock of the state.
    pub lock_timeout: Option<Duration>,
    /// Is set if terraform may color its output.
    pub color: bool,
    /// Lets `apply` and `show` write terraform's own text instead of events.
    pub native: bool,
    /// Where private folders for plans are made.
    pub temp_dir: PathBuf,
    /// The folder for copies of states that could not be saved.
    pub state_dir: Option<PathBuf>,
    /// The present time: a lock that was taken later is our own.
    pub started: OffsetDateTime,
}

/// A folder with a configuration, and the program that works on it.
#[derive(Clone, Debug)]
pub struct Stack {
    pub(super) program: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) environment: Environment,
    pub(super) workspace: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) silence: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) retries: u32,
    pub(super) lock_timeout: Option<Duration>,
    pub(super) color: bool,
    pub(super) native: bool,
    pub(super) started: OffsetDateTime,
    pub(super) temp_dir: PathBuf,
    pub(super) state_dir: Option<PathBuf>,
}

impl Stack {
    /// Finds the folder and the program; starts nothing.
    pub fn open(
        dir: &Path,
        options: StackOptions,
        environment: Environment,
    ) -> Result<Self, TerraformError> {
        if !dir.is_dir() {
            let name = dir.display().to_string();
            return Err(TerraformError::Missing { what: "folder", name });
        }
        Ok(Self {
            program: program(options.program.as_deref(), &environment)?,
            dir: dir.canonicalize().at(dir, "find")?,
            environment,
            workspace: options.workspace,
            timeout: options.timeout,
            silence: options.silence,
            deadline: options.deadline,
            retries: options.retries,
            lock_timeout: options.lock_timeout,
            color: options.color,
            native: options.native,
            started: options.started,
            temp_dir: options.temp_dir,
            state_dir: options.state_dir,
        })
    }

    /// Returns the folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the name of the program: `terraform` or `tofu`.
    pub fn program_name(&self) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(BEHIND_WRAPPER).unwrap_or(&name).to_owned()
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

    /// Returns whether `init` has not been run here and is needed, or its downloads are gone.
    pub fn needs_init(&self) -> bool {
        let data = self.data_dir();
        let locked = self.dir.join(".terraform.lock.hcl").exists();
        if data.exists() {
            return locked && !data.join("providers").exists();
        }
        let is_default = || self.workspace().is_ok_and(|name| name == "default");
        locked || !is_built_in(&self.dir, is_default())
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir
            .join(self.environment.get("TF_DATA_DIR").unwrap_or_else(|| OsStr::new(".terraform")))
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
    let path = std::path::absolute(&path).at(&path, "find")?;
    Ok(behind_wrapper(&path, environment).unwrap_or(path))
}

/// Returns the program that a wrapper for CI starts: the wrapper dies of an interrupt, and copies what
/// terraform prints to where other steps read it.
fn behind_wrapper(wrapper: &Path, environment: &Environment) -> Option<PathBuf> {
    let folder = Path::new(environment.get("TERRAFORM_CLI_PATH")?);
    let name = wrapper.file_name()?.to_str()?;
    let program = folder.join(format!("{name}{BEHIND_WRAPPER}"));
    let is_wrapper = folder.join(name).canonicalize().ok()? == wrapper.canonicalize().ok()?;
    (is_wrapper && program.is_file()).then_some(program)
}
