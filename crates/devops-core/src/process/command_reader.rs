//! A child whose standard output is somebody's input, and whose exit decides whether it was all.

use std::{
    ffi::OsString,
    io::{self, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
};

use os_pipe::PipeReader;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    error::ProcessError,
    event::ProcessEvent,
    exit::ChildStatus,
    spec::CommandSpec,
    supervise::{StopHandle, SupervisedChild, start_reader},
};
use crate::{cancel::Cancel, limits};

/// How often a wait for bytes looks what has become of the child: every 50 milliseconds.
const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// After the child's exit, how many looks in a row may find nothing: 2 seconds.
///
/// What holds the pipe open then may be at work, or a service that never ends. Nobody can know, so the
/// stream does not count as whole.
const SILENT_LOOKS: u32 = 40;

/// The bytes of a command are not all there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandReaderError {
    /// It says itself that it failed.
    #[error("command `{}` {end}", .program.display())]
    Failed {
        /// The program as given.
        program: OsString,
        /// The status at the end.
        end: ChildStatus,
    },
    /// It has ended, and something that it started has not.
    #[error("command `{}` has ended, but something it started keeps its output open", .program.display())]
    HeldOpen {
        /// The program as given.
        program: OsString,
    },
    /// Nobody knows how it ended.
    #[error("command `{}` could not be supervised: {message}", .program.display())]
    NotSupervised {
        /// The program as given.
        program: OsString,
        /// The system's message.
        message: String,
    },
}

/// The stdout of a running command.
///
/// It ends only after the command has exited with 0; another exit, or a pipe that something else keeps
/// open, is an error that holds a [`CommandReaderError`]. Bytes that are not read make the command wait. After a
/// signal a read fails with an error whose kind is [`Kind::Interrupted`](crate::kind::Kind::Interrupted).
pub struct CommandReader {
    pipe: PipeReader,
    program: OsString,
    end: Arc<End>,
    cancel: Cancel,
    silent_looks: u32,
}

/// A command whose stdout is read elsewhere; dropping it stops the command.
pub struct CommandHandle {
    stop_handle: StopHandle,
    end: Arc<End>,
}

/// How the command ended, once it has.
#[derive(Default)]
struct End {
    result: Mutex<Option<Result<ChildStatus, String>>>,
    changed: Condvar,
}

/// Runs a command for what it writes to stdout, and hands on what it writes to stderr, as it comes.
///
/// Signals arrive through `cancel` and stop the command as the spec says. It is not looked after when we
/// are killed: it dies when it writes to a pipe that nobody reads.
pub fn read_command(
    spec: &CommandSpec,
    cancel: &Cancel,
    mut on_stderr: impl FnMut(&[u8]) + Send + 'static,
) -> Result<(CommandReader, CommandHandle), ProcessError> {
    let end = Arc::new(End::default());
    let (program, at_end) = (spec.program.clone(), Arc::clone(&end));
    let (sender, started) = mpsc::channel();
    let watch = move || {
        let Ok(running) = started.recv() else { return };
        let SupervisedChild { output, .. } = &running;
        while let Some(event) = output.next_event() {
            if let ProcessEvent::Line { bytes, .. } = event {
                on_stderr(&bytes);
            }
        }
        at_end.set(running.exit(&program).map(|exit| exit.status).map_err(cause));
    };
    // It starts before the child, which must not run without it.
    limits::spawn("producer", watch)
        .map_err(|source| ProcessError::NotSupervised { program: spec.program.clone(), source })?;
    let (running, stop_handle, pipe) = start_reader(spec, cancel)?;
    sender.send(running).expect("the thread waits for it");
    let reader = CommandReader {
        pipe,
        program: spec.program.clone(),
        end: Arc::clone(&end),
        cancel: cancel.clone(),
        silent_looks: SILENT_LOOKS,
    };
    Ok((reader, CommandHandle { stop_handle, end }))
}

fn cause(error: ProcessError) -> String {
    match error {
        ProcessError::NotSupervised { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

impl CommandHandle {
    /// Stops the command, unless it has ended, and waits until it is gone.
    pub fn end(self) {
        self.stop_handle.stop();
        let _how = self.end.wait();
    }
}

impl Drop for CommandHandle {
    fn drop(&mut self) {
        self.stop_handle.stop();
    }
}

impl Read for CommandReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait_for_bytes()?;
        let n = loop {
            match self.pipe.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if n == 0 && !buffer.is_empty() {
            self.check_end()?;
        }
        Ok(n)
    }
}

impl CommandReader {
    /// Waits until there are bytes, or an end.
    fn wait_for_bytes(&self) -> io::Result<()> {
        let mut silent_looks = 0;
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            let mut waiting = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut waiting, Some(&POLL)) {
                Ok(0) if self.end.has_come() => silent_looks += 1,
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if silent_looks >= self.silent_looks {
                // A command that failed is the better reason.
                self.check_end()?;
                let program = self.program.clone();
                return Err(io::Error::other(CommandReaderError::HeldOpen { program }));
            }
        }
    }

    /// Fails unless the command exits with 0; waits for that.
    fn check_end(&self) -> io::Result<()> {
        let end = self.end.wait();
        self.cancel.check().map_err(io::Error::other)?;
        let program = self.program.clone();
        match end {
            Ok(ChildStatus::Code(0)) => Ok(()),
            Ok(end) => Err(io::Error::other(CommandReaderError::Failed { program, end })),
            Err(message) => {
                Err(io::Error::other(CommandReaderError::NotSupervised { program, message }))
            }
        }
    }
}

impl End {
    fn set(&self, result: Result<ChildStatus, String>) {
        *self.result() = Some(result);
        self.changed.notify_all();
    }

    fn has_come(&self) -> bool {
        self.result().is_some()
    }

    fn wait(&self) -> Result<ChildStatus, String> {
        let mut result = self.result();
        loop {
            if let Some(result) = &*result {
                return result.clone();
            }
            result = self.changed.wait(result).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn result(&self) -> MutexGuard<'_, Option<Result<ChildStatus, String>>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_a_grandchild_finishes_is_whole() {
        let script = "(while kill -0 $$; do sleep 0.01; done; echo late) 2>/dev/null & echo early";
        let spec = CommandSpec::new("sh").arg("-c").arg(script);
        let (mut reader, _producer) = read_command(&spec, &Cancel::new(), |_| {}).unwrap();
        // Two minutes, since the grandchild may have to wait for its turn.
        reader.silent_looks = 2400;
        let mut text = String::new();

        reader.read_to_string(&mut text).unwrap();

        assert_eq!(text, "early\nlate\n");
    }
}
