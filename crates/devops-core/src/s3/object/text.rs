//! Text that a store sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::terminal::Escaped;

/// Text that a store sent, or that has such text in it.
///
/// It is shown escaped and in one line, so that no store can steer a terminal or write a line of its own.
/// Only [`StoreText::as_sent`] gives it as it came: to compare it, or to send it back.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreText(String);

impl StoreText {
    /// Returns the text as it came.
    pub fn as_sent(&self) -> &str {
        &self.0
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether it has `part` in it.
    pub fn contains(&self, part: &str) -> bool {
        self.0.contains(part)
    }
}

impl<T: Into<String>> From<T> for StoreText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StoreText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for StoreText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for StoreText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for StoreText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Returns a text that may not be there, as it came.
pub(crate) fn as_sent(text: Option<&StoreText>) -> Option<String> {
    text.map(|text| text.as_sent().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_sends_is_shown_escaped_and_sent_back_as_it_came() {
        let id = StoreText::from("id\u{1b}[2J\nhint: run this");

        assert_eq!(id.to_string(), r"id\u{1b}[2J\nhint: run this");
        assert_eq!(id.as_sent(), "id\u{1b}[2J\nhint: run this");
        assert_eq!(format!("{id:?}"), r#""id\u{1b}[2J\nhint: run this""#);
        let written = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<StoreText>(&written).unwrap(), id);
    }
}
