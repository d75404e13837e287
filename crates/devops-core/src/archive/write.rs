//! Writing: entries grouped, compressed or copied, and put together.

pub(in crate::archive) mod archive_writer;
pub(in crate::archive) mod archiver;
pub(in crate::archive) mod bounded_queue;
pub(in crate::archive) mod chunker;
pub(in crate::archive) mod create;
pub(in crate::archive) mod destination;
pub(in crate::archive) mod dry_run;
pub(in crate::archive) mod estimate;
pub(in crate::archive) mod free_name;
pub(in crate::archive) mod measure;
pub(in crate::archive) mod newest;
pub(in crate::archive) mod parent;
pub(in crate::archive) mod pipeline;
pub(in crate::archive) mod reuse_cache;
