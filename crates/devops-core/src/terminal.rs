//! Text that others wrote, shown so that it cannot steer a terminal.

use std::fmt::{self, Write};

/// Shows a text in one line: control characters, line breaks and what turns the direction of a text are
/// escaped as Rust writes them.
///
/// A text without any of these is shown as it is, and an escaped one is not escaped again.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| steers(c)) {
            f.write_str(&rest[..at])?;
            write!(f, "{}", c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Returns whether a terminal obeys a character instead of showing it.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows lines of ours that may hold text of others: line breaks, tabs and colors stay, and whatever else
/// would steer a terminal is escaped.
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|&(_, c)| steers(c)) {
        shown.push_str(&rest[..at]);
        let (stays, n) = match color(&rest[at..]) {
            Some(n) => (true, n),
            None => (matches!(c, '\n' | '\t'), c.len_utf8()),
        };
        let found = &rest[at..at + n];
        if stays {
            shown.push_str(found);
        } else {
            write!(shown, "{}", Escaped(found)).expect("a string takes all");
        }
        rest = &rest[at + n..];
    }
    shown.push_str(rest);
    shown
}

/// Returns the length of the sequence at the beginning of a text that only changes colors (ECMA-48, SGR).
fn color(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, shown) in [
            ("a ü 日本", "a ü 日本"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[2J\u{9b}31m\u{7f}", r"\u{1b}[2J\u{9b}31m\u{7f}"),
            ("\u{202e}\u{2066}\u{200f}\u{2028}", r"\u{202e}\u{2066}\u{200f}\u{2028}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
            assert_eq!(Escaped(shown).to_string(), shown);
        }
    }

    #[test]
    fn lines_keep_their_breaks_and_colors() {
        let ours = "a\tb\n\u{1b}[31mred\u{1b}[0m\u{1b}[1;32m";
        assert_eq!(lines(ours), ours);
        for (text, shown) in [
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("\u{1b}[2J\u{1b}[31", r"\u{1b}[2J\u{1b}[31"),
            ("\u{9b}31m\r\u{8}", r"\u{9b}31m\r\u{8}"),
        ] {
            assert_eq!(lines(text), shown);
        }
    }
}
