//! Writes metrics and the audit log of a run.

use std::path::PathBuf;

use devops_cli::{Failure, Outcome, code_of, quote};
use devops_core::{
    clock::Clock,
    terraform::{AuditEntry, StackRun, append_audit, write_metrics},
};

use super::tf_session::TfSession;

impl TfSession<'_> {
    /// Writes down how a command ended; what cannot be written is a failure only if all else went well.
    pub(super) fn end(
        &mut self,
        command: &str,
        metrics_file: Option<&PathBuf>,
        result: Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let finished = self.relay.finish();
        let result = result.and_then(|outcome| finished.map(|()| outcome));
        let written = self
            .write_audit(command, &result)
            .and_then(|()| self.write_metrics(command, metrics_file, &result));
        match (written, result) {
            (Err(failure), Ok(_)) => Err(failure),
            (Err(failure), result) => {
                self.session.warn(failure.chain().join(": "));
                result
            }
            (Ok(()), result) => result,
        }
    }

    fn write_metrics(
        &self,
        command: &str,
        path: Option<&PathBuf>,
        result: &Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let Some(path) = path else { return Ok(()) };
        let stack = quote(self.stack.dir());
        let run = StackRun {
            stack: &stack,
            command,
            ended: self.session.clock().now(),
            elapsed: self.record.begun.elapsed(),
            exit_code: code_of(result, self.session.cancel().signal()),
            metrics: self.record.metrics.get(),
        };
        Ok(write_metrics(path, run)?)
    }

    fn write_audit(&self, command: &str, result: &Result<Outcome, Failure>) -> Result<(), Failure> {
        let Some(path) = &self.record.audit_log else { return Ok(()) };
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let entry = AuditEntry {
            time: self.session.clock().now(),
            command: command.to_owned(),
            stack: quote(self.stack.dir()),
            workspace: self.stack.workspace()?,
            user: user.unwrap_or_default(),
            code: code_of(result, self.session.cancel().signal()),
            kind: result.as_ref().err().map(|failure| failure.kind.name().to_owned()),
            summary: self.record.metrics.get().summary,
            fingerprint: self.record.fingerprint.as_ref().map(ToString::to_string),
        };
        Ok(append_audit(path, entry)?)
    }
}
