//! A store as this client sees it: how to reach it and what it was found to know.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use super::{
    access::Access, buffers::Buffers, connect::ConnectOptions, lanes::Lanes, pace::Pace,
    retry::Patience,
};
use crate::units::ByteSize;

/// One connection carries about 20 MB/s to S3; ten of them fill a gigabit and more.
const USUAL_CONCURRENCY: usize = 10;

/// How much of this host a store's client may use.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How many requests carry data at the same time; 0 chooses.
    pub concurrency: usize,
    /// How much memory parts take.
    pub max_memory: ByteSize,
    /// When to give up.
    pub patience: Patience,
    /// How fast bytes move.
    pub pace: Pace,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            concurrency: 0,
            max_memory: ByteSize::mib(128),
            patience: Patience::default(),
            pace: Pace::default(),
        }
    }
}

/// A store that objects are put into and fetched from.
pub struct Store {
    access: Access,
    plain_http: bool,
    options: StoreOptions,
    lanes: Lanes,
    buffers: Buffers,
    address: ConnectOptions,
    answered: AtomicBool,
    without_checksums: AtomicBool,
    without_conditions: AtomicBool,
}

impl Store {
    pub(crate) fn new(access: Access, address: ConnectOptions, options: StoreOptions) -> Self {
        let plain_http =
            address.endpoint_url.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let concurrency =
            if options.concurrency == 0 { USUAL_CONCURRENCY } else { options.concurrency };
        Self {
            access,
            plain_http,
            lanes: Lanes::new(concurrency),
            buffers: Buffers::new(options.max_memory.0),
            options,
            address,
            answered: AtomicBool::new(false),
            without_checksums: AtomicBool::new(false),
            without_conditions: AtomicBool::new(false),
        }
    }

    /// Returns how many requests may carry data at the moment.
    pub fn concurrency(&self) -> usize {
        self.lanes.open()
    }

    /// Returns how it was reached, with the endpoint that was found.
    pub fn address(&self) -> &ConnectOptions {
        &self.address
    }

    /// Returns when the credentials in use end, if they say it.
    pub fn credentials_end(&self) -> Option<SystemTime> {
        self.access.credentials()?.expiry()
    }

    /// Returns the limit for the memory that parts take.
    pub fn max_memory(&self) -> ByteSize {
        self.options.max_memory
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn patience(&self) -> Patience {
        self.options.patience
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.options.pace
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        self.plain_http
    }

    pub(crate) fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Remembers that the store does not know checksum headers; returns whether that is news.
    pub(crate) fn give_up_checksums(&self) -> bool {
        !self.without_checksums.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn knows_checksums(&self) -> bool {
        !self.without_checksums.load(Ordering::SeqCst)
    }

    /// Remembers that the store does not know conditional writes; returns whether that is news.
    pub(crate) fn give_up_conditions(&self) -> bool {
        !self.without_conditions.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn knows_conditions(&self) -> bool {
        !self.without_conditions.load(Ordering::SeqCst)
    }
}
