//! Counting: a range of numbers that is never held in memory, and how each is written.

use super::{LessonError, number};

/// How wide a number may be padded.
const MAX_WIDTH: usize = 256;

/// Numbers from `start` towards `stop`, which is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    next: Option<i64>,
    stop: i64,
    step: i64,
}

impl Range {
    /// Reads `STOP`, `START STOP` or `START STOP STEP`, as Python's `range` takes them.
    pub fn parse(first: &str, second: Option<&str>, third: &str) -> Result<Self, LessonError> {
        let first = number::whole64(first)?;
        let (start, stop) = match second {
            Some(second) => (first, number::whole64(second)?),
            None => (0, first),
        };
        let by = number::whole64(third)?;
        if by == 0 {
            let wanted = "a step (it must not be zero)";
            return Err(LessonError::NotA { given: third.to_owned(), wanted });
        }
        Ok(Self { next: Some(start), stop, step: by })
    }
}

impl Iterator for Range {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let value = self.next.take()?;
        let inside = if self.step > 0 { value < self.stop } else { value > self.stop };
        // At the edge of 64 bits the range ends instead of wrapping.
        self.next = if inside { value.checked_add(self.step) } else { None };
        inside.then_some(value)
    }
}

/// A text with places for the number: `web-{:02}.prod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Number { width: usize, zeros: bool },
}

impl Format {
    /// Reads a format: `{}`, `{:5}` and `{:05}` are places, `{{` and `}}` are braces.
    pub fn parse(text: &str) -> Result<Self, LessonError> {
        let refuse =
            || LessonError::NotA { given: text.to_owned(), wanted: "a format such as 'web-{:02}'" };
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            let doubled = ["{{", "}}"].into_iter().find(|pair| brace.starts_with(pair));
            if let Some(pair) = doubled {
                plain.push_str(&pair[1..]);
                rest = &brace[2..];
                continue;
            }
            let place = brace.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (place, after) = place.ok_or_else(refuse)?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(parse_place(place).ok_or_else(refuse)?);
            rest = after;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self { parts })
    }

    /// Adds `value`, written this way, to `out`.
    pub fn write(&self, value: i64, out: &mut String) {
        use std::fmt::Write;
        for part in &self.parts {
            let written = match *part {
                Part::Text(ref text) => out.write_str(text),
                Part::Number { width, zeros: true } => write!(out, "{value:0width$}"),
                Part::Number { width, zeros: false } => write!(out, "{value:width$}"),
            };
            written.expect("a string takes everything");
        }
    }
}

fn parse_place(text: &str) -> Option<Part> {
    let spec = match text {
        "" => "",
        _ => text.strip_prefix(':')?,
    };
    let zeros = spec.len() > 1 && spec.starts_with('0');
    let width = if spec.is_empty() { 0 } else { spec.parse().ok()? };
    (width <= MAX_WIDTH && !spec.starts_with('+')).then_some(Part::Number { width, zeros })
}

/// Returns the lines of the notes about loops.
pub fn transcript() -> Vec<String> {
    let mut lines = vec!["--- Iterating through cloud providers ---".to_owned()];
    lines.extend(["aws", "azure", "gcp"].map(|name| format!("Processing provider: {name}")));
    lines.extend([String::new(), "--- Counting from 1 to 5 ---".to_owned()]);
    let count = Range { next: Some(1), stop: 6, step: 1 };
    lines.extend(count.map(|i| format!("Count is: {i}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(first: &str, second: Option<&str>, third: &str) -> Vec<i64> {
        Range::parse(first, second, third).unwrap().collect()
    }

    fn formatted(format: &str, value: i64) -> String {
        let mut out = String::new();
        Format::parse(format).unwrap().write(value, &mut out);
        out
    }

    #[test]
    fn counts_as_python_does() {
        assert_eq!(numbers("5", None, "1"), [0, 1, 2, 3, 4]);
        assert_eq!(numbers("1", Some("6"), "1"), [1, 2, 3, 4, 5]);
        assert_eq!(numbers("0", Some("10"), "2"), [0, 2, 4, 6, 8]);
        assert_eq!(numbers("5", Some("0"), "-1"), [5, 4, 3, 2, 1]);
        assert_eq!(numbers("5", Some("1"), "1"), [0; 0]);
    }

    #[test]
    fn ends_at_the_edge_of_64_bits() {
        assert_eq!(
            numbers("9223372036854775805", Some("9223372036854775807"), "5"),
            [i64::MAX - 2]
        );
        assert_eq!(numbers("-9223372036854775807", Some("-9223372036854775808"), "-3").len(), 1);
    }

    #[test]
    fn refuses_a_step_of_zero_fractions_and_what_is_too_large() {
        let refuse = |start, step| Range::parse(start, None, step).unwrap_err().to_string();

        assert_eq!(refuse("5", "0"), "'0' is not a step (it must not be zero)");
        assert_eq!(refuse("5.5", "1"), "'5.5' is not a whole number");
        assert_eq!(
            refuse("9223372036854775808", "1"),
            "'9223372036854775808' is out of range (max 9223372036854775807)"
        );
    }

    #[test]
    fn writes_numbers_into_a_format() {
        assert_eq!(formatted("web-{:02}.prod", 7), "web-07.prod");
        assert_eq!(formatted("{}/{:3}/{:03}", -4), "-4/ -4/-04");
        assert_eq!(formatted("{{{}}}", 4), "{4}");
        assert_eq!(formatted("same", 4), "same");
    }

    #[test]
    fn refuses_formats_it_does_not_know() {
        for text in ["{", "}", "{:x}", "{name}", "{:9999}", "{:+5}", "a}b"] {
            assert!(Format::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_transcript_has_a_blank_line_between_its_loops() {
        let lines = transcript();

        assert_eq!(lines.len(), 11);
        assert_eq!(lines[4], "");
        assert_eq!(lines[10], "Count is: 5");
    }
}
