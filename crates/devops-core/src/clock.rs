//! The time, given by the caller so that a test can choose it.

use time::{OffsetDateTime, UtcOffset};

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Returns the time now, in the local offset of the caller's choice.
    fn now(&self) -> OffsetDateTime;
}

/// The clock of this host, shown at one local offset.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    offset: UtcOffset,
}

impl SystemClock {
    /// Returns the host's clock, showing times at `offset`.
    pub fn new(offset: UtcOffset) -> Self {
        Self { offset }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc().to_offset(self.offset)
    }
}

/// A clock that always shows the same time.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub OffsetDateTime);

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}
