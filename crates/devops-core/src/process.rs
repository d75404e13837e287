//! Child processes: started, drained, signalled and reaped in one place.
//!
//! A child runs in its own process group, so that Ctrl-C on the terminal reaches us alone and we decide
//! what the child gets. Both of its streams are drained at all times, whatever the consumer does:
//! a child that meets a full pipe stops working, and one that meets a closed pipe dies. [`read_command()`] alone
//! lets a child wait: what it writes is somebody's input. A child that reads the terminal gets it, as a
//! shell gives it to the job in its foreground.

mod command_reader;
mod drain;
mod error;
mod event;
mod exit;
mod group;
mod init;
mod listen;
mod orphan_guard;
mod replay;
mod spec;
mod spool;
mod start;
mod supervise;
mod terminal;

use crate::cancel::Cancel;

pub use command_reader::{CommandHandle, CommandReader, CommandReaderError, read_command};
pub use error::ProcessError;
pub use event::{ProcessEvent, SignalReason, StdStream};
pub use exit::{Captured, ChildExit, ChildStatus};
pub use init::{Work, adopts_orphans};
pub use replay::Replay;
pub use spec::{CommandSpec, OrphanPolicy, StdinPolicy, StopPolicy};
pub(crate) use spool::LineFile;
pub use start::find_program;

/// Runs a command and reports what it does, line by line.
///
/// Lines of one stream keep their order. Slow handling of an event never holds the child up: what is
/// not taken yet waits in memory, and past 4 MiB in an unnamed temporary file. After the child's exit,
/// output that a surviving grandchild still holds open is waited for only briefly.
///
/// Signals arrive through `cancel` and are passed on as the spec's [`StopPolicy`] says; that the work was
/// cancelled is then for the caller to see in `cancel`, for the child's own exit is returned.
pub fn run(
    spec: &CommandSpec,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProcessEvent),
) -> Result<ChildExit, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::lines())?;
    on_event(ProcessEvent::Started { pid: running.pid });
    while let Some(event) = running.output.next_event() {
        on_event(event);
    }
    running.exit(&spec.program)
}

/// Runs a command and hands on what it writes, byte for byte, as it comes; otherwise like [`run`].
pub fn relay(
    spec: &CommandSpec,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(StdStream, &[u8]),
) -> Result<ChildExit, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::chunks())?;
    while let Some(event) = running.output.next_event() {
        if let ProcessEvent::Line { stream, bytes } = event {
            on_bytes(stream, &bytes);
        }
    }
    running.exit(&spec.program)
}

/// Runs a command and returns its output, at most `limit` bytes of each stream.
///
/// What comes after the limit is read and dropped, so that the child can finish.
pub fn capture(
    spec: &CommandSpec,
    cancel: &Cancel,
    limit: usize,
) -> Result<Captured, ProcessError> {
    let running = supervise::start(spec, cancel, drain::Sink::capture(limit))?;
    let output = running.output.clone();
    let exit = running.exit(&spec.program)?;
    let (stdout, stderr, truncated) = output.take_captured();
    Ok(Captured { exit, stdout, stderr, truncated })
}
