//! `--metrics-file`: how a run went, for those who watch many hosts.

use std::{cell::Cell, path::PathBuf, time::Instant};

use devops_cli::{Failure, Outcome, Session, code_of};
use devops_core::{
    clock::Clock,
    s3::{RunMetrics, RunRecord, write_metrics},
};

use super::{receipt, totals::Totals};

/// The result of a run so far, and where it is written to.
pub(super) struct Metrics {
    path: Option<PathBuf>,
    destination: String,
    begun: Instant,
    counts: Cell<RunMetrics>,
}

impl Metrics {
    pub(super) fn new(path: Option<PathBuf>, destination: String) -> Self {
        Self { path, destination, begun: Instant::now(), counts: Cell::default() }
    }

    /// Fails where the file could not be written at the end.
    pub(super) fn check_place(&self) -> Result<(), Failure> {
        self.path.as_deref().map_or(Ok(()), |path| receipt::check_place(path, "metrics file"))
    }

    pub(super) fn note(&self, totals: &Totals) {
        self.counts.set(RunMetrics {
            failed: totals.failed.len() as u64,
            skipped: totals.skipped.len() as u64,
            ..RunMetrics::of(&totals.stored)
        });
    }

    /// Writes the file, if one was asked for, whatever became of the run.
    pub(super) fn write(
        &self,
        result: &Result<Outcome, Failure>,
        session: &Session,
    ) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let written = write_metrics(
            path,
            RunRecord {
                destination: &self.destination,
                ended: session.clock().now(),
                elapsed: self.begun.elapsed(),
                exit_code: code_of(result, session.cancel().signal()),
                metrics: self.counts.get(),
            },
        );
        match written {
            // What went wrong before counts more.
            Err(error) if result.is_err() => session.warn(error.to_string()),
            written => written?,
        }
        Ok(())
    }
}
