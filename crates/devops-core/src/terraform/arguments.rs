//! The arguments of terraform's commands.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{TerraformError, environment::refuse_ours, saved::PrivatePlace, stack::Stack};
use crate::{
    fs::{At, PathError},
    secret::Secret,
};

/// A value given to an input variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The variable's name.
    pub name: String,
    /// Its value, as after `-var NAME=`.
    pub value: Secret,
}

/// What `init` is told.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Settings of the backend: `KEY=VALUE`, or a file.
    pub backend_config: Vec<String>,
    /// More arguments, as they are.
    pub extra: Vec<OsString>,
}

/// What a plan is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanMode {
    /// Bring the infrastructure to what the configuration says.
    #[default]
    Normal,
    /// Destroy everything.
    Destroy,
    /// Only look what was changed outside of terraform.
    RefreshOnly,
}

/// What `plan` is told.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// What the plan is to do.
    pub mode: PlanMode,
    /// Only these addresses and what they depend on.
    pub targets: Vec<String>,
    /// Files with values of variables; relative ones are taken from the current folder.
    pub var_files: Vec<PathBuf>,
    /// Values of variables, which win over those of files.
    pub vars: Vec<Variable>,
    /// More arguments, as they are.
    pub extra: Vec<OsString>,
}

/// A command line of terraform, with values that are not to be shown.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) command: &'static str,
    pub(super) args: Vec<OsString>,
    shown: Vec<String>,
    pub(super) env: Vec<(OsString, Option<OsString>)>,
}

impl Arguments {
    pub(super) fn new(command: &'static str) -> Self {
        Self {
            command,
            args: vec![command.into()],
            shown: vec![command.to_owned()],
            env: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, arg: impl Into<OsString>) {
        let arg = arg.into();
        self.shown.push(quote(&arg));
        self.args.push(arg);
    }

    fn extend(&mut self, args: &[OsString]) {
        for arg in args {
            self.push(arg);
        }
    }

    /// Adds an argument of which only a part is shown.
    fn push_hidden(&mut self, arg: impl Into<OsString>, shown: String) {
        self.args.push(arg.into());
        self.shown.push(shown);
    }

    /// Hands over variables where other users of the host do not see them.
    pub(super) fn var_env(&mut self, vars: &[Variable]) {
        let pair = |var: &Variable| {
            (format!("TF_VAR_{}", var.name).into(), Some(var.value.expose().into()))
        };
        self.env.extend(vars.iter().map(pair));
    }

    pub(super) fn line(&self) -> String {
        self.shown.join(" ")
    }
}

/// Shows an argument as a shell would want it.
fn quote(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''").escape_debug())
}

fn shared(arguments: &mut Arguments, stack: &Stack, lock_timeout: Option<Duration>) {
    arguments.push("-input=false");
    if !stack.color {
        arguments.push("-no-color");
    }
    if let Some(timeout) = lock_timeout {
        arguments.push(format!("-lock-timeout={}ms", timeout.as_millis()));
    }
}

pub(super) fn init(
    stack: &Stack,
    options: &InitOptions,
    place: &PrivatePlace,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("init")?;
    refuse_ours(&options.extra, "init")?;
    let mut arguments = Arguments::new("init");
    shared(&mut arguments, stack, stack.lock_timeout);
    for (index, setting) in options.backend_config.iter().enumerate() {
        // A setting is often a credential, and the command line is public.
        let file = match setting.split_once('=') {
            Some((key, value)) => place.file(
                &format!("backend-{index}.tfbackend"),
                &format!("{key} = {}\n", hcl_string(value)),
            )?,
            None => existing(Path::new(setting))?,
        };
        let mut arg = OsString::from("-backend-config=");
        arg.push(&file);
        match setting.split_once('=') {
            Some((key, _)) => arguments.push_hidden(arg, format!("-backend-config={key}=***")),
            None => arguments.push(arg),
        }
    }
    arguments.extend(&options.extra);
    Ok(arguments)
}

pub(super) fn plan(
    stack: &Stack,
    options: &PlanOptions,
    place: &PrivatePlace,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("plan")?;
    refuse_ours(&options.extra, "plan")?;
    let mut arguments = Arguments::new("plan");
    shared(&mut arguments, stack, stack.lock_timeout);
    let mut out = OsString::from("-out=");
    out.push(place.path());
    arguments.push(out);
    match options.mode {
        PlanMode::Normal => {}
        PlanMode::Destroy => arguments.push("-destroy"),
        PlanMode::RefreshOnly => arguments.push("-refresh-only"),
    }
    for target in &options.targets {
        arguments.push(format!("-target={target}"));
    }
    for file in &options.var_files {
        let mut arg = OsString::from("-var-file=");
        arg.push(existing(file)?);
        arguments.push(arg);
    }
    variables(&mut arguments, stack, options)?;
    arguments.extend(&options.extra);
    Ok(arguments)
}

/// Hands variables over in the environment, which other users cannot see, unless a file also speaks of
/// them: files win over the environment, and only an argument wins over files.
fn variables(
    arguments: &mut Arguments,
    stack: &Stack,
    options: &PlanOptions,
) -> Result<(), TerraformError> {
    let files = value_files(&stack.dir, &options.var_files)?;
    let (by_argument, by_environment): (Vec<_>, Vec<_>) = options
        .vars
        .iter()
        .cloned()
        .partition(|var| files.iter().any(|text| memmem(text, var.name.as_bytes())));
    arguments.var_env(&by_environment);
    for Variable { name, value } in by_argument {
        arguments
            .push_hidden(format!("-var={name}={}", value.expose()), format!("-var={name}=***"));
    }
    Ok(())
}

/// Reads every file from which terraform takes values of variables.
fn value_files(dir: &Path, var_files: &[PathBuf]) -> Result<Vec<Vec<u8>>, PathError> {
    let mut files = var_files.to_vec();
    for entry in std::fs::read_dir(dir).at(dir, "list")? {
        let entry = entry.at(dir, "list")?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_auto = name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json");
        if is_auto || name == "terraform.tfvars" || name == "terraform.tfvars.json" {
            files.push(entry.path());
        }
    }
    files.iter().map(|file| std::fs::read(file).at(file, "read")).collect()
}

fn memmem(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len().max(1)).any(|window| window == word)
}

pub(super) fn apply(
    stack: &Stack,
    vars: &[Variable],
    extra: &[OsString],
    plan: &Path,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("apply")?;
    refuse_ours(extra, "apply")?;
    let mut arguments = Arguments::new("apply");
    shared(&mut arguments, stack, stack.lock_timeout);
    // Ephemeral variables are not in the plan and must be given again.
    arguments.var_env(vars);
    arguments.extend(extra);
    arguments.push(plan);
    Ok(arguments)
}

pub(super) fn show(
    stack: &Stack,
    extra: &[OsString],
    plan: Option<&Path>,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("show")?;
    refuse_ours(extra, "show")?;
    let mut arguments = Arguments::new("show");
    if !stack.color {
        arguments.push("-no-color");
    }
    arguments.extend(extra);
    if let Some(plan) = plan {
        arguments.push(plan);
    }
    Ok(arguments)
}

fn existing(file: &Path) -> Result<PathBuf, PathError> {
    file.canonicalize().at(file, "find")
}

/// Writes a text as a quoted string of HCL, in which `${` and `%{` begin templates.
fn hcl_string(text: &str) -> String {
    let mut quoted = String::from('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_arguments_so_that_they_can_be_pasted() {
        assert_eq!(quote("-out=a/b".as_ref()), "-out=a/b");
        assert_eq!(quote("-target=a.b[\"x\"]".as_ref()), r#"'-target=a.b[\"x\"]'"#);
        assert_eq!(quote("".as_ref()), "''");
    }

    #[test]
    fn a_backend_setting_is_a_plain_string() {
        assert_eq!(hcl_string("a\"b\\${x}%{y}$z"), r#""a\"b\\$${x}%%{y}$z""#);
    }
}
