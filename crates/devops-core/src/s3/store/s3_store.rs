//! A store as this client sees it: how to reach it and what it was found to know.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::{Mutex, MutexGuard};

use super::{
    buffer_pool::BufferPool,
    capabilities::{Capabilities, Conditions},
    client::ClientHandle,
    concurrency::ConcurrencyLimiter,
    options::ConnectOptions,
    quirks::{Quirks, Support},
    rate_limit::RateLimiter,
    response_interceptor::ResponseInterceptor,
    retry_policy::RetryConfig,
};
use crate::s3::{
    object::{protection::Wanted, response::StoredPart},
    plan::parts::{Limits, PartPlan, PartSize, PlanError, USUAL_CONCURRENCY, room_for_parts},
};
use crate::units::ByteSize;

/// The resources of the host that the client may use.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The number of requests that carry data at the same time; 0 chooses.
    pub concurrency: usize,
    /// The approximate memory limit of the process; most of it is for parts.
    pub max_memory: ByteSize,
    /// The retry limits.
    pub retry_config: RetryConfig,
    /// The rate limit.
    pub rate_limiter: RateLimiter,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            concurrency: 0,
            max_memory: ByteSize::mib(128),
            retry_config: RetryConfig::default(),
            rate_limiter: RateLimiter::default(),
        }
    }
}

/// A store that objects are put into and fetched from.
pub struct Store {
    client: ClientHandle,
    plain_http: bool,
    options: StoreOptions,
    limiter: ConcurrencyLimiter,
    buffer_pool: BufferPool,
    /// Held while an index of an archive is in memory.
    indexes: Mutex<()>,
    address: ConnectOptions,
    answered: AtomicBool,
    without_checksums: AtomicBool,
    without_conditions: AtomicBool,
    confirms_nothing: AtomicBool,
    /// Is set once the warning about checksums of a wrong length was given.
    has_reported_length: AtomicBool,
    by_host: &'static Quirks,
    interceptor: ResponseInterceptor,
    capabilities: RwLock<Capabilities>,
    /// Is set if this run has found out more than was known before.
    has_learned: AtomicBool,
    /// Held while one object finds out for all others what the store does.
    proving: Mutex<()>,
}

impl Store {
    pub(crate) fn new(
        client: ClientHandle,
        interceptor: ResponseInterceptor,
        address: ConnectOptions,
        options: StoreOptions,
    ) -> Self {
        let plain_http =
            address.endpoint_url.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let by_host = Quirks::of_endpoint(address.endpoint_url.as_deref());
        let concurrency =
            if options.concurrency == 0 { USUAL_CONCURRENCY.into() } else { options.concurrency };
        Self {
            client,
            plain_http,
            limiter: ConcurrencyLimiter::new(concurrency),
            buffer_pool: BufferPool::new(room_for_parts(options.max_memory)),
            indexes: Mutex::default(),
            options,
            address,
            answered: AtomicBool::new(false),
            without_checksums: AtomicBool::new(by_host.checksums == Support::No),
            without_conditions: AtomicBool::new(by_host.conditions == Support::No),
            confirms_nothing: AtomicBool::new(false),
            has_reported_length: AtomicBool::new(false),
            by_host,
            interceptor,
            capabilities: RwLock::default(),
            has_learned: AtomicBool::new(false),
            proving: Mutex::default(),
        }
    }

    /// Returns how many requests may carry data at the moment.
    pub fn concurrency(&self) -> usize {
        self.limiter.limit()
    }

    /// Returns how it was reached, with the endpoint that was found.
    pub fn address(&self) -> &ConnectOptions {
        &self.address
    }

    /// Returns when the credentials in use end, if they say it.
    pub fn credentials_end(&self) -> Option<SystemTime> {
        self.client.credentials()?.expiry()
    }

    /// Returns the limit for the memory that a process takes, of which most is for parts.
    pub fn max_memory(&self) -> ByteSize {
        self.options.max_memory
    }

    /// Takes what was found out about the store before, so that nothing has to be refused to show it.
    pub fn assume(&self, capabilities: Capabilities) {
        if capabilities.checksums == Some(false) || capabilities.compares_checksums == Some(false) {
            self.without_checksums.store(true, Ordering::SeqCst);
        }
        // Where the header is not looked at it protects nothing either: a look has to come before each write.
        if matches!(capabilities.conditions, Some(Conditions::Refused | Conditions::Ignored)) {
            self.without_conditions.store(true, Ordering::SeqCst);
        }
        *self.capabilities.write().unwrap_or_else(PoisonError::into_inner) = capabilities;
    }

    /// Returns what was found out.
    pub fn capabilities(&self) -> Capabilities {
        *self.capabilities.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known, if this run has found out something of it.
    pub fn learned(&self) -> Option<Capabilities> {
        self.has_learned.load(Ordering::Relaxed).then(|| self.capabilities())
    }

    fn learn(&self, learn: impl FnOnce(&mut Capabilities)) {
        learn(&mut self.capabilities.write().unwrap_or_else(PoisonError::into_inner));
        self.has_learned.store(true, Ordering::Relaxed);
    }

    /// Waits until no other object finds out what this one has to know.
    pub(crate) async fn turn_to_prove(&self) -> MutexGuard<'_, ()> {
        self.proving.lock().await
    }

    /// Returns whether the store is known to encrypt as asked: it was seen to, or would refuse to take the object.
    pub(crate) fn encrypts(&self, wanted: &Wanted<'_>) -> bool {
        self.by_host.is_aws() || self.capabilities().encrypts.covers(wanted)
    }

    pub(crate) fn note_encryption(&self, wanted: &Wanted<'_>) {
        self.learn(|capabilities| capabilities.encrypts.note(wanted));
    }

    /// Returns whether checksums that the store tells say something of the bytes.
    pub(crate) fn checksums_prove(&self) -> bool {
        self.capabilities().compares_checksums != Some(false)
    }

    /// Returns how the store differs from S3, as far as its host or its answers tell.
    pub fn quirks(&self) -> &'static Quirks {
        match self.interceptor.server() {
            Some(server) if self.by_host.is_unknown() => Quirks::of_server(server.as_sent()),
            _ => self.by_host,
        }
    }

    /// Returns which parts the store takes.
    pub fn limits(&self) -> Limits {
        // Parts are planned before the first answer: only the host counts.
        self.by_host.limits
    }

    /// Plans the parts of a file for this store, which are read while they are sent and take no memory.
    pub fn plan(&self, size: u64, part_size: PartSize) -> Result<PartPlan, PlanError> {
        PartPlan::within(self.limits(), size, part_size, ByteSize(u64::MAX))
    }

    /// Says why objects cannot be made of pieces of others here, if that is known.
    pub fn composes(&self) -> Result<(), String> {
        let (name, found) = (self.quirks().name, self.capabilities().copies);
        if found == Some(false) || found.is_none() && self.quirks().copies == Support::No {
            return Err(format!("the store ({name}) copies no pieces of objects"));
        }
        if self.limits().equal {
            return Err(format!("{name} takes only parts of one size"));
        }
        Ok(())
    }

    /// Returns whether an `ETag` that is an MD5 proves something.
    pub(crate) fn etag_may_prove(&self) -> bool {
        self.etag_is_md5() != Support::No
    }

    /// Returns whether an `ETag` is an MD5 where the object is not kept in a special way.
    pub(crate) fn etag_is_md5(&self) -> Support {
        match self.capabilities().etag_is_md5 {
            Some(true) => Support::Yes,
            Some(false) => Support::No,
            None => self.quirks().etag_is_md5,
        }
    }

    pub(crate) fn interceptor(&self) -> &ResponseInterceptor {
        &self.interceptor
    }

    pub(crate) fn client(&self) -> &ClientHandle {
        &self.client
    }

    pub(crate) fn retry_config(&self) -> RetryConfig {
        self.options.retry_config
    }

    pub(crate) fn rate_limiter(&self) -> &RateLimiter {
        &self.options.rate_limiter
    }

    pub(crate) fn limiter(&self) -> &ConcurrencyLimiter {
        &self.limiter
    }

    pub(crate) fn buffer_pool(&self) -> &BufferPool {
        &self.buffer_pool
    }

    /// Waits until no other index of an archive is in memory: one alone may take half of what there is.
    pub(crate) async fn index_memory_permit(&self) -> MutexGuard<'_, ()> {
        self.indexes.lock().await
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        self.plain_http
    }

    pub(crate) fn note_response(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Remembers that the store does not know checksum headers; returns whether that is news.
    pub(crate) fn disable_checksums(&self) -> bool {
        let is_news = !self.without_checksums.swap(true, Ordering::SeqCst);
        if is_news {
            self.learn(|capabilities| capabilities.checksums = Some(false));
        }
        is_news
    }

    pub(crate) fn knows_checksums(&self) -> bool {
        !self.without_checksums.load(Ordering::SeqCst)
    }

    /// Remembers whether the store repeats the checksums that it gets: one that does not gets MD5s too, which
    /// every store compares.
    pub(crate) fn note_confirmed(&self, part: &StoredPart) {
        if part.sum.is_some() && !part.confirmed {
            self.confirms_nothing.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn confirms_nothing(&self) -> bool {
        self.confirms_nothing.load(Ordering::Relaxed)
    }

    /// Returns whether it is news that the checksums of the store's answers have a wrong length.
    pub(crate) fn has_news_of_length(&self) -> bool {
        self.interceptor.saw_wrong_length()
            && !self.has_reported_length.swap(true, Ordering::Relaxed)
    }

    /// Remembers that the store does not know conditional writes; returns whether that is news.
    pub(crate) fn disable_preconditions(&self) -> bool {
        let is_news = !self.without_conditions.swap(true, Ordering::SeqCst);
        if is_news {
            self.learn(|capabilities| capabilities.conditions = Some(Conditions::Refused));
        }
        is_news
    }

    pub(crate) fn supports_preconditions(&self) -> bool {
        !self.without_conditions.load(Ordering::SeqCst)
    }
}
