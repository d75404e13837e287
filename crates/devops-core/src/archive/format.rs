//! The format of an archive: tar blocks, segments, hashes, index, encryption.

pub(in crate::archive) mod archive_file;
pub(in crate::archive) mod block;
pub(in crate::archive) mod compress;
pub(in crate::archive) mod content_hash;
pub(in crate::archive) mod encryption;
pub(in crate::archive) mod entry;
pub(in crate::archive) mod file_hash;
pub(in crate::archive) mod holes;
pub(in crate::archive) mod index;
pub(in crate::archive) mod owner_names;
pub(in crate::archive) mod sparse_map;
pub(in crate::archive) mod stat;
pub(in crate::archive) mod tar_header;
pub(in crate::archive) mod verify_deflate;
pub(in crate::archive) mod xattr;
