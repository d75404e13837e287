//! Goes through the archives of a name from the newest to the oldest.
//!
//! By the start that they record: a name tells the local day of it and no more, since the plain name
//! of a day is free again after a prune. Only those archives are read that may be the next one.

use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime, Time, UtcOffset};

use crate::archive::{ArchiveError, read::list::origin_of};
use crate::{
    archive_index::{ArchiveName, BackupName, Origin},
    cancel::Cancel,
    fs::PathError,
};

/// The most that clocks and calendars of hosts that share a folder may differ.
const APART: Duration = Duration::days(1);

/// An archive of a name, and what it says of its origin.
pub(in crate::archive) struct Dated {
    pub(in crate::archive) path: PathBuf,
    pub(in crate::archive) origin: Result<Option<Origin>, ArchiveError>,
    /// Its recorded start, else what its name says.
    time: OffsetDateTime,
    name: ArchiveName,
}

/// The archives of a name that are not dated in the future, the newest first.
pub(in crate::archive) struct NewestFirst<'a> {
    /// Those that were not read, oldest first by name.
    unread: Vec<(ArchiveName, PathBuf)>,
    /// Those that were.
    read: Vec<Dated>,
    now: OffsetDateTime,
    cancel: &'a Cancel,
}

impl<'a> NewestFirst<'a> {
    pub(in crate::archive) fn of(
        folder: &Path,
        name: &BackupName,
        now: OffsetDateTime,
        cancel: &'a Cancel,
    ) -> Result<Self, PathError> {
        let mut unread = name.archives_in(folder)?;
        let latest = now.date().saturating_add(APART);
        unread.retain(|(name, _)| name.date <= latest);
        Ok(Self { unread, read: Vec::new(), now, cancel })
    }

    fn read(&mut self, name: ArchiveName, path: PathBuf) {
        let origin = origin_of((&path).into(), self.cancel);
        let time = match &origin {
            Ok(Some(origin)) => origin.started,
            _ => name.time_at(self.now.offset()),
        };
        // Its clock was wrong, or what it says of it is.
        if time <= self.now.saturating_add(APART) {
            self.read.push(Dated { path, origin, time, name });
        }
    }
}

impl Iterator for NewestFirst<'_> {
    type Item = Dated;

    fn next(&mut self) -> Option<Dated> {
        loop {
            let newest = (0..self.read.len())
                .max_by_key(|&index| (self.read[index].time, &self.read[index].name));
            let latest = self.unread.last().map(|(name, _)| latest_start(name));
            if let Some(newest) = newest
                && latest.is_none_or(|latest| self.read[newest].time > latest)
            {
                return Some(self.read.swap_remove(newest));
            }
            let (name, path) = self.unread.pop()?;
            self.read(name, path);
        }
    }
}

/// Returns the latest start that an archive may have by its name, wherever it was made.
fn latest_start(name: &ArchiveName) -> OffsetDateTime {
    let next = name.date.saturating_add(Duration::days(2));
    next.with_time(Time::MIDNIGHT).assume_offset(UtcOffset::UTC)
}
