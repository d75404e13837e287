//! Weekday or weekend: of a name, a date, or now in a time zone.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use time::{Date, OffsetDateTime, Weekday, format_description::well_known::Rfc3339};

use super::LessonError;

/// Where Linux keeps its own table of time zones, which is fresher than ours.
const ZONEINFO: &str = "/usr/share/zoneinfo";

/// The years RFC 3339 can write.
const YEARS: std::ops::RangeInclusive<i32> = 0..=9999;

const NAMES: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Work or rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    Weekend,
}

/// A day of the week, and which one if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day of the week.
    pub weekday: Weekday,
    /// The date, unless only a name was given.
    pub date: Option<Date>,
}

impl DayKind {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weekday => "weekday",
            Self::Weekend => "weekend",
        }
    }
}

impl Day {
    /// Reads a name (`Saturday`, `sat`) or a date (`2026-11-22`).
    pub fn parse(text: &str) -> Result<Self, LessonError> {
        let word = text.trim().to_lowercase();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return parse_date(&word).map(Self::of).ok_or_else(|| LessonError::NotA {
                given: text.to_owned(),
                wanted: "a date such as 2026-11-22",
            });
        }
        let found = NAMES.iter().position(|name| word.len() >= 3 && name.starts_with(&word));
        let weekday = found.ok_or_else(|| LessonError::unknown("day", text, &NAMES))?;
        let n_days = u8::try_from(weekday).expect("seven days");
        Ok(Self { weekday: Weekday::Monday.nth_next(n_days), date: None })
    }

    /// Returns the day it is at `instant`: in the time zone of that name, else at its own offset.
    pub fn at(instant: OffsetDateTime, zone: Option<&str>) -> Result<Self, LessonError> {
        let Some(name) = zone else { return Ok(Self::of(instant.date())) };
        let not_a_zone = || LessonError::NotA {
            given: name.to_owned(),
            wanted: "a time zone such as Europe/Berlin",
        };
        let zone = find_zone(name).ok_or_else(not_a_zone)?;
        let offset = zone.to_offset(nearest_stamp(instant)).seconds();
        let offset = time::UtcOffset::from_whole_seconds(offset).map_err(|_| not_a_zone())?;
        let local = instant.checked_to_offset(offset).map(OffsetDateTime::date);
        let date = local.filter(|date| YEARS.contains(&date.year()));
        Ok(Self::of(date.ok_or_else(|| LessonError::NotA {
            given: instant.format(&Rfc3339).unwrap_or_else(|_| instant.to_string()),
            wanted: "a time in the years 0000 to 9999 of that time zone",
        })?))
    }

    fn of(date: Date) -> Self {
        Self { weekday: date.weekday(), date: Some(date) }
    }

    /// Returns whether it is a day of work or of rest.
    pub fn kind(self) -> DayKind {
        match self.weekday {
            Weekday::Saturday | Weekday::Sunday => DayKind::Weekend,
            _ => DayKind::Weekday,
        }
    }
}

/// Returns the moment for which a zone is asked; its rules reach a day less far than our moments.
fn nearest_stamp(instant: OffsetDateTime) -> jiff::Timestamp {
    use jiff::Timestamp;
    Timestamp::from_second(instant.unix_timestamp()).unwrap_or(match instant.year() {
        ..0 => Timestamp::MIN,
        _ => Timestamp::MAX,
    })
}

/// Reads a moment such as `2026-11-22T08:00:00Z` (RFC 3339).
pub fn parse_instant(text: &str) -> Result<OffsetDateTime, LessonError> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(|_| not_an_instant(text))
}

fn not_an_instant(text: &str) -> LessonError {
    LessonError::NotA {
        given: text.to_owned(),
        wanted: "a time such as 2026-11-22T08:00:00Z (RFC 3339)",
    }
}

fn parse_date(text: &str) -> Option<Date> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, &format).ok()
}

fn find_zone(name: &str) -> Option<TimeZone> {
    let of_host = TimeZoneDatabase::from_dir(ZONEINFO).ok().and_then(|zones| zones.get(name).ok());
    of_host.or_else(|| TimeZoneDatabase::bundled().get(name).ok())
}

/// Returns the line of the notes for what somebody typed; there, every typo is a weekday.
pub fn transcript(typed: &str) -> &'static str {
    match typed.to_lowercase().as_str() {
        "saturday" | "sunday" => "It's the weekend! Time to learn Python for DevOps!",
        _ => "It's a weekday. Time to practice what I have learned.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> DayKind {
        Day::parse(text).unwrap().kind()
    }

    #[test]
    fn reads_names_in_any_case_and_their_beginnings() {
        for text in ["Saturday", "sat", "SUNDAY", "sund", " sun "] {
            assert_eq!(kind(text), DayKind::Weekend);
        }
        for text in ["Monday", "tues", "wed", "Thursday", "fri"] {
            assert_eq!(kind(text), DayKind::Weekday);
        }
    }

    #[test]
    fn reads_dates() {
        assert_eq!(kind("2026-11-22"), DayKind::Weekend);
        assert_eq!(kind("2026-11-23"), DayKind::Weekday);
        assert_eq!(
            Day::parse("2026-02-30").unwrap_err().to_string(),
            "'2026-02-30' is not a date such as 2026-11-22"
        );
    }

    #[test]
    fn a_typo_is_no_weekday() {
        let error = Day::parse("Blursday").unwrap_err();
        let two_letters = Day::parse("su").unwrap_err();

        assert!(error.to_string().starts_with("unknown day 'Blursday' (choose from monday, "));
        assert_eq!(Day::parse("Thirsday").unwrap_err().meant(), Some("thursday"));
        assert!(matches!(two_letters, LessonError::UnknownWord { .. }));
    }

    #[test]
    fn the_day_depends_on_the_time_zone() {
        let friday_night = parse_instant("2026-11-20T23:30:00Z").unwrap();
        let weekday = |zone| Day::at(friday_night, zone).unwrap().weekday;

        assert_eq!(weekday(None), Weekday::Friday);
        assert_eq!(weekday(Some("Europe/Berlin")), Weekday::Saturday);
        assert_eq!(weekday(Some("America/New_York")), Weekday::Friday);
        assert!(Day::at(friday_night, Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn daylight_saving_moves_midnight() {
        // 22:30 UTC is 00:30 of the next day in Berlin in summer, and 23:30 in winter.
        let summer = parse_instant("2026-07-10T22:30:00Z").unwrap();
        let winter = parse_instant("2026-12-11T22:30:00Z").unwrap();

        assert_eq!(Day::at(summer, Some("Europe/Berlin")).unwrap().weekday, Weekday::Saturday);
        assert_eq!(Day::at(winter, Some("Europe/Berlin")).unwrap().weekday, Weekday::Friday);
    }

    #[test]
    fn the_first_and_the_last_moments_have_a_day_or_one_clear_error() {
        let at = |text, zone| Day::at(parse_instant(text).unwrap(), zone);
        let date = |text, zone| at(text, zone).unwrap().date.unwrap().to_string();
        let (first, last) = ("0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z");
        let (west, east) = (Some("America/New_York"), Some("Asia/Tokyo"));

        assert_eq!(date(first, None), "0000-01-01");
        assert_eq!(date(last, None), "9999-12-31");
        assert_eq!(date(first, east), "0000-01-01");
        assert_eq!(date(last, west), "9999-12-31");
        assert_eq!(
            at(first, west).unwrap_err().to_string(),
            "'0000-01-01T00:00:00Z' is not a time in the years 0000 to 9999 of that time zone"
        );
        assert_eq!(
            at(last, east).unwrap_err().to_string(),
            "'9999-12-31T23:59:59Z' is not a time in the years 0000 to 9999 of that time zone"
        );
    }

    #[test]
    fn no_zone_and_no_offset_makes_the_ends_panic() {
        let dates = ["0000-01-01T00:00:00", "9999-12-31T23:59:59", "9999-12-31T23:59:60"];
        for date in dates {
            for offset in ["Z", "+23:59", "-23:59", "+14:00", "-12:00"] {
                let Ok(instant) = parse_instant(&format!("{date}{offset}")) else { continue };
                for zone in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"] {
                    let Err(error) = Day::at(instant, Some(zone)) else { continue };
                    assert!(error.to_string().contains("the years 0000 to 9999"), "{error}");
                }
            }
        }
    }

    #[test]
    fn in_the_transcript_a_typo_is_a_weekday() {
        assert!(transcript("SATURDAY").starts_with("It's the weekend!"));
        assert!(transcript("Blursday").starts_with("It's a weekday."));
    }
}
