//! What a config file may say.

use std::collections::BTreeSet;

use clap::Command;

use super::{
    entry::{Entry, invalid, unknown},
    file::Settings,
    profiles,
};
use crate::{
    failure::Failure,
    layers,
    owners::Owners,
    text,
    tool::Tool,
    trust::{self, kinds::Trust},
};

/// Refuses keys that no flag has, and those that say nothing.
pub(super) fn keys(tool: &Tool, command: &Command, found: &mut Settings) -> Result<(), Failure> {
    if !found.faults.is_empty() {
        return Err(found.faults.swap_remove(0).1);
    }
    found.entries.iter().try_for_each(|entry| check_key(tool, command, entry))
}

/// Refuses keys that a project file may not set.
pub(super) fn project(tool: &Tool, command: &Command, entries: &[Entry]) -> Result<(), Failure> {
    let refused =
        |entry: &&Entry| !decisions(tool, command, entry).into_iter().all(Trust::is_for_projects);
    match entries.iter().find(refused) {
        Some(entry) => Err(invalid(
            &entry.file,
            entry.line,
            &format!("a project file may not set `{}`", entry.key),
        )
        .hint(
            "set it on the command line, in the environment or in your own config file, or trust \
             this file for one run with `--trust-project FILE`",
        )),
        None => Ok(()),
    }
}

/// Keeps only the rules that a file makes stricter; returns the other keys, for a message.
pub(super) fn keep_rules(tool: &Tool, command: &Command, found: &mut Settings) -> Option<String> {
    let is_rule = |entry: &Entry| {
        let mut decisions = decisions(tool, command, entry).into_iter();
        check_key(tool, command, entry).is_ok()
            && profiles::names(entry).is_none()
            && decisions.all(|it| matches!(it, Trust::Tighten(_)))
            && is_understood(command, entry)
    };
    let (rules, ignored): (Vec<_>, Vec<_>) = found.entries.drain(..).partition(is_rule);
    found.entries = rules;
    let ignored = ignored.into_iter().map(|entry| entry.key);
    let ignored = ignored.chain(found.faults.drain(..).map(|(key, _)| key));
    let ignored: BTreeSet<String> =
        ignored.map(|key| format!("`{}`", text::escaped(&key))).collect();
    (!ignored.is_empty()).then(|| ignored.into_iter().collect::<Vec<_>>().join(", "))
}

/// Refuses programs that are named by a file that others can write.
pub(super) fn programs(tool: &Tool, entries: &[Entry], owners: &Owners) -> Result<(), Failure> {
    let starts = |entry: &&Entry| {
        trust::of(tool, &entry.tables, &entry.key.replace('_', "-")) == Trust::Program
    };
    let Some(entry) = entries.iter().find(starts) else { return Ok(()) };
    let Some(why) = owners.other_writer() else { return Ok(()) };
    let what = format!("`{}` starts a program, and {why}", entry.key);
    Err(invalid(&entry.file, entry.line, &what)
        .hint("make the file yours or root's, and writable by its owner alone"))
}

/// Returns whether each flag that a key sets takes its values.
fn is_understood(command: &Command, entry: &Entry) -> bool {
    let long = entry.key.replace('_', "-");
    trust::reached(command, &[], &long)
        .into_iter()
        .filter(|path| path.starts_with(&entry.tables))
        .all(|path| {
            let table = path.iter().try_fold(command, |table, name| table.find_subcommand(name));
            let args = table.into_iter().flat_map(Command::get_arguments);
            let arg = args.into_iter().find(|arg| arg.get_long() == Some(&long));
            let arg = arg.expect("the flag was found below the command");
            let values = entry.values.iter().map(Into::into).collect();
            layers::from_file(arg, values, &entry.origin())
                .is_ok_and(|values| layers::takes(command, &path, arg, &values))
        })
}

/// Returns what a project file may do with each flag that a key sets.
fn decisions(tool: &Tool, command: &Command, entry: &Entry) -> Vec<Trust> {
    let long = entry.key.replace('_', "-");
    if tool.profile.is_some() && profiles::names(entry).is_some() {
        return vec![trust::of(tool, &entry.tables, &long)];
    }
    let mut table = command;
    for name in &entry.tables {
        let Some(sub) = table.find_subcommand(name) else { return Vec::new() };
        table = sub;
    }
    let reached = trust::reached(table, &entry.tables, &long);
    reached.iter().map(|path| trust::of(tool, path, &long)).collect()
}

fn check_key(tool: &Tool, command: &Command, entry: &Entry) -> Result<(), Failure> {
    if let (Some(keys), Some(names)) = (tool.profile, profiles::names(entry)) {
        return check_profile(&keys(), entry, names);
    }
    let mut table = command;
    for name in &entry.tables {
        table = table.find_subcommand(name).ok_or_else(|| {
            let known = table.get_subcommands().map(Command::get_name);
            unknown(&entry.file, entry.line, name, known)
        })?;
    }
    // A tool's own table may set the flags of every command below; a command's table its own.
    let mut keys = BTreeSet::new();
    collect_keys(table, &mut keys);
    if keys.contains(&entry.key) {
        return Ok(());
    }
    Err(unknown(&entry.file, entry.line, &entry.key, keys.iter().map(String::as_str)))
}

/// A key of one profile, or of the table that stands for all of them.
fn check_profile(keys: &Command, entry: &Entry, names: &[String]) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    collect_keys(keys, &mut known);
    match names {
        [] => {}
        [name] if profiles::is_name(name) => {}
        [name] => {
            let what = format!("`{name}` cannot be the name of a profile");
            return Err(invalid(&entry.file, entry.line, &what).hint(
                "a name has letters, digits, `-`, `_` and `.`, and begins with a letter or digit",
            ));
        }
        [_, inner, ..] => {
            let known = known.iter().map(String::as_str);
            return Err(unknown(&entry.file, entry.line, inner, known));
        }
    }
    if known.contains(&entry.key) {
        return Ok(());
    }
    Err(unknown(&entry.file, entry.line, &entry.key, known.iter().map(String::as_str)))
}

fn collect_keys(command: &Command, keys: &mut BTreeSet<String>) {
    let flags = command.get_arguments().filter(|arg| layers::has_fallback(arg));
    let longs = flags.filter_map(|arg| arg.get_long());
    // Which file to read cannot stand in a file.
    keys.extend(longs.filter(|long| *long != "config").map(|long| long.replace('-', "_")));
    for sub in command.get_subcommands() {
        collect_keys(sub, keys);
    }
}
