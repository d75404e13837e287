//! Groups the archives of a folder by series, and chooses the one to restore.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use time::{Duration, OffsetDateTime};

use super::facts::{ArchiveFacts, ArchiveState};
use crate::{
    archive_index::Series,
    kind::{HasKind, Kind},
};

/// The archives of one series under one NAME.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedSeries {
    /// The NAME.
    pub name: String,
    /// The host, machine and source, where its archives say them.
    pub series: Option<Series>,
    /// Is set if its archives are encrypted and no key opens them.
    pub is_encrypted: bool,
}

impl ArchiveFacts {
    /// Returns whether it tells where it belongs, however damaged it is.
    pub fn is_placed(&self) -> bool {
        let is_lost = matches!(
            self.state,
            ArchiveState::Damaged(_) | ArchiveState::NotAnArchive | ArchiveState::Unreadable(_)
        );
        self.origin.is_some() || !is_lost
    }

    /// Returns the series it belongs to.
    pub fn named_series(&self) -> NamedSeries {
        NamedSeries {
            name: self.name.clone(),
            series: self.series.clone(),
            is_encrypted: self.state == ArchiveState::Encrypted,
        }
    }
}

impl fmt::Display for NamedSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(Series { host, source, machine }) = &self.series {
            write!(f, ", source {}, host {host}", source.display())?;
            if let Some(machine) = machine {
                write!(f, " (machine {})", machine.get(..8).unwrap_or(machine))?;
            }
        }
        f.write_str(if self.is_encrypted { ", encrypted" } else { "" })
    }
}

/// The conditions for the archive that is meant.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveChoice<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The NAME, if only one is meant.
    pub name: Option<&'a str>,
    /// The host, if only one is meant.
    pub host: Option<&'a str>,
    /// The latest time it was made, if an older one may be meant.
    pub at: Option<OffsetDateTime>,
    /// The time it is.
    pub now: OffsetDateTime,
}

impl ArchiveChoice<'_> {
    fn takes(&self, archive: &ArchiveFacts) -> bool {
        let host = archive.origin.as_ref().map(|origin| origin.host.as_str());
        archive.is_placed()
            && self.name.is_none_or(|name| name == archive.name)
            && self.host.is_none_or(|wanted| host == Some(wanted))
    }
}

/// No archive of a folder is the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is none, or none of this NAME and host.
    #[error("`{}` holds no archive{}", .folder.display(), if *.is_filtered { " of this name and host" } else { "" })]
    NoArchive {
        /// The folder.
        folder: PathBuf,
        /// Is set if a NAME or host was asked for.
        is_filtered: bool,
    },
    /// All are younger than the time asked for.
    #[error("`{}` holds no archive from before that time; its oldest is of {}", .folder.display(), .oldest.date())]
    NoneBefore {
        /// The folder.
        folder: PathBuf,
        /// The time at which the oldest was made.
        oldest: OffsetDateTime,
    },
    /// There are several series, and the newest of all would be of any.
    #[error("`{}` holds archives of several series:{}", .folder.display(), lines(.series))]
    SeveralSeries {
        /// The folder.
        folder: PathBuf,
        /// The series.
        series: Vec<NamedSeries>,
    },
}

fn lines(series: &[NamedSeries]) -> String {
    let lines: Vec<_> = series.iter().map(|series| format!("\n  {series}")).collect();
    lines.concat()
}

impl HasKind for ChoiceError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoArchive { .. } | Self::NoneBefore { .. } => Kind::NotFound,
            Self::SeveralSeries { .. } => Kind::Usage,
        }
    }
}

/// Chooses the newest archive that was made at the time asked for or before.
///
/// Without a time it is the newest that is not dated in the future, or the newest of all where every date
/// is later: then the clock of this host is the one that is wrong. A time in whole seconds, as people see
/// them, takes in all of its second. What is too damaged to tell where it belongs is passed over.
pub fn newest<'a>(
    archives: &'a [ArchiveFacts],
    choice: &ArchiveChoice<'_>,
) -> Result<&'a ArchiveFacts, ChoiceError> {
    let folder = choice.folder.to_owned();
    let wanted: Vec<_> = archives.iter().filter(|facts| choice.takes(facts)).collect();
    let mut series: Vec<_> = wanted.iter().map(|facts| facts.named_series()).collect();
    series.sort();
    series.dedup();
    if series.len() > 1 {
        return Err(ChoiceError::SeveralSeries { folder, series });
    }
    let Some(oldest) = wanted.iter().map(|facts| facts.time).min() else {
        let is_filtered = choice.name.is_some() || choice.host.is_some();
        return Err(ChoiceError::NoArchive { folder, is_filtered });
    };
    let newest = |is_old_enough: &dyn Fn(OffsetDateTime) -> bool| {
        let old_enough = wanted.iter().copied().filter(|facts| is_old_enough(facts.time));
        old_enough.max_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)))
    };
    let found = match choice.at {
        Some(at) if at.nanosecond() == 0 => {
            newest(&|time| time < at.saturating_add(Duration::SECOND))
        }
        Some(at) => newest(&|time| time <= at),
        None => newest(&|time| time <= choice.now).or_else(|| newest(&|_| true)),
    };
    found.ok_or(ChoiceError::NoneBefore { folder, oldest })
}
