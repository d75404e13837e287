//! The format of our archives as far as several need it, without any I/O: names, containers, segments.

#![cfg_attr(
    not(all(feature = "archive", feature = "offsite")),
    allow(dead_code, reason = "the engine and the orchestrator use a part of it each")
)]

pub(crate) mod age_file;
pub(crate) mod container;
pub(crate) mod head;
mod name;
mod origin;
mod series;
pub(crate) mod sniff;
mod stream;
pub(crate) mod varint;

pub use self::{
    name::{ArchiveName, BackupName, BadName},
    origin::Origin,
    series::Series,
    stream::{Truncated, TruncationCheck},
};

pub(crate) use self::series::SeriesMap;

/// What the global comment begins with that every archive of ours has, unless it says nothing of its host.
pub(crate) const MARK: &str = "devops-backup/1";
