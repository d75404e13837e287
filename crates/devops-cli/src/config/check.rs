//! What a config file may say.

use std::collections::BTreeSet;

use clap::Command;

use super::{
    Trust,
    file::{Entry, invalid, unknown},
    profiles,
};
use crate::{failure::Failure, layers, tool::Tool};

/// Refuses keys that no flag has, and keys that a project file may not set.
pub(super) fn check(
    tool: &Tool,
    command: &Command,
    entries: &[Entry],
    trust: Trust,
) -> Result<(), Failure> {
    for entry in entries {
        check_key(tool, command, entry)?;
        if trust == Trust::Project && is_guarded(tool, &entry.key) {
            return Err(invalid(
                &entry.file,
                entry.line,
                &format!("a project file may not set `{}`", entry.key),
            )
            .hint("set it on the command line, in the environment or in your own config file"));
        }
    }
    Ok(())
}

fn is_guarded(tool: &Tool, key: &str) -> bool {
    tool.guarded.iter().any(|long| long.replace('-', "_") == key)
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
