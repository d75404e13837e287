//! The words of errors are for people: no names of Rust's types, and nothing that steers a terminal.

use devops_core::terminal::steers;

/// Fails if an error shows a type of Rust (`Name(…)`, `Name { … }`) or something that a terminal obeys.
///
/// Each failure and each retry that any fault leads to comes through here.
#[track_caller]
pub(crate) fn check_words(error: &str) {
    assert!(!error.contains(steers), "{error:?}");
    assert_eq!(type_in(error), None, "{error}");
}

/// Returns the first word that looks like a type of Rust with its content.
fn type_in(text: &str) -> Option<&str> {
    let opened = text.match_indices(['(', '{']).find_map(|(at, bracket)| {
        let before = if bracket == "{" { text[..at].trim_end() } else { &text[..at] };
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        word.starts_with(char::is_uppercase).then_some(word)
    });
    opened.or_else(|| text.split_whitespace().find(|word| word.contains("::")))
}

#[test]
fn a_type_of_rust_is_known_when_it_is_seen() {
    for (text, found) in [
        ("PutObject: ResponseError(ResponseError { source: x })", Some("ResponseError")),
        ("HTTP 403: Some(\"x\")", Some("Some")),
        ("Request { headers }", Some("Request")),
        ("hyper::Error", Some("hyper::Error")),
        ("PutObject: SlowDown: wait (request 1)", None),
        ("HTTP 200 with an answer (of none)", None),
        ("`http://[::1]:9000`", Some("`http://[::1]:9000`")),
    ] {
        assert_eq!(type_in(text), found, "{text}");
    }
}
