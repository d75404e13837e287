//! A store with a fake server behind it, and the events it told.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use devops_core::{
    cancel::Cancel,
    clock::SystemClock,
    s3::{
        ConnectOptions, Event, Link, ObjectSummary, Pace, Patience, PutOptions, RateLimit, S3Error,
        S3Uri, Source, Stop, Store, StoreOptions, connect, put,
    },
    units::ByteSize,
};
use devops_fakes::s3::{ACCESS_KEY, SECRET_KEY, Server};
use time::UtcOffset;

use crate::s3::trial::{Wrong, met};

/// The smallest part that S3 allows.
pub(crate) const PART: u64 = 5 << 20;

/// What a test does at an event.
type Heard = fn(&Rig, &Event);

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) cancel: Cancel,
    pub(crate) events: RefCell<Vec<Event>>,
    heard: Cell<Option<Heard>>,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    stop: Stop,
}

async fn connected(server: &Server, (patience, pace): (Patience, Pace), stop: &Stop) -> Store {
    let options = ConnectOptions {
        endpoint_url: Some(server.endpoint()),
        key: Some((ACCESS_KEY.to_owned(), SECRET_KEY.into())),
        ..ConnectOptions::default()
    };
    let max_memory = ByteSize::mib(64);
    let store_options = StoreOptions { concurrency: 4, max_memory, patience, pace };
    connect(&options, store_options, stop).await.unwrap()
}

impl Rig {
    pub(crate) fn new() -> Self {
        let patience = Patience {
            before_first_answer: Duration::from_secs(20),
            stall: Duration::from_secs(20),
        };
        Self::with(patience)
    }

    pub(crate) fn impatient() -> Self {
        Self::with(Patience {
            before_first_answer: Duration::from_millis(500),
            stall: Duration::from_millis(400),
        })
    }

    pub(crate) fn with(patience: Patience) -> Self {
        Self::paced(Pace::default(), patience)
    }

    pub(crate) fn limited(limit: RateLimit, patience: Patience) -> Self {
        Self::paced(Pace::new(limit, SystemClock::new(UtcOffset::UTC)), patience)
    }

    fn paced(pace: Pace, patience: Patience) -> Self {
        let server = Server::with_bucket();
        let cancel = Cancel::new();
        let stop = Stop::new(&cancel);
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let store = runtime.block_on(connected(&server, (patience, pace), &stop));
        Self {
            server,
            cancel,
            events: RefCell::default(),
            heard: Cell::default(),
            dir,
            runtime,
            store,
            stop,
        }
    }

    /// Forgets what was learned about the store, as another process would not know it.
    pub(crate) fn connect_again(&mut self, patience: Patience) {
        self.store =
            self.runtime.block_on(connected(&self.server, (patience, Pace::default()), &self.stop));
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

    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(Link<'_>) -> T) -> T {
        let events = |event| {
            if let Some(heard) = self.heard.get() {
                heard(self, &event);
            }
            self.events.borrow_mut().push(event);
        };
        let link = Link { store: &self.store, stop: &self.stop, events: &events };
        self.runtime.block_on(work(link))
    }

    pub(crate) fn put(
        &self,
        path: &Path,
        key: &str,
        options: &PutOptions,
    ) -> Result<ObjectSummary, S3Error> {
        let size = path.metadata().unwrap().len();
        let source = Source { path: path.to_owned(), uri: uri(key), size };
        self.run(async |link| put(link, &source, options).await)
    }

    /// Does this at every event from now on.
    pub(crate) fn on_event(&self, heard: Heard) {
        self.heard.set(Some(heard));
    }

    /// Lets these things go wrong from now on.
    pub(crate) fn let_go_wrong(&self, wrongs: &[Wrong]) {
        let rules: Vec<String> = wrongs.iter().map(Wrong::to_string).collect();
        self.server.faults(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Lets everything go well from now on, and waits for what is under way; returns what did go wrong.
    pub(crate) fn let_go_well(&self, wrongs: &[Wrong]) -> Result<Vec<Wrong>, String> {
        self.server.clear_faults();
        if !self.server.wait_until_idle(Duration::from_mins(1)) {
            return Err("a request never ended".to_owned());
        }
        Ok(met(wrongs, &self.server.log()))
    }

    /// Returns how many retries were told.
    pub(crate) fn n_retries(&self) -> usize {
        self.events.borrow().iter().filter(|event| matches!(event, Event::Retry { .. })).count()
    }

    /// Returns how many bytes were told to have moved, all in all.
    pub(crate) fn moved(&self) -> i64 {
        let moved = |event: &Event| if let Event::Moved(bytes) = event { *bytes } else { 0 };
        self.events.borrow().iter().map(moved).sum()
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
