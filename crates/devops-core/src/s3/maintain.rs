//! Work on objects that are stored: copies, removal, restoration, unfinished uploads.

pub(in crate::s3) mod copy_encryption;
pub(in crate::s3) mod copy_object;
pub(in crate::s3) mod move_object;
pub(in crate::s3) mod object_comparison;
pub(in crate::s3) mod presign;
pub(in crate::s3) mod remove;
pub(in crate::s3) mod stored_attributes;
pub(in crate::s3) mod thaw;
pub(in crate::s3) mod undelete;
pub(in crate::s3) mod unfinished_uploads;
