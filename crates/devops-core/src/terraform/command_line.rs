//! A command line of terraform, with values that are not to be shown.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use super::environment;

/// The flag for events instead of text.
pub(super) const JSON: &str = "-json";

/// A command line of terraform, with values that are not to be shown.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) command: &'static str,
    pub(super) args: Vec<OsString>,
    shown: Vec<String>,
    pub(super) env: Vec<(OsString, Option<OsString>)>,
}

impl Arguments {
    pub(super) fn new(command: &'static str) -> Self {
        Self {
            command,
            args: vec![command.into()],
            shown: vec![command.to_owned()],
            env: Vec::new(),
        }
    }

    /// Begins a command that runs behind the scenes.
    pub(super) fn helper(command: &'static str, what: &str) -> Self {
        let mut arguments = Self::new(command);
        arguments.push(what);
        arguments.push("-no-color");
        arguments
    }

    pub(super) fn push(&mut self, arg: impl Into<OsString>) {
        let arg = arg.into();
        self.shown.push(quote(&arg));
        self.args.push(arg);
    }

    /// Adds arguments as they are; values of variables and of the backend among them are not shown.
    pub(super) fn extend(&mut self, args: &[OsString]) {
        let mut before = None;
        for arg in args {
            match hidden(arg, before) {
                Some(shown) => self.push_hidden(arg, shown),
                None => self.push(arg),
            }
            before = if before.is_none() { secret_flag(arg) } else { None };
        }
    }

    /// Adds an argument that is shown as another text.
    pub(super) fn push_hidden(&mut self, arg: impl Into<OsString>, shown: String) {
        self.args.push(arg.into());
        self.shown.push(shown);
    }

    /// Takes the flag for the JSON stream away again.
    pub(super) fn without_json(&mut self) {
        self.args.retain(|arg| arg != JSON);
        self.shown.retain(|arg| arg != JSON);
    }

    /// Adds an argument in place of another one, which is shown.
    pub(super) fn push_shown(&mut self, arg: impl Into<OsString>, shown: &OsStr) {
        self.push_hidden(arg, quote(shown));
    }

    pub(super) fn line(&self) -> String {
        self.shown.join(" ")
    }
}

/// Shows an argument as a shell would want it.
pub(super) fn quote(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''").escape_debug())
}

/// Joins a flag that ends with `=` and a path of any bytes.
pub(super) fn joined(flag: &str, path: &Path) -> OsString {
    let mut arg = OsString::from(flag);
    arg.push(path);
    arg
}

/// Flags of terraform with values that may be secret.
const SECRET_FLAGS: [&str; 2] = ["var", "backend-config"];

/// Returns the name of a flag whose value is the next argument, and is not to be shown.
fn secret_flag(arg: &OsStr) -> Option<&str> {
    let has_value = arg.as_encoded_bytes().contains(&b'=');
    flag_name(arg).filter(|flag| SECRET_FLAGS.contains(flag) && !has_value)
}

/// Returns what arguments for terraform give to `-var` without a name: a secret perhaps, and terraform's error
/// quotes it.
pub(super) fn unnamed_values(args: &[OsString]) -> impl Iterator<Item = &str> {
    let before = std::iter::once(None).chain(args.iter().map(|arg| secret_flag(arg)));
    let settings = before.zip(args).filter_map(|(before, arg)| match (before, flag_name(arg)) {
        (Some("var"), _) => arg.to_str(),
        (None, Some("var")) => arg.to_str()?.split_once('=').map(|(_, setting)| setting),
        _ => None,
    });
    settings.filter(|setting| !setting.contains('='))
}

fn flag_name(arg: &OsStr) -> Option<&str> {
    environment::flag_name(arg.to_str()?)
}

/// Returns how an argument is shown whose value is not; `before` is the flag that it is the value of.
fn hidden(arg: &OsStr, before: Option<&str>) -> Option<String> {
    let text = arg.to_string_lossy();
    let (flag, setting) = match flag_name(arg) {
        _ if before.is_some() => ("", &*text),
        Some(flag) if SECRET_FLAGS.contains(&flag) => text.split_once('=')?,
        _ => return None,
    };
    let equals = if flag.is_empty() { "" } else { "=" };
    match setting.split_once('=') {
        Some((name, _)) => Some(format!("{}=***", quote(format!("{flag}{equals}{name}").as_ref()))),
        // A setting of the backend that has no name is a file.
        None if before.or(flag_name(arg)) == Some(SECRET_FLAGS[1]) => None,
        None => Some(format!("{flag}{equals}***")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_arguments_so_that_they_can_be_pasted() {
        assert_eq!(quote("-out=a/b".as_ref()), "-out=a/b");
        assert_eq!(quote("-target=a.b[\"x\"]".as_ref()), r#"'-target=a.b[\"x\"]'"#);
        assert_eq!(quote("".as_ref()), "''");
    }

    #[test]
    fn values_among_the_arguments_as_they_are_stay_hidden() {
        let line = |args: &[&str]| {
            let mut arguments = Arguments::new("plan");
            arguments.extend(&args.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(arguments.args[1..], *args);
            arguments.line()
        };

        assert_eq!(line(&["-var", "pw=s3cret", "-x"]), "plan -var pw=*** -x");
        assert_eq!(line(&["--var=pw=s3cret", "a=b"]), "plan --var=pw=*** a=b");
        assert_eq!(line(&["-var", "pw s3cret", "--var=s3cret"]), "plan -var *** --var=***");
        assert_eq!(line(&["-backend-config=password=s3cret"]), "plan -backend-config=password=***");
        assert_eq!(
            line(&["-backend-config", "f.hcl", "-var-file=x"]),
            "plan -backend-config f.hcl -var-file=x"
        );
    }
}
