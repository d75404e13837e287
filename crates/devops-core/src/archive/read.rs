//! Reading: strict for proof, lenient for rescue.

pub(in crate::archive) mod cat;
pub(in crate::archive) mod diff;
pub(in crate::archive) mod entry_filter;
pub(in crate::archive) mod entry_listing;
pub(in crate::archive) mod list;
pub(in crate::archive) mod ownership;
pub(in crate::archive) mod reader;
pub(in crate::archive) mod salvage;
pub(in crate::archive) mod survey;
pub(in crate::archive) mod verify;
pub(in crate::archive) mod versions;
