//! The end of a child.

use std::{fmt, time::Duration};

use crate::cancel::signal_name;

/// The exit code of a child, or the signal that killed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildStatus {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl fmt::Display for ChildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was killed by {}", signal_name(*signal)),
        }
    }
}

/// The end of a child, with its duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildExit {
    /// Its exit code, or the signal that killed it.
    pub status: ChildStatus,
    /// Is set if it was stopped because of the timeout.
    pub timed_out: bool,
    /// Is set if it was stopped because it wrote nothing for too long.
    pub was_silent: bool,
    /// From start to exit.
    pub duration: Duration,
}

impl ChildExit {
    /// Returns whether the child exited with 0.
    pub fn is_success(&self) -> bool {
        self.status == ChildStatus::Code(0)
    }
}

/// A child's whole output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The status at the end.
    pub exit: ChildExit,
    /// The bytes of stdout, up to the limit.
    pub stdout: Vec<u8>,
    /// The bytes of stderr, up to the limit.
    pub stderr: Vec<u8>,
    /// Is set if a stream was longer than the limit.
    pub truncated: bool,
}
