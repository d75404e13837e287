//! Errors of requests and operations, and how they are read from responses.

pub(in crate::s3) mod credential_error;
pub(in crate::s3) mod error_chain;
pub(in crate::s3) mod no_response;
pub(in crate::s3) mod operation;
pub(in crate::s3) mod parse_response;
pub(in crate::s3) mod proxy;
pub(in crate::s3) mod request_error;
pub(in crate::s3) mod response_error;
