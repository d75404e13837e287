//! End-to-end tests: the tools as a user runs them, as processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod backup;
mod backup_compare;
mod backup_create;
mod backup_encrypt;
mod backup_faults;
mod backup_folder;
mod backup_guards;
mod backup_ignore;
mod backup_meta;
mod backup_mounts;
mod backup_restore;
mod backup_run;
mod backup_series;
mod basics;
mod cli;
mod flows;
mod fuzzing;
mod host_limits;
mod modes;
mod monitor;
mod pipes;
mod readme;
mod s3push;
mod s3push_answers;
mod s3push_asked;
mod s3push_base;
mod s3push_bounds;
mod s3push_credentials;
mod s3push_doctor;
mod s3push_faults;
mod s3push_messages;
mod s3push_metrics;
mod s3push_nights;
mod s3push_resume;
mod s3push_rm;
mod s3push_stream;
mod s3push_thaw;
mod s3push_trees;
mod s3push_versions;
mod secrets;
#[cfg(feature = "servers")]
mod servers;
mod shells;
mod shown_secrets;
mod stopping;
mod swaps;
mod tar_compatibility;
mod terminal;
mod tf;
mod trust;
