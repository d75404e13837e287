//! The arguments of terraform's commands.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    TerraformError,
    credentials::{credentials_in, credentials_in_file},
    environment::{refuse_other_states, refuse_ours},
    hcl,
    inputs::Inputs,
    saved::{PrivatePlanDir, SavedPlan},
    stack::Stack,
    work::Watch,
};
use crate::{fs::PathError, secret::Secret};

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
    /// Leave the state unlocked: for a plan that is never applied.
    pub no_lock: bool,
    /// More arguments, as they are.
    pub extra: Vec<OsString>,
}

/// Stands for a setting of the backend that is neither `KEY=VALUE` nor a file.
const UNNAMED: &str = "--backend-config FILE";

/// The flag for events instead of text.
const JSON: &str = "-json";

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

    /// Begins a command that runs behind the scenes.
    pub(super) fn helper(command: &'static str, what: &str) -> Self {
        let mut arguments = Self::new(command);
        arguments.push(what);
        arguments.push("-no-color");
        arguments
    }

    pub(super) fn push(&mut self, arg: impl Into<OsString>) {
        let arg = arg.into();
        self.shown.push(quote(&arg));
        self.args.push(arg);
    }

    /// Adds arguments as they are; values of variables and of the backend among them are not shown.
    pub(super) fn extend(&mut self, args: &[OsString]) {
        let mut before = None;
        for arg in args {
            match hidden(arg, before) {
                Some(shown) => self.push_hidden(arg, shown),
                None => self.push(arg),
            }
            before = if before.is_none() { secret_flag(arg) } else { None };
        }
    }

    /// Adds an argument that is shown as another text.
    pub(super) fn push_hidden(&mut self, arg: impl Into<OsString>, shown: String) {
        self.args.push(arg.into());
        self.shown.push(shown);
    }

    /// Takes the flag for the JSON stream away again.
    pub(super) fn without_json(&mut self) {
        self.args.retain(|arg| arg != JSON);
        self.shown.retain(|arg| arg != JSON);
    }

    /// Adds an argument in place of another one, which is shown.
    pub(super) fn push_shown(&mut self, arg: impl Into<OsString>, shown: &OsStr) {
        self.push_hidden(arg, quote(shown));
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
    place: &PrivatePlanDir,
    watch: &mut Watch<'_>,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("init")?;
    refuse_ours(&options.extra, "init")?;
    let mut arguments = Arguments::new("init");
    arguments.push(JSON);
    shared(&mut arguments, stack, stack.lock_timeout);
    for (index, setting) in options.backend_config.iter().enumerate() {
        let name = format!("backend-{index}");
        // A setting is often a credential, and the command line is public.
        let (file, shown) = if let Some((key, value)) = setting.split_once('=') {
            for secret in credentials_in(key, value) {
                watch.secrets.add_given(&secret);
            }
            let is_literal = hcl::is_collection(value);
            let value = if is_literal { value.to_owned() } else { hcl::quoted(value) };
            let text = format!("{key} = {value}\n");
            (place.file(&name, text.as_bytes())?, format!("-backend-config={key}=***"))
        } else {
            let path = Path::new(setting);
            // What names no file may be a secret that went astray.
            let unnamed = |error| match path.symlink_metadata() {
                Ok(_) => error,
                Err(_) => PathError { path: UNNAMED.into(), ..error },
            };
            let file = place.bring(path, &name, watch.cancel).map_err(unnamed)?;
            for secret in credentials_in_file(&file) {
                watch.secrets.add_given(&secret);
            }
            (file, quote(format!("-backend-config={setting}").as_ref()))
        };
        arguments.push_hidden(joined("-backend-config=", &file), shown);
    }
    arguments.extend(&options.extra);
    Ok(arguments)
}

pub(super) fn plan(
    stack: &Stack,
    options: &PlanOptions,
    place: &PrivatePlanDir,
    inputs: &Inputs,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("plan")?;
    refuse_ours(&options.extra, "plan")?;
    let mut arguments = Arguments::new("plan");
    arguments.push(JSON);
    shared(&mut arguments, stack, stack.lock_timeout);
    arguments.push(joined("-out=", place.path()));
    match options.mode {
        PlanMode::Normal => {}
        PlanMode::Destroy => arguments.push("-destroy"),
        PlanMode::RefreshOnly => arguments.push("-refresh-only"),
    }
    if options.no_lock {
        arguments.push("-lock=false");
    }
    for target in &options.targets {
        arguments.push(format!("-target={target}"));
    }
    inputs.add_to(&mut arguments, &options.extra);
    Ok(arguments)
}

pub(super) fn apply(
    stack: &Stack,
    plan: &SavedPlan,
    extra: &[OsString],
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("apply")?;
    refuse_ours(extra, "apply")?;
    refuse_other_states(extra, "apply")?;
    let mut arguments = Arguments::new("apply");
    if !stack.native {
        arguments.push(JSON);
    }
    shared(&mut arguments, stack, stack.lock_timeout);
    match plan.inputs() {
        Some(inputs) => inputs.add_to(&mut arguments, extra),
        None => arguments.extend(extra),
    }
    arguments.push(plan.path());
    Ok(arguments)
}

pub(super) fn test(
    stack: &Stack,
    options: &PlanOptions,
    inputs: &Inputs,
) -> Result<Arguments, TerraformError> {
    stack.environment.refuse_traps("test")?;
    refuse_ours(&options.extra, "test")?;
    let mut arguments = Arguments::new("test");
    arguments.push(JSON);
    arguments.push("-no-color");
    inputs.add_to(&mut arguments, &options.extra);
    Ok(arguments)
}

pub(super) fn show(
    stack: &Stack,
    extra: &[OsString],
    plan: Option<&Path>,
) -> Result<Arguments, TerraformError> {
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

/// Joins a flag that ends with `=` and a path of any bytes.
pub(super) fn joined(flag: &str, path: &Path) -> OsString {
    let mut arg = OsString::from(flag);
    arg.push(path);
    arg
}

/// Flags of terraform with values that may be secret.
const SECRET_FLAGS: [&str; 2] = ["var", "backend-config"];

/// Returns the name of a flag whose value is the next argument, and is not to be shown.
fn secret_flag(arg: &OsStr) -> Option<&str> {
    let has_value = arg.as_encoded_bytes().contains(&b'=');
    flag_name(arg).filter(|flag| SECRET_FLAGS.contains(flag) && !has_value)
}

/// Returns what arguments for terraform give to `-var` without a name: a secret perhaps, and terraform's error
/// quotes it.
pub(super) fn unnamed_values(args: &[OsString]) -> impl Iterator<Item = &str> {
    let before = std::iter::once(None).chain(args.iter().map(|arg| secret_flag(arg)));
    let settings = before.zip(args).filter_map(|(before, arg)| match (before, flag_name(arg)) {
        (Some("var"), _) => arg.to_str(),
        (None, Some("var")) => arg.to_str()?.split_once('=').map(|(_, setting)| setting),
        _ => None,
    });
    settings.filter(|setting| !setting.contains('='))
}

fn flag_name(arg: &OsStr) -> Option<&str> {
    super::environment::flag_name(arg.to_str()?)
}

/// Returns how an argument is shown whose value is not; `before` is the flag that it is the value of.
fn hidden(arg: &OsStr, before: Option<&str>) -> Option<String> {
    let text = arg.to_string_lossy();
    let (flag, setting) = match flag_name(arg) {
        _ if before.is_some() => ("", &*text),
        Some(flag) if SECRET_FLAGS.contains(&flag) => text.split_once('=')?,
        _ => return None,
    };
    let equals = if flag.is_empty() { "" } else { "=" };
    match setting.split_once('=') {
        Some((name, _)) => Some(format!("{}=***", quote(format!("{flag}{equals}{name}").as_ref()))),
        // A setting of the backend that has no name is a file.
        None if before.or(flag_name(arg)) == Some(SECRET_FLAGS[1]) => None,
        None => Some(format!("{flag}{equals}***")),
    }
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
    fn values_among_the_arguments_as_they_are_stay_hidden() {
        let line = |args: &[&str]| {
            let mut arguments = Arguments::new("plan");
            arguments.extend(&args.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(arguments.args[1..], *args);
            arguments.line()
        };

        assert_eq!(line(&["-var", "pw=s3cret", "-x"]), "plan -var pw=*** -x");
        assert_eq!(line(&["--var=pw=s3cret", "a=b"]), "plan --var=pw=*** a=b");
        assert_eq!(line(&["-var", "pw s3cret", "--var=s3cret"]), "plan -var *** --var=***");
        assert_eq!(line(&["-backend-config=password=s3cret"]), "plan -backend-config=password=***");
        assert_eq!(
            line(&["-backend-config", "f.hcl", "-var-file=x"]),
            "plan -backend-config f.hcl -var-file=x"
        );
    }
}
