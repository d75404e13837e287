//! The forms in which terraform and its providers print a text.

use std::collections::BTreeSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The characters that are escaped in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The characters that are escaped in a segment of a path.
const PATH: &AsciiSet = &QUERY
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// Texts shorter than this are only hidden where they are the whole value: they occur everywhere.
pub(super) const PART_LENGTH: usize = 6;

/// Numbers with fewer digits are not hidden elsewhere: they occur everywhere.
const NUMBER_DIGITS: usize = 4;

/// A line of a longer secret with this many characters is no ordinary one.
const LONG_LINE: usize = 24;

/// Words of terraform's own: as a part of a text they say nothing about a secret that equals them.
const WORDS: [&str; 48] = [
    "applied",
    "applying",
    "backend",
    "changed",
    "changes",
    "complete",
    "completed",
    "configuration",
    "create",
    "created",
    "creating",
    "creation",
    "default",
    "delete",
    "deleted",
    "destroy",
    "destroyed",
    "destroying",
    "destruction",
    "failed",
    "ignore",
    "import",
    "imported",
    "importing",
    "invalid",
    "managed",
    "modifications",
    "modify",
    "modifying",
    "module",
    "modules",
    "output",
    "outputs",
    "planned",
    "provider",
    "providers",
    "provisioner",
    "reading",
    "refresh",
    "refreshing",
    "replace",
    "replaced",
    "resource",
    "resources",
    "terraform",
    "update",
    "updated",
    "variable",
];

/// One form of a secret, and how it is to be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) text: String,
    pub(super) find: Find,
}

/// The condition under which a form counts as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Find {
    /// Anywhere.
    Anywhere,
    /// Not within a longer word.
    Alone,
    /// Within base64, all of which is hidden.
    Encoded,
    /// In words for people only: it is too short for elsewhere.
    InText,
    /// The line of its own on which a provisioner prints it.
    Line,
}

/// Returns the forms of a secret too short or too common for elsewhere, for texts that quote values.
pub(super) fn alone(secret: &str) -> BTreeSet<Form> {
    let forms = escaped(secret.trim()).into_iter();
    forms.map(|text| Form { text, find: Find::Alone }).collect()
}

/// Returns every form of a secret that is searched for within longer texts.
pub(super) fn forms(secret: &str) -> BTreeSet<Form> {
    let mut forms = BTreeSet::new();
    let mut add = |text: String, find: Find| {
        forms.insert(Form { text, find });
    };
    if is_long_number(secret) {
        add(secret.to_owned(), Find::Alone);
    }
    let short = secret.trim().len() < PART_LENGTH || WORDS.contains(&secret.trim());
    for text in escaped(secret) {
        if short {
            add(format!("\"{text}\""), Find::InText);
        } else if !is_long_number(secret) {
            add(text, Find::Anywhere);
        }
    }
    if short {
        return forms;
    }
    for text in percent_encoded(secret) {
        add(text, Find::Anywhere);
    }
    for text in base64_cores(secret) {
        add(text, Find::Encoded);
    }
    let lines = secret.trim().lines().map(str::trim);
    for line in lines.filter(|line| secret.trim() != *line) {
        if is_telling(line) {
            add(line.to_owned(), Find::Anywhere);
            add(without_templates(line), Find::Anywhere);
        } else if is_content(line) {
            add(line.to_owned(), Find::Line);
        }
    }
    forms
}

/// Returns whether a line of a longer secret is worth hiding by itself.
///
/// `- destroy` and `name: postgres` are lines of any YAML, and stand in what terraform itself says.
fn is_telling(line: &str) -> bool {
    let value = line.trim_start_matches(['-', '+', '~', ' ']);
    let value = value.split_once(": ").map_or(value, |(_, value)| value);
    let is_word = |c: char| c.is_lowercase() || " _-.:,/(){}[]\"'".contains(c);
    line.len() >= LONG_LINE || (value.len() >= PART_LENGTH && !value.chars().all(is_word))
}

/// Returns whether a line of a longer secret is worth hiding where a provisioner prints it: brackets and
/// words of terraform's are not.
fn is_content(line: &str) -> bool {
    let word = line.trim_start_matches(['-', '+', '~', ' ']);
    !WORDS.contains(&word) && word.chars().filter(|c| c.is_alphanumeric()).count() >= 3
}

/// Returns the ways in which a text stands between quotes; the text itself is one.
fn escaped(text: &str) -> BTreeSet<String> {
    let json = Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let html = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let html = html.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let twice = Value::from(html.as_str()).to_string();
    let twice = twice[1..twice.len() - 1].to_owned();
    let forms = [
        text.to_owned(),
        json,
        html,
        twice,
        escape(text, Controls::Hex),
        escape(text, Controls::Unicode),
    ];
    forms.into_iter().flat_map(|form| [without_templates(&form), form]).collect()
}

/// Returns the percent-encoded forms of a text: with `+` or `%20` for a space, and as paths keep more.
fn percent_encoded(text: &str) -> [String; 3] {
    let strict = utf8_percent_encode(text, QUERY).to_string();
    [strict.replace("%20", "+"), strict, utf8_percent_encode(text, PATH).to_string()]
}

/// Returns what every base64 text holds that has the secret in it, wherever the secret begins.
fn base64_cores(text: &str) -> BTreeSet<String> {
    let mut cores = BTreeSet::new();
    for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
        for offset in 0..3_usize {
            let bytes = [&[0; 2][..offset.min(2)], text.as_bytes()].concat();
            let encoded = engine.encode(&bytes);
            let (start, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
            cores.insert(encoded[start..end].to_owned());
        }
    }
    cores
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
        ' '..='~' => c.to_string(),
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
fn without_templates(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

pub(super) fn is_long_number(text: &str) -> bool {
    text.len() < 400
        && text.parse::<f64>().is_ok()
        && text.bytes().filter(u8::is_ascii_digit).count() >= NUMBER_DIGITS
}
