//! Downloads of objects, trees and streams.

pub(in crate::s3) mod download_items;
pub(in crate::s3) mod fetch;
pub(in crate::s3) mod get;
pub(in crate::s3) mod get_many;
pub(in crate::s3) mod get_stream;
pub(in crate::s3) mod options;
pub(in crate::s3) mod output_file;
pub(in crate::s3) mod partial_file;
pub(in crate::s3) mod past_objects;
