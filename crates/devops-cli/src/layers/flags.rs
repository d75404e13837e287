//! The flags that can come from outside the command line, and the names they have there.

use std::ffi::OsString;

use clap::{Arg, ArgAction};

use crate::tool::Tool;

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
