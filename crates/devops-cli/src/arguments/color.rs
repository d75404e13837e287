//! The choice of streams that are colored.

use std::{
    ffi::{OsStr, OsString},
    io::{IsTerminal, stderr},
};

use clap::{ColorChoice, ValueEnum};

use crate::{
    layers::{self, context::Lookup},
    settings::ColorPolicy,
    tool::Tool,
};

const FLAG: &str = "--color";

/// Returns the color policy as far as the command line and the environment say it, before either is checked: help
/// and usage errors know nothing else.
pub(super) fn given(tool: &Tool, arguments: &[OsString], environment: Lookup<'_>) -> ColorPolicy {
    let on_line = on_line(arguments);
    let given = on_line.or_else(|| environment(&layers::variable(tool, "color")));
    let given = given.as_deref().and_then(OsStr::to_str);
    given.and_then(|text| ColorPolicy::from_str(text, false).ok()).unwrap_or(ColorPolicy::Auto)
}

/// Returns the last value of the flag on the command line.
fn on_line(arguments: &[OsString]) -> Option<OsString> {
    let words = arguments.iter().take_while(|word| *word != "--");
    let next = words.clone().skip(1).map(Some).chain([None]);
    let values =
        words.zip(next).filter_map(|(word, next)| match word.to_str()?.strip_prefix(FLAG)? {
            "" => next.cloned(),
            value => value.strip_prefix('=').map(OsString::from),
        });
    values.last()
}

/// Returns how clap colors help and usage errors.
pub(super) fn of_clap(tool: &Tool, arguments: &[OsString], environment: Lookup<'_>) -> ColorChoice {
    match given(tool, arguments, environment) {
        ColorPolicy::Always => ColorChoice::Always,
        ColorPolicy::Never => ColorChoice::Never,
        ColorPolicy::Auto => ColorChoice::Auto,
    }
}

/// Returns whether our messages on stderr are colored.
pub(super) fn of_stderr(policy: ColorPolicy) -> bool {
    is_wanted(policy, stderr().is_terminal())
}

/// Returns whether a stream is colored: where the policy leaves it open, if it is a terminal that knows colors and
/// `NO_COLOR` and `CLICOLOR` do not forbid them, as for help.
pub(crate) fn is_wanted(policy: ColorPolicy, is_terminal: bool) -> bool {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match policy {
        ColorPolicy::Always => true,
        ColorPolicy::Never => false,
        ColorPolicy::Auto => {
            let is_forced = variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
            let is_off = variable("CLICOLOR").is_some_and(|value| value == "0");
            let knows_colors = variable("TERM").is_some_and(|value| value != "dumb");
            variable("NO_COLOR").is_none()
                && (is_forced || (is_terminal && knows_colors && !is_off))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_color_on_the_line_counts_up_to_the_dashes() {
        let last = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            on_line(&words).map(|value| value.into_string().unwrap())
        };

        assert_eq!(last(&["x", "--color", "never", "--color=always"]).as_deref(), Some("always"));
        assert_eq!(last(&["x", "--color=never", "--", "--color=always"]).as_deref(), Some("never"));
        assert_eq!(last(&["x", "--colors", "never", "--color"]), None);
    }
}
