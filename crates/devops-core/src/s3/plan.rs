//! Plans of parts and of copies inside the store; all of it pure.

pub(in crate::s3) mod filter;
pub(in crate::s3) mod layout;
pub(in crate::s3) mod parts;
pub(in crate::s3) mod range_plan;
pub(in crate::s3) mod server_side_copy;
