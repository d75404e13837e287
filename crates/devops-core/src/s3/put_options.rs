//! The options of a put.

use serde::{Deserialize, Serialize};

use super::{
    attributes::Attributes,
    checksum::Algorithm,
    error::JournalError,
    plan::PartSize,
    precondition::Precondition,
    proof::Proof,
    resume_options::{Resume, ResumePolicy},
};

/// What happens when the key is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverwritePolicy {
    /// The object stays, and the put is refused unless the content is the same.
    #[default]
    Refuse,
    /// The new object takes its place.
    Overwrite,
    /// The new object takes its place if its content is another, and nobody changes it meanwhile.
    #[serde(rename = "if-changed")]
    IfChanged,
}

/// What a listing said of a key, so that nobody asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Nothing has it.
    Free,
    /// Other content has it, with this `ETag`, without quotes.
    Other(String),
}

/// How objects are put.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PutOptions {
    /// What happens when the key is taken.
    pub replace: OverwritePolicy,
    /// What is known of the key already.
    #[serde(skip)]
    pub listed: Option<Listed>,
    /// The checksum, or none.
    pub checksum: Option<Algorithm>,
    /// Less proof than this is a failure.
    pub require_proof: Proof,
    /// How large parts are.
    pub part_size: PartSize,
    /// What new objects are stored with; one that is there already stays as it is.
    pub attributes: Attributes,
    /// Whether the metadata keeps the mode and the modification time of the file.
    #[serde(default)]
    pub preserve: bool,
    /// Whether the file is a [`Spool`](super::Spool), which holds what nobody can read again.
    #[serde(default)]
    pub spooled: bool,
    /// How an upload that breaks off can be taken up again; without it, it is aborted.
    #[serde(skip)]
    pub resume: Option<Resume>,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            replace: OverwritePolicy::Refuse,
            listed: None,
            checksum: Some(Algorithm::default()),
            require_proof: Proof::Size,
            part_size: PartSize::Auto,
            attributes: Attributes::default(),
            preserve: false,
            spooled: false,
            resume: None,
        }
    }
}

impl PutOptions {
    /// Returns what a write demands of the key, where nobody need ask what has it.
    pub(crate) fn known_precondition(&self) -> Option<Precondition> {
        match (self.replace, &self.listed) {
            (OverwritePolicy::Overwrite, _) => Some(Precondition::None),
            (_, Some(Listed::Free)) => Some(Precondition::Absent),
            (_, Some(Listed::Other(etag))) => Some(Precondition::Etag(etag.clone())),
            (OverwritePolicy::Refuse | OverwritePolicy::IfChanged, None) => None,
        }
    }

    /// Returns the options that give up an earlier run's upload, if it is of no use for this put.
    pub fn anew_after(&self, error: &JournalError) -> Option<Self> {
        let is_stale = matches!(error, JournalError::Changed(_) | JournalError::Otherwise { .. });
        let resume = self.resume.clone();
        let resume = resume.filter(|it| is_stale && it.earlier == ResumePolicy::IfPresent)?;
        let resume = Resume { earlier: ResumePolicy::Discard, ..resume };
        Some(Self { resume: Some(resume), ..self.clone() })
    }
}
