//! The subject of a command: a source, a stack.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::ArgMatches;

use crate::{text, tool::Tool, trust::Project};

/// The place of a command's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// All of it inside the project.
    Inside,
    /// The named thing is not.
    Outside(String),
    /// No command is run.
    Unknown,
}

impl Subject {
    /// Looks at the operands that the tool names for a command; without any nothing is inside.
    pub(crate) fn of(tool: &Tool, given: &ArgMatches, project: Option<&Project>) -> Self {
        let Some(project) = project else { return Self::Inside };
        let mut path = Vec::new();
        let mut given = given;
        while let Some((name, matches)) = given.subcommand() {
            path.push(name);
            given = matches;
        }
        let path = path.join(".");
        let ids = tool.subjects.iter().find(|(command, _)| *command == path).map(|(_, ids)| *ids);
        let values = ids.unwrap_or_default().iter().flat_map(|id| raw(given, id));
        let mut values = values.filter(|value| !is_address(value)).peekable();
        if values.peek().is_none() {
            return Self::Outside(format!("what `{}` works on", path.replace('.', " ")));
        }
        match values.find(|value| !project.holds_operand(value)) {
            Some(outside) => Self::Outside(format!("`{}`", text::quote(Path::new(&outside)))),
            None => Self::Inside,
        }
    }
}

fn raw(given: &ArgMatches, id: &str) -> Vec<OsString> {
    let values = given.try_contains_id(id).is_ok().then(|| given.get_raw(id)).flatten();
    values.into_iter().flatten().map(OsString::from).collect()
}

fn is_address(value: &OsStr) -> bool {
    value.as_encoded_bytes().starts_with(b"s3://")
}
