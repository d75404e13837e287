//! The threads that listen to a child: one for each of its streams, and one for its end.

use std::{io, sync::mpsc::Sender};

use os_pipe::PipeReader;
use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

use super::{drain::Output, event::StdStream};
use crate::limits;

/// A message to the supervisor.
pub(super) enum Message {
    Signal(i32),
    OutputDropped,
    StreamEnded,
    /// A signal stopped the child, which has not ended.
    Stopped(i32),
    /// The child has ended, by this signal if one killed it.
    Exited(Option<i32>),
}

pub(super) fn spawn_reader(
    output: &Output,
    stream: StdStream,
    pipe: PipeReader,
    sender: &Sender<Message>,
) -> io::Result<()> {
    let (output, sender) = (output.clone(), sender.clone());
    limits::spawn("reader", move || {
        output.drain(stream, pipe);
        let _sent = sender.send(Message::StreamEnded);
    })?;
    Ok(())
}

/// Waits for the child's stops and its end, and leaves the zombie: until it is reaped, neither its process id
/// nor that of its group can belong to another process.
pub(super) fn spawn_waiter(child: Pid, sender: &Sender<Message>) -> io::Result<()> {
    let sender = sender.clone();
    limits::spawn("waiter", move || {
        while let Some(signal) = next_stop(child, &sender) {
            let _sent = sender.send(Message::Stopped(signal));
        }
    })?;
    Ok(())
}

/// Returns the signal of the next stop; tells of the child's end, and returns nothing.
fn next_stop(child: Pid, sender: &Sender<Message>) -> Option<i32> {
    let id = WaitId::Pid(child);
    let either = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(id.clone(), either) {
            Err(Errno::INTR) => {}
            Ok(Some(status)) if status.stopped() => {
                // Without this the same stop would be seen again.
                let seen = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
                if let Ok(Some(status)) = waitid(id.clone(), seen) {
                    return status.stopping_signal();
                }
            }
            ended => {
                let signal = ended.ok().flatten().and_then(|status| status.terminating_signal());
                let _sent = sender.send(Message::Exited(signal));
                return None;
            }
        }
    }
}
