//! The choice between resuming an upload and beginning anew.

use time::OffsetDateTime;

use super::journal::Journals;

/// The resumption of an interrupted upload.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The folder of its journal.
    pub journals: Journals,
    /// The policy for the upload of an earlier run.
    pub earlier: ResumePolicy,
    /// The time of this run.
    pub now: OffsetDateTime,
}

/// The policy for an upload that an earlier run left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumePolicy {
    /// It is taken up, if there is one; aborted, if the file changed since.
    #[default]
    IfPresent,
    /// It is taken up, and without one, or if the file changed since, nothing is done.
    Required,
    /// It is given up.
    Discard,
}
