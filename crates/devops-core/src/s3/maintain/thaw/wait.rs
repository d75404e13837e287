//! Waits until what was asked for is there.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use super::{check_stay, inspect};
use crate::kind::{HasKind, Kind};
use crate::s3::{
    error::operation::S3Error,
    object::{response::ObjectHead, uri::S3Uri},
    request::context::S3Context,
    upload::batch::for_each_concurrent,
};

/// The time to wait for objects, and the interval of checks.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The longest time to wait.
    pub limit: Duration,
    /// The first pause between two looks; each one is longer than the one before.
    pub first_pause: Duration,
    /// The longest one.
    pub longest_pause: Duration,
    /// Until when copies are to stay, if that was asked for.
    pub until: Option<OffsetDateTime>,
}

impl Waiting {
    /// Returns the usual pauses: the quickest retrieval takes a minute, most take hours.
    pub fn of(limit: Duration, until: Option<OffsetDateTime>) -> Self {
        let (first_pause, longest_pause) = (Duration::from_secs(30), Duration::from_mins(10));
        Self { limit, first_pause, longest_pause, until }
    }

    /// Returns the pause before look number `n`, from 0, when that much time has passed; nothing when it
    /// is over.
    fn pause(&self, n: u32, elapsed: Duration) -> Option<Duration> {
        let left = self.limit.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        let grown = self.first_pause.saturating_mul(1 << n.min(16));
        Some(grown.min(self.longest_pause).min(left))
    }
}

/// An event while objects are waited for.
#[derive(Debug)]
pub enum Waited<'a> {
    /// So many cannot be read yet, and are looked at after this pause.
    Pausing(usize, Duration),
    /// This one can be read.
    Readable(&'a S3Uri, Box<ObjectHead>),
    /// This one will not be waited for any longer.
    Failed(&'a S3Uri, S3Error),
}

/// Waits until all of these can be read, or the time is over; returns those that cannot.
///
/// A store that cannot be reached in between is asked again after the next pause.
pub fn wait_for_thaw<'a>(
    context: S3Context<'a>,
    mut pending: Vec<S3Uri>,
    waiting: Waiting,
    tell: &'a mut dyn FnMut(Waited<'_>),
) -> LocalBoxFuture<'a, Result<Vec<S3Uri>, S3Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let mut n = 0;
        while !pending.is_empty()
            && let Some(pause) = waiting.pause(n, begun.elapsed())
        {
            tell(Waited::Pausing(pending.len(), pause));
            tokio::select! {
                biased;
                cancelled = context.cancel_token.requested() => return Err(cancelled.into()),
                () = tokio::time::sleep(pause) => {}
            }
            n += 1;
            let mut settled = HashSet::new();
            let look = async |uri| inspect(context, uri).await;
            let looked = for_each_concurrent(context, &pending, look, |uri, result| match result {
                Ok(head) if !head.restore_status.is_readable() => {}
                Ok(head) => {
                    settled.insert(uri.clone());
                    tell(match check_stay(uri, head.restore_status, waiting.until) {
                        Ok(()) => Waited::Readable(uri, Box::new(head)),
                        Err(error) => Waited::Failed(uri, error),
                    });
                }
                Err(error) => {
                    settled.insert(uri.clone());
                    tell(Waited::Failed(uri, error));
                }
            });
            match looked.await {
                Err(error) if error.kind() != Kind::Temporary => return Err(error),
                _ => pending.retain(|uri| !settled.contains(uri)),
            }
        }
        Ok(pending)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_end_with_the_time() {
        let waiting = Waiting::of(Duration::from_hours(2), None);
        let pause = |n, minutes| waiting.pause(n, Duration::from_mins(minutes));

        assert_eq!(pause(0, 0), Some(Duration::from_secs(30)));
        assert_eq!(pause(2, 1), Some(Duration::from_mins(2)));
        assert_eq!(pause(99, 10), Some(Duration::from_mins(10)));
        assert_eq!(pause(99, 119), Some(Duration::from_mins(1)));
        assert_eq!(pause(3, 120), None);
        assert_eq!(Waiting::of(Duration::ZERO, None).pause(0, Duration::ZERO), None);
    }
}
