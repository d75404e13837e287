//! Values that were not on the command line: from the environment, then from config files.

use std::{ffi::OsString, fmt, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};
use devops_core::kind::Kind;

use crate::{
    config::Config,
    failure::Failure,
    text,
    tool::Tool,
    trust::{self, Stricter, Trust},
};

pub(crate) mod files;
mod subject;

pub(crate) use self::subject::Subject;

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
    pub origin: ConfigSource,
    /// Is set if there is a value: there may be remarks alone.
    pub is_set: bool,
    /// Remarks that `config show --origin` prints beside the origin.
    pub notes: Vec<String>,
    /// Warnings that a run prints.
    pub warnings: Vec<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            path: Vec::new(),
            long: String::new(),
            values: Vec::new(),
            origin: ConfigSource::Default,
            is_set: true,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    Default,
    Environment(String),
    File {
        path: PathBuf,
        line: usize,
    },
    /// Several places, each with a part of the value.
    Several(Vec<Self>),
}

impl ConfigSource {
    pub(crate) fn is_file(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Several(all) => all.iter().all(Self::is_file),
            Self::Default | Self::Environment(_) => false,
        }
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", text::quote(path)),
            Self::Several(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

/// Looks a variable up; an empty one counts as unset.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The inputs that decide a value beside the flag itself.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub tool: &'a Tool,
    pub config: &'a Config,
    pub environment: Lookup<'a>,
    /// The subject of the command.
    pub subject: &'a Subject,
}

/// The values from outside the command line.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// The values of flags that the command line leaves open.
    pub defaults: Vec<Layer>,
    /// Values that add to those of the command line.
    pub added: Vec<Layer>,
    /// Warnings of settings that do not count, and of values looser than those of the files.
    pub warnings: Vec<String>,
}

/// Returns the values for every flag of the active commands that the command line leaves open.
pub(crate) fn resolve(
    context: &Context<'_>,
    command: &Command,
    given: &ArgMatches,
) -> Result<Layers, Failure> {
    let warnings = context.config.warnings().to_vec();
    let mut layers = Layers { warnings, ..Layers::default() };
    let mut path = Vec::new();
    let (mut command, mut given) = (command, given);
    loop {
        for arg in command.get_arguments().filter(|arg| has_fallback(arg)) {
            let long = arg.get_long().expect("a fallback needs a long flag");
            if is_given(given, arg, long) {
                layers.beside(context, arg, &path, given)?;
            } else {
                layers.instead(context, arg, &path)?;
            }
        }
        let Some((name, matches)) = given.subcommand() else { return Ok(layers) };
        let Some(sub) = command.find_subcommand(name) else { return Ok(layers) };
        path.push(name.to_owned());
        (command, given) = (sub, matches);
    }
}

/// Returns the flags of the command that is run that stand on the command line itself.
pub(crate) fn given_flags(command: &Command, given: &ArgMatches) -> Vec<String> {
    let (mut command, mut given) = (command, given);
    while let Some((name, matches)) = given.subcommand()
        && let Some(sub) = command.find_subcommand(name)
    {
        (command, given) = (sub, matches);
    }
    let flags = command.get_arguments().filter(|arg| has_fallback(arg));
    let flags = flags.filter_map(|arg| arg.get_long().filter(|long| is_given(given, arg, long)));
    flags.map(str::to_owned).collect()
}

impl Layers {
    /// Returns whether the command line has it all.
    pub(crate) fn is_empty(&self) -> bool {
        self.defaults.is_empty() && self.added.is_empty()
    }

    /// Looks for the value of a flag that was not given.
    fn instead(
        &mut self,
        context: &Context<'_>,
        arg: &Arg,
        path: &[String],
    ) -> Result<(), Failure> {
        let Some(mut layer) = value(context, arg, path)? else { return Ok(()) };
        self.warnings.append(&mut layer.warnings);
        self.defaults.extend(Some(layer).filter(|layer| layer.is_set));
        Ok(())
    }

    /// Compares a flag that was given with the rule of the files.
    fn beside(
        &mut self,
        context: &Context<'_>,
        arg: &Arg,
        path: &[String],
        given: &ArgMatches,
    ) -> Result<(), Failure> {
        let long = arg.get_long().expect("a fallback needs a long flag");
        let Trust::Tighten(rule) = trust::of(context.tool, path, long) else { return Ok(()) };
        let entries = context.config.entries(path, long);
        let Some(layer) = files::value(context, arg, path, &entries)? else { return Ok(()) };
        if rule == Stricter::Union {
            self.added.push(layer);
        } else {
            let values = given_values(given, arg, long);
            self.warnings.extend(loosened(rule, &values, &layer, "the command line"));
        }
        Ok(())
    }
}

/// Returns the value of one flag from the environment or a file.
pub(crate) fn value(
    context: &Context<'_>,
    arg: &Arg,
    path: &[String],
) -> Result<Option<Layer>, Failure> {
    let long = arg.get_long().expect("a fallback needs a long flag");
    let entries = context.config.entries(path, long);
    let Some(value) = (context.environment)(&variable(context.tool, long)) else {
        return files::value(context, arg, path, &entries);
    };
    let origin = ConfigSource::Environment(variable(context.tool, long));
    let values = from_environment(arg, &value, &origin)?;
    let mut layer =
        Layer { path: path.to_vec(), long: long.to_owned(), values, origin, ..Layer::default() };
    let Trust::Tighten(rule) = trust::of(context.tool, path, long) else { return Ok(Some(layer)) };
    let Some(rules) = files::value(context, arg, path, &entries)? else { return Ok(Some(layer)) };
    if rule == Stricter::Union {
        let added = rules.values.iter().filter(|value| !layer.values.contains(value));
        layer.values = added.cloned().chain(layer.values.clone()).collect();
        layer.origin = ConfigSource::Several(vec![layer.origin, rules.origin]);
    } else {
        let warning = loosened(rule, &layer.values, &rules, &layer.origin.to_string());
        layer.notes.extend(warning.iter().cloned());
        layer.warnings.extend(warning);
    }
    Ok(Some(layer))
}

/// Says that a run has a looser rule than the files.
fn loosened(rule: Stricter, values: &[OsString], files: &Layer, origin: &str) -> Option<String> {
    let is_looser = files.is_set && trust::is_looser(rule, values, &files.values);
    let (long, file) = (&files.long, &files.origin);
    is_looser.then(|| {
        let (given, said) = (text::list(values), text::list(&files.values));
        format!("`--{long}` is {given} by {origin}, which is looser than {said} of {file}")
    })
}

/// Returns what the command line says of a flag.
fn given_values(given: &ArgMatches, arg: &Arg, long: &str) -> Vec<OsString> {
    let id = arg.get_id().as_str();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        let is_on = |id: &str| given.try_get_one::<bool>(id).ok().flatten() == Some(&true);
        let opposite = opposite(long);
        let is_off = is_on(&opposite) || is_on(&opposite.replace('-', "_"));
        return vec![(is_on(id) && !is_off).to_string().into()];
    }
    given.get_raw(id).into_iter().flatten().map(OsString::from).collect()
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

/// Returns the command with nothing required, to learn what was given.
pub(crate) fn all_optional(command: Command) -> Command {
    command
        .mut_args(|arg| if arg.is_positional() { arg } else { arg.required(false) })
        .mut_subcommands(all_optional)
}

/// Returns whether a flag of the command at `path` takes these values.
pub(crate) fn takes(command: &Command, path: &[String], arg: &Arg, values: &[OsString]) -> bool {
    use clap::error::ErrorKind;

    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return true;
    }
    let long = arg.get_long().unwrap_or_default().to_owned();
    let layer = Layer { long, values: values.to_vec(), ..Layer::default() };
    let line: Vec<OsString> = [command.get_name()]
        .into_iter()
        .chain(path.iter().map(String::as_str))
        .map(Into::into)
        .collect();
    let line = add(&line, &[layer]);
    let parsed = all_optional(command.clone()).try_get_matches_from(line);
    // What else the command lacks says nothing of the flag.
    parsed.err().is_none_or(|error| {
        !matches!(
            error.kind(),
            ErrorKind::InvalidValue
                | ErrorKind::ValueValidation
                | ErrorKind::InvalidUtf8
                | ErrorKind::TooManyValues
                | ErrorKind::TooFewValues
                | ErrorKind::WrongNumberOfValues
        )
    })
}

/// Gives the command line what adds to its own values, in front of what it gives to others as it is.
pub(crate) fn add(line: &[OsString], added: &[Layer]) -> Vec<OsString> {
    let flag = |layer: &Layer, value: &OsString| {
        let mut flag = OsString::from(format!("--{}=", layer.long));
        flag.push(value);
        flag
    };
    let flags: Vec<_> = added
        .iter()
        .flat_map(|layer| layer.values.iter().map(move |value| flag(layer, value)))
        .collect();
    let end = line.iter().position(|argument| argument == "--").unwrap_or(line.len());
    let (front, rest) = line.split_at(end);
    [front, &flags, rest].concat()
}

/// Trusting a file is for one run: neither a variable nor a file can do it.
pub(crate) const TRUST_FLAG: &str = "trust-project";

/// Returns whether a flag can come from the environment or a file.
pub(crate) fn has_fallback(arg: &Arg) -> bool {
    let settable = !matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    arg.get_long().is_some_and(|long| long != TRUST_FLAG) && settable && !arg.is_hide_set()
}

/// Returns the name of the variable of a flag.
pub(crate) fn variable(tool: &Tool, long: &str) -> String {
    let flag = long.replace('-', "_");
    format!("DEVOPS_{}_{flag}", tool.table).to_uppercase()
}

/// Returns the value of a variable of this process; an empty one counts as unset.
pub(crate) fn of_process(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
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
    origin: &ConfigSource,
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
    origin: &ConfigSource,
) -> Result<Vec<OsString>, Failure> {
    match arg.get_action() {
        ArgAction::SetTrue => match value.to_str().and_then(boolean) {
            Some(value) => Ok(vec![value.to_string().into()]),
            None => {
                Err(Failure::usage(format!("`{}` is not a boolean", text::quote(value.as_ref())))
                    .hint(format!("set {origin} to 1, true, yes, on or 0, false, no, off")))
            }
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
