//! Declarations of input variables, read from the files of a stack before terraform is started.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{
    configuration::{self, SIZE_LIMIT},
    hcl::{Token, attributes, blocks_of, tokens},
};
use crate::{
    fs::{self, PathError},
    secret::Secret,
};

/// An input variable as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// The type as its first word: `string`, `list`, `object`; absent where none is declared.
    kind: Option<String>,
    /// Values of it are not to be shown.
    pub(super) is_sensitive: bool,
}

impl Declared {
    /// Returns whether terraform takes the text after `-var NAME=` as it is, and not as an expression.
    pub(super) fn is_literal(&self) -> bool {
        matches!(self.kind.as_deref(), None | Some("string" | "number" | "bool"))
    }
}

/// The input variables of a stack, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    declared: BTreeMap<String, Declared>,
    /// The configuration stores its state in a service that chooses among its workspaces.
    pub(super) has_cloud: bool,
}

impl Variables {
    /// Reads the files of a folder; what cannot be read is for terraform to complain about.
    pub(super) fn of(dir: &Path) -> Result<Self, PathError> {
        let mut variables = Self::default();
        for file in configuration::files(dir)? {
            let Ok(text) = fs::read_text(&file.path, SIZE_LIMIT) else { continue };
            if file.is_json { variables.add_json(&text) } else { variables.add(&text) }
        }
        Ok(variables)
    }

    /// Returns what is known of a variable; one that is not declared here may hold a secret.
    pub(super) fn get(&self, name: &str) -> Declared {
        let unknown = || Declared { kind: None, is_sensitive: true };
        self.declared.get(name).cloned().unwrap_or_else(unknown)
    }

    fn add(&mut self, text: &str) {
        let tokens = tokens(text);
        for (head, body) in blocks_of(&tokens) {
            match head {
                [.., Token::Word(word), Token::Word(name) | Token::Text(name)]
                    if word == "variable" =>
                {
                    self.declare(name, declared(body));
                }
                [.., Token::Word(word)] if word == "terraform" => {
                    self.has_cloud |= has_cloud(body);
                }
                _ => {}
            }
        }
    }

    fn declare(&mut self, name: &str, declared: Declared) {
        let known = self.declared.entry(name.to_owned()).or_default();
        known.is_sensitive |= declared.is_sensitive;
        known.kind = declared.kind.or(known.kind.take());
    }

    fn add_json(&mut self, text: &str) {
        let Ok(document) = serde_json::from_str::<Value>(text) else { return };
        for block in blocks(&document, "variable") {
            for (name, variable) in block.as_object().into_iter().flatten() {
                let is_set = |key: &str| variable.get(key) == Some(&Value::Bool(true));
                let kind = variable.get("type").and_then(Value::as_str).map(first_word);
                let is_sensitive = is_set("sensitive") || is_set("ephemeral");
                self.declare(name, Declared { kind, is_sensitive });
            }
        }
        self.has_cloud |= blocks(&document, "terraform").iter().any(|block| {
            block.get("cloud").is_some() || block.pointer("/backend/remote").is_some()
        });
    }
}

fn blocks<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    match document.get(name) {
        Some(Value::Array(blocks)) => blocks.iter().collect(),
        Some(block) => vec![block],
        None => Vec::new(),
    }
}

fn has_cloud(body: &[Token]) -> bool {
    let word = |token: &Token, wanted: &str| matches!(token, Token::Word(word) if word == wanted);
    body.windows(2).any(|pair| {
        (word(&pair[0], "cloud") && pair[1] == Token::Sign('{'))
            || (word(&pair[0], "backend") && pair[1] == Token::Text("remote".to_owned()))
    })
}

fn declared(body: &[Token]) -> Declared {
    let mut declared = Declared::default();
    for (name, value) in attributes(body) {
        match (name.as_str(), value.first()) {
            ("type", Some(Token::Word(word) | Token::Text(word))) => {
                declared.kind = Some(first_word(word));
            }
            ("sensitive" | "ephemeral", Some(Token::Word(word))) => {
                declared.is_sensitive |= word == "true";
            }
            _ => {}
        }
    }
    declared
}

fn first_word(text: &str) -> String {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

/// Returns the constants in a value of HCL, and the whole of it.
pub(super) fn constants(text: &str) -> Vec<Secret> {
    let within = tokens(text).into_iter().filter_map(constant);
    within.chain([text.trim().to_owned()]).map(Secret::new).collect()
}

fn constant(token: Token) -> Option<String> {
    match token {
        Token::Text(text) | Token::Template(text) => Some(text),
        Token::Word(word) if word.parse::<f64>().is_ok() => Some(word),
        _ => None,
    }
}

/// Returns the constants that a file of values has for variables that are sensitive.
pub(super) fn secrets_in(file: &str, is_json: bool, variables: &Variables) -> Vec<Secret> {
    let mut found = Vec::new();
    if is_json {
        let Ok(document) = serde_json::from_str::<Value>(file) else { return found };
        for (name, value) in document.as_object().into_iter().flatten() {
            if variables.get(name).is_sensitive {
                add_constants(value, &mut found);
            }
        }
        return found;
    }
    for (name, value) in attributes(&tokens(file)) {
        if variables.get(&name).is_sensitive {
            found.extend(value.iter().cloned().filter_map(constant).map(Secret::new));
        }
    }
    found
}

fn add_constants(value: &Value, found: &mut Vec<Secret>) {
    match value {
        Value::String(text) => found.push(Secret::new(text.as_str())),
        Value::Number(number) => found.push(Secret::new(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| add_constants(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| add_constants(field, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(files: &[(&str, &str)]) -> Variables {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::replace(&dir.path().join(name), text.as_bytes(), 0o600).unwrap();
        }
        Variables::of(dir.path()).unwrap()
    }

    fn exposed(secrets: &[Secret]) -> Vec<&str> {
        secrets.iter().map(Secret::expose).collect()
    }

    #[test]
    fn reads_how_variables_are_declared() {
        let variables = variables(&[
            (
                "main.tf",
                r#"
                # variable "commented" { type = list(string) }
                variable "plain" { default = "{" }
                variable "text" {
                  type        = string // list
                  description = "type = list"
                }
                variable "old" { type = "string" }
                variable hosts {
                  default = ["type = string"]
                  type    = list(string)
                  validation {
                    condition = length(var.hosts) > 0
                    type      = string
                  }
                }
                variable "pw" {
                  sensitive = true
                  type      = object({ a = string })
                }
                variable "token" { ephemeral = true }
                locals { variable = { type = 1 } }"#,
            ),
            ("more.tf.json", r#"{"variable": {"j": {"type": "map(string)", "sensitive": true}}}"#),
            ("z_override.tf", r#"variable "plain" { type = any }"#),
            ("notes.txt", r#"variable "notes" {}"#),
        ]);

        let literal = ["text", "old", "token"];
        for name in ["plain", "text", "old", "hosts", "pw", "token", "j"] {
            assert_eq!(variables.get(name).is_literal(), literal.contains(&name), "{name}");
            let is_sensitive = ["pw", "token", "j"].contains(&name);
            assert_eq!(variables.get(name).is_sensitive, is_sensitive, "{name}");
        }
        for name in ["commented", "notes"] {
            let unknown = variables.get(name);
            assert!(unknown.is_sensitive && unknown.is_literal(), "{name}");
        }
        assert!(!variables.has_cloud);
    }

    #[test]
    fn tells_a_state_kept_by_a_service() {
        let has = |name, text| variables(&[(name, text)]).has_cloud;

        assert!(has("a.tf", "terraform {\n  cloud {\n    organization = \"o\"\n  }\n}"));
        assert!(has("a.tf", "terraform {\n  backend \"remote\" {}\n}"));
        assert!(has("a.tf.json", r#"{"terraform": {"backend": {"remote": {}}}}"#));
        assert!(!has("a.tf", "terraform {\n  backend \"s3\" {}\n}\nlocals { cloud = 1 }"));
    }

    #[test]
    fn finds_the_values_of_sensitive_variables() {
        let variables = variables(&[(
            "main.tf",
            "variable \"pw\" { sensitive = true }\nvariable \"size\" {}\nvariable \"m\" {\n type = map(string)\n sensitive = true\n}",
        )]);
        let hcl = "size = \"big\"\npw = \"hunter2\" # not this\nm = {\n  \"k\" = \"v-1\"\n}\n";
        let json = r#"{"size": "big", "pw": "hunter2", "m": {"k": ["v-1", 77]}}"#;

        assert_eq!(exposed(&secrets_in(hcl, false, &variables)), ["hunter2", "k", "v-1"]);
        assert_eq!(exposed(&secrets_in(json, true, &variables)), ["v-1", "77", "hunter2"]);
        assert_eq!(exposed(&constants("[\"a\", 2]")), ["a", "2", "[\"a\", 2]"]);
    }
}
