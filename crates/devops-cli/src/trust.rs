//! The trust in a project file for each flag.
//!
//! A project file is found by walking up, so its author is unknown: it may be in a cloned
//! repository or in `/tmp`. It may choose looks and speed, and make rules stricter. A table of the
//! tool has the trust for each flag; a flag that is in no table is the user's alone, and fails the
//! tests.

use clap::Command;

use crate::{layers, tool::Tool};

mod inside;
mod stricter;

pub(crate) use self::{
    inside::Project,
    stricter::{Strictest, is_looser},
};

/// A row of a table: a long flag, or one of a subcommand as `check.interval`; and what a project may do.
pub type Decision = (&'static str, Trust);

/// The trust in a project file for a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It sets the flag as any file does: looks and speed.
    Project,
    /// It only makes the rule stricter.
    Tighten(Stricter),
    /// It sets the flag for what lies inside the project.
    Inside(Inside),
    /// It may not set the flag.
    User,
    /// It may not set the flag, which starts a program or changes what a program does; nor may a file that
    /// others can write.
    Program,
}

/// The order of the values of a rule, from loose to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stricter {
    /// All items of all lists, of things that are denied or protected.
    Union,
    /// The least number. Where nothing is set, a rule of the tool holds that allows this many at least;
    /// `None` where nothing is limited then.
    AtMost(Option<u64>),
    /// `true`.
    On,
    /// The word that comes first.
    First(&'static [&'static str]),
}

/// The kind of values of a flag that counts only inside the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Anything but a path.
    Value,
    /// Paths, which lie inside the project too.
    Path,
    /// Paths inside the project; `KEY=VALUE`, which the flag takes as well, is the user's.
    PathOnly,
    /// Patterns of excluded files: they add to those of other config files.
    Excludes,
    /// Files of such patterns, inside the project.
    ExcludeFiles,
    /// Patterns of included files: only those count that other config files have too.
    Includes,
}

impl Inside {
    /// Returns whether the values are paths.
    pub(crate) fn is_path(self) -> bool {
        matches!(self, Self::Path | Self::PathOnly | Self::ExcludeFiles)
    }
}

impl Trust {
    /// Returns whether a project file may set the flag at all.
    pub(crate) fn is_for_projects(self) -> bool {
        !matches!(self, Self::User | Self::Program)
    }

    /// Returns the word for it in `config show --trust`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Tighten(_) => "tighten",
            Self::Inside(_) => "inside",
            Self::User | Self::Program => "user",
        }
    }
}

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
