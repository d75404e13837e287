//! The environment that terraform reads, as the caller found it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use super::TerraformError;
use crate::secret::Secret;

/// Flags that turn a command into another one, or take away what we rely on.
///
/// Terraform puts the words of `TF_CLI_ARGS` and `TF_CLI_ARGS_<command>` in front of the real arguments,
/// so that `TF_CLI_ARGS_plan=-destroy` silently makes a plan that destroys everything.
/// `-auto-approve` and `-input` are none: a saved plan is never asked about, and our `-input=false` comes last.
const TRAPS: [&str; 19] = [
    "chdir",
    "destroy",
    "detailed-exitcode",
    "exclude",
    "exclude-file",
    "generate-config-out",
    "h",
    "help",
    "json",
    "json-into",
    "lock",
    "out",
    "refresh-only",
    "replace",
    "state",
    "state-out",
    "target",
    "v",
    "version",
];

/// Flags that an argument after `--` may not set, because this tool sets them.
const OURS: [&str; 10] = [
    "auto-approve",
    "chdir",
    "detailed-exitcode",
    "h",
    "help",
    "input",
    "json",
    "out",
    "v",
    "version",
];

/// Flags that say where a state is, or a copy of it.
const OF_A_STATE: [&str; 3] = ["backup", "state", "state-out"];

/// Environment variables, given by the caller.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(vars: I) -> Self {
        Self { vars: vars.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}

impl Environment {
    /// Returns the value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.vars.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value.as_os_str())
    }

    /// Returns the names of the variables that add arguments to terraform's commands.
    pub fn cli_args_names(&self) -> Vec<String> {
        self.set()
            .map(|(name, _)| name)
            .filter(|name| adds_arguments(name))
            .map(str::to_owned)
            .collect()
    }

    /// Returns what adds arguments to `apply`.
    pub(super) fn apply_args(&self) -> BTreeMap<String, Secret> {
        let args = ["TF_CLI_ARGS", "TF_CLI_ARGS_apply"].into_iter();
        let value = |name| self.get(name).map(|value| Secret::new(value.to_string_lossy()));
        args.filter_map(|name| Some((name.to_owned(), value(name)?))).collect()
    }

    /// Returns the variables that are not for a command run behind the scenes: arguments that it may not
    /// know, and a log among what it says. A log that goes to a file stays.
    pub(super) fn not_for_helpers(&self) -> impl Iterator<Item = &str> {
        let keeps_log = self.get("TF_LOG_PATH").is_some();
        let logs = move |name: &str| !keeps_log && name.starts_with("TF_LOG");
        self.set().map(|(name, _)| name).filter(move |name| adds_arguments(name) || logs(name))
    }

    /// Returns the values of input variables, by their names.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set()
            .filter_map(|(name, value)| Some((name.strip_prefix("TF_VAR_")?, value.to_str()?)))
    }

    fn set(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        let set = self.vars.iter().filter(|(_, value)| !value.is_empty());
        set.filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
    }

    /// Fails if the environment changes what `command` does.
    pub(super) fn refuse_traps(&self, command: &'static str) -> Result<(), TerraformError> {
        for name in ["TF_CLI_ARGS".to_owned(), format!("TF_CLI_ARGS_{command}")] {
            let Some(value) = self.get(&name) else { continue };
            let value = value.to_string_lossy();
            // Quotes only group words, and may stand within one: `-"h"` is `-h`.
            let value = value.replace(['"', '\'', '\\'], "");
            let words = value.split_whitespace();
            if let Some(flag) = words.filter_map(flag_name).find(|flag| TRAPS.contains(flag)) {
                let place = format!("environment variable `{name}`");
                return Err(TerraformError::ConflictingArgument {
                    place,
                    flag: format!("-{flag}"),
                    command,
                });
            }
        }
        Ok(())
    }
}

fn adds_arguments(name: &str) -> bool {
    name == "TF_CLI_ARGS" || name.starts_with("TF_CLI_ARGS_")
}

/// Fails if an argument after `--` sets what this tool sets.
pub(super) fn refuse_ours(extra: &[OsString], command: &'static str) -> Result<(), TerraformError> {
    refuse(&OURS, extra, command)
}

/// Fails if an argument after `--` names another state than the one a plan was made for.
pub(super) fn refuse_other_states(
    extra: &[OsString],
    command: &'static str,
) -> Result<(), TerraformError> {
    refuse(&OF_A_STATE, extra, command)
}

fn refuse(flags: &[&str], extra: &[OsString], command: &'static str) -> Result<(), TerraformError> {
    let mut words = extra.iter().filter_map(|arg| arg.to_str()).filter_map(flag_name);
    match words.find(|flag| flags.contains(flag)) {
        None => Ok(()),
        Some(flag) => Err(TerraformError::ConflictingArgument {
            place: "the arguments after `--`".to_owned(),
            flag: format!("-{flag}"),
            command,
        }),
    }
}

/// Returns the name of the flag in an argument: `out` in `-out=x` and in `--out`.
pub(super) fn flag_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    name.split('=').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag_in(vars: &[(&str, &str)]) -> Option<String> {
        let environment: Environment = vars.iter().copied().collect();
        match environment.refuse_traps("plan") {
            Err(TerraformError::ConflictingArgument { flag, .. }) => Some(flag),
            _ => None,
        }
    }

    #[test]
    fn refuses_flags_that_change_the_command() {
        assert_eq!(flag_in(&[("TF_CLI_ARGS_plan", "-destroy")]).unwrap(), "-destroy");
        assert_eq!(flag_in(&[("TF_CLI_ARGS", "-no-color \"--out=x y\"")]).unwrap(), "-out");
        assert_eq!(flag_in(&[("TF_CLI_ARGS_plan", "-lock=false")]).unwrap(), "-lock");
    }

    #[test]
    fn refuses_flags_that_only_print_something_and_succeed() {
        for flag in ["-h", "--h", "-help", "--help", "-v", "--v", "-version", "--version"] {
            let name = format!("-{}", flag.trim_start_matches('-'));
            assert_eq!(flag_in(&[("TF_CLI_ARGS_plan", flag)]), Some(name));
            assert!(refuse_ours(&[flag.into()], "apply").is_err(), "{flag}");
        }
        assert_eq!(flag_in(&[("TF_CLI_ARGS", "-\"h\"")]).unwrap(), "-h");
        assert_eq!(flag_in(&[("TF_CLI_ARGS", "\\-h=true")]).unwrap(), "-h");
    }

    #[test]
    fn accepts_what_only_tunes_it_or_concerns_another_command() {
        assert_eq!(flag_in(&[("TF_CLI_ARGS_plan", "-parallelism=2 -lock-timeout=5s")]), None);
        assert_eq!(flag_in(&[("TF_CLI_ARGS", "-input=false -auto-approve")]), None);
        assert_eq!(flag_in(&[("TF_CLI_ARGS_apply", "-destroy"), ("TF_CLI_ARGS", "")]), None);
    }

    #[test]
    fn names_what_adds_arguments() {
        let environment: Environment =
            [("TF_CLI_ARGS_plan", "-x"), ("TF_CLI_ARGS", ""), ("TF_CLI_CONFIG_FILE", "f")]
                .into_iter()
                .collect();

        assert_eq!(environment.cli_args_names(), ["TF_CLI_ARGS_plan"]);
    }

    #[test]
    fn a_command_behind_the_scenes_gets_no_arguments_and_no_log() {
        let removed = |more: &[(&str, &str)]| {
            let vars = [("TF_CLI_ARGS_show", "-x"), ("TF_LOG", "trace"), ("TF_VAR_a", "b")];
            let environment: Environment = vars.iter().chain(more).copied().collect();
            environment.not_for_helpers().map(str::to_owned).collect::<Vec<_>>()
        };

        assert_eq!(removed(&[]), ["TF_CLI_ARGS_show", "TF_LOG"]);
        assert_eq!(removed(&[("TF_LOG_PATH", "log")]), ["TF_CLI_ARGS_show"]);
    }

    #[test]
    fn knows_the_arguments_of_an_apply_and_the_variables() {
        let vars = [("TF_CLI_ARGS_plan", "-x"), ("TF_CLI_ARGS", "-y"), ("TF_VAR_a", "b")];
        let environment: Environment = vars.into_iter().collect();

        assert_eq!(environment.apply_args().keys().collect::<Vec<_>>(), ["TF_CLI_ARGS"]);
        assert_eq!(environment.variables().collect::<Vec<_>>(), [("a", "b")]);
    }

    #[test]
    fn an_argument_may_not_set_what_the_tool_sets() {
        assert!(refuse_ours(&["-parallelism=3".into(), "-destroy".into()], "plan").is_ok());
        assert!(refuse_ours(&["-out=x".into()], "plan").is_err());
    }
}
