//! Values that were not on the command line: from the environment, then from config files.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

use crate::{
    failure::Failure,
    text,
    trust::{
        self,
        kinds::{Stricter, Trust},
    },
};

pub(crate) mod apply;
pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod flags;
pub(crate) mod layer;
mod subject;
pub(crate) mod values;

use self::values::from_environment;
pub(crate) use self::{
    apply::{add, all_optional, apply, takes},
    context::Context,
    flags::{has_fallback, of_process, opposite, variable},
    layer::{ConfigSource, Layer},
    subject::Subject,
    values::{boolean, from_file},
};

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

fn is_given(given: &ArgMatches, arg: &Arg, long: &str) -> bool {
    let on_line = |id: &str| {
        given.try_contains_id(id).is_ok()
            && given.value_source(id) == Some(ValueSource::CommandLine)
    };
    // A tool may declare the opposite itself, under the name of a field.
    let opposite = opposite(long);
    on_line(arg.get_id().as_str()) || on_line(&opposite) || on_line(&opposite.replace('-', "_"))
}
