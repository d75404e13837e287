//! The inputs that decide a value beside the flag itself.

use std::ffi::OsString;

use super::Subject;
use crate::{config::found::Config, tool::Tool};

/// Looks a variable up; an empty one counts as unset.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The inputs that decide a value beside the flag itself.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub tool: &'a Tool,
    pub config: &'a Config,
    pub environment: Lookup<'a>,
    /// The subject of the command.
    pub subject: &'a Subject,
}
