//! One reading in every form it is served in, made once and never changed.

use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use devops_core::{
    exposition::{
        Dialect, Exposition,
        MetricKind::{Counter, Gauge},
    },
    metrics::{
        Host, Reading, Sample,
        encode::{Scrape, write_host, write_own},
    },
};

use super::Counters;

/// A reading, ready to be sent.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Is set if two readings were taken, so that there are percentages and rates.
    pub is_ready: bool,
    pub taken: Instant,
    pub sample: Sample,
    /// The sample as JSON.
    pub json: Bytes,
    /// The sample as one event of the stream.
    pub event: Bytes,
    text: Bytes,
    open_metrics: Bytes,
}

/// What a snapshot is made of.
pub(crate) struct SnapshotInput<'a> {
    pub reading: &'a Reading,
    pub sample: Sample,
    pub host: &'a Host,
    /// How long the reading took.
    pub cost: Duration,
    /// Tells this run of the server from others, so that an event id never means another event.
    pub run_id: &'a str,
    /// Counts readings from 1.
    pub number: u64,
}

impl Snapshot {
    pub(crate) fn new(taken: SnapshotInput<'_>, counters: &Counters) -> Self {
        let json = serde_json::to_string(&taken.sample).expect("a sample has no map with odd keys");
        let event =
            format!("id: {}-{}\nevent: sample\ndata: {json}\n\n", taken.run_id, taken.number);
        let text = encode(&taken, counters, Dialect::Prometheus);
        let open_metrics = encode(&taken, counters, Dialect::OpenMetrics);
        Self {
            is_ready: taken.number >= 2,
            taken: Instant::now(),
            sample: taken.sample,
            json: json.into(),
            event: event.into(),
            text,
            open_metrics,
        }
    }

    pub(super) fn metrics(&self, dialect: Dialect) -> Bytes {
        match dialect {
            Dialect::Prometheus => self.text.clone(),
            Dialect::OpenMetrics => self.open_metrics.clone(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "both formats know only 64-bit floats")]
fn encode(taken: &SnapshotInput<'_>, counters: &Counters, dialect: Dialect) -> Bytes {
    let mut to = Exposition::new(dialect);
    let SnapshotInput { reading, sample, host, .. } = taken;
    write_host(&mut to, Scrape { reading, sample, host });
    write_own(&mut to, env!("CARGO_PKG_VERSION"));
    to.family("devops_monitor_samples", Counter, "Readings taken.")
        .sample(&[], taken.number as f64);
    to.family("devops_monitor_sample_duration_seconds", Gauge, "Time the last reading took.")
        .sample(&[], taken.cost.as_secs_f64());
    to.family("devops_monitor_http_requests", Counter, "HTTP requests that came in.")
        .sample(&[], counters.n_requests() as f64);
    to.family("devops_monitor_sse_clients", Gauge, "Event streams that are open.")
        .sample(&[], counters.n_streams() as f64);
    to.finish().into()
}
