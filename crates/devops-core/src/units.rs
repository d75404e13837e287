//! Sizes and durations as people write and read them.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A number of bytes; reads `128MiB`, `1.5 GB` or `4096`, and shows binary units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

/// The reason a text is not a size or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text is no number with a unit of bytes.
    #[error("`{0}` is not a size such as `64MiB`")]
    Size(String),
    /// The text is no number of things, or there are none.
    #[error("`{0}` is not a number from 1 on")]
    Count(String),
    /// The text is no number with a unit of time.
    #[error("`{0}` is not a duration such as `30s` or `7d`")]
    Duration(String),
}

impl ByteSize {
    /// Returns `n` mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let size: bytesize::ByteSize =
            text.trim().parse().map_err(|_| UnitError::Size(text.to_owned()))?;
        Ok(Self(size.as_u64()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bytesize::ByteSize::b(self.0).display().iec().to_string();
        f.pad(&text)
    }
}

/// Reads a number of things of which there is at least one.
pub fn parse_count(text: &str) -> Result<NonZeroUsize, UnitError> {
    text.trim().parse().map_err(|_| UnitError::Count(text.to_owned()))
}

/// Reads a duration such as `30s`, `1h 30m` or `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    humantime::parse_duration(text.trim()).map_err(|_| UnitError::Duration(text.to_owned()))
}

/// Reads the time that a command may take: a duration, or a number of seconds as timeout(1) and curl(1) read it.
pub fn parse_timeout(text: &str) -> Result<Duration, UnitError> {
    let seconds = text.trim().parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    seconds.map_or_else(|| parse_duration(text), Ok)
}

/// Shows a number of things by the name of one: `1 object`, `2 entries`.
///
/// English plurals of the last word: `-ies` for `-y` after a consonant, `-es` after a hiss, else `-s`.
pub fn count<N: Copy + PartialEq + From<u8> + fmt::Display>(n: N, one: &str) -> String {
    let is_hiss = ["s", "x", "ch", "sh"].iter().any(|end| one.ends_with(end));
    let stem = one.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match stem {
        _ if n == N::from(1) => format!("{n} {one}"),
        Some(stem) => format!("{n} {stem}ies"),
        None if is_hiss => format!("{n} {one}es"),
        None => format!("{n} {one}s"),
    }
}

/// Returns the form of a word that fits a number of things: `was` for one, else `were`.
pub fn agree<'a, N: Copy + PartialEq + From<u8>>(n: N, one: &'a str, many: &'a str) -> &'a str {
    if n == N::from(1) { one } else { many }
}

/// Shows a duration rounded for people: `3ms`, `0.4s`, `12s`, `3m 5s`, `2h 4m`, `3d 2h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() == 0 => "0s".to_owned(),
        0 if duration.subsec_millis() < 100 => format!("{}ms", duration.subsec_millis()),
        0..10 => {
            let text = format!("{:.1}", duration.as_secs_f64());
            format!("{}s", text.strip_suffix(".0").unwrap_or(&text))
        }
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Shows a duration exactly, in the largest unit that divides it, as [`parse_duration`] reads it: `1y`, `30d`, `36h`.
pub fn format_exact(duration: Duration) -> String {
    // A year has 365.25 days, and a month is the twelfth part of it, about.
    let units = [(31_557_600, "y"), (2_630_016, "M"), (86_400, "d"), (3600, "h"), (60, "m")];
    let seconds = duration.as_secs();
    if duration.subsec_nanos() > 0 || seconds == 0 {
        return format!("{}s", duration.as_secs_f64());
    }
    let unit = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_binary_and_decimal_sizes() {
        assert_eq!("128MiB".parse(), Ok(ByteSize::mib(128)));
        assert_eq!("1.5 GB".parse(), Ok(ByteSize(1_500_000_000)));
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
    }

    #[test]
    fn refuses_what_is_not_a_size() {
        assert_eq!(
            "many".parse::<ByteSize>().unwrap_err().to_string(),
            "`many` is not a size such as `64MiB`"
        );
    }

    #[test]
    fn shows_binary_units() {
        assert_eq!(ByteSize(200 << 20).to_string(), "200.0 MiB");
        assert_eq!(ByteSize(17).to_string(), "17 B");
    }

    #[test]
    fn an_exact_duration_is_read_back() {
        for text in ["1y", "2M", "30d", "36h", "90m", "61s", "0s", "1h 30m", "1w", "1500ms"] {
            let duration = parse_duration(text).unwrap();
            let shown = format_exact(duration);

            let expected = match text {
                "1h 30m" => "90m",
                "1w" => "7d",
                "1500ms" => "1.5s",
                text => text,
            };
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn reads_and_shows_durations() {
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_mins(90)));
        for (millis, shown) in [
            (0, "0s"),
            (3, "3ms"),
            (430, "0.4s"),
            (999, "1s"),
            (1000, "1s"),
            (1250, "1.2s"),
            (9960, "10s"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), shown);
        }
        assert_eq!(format_duration(Duration::from_secs(185)), "3m 5s");
        assert_eq!(format_duration(Duration::from_hours(50)), "2d 2h");
    }

    #[test]
    fn a_timeout_without_a_unit_is_in_seconds() {
        for (text, millis) in
            [("1", 1000), ("0.5", 500), ("0", 0), ("2m", 120_000), ("1h 1s", 3_601_000)]
        {
            assert_eq!(parse_timeout(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "nan", "inf", "1e30", "soon"] {
            assert!(parse_timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_agrees_with_its_noun() {
        for (one, many) in [
            ("object", "objects"),
            ("entry", "entries"),
            ("delete marker", "delete markers"),
            ("prefix", "prefixes"),
            ("process", "processes"),
            ("day", "days"),
        ] {
            assert_eq!(count(1, one), format!("1 {one}"));
            assert_eq!([0_u64, 2].map(|n| count(n, one)), [0, 2].map(|n| format!("{n} {many}")));
        }
        assert_eq!([0, 1, 2].map(|n| agree(n, "was", "were")), ["were", "was", "were"]);
    }

    #[test]
    fn a_count_begins_with_one() {
        assert_eq!(parse_count("3").map(NonZeroUsize::get), Ok(3));
        for text in ["0", "-1", "x", ""] {
            let error = parse_count(text).unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is not a number from 1 on"));
        }
    }
}
