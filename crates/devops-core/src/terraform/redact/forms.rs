//! How terraform prints a text, and finding it in a line.

use serde_json::Value;

use super::{NUMBER_DIGITS, PART_LENGTH};

/// Returns how terraform may print a text: escaped in quotes, within a longer text, line by line, or as
/// a number.
pub(super) fn printed_forms(secret: &str) -> Vec<String> {
    let mut forms = quoted_forms(secret);
    if secret.len() >= PART_LENGTH {
        let inner = forms.iter().map(|form| form[1..form.len() - 1].to_owned());
        forms.extend(inner.collect::<Vec<_>>());
    }
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= PART_LENGTH);
    forms.extend(lines.flat_map(|line| [line.to_owned(), without_templates(line)]));
    if is_long_number(secret) {
        forms.push(secret.to_owned());
    }
    forms
}

/// Returns how terraform may print a text in quotes.
pub(super) fn quoted_forms(text: &str) -> Vec<String> {
    let json = Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let escaped = [json, escape(text, Controls::Hex), escape(text, Controls::Unicode)];
    let both = escaped.into_iter().flat_map(|inner| [without_templates(&inner), inner]);
    both.map(|inner| format!("\"{inner}\"")).collect()
}

/// How control characters without a letter of their own are escaped.
#[derive(Clone, Copy, PartialEq)]
enum Controls {
    /// `\x1b`, and letters for more of them, as Go does.
    Hex,
    /// `\u001b`, as HCL does.
    Unicode,
}

fn escape(text: &str, controls: Controls) -> String {
    text.chars().map(|c| escape_char(c, controls == Controls::Hex)).collect()
}

fn escape_char(c: char, go: bool) -> String {
    let code = u32::from(c);
    match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{7}' if go => "\\a".to_owned(),
        '\u{8}' if go => "\\b".to_owned(),
        '\u{b}' if go => "\\v".to_owned(),
        '\u{c}' if go => "\\f".to_owned(),
        '\0'..' ' | '\u{7f}' if go => format!("\\x{code:02x}"),
        _ if is_printable(c) => c.to_string(),
        _ if code > 0xffff => format!("\\U{code:08x}"),
        _ => format!("\\u{code:04x}"),
    }
}

fn is_printable(c: char) -> bool {
    // After another character, since one that combines is only escaped where a text begins with it.
    !format!("a{c}").escape_debug().any(|c| c == '{') || c == '{'
}

/// Writes what would begin a template so that it does not.
pub(super) fn without_templates(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

pub(super) fn is_long_number(text: &str) -> bool {
    text.parse::<f64>().is_ok() && text.bytes().filter(u8::is_ascii_digit).count() >= NUMBER_DIGITS
}

/// Replaces every occurrence; a number only where it is not a part of a longer word.
pub(super) fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let is_number = str::from_utf8(old).is_ok_and(is_long_number);
    let is_free = |byte: Option<&u8>| !is_number || !byte.is_some_and(u8::is_ascii_alphanumeric);
    replace_where(text, old, new, |before, after| is_free(before.last()) && is_free(after.first()))
}

/// Replaces a name that stands without quotes before its value: `name = …`.
pub(super) fn replace_name(text: &[u8], name: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let is_free = |byte: Option<&u8>| {
        !byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
    };
    replace_where(text, name, new, |before, after| {
        let rest = after.trim_ascii_start();
        is_free(before.last())
            && is_free(after.first())
            && rest.first() == Some(&b'=')
            && !rest.get(1).is_some_and(|byte| b"=>".contains(byte))
    })
}

/// Replaces every occurrence for which `fits` agrees with what stands before and after it.
fn replace_where(
    text: &[u8],
    old: &[u8],
    new: &[u8],
    fits: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Vec<u8>> {
    let find = |from: usize| {
        let windows = text.windows(old.len()).enumerate().skip(from);
        let mut found = windows.filter(|(_, window)| *window == old).map(|(at, _)| at);
        found.find(|&at| fits(&text[..at], &text[at + old.len()..]))
    };
    let mut at = find(0)?;
    let (mut replaced, mut done) = (Vec::with_capacity(text.len()), 0);
    loop {
        replaced.extend(&text[done..at]);
        replaced.extend(new);
        done = at + old.len();
        let Some(next) = find(done) else { break };
        at = next;
    }
    replaced.extend(&text[done..]);
    Some(replaced)
}
