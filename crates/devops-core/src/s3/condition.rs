//! What a write demands of the key it writes to, so that nobody's change is lost.

/// What a write demands of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It takes the place of whatever is there.
    #[default]
    None,
    /// Nothing is there.
    Free,
    /// The object with this `ETag`, without quotes, is there.
    Is(String),
}

impl Condition {
    pub(crate) fn if_none_match(&self) -> Option<String> {
        (*self == Self::Free).then(|| "*".to_owned())
    }

    pub(crate) fn if_match(&self) -> Option<String> {
        match self {
            Self::Is(etag) => Some(format!("\"{etag}\"")),
            Self::None | Self::Free => None,
        }
    }
}
