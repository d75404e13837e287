//! The background reader: one reading every interval, published whole.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use devops_cli::Session;
use devops_core::{
    cancel::Cancel,
    clock::SystemClock,
    metrics::{Disk, DiskProbe, Host, HostCounters, Problem, Reading, sample},
};
use tokio::sync::watch;

use crate::{
    http::{Counters, Snapshot, SnapshotInput},
    run::host::DISK_TIMEOUT,
};

/// The second reading comes this early, so that the page has a percentage soon whatever the interval.
const SECOND_READING: Duration = Duration::from_secs(1);
/// Space changes slowly, and asking for it wakes sleeping disks and servers.
const DISK_INTERVAL: Duration = Duration::from_secs(5);
/// The first reading waits this long for the disks, so that the first page has them.
const FIRST_DISKS: Duration = Duration::from_millis(200);

type Disks = Result<Vec<Disk>, Problem>;

pub(super) struct Sampler {
    sources: HostCounters,
    host: Host,
    clock: SystemClock,
    counters: Arc<Counters>,
    interval: Duration,
    incoming: Receiver<Disks>,
    disks: Disks,
    before: Option<Reading>,
    run_id: String,
    number: u64,
}

impl Sampler {
    pub(super) fn new(
        sources: HostCounters,
        host: Host,
        session: &Session,
        counters: Arc<Counters>,
        interval: Duration,
    ) -> Self {
        let incoming = watch_disks(sources.clone(), session.cancel().clone(), interval);
        let disks = incoming.recv_timeout(FIRST_DISKS).unwrap_or_else(|_| Ok(Vec::new()));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            sources,
            host,
            clock: session.clock(),
            counters,
            interval,
            incoming,
            disks,
            before: None,
            run_id: format!("{:x}", since_epoch.as_millis()),
            number: 0,
        }
    }

    /// Takes one reading.
    pub(super) fn sample(&mut self) -> Snapshot {
        let started = Instant::now();
        if let Some(newest) = self.incoming.try_iter().last() {
            self.disks = newest;
        }
        let mut reading = self.sources.read(&self.clock);
        let disks = match &self.disks {
            Ok(disks) => disks.clone(),
            Err(problem) => {
                reading.problems.push(problem.clone());
                Vec::new()
            }
        };
        let sample = sample(self.before.as_ref(), &reading, &self.host, disks);
        self.number += 1;
        let taken = SnapshotInput {
            reading: &reading,
            sample,
            host: &self.host,
            cost: started.elapsed(),
            run_id: &self.run_id,
            number: self.number,
        };
        let snapshot = Snapshot::new(taken, &self.counters);
        self.before = Some(reading);
        snapshot
    }

    /// Publishes readings until a signal comes.
    pub(super) fn run(mut self, publish: &watch::Sender<Arc<Snapshot>>, cancel: &Cancel) {
        let mut next = Instant::now() + self.interval.min(SECOND_READING);
        while cancel.wait(next.saturating_duration_since(Instant::now())).is_ok() {
            publish.send_replace(Arc::new(self.sample()));
            // On the beat of the first one; beats that were slept through are left out.
            next += self.interval;
            if next < Instant::now() {
                next = Instant::now() + self.interval;
            }
        }
    }
}

/// Asks for disk space in a thread of its own, which may hang while the sampler goes on.
fn watch_disks(sources: HostCounters, cancel: Cancel, interval: Duration) -> Receiver<Disks> {
    let (sender, receiver) = channel();
    let watch = move || {
        let mut probe = DiskProbe::new(DISK_TIMEOUT);
        loop {
            let disks = match sources.mounts() {
                Ok(mounts) => Ok(probe.disks(sources.root(), mounts)),
                Err(error) => {
                    let message = format!("{error}: {}", error.source);
                    Err(Problem { source: "disks", message })
                }
            };
            if sender.send(disks).is_err() || cancel.wait(interval.max(DISK_INTERVAL)).is_err() {
                return;
            }
        }
    };
    // Without the thread there are no disks on the page, and all else is.
    let _started = thread::Builder::new().name("disks".to_owned()).spawn(watch);
    receiver
}
