//! The file names of archives: `NAME-YYYY-MM-DD.tar.gz`, with the time for later ones of a day, and with
//! `.age` behind it for encrypted ones.

use std::{ffi::OsStr, fmt, str::FromStr};

use time::{
    Date, OffsetDateTime, Time, UtcOffset, format_description::BorrowedFormatItem,
    macros::format_description,
};

use crate::kind::{HasKind, Kind};

const SUFFIX: &str = ".tar.gz";
const ENCRYPTED: &str = ".age";
const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const TIME: &[BorrowedFormatItem<'_>] = format_description!("[hour]-[minute]-[second]");

/// The first part of an archive's file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupName(String);

/// A text that would not make a file name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be the name of a backup: it must be a file name without a leading dot")]
pub struct BadName(pub String);

impl HasKind for BadName {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl FromStr for BackupName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let is_plain = !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(|c: char| c == '/' || c.is_control())
            && name.len() <= 200;
        if is_plain { Ok(Self(name.to_owned())) } else { Err(BadName(name.to_owned())) }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BackupName {
    /// Returns the file names to try for an archive begun at `started`, best first, without end.
    pub(crate) fn candidates(
        &self,
        started: OffsetDateTime,
        is_encrypted: bool,
    ) -> impl Iterator<Item = String> {
        let date = started.date().format(DATE).unwrap_or_default();
        let time = started.time().format(TIME).unwrap_or_default();
        let first = format!("{self}-{date}");
        let second = format!("{self}-{date}T{time}");
        let further = second.clone();
        let stems = [first, second].into_iter();
        let stems = stems.chain((2_u32..).map(move |n| format!("{further}-{n}")));
        let encrypted = if is_encrypted { ENCRYPTED } else { "" };
        stems.map(move |stem| format!("{stem}{SUFFIX}{encrypted}"))
    }
}

/// The parts of an archive's file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName {
    /// The name of the backup.
    pub name: BackupName,
    /// The local date of its start.
    pub date: Date,
    /// The local time of its start, unless it was the first of its day.
    pub time: Option<Time>,
    /// 1, or the count among archives of the same second.
    pub n: u32,
}

impl ArchiveName {
    /// Returns the time that the name tells, at this offset; midnight for the first of its day.
    pub(crate) fn time_at(&self, offset: UtcOffset) -> OffsetDateTime {
        self.date.with_time(self.time.unwrap_or(Time::MIDNIGHT)).assume_offset(offset)
    }

    /// Reads a file name; `None` when it is not an archive's.
    pub fn parse(file_name: &OsStr) -> Option<Self> {
        let file_name = file_name.to_str()?;
        let plain = file_name.strip_suffix(ENCRYPTED).unwrap_or(file_name);
        let stem = plain.strip_suffix(SUFFIX)?;
        if let Some((name, date)) = split_tail(stem, 10)
            && let Ok(date) = Date::parse(date, DATE)
        {
            return Some(Self { name: name.parse().ok()?, date, time: None, n: 1 });
        }
        if let Some(parsed) = Self::with_time(stem, 1) {
            return Some(parsed);
        }
        let (stem, n) = stem.rsplit_once('-')?;
        let number: u32 = n.parse().ok().filter(|&number| number >= 2)?;
        if number.to_string() == n { Self::with_time(stem, number) } else { None }
    }

    fn with_time(stem: &str, n: u32) -> Option<Self> {
        let (name, moment) = split_tail(stem, 19)?;
        let (date, time) = moment.split_once('T')?;
        Some(Self {
            name: name.parse().ok()?,
            date: Date::parse(date, DATE).ok()?,
            time: Some(Time::parse(time, TIME).ok()?),
            n,
        })
    }
}

/// Splits `NAME-TAIL` where the tail has `n` bytes.
fn split_tail(stem: &str, n: usize) -> Option<(&str, &str)> {
    let at = stem.len().checked_sub(n)?;
    let (head, tail) = stem.split_at_checked(at)?;
    Some((head.strip_suffix('-')?, tail))
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime, time};

    use super::*;

    fn parse(name: &str) -> Option<ArchiveName> {
        ArchiveName::parse(OsStr::new(name))
    }

    #[test]
    fn a_later_archive_of_a_day_carries_the_time() {
        let name: BackupName = "web-data".parse().unwrap();
        let names: Vec<_> =
            name.candidates(datetime!(2026-03-05 07:08:09 +1), false).take(4).collect();

        assert_eq!(
            names,
            [
                "web-data-2026-03-05.tar.gz",
                "web-data-2026-03-05T07-08-09.tar.gz",
                "web-data-2026-03-05T07-08-09-2.tar.gz",
                "web-data-2026-03-05T07-08-09-3.tar.gz",
            ]
        );
    }

    #[test]
    fn reads_every_name_it_makes() {
        let name: BackupName = "a-2026-01-01".parse().unwrap();
        let date = date!(2026 - 03 - 05);
        let time = time!(07:08:09);

        let start = OffsetDateTime::new_utc(date, time);
        let read = |is_encrypted| -> Vec<_> {
            let names = name.candidates(start, is_encrypted).take(3);
            names.map(|file| parse(&file).unwrap()).collect()
        };

        let expected = [(None, 1), (Some(time), 1), (Some(time), 2)].map(|(time, n)| ArchiveName {
            name: name.clone(),
            date,
            time,
            n,
        });
        assert_eq!(read(false), expected);
        assert_eq!(read(true), expected);
        assert!(expected.is_sorted());
    }

    #[test]
    fn other_files_are_not_touched() {
        for name in [
            "backup.tar.gz",
            "backup-2026-13-01.tar.gz",
            "backup-2026-03-05.tar",
            "backup-2026-03-05.tar.gz.partial",
            "backup-2026-03-05.tar.gz.age.age",
            "backup-2026-03-05.age",
            "backup-2026-03-05-2.tar.gz",
            "backup-2026-03-05T07-08-09-1.tar.gz",
            "backup-2026-03-05T07-08-09-02.tar.gz",
            "backup-2026-03-05T07-08.tar.gz",
            "-2026-03-05.tar.gz",
            ".backup-2026-03-05.tar.gz",
            "2026-03-05.tar.gz",
            "é-2026-03-0é.tar.gz",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn refuses_names_that_are_no_file_names() {
        for name in ["", ".hidden", "a/b", "..", "a\nb"] {
            assert!(name.parse::<BackupName>().is_err(), "{name:?}");
        }
    }
}
