//! The values of the flags that every tool has.

use clap::ValueEnum;

use crate::profile::ProfileTable;

/// The values of the flags that every tool has.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Settings {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    pub no_progress: bool,
    pub color: ColorPolicy,
    pub log_format: LogFormat,
    /// `CI` is set: some systems give a terminal that is not watched.
    pub ci: bool,
    pub profiles: Vec<ProfileTable>,
    /// Warnings of settings that do not count, and of rules that this run loosens.
    pub warnings: Vec<String>,
    /// The flags of the command that stand on the command line itself, without their dashes.
    pub given: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorPolicy {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}
