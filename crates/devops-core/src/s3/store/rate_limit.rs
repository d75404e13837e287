//! How fast bytes move: one limit for all of a store's connections, which may change with the time of day.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use time::{Time, macros::format_description};

use crate::{clock::Clock, units::ByteSize};

/// Less than this could not be told from a connection that stands still.
const SLOWEST: u64 = 1 << 10;

/// At most this fraction of a second's bytes pass at once, so that all connections move.
const PIECES_PER_SECOND: u64 = 8;

/// So many bytes a second, from some times of the day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the order of the day; without a rate, nothing is limited.
    from: Vec<(Time, Option<ByteSize>)>,
}

/// The reason a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// It is neither a rate nor a timetable.
    #[error("`{0}` is not a rate such as `2MiB`, or a timetable such as `08:00,2MiB 19:00,off`")]
    Unreadable(String),
    /// No connection is that slow.
    #[error("`{0}` is less than 1 KiB a second")]
    TooSlow(String),
    /// One time of the day has two rates.
    #[error("{:02}:{:02} stands twice in the timetable", .0.hour(), .0.minute())]
    Twice(Time),
}

impl RateLimit {
    /// Returns how many bytes a second may move at this time of the day; nothing for any number.
    pub fn at(&self, time: Time) -> Option<ByteSize> {
        let earlier = self.from.iter().rev().find(|(from, _)| *from <= time);
        // Before the first time of today the last one of yesterday goes on.
        earlier.or(self.from.last()).and_then(|(_, rate)| *rate)
    }
}

impl FromStr for RateLimit {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if !text.contains(',') {
            return Ok(Self { from: vec![(Time::MIDNIGHT, rate(text)?)] });
        }
        let mut from = Vec::new();
        for word in text.split_whitespace() {
            let unreadable = || RateError::Unreadable(text.to_owned());
            let (at, limit) = word.split_once(',').ok_or_else(unreadable)?;
            let format = format_description!("[hour]:[minute]");
            from.push((Time::parse(at, format).map_err(|_| unreadable())?, rate(limit)?));
        }
        from.sort_by_key(|(at, _)| *at);
        match from.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(RateError::Twice(pair[0].0)),
            None => Ok(Self { from }),
        }
    }
}

fn rate(text: &str) -> Result<Option<ByteSize>, RateError> {
    if text == "off" {
        return Ok(None);
    }
    match text.strip_suffix("/s").unwrap_or(text).parse::<ByteSize>() {
        Ok(rate) if rate.0 >= SLOWEST => Ok(Some(rate)),
        Ok(_) => Err(RateError::TooSlow(text.to_owned())),
        Err(_) => Err(RateError::Unreadable(text.to_owned())),
    }
}

/// Lets bytes through as a limit allows; clones share it.
#[derive(Clone, Default)]
pub struct RateLimiter(Option<Arc<Limited>>);

struct Limited {
    limit: RateLimit,
    clock: Box<dyn Clock>,
    /// When what was let through will have had its time.
    free: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Returns a pace within `limit`, whose times of the day are those of `clock`.
    pub fn new(limit: RateLimit, clock: impl Clock + 'static) -> Self {
        Self(Some(Arc::new(Limited { limit, clock: Box::new(clock), free: Mutex::default() })))
    }

    /// Takes up to `most` bytes; returns how many may move, and how long they have to wait.
    pub(crate) fn take(&self, most: usize) -> (usize, Duration) {
        self.take_at(most, Instant::now())
    }

    fn take_at(&self, most: usize, now: Instant) -> (usize, Duration) {
        let Some(limited) = &self.0 else { return (most, Duration::ZERO) };
        let Some(ByteSize(rate)) = limited.limit.at(limited.clock.now().time()) else {
            return (most, Duration::ZERO);
        };
        let share = usize::try_from(rate / PIECES_PER_SECOND).unwrap_or(usize::MAX);
        let bytes = most.min(share);
        let mut free = limited.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = free.map_or(now, |free| free.max(now));
        #[allow(clippy::cast_precision_loss, reason = "a fraction of a second needs no more")]
        let lasts = Duration::from_secs_f64(bytes as f64 / rate as f64);
        *free = Some(begin + lasts);
        // Bytes count once their time is over: the mean is never above the limit.
        (bytes, begin + lasts - now)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.0.as_ref().map(|limited| &limited.limit);
        f.debug_tuple("RateLimiter").field(&limit).finish()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{datetime, time};

    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn a_rate_holds_all_day() {
        let limit: RateLimit = "2MiB".parse().unwrap();

        assert_eq!(limit.at(time!(0:00)), Some(ByteSize::mib(2)));
        assert_eq!(limit.at(time!(23:59)), Some(ByteSize::mib(2)));
        assert_eq!("2MiB/s".parse(), Ok(limit));
        assert_eq!("off".parse::<RateLimit>().unwrap().at(time!(12:00)), None);
    }

    #[test]
    fn a_timetable_goes_around_the_clock() {
        let limit: RateLimit = "19:00,off 08:00,1MiB 12:30,2MiB".parse().unwrap();

        assert_eq!(limit.at(time!(7:59)), None);
        assert_eq!(limit.at(time!(8:00)), Some(ByteSize::mib(1)));
        assert_eq!(limit.at(time!(12:30)), Some(ByteSize::mib(2)));
        assert_eq!(limit.at(time!(19:00)), None);
    }

    #[test]
    fn refuses_what_is_no_rate() {
        for text in ["", "fast", "0", "8:00", "08:00,", "25:00,1MiB", "08:00,1MiB,2MiB"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
        assert_eq!("10".parse::<RateLimit>(), Err(RateError::TooSlow("10".to_owned())));
        let twice = "08:00,1MiB 08:00,off".parse::<RateLimit>();
        assert_eq!(twice, Err(RateError::Twice(time!(8:00))));
    }

    #[test]
    fn bytes_wait_for_those_before_them() {
        let clock = FixedClock(datetime!(2026-11-25 12:00 UTC));
        let rate_limiter = RateLimiter::new("8KiB".parse().unwrap(), clock);

        let now = Instant::now();

        assert_eq!(rate_limiter.take_at(4096, now), (1024, Duration::from_millis(125)));
        assert_eq!(rate_limiter.clone().take_at(512, now), (512, Duration::from_micros(187_500)));
        // What was not used in the meantime is not made up for.
        let later = now + Duration::from_secs(10);
        assert_eq!(rate_limiter.take_at(4096, later), (1024, Duration::from_millis(125)));
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        assert_eq!(RateLimiter::default().take(1 << 20), (1 << 20, Duration::ZERO));
    }
}
