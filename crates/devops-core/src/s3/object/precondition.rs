//! Preconditions of writes, by which no other change is lost.

/// The precondition of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// It takes the place of whatever is there.
    #[default]
    None,
    /// Nothing is there.
    Absent,
    /// The object with this `ETag`, without quotes, is there.
    Etag(String),
}

impl Precondition {
    pub(crate) fn if_none_match(&self) -> Option<String> {
        (*self == Self::Absent).then(|| "*".to_owned())
    }

    pub(crate) fn if_match(&self) -> Option<String> {
        match self {
            Self::Etag(etag) => Some(format!("\"{etag}\"")),
            Self::None | Self::Absent => None,
        }
    }
}
