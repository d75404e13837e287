//! Events of a running child.

/// A standard output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An event of a running child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The child runs.
    Started {
        /// Its process id, and that of its group.
        pid: u32,
    },
    /// The child wrote a line.
    Line {
        /// The stream it came from.
        stream: StdStream,
        /// The line without its newline; lines past 256 KiB come in pieces.
        bytes: Vec<u8>,
    },
    /// The child, or its group, was sent a signal.
    Signalled {
        /// The signal that was sent.
        signal: i32,
        /// The cause.
        reason: SignalReason,
    },
}

/// The cause of a signal to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalReason {
    /// This signal came to us.
    Received(i32),
    /// The child ran longer than its timeout.
    Timeout,
    /// The child wrote nothing for too long.
    Silence,
    /// The grace after the first signal has passed.
    GracePeriodExpired,
    /// The output of the child is no longer wanted.
    OutputDropped,
    /// The child wants the terminal, which we do not have.
    NoTerminal,
}
