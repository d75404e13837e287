//! The options of a put.

use serde::{Deserialize, Serialize};

use super::resume_options::{Resume, ResumePolicy};
use crate::s3::{
    error::operation::JournalError,
    object::{
        attributes::Attributes, checksum::Algorithm, precondition::Precondition, proof::Proof,
    },
    plan::parts::PartSize,
};

/// The policy for a key that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverwritePolicy {
    /// The object stays, and the put is refused unless the content is the same.
    #[default]
    Refuse,
    /// The new object takes its place.
    Overwrite,
    /// The new object takes its place if its content differs and it is not changed by another writer.
    #[serde(rename = "if-changed")]
    IfChanged,
}

/// The state of a key by an earlier listing, which saves a HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Nothing has it.
    Free,
    /// Other content has it, with this `ETag`, without quotes.
    Other(String),
}

/// The settings of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PutOptions {
    /// The policy for a key that exists.
    pub replace: OverwritePolicy,
    /// The known state of the key.
    #[serde(skip)]
    pub listed: Option<Listed>,
    /// The checksum, or none.
    pub checksum: Option<Algorithm>,
    /// Less proof than this is a failure.
    pub require_proof: Proof,
    /// The size of parts.
    pub part_size: PartSize,
    /// The attributes of new objects; an existing one keeps its own.
    pub attributes: Attributes,
    /// Is set if the metadata keeps the mode and the modification time of the file.
    #[serde(default)]
    pub preserve: bool,
    /// Is set if the file is a [`Spool`](crate::s3::Spool), which holds input that cannot be read again.
    #[serde(default)]
    pub spooled: bool,
    /// The resumption of an interrupted upload; without it, the upload is aborted.
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
    /// Returns what a write demands of the key, where the store need not be asked what has it.
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
