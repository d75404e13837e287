//! A store as this client sees it: how to reach it and what it was found to know.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use aws_sdk_s3::{
    Client,
    config::{Builder, Region},
};

use super::{buffers::Buffers, connect::ConnectOptions, lanes::Lanes, pace::Pace, retry::Patience};
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
    config: Builder,
    client: RwLock<Client>,
    plain_http: bool,
    options: StoreOptions,
    lanes: Lanes,
    buffers: Buffers,
    address: ConnectOptions,
    credentials_end: Option<SystemTime>,
    answered: AtomicBool,
    moved: AtomicBool,
    without_checksums: AtomicBool,
    without_conditions: AtomicBool,
}

impl Store {
    pub(crate) fn new(
        config: Builder,
        address: ConnectOptions,
        options: StoreOptions,
        credentials_end: Option<SystemTime>,
    ) -> Self {
        let plain_http =
            address.endpoint_url.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let concurrency =
            if options.concurrency == 0 { USUAL_CONCURRENCY } else { options.concurrency };
        Self {
            client: RwLock::new(Client::from_conf(config.clone().build())),
            config,
            plain_http,
            lanes: Lanes::new(concurrency),
            buffers: Buffers::new(options.max_memory.0),
            options,
            address,
            credentials_end,
            answered: AtomicBool::new(false),
            moved: AtomicBool::new(false),
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

    /// Returns when the credentials of the beginning end, if they say it.
    pub fn credentials_end(&self) -> Option<SystemTime> {
        self.credentials_end
    }

    /// Returns the limit for the memory that parts take.
    pub fn max_memory(&self) -> ByteSize {
        self.options.max_memory
    }

    pub(crate) fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns to the region the store named in its answer to `tried`; only once, so that two regions
    /// that each name the other do not go on for ever. Returns whether to try again.
    ///
    /// Credentials go to the address made from that region, never to one named in an answer.
    pub(crate) fn move_to(&self, region: &str, tried: &Client) -> bool {
        let name = |client: &Client| client.config().region().map(ToString::to_string);
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if name(&client) != name(tried) {
            // Another request heard it first.
            return true;
        }
        if name(&client).as_deref() == Some(region) || self.moved.swap(true, Ordering::SeqCst) {
            return false;
        }
        let config = self.config.clone().region(Region::new(region.to_owned()));
        *client = Client::from_conf(config.build());
        true
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
