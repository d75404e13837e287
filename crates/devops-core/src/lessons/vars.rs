//! Variables: what the environment holds, and whether it keeps a contract.

use std::ffi::{OsStr, OsString};

use serde::Serialize;

use super::LessonError;
use crate::{
    secret::{is_secret_name, without_secrets},
    units,
};

/// What stands in place of a secret.
const REDACTED: &str = "***";

/// What the value of a variable has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VarType {
    /// Any text that is not empty.
    String,
    /// A whole number of 64 bits.
    Int,
    /// `true`, `false`, `yes`, `no`, `on`, `off`, `1` or `0`.
    Bool,
    /// 1 to 65535.
    Port,
    /// `scheme://host…`
    Url,
    /// `30s`, `1h 30m`
    Duration,
    /// `128MiB`
    Size,
    /// A path that begins with `/`.
    Path,
}

/// One variable of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The variable.
    pub name: String,
    /// What its value has to be.
    pub kind: VarType,
}

/// A variable as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The variable.
    pub name: String,
    /// Its value, with stars in place of secrets; absent when it is not set or not UTF-8.
    pub value: Option<String>,
    /// What the value has to be, or looks like.
    #[serde(rename = "value_type")]
    pub kind: VarType,
    /// What is wrong with it; never shows the value.
    pub problem: Option<&'static str>,
}

impl VarType {
    const ALL: [Self; 8] = [
        Self::String,
        Self::Int,
        Self::Bool,
        Self::Port,
        Self::Url,
        Self::Duration,
        Self::Size,
        Self::Path,
    ];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Port => "port",
            Self::Url => "url",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Path => "path",
        }
    }

    fn parse(text: &str) -> Result<Self, LessonError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| LessonError::unknown("type", text, &Self::ALL.map(Self::name)))
    }

    /// Returns what is wrong with `value`, if anything is.
    fn problem(self, value: &str) -> Option<&'static str> {
        let (fits, problem) = match self {
            Self::String => (!value.is_empty(), "is empty"),
            Self::Int => (
                value.parse::<i64>().is_ok(),
                "is not a whole number from -9223372036854775808 to 9223372036854775807",
            ),
            Self::Bool => (parse_bool(value), "is not a boolean such as true or false"),
            Self::Port => {
                (value.parse::<u16>().is_ok_and(|port| port > 0), "is not a port (1 to 65535)")
            }
            Self::Url => (is_url(value), "is not a URL such as https://example.org"),
            Self::Duration => {
                (units::parse_duration(value).is_ok(), "is not a duration such as 30s")
            }
            Self::Size => (value.parse::<units::ByteSize>().is_ok(), "is not a size such as 64MiB"),
            Self::Path => (value.starts_with('/'), "is not a path that begins with /"),
        };
        match (fits, value.is_empty()) {
            (true, _) => None,
            (false, true) => Some("is empty"),
            (false, false) => Some(problem),
        }
    }

    /// Returns what `value` looks like.
    fn guess(value: &str) -> Self {
        let candidates = [Self::Int, Self::Url, Self::Path];
        if matches!(value.to_lowercase().as_str(), "true" | "false") {
            return Self::Bool;
        }
        candidates.into_iter().find(|kind| kind.problem(value).is_none()).unwrap_or(Self::String)
    }
}

/// Reads `NAME` or `NAME:type`; a name may stand in a contract only once.
pub fn parse_requirements(texts: &[String]) -> Result<Vec<Requirement>, LessonError> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for text in texts {
        let (name, kind) = match text.trim().split_once(':') {
            Some((name, kind)) => (name, VarType::parse(kind)?),
            None => (text.trim(), VarType::String),
        };
        if !is_name(name) {
            let wanted = "the name of a variable, such as DB_HOST";
            return Err(LessonError::NotA { given: name.to_owned(), wanted });
        }
        if requirements.iter().any(|known| known.name == name) {
            let wanted = "unique: a contract names a variable once";
            return Err(LessonError::NotA { given: name.to_owned(), wanted });
        }
        requirements.push(Requirement { name: name.to_owned(), kind });
    }
    Ok(requirements)
}

/// Compares a contract with the environment that `lookup` shows.
pub fn check(
    requirements: &[Requirement],
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Vec<Finding> {
    requirements
        .iter()
        .map(|Requirement { name, kind }| {
            let raw = lookup(name);
            let (value, problem) = match raw.as_deref().map(OsStr::to_str) {
                None => (None, Some("is not set")),
                Some(None) => (None, Some("is not UTF-8")),
                Some(Some(value)) => (Some(redact(name, value)), kind.problem(value)),
            };
            Finding { name: name.clone(), value, kind: *kind, problem }
        })
        .collect()
}

/// Describes variables as they are, sorted by name.
pub fn describe(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = variables
        .into_iter()
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            match value.to_str() {
                Some(value) => Finding {
                    value: Some(redact(&name, value)),
                    kind: VarType::guess(value),
                    problem: None,
                    name,
                },
                None => Finding {
                    value: None,
                    kind: VarType::String,
                    problem: Some("is not UTF-8"),
                    name,
                },
            }
        })
        .collect();
    findings.sort_by(|a, b| a.name.cmp(&b.name));
    findings
}

/// Returns the lines of the notes: two of the three variables are printed.
pub fn transcript() -> [String; 2] {
    let (server_name, port) = ("app-server-01", 8080);
    [server_name.to_owned(), port.to_string()]
}

fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(known)
}

fn parse_bool(value: &str) -> bool {
    let known = ["1", "0", "true", "false", "yes", "no", "on", "off"];
    known.contains(&value.to_lowercase().as_str())
}

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(letters)
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !value.contains(char::is_whitespace)
}

/// Hides the value of a secret, and the secrets within other values.
fn redact(name: &str, value: &str) -> String {
    if is_secret_name(name) && !value.is_empty() {
        return REDACTED.to_owned();
    }
    without_secrets(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn one(requirement: &str, value: Option<&str>) -> Finding {
        let requirements = parse_requirements(&[requirement.to_owned()]).unwrap();
        check(&requirements, |_| value.map(OsString::from)).remove(0)
    }

    #[test]
    fn accepts_values_of_every_type() {
        for (requirement, value) in [
            ("A", "x"),
            ("A:string", "x"),
            ("A:int", "-5"),
            ("A:bool", "Yes"),
            ("A:port", "8080"),
            ("A:url", "https://example.org/x"),
            ("A:duration", "1h 30m"),
            ("A:size", "128MiB"),
            ("A:path", "/srv"),
        ] {
            assert_eq!(one(requirement, Some(value)).problem, None, "{requirement}={value}");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for (requirement, value, problem) in [
            ("A", None, "is not set"),
            ("A", Some(""), "is empty"),
            ("A:port", Some(""), "is empty"),
            ("A:port", Some("0"), "is not a port (1 to 65535)"),
            ("A:port", Some("99999"), "is not a port (1 to 65535)"),
            ("A:url", Some("example.org"), "is not a URL such as https://example.org"),
            ("A:bool", Some("maybe"), "is not a boolean such as true or false"),
        ] {
            assert_eq!(one(requirement, value).problem, Some(problem), "{requirement}={value:?}");
        }
        assert!(one("A:int", Some("9223372036854775808")).problem.unwrap().contains("from -9223"));
    }

    #[test]
    fn a_value_that_is_not_utf8_is_reported() {
        let requirements = parse_requirements(&["A".to_owned()]).unwrap();

        let findings = check(&requirements, |_| Some(OsString::from_vec(vec![0xff])));

        assert_eq!(findings[0].problem, Some("is not UTF-8"));
    }

    #[test]
    fn hides_secrets_and_passwords_in_urls() {
        for (name, value, shown) in [
            ("API_KEY", "abc", "***"),
            ("PGPASSWORD", "abc", "***"),
            ("GITHUB_TOKEN", "abc", "***"),
            ("AWS_ACCESS_KEY_ID", "abc", "***"),
            ("DB_PASS", "abc", "***"),
            ("SSHPASS", "abc", "***"),
            ("GITHUB_PAT", "abc", "***"),
            ("JWT", "abc", "***"),
            ("COOKIE", "abc", "***"),
            ("NPM_AUTH", "abc", "***"),
            ("DB_URL", "pg://u:p@ss@db/x", "pg://***@db/x"),
            ("GIT_URL", "https://t0ken@git.example/x.git", "https://***@git.example/x.git"),
            ("DB", "Server=h;Pwd=p w", "Server=h;Pwd=***"),
            ("HOOK", "https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/***"),
            ("LINK", "https://h/k?X-Amz-Signature=ab&x=1", "https://h/k?X-Amz-Signature=***&x=1"),
            ("DB_URL", "https://db/x?a=@", "https://db/x?a=@"),
            ("KEYBOARD", "us", "us"),
            ("PWD", "/srv", "/srv"),
        ] {
            assert_eq!(one(name, Some(value)).value.as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn refuses_contracts_that_make_no_sense() {
        let refuse = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            parse_requirements(&texts).unwrap_err().to_string()
        };

        assert_eq!(refuse(&["A", "A:int"]), "'A' is not unique: a contract names a variable once");
        assert!(refuse(&["1A"]).starts_with("'1A' is not the name of a variable"));
        assert!(refuse(&["A:prot"]).starts_with("unknown type 'prot' (choose from string, int"));
    }

    #[test]
    fn describes_what_is_there() {
        let found = describe([("B".into(), "8080".into()), ("A".into(), "true".into())]);

        assert_eq!(found[0].kind, VarType::Bool);
        assert_eq!(found[1].kind, VarType::Int);
        assert_eq!(found[1].value.as_deref(), Some("8080"));
    }
}
