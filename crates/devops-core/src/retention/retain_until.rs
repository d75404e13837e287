//! Until when a policy keeps what it keeps, at least: how long a lock on it may last.

use std::cmp::Reverse;

use time::{Date, Duration, Month, OffsetDateTime};

use super::{KeepPolicy, KeepReason, PERIODS, Period, key};

/// No store locks for longer (S3, "Object Lock retention periods").
const LONGEST: Duration = Duration::days(100 * 365);

/// Returns until when each of `times` is kept at least, given the reasons that [`plan`](super::plan) found;
/// nothing where that may end with the next one.
///
/// The k-th of N dailies, counted from 0, is kept until N - k more days have one: a lock until then never
/// outlives the policy. A week, month or year that is not over promises nothing to its newest, because
/// the next one takes its place; only of the finest rule it is taken that one comes in each period.
/// To be one of the last promises nothing either, for nobody knows how soon the next ones come.
pub fn retain_until(
    times: &[OffsetDateTime],
    reasons: &[Vec<KeepReason>],
    policy: &KeepPolicy,
    now: OffsetDateTime,
) -> Vec<Option<OffsetDateTime>> {
    let mut until = vec![None; times.len()];
    let [_, counts @ ..] = policy.counts();
    let finest = PERIODS.into_iter().zip(counts).find(|(_, count)| *count > 0);
    for (period, count) in PERIODS.into_iter().zip(counts) {
        let is_finest = finest.is_some_and(|(finest, _)| finest == period);
        let mut kept: Vec<usize> = (0..times.len())
            .filter(|&index| reasons[index].iter().any(|reason| is_of(reason, period)))
            .collect();
        kept.sort_by_key(|&index| Reverse(times[index]));
        let Some(&newest) = kept.first() else { continue };
        let today = now.to_offset(times[newest].offset());
        let is_open = key(times[newest], period) == key(today, period);
        for (&index, place) in kept.iter().zip(0..count) {
            if place == 0 && is_open && !is_finest {
                continue;
            }
            let n = count - place - u32::from(!is_open);
            let end = if n == 0 { None } else { Some(after(today, period, n)) };
            until[index] = until[index].max(end);
        }
    }
    for (index, until) in until.iter_mut().enumerate() {
        for reason in &reasons[index] {
            *until = (*until).max(promised(reason, times[index]));
        }
        *until = until.filter(|until| *until > now).map(|until| until.min(now + LONGEST));
    }
    until
}

fn is_of(reason: &KeepReason, period: Period) -> bool {
    matches!(reason, KeepReason::NewestOf(of) | KeepReason::Oldest(of) if *of == period)
}

/// Returns what a reason promises whatever comes.
fn promised(reason: &KeepReason, time: OffsetDateTime) -> Option<OffsetDateTime> {
    match reason {
        KeepReason::Within(window) => {
            let window = Duration::try_from(*window).unwrap_or(LONGEST);
            Some(time.checked_add(window).unwrap_or(time.saturating_add(LONGEST)))
        }
        KeepReason::Future => Some(time),
        KeepReason::Last | KeepReason::NewestOf(_) | KeepReason::Oldest(_) => None,
    }
}

/// Returns when the `n`-th period behind that of `now` begins.
fn after(now: OffsetDateTime, period: Period, n: u32) -> OffsetDateTime {
    let date = now.date();
    let days = |date: Date, days: i64| date.checked_add(Duration::days(days));
    let first =
        |year: i32, month: u8| Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok();
    let date = match period {
        Period::Hour => {
            let hour = now.time().hour();
            let begun =
                date.with_hms(hour, 0, 0).expect("an hour of the day").assume_offset(now.offset());
            return begun.saturating_add(Duration::hours(n.into()));
        }
        Period::Day => days(date, n.into()),
        Period::Week => {
            let monday = i64::from(date.weekday().number_days_from_monday());
            days(date, i64::from(n) * 7 - monday)
        }
        Period::Month => {
            let months = u32::from(u8::from(date.month()) - 1).saturating_add(n);
            let year =
                i32::try_from(months / 12).ok().and_then(|years| date.year().checked_add(years));
            let month = u8::try_from(months % 12 + 1).expect("a month of the year");
            year.and_then(|year| first(year, month))
        }
        Period::Year => {
            let year = i32::try_from(n).ok().and_then(|years| date.year().checked_add(years));
            year.and_then(|year| first(year, 1))
        }
    };
    let begins = date.map(|date| date.midnight().assume_offset(now.offset()));
    begins.unwrap_or_else(|| now.saturating_add(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::{super::plan, *};

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn until(times: &[OffsetDateTime], policy: &KeepPolicy) -> Vec<Option<OffsetDateTime>> {
        let reasons = plan(times, policy, NOW).unwrap();
        retain_until(times, &reasons, policy, NOW)
    }

    /// One a day, newest first.
    fn daily(n: i64) -> Vec<OffsetDateTime> {
        (0..n).map(|n| NOW - Duration::days(n)).collect()
    }

    #[test]
    fn the_kth_of_n_dailies_is_kept_for_n_minus_k_days() {
        let policy = KeepPolicy { daily: 3, ..KeepPolicy::default() };

        assert_eq!(
            until(&daily(4), &policy),
            [
                Some(datetime!(2026-11-28 00:00 UTC)),
                Some(datetime!(2026-11-27 00:00 UTC)),
                Some(datetime!(2026-11-26 00:00 UTC)),
                None,
            ]
        );
    }

    #[test]
    fn the_longest_of_several_reasons_counts() {
        let policy = KeepPolicy { daily: 2, weekly: 2, monthly: 2, ..KeepPolicy::default() };

        let until = until(&daily(30), &policy);

        // Sunday of the week before is the newest of a week that is over; October is over too.
        assert_eq!(until[3], Some(datetime!(2026-11-30 00:00 UTC)));
        assert_eq!(until[25], Some(datetime!(2026-12-01 00:00 UTC)));
    }

    #[test]
    fn a_month_that_is_not_over_promises_nothing_to_its_newest() {
        let policy = KeepPolicy { daily: 2, yearly: 10, ..KeepPolicy::default() };

        assert_eq!(until(&daily(1), &policy), [Some(datetime!(2026-11-27 00:00 UTC))]);
    }

    #[test]
    fn when_nothing_came_for_days_the_next_one_may_come_at_once() {
        let policy = KeepPolicy { daily: 2, ..KeepPolicy::default() };
        let times = [NOW - Duration::days(9), NOW - Duration::days(10)];

        assert_eq!(until(&times, &policy), [Some(datetime!(2026-11-26 00:00 UTC)), None]);
    }

    #[test]
    fn a_window_promises_its_length_and_the_last_ones_nothing() {
        let window = std::time::Duration::from_hours(48);
        let policy = KeepPolicy { last: 9, within: Some(window), ..KeepPolicy::default() };

        let until = until(&daily(4), &policy);

        assert_eq!(until, [Some(NOW + window), Some(NOW + window / 2), None, None]);
    }

    #[test]
    fn a_count_beyond_all_calendars_is_a_hundred_years() {
        for policy in [
            KeepPolicy { yearly: u32::MAX, ..KeepPolicy::default() },
            KeepPolicy { monthly: u32::MAX, ..KeepPolicy::default() },
            KeepPolicy { weekly: u32::MAX, ..KeepPolicy::default() },
            KeepPolicy { hourly: u32::MAX, ..KeepPolicy::default() },
            KeepPolicy { within: Some(std::time::Duration::MAX), ..KeepPolicy::default() },
        ] {
            assert_eq!(until(&daily(1), &policy), [Some(NOW + LONGEST)], "{policy:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// One a day comes and the rest is pruned, for months: nothing goes before its time.
        #[test]
        fn nothing_is_pruned_before_its_time(
            counts in (1_u32..9, 0_u32..5, 0_u32..4, 0_u32..3),
            within in proptest::option::of(1_u64..20),
            n in 1_i64..60,
            start in 0_i64..400,
        ) {
            let policy = KeepPolicy {
                daily: counts.0,
                weekly: counts.1,
                monthly: counts.2,
                yearly: counts.3,
                within: within.map(|days| std::time::Duration::from_hours(24 * days)),
                ..KeepPolicy::default()
            };
            let first = NOW + Duration::days(start);
            let mut kept: Vec<_> = (0..n).map(|n| first - Duration::days(n)).collect();
            let mut promises: Vec<(OffsetDateTime, OffsetDateTime)> = Vec::new();
            for day in 0..40 {
                let now = first + Duration::days(day);
                if day > 0 {
                    kept.push(now);
                }
                let reasons = plan(&kept, &policy, now).unwrap();
                let until = retain_until(&kept, &reasons, &policy, now);
                promises.extend(kept.iter().zip(until).filter_map(|(&time, until)| Some((time, until?))));
                let mut left = reasons.iter();
                kept.retain(|_| left.next().is_some_and(|reasons| !reasons.is_empty()));
                for (time, until) in &promises {
                    prop_assert!(*until <= now || kept.contains(time), "{time} was promised {until}");
                }
            }
        }
    }
}
