//! One finished run of a tool.

use std::{os::unix::process::ExitStatusExt, process::Output};

/// The exit code and output of a finished process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The exit code, or 128 + n for signal n.
    pub code: i32,
    /// Its standard output, lossily.
    pub stdout: String,
    /// Its standard error, lossily.
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let status = output.status;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Self {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Checks that the run ended with `code`, and shows all that was printed if not.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "unexpected exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }
}
