//! A value that is fit to be shown.

use std::fmt;

use serde::{Serialize, Serializer};

/// Stands in place of a value that is not shown.
pub(super) const HIDDEN: &str = "(sensitive value)";

/// A value that redaction has made fit to be shown.
///
/// Only redaction constructs one, so what reaches the terminal has passed through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown<T>(T);

impl<T> Shown<T> {
    /// Wraps what holds no secret any more.
    pub(super) fn redacted(value: T) -> Self {
        Self(value)
    }

    /// Returns the value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Returns the value as its own.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// Gives the value another form; nothing may be added to it but text of the program's own.
    pub fn map<U>(self, format: impl FnOnce(T) -> U) -> Shown<U> {
        Shown(format(self.0))
    }
}

impl<T> AsRef<T> for Shown<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
