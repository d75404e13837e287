//! Metrics of a run, as a file for the textfile collector of `node_exporter`.

use std::{path::Path, time::Duration};

use time::OffsetDateTime;

use crate::s3::object::event::{ObjectSummary, Outcome};
use crate::{
    exposition::{Dialect, Exposition, MetricKind, value_in},
    fs::{self, PathError},
};

/// The collector runs as a user of its own, whatever our umask.
const METRICS_MODE: u32 = 0o644;
/// An earlier file is never larger.
const SIZE_LIMIT: u64 = 64 << 10;
const LAST_SUCCESS: &str = "devops_s3push_last_success_timestamp_seconds";
const LAST_FAILURE: &str = "devops_s3push_last_failure_timestamp_seconds";

/// The number of objects a run stored, and what it moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunMetrics {
    /// Objects that were sent.
    pub stored: u64,
    /// Objects that were there already.
    pub unchanged: u64,
    /// Files that were not stored.
    pub failed: u64,
    /// Files that were left out.
    pub skipped: u64,
    /// Bytes of content that were sent.
    pub bytes_sent: u64,
    /// Bytes of content that were copied inside the store.
    pub bytes_copied: u64,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunRecord<'a> {
    /// The destination: `s3://backups/home/`.
    pub destination: &'a str,
    /// The time it ended.
    pub ended: OffsetDateTime,
    /// The duration.
    pub elapsed: Duration,
    /// Its exit code.
    pub exit_code: u8,
    /// The counts of the run.
    pub metrics: RunMetrics,
}

impl RunMetrics {
    /// Counts objects that are stored.
    pub fn of(stored: &[ObjectSummary]) -> Self {
        let mut metrics = Self::default();
        for summary in stored {
            match summary.outcome {
                Outcome::Stored => metrics.stored += 1,
                Outcome::Unchanged => metrics.unchanged += 1,
            }
            metrics.bytes_sent += summary.bytes_sent;
            metrics.bytes_copied += summary.bytes_copied;
        }
        metrics
    }
}

/// Writes the file as one step; it carries on when a run last succeeded and failed.
pub fn write_metrics(path: &Path, run: RunRecord<'_>) -> Result<(), PathError> {
    // One that is missing or damaged knows no earlier run.
    let earlier = fs::read_text(path, SIZE_LIMIT).unwrap_or_default();
    fs::write_output(path, render(run, &earlier).as_bytes(), METRICS_MODE)
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^53 bytes, objects or seconds")]
fn render(run: RunRecord<'_>, earlier: &str) -> String {
    let mut text = Exposition::new(Dialect::Prometheus);
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, MetricKind::Gauge, help)
                .sample(&[("destination", run.destination)], value);
        }
    };
    let ended = run.ended.unix_timestamp() as f64;
    let last = |name, happened| if happened { Some(ended) } else { value_in(earlier, name) };
    let is_good = matches!(run.exit_code, 0 | 3);
    gauge(LAST_SUCCESS, "When the last run ended that stored.", last(LAST_SUCCESS, is_good));
    gauge(LAST_FAILURE, "When the last run ended that failed.", last(LAST_FAILURE, !is_good));
    let code = f64::from(run.exit_code);
    gauge("devops_s3push_last_exit_code", "How the last run ended; 3 is partial.", Some(code));
    let elapsed = run.elapsed.as_secs_f64();
    gauge("devops_s3push_last_duration_seconds", "How long the last run took.", Some(elapsed));
    let metrics = run.metrics;
    for (name, help, value) in [
        ("stored", "Objects that the last run sent.", metrics.stored),
        ("unchanged", "Objects that were there already in the last run.", metrics.unchanged),
        ("failed", "Files that the last run did not store.", metrics.failed),
        ("skipped", "Files that the last run left out.", metrics.skipped),
        ("sent_bytes", "Bytes that the last run sent.", metrics.bytes_sent),
        ("copied_bytes", "Bytes that the store copied in the last run.", metrics.bytes_copied),
    ] {
        gauge(&format!("devops_s3push_last_{name}"), help, Some(value as f64));
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let metrics = RunMetrics { stored: 2, bytes_sent: 300, ..RunMetrics::default() };
        let good = RunRecord {
            destination: "s3://backups/a\"b/",
            ended: datetime!(2026-11-22 08:00 UTC),
            elapsed: Duration::from_secs(2),
            exit_code: 0,
            metrics,
        };
        let first = render(good, "");
        let bad = RunRecord { ended: datetime!(2026-11-23 08:00 UTC), exit_code: 75, ..good };
        let second = render(bad, &first);

        let label = r#"{destination="s3://backups/a\"b/"}"#;
        assert!(first.contains(&format!("{LAST_SUCCESS}{label} 1795334400\n")), "{first}");
        assert!(first.contains(&format!("devops_s3push_last_sent_bytes{label} 300\n")), "{first}");
        assert!(!first.contains(LAST_FAILURE));
        assert!(second.contains(&format!("{LAST_SUCCESS}{label} 1795334400\n")), "{second}");
        assert!(second.contains(&format!("{LAST_FAILURE}{label} 1795420800\n")), "{second}");
    }
}
