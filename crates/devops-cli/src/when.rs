//! A moment in the future, as a person gives it.

use std::{str::FromStr, time::Duration};

use devops_core::units::parse_duration;
use time::{
    Date, OffsetDateTime, Time, format_description::well_known::Rfc3339, macros::format_description,
};

/// A moment that is told by how long it is to it, by its day or by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long from now.
    In(Duration),
    /// A day, of the place where the tool runs.
    On(Date),
    /// A moment in time.
    At(OffsetDateTime),
}

/// A text is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is neither a duration such as 90d, nor a day such as 2027-03-01, nor a time such as 2027-03-01T12:00:00Z"
)]
pub struct BadWhen;

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        if let Ok(duration) = parse_duration(text) {
            return Ok(Self::In(duration));
        }
        if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
            return Ok(Self::On(day));
        }
        OffsetDateTime::parse(text, &Rfc3339).map(Self::At).map_err(|_| BadWhen)
    }
}

impl When {
    /// Returns the moment, if it lies a second behind `now` at least; a day begins at the midnight of there.
    pub fn after(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let moment = match self {
            Self::In(duration) => now.checked_add(duration.try_into().ok()?)?,
            Self::On(day) => day.with_time(Time::MIDNIGHT).assume_offset(now.offset()),
            Self::At(moment) => moment,
        };
        // Stores know seconds only.
        (moment - now >= time::Duration::SECOND).then_some(moment)
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
