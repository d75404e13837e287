//! The time a request is tried again, decided without a clock.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::s3::error::request_error::RequestErrorKind;

/// Timeouts and the retry budget of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// The time to keep trying before the store has answered once.
    pub before_first_response: Duration,
    /// The time after which a connection without progress is dropped.
    pub stall: Duration,
    /// The time to remove an upload that failed; one that takes longer is named.
    pub abort: Duration,
    /// The times that count once a signal has come.
    pub after_signal: AfterSignal,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            before_first_response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            abort: Duration::from_secs(10),
            after_signal: AfterSignal::default(),
        }
    }
}

/// The times that this client goes on for after a signal: a person who pressed Ctrl-C waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterSignal {
    /// The time for answers that name an upload to abort, or an object that is whole; most come in it.
    pub response_timeout: Duration,
    /// The time to remove an upload.
    pub abort: Duration,
    /// The time to delete what an examination of the store has made.
    pub probes: Duration,
}

impl Default for AfterSignal {
    fn default() -> Self {
        Self {
            // It is hardly noticed.
            response_timeout: Duration::from_millis(800),
            abort: Duration::from_millis(700),
            probes: Duration::from_millis(1500),
        }
    }
}

/// A store that answered once gets a larger budget: its requests are tried this many times longer.
const ONCE_ANSWERED: u32 = 4;

/// A complete response that cannot be parsed is retried only this often.
const MOST_READINGS: u32 = 3;

/// A request whose attempts take long is made so often, even when the time is over.
const FEWEST: u32 = 3;

const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// A store that asks for more does not know that somebody waits.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

impl RetryConfig {
    /// Returns the time to wait for the answer to a short request.
    pub fn response_timeout(&self) -> Duration {
        self.stall
    }

    /// Returns the time to wait for the answer after the body of a request was sent.
    pub fn body_response_timeout(&self) -> Duration {
        self.stall * 2
    }

    /// Returns the time to wait for `CompleteMultipartUpload`, which takes S3 minutes for large objects.
    pub fn completion(&self) -> Duration {
        self.stall * 20
    }

    /// Returns the time to wait for `DeleteObjects`: some stores delete so many objects one after the other.
    pub fn deletion(&self, n_objects: usize) -> Duration {
        let n_objects = u32::try_from(n_objects).unwrap_or(u32::MAX);
        self.stall + (self.stall / 100).saturating_mul(n_objects)
    }

    /// Returns the time to keep trying one request.
    pub fn budget(&self, has_answered: bool) -> Duration {
        if has_answered {
            self.before_first_response * ONCE_ANSWERED
        } else {
            self.before_first_response
        }
    }

    /// Returns how long to pause before the next attempt, or nothing when it is time to give up.
    ///
    /// `jitter` is between 0 and 1: full jitter, so that many clients that failed together do not come
    /// back together. What the store asks for is waited for, too, unless it is time to give up by then.
    pub fn pause(
        &self,
        error_kind: &RequestErrorKind,
        last_attempt: Attempt,
        jitter: f64,
    ) -> Option<Duration> {
        let is_lasting =
            *error_kind == RequestErrorKind::Unreadable && last_attempt.number >= MOST_READINGS;
        if !error_kind.is_transient() || is_lasting {
            return None;
        }
        let base = match error_kind {
            RequestErrorKind::Throttled => Duration::from_secs(1),
            _ => Duration::from_millis(100),
        };
        let longest =
            base.saturating_mul(1 << (last_attempt.number - 1).min(10)).min(LONGEST_PAUSE);
        let pause = longest.mul_f64(jitter);
        let has_time_for =
            |pause| last_attempt.elapsed + pause < self.budget(last_attempt.has_answered);
        let asked = last_attempt.asked.map(|asked| asked.min(LONGEST_ASKED) + base.mul_f64(jitter));
        if let Some(asked) = asked.filter(|&asked| asked > pause && has_time_for(asked)) {
            return Some(asked);
        }
        let is_young = last_attempt.has_answered && last_attempt.number < FEWEST;
        (is_young || has_time_for(pause)).then_some(pause)
    }
}

/// The state of the attempts so far.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The number of the attempt that just failed, from 1.
    pub number: u32,
    /// The time since the first attempt began.
    pub elapsed: Duration,
    /// Is set if the store has ever answered.
    pub has_answered: bool,
    /// The pause that the store asks for.
    pub asked: Option<Duration>,
}

/// Returns a random number, good enough for jitter and for names.
pub(crate) fn random() -> u64 {
    // Every `RandomState` has its own keys.
    RandomState::new().hash_one(0)
}

/// Returns a random number between 0 and 1.
pub(crate) fn jitter() -> f64 {
    f64::from(u32::try_from(random() >> 32).expect("half of 64 bits")) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_attempt(attempt: u32, seconds: u64, has_answered: bool) -> Attempt {
        Attempt {
            number: attempt,
            elapsed: Duration::from_secs(seconds),
            has_answered,
            asked: None,
        }
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let retry_config = RetryConfig::default();
        let pause = |attempt| {
            retry_config
                .pause(&RequestErrorKind::Server, last_attempt(attempt, 0, true), 1.0)
                .unwrap()
        };

        assert_eq!(pause(1), Duration::from_millis(100));
        assert_eq!(pause(4), Duration::from_millis(800));
        assert_eq!(pause(30), LONGEST_PAUSE);
    }

    #[test]
    fn a_throttled_request_waits_longer() {
        let pause = RetryConfig::default().pause(
            &RequestErrorKind::Throttled,
            last_attempt(1, 0, true),
            0.5,
        );

        assert_eq!(pause, Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_store_is_left_alone_for_as_long_as_it_asks_within_limits() {
        let pause = |seconds, asked| {
            let asked = Some(Duration::from_secs(asked));
            let last_attempt = Attempt { asked, ..last_attempt(1, seconds, true) };
            RetryConfig::default().pause(&RequestErrorKind::Throttled, last_attempt, 0.5).unwrap()
        };
        let usual = Duration::from_millis(500);

        assert_eq!(pause(0, 7), Duration::from_secs(7) + usual);
        assert_eq!(pause(0, 3600), Duration::from_mins(1) + usual);
        // It would be over by then.
        assert_eq!(pause(115, 7), usual);
        assert_eq!(pause(0, 0), usual);
    }

    #[test]
    fn gives_up_when_the_time_is_over() {
        let retry_config = RetryConfig::default();

        assert_eq!(
            retry_config.pause(&RequestErrorKind::Unreachable, last_attempt(9, 30, false), 0.0),
            None
        );
        assert!(
            retry_config
                .pause(&RequestErrorKind::Unreachable, last_attempt(9, 30, true), 0.0)
                .is_some()
        );
        assert_eq!(
            retry_config.pause(&RequestErrorKind::Unreachable, last_attempt(9, 120, true), 0.0),
            None
        );
    }

    #[test]
    fn an_attempt_that_took_all_the_time_is_not_the_last_one() {
        let retry_config = RetryConfig::default();

        assert!(
            retry_config
                .pause(&RequestErrorKind::Broken, last_attempt(2, 1_000, true), 1.0)
                .is_some()
        );
        assert_eq!(
            retry_config.pause(&RequestErrorKind::Broken, last_attempt(3, 1_000, true), 1.0),
            None
        );
        assert_eq!(
            retry_config.pause(&RequestErrorKind::Unreachable, last_attempt(1, 1_000, false), 1.0),
            None
        );
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_waited_for_long() {
        let retry_config = RetryConfig::default();

        assert!(
            retry_config
                .pause(&RequestErrorKind::Unreadable, last_attempt(2, 0, true), 0.0)
                .is_some()
        );
        assert_eq!(
            retry_config.pause(&RequestErrorKind::Unreadable, last_attempt(3, 0, true), 0.0),
            None
        );
    }

    #[test]
    fn never_tries_again_what_cannot_get_better() {
        let retry_config = RetryConfig::default();

        for error_kind in [
            RequestErrorKind::Denied,
            RequestErrorKind::NoBucket,
            RequestErrorKind::Exists,
            RequestErrorKind::Rejected,
        ] {
            assert_eq!(retry_config.pause(&error_kind, last_attempt(1, 0, true), 0.0), None);
        }
    }

    #[test]
    fn chances_lie_between_zero_and_one_and_differ() {
        let chances: Vec<_> = (0..100).map(|_| jitter()).collect();

        assert!(chances.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        assert!(
            chances.iter().any(|&jitter| jitter < 0.5)
                && chances.iter().any(|&jitter| jitter > 0.5)
        );
    }
}
