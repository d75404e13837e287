//! The small commands of `devops-basics`, one file a lesson.
//!
//! Each lesson does its job on real input; its `transcript` is what the notes it comes from print,
//! to the byte. Wording and exit codes of bad input are the same in all of them: [`LessonError`].

pub mod calc;
pub mod cast;
pub mod day;
pub mod each;
pub mod exit;
pub mod facts;
pub mod hello;
pub mod number;
pub mod providers;
pub mod range;
pub mod run;
pub mod service;
pub mod vars;

use crate::{
    cancel::Cancelled,
    fs::PathError,
    kind::{HasKind, Kind},
};

/// The reason a lesson refuses its input or fails.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// The text is no whole number.
    #[error("'{0}' is not a whole number")]
    NotWhole(String),
    /// The text is no decimal number.
    #[error("'{0}' is not a number")]
    NotNumber(String),
    /// The text has another form than asked for.
    #[error("'{given}' is not {wanted}")]
    NotA {
        /// What was given.
        given: String,
        /// What it should have been, with its article and an example.
        wanted: &'static str,
    },
    /// A number is past what can be held or shown.
    #[error("{what} out of range (max {max})")]
    OutOfRange {
        /// Which number: `result`, or the text that was given.
        what: String,
        /// The largest that works.
        max: String,
    },
    /// Something was divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The text is none of the words that are known.
    #[error("unknown {what} '{given}' (choose from {})", .known.join(", "))]
    UnknownWord {
        /// What the word stands for: `day`, `operator`.
        what: &'static str,
        /// What was given.
        given: String,
        /// Every word that is known.
        known: Vec<String>,
    },
    /// An index points outside a list.
    #[error("index {index} out of range (length {length}, allowed {lowest}..={highest})")]
    Index {
        /// The index that was given.
        index: i64,
        /// The number of items there are.
        length: usize,
        /// The lowest index that works.
        lowest: i64,
        /// The highest index that works.
        highest: i64,
    },
    /// There is nothing in the list to take.
    #[error("the list is empty")]
    EmptyList,
    /// An item is not in the list.
    #[error("'{0}' is not in the list")]
    NotListed(String),
    /// Somebody else holds the lock of a file.
    #[error("`{}` is in use by another process", .0.display())]
    Locked(std::path::PathBuf),
    /// A file could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A signal came.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl HasKind for LessonError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotWhole(_)
            | Self::NotNumber(_)
            | Self::NotA { .. }
            | Self::UnknownWord { .. }
            | Self::Index { .. } => Kind::Usage,
            Self::OutOfRange { .. } | Self::DivisionByZero | Self::EmptyList => Kind::Failed,
            Self::NotListed(_) => Kind::NotFound,
            Self::Locked(_) => Kind::Temporary,
            Self::Path(error) => error.kind(),
            Self::Cancelled(error) => error.kind(),
        }
    }
}

impl LessonError {
    /// Returns the known word that was probably meant.
    pub fn meant(&self) -> Option<&str> {
        match self {
            Self::UnknownWord { given, known, .. } => nearest(given, known),
            _ => None,
        }
    }

    fn unknown(what: &'static str, given: &str, known: &[&str]) -> Self {
        let known = known.iter().map(|&word| word.to_owned()).collect();
        Self::UnknownWord { what, given: given.to_owned(), known }
    }
}

/// Returns the word of `known` that looks most like `given`, if one looks much like it.
pub fn nearest<'a>(given: &str, known: &'a [String]) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(&given, &word.to_lowercase()), word.as_str()))
        // The threshold clap uses for flags.
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}
