//! Lines and JSON that several commands print.

use std::{fmt::Display, path::Path};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::kind::Kind;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

/// Prints the lines of a transcript.
pub(super) fn print_lines(
    session: &Session,
    lines: impl IntoIterator<Item = impl Display>,
) -> Result<Outcome, Failure> {
    for line in lines {
        session.line(line)?;
    }
    Ok(Outcome::Done)
}

/// Prints a value as one JSON object with its type.
pub(super) fn emit(session: &Session, kind: &str, value: &impl Serialize) -> Result<(), Failure> {
    session.emit(&typed(kind, value)?)
}

pub(super) fn typed(kind: &str, value: &impl Serialize) -> Result<serde_json::Value, Failure> {
    let mut object = serde_json::to_value(value)
        .map_err(|error| Failure::new(Kind::Bug, format!("a result is no JSON: {error}")))?;
    object["type"] = kind.into();
    Ok(object)
}

/// Makes text from outside safe for a terminal.
pub(super) fn safe(text: &str) -> String {
    quote(Path::new(text))
}

/// Shows a moment as RFC 3339 in UTC, in whole seconds.
pub(super) fn rfc3339(moment: time::OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let moment = moment.replace_nanosecond(0).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}
