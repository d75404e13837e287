//! The scan of a source: a walk, and the rules for what is skipped.

pub(in crate::archive) mod attributes;
pub(in crate::archive) mod changed_file_retry;
pub(in crate::archive) mod exclude;
pub(in crate::archive) mod file_io;
pub(in crate::archive) mod gitignore;
pub(in crate::archive) mod ignore_files;
pub(in crate::archive) mod machine;
pub(in crate::archive) mod mount;
pub(in crate::archive) mod selection;
pub(in crate::archive) mod source;
pub(in crate::archive) mod stream;
pub(in crate::archive) mod walk;
