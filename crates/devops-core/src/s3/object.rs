//! Objects as this tool knows them: addresses, attributes, checksums, proof; all of it data.

pub(in crate::s3) mod attributes;
pub(in crate::s3) mod checksum;
pub(in crate::s3) mod checksum_strategy;
pub(in crate::s3) mod echoed;
pub(in crate::s3) mod endpoint;
pub(in crate::s3) mod event;
pub(in crate::s3) mod headers;
pub(in crate::s3) mod path_serde;
pub(in crate::s3) mod precondition;
pub(in crate::s3) mod preserved;
pub(in crate::s3) mod proof;
pub(in crate::s3) mod protection;
pub(in crate::s3) mod response;
pub(in crate::s3) mod storage_class;
pub(in crate::s3) mod text;
pub(in crate::s3) mod timestamp;
pub(in crate::s3) mod uri;
pub(in crate::s3) mod wrong_length;
pub(in crate::s3) mod xml;
