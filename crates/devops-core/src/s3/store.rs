//! A store: its address, credentials, connections, limits and capabilities.

pub(in crate::s3) mod abandoned_process;
pub(in crate::s3) mod aws_config;
pub(in crate::s3) mod blocking;
pub(in crate::s3) mod bounded_response;
pub(in crate::s3) mod buffer_pool;
pub(in crate::s3) mod ca_bundle;
pub(in crate::s3) mod cancel_token;
pub(in crate::s3) mod capabilities;
pub(in crate::s3) mod client;
pub(in crate::s3) mod concurrency;
pub(in crate::s3) mod connect;
pub(in crate::s3) mod credentials;
pub(in crate::s3) mod lenient_xml;
pub(in crate::s3) mod options;
pub(in crate::s3) mod quirks;
pub(in crate::s3) mod rate_limit;
pub(in crate::s3) mod response_check;
pub(in crate::s3) mod response_interceptor;
pub(in crate::s3) mod retry_policy;
pub(in crate::s3) mod s3_store;
pub(in crate::s3) mod tls;
