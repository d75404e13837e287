//! A text as it was before it was wrapped, indented and colored.

use std::borrow::Cow;

/// The bar that terraform draws beside a diagnostic.
const BAR: &[u8] = "│".as_bytes();

/// A text in which every gap is one space: spaces, line breaks with the bar or mark of the next line, colors.
///
/// Terraform breaks lines of a diagnostic at spaces, so a secret with a space may stand on two.
pub(super) struct View<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// The text as it was.
    source: &'a [u8],
    /// The offset of each byte in the source; empty where nothing was removed.
    places: Vec<usize>,
}

impl<'a> View<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let gaps = |pair: &[u8]| pair[0] == b' ' && pair[1] == b' ';
        let plain = |byte: &u8| *byte == b' ' || !(byte.is_ascii_whitespace() || *byte == 0x1b);
        if text.iter().all(plain) && !text.windows(2).any(gaps) {
            return Self { text: Cow::Borrowed(text), source: text, places: Vec::new() };
        }
        let (mut flat, mut places) =
            (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut at = 0;
        while at < text.len() {
            let (end, seen) = gap(text, at);
            if seen {
                flat.push(b' ');
                places.push(at);
            }
            if end == at {
                flat.push(text[at]);
                places.push(at);
                at += 1;
            } else {
                at = end;
            }
        }
        Self { text: Cow::Owned(flat), source: text, places }
    }

    /// Returns whether a part of the view is all that a provisioner prints in a line: `a.b (local-exec): text`.
    pub(super) fn is_line(&self, start: usize, end: usize) -> bool {
        let (start, end) = self.place(start, end);
        let is_newline = |byte: &u8| *byte == b'\n';
        let before = self.source[..start].rsplit(is_newline).next().unwrap_or_default();
        let after = self.source[end..].split(is_newline).next().unwrap_or_default();
        let [before, after] = [before, after].map(|text| Self::of(text).text);
        after.trim_ascii().is_empty() && before.trim_ascii().ends_with(b"):")
    }

    /// Returns where a part of the view stands in the text.
    pub(super) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        if self.places.is_empty() {
            (start, end)
        } else {
            (self.places[start], self.places[end - 1] + 1)
        }
    }
}

/// Returns the end of the gap at `at`, and whether it separates words; colors alone do not.
fn gap(text: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut seen, mut broken) = (start, false, false);
    loop {
        let rest = &text[at..];
        match rest {
            [byte, ..] if byte.is_ascii_whitespace() => {
                broken |= *byte == b'\n';
                seen = true;
                at += 1;
            }
            [b'+' | b'-' | b'~', b' ', ..] if broken => at += 1,
            _ if broken && rest.starts_with(BAR) => at += BAR.len(),
            [0x1b, b'[', codes @ ..] => {
                let Some(length) = codes.iter().position(u8::is_ascii_alphabetic) else {
                    return (at, seen);
                };
                at += length + 3;
            }
            _ => return (at, seen),
        }
    }
}
