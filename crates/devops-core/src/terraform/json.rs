//! Reads JSON of terraform, whose values may nest more deeply than `serde_json` reads by itself.

use serde::Deserialize;
use serde_json::{Deserializer, Error};

/// The deepest nesting that is read. All that walks a value calls itself once a level, and a stack has an end.
const DEPTH_LIMIT: usize = 500;

/// The error for a document that nests more deeply.
pub(super) const TOO_DEEP: &str = "values are nested more than 500 levels deep";

/// Reads a document; an error says where it is wrong without quoting it.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    match serde_json::from_slice(json) {
        Err(error) if is_about_depth(&error) && !is_too_deep(json) => {
            let mut deserializer = Deserializer::from_slice(json);
            deserializer.disable_recursion_limit();
            let value = T::deserialize(&mut deserializer).map_err(|error| place(&error))?;
            deserializer.end().map_err(|error| place(&error))?;
            Ok(value)
        }
        read => read.map_err(|error| place(&error)),
    }
}

/// Says where a document is wrong; the whole message could quote a value, except for what nests too deeply.
fn place(error: &Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    if is_about_depth(error) {
        return format!("{TOO_DEEP} at {place}");
    }
    place
}

fn is_about_depth(error: &Error) -> bool {
    error.to_string().starts_with("recursion limit exceeded")
}

/// Returns whether lists and objects are nested too deeply, also in parts that are not read.
pub(super) fn is_too_deep(json: &[u8]) -> bool {
    let mut depth = 0_usize;
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}\"[[\\\"[\"{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn reads_what_nests_deeply_up_to_a_limit() {
        for depth in [1, 127, 128, 300, DEPTH_LIMIT] {
            let value: Value = read(nested(depth).as_bytes()).unwrap();
            assert_eq!(value.to_string(), nested(depth));
        }
        let error = read::<Value>(nested(DEPTH_LIMIT + 1).as_bytes()).unwrap_err();
        assert_eq!(error, "values are nested more than 500 levels deep at line 1, column 128");
        let behind = nested(300) + " x";
        assert_eq!(read::<Value>(behind.as_bytes()).unwrap_err(), "line 1, column 609");
    }
}
