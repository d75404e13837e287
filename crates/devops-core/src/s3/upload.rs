//! Uploads of files, trees and streams, and their resumption.

pub(in crate::s3) mod absent_keys;
pub(in crate::s3) mod batch;
pub(in crate::s3) mod complete;
pub(in crate::s3) mod confirm;
pub(in crate::s3) mod copy_part;
pub(in crate::s3) mod existing_object;
pub(in crate::s3) mod fallback;
pub(in crate::s3) mod file_upload;
pub(in crate::s3) mod journal;
pub(in crate::s3) mod multipart;
pub(in crate::s3) mod multipart_put;
pub(in crate::s3) mod object_upload;
pub(in crate::s3) mod options;
pub(in crate::s3) mod prove_protection;
pub(in crate::s3) mod put;
pub(in crate::s3) mod resume;
pub(in crate::s3) mod resume_options;
pub(in crate::s3) mod spool;
pub(in crate::s3) mod stream;
pub(in crate::s3) mod stream_destination;
pub(in crate::s3) mod summary;
pub(in crate::s3) mod upload_items;
pub(in crate::s3) mod upload_parts;
pub(in crate::s3) mod uploaded_parts;
