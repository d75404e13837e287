//! Writes values as terraform writes them.

use std::fmt::Write;

use crate::{terminal::steers, units::count};

/// The length beyond which a text is shortened unless `full` is set.
const LONG: usize = 400;

/// As much is shown around the first character that differs.
const AROUND: usize = 120;

/// Writes a text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if steers(c) => push_escaped(&mut quoted, c),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Escapes what could command a terminal or reorder what it shows.
pub(in crate::terraform) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\t' { push_escaped(&mut clean, c) } else { clean.push(c) }
    }
    clean
}

fn push_escaped(text: &mut String, c: char) {
    let _written = write!(text, "\\u{:04x}", u32::from(c));
}

/// Writes the name of an attribute or the key of a map.
pub(super) fn label(name: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_name = name.chars().all(is_word)
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if is_name { name.to_owned() } else { quoted(name) }
}

/// Returns whether a text is better shown line by line.
pub(super) fn has_lines(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n') && !text.lines().any(|line| line.trim() == "EOT")
}

/// Cuts two long texts to what stands around their first difference; says how long they are.
pub(super) fn cut(text: &str, other: &str) -> String {
    if text.len() <= LONG {
        return quoted(text);
    }
    let same = text.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    // Where one begins like the other, the end of both is what differs.
    let start = if same == text.len() { same.saturating_sub(AROUND) } else { same };
    let start = text.floor_char_boundary(start.saturating_sub(AROUND / 2));
    let end = text.ceil_char_boundary((start + 2 * AROUND).min(text.len()));
    let before = if start > 0 { "\u{2026}" } else { "" };
    let after = if end < text.len() { "\u{2026}" } else { "" };
    format!("{before}{}{after} ({})", quoted(&text[start..end]), count(text.len(), "byte"))
}
