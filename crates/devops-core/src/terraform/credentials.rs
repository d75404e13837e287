//! Credentials of a backend: in its settings, in addresses and in environment variables. Terraform's errors
//! quote all of them.

use std::path::Path;

use serde_json::Value;

use super::{
    address::{is_credential, parameters_of, password_of},
    hcl::{self, Token},
    stack::Stack,
};
use crate::{fs, secret::Secret};

/// Files of a configuration and of a backend are small; what is larger is none.
const SIZE_LIMIT: u64 = 16 << 20;

/// The environment variables that backends read and that give access, or hold an address that may.
const VARIABLES: [&str; 16] = [
    "ARM_ACCESS_KEY",
    "ARM_CLIENT_CERTIFICATE_PASSWORD",
    "ARM_CLIENT_SECRET",
    "ARM_SAS_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "CONSUL_HTTP_AUTH",
    "CONSUL_HTTP_TOKEN",
    "GOOGLE_ENCRYPTION_KEY",
    "PGPASSWORD",
    "PG_CONN_STR",
    "TF_HTTP_ADDRESS",
    "TF_HTTP_LOCK_ADDRESS",
    "TF_HTTP_PASSWORD",
    "TF_HTTP_UNLOCK_ADDRESS",
    "TENCENTCLOUD_SECRET_KEY",
];

/// Returns what of a setting of the backend must not be shown.
pub(super) fn credentials_in(name: &str, value: &str) -> Vec<Secret> {
    let inner: Vec<_> = password_of(value)
        .into_iter()
        .chain(parameters_of(value))
        .chain(pairs_of(value))
        .filter(|part| !part.is_empty())
        .collect();
    let whole = (is_credential(name) || !inner.is_empty()).then_some(value);
    let mut found: Vec<_> = whole.into_iter().chain(inner).map(Secret::new).collect();
    if hcl::is_collection(value) {
        let inner = value.trim().trim_start_matches('{').trim_end_matches('}');
        found.extend(credentials_in_tokens(&hcl::tokens(inner)));
    }
    found
}

/// Returns what of a file with settings of the backend must not be shown.
pub(super) fn credentials_in_file(path: &Path) -> Vec<Secret> {
    // A file that is no text is for terraform to complain about.
    let text = fs::read_text(path, SIZE_LIMIT).unwrap_or_default();
    credentials_in_tokens(&hcl::tokens(&text))
}

fn credentials_in_tokens(tokens: &[Token]) -> Vec<Secret> {
    let mut found = Vec::new();
    for three in tokens.windows(3) {
        if let [Token::Word(name) | Token::Text(name), Token::Sign('=' | ':'), Token::Text(value)] =
            three
        {
            found.extend(credentials_in(name, value));
        }
    }
    found
}

/// Returns the values that give access in a text of pairs: `host=h password=p`.
fn pairs_of(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(name, _)| is_credential(name) && !name.contains("://"));
    pairs.map(|(_, value)| value.trim_matches(['\'', '"']))
}

/// Returns what gives access to the backend of a stack, wherever it was given: in the environment, in the
/// configuration, or to an earlier init.
pub(super) fn credentials_of(stack: &Stack) -> Vec<Secret> {
    let variables = VARIABLES.iter().filter_map(|name| {
        let value = stack.environment.get(name)?.to_str()?;
        Some(credentials_in(name, value))
    });
    let mut found: Vec<_> = variables.flatten().collect();
    let initialized = fs::read_text(&stack.data_dir().join("terraform.tfstate"), SIZE_LIMIT);
    found.extend(initialized.iter().flat_map(|text| credentials_in_json(text)));
    found.extend(credentials_in_configuration(&stack.dir));
    found
}

/// Returns what the backend blocks of a configuration hold; terraform complains about files that it cannot read.
fn credentials_in_configuration(dir: &Path) -> Vec<Secret> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".tf") || name.ends_with(".tofu") {
            let text = fs::read_text(&path, SIZE_LIMIT).unwrap_or_default();
            found.extend(credentials_in_tokens(backend_block(&hcl::tokens(&text))));
        } else if name.ends_with(".tf.json") || name.ends_with(".tofu.json") {
            let text = fs::read_text(&path, SIZE_LIMIT).unwrap_or_default();
            found.extend(credentials_in_json(&text));
        }
    }
    found
}

/// Returns the content of the backend block; a configuration has at most one.
fn backend_block(tokens: &[Token]) -> &[Token] {
    let is_start = |three: &[Token]| matches!(three, [Token::Word(word), Token::Text(_), Token::Sign('{')] if word == "backend");
    let Some(start) = tokens.windows(3).position(is_start) else { return &[] };
    let content = &tokens[start + 3..];
    let mut depth = 1;
    let end = content.iter().position(|token| {
        depth += match token {
            Token::Sign('{') => 1,
            Token::Sign('}') => -1,
            _ => 0,
        };
        depth == 0
    });
    &content[..end.unwrap_or(content.len())]
}

/// Returns what everything called `backend` holds in a JSON document.
fn credentials_in_json(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    if let Ok(document) = serde_json::from_str(text) {
        walk(&document, false, &mut |name, text| found.extend(credentials_in(name, text)));
    }
    found
}

fn walk(value: &Value, is_backend: bool, on_text: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if is_backend => on_text(name, text),
                    _ => walk(field, is_backend || name == "backend", on_text),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, is_backend, on_text)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &[Secret]) -> Vec<&str> {
        found.iter().map(Secret::expose).collect()
    }

    #[test]
    fn credentials_are_known_by_their_names_and_in_addresses() {
        for (name, value, wanted) in [
            ("conn_str", "postgres://tf:Sup%zz-1@h:9/db", &["Sup%zz-1"][..]),
            ("conn_str", "postgres://u:C4n4ry/pw@db:1/x", &["C4n4ry/pw"]),
            ("conn_str", "postgres://h:abc/db?user=u&password=C4n4ry", &["C4n4ry"]),
            ("conn_str", "host=h user=u password='C4n4ry' dbname=d", &["C4n4ry"]),
            ("address", "https://h/s?api-version=1&sig=C4n4ry", &["C4n4ry"]),
            ("address", "https://h/s?X-Amz-Signature=C4n4ry#x", &["C4n4ry"]),
        ] {
            assert_eq!(texts(&credentials_in(name, value)), [&[value], wanted].concat());
        }
        assert_eq!(texts(&credentials_in("password", "p")), ["p"]);
        let role = "{ role_arn = \"r\", session_token = \"t\" }";
        assert_eq!(texts(&credentials_in("assume_role", role)), ["t"]);
        for (name, value) in [
            ("key", "k"),
            ("endpoints", "{s3=\"http://h:9/a@b\"}"),
            ("region", "r"),
            ("address", "https://h/s?workspace=prod"),
        ] {
            assert_eq!(texts(&credentials_in(name, value)), [""; 0], "{name}");
        }
    }

    #[test]
    fn only_the_backend_block_of_a_configuration_is_read() {
        let hcl = "resource \"a\" \"b\" { password = \"public\" }\nterraform {\n  backend \"pg\" {\n    \
                   conn_str = \"postgres://u:C4n4ry%%pw@h/db\"\n    x = { token = \"t0ken\" }\n  }\n}\n\
                   locals { secret = \"public\" }";
        let json = r#"{"terraform": [{"backend": {"http": {"password": "C4n4ry"}}}],
                       "resource": {"a": {"b": {"password": "public"}}}}"#;

        let found = credentials_in_tokens(backend_block(&hcl::tokens(hcl)));

        assert_eq!(texts(&found), ["postgres://u:C4n4ry%%pw@h/db", "C4n4ry%%pw", "t0ken"]);
        assert_eq!(texts(&credentials_in_json(json)), ["C4n4ry"]);
    }
}
