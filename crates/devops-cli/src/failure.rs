//! How a tool's work ends: an outcome, or a failure with its kind, chain and hint.

use std::{fmt::Display, io};

use devops_core::{
    kind::{HasKind, Kind},
    limits::Limit,
};

/// The work was done, in one of four ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the answer is yes.
    Done,
    /// The result exists, but something was left out; the text says how much.
    Partial(String),
    /// The tool worked, and the answer is no; the answer itself is on stdout.
    No,
    /// Another program decided, or a foreign convention is followed.
    Code(u8),
}

/// The work was not done.
#[derive(Debug)]
pub struct Failure {
    /// The sort of error.
    pub kind: Kind,
    /// What went wrong, with its causes.
    pub error: anyhow::Error,
    /// What may help.
    pub hint: Option<String>,
}

impl Failure {
    /// Returns a failure of `kind` with a message of its own.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, error: anyhow::Error::msg(message.to_string()), hint: None }
    }

    /// Returns a failure of the system, with what to raise where it is about a limit of the host.
    pub fn io(error: io::Error) -> Self {
        let hint = Limit::of(&error).map(|limit| limit.hint().to_owned());
        Self { kind: Kind::of_io(&error), error: error.into(), hint }
    }

    /// Returns a failure of the user's input.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Adds what was meant to be done, in front of the chain.
    #[must_use]
    pub fn context(self, context: impl Display) -> Self {
        Self { error: self.error.context(context.to_string()), ..self }
    }

    /// Adds what may help; an earlier hint stays.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Returns the messages from the outermost to the root cause, none twice.
    pub fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for cause in self.error.chain() {
            let text = cause.to_string();
            if !chain.iter().any(|said| said.ends_with(&text)) {
                chain.push(text);
            }
        }
        chain
    }
}

impl<E: HasKind + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let kind = error.kind();
        let error = anyhow::Error::new(error);
        let limit = Limit::within(&*error);
        Self { kind, error, hint: limit.map(|limit| limit.hint().to_owned()) }
    }
}

/// Adds context and hints to results on their way out.
pub trait ResultExt<T> {
    /// Says what was meant to be done.
    fn context(self, context: impl Display) -> Result<T, Failure>;
    /// Says what may help.
    fn hint(self, hint: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn context(self, context: impl Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().context(context))
    }

    fn hint(self, hint: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| error.into().hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use devops_core::fs;

    use super::*;

    #[test]
    fn a_core_error_keeps_its_kind_and_causes() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");

        let failure: Failure = fs::read_text(&missing, 1)
            .context("failed to read the list")
            .hint("create it")
            .unwrap_err();

        assert_eq!(failure.kind, Kind::NotFound);
        assert_eq!(failure.hint.as_deref(), Some("create it"));
        assert_eq!(
            failure.chain(),
            [
                "failed to read the list",
                &format!("failed to read `{}`", missing.display()),
                "No such file or directory (os error 2)"
            ]
        );
    }
}
