//! Requests, one file a group of operations, and the bodies they carry.

pub(in crate::s3) mod bucket;
pub(in crate::s3) mod compare;
pub(in crate::s3) mod context;
pub(in crate::s3) mod delete;
pub(in crate::s3) mod list;
pub(in crate::s3) mod object_pages;
pub(in crate::s3) mod object_parts;
pub(in crate::s3) mod pages;
pub(in crate::s3) mod payload;
pub(in crate::s3) mod read;
pub(in crate::s3) mod request_body;
pub(in crate::s3) mod source_file;
pub(in crate::s3) mod stall_detector;
pub(in crate::s3) mod versions;
pub(in crate::s3) mod write;
