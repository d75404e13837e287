//! An S3 server that does what it is told, faults included.
//!
//! `store` keeps the objects honestly, `service` answers for it, `fault` says what goes wrong, and
//! `http` puts the faults around the answers and writes the log.

mod answers;
mod archived;
mod body;
mod conditions;
mod copying;
mod dialect;
mod digest;
mod encryption;
mod entry;
mod excess;
mod fault;
mod hashes;
mod http;
mod ignorer;
mod inputs;
mod listing;
mod multipart;
mod object;
mod options;
mod parts;
mod ranges;
mod removal;
mod response;
mod service;
mod shape;
mod shared;
mod store;
mod sync;
mod versions;

use object::Bucket;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};
use sync::lock;

use tokio::sync::{oneshot, watch};

pub use self::{
    fault::{Dialect, FAULTS, Fault, FaultError, Rule, RuleError, Slip},
    object::StoredObject,
};
use self::{http::Front, store::Store};
pub use entry::Entry;
pub use options::{ACCESS_KEY, Options, SECRET_KEY};
use shared::Shared;

/// A running server; it ends when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on loopback, on its own thread.
    pub fn start(options: &Options) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            store: Store::new(options)?,
            rules: Mutex::default(),
            log: Mutex::default(),
            logged: Condvar::new(),
            released: watch::Sender::new(()),
            sink: Mutex::default(),
            echoes: Mutex::default(),
            notes_answers: AtomicBool::new(false),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let front = Front::new(Arc::clone(&shared), options);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    result = front.serve(listener) => drop(result.expect("the listener works")),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts a server in memory with one bucket, `backups`.
    pub fn with_bucket() -> Self {
        let options = Options { buckets: vec!["backups".to_owned()], ..Options::default() };
        Self::start(&options).expect("loopback has a free port")
    }

    /// Returns the address for `--endpoint-url`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Reads a rule such as `UploadPart:slow-down:times=2`; see [`Rule`].
    pub fn faults(&self, rules: &[&str]) {
        for rule in rules {
            self.fault(rule.parse().expect("the rule is well-formed"));
        }
    }

    /// Lets everything go well from now on, and releases what is held.
    pub fn clear_faults(&self) {
        lock(&self.shared.rules).clear();
        self.release();
    }

    /// Lets the requests that are held go on: all that the log has by now.
    pub fn release(&self) {
        self.shared.released.send_replace(());
    }

    /// Writes every request to `sink` as a JSON line, too.
    pub fn log_to(&self, sink: impl io::Write + Send + 'static) {
        *lock(&self.shared.sink) = Some(Box::new(sink));
    }

    /// Notes the names of all that answers tell from now on, which reads each to its end first.
    pub fn note_answers(&self) {
        self.shared.notes_answers.store(true, Ordering::Relaxed);
    }

    /// Returns every request so far.
    pub fn log(&self) -> Vec<Entry> {
        lock(&self.shared.log).clone()
    }

    /// Returns how many requests of `operation` came.
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.shared.log).iter().filter(|entry| entry.operation == operation).count()
    }

    /// Waits until the log satisfies `enough`; returns whether it did in time.
    pub fn wait_for(&self, enough: impl Fn(&[Entry]) -> bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut log = lock(&self.shared.log);
        loop {
            if enough(&log) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            log = self
                .shared
                .logged
                .wait_timeout(log, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until no request is under way but those that stall: what is there then stays as it is.
    pub fn wait_until_idle(&self, limit: Duration) -> bool {
        let is_over = |entry: &Entry| {
            entry.status.is_some() || entry.faults.iter().any(|fault| fault == "stall")
        };
        self.wait_for(|log| log.iter().all(is_over), limit)
    }

    /// Returns an object.
    pub fn object(&self, bucket: &str, key: &str) -> Option<StoredObject> {
        self.shared.store.object(bucket, key)
    }

    /// Stores an object as if someone else had put it there.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.shared.store.put_foreign(bucket, key, bytes);
    }

    /// Makes an empty bucket.
    pub fn add_bucket(&self, name: &str) {
        self.shared.store.buckets().entry(name.to_owned()).or_default();
    }

    /// Lets a bucket keep versions from now on, and with them locks.
    pub fn keep_versions(&self, bucket: &str) {
        self.shared.store.buckets().entry(bucket.to_owned()).or_default().is_versioned = true;
    }

    /// Locks an object until then, in the mode `GOVERNANCE`.
    pub fn lock(&self, bucket: &str, key: &str, until: SystemTime) {
        let mut buckets = self.shared.store.buckets();
        let bucket = buckets.get_mut(bucket).expect("the bucket exists");
        let keeping = bucket.keeping(key, None).expect("the object exists");
        keeping.lock = Some(("GOVERNANCE".to_owned(), until));
    }

    /// Puts an object into a class, or into an archive tier such as `ARCHIVE_ACCESS`.
    pub fn archive(&self, bucket: &str, key: &str, place: &str) {
        let mut buckets = self.shared.store.buckets();
        archived::archive(buckets.get_mut(bucket).expect("the bucket exists"), key, place);
    }

    /// Ends the restorations that are under way in a bucket: what was asked for can be read.
    pub fn finish_restores(&self, bucket: &str) {
        let mut buckets = self.shared.store.buckets();
        archived::finish(buckets.get_mut(bucket).expect("the bucket exists"));
    }

    /// Returns the keys and ids of all versions, by key and from the newest to the oldest; markers have no size.
    pub fn versions(&self, bucket: &str) -> Vec<(String, String, Option<usize>)> {
        let buckets = self.shared.store.buckets();
        let versions = buckets.get(bucket).map(Bucket::versions).unwrap_or_default();
        let shown = versions.into_iter();
        shown.map(|listed| (listed.key, listed.id, listed.object.map(|(size, _)| size))).collect()
    }

    /// Returns the keys of all objects.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.shared.store.keys(bucket)
    }

    /// Returns how many multipart uploads are neither completed nor aborted.
    pub fn pending_uploads(&self, bucket: &str) -> usize {
        self.shared.store.pending_uploads(bucket)
    }

    /// Waits until the server ends, which it does not by itself.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so already.
            let _ended = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take()
            && let Some(thread) = self.thread.take()
        {
            let _told = stop.send(());
            let _ended = thread.join();
        }
    }
}
