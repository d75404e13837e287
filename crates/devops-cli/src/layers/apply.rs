//! A command with the values of layers.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::layer::Layer;

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
