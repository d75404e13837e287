//! What a write demands of the key it writes to, so that nobody's change is lost.

use super::{
    S3Error,
    failure::{CallFailure, Trouble},
};

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

/// Says of a write whose condition failed, though the key was looked at before, that someone was quicker.
pub(crate) fn lost_race(error: S3Error) -> S3Error {
    let is_condition = |failure: &CallFailure| {
        // S3 answers 404 where `If-Match` meets no object at all.
        matches!(failure.trouble, Trouble::Exists | Trouble::NoObject)
    };
    let message = "someone else changed the object meanwhile";
    match error {
        S3Error::Exists(_) => {
            CallFailure::local("PutObject", Trouble::Conflict, message.to_owned()).into()
        }
        S3Error::Call(failure) if is_condition(&failure) => {
            CallFailure { trouble: Trouble::Conflict, message: message.into(), ..*failure }.into()
        }
        S3Error::LeftBehind { uri, upload_id, source } => {
            S3Error::LeftBehind { uri, upload_id, source: Box::new(lost_race(*source)) }
        }
        other => other,
    }
}
