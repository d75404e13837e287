//! An error of clap as a failure: in one line, with the place of a bad value.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use devops_core::kind::Kind;

use crate::{failure::Failure, layers::layer::Layer, text::escaped};

/// Returns what is wrong: the first paragraph of what clap says, in one line.
pub(crate) fn summary(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing; see `--help`".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // A value may have empty lines of its own: what follows says where the paragraph ends.
    let ends = ["\n\n  tip: ", "\n\nUsage: ", "\n\nFor more information"];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let paragraph = text[..end].trim_end();
    let line = match paragraph.split_once(":\n  ") {
        Some((first, list)) => format!("{first}: {}", list.replace("\n  ", ", ")),
        None => paragraph.replace("\n  ", " "),
    };
    escaped(&plain(&line).unwrap_or(line))
}

/// Says where a bad value came from that was not on the command line.
pub(crate) fn with_origin(error: &clap::Error, layers: &[Layer]) -> Option<Failure> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split([' ', '=']).next().unwrap_or_default().trim_end_matches("...");
    let layer = layers.iter().find(|layer| flag == format!("--{}", layer.long))?;
    let kind = if layer.origin.is_file() { Kind::Configuration } else { Kind::Usage };
    let hint = format!("the value comes from {}", layer.origin);
    Some(Failure::new(kind, summary(error)).hint(hint))
}

/// The messages of the standard library about invalid numbers, and their replacements.
const NUMBERS: [(&str, &str); 5] = [
    (": invalid digit found in string", ": it is not a whole number"),
    (": cannot parse integer from empty string", ": it is empty"),
    (": number too large to fit in target type", ": it is too large"),
    (": number too small to fit in target type", ": it is too small"),
    (": invalid float literal", ": it is not a number"),
];

/// Returns the text in plain words, if it tells of a number.
pub(crate) fn plain(text: &str) -> Option<String> {
    let (said, plain) = NUMBERS.iter().find(|(said, _)| text.contains(said))?;
    Some(text.replace(said, plain))
}
