//! Which of many dated things to keep: the rules of restic, as a pure function.
//!
//! Going from the newest to the oldest, each rule keeps the first one of every hour, day, week, month or
//! year it meets until its count is used up. The oldest is kept too while a rule has counts left, so
//! that a young series keeps its beginning. One thing may be kept by several rules.

mod retain_until;
mod series;
mod shrink;

use std::{fmt, time::Duration};

use time::OffsetDateTime;

pub use self::{
    retain_until::retain_until,
    series::{
        Decision, FREE_REMOVALS, Member, Proof, Rules, Ruling, judge, judge_before, most_removals,
        postponed,
    },
    shrink::{Comparison, EarlierSize, SHRINK_LIMIT, Shrunk, SourceSize, compare},
};
use crate::{
    kind::{HasKind, Kind},
    units::format_exact,
};

/// How many to keep of each sort; 0 switches a rule off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepPolicy {
    /// The newest ones.
    pub last: u32,
    /// The newest of each hour.
    pub hourly: u32,
    /// The newest of each day.
    pub daily: u32,
    /// The newest of each ISO week.
    pub weekly: u32,
    /// The newest of each month.
    pub monthly: u32,
    /// The newest of each year.
    pub yearly: u32,
    /// Everything at most this much older than the newest.
    pub within: Option<Duration>,
}

/// A policy that would keep nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the retention policy is empty")]
pub struct EmptyPolicy;

impl HasKind for EmptyPolicy {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// The reason one is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepReason {
    /// One of the newest.
    Last,
    /// The newest of its hour, day, week, month or year.
    NewestOf(Period),
    /// The oldest of all, while a rule had counts left.
    Oldest(Period),
    /// Not older than this, seen from the newest.
    Within(Duration),
    /// Made later than now, so its date says nothing: a clock was wrong.
    Future,
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month of a year.
    Month,
    /// A year.
    Year,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("one of the last"),
            Self::NewestOf(period) => write!(f, "newest of its {period}"),
            Self::Oldest(Period::Hour) => f.write_str("oldest, counts for an hour"),
            Self::Oldest(period) => write!(f, "oldest, counts for a {period}"),
            Self::Within(duration) => write!(f, "within {}", format_exact(*duration)),
            Self::Future => f.write_str("dated in the future"),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

impl KeepPolicy {
    /// Returns whether no rule is on.
    pub fn is_empty(&self) -> bool {
        *self == Self::default() || (self.counts() == [0; 6] && self.within.is_none())
    }

    fn counts(&self) -> [u32; 6] {
        [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly]
    }
}

const PERIODS: [Period; 5] = [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year];

/// Returns the reasons to keep each of `times`, in their order; none means it can go.
///
/// Days and hours are those of each time's own offset. Times after `now` count for no rule and
/// are always kept. Fails with [`EmptyPolicy`] rather than keep nothing.
pub fn plan(
    times: &[OffsetDateTime],
    policy: &KeepPolicy,
    now: OffsetDateTime,
) -> Result<Vec<Vec<KeepReason>>, EmptyPolicy> {
    if policy.is_empty() {
        return Err(EmptyPolicy);
    }
    let mut reasons = vec![Vec::new(); times.len()];
    let (mut newest_first, future): (Vec<usize>, Vec<usize>) =
        (0..times.len()).partition(|&index| times[index] <= now);
    for index in future {
        reasons[index].push(KeepReason::Future);
    }
    newest_first.sort_by_key(|&index| std::cmp::Reverse(times[index]));
    for (&index, _) in newest_first.iter().zip(0..policy.last) {
        reasons[index].push(KeepReason::Last);
    }
    let [_, counts @ ..] = policy.counts();
    for (period, count) in PERIODS.into_iter().zip(counts) {
        keep_periods(times, &newest_first, (period, count), &mut reasons);
    }
    if let (Some(window), Some(&newest)) = (policy.within, newest_first.first()) {
        for &index in &newest_first {
            if times[newest] - times[index] <= window {
                reasons[index].push(KeepReason::Within(window));
            }
        }
    }
    Ok(reasons)
}

fn keep_periods(
    times: &[OffsetDateTime],
    newest_first: &[usize],
    (period, count): (Period, u32),
    reasons: &mut [Vec<KeepReason>],
) {
    let mut left = count;
    let mut last = None;
    for (position, &index) in newest_first.iter().enumerate() {
        if left == 0 {
            return;
        }
        let key = key(times[index], period);
        if last != Some(key) {
            reasons[index].push(KeepReason::NewestOf(period));
        } else if position + 1 == newest_first.len() {
            reasons[index].push(KeepReason::Oldest(period));
        } else {
            continue;
        }
        last = Some(key);
        left -= 1;
    }
}

/// Returns numbers that are the same for all times of one period.
fn key(time: OffsetDateTime, period: Period) -> (i32, u16, u8) {
    match period {
        Period::Hour => (time.year(), time.ordinal(), time.hour()),
        Period::Day => (time.year(), time.ordinal(), 0),
        Period::Week => {
            let (year, week, _) = time.to_iso_week_date();
            (year, week.into(), 0)
        }
        Period::Month => (time.year(), u8::from(time.month()).into(), 0),
        Period::Year => (time.year(), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration as Span, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn kept(times: &[OffsetDateTime], policy: &KeepPolicy) -> Vec<usize> {
        let reasons = plan(times, policy, NOW).unwrap();
        (0..times.len()).filter(|&index| !reasons[index].is_empty()).collect()
    }

    /// One a day for a hundred days, newest first.
    fn daily() -> Vec<OffsetDateTime> {
        (0..100).map(|n| NOW - Span::days(n)).collect()
    }

    #[test]
    fn keeps_the_last_ones_in_any_order() {
        let times = [NOW - Span::days(2), NOW, NOW - Span::days(1)];

        assert_eq!(kept(&times, &KeepPolicy { last: 2, ..KeepPolicy::default() }), [1, 2]);
    }

    #[test]
    fn keeps_the_newest_of_each_day() {
        let times = [
            datetime!(2026-11-22 09:00 UTC),
            datetime!(2026-11-22 08:00 UTC),
            datetime!(2026-11-21 23:59 UTC),
            datetime!(2026-11-21 00:00 UTC),
            datetime!(2026-11-19 10:00 UTC),
            datetime!(2026-11-18 10:00 UTC),
        ];

        let policy = KeepPolicy { daily: 3, ..KeepPolicy::default() };

        assert_eq!(kept(&times, &policy), [0, 2, 4]);
    }

    #[test]
    fn a_day_is_the_local_day_of_each_time() {
        let times = [datetime!(2026-11-22 00:30 +2), datetime!(2026-11-21 23:30 +2)];

        let policy = KeepPolicy { daily: 2, ..KeepPolicy::default() };
        let reasons = plan(&times, &policy, NOW).unwrap();

        let expected = vec![KeepReason::NewestOf(Period::Day)];
        assert_eq!(reasons, [expected.clone(), expected]);
    }

    #[test]
    fn the_hour_that_a_clock_turned_back_repeats_is_one_as_to_restic() {
        let times = [
            datetime!(2026-10-25 03:30 +1),
            datetime!(2026-10-25 02:30 +1),
            datetime!(2026-10-25 02:30 +2),
            datetime!(2026-10-25 01:30 +2),
        ];

        assert_eq!(kept(&times, &KeepPolicy { hourly: 3, ..KeepPolicy::default() }), [0, 1, 3]);
    }

    #[test]
    fn rules_overlap_and_say_so() {
        let policy = KeepPolicy { last: 1, daily: 1, yearly: 1, ..KeepPolicy::default() };

        let reasons = plan(&daily(), &policy, NOW).unwrap();

        assert_eq!(
            reasons[0],
            [
                KeepReason::Last,
                KeepReason::NewestOf(Period::Day),
                KeepReason::NewestOf(Period::Year)
            ]
        );
        assert!(reasons[1..].iter().all(Vec::is_empty));
    }

    #[test]
    fn weeks_begin_on_monday_and_belong_to_one_year() {
        // 2026-12-31 is a Thursday, 2027-01-03 a Sunday: ISO week 53 of 2026.
        let times = [
            datetime!(2027-01-04 10:00 UTC),
            datetime!(2027-01-03 10:00 UTC),
            datetime!(2026-12-31 10:00 UTC),
            datetime!(2026-12-28 10:00 UTC),
            datetime!(2026-12-27 10:00 UTC),
        ];

        let policy = KeepPolicy { weekly: 2, ..KeepPolicy::default() };
        let reasons = plan(&times, &policy, times[0]).unwrap();
        let kept: Vec<_> = reasons.iter().map(|reasons| !reasons.is_empty()).collect();

        assert_eq!(kept, [true, true, false, false, false]);
    }

    #[test]
    fn what_is_dated_in_the_future_is_kept_and_counts_for_no_rule() {
        let times = [NOW + Span::days(400), NOW + Span::hours(1), NOW, NOW - Span::days(1)];

        let policy = KeepPolicy { last: 1, daily: 1, ..KeepPolicy::default() };
        let reasons = plan(&times, &policy, NOW).unwrap();

        assert_eq!(reasons[..2], [[KeepReason::Future], [KeepReason::Future]]);
        assert_eq!(reasons[2], [KeepReason::Last, KeepReason::NewestOf(Period::Day)]);
        assert!(reasons[3].is_empty());
        assert_eq!(KeepReason::Future.to_string(), "dated in the future");
    }

    #[test]
    fn months_and_years_keep_their_newest() {
        let policy = KeepPolicy { monthly: 3, ..KeepPolicy::default() };
        assert_eq!(kept(&daily(), &policy), [0, 22, 53]);

        let times = [
            datetime!(2026-02-01 10:00 UTC),
            datetime!(2025-12-31 10:00 UTC),
            datetime!(2025-01-01 10:00 UTC),
            datetime!(2024-06-01 10:00 UTC),
            datetime!(2024-05-01 10:00 UTC),
        ];
        assert_eq!(kept(&times, &KeepPolicy { yearly: 2, ..KeepPolicy::default() }), [0, 1]);
    }

    #[test]
    fn the_oldest_counts_while_a_rule_has_counts_left() {
        let times = [NOW, NOW - Span::hours(1), NOW - Span::hours(2)];

        let policy = KeepPolicy { yearly: 5, ..KeepPolicy::default() };
        let reasons = plan(&times, &policy, NOW).unwrap();

        assert_eq!(reasons[0], [KeepReason::NewestOf(Period::Year)]);
        assert!(reasons[1].is_empty());
        assert_eq!(reasons[2], [KeepReason::Oldest(Period::Year)]);
    }

    #[test]
    fn within_is_measured_from_the_newest_that_is_not_in_the_future() {
        let times = [
            NOW + Span::days(400),
            NOW - Span::days(50),
            NOW - Span::days(60),
            NOW - Span::days(61),
        ];

        let window = Some(Duration::from_hours(10 * 24));
        let policy = KeepPolicy { within: window, ..KeepPolicy::default() };

        assert_eq!(kept(&times, &policy), [0, 1, 2]);
    }

    #[test]
    fn refuses_to_keep_nothing() {
        assert_eq!(plan(&daily(), &KeepPolicy::default(), NOW), Err(EmptyPolicy));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_newest_is_always_kept(
            hours in prop::collection::vec(0..20_000_i64, 1..40),
            counts in prop::array::uniform6(0..4_u32),
            within in prop::option::of(0..10_000_u64),
        ) {
            let [last, hourly, daily, weekly, monthly, yearly] = counts;
            let within = within.map(Duration::from_hours);
            let policy = KeepPolicy { last, hourly, daily, weekly, monthly, yearly, within };
            prop_assume!(!policy.is_empty());
            let times: Vec<_> = hours.iter().map(|&n| NOW - Span::hours(n)).collect();

            let reasons = plan(&times, &policy, NOW).unwrap();

            let newest = (0..times.len()).max_by_key(|&index| times[index]).unwrap();
            let is_kept = |index: usize| !reasons[index].is_empty();
            prop_assert!((0..times.len()).any(|index| times[index] == times[newest] && is_kept(index)));
        }
    }
}
