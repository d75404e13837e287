//! Metrics of a run, for the textfile collector of `node_exporter`.

use std::{path::Path, time::Duration};

use time::OffsetDateTime;

use super::plan::Summary;
use crate::{
    exposition::{Dialect, Exposition, MetricKind, value_in},
    fs::{self, PathError},
};

/// The collector runs as a user of its own, whatever our umask.
const METRICS_MODE: u32 = 0o644;
/// An earlier file is never larger.
const SIZE_LIMIT: u64 = 64 << 10;
const LAST_SUCCESS: &str = "devops_tf_last_success_timestamp_seconds";
const LAST_FAILURE: &str = "devops_tf_last_failure_timestamp_seconds";

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackMetrics {
    /// The counts of its plan.
    pub summary: Option<Summary>,
    /// The number of resources and outputs that were changed outside of terraform.
    pub drifted: Option<usize>,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug)]
pub struct StackRun<'a> {
    /// The folder of the stack.
    pub stack: &'a str,
    /// The command: `apply`, `drift`.
    pub command: &'a str,
    /// The time at which it ended.
    pub ended: OffsetDateTime,
    /// Its duration.
    pub elapsed: Duration,
    /// Its exit code.
    pub exit_code: u8,
    /// Its counts.
    pub metrics: StackMetrics,
}

/// Writes the file as one step; it carries on when a run last succeeded and failed.
pub fn write_metrics(path: &Path, run: StackRun<'_>) -> Result<(), PathError> {
    // One that is missing or damaged knows no earlier run.
    let earlier = fs::read_text(path, SIZE_LIMIT).unwrap_or_default();
    fs::write_output(path, render(run, &earlier).as_bytes(), METRICS_MODE)
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^53 resources or seconds")]
fn render(run: StackRun<'_>, earlier: &str) -> String {
    let mut text = Exposition::new(Dialect::Prometheus);
    let labels = [("command", run.command), ("stack", run.stack)];
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.family(name, MetricKind::Gauge, help).sample(&labels, value);
        }
    };
    let ended = run.ended.unix_timestamp() as f64;
    let last = |name, happened| if happened { Some(ended) } else { value_in(earlier, name) };
    // Drift is an answer and no failure.
    let is_good = matches!(run.exit_code, 0 | 10);
    gauge(LAST_SUCCESS, "When the last run ended that did its work.", last(LAST_SUCCESS, is_good));
    gauge(LAST_FAILURE, "When the last run ended that failed.", last(LAST_FAILURE, !is_good));
    let code = f64::from(run.exit_code);
    gauge("devops_tf_last_exit_code", "How the last run ended; 10 is drift.", Some(code));
    let elapsed = run.elapsed.as_secs_f64();
    gauge("devops_tf_last_duration_seconds", "How long the last run took.", Some(elapsed));
    let drifted = run.metrics.drifted.map(|n| n as f64);
    gauge("devops_tf_last_drifted", "What was changed outside of terraform.", drifted);
    let Some(summary) = run.metrics.summary else { return text.finish() };
    for (name, help, value) in [
        ("added", "Resources to add in the last plan.", summary.add),
        ("changed", "Resources to change in the last plan.", summary.change),
        ("destroyed", "Resources to destroy in the last plan.", summary.destroy),
        ("replaced", "Resources to replace in the last plan.", summary.replace),
    ] {
        gauge(&format!("devops_tf_last_{name}"), help, Some(value as f64));
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn drift_is_no_failure_and_a_failure_keeps_the_time_of_the_last_success() {
        let drift = StackRun {
            stack: "live/\"a\"",
            command: "drift",
            ended: datetime!(2026-11-22 08:00 UTC),
            elapsed: Duration::from_secs(2),
            exit_code: 10,
            metrics: StackMetrics { summary: None, drifted: Some(3) },
        };
        let first = render(drift, "");
        let failed = StackRun { ended: datetime!(2026-11-23 08:00 UTC), exit_code: 75, ..drift };
        let second = render(failed, &first);

        let label = r#"{command="drift",stack="live/\"a\""}"#;
        assert!(first.contains(&format!("{LAST_SUCCESS}{label} 1795334400\n")), "{first}");
        assert!(first.contains(&format!("devops_tf_last_drifted{label} 3\n")), "{first}");
        assert!(!first.contains(LAST_FAILURE) && !first.contains("devops_tf_last_added"));
        assert!(second.contains(&format!("{LAST_SUCCESS}{label} 1795334400\n")), "{second}");
        assert!(second.contains(&format!("{LAST_FAILURE}{label} 1795420800\n")), "{second}");
    }
}
