//! Profiles: the tables `[<TABLE>.profile.NAME]`.
//!
//! A key that a profile leaves open comes from `[<TABLE>.profile]`, then from `[<TABLE>]`, if it is a
//! flag too. The environment has no say: a profile is the same wherever it is run.

use clap::Command;

use super::{
    entry::{Entry, invalid},
    found::Config,
};
use crate::{
    failure::Failure,
    layers::{self, Subject, context::Context, files, layer::Layer},
    profile::ProfileTable,
    text,
    tool::Tool,
    trust::{self, kinds::Trust},
};

/// The table that holds the profiles.
const PROFILE: &str = "profile";

/// Returns the profiles, the strongest file first, each file in its own order.
pub(crate) fn profiles(config: &Config, tool: &Tool) -> Result<Vec<ProfileTable>, Failure> {
    let Some(keys) = tool.profile else { return Ok(Vec::new()) };
    let mut tables: Vec<ProfileTable> = Vec::new();
    for entry in &config.entries {
        let Some([name]) = names(entry) else { continue };
        match tables.iter_mut().find(|table| table.name == *name) {
            Some(table) if table.file == entry.file => table.line = table.line.min(entry.line),
            Some(_) => {}
            None => tables.push(ProfileTable {
                name: name.clone(),
                file: entry.file.clone(),
                line: entry.line,
                keys,
                layers: layers_of(config, tool, &keys(), name)?,
                inside: config.project.clone().filter(|_| entry.is_of_project()),
                paths: paths_of(tool, &keys()),
            }),
        }
    }
    let rank = |table: &ProfileTable| {
        let file = config.entries.iter().position(|entry| entry.file == table.file);
        (file, table.line)
    };
    tables.sort_by_key(rank);
    Ok(tables)
}

fn layers_of(
    config: &Config,
    tool: &Tool,
    keys: &Command,
    name: &str,
) -> Result<Vec<Layer>, Failure> {
    let path = [PROFILE.to_owned(), name.to_owned()];
    // What a project file sets for its own profiles must not change those of others.
    let is_trusted =
        config.entries.iter().any(|entry| is_of(entry, name) && !entry.is_of_project());
    let counts = |entry: &Entry| !is_trusted || !entry.is_of_project();
    // The targets of its paths are checked when the profile is read.
    let context = Context { tool, config, environment: &|_| None, subject: &Subject::Unknown };
    let mut found = Vec::new();
    for arg in keys.get_arguments().filter(|arg| layers::has_fallback(arg)) {
        let long = arg.get_long().expect("a fallback needs a long flag");
        let entries = config.entries_of(&path, long, counts);
        let layer = files::value(&context, arg, &path, &entries)?;
        found.extend(layer.filter(|layer| layer.is_set));
    }
    Ok(found)
}

/// Returns the keys whose values must be inside the project if the profile is a project's.
fn paths_of(tool: &Tool, keys: &Command) -> Vec<String> {
    let path = [PROFILE.to_owned()];
    let longs = keys.get_arguments().filter_map(|arg| arg.get_long());
    let is_path = |long: &&str| match trust::of(tool, &path, long) {
        Trust::Inside(inside) => inside.is_path(),
        _ => false,
    };
    longs.filter(is_path).map(ToOwned::to_owned).collect()
}

/// Returns the tables below the one of profiles; `None` when the entry is about something else.
pub(super) fn names(entry: &Entry) -> Option<&[String]> {
    entry.tables.split_first().filter(|(first, _)| *first == PROFILE).map(|(_, names)| names)
}

fn is_of(entry: &Entry, name: &str) -> bool {
    matches!(names(entry), Some([found]) if found == name)
}

/// Returns whether a name can stand in the names of files and units.
pub(super) fn is_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() <= 64
        && name.bytes().all(is_known)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// Refuses a project file that changes a profile of the user or the system.
pub(super) fn check_owners(entries: &[Entry]) -> Result<(), Failure> {
    for entry in entries.iter().filter(|entry| entry.is_of_project()) {
        let Some([name, ..]) = names(entry) else { continue };
        let owner = entries.iter().find(|other| is_of(other, name) && !other.is_of_project());
        if let Some(owner) = owner {
            let what = format!(
                "a project file may not change the profile `{name}` of {}",
                text::quote(&owner.file)
            );
            return Err(invalid(&entry.file, entry.line, &what).hint("choose another name for it"));
        }
    }
    Ok(())
}
