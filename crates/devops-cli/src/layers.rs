//! Values that were not on the command line: from the environment, then from config files.

use std::{ffi::OsString, fmt, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};
use devops_core::kind::Kind;

use crate::{config::Config, failure::Failure, tool::Tool};

/// The value of one flag of one command, from outside the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The subcommands that lead to the flag.
    pub path: Vec<String>,
    /// The flag without its dashes.
    pub long: String,
    /// Its values; a boolean is `true` or `false`.
    pub values: Vec<OsString>,
    /// Where they came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Environment(String),
    File { path: PathBuf, line: usize },
}

impl Origin {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// Returns the values for every flag of the active commands that the command line leaves open.
pub(crate) fn resolve(
    tool: &Tool,
    command: &Command,
    given: &ArgMatches,
    config: &Config,
) -> Result<Vec<Layer>, Failure> {
    let mut layers = Vec::new();
    let mut path = Vec::new();
    let (mut command, mut given) = (command, given);
    loop {
        for arg in command.get_arguments().filter(|arg| has_fallback(arg)) {
            let long = arg.get_long().expect("a fallback needs a long flag");
            if !is_given(given, arg, long) {
                layers.extend(value(tool, arg, &path, config)?);
            }
        }
        let Some((name, matches)) = given.subcommand() else { return Ok(layers) };
        let Some(sub) = command.find_subcommand(name) else { return Ok(layers) };
        path.push(name.to_owned());
        (command, given) = (sub, matches);
    }
}

/// Returns the value of one flag from the environment or a file.
pub(crate) fn value(
    tool: &Tool,
    arg: &Arg,
    path: &[String],
    config: &Config,
) -> Result<Option<Layer>, Failure> {
    let long = arg.get_long().expect("a fallback needs a long flag");
    let (values, origin) = match environment(tool, long) {
        Some(value) => {
            let origin = Origin::Environment(variable(tool, long));
            (from_environment(arg, &value, &origin)?, origin)
        }
        None => match config.value(path, long) {
            Some((values, origin)) => (from_file(arg, values, &origin)?, origin),
            None => return Ok(None),
        },
    };
    Ok(Some(Layer { path: path.to_vec(), long: long.to_owned(), values, origin }))
}

/// Gives the command the layers as defaults, so that clap checks and types them.
pub(crate) fn apply(command: Command, layers: &[Layer]) -> Command {
    layers.iter().fold(command, |command, layer| apply_one(command, &layer.path, layer))
}

fn apply_one(command: Command, path: &[String], layer: &Layer) -> Command {
    if let Some((first, rest)) = path.split_first() {
        return command.mut_subcommand(first, |sub| apply_one(sub, rest, layer));
    }
    command.mut_args(|arg| {
        if arg.get_long() == Some(&layer.long) {
            arg.required(false).default_values(layer.values.clone())
        } else {
            arg
        }
    })
}

/// Returns whether a flag can come from the environment or a file.
pub(crate) fn has_fallback(arg: &Arg) -> bool {
    let settable = !matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    arg.get_long().is_some() && settable && !arg.is_hide_set()
}

/// Returns the name of the variable of a flag.
pub(crate) fn variable(tool: &Tool, long: &str) -> String {
    let flag = long.replace('-', "_");
    format!("DEVOPS_{}_{flag}", tool.table).to_uppercase()
}

/// Returns the value of a flag's variable; an empty one counts as unset.
pub(crate) fn environment(tool: &Tool, long: &str) -> Option<OsString> {
    std::env::var_os(variable(tool, long)).filter(|value| !value.is_empty())
}

/// Returns the flag that says the opposite of a boolean one.
pub(crate) fn opposite(long: &str) -> String {
    match long.strip_prefix("no-") {
        Some(positive) => positive.to_owned(),
        None => format!("no-{long}"),
    }
}

/// Reads a boolean of the environment.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Only a flag that can be repeated takes a list, and a boolean one only a boolean.
pub(crate) fn from_file(
    arg: &Arg,
    values: Vec<OsString>,
    origin: &Origin,
) -> Result<Vec<OsString>, Failure> {
    let invalid = |what: &str| {
        let long = arg.get_long().unwrap_or_default().replace('-', "_");
        Err(Failure::new(Kind::Configuration, format!("{origin}: `{long}` takes {what}")))
    };
    match arg.get_action() {
        ArgAction::Append => Ok(values),
        _ if values.len() != 1 => invalid("one value"),
        ArgAction::SetTrue => match values[0].to_str().and_then(boolean) {
            Some(value) => Ok(vec![value.to_string().into()]),
            None => invalid("a boolean"),
        },
        _ => Ok(values),
    }
}

/// A list is one value a line.
fn from_environment(
    arg: &Arg,
    value: &OsString,
    origin: &Origin,
) -> Result<Vec<OsString>, Failure> {
    match arg.get_action() {
        ArgAction::SetTrue => match value.to_str().and_then(boolean) {
            Some(value) => Ok(vec![value.to_string().into()]),
            None => Err(Failure::usage(format!("`{}` is not a boolean", value.display()))
                .hint(format!("set {origin} to 1, true, yes, on or 0, false, no, off"))),
        },
        ArgAction::Append => match value.to_str() {
            Some(text) => Ok(text.lines().map(OsString::from).collect()),
            None => Ok(vec![value.clone()]),
        },
        _ => Ok(vec![value.clone()]),
    }
}

fn is_given(given: &ArgMatches, arg: &Arg, long: &str) -> bool {
    let on_line = |id: &str| {
        given.try_contains_id(id).is_ok()
            && given.value_source(id) == Some(ValueSource::CommandLine)
    };
    // A tool may declare the opposite itself, under the name of a field.
    let opposite = opposite(long);
    on_line(arg.get_id().as_str()) || on_line(&opposite) || on_line(&opposite.replace('-', "_"))
}
