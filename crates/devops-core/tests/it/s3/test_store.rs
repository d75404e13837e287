//! A store with a fake server behind it, and the events it told.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fs::File,
    io::Write,
    iter,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use devops_core::{
    cancel::Cancel,
    clock::SystemClock,
    s3::{
        AfterSignal, CancelToken, ConnectOptions, CustomerKey, Event, ObjectSummary, PutOptions,
        RateLimit, RateLimiter, RequestHeaders, RetryConfig, S3Context, S3Error, S3Uri, Store,
        StoreOptions, UploadItem, connect, put,
    },
    units::ByteSize,
};
use devops_fakes::s3::{ACCESS_KEY, Entry, SECRET_KEY, Server};
use time::UtcOffset;

use crate::s3::{
    fault_case::{InjectedError, met},
    words::check_words,
};

/// The smallest part that S3 allows.
pub(crate) const PART: u64 = 5 << 20;

/// A step that takes longer than this has failed; generous, since the machine may be busy.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// An action of a test at an event.
type Heard = fn(&TestStore, &Event);

pub(crate) struct TestStore {
    pub(crate) server: Server,
    pub(crate) cancel: Cancel,
    pub(crate) events: RefCell<Vec<Event>>,
    heard: Cell<Option<Heard>>,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    cancel_token: CancelToken,
}

async fn connected(
    server: &Server,
    store_options: StoreOptions,
    cancel_token: &CancelToken,
    headers: RequestHeaders,
) -> Store {
    let options = ConnectOptions {
        endpoint_url: Some(server.endpoint()),
        key: Some((ACCESS_KEY.to_owned(), SECRET_KEY.into())),
        headers,
        ..ConnectOptions::default()
    };
    connect(&options, store_options, cancel_token).await.unwrap()
}

/// Returns time enough for every answer that comes.
pub(crate) fn time_enough() -> RetryConfig {
    RetryConfig {
        before_first_response: Duration::from_secs(20),
        stall: Duration::from_secs(20),
        abort: LONG,
        ..RetryConfig::default()
    }
}

fn store_options(retry_config: RetryConfig) -> StoreOptions {
    let max_memory = ByteSize::mib(64);
    StoreOptions { concurrency: 4, max_memory, retry_config, rate_limiter: RateLimiter::default() }
}

impl TestStore {
    /// A rig for what ends by itself.
    pub(crate) fn new() -> Self {
        Self::with(time_enough())
    }

    /// A rig for what could pass and never does: it soon tries no more, and hears every answer.
    pub(crate) fn impatient() -> Self {
        Self::with(RetryConfig {
            before_first_response: Duration::from_millis(500),
            ..time_enough()
        })
    }

    /// A rig for answers that never come, which tries no more after them.
    pub(crate) fn deaf() -> Self {
        let (before_first_response, stall) = (Duration::from_millis(500), Duration::from_secs(3));
        Self::with(RetryConfig { before_first_response, stall, ..time_enough() })
    }

    /// A rig for an answer that does not come at first.
    pub(crate) fn that_asks_again() -> Self {
        Self::with(RetryConfig { stall: Duration::from_secs(3), ..time_enough() })
    }

    /// A rig that has time for all that is worth it after a signal.
    pub(crate) fn unhurried() -> Self {
        let after_signal = AfterSignal { response_timeout: LONG, abort: LONG, probes: LONG };
        Self::with(RetryConfig { after_signal, ..time_enough() })
    }

    /// A rig that makes one request at a time.
    pub(crate) fn one_by_one() -> Self {
        Self::of(StoreOptions { concurrency: 1, ..store_options(time_enough()) })
    }

    pub(crate) fn with(retry_config: RetryConfig) -> Self {
        Self::of(store_options(retry_config))
    }

    pub(crate) fn limited(limit: RateLimit) -> Self {
        let rate_limiter = RateLimiter::new(limit, SystemClock::new(UtcOffset::UTC));
        Self::of(StoreOptions { rate_limiter, ..store_options(time_enough()) })
    }

    /// A rig whose requests carry a key that the store encrypts with, and that soon tries no more.
    pub(crate) fn with_customer_key() -> Self {
        let before_first_response = Duration::from_millis(500);
        Self::with_customer_key_and(RetryConfig { before_first_response, ..time_enough() })
    }

    /// A rig whose requests carry a key that the store encrypts with.
    pub(crate) fn with_customer_key_and(retry_config: RetryConfig) -> Self {
        let customer_key = CustomerKey::read(&[7; 32]);
        Self::of_headers(
            store_options(retry_config),
            RequestHeaders { customer_key, ..RequestHeaders::default() },
        )
    }

    fn of(options: StoreOptions) -> Self {
        Self::of_headers(options, RequestHeaders::default())
    }

    fn of_headers(options: StoreOptions, headers: RequestHeaders) -> Self {
        let server = Server::with_bucket();
        let cancel = Cancel::new();
        let cancel_token = CancelToken::new(&cancel);
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let store = runtime.block_on(connected(&server, options, &cancel_token, headers));
        Self {
            server,
            cancel,
            events: RefCell::default(),
            heard: Cell::default(),
            dir,
            runtime,
            store,
            cancel_token,
        }
    }

    /// Forgets what was learned about the store, as another process would not know it.
    pub(crate) fn connect_again(&mut self, retry_config: RetryConfig) {
        let headers = self.store.address().headers.clone();
        let connecting =
            connected(&self.server, store_options(retry_config), &self.cancel_token, headers);
        self.store = self.runtime.block_on(connecting);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file with bytes that do not repeat.
    pub(crate) fn file(&self, name: &str, size: u64) -> PathBuf {
        let path = self.path(name);
        File::create(&path).unwrap().write_all(&bytes(size)).unwrap();
        path
    }

    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(S3Context<'_>) -> T) -> T {
        let events = |event| {
            if let Some(heard) = self.heard.get() {
                heard(self, &event);
            }
            self.events.borrow_mut().push(event);
        };
        let context =
            S3Context { store: &self.store, cancel_token: &self.cancel_token, events: &events };
        self.runtime.block_on(work(context))
    }

    pub(crate) fn put(
        &self,
        path: &Path,
        key: &str,
        options: &PutOptions,
    ) -> Result<ObjectSummary, S3Error> {
        let size = path.metadata().unwrap().len();
        let source = UploadItem::new(path.to_owned(), uri(key), size);
        self.run(async |context| put(context, &source, options).await)
    }

    /// Works, and on another thread waits until so many requests are held, acts, and releases them.
    pub(crate) fn while_held<T>(
        &self,
        n: usize,
        act: impl FnOnce(&Server) + Send,
        work: impl FnOnce(&Self) -> T,
    ) -> T {
        let server = &self.server;
        thread::scope(|scope| {
            scope.spawn(move || {
                let are_held = |log: &[Entry]| log.iter().filter(|e| is_held(e)).count() >= n;
                assert!(server.wait_for(are_held, LONG), "fewer than {n} requests came");
                act(server);
                server.release();
            });
            work(self)
        })
    }

    /// Does this at every event from now on.
    pub(crate) fn on_event(&self, heard: Heard) {
        self.heard.set(Some(heard));
    }

    /// Lets these things go wrong from now on.
    pub(crate) fn let_go_wrong(&self, wrongs: &[InjectedError]) {
        let rules: Vec<String> = wrongs.iter().map(InjectedError::to_string).collect();
        self.server.faults(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Lets everything go well from now on, and waits for what is under way; returns what did go wrong.
    pub(crate) fn let_go_well(
        &self,
        wrongs: &[InjectedError],
    ) -> Result<Vec<InjectedError>, String> {
        self.server.clear_faults();
        if !self.server.wait_until_idle(Duration::from_mins(1)) {
            return Err("a request never ended".to_owned());
        }
        Ok(met(wrongs, &self.server.log()))
    }

    /// Returns whether an answer was given up that came, or was about to: that is so if more were given up
    /// than stalled. The failures that work ended in say so too.
    pub(crate) fn has_missed(&self, failures: &[String]) -> bool {
        let mut given_up: Vec<String> = self.events.borrow().iter().filter_map(retried).collect();
        given_up.extend_from_slice(failures);
        for why in &given_up {
            check_words(why);
        }
        given_up.retain(|why| NO_ANSWER.iter().any(|no_answer| why.contains(no_answer)));
        let log = self.server.log();
        let n_stalled = |operation: &str| {
            log.iter().filter(|entry| entry.operation == operation && stalls(entry)).count()
        };
        let mut operations: Vec<_> = log.iter().map(|entry| entry.operation.as_str()).collect();
        operations.sort_unstable();
        operations.dedup();
        operations.into_iter().any(|operation| {
            let names = |why: &&String| why.contains(&format!("{operation}: "));
            given_up.iter().filter(names).count() > n_stalled(operation)
        })
    }

    /// Returns how many retries were told.
    pub(crate) fn n_retries(&self) -> usize {
        self.events.borrow().iter().filter(|event| matches!(event, Event::Retry { .. })).count()
    }

    /// Returns how many bytes were told to have moved, all in all.
    pub(crate) fn moved(&self) -> i64 {
        let moved =
            |event: &Event| if let Event::BytesTransferred(bytes) = event { *bytes } else { 0 };
        self.events.borrow().iter().map(moved).sum()
    }
}

/// The reasons of a client that waits no longer.
const NO_ANSWER: [&str; 2] = ["no answer in time", "stands still"];

/// Returns an error with its causes in one line.
pub(crate) fn in_one_line(error: &S3Error) -> String {
    let first: &dyn Error = error;
    let causes = iter::successors(Some(first), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(" < ")
}

fn retried(event: &Event) -> Option<String> {
    match event {
        Event::Retry { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

fn stalls(entry: &Entry) -> bool {
    entry.faults.iter().any(|fault| fault.starts_with("stall"))
}

fn is_held(entry: &Entry) -> bool {
    entry.status.is_none() && entry.faults.iter().any(|fault| fault == "hold")
}

/// Waits until this holds, looking often.
#[allow(clippy::disallowed_methods, reason = "a test polls what it cannot be told of")]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns bytes that do not repeat.
pub(crate) fn bytes(size: u64) -> Vec<u8> {
    let size = usize::try_from(size).unwrap();
    let mut state = size as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = vec![0; size.next_multiple_of(8)];
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Returns the address of a key in the bucket.
pub(crate) fn uri(key: &str) -> S3Uri {
    S3Uri::new("backups", key).unwrap()
}
