//! The values that a flag takes from the environment or from a file.

use std::ffi::OsString;

use clap::{Arg, ArgAction};
use devops_core::kind::Kind;

use super::layer::ConfigSource;
use crate::{failure::Failure, text};

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
pub(super) fn from_environment(
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
