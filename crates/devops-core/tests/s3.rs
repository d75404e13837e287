//! The engine `s3` against a server that does what it is told, faults included.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "s3/changed.rs"]
mod changed;
#[path = "s3/compose.rs"]
mod compose;
#[path = "s3/delete.rs"]
mod delete;
#[path = "s3/doctor.rs"]
mod doctor;
#[path = "s3/every_fault.rs"]
mod every_fault;
#[path = "s3/every_get.rs"]
mod every_get;
#[path = "s3/every_pair.rs"]
mod every_pair;
#[cfg(all(feature = "archive", feature = "offsite"))]
#[path = "s3/every_prune.rs"]
mod every_prune;
#[path = "s3/every_removal.rs"]
mod every_removal;
#[path = "s3/faults.rs"]
mod faults;
#[path = "s3/fetch.rs"]
mod fetch;
#[path = "s3/get.rs"]
mod get;
#[path = "s3/get_stream.rs"]
mod get_stream;
#[path = "s3/interrupted.rs"]
mod interrupted;
#[cfg(all(feature = "archive", feature = "offsite"))]
#[path = "s3/prune.rs"]
mod prune;
#[path = "s3/put.rs"]
mod put;
#[path = "s3/remove.rs"]
mod remove;
#[path = "s3/resume.rs"]
mod resume;
#[path = "s3/rig.rs"]
mod rig;
#[path = "s3/schedules.rs"]
mod schedules;
#[cfg(feature = "offsite")]
#[path = "s3/stream.rs"]
mod stream;
#[path = "s3/sync.rs"]
mod sync;
#[path = "s3/table.rs"]
mod table;
#[path = "s3/thaw.rs"]
mod thaw;
#[path = "s3/trees.rs"]
mod trees;
#[path = "s3/trial.rs"]
mod trial;
#[path = "s3/verify.rs"]
mod verify;
