//! A moment in the future or the past, as a person gives it.

use std::{str::FromStr, time::Duration};

use devops_core::units::parse_duration;
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

/// A moment that is told by how far away it is, by its day or by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long from now, or ago.
    In(Duration),
    /// A day, of the place where the tool runs.
    On(Date),
    /// A time of a day, of the place where the tool runs.
    Local(PrimitiveDateTime),
    /// A moment in time.
    At(OffsetDateTime),
}

/// A text is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is neither a duration such as 90d, nor a day such as 2027-03-01, nor a time such as 2027-03-01T12:00 or 2027-03-01T12:00:00Z"
)]
pub struct BadWhen;

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const MINUTES: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]");

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        if let Ok(duration) = parse_duration(text) {
            return Ok(Self::In(duration));
        }
        if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
            return Ok(Self::On(day));
        }
        // As tables show it: `2027-03-01 12:00:00 +01:00`.
        let joined = text.trim().replacen(' ', "T", 1).replace(' ', "");
        let local = |format| PrimitiveDateTime::parse(&joined, format);
        let local = local(SECONDS).or_else(|_| local(MINUTES)).map(Self::Local);
        local
            .or_else(|_| OffsetDateTime::parse(&joined, &Rfc3339).map(Self::At))
            .map_err(|_| BadWhen)
    }
}

impl When {
    /// Returns the moment, if it lies a second behind `now` at least; a day begins at the midnight of there.
    pub fn after(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let moment = match self {
            Self::In(duration) => now.checked_add(duration.try_into().ok()?)?,
            Self::On(day) => day.with_time(Time::MIDNIGHT).assume_offset(now.offset()),
            Self::Local(time) => time.assume_offset(now.offset()),
            Self::At(moment) => moment,
        };
        // Stores know seconds only.
        (moment - now >= time::Duration::SECOND).then_some(moment)
    }

    /// Returns the moment in the past: a duration is that long ago, and a day is all of it.
    pub fn before(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        Some(match self {
            Self::In(duration) => now.checked_sub(duration.try_into().ok()?)?,
            Self::On(day) => day.with_time(Time::MAX).assume_offset(now.offset()),
            Self::Local(time) => time.assume_offset(now.offset()),
            Self::At(moment) => moment,
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 20:00 +1);

    fn after(text: &str) -> Option<OffsetDateTime> {
        text.parse::<When>().unwrap().after(NOW)
    }

    #[test]
    fn a_moment_is_told_in_three_ways() {
        assert_eq!(after("90d"), Some(datetime!(2027-02-20 20:00 +1)));
        assert_eq!(after("2027-03-01"), Some(datetime!(2027-03-01 00:00 +1)));
        assert_eq!(after("2027-03-01T12:00:00Z"), Some(datetime!(2027-03-01 12:00 UTC)));
    }

    #[test]
    fn a_moment_in_the_past_is_told_as_tables_show_it() {
        for (text, moment) in [
            ("3d", datetime!(2026-11-19 20:00 +1)),
            ("2026-11-20", datetime!(2026-11-20 23:59:59.999_999_999 +1)),
            ("2026-11-20T08:30", datetime!(2026-11-20 08:30 +1)),
            ("2026-11-20 08:30:15", datetime!(2026-11-20 08:30:15 +1)),
            ("2026-11-20 08:30:15 +02:00", datetime!(2026-11-20 08:30:15 +2)),
            ("2026-11-20T08:30:15Z", datetime!(2026-11-20 08:30:15 UTC)),
        ] {
            assert_eq!(text.parse::<When>().unwrap().before(NOW), Some(moment), "{text}");
        }
        assert_eq!("9000000y".parse::<When>().unwrap().before(NOW), None);
        assert!("2026-11-20 8".parse::<When>().is_err());
    }

    #[test]
    fn what_is_past_or_beyond_all_calendars_is_none() {
        assert_eq!(after("2026-11-22"), None);
        assert_eq!(after("2026-11-22T19:00:00Z"), None);
        assert_eq!(after("0s"), None);
        assert_eq!(after("9000000y"), None);
        for text in ["", "tomorrow", "2027-13-01", "-5d"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
