//! The engine `s3` against a server that does what it is told, faults included.

mod changed;
mod compose;
mod delete;
mod dialects;
mod doctor;
mod every_fault;
mod every_get;
mod every_pair;
#[cfg(all(feature = "archive", feature = "offsite"))]
mod every_prune;
mod every_removal;
mod every_slip;
mod fault_case;
mod fault_matrix;
mod faults;
mod fetch;
mod get;
mod get_stream;
mod interrupted;
#[cfg(all(feature = "archive", feature = "offsite"))]
mod nights;
mod planted;
mod polite;
mod protection;
#[cfg(all(feature = "archive", feature = "offsite"))]
mod prune;
mod put;
mod remove;
mod resume;
mod schedules;
#[cfg(all(feature = "archive", feature = "offsite"))]
mod selection;
#[cfg(feature = "offsite")]
mod stream;
mod sync;
mod sync_down;
mod test_store;
mod thaw;
mod transfer;
mod trees;
mod verify;
mod words;
