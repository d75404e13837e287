//! The trust in a project file for each flag.
//!
//! A project file is found by walking up, so its author is unknown: it may be in a cloned
//! repository or in `/tmp`. It may choose looks and speed, and make rules stricter. A table of the
//! tool has the trust for each flag; a flag that is in no table is the user's alone, and fails the
//! tests.

use clap::Command;

use crate::{layers, tool::Tool};

mod inside;
pub(crate) mod kinds;
mod stricter;

pub use self::kinds::{Decision, Inside, Stricter, Trust};
pub(crate) use self::{
    inside::Project,
    stricter::{Strictest, is_looser},
};

/// The flags that every tool has.
const SHARED: &[Decision] = &[
    ("color", Trust::Project),
    ("config", Trust::User),
    ("json", Trust::Project),
    ("log-format", Trust::Project),
    ("no-progress", Trust::Project),
    ("quiet", Trust::Project),
    ("verbose", Trust::Project),
];

/// Returns what was decided for a flag of the command at `path`; the closest row counts.
pub(crate) fn decision(tool: &Tool, path: &[String], long: &str) -> Option<Trust> {
    let rows = || tool.trust.iter().chain(SHARED);
    let find = |key: &str| rows().find(|(name, _)| *name == key).map(|(_, trust)| *trust);
    // The trust for a key of a profile does not depend on the name of the profile.
    let path = match path.first() {
        Some(first) if first == "profile" && tool.profile.is_some() => &path[..1],
        _ => path,
    };
    let qualified = (1..=path.len()).rev().map(|n| format!("{}.{long}", path[..n].join(".")));
    qualified.chain([long.to_owned()]).find_map(|key| find(&key))
}

/// Returns the trust in a project file for a flag; a flag without a decision is the user's.
pub(crate) fn of(tool: &Tool, path: &[String], long: &str) -> Trust {
    decision(tool, path, long).unwrap_or(Trust::User)
}

/// Returns the flags of a command, and of those below it, that a key of its table sets: each with its path.
pub(crate) fn reached(command: &Command, path: &[String], long: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let has = |arg: &clap::Arg| layers::has_fallback(arg) && arg.get_long() == Some(long);
    if command.get_arguments().any(has) {
        found.push(path.to_vec());
    }
    for sub in command.get_subcommands() {
        let path = [path, &[sub.get_name().to_owned()]].concat();
        found.extend(reached(sub, &path, long));
    }
    found
}
