//! The options, events and results of a run of many commands.

use std::{ffi::OsStr, num::NonZeroUsize};

use serde::Serialize;

use crate::process::StdStream;

/// The end of the command of one item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemResult {
    /// The item; invalid UTF-8 is replaced.
    pub item: String,
    /// The exit code as a shell shows it; 126 and 127 also when it could not be started.
    pub exit: u8,
    /// The time it ran.
    pub seconds: f64,
    /// The reason it could not be started.
    pub error: Option<String>,
}

/// The options of a run of many commands.
#[derive(Clone, Copy, Debug)]
pub struct EachOptions {
    /// The number of commands that run at the same time.
    pub n_parallel: NonZeroUsize,
    /// Is set to start no further command after the first failure.
    pub fail_fast: bool,
    /// Is set to hand on output and results in the order of the items.
    pub keep_order: bool,
    /// The form of the output.
    pub output: EachOutput,
}

/// The form in which the output of the commands is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EachOutput {
    /// Each line as soon as it is written.
    Tagged,
    /// All lines of an item together, once its command has ended.
    Grouped,
    /// The bytes as they are written.
    Raw,
}

/// An event while the commands run.
#[derive(Debug)]
pub enum EachEvent<'a> {
    /// The command of an item wrote a line, or bytes where the output is raw.
    Output(&'a OsStr, StdStream, Vec<u8>),
    /// The command of an item has ended, and all of its output was handed on.
    Finished(&'a ItemResult),
}
