//! A tool, as its `main` describes it.

use clap::Command;

use crate::trust::kinds::Decision;

/// What is special about one tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    /// Its table in config files; in capitals the middle of `DEVOPS_<TABLE>_<FLAG>`.
    pub table: &'static str,
    /// The trust in a project file for each flag and each key of a profile, `profile.KEY`.
    pub trust: &'static [Decision],
    /// The operands that are the subject of a command, by the names of its fields. Settings that
    /// count only inside a project count if all of them are inside.
    pub subjects: &'static [(&'static str, &'static [&'static str])],
    /// Long flags whose values are never shown.
    pub secret: &'static [&'static str],
    /// A command whose long flags are the keys of a profile, `[<TABLE>.profile.NAME]` in config files;
    /// `None` where a tool has no profiles.
    pub profile: Option<fn() -> Command>,
    /// Words that other tools have for a command, each with the command of this one that is suggested.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// What a second signal does.
    pub second_signal: SecondSignal,
    /// A flag under which every failure ends with 1, since its other codes are answers.
    pub fails_with_1: Option<&'static str>,
}

/// What a second signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondSignal {
    /// The process ends at once.
    EndsAtOnce,
    /// It is counted; the tool looks at `Cancel::n_signals`.
    Counts,
}
