//! A file under upload.

use super::{journal::Journal, uploaded_parts::UploadedParts};
use crate::s3::{
    object::response::Upload,
    request::{context::CancelPolicy, source_file::OpenFile},
};

/// A multipart upload of a file, with what an earlier run has sent of it.
pub(crate) struct FileUpload<'a> {
    pub(crate) upload: Upload,
    pub(crate) file: &'a OpenFile,
    pub(crate) uploaded_parts: UploadedParts,
    pub(crate) journal: Option<&'a Journal>,
}

impl FileUpload<'_> {
    /// The answer to a part is worth a moment if a later run will know of it.
    pub(crate) fn cancel_policy(&self) -> CancelPolicy {
        if self.journal.is_some() { CancelPolicy::AfterAMoment } else { CancelPolicy::AtOnce }
    }
}
