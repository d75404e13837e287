//! Times as they are printed.

/// Shows a time to the second, in UTC.
pub(crate) fn rfc3339(time: time::OffsetDateTime) -> String {
    let seconds = time.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(time);
    seconds.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
