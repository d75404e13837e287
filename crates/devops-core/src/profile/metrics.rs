//! A file of metrics for the textfile collector of `node_exporter`.

use std::{io::Write, path::Path};

use time::OffsetDateTime;

use super::report::{Report, Status};
use crate::{
    exposition::{Dialect, Exposition, MetricKind, value_in},
    fs::{AtomicFile, Destination, IfExists, IoResultExt, OpenFolder, PathError},
};

/// The collector runs as a user of its own, whatever our umask.
const METRICS_MODE: u32 = 0o644;
/// An earlier file is never larger.
const SIZE_LIMIT: u64 = 64 << 10;
const LAST_SUCCESS: &str = "devops_backup_last_success_timestamp_seconds";
const LAST_FAILURE: &str = "devops_backup_last_failure_timestamp_seconds";

/// Writes the file of a profile, as one step; it carries on when the profile last succeeded and failed.
///
/// In the folder `within`, which is a project's, no link is followed: all are its author's, also those that
/// are ours by their owner.
pub(super) fn write(
    dir: &Path,
    within: Option<&OpenFolder>,
    report: &Report,
    exit_code: u8,
) -> Result<(), PathError> {
    let name = format!("devops-backup-{}.prom", report.profile);
    let path = dir.join(&name);
    let target = match within {
        None => Destination::open(&path)?,
        Some(_) => OpenFolder::open_within(dir, within)?.make(Path::new(&name))?,
    };
    // One that is missing or damaged knows no earlier run.
    let earlier = target.read_text(SIZE_LIMIT).unwrap_or_default();
    let text = render(report, exit_code, &earlier);
    let mut file = AtomicFile::create_at(&target)?;
    file.write_all(text.as_bytes()).at(&path, "write")?;
    file.commit(METRICS_MODE, IfExists::Replace)
}

#[allow(clippy::cast_precision_loss, reason = "no backup has 2^53 bytes or entries")]
fn render(report: &Report, exit_code: u8, earlier: &str) -> String {
    let mut text = Exposition::new(Dialect::Prometheus);
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let labels = [("profile", report.profile.as_str())];
            text.family(name, MetricKind::Gauge, help).sample(&labels, value);
        }
    };
    let ended = seconds(report.started + report.elapsed);
    let is_good = matches!(report.status, Status::Success | Status::Partial);
    let last = |name, happened: bool| if happened { Some(ended) } else { value_in(earlier, name) };
    gauge(
        LAST_SUCCESS,
        "When the last run ended that made every archive.",
        last(LAST_SUCCESS, is_good),
    );
    gauge(LAST_FAILURE, "When the last run ended that failed.", last(LAST_FAILURE, !is_good));
    gauge("devops_backup_last_run_timestamp_seconds", "When the last run ended.", Some(ended));
    let code = f64::from(exit_code);
    gauge("devops_backup_last_exit_code", "How the last run ended; 3 is partial.", Some(code));
    let elapsed = report.elapsed.as_secs_f64();
    gauge("devops_backup_last_duration_seconds", "How long the last run took.", Some(elapsed));
    let sum = |of: fn(&crate::archive::CreateSummary) -> u64| {
        let created = report.sources.iter().filter_map(|source| source.created.as_ref());
        Some(created.map(|created| of(&created.summary)).sum::<u64>() as f64)
    };
    let bytes_in = sum(|summary| summary.bytes_in);
    gauge("devops_backup_last_source_bytes", "Bytes of content in the last run.", bytes_in);
    let reused = sum(|summary| summary.bytes_reused);
    gauge("devops_backup_last_reused_bytes", "Bytes among them that were not read.", reused);
    let bytes_out = sum(|summary| summary.bytes_out);
    gauge("devops_backup_last_archive_bytes", "Bytes of archives of the last run.", bytes_out);
    let entries = sum(|summary| summary.n_entries);
    gauge("devops_backup_last_entries", "Entries archived in the last run.", entries);
    let skipped = sum(|summary| summary.skipped.len() as u64);
    gauge("devops_backup_last_skipped", "Things left out in the last run.", skipped);
    let faults = Some(report.n_faults() as f64);
    gauge("devops_backup_last_faults", "Things missing or changed in the last run.", faults);
    let kept = Some(report.n_archives as f64);
    gauge("devops_backup_archives_kept", "Archives there are after the last run.", kept);
    let shrunk = Some(report.n_shrunk() as f64);
    gauge("devops_backup_last_shrunk_sources", "Sources that wait for an answer.", shrunk);
    let rehearsed = report.rehearsed();
    let entries = rehearsed.map(|(n_sampled, _)| n_sampled as f64);
    gauge("devops_backup_last_rehearsed_entries", "Entries restored on trial.", entries);
    let differences = rehearsed.map(|(_, n_differences)| n_differences as f64);
    let help = "Files and links among them that were not as they should be.";
    gauge("devops_backup_last_rehearsal_differences", help, differences);
    let free = report.free_bytes.map(|free| free as f64);
    gauge("devops_backup_destination_free_bytes", "Bytes free after the last run.", free);
    text.finish()
}

#[allow(clippy::cast_precision_loss, reason = "a time of day in seconds is far below 2^53")]
fn seconds(time: OffsetDateTime) -> f64 {
    time.unix_timestamp() as f64
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let mut report = Report::new("home", "web-1", datetime!(2026-11-22 08:00 UTC));
        let first = render(&report, 0, "");
        assert!(
            first.contains(&format!("{LAST_SUCCESS}{{profile=\"home\"}} 1795334400\n")),
            "{first}"
        );
        assert!(!first.contains(LAST_FAILURE));

        report.started = datetime!(2026-11-23 08:00 UTC);
        report.status = Status::Failed;
        let second = render(&report, 1, &first);
        assert!(second.contains(&format!("{LAST_SUCCESS}{{profile=\"home\"}} 1795334400\n")));
        assert!(second.contains(&format!("{LAST_FAILURE}{{profile=\"home\"}} 1795420800\n")));
        assert!(second.contains("devops_backup_last_exit_code{profile=\"home\"} 1\n"));
    }
}
