//! JSON as the contract wants it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use devops_core::terminal::steers;
use serde::Serialize;
use serde_json::{Map, Value};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Writes one line of JSON, in which what would steer a terminal is escaped as JSON escapes it.
pub(crate) fn line(object: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(object)?;
    if !text.contains(steers) {
        return Ok(text);
    }
    // Outside of strings JSON has no such characters.
    let escape =
        |c: char| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Ok(text.chars().map(escape).collect())
}

/// Inserts `path` under `key`, and its exact bytes under `{key}_b64` when it is not UTF-8.
pub fn insert_path(object: &mut Map<String, Value>, key: &str, path: &Path) {
    let text: &OsStr = path.as_os_str();
    object.insert(key.to_owned(), text.to_string_lossy().into());
    if text.to_str().is_none() {
        object.insert(format!("{key}_b64"), BASE64_STANDARD.encode(text.as_bytes()).into());
    }
}

/// Shows a time in UTC, as JSON wants it; null past the end of the calendar, where an archive may say it is.
pub fn utc(time: OffsetDateTime) -> Value {
    time.checked_to_offset(UtcOffset::UTC)
        .and_then(|time| time.format(&Rfc3339).ok())
        .map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn only_a_path_that_is_not_utf8_carries_its_bytes() {
        let mut object = Map::new();
        insert_path(&mut object, "plain", Path::new("a/b"));
        insert_path(&mut object, "odd", Path::new(OsStr::from_bytes(b"a\xff")));

        assert_eq!(
            Value::Object(object),
            serde_json::json!({"plain": "a/b", "odd": "a\u{fffd}", "odd_b64": "Yf8="})
        );
    }

    #[test]
    fn no_line_of_json_steers_a_terminal() {
        let value = serde_json::json!({"id": "a\u{9b}31m\u{1b}[2J\u{7f}\n\u{202e}\u{fc}"});

        let text = line(&value).unwrap();

        assert_eq!(text, r#"{"id":"a\u009b31m\u001b[2J\u007f\n\u202eü"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_time_past_the_calendar_has_no_utc() {
        assert_eq!(utc(datetime!(9999-12-31 23:59:59 -23:59)), Value::Null);
        assert_eq!(utc(datetime!(2026-11-22 08:49:39 +1)), "2026-11-22T07:49:39Z");
    }
}
