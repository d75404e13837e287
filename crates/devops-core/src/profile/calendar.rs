//! Checks calendar expressions of systemd.time(7) before they stand in a unit.

use std::time::Duration;

use super::schedule::BadSchedule;
use crate::{
    cancel::Cancel,
    process::{self, CommandSpec},
};

/// The most that systemd may say about an expression, in bytes.
const LIMIT: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(5);
const WORDS: [&str; 9] = [
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "annually",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Refuses what systemd does not take for a calendar expression: by asking it where it is installed,
/// else by the grammar, roughly.
pub fn check_calendar(text: &str, cancel: &Cancel) -> Result<(), BadSchedule> {
    let is_known = by_systemd(text, cancel).unwrap_or_else(|| is_calendar(text));
    if is_known { Ok(()) } else { Err(BadSchedule::NotATime(text.to_owned())) }
}

/// Asks systemd; `None` when it does not say.
fn by_systemd(text: &str, cancel: &Cancel) -> Option<bool> {
    let mut spec = CommandSpec::new("systemd-analyze").args(["calendar", "--", text]);
    spec = spec.env("LC_ALL", "C").env("SYSTEMD_PAGER", "");
    spec.timeout = Some(TIMEOUT);
    let captured = process::capture(&spec, cancel, LIMIT).ok()?;
    if captured.exit.is_success() {
        return Some(true);
    }
    let is_refused = String::from_utf8_lossy(&captured.stderr).contains("Failed to parse calendar");
    is_refused.then_some(false)
}

/// Returns whether a text has the words of `[WEEKDAYS] [DATE] [TIME] [TIMEZONE]`, or is one of a few
/// words.
fn is_calendar(text: &str) -> bool {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 1 && words.last().is_some_and(|word| is_timezone(word)) {
        words.pop();
    }
    if let [word] = words.as_slice()
        && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
    {
        return true;
    }
    let mut rest = words.as_slice();
    for is_part in [is_weekdays, is_date, is_time] {
        if let Some((first, others)) = rest.split_first()
            && is_part(first)
        {
            rest = others;
        }
    }
    !words.is_empty() && rest.is_empty()
}

fn is_weekdays(word: &str) -> bool {
    word.split([',', '-']).flat_map(|part| part.split("..")).all(|day| {
        let day = day.to_ascii_lowercase();
        day.len() >= 3 && WEEKDAYS.iter().any(|known| *known == day || known[..3] == day)
    })
}

fn is_date(word: &str) -> bool {
    let parts: Vec<_> = word.split(['-', '~']).collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| are_numbers(part, 9999))
}

fn is_time(word: &str) -> bool {
    let parts: Vec<_> = word.split(':').collect();
    let is_fraction = |byte: u8| byte.is_ascii_digit() || b"./".contains(&byte);
    (2..=3).contains(&parts.len())
        && are_numbers(parts[0], 23)
        && are_numbers(parts[1], 59)
        && parts.get(2).is_none_or(|part| are_numbers(part, 60) || part.bytes().all(is_fraction))
}

/// Returns whether a text is `*`, or numbers with commas, ranges and steps.
fn are_numbers(text: &str, most: u32) -> bool {
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number <= most);
    text.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(a, b)| (a, Some(b)));
        let is_step = step.is_none_or(|step| step.parse::<u32>().is_ok());
        is_step && (range == "*" || range.split("..").all(is_number))
    })
}

fn is_timezone(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    word == "UTC"
        || (word.contains('/') && word.bytes().all(is_part) && !word.starts_with('/'))
            && word.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_other_words_with_and_without_systemd() {
        for (text, is_known) in [
            ("daily", true),
            ("Weekly", true),
            ("daily UTC", true),
            ("Mon *-*-* 03:00", true),
            ("Mon,Thu..Sat 03:30", true),
            ("*-*-01,15 04:00:00", true),
            ("*-*~03/1 12:00", true),
            ("*:0/15", true),
            ("2026-12-24 18:00 Europe/Berlin", true),
            ("Sat", true),
            ("bogus", false),
            ("", false),
            ("daily 03:00", false),
            ("Mon Tue 03:00", false),
            ("25:00", false),
            ("03:61", false),
            ("30 3 * * *", false),
            ("03:00 bogus", false),
        ] {
            assert_eq!(is_calendar(text), is_known, "{text}");
            if let Some(by_systemd) = by_systemd(text, &Cancel::new()) {
                assert_eq!(by_systemd, is_known, "{text}");
            }
            assert_eq!(check_calendar(text, &Cancel::new()).is_ok(), is_known, "{text}");
        }
    }
}
