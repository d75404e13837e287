//! What must hold on every server.

mod base;
mod doctor;
mod existing;
mod get;
mod keys;
mod lists;
pub(super) mod prune;
mod put;
mod removal;
mod resume;
mod sse_c;
mod streams;
mod sync;
mod trees;
mod uploads;
