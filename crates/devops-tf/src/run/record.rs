//! The counts of a run so far.

use std::{cell::Cell, path::PathBuf, time::Instant};

use devops_core::terraform::{Fingerprint, Plan, StackMetrics, fingerprint};

/// The counts of a run so far.
pub(super) struct Record {
    pub(super) audit_log: Option<PathBuf>,
    pub(super) begun: Instant,
    pub(super) metrics: Cell<StackMetrics>,
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Record {
    pub(super) fn new(audit_log: Option<PathBuf>) -> Self {
        Self { audit_log, begun: Instant::now(), metrics: Cell::default(), fingerprint: None }
    }

    /// Notes what a plan would do.
    pub(super) fn note_plan(&mut self, plan: &Plan) {
        self.metrics.set(StackMetrics { summary: Some(plan.summary()), ..self.metrics.get() });
        self.fingerprint = Some(fingerprint(plan, None, &[]));
    }

    /// Notes how much was changed outside of terraform.
    pub(super) fn note_drift(&self, n_drifted: usize) {
        self.metrics.set(StackMetrics { drifted: Some(n_drifted), ..self.metrics.get() });
    }
}
