//! Makes memory that the host refuses an exit code with a hint. The standard library aborts then, and its
//! hook for that is not stable; so the signal of the abort is caught, where the host limits memory at all.
//!
//! The thread that aborts is held by a pipe that is full, while another one says what to raise. That one
//! neither allocates nor takes a lock of the standard library.

use std::{
    fs,
    io::{self, PipeReader, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use devops_core::{
    kind::Kind,
    limits::{Limit, not_started},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    io::{Errno, read, write},
    pipe::fcntl_setpipe_size,
    process::{Resource, getrlimit},
};
use signal_hook::{consts::SIGABRT, flag, low_level};

use crate::{exit, failure::Failure, report};

/// The time for the message; stderr may be a pipe that no process reads.
const LAST_WORD: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The bytes of the smallest pipe; the kernel takes a whole page.
const SMALL_PIPE: usize = 4096;
/// The stack of a thread that does next to nothing.
const SMALL_STACK: usize = 64 << 10;

/// The end of the process where memory is refused: at once, until there is a thread that explains it.
pub(crate) struct Aborts {
    at_once: Arc<AtomicBool>,
}

/// Lets an abort end the process, where the host limits memory; else an abort stays what it is.
pub(crate) fn catch_aborts() -> Option<Aborts> {
    let code = exit::of_kind(Kind::Temporary, None);
    let at_once = Arc::new(AtomicBool::new(true));
    let caught = is_limited()
        && flag::register_conditional_shutdown(SIGABRT, code.into(), Arc::clone(&at_once)).is_ok();
    caught.then_some(Aborts { at_once })
}

/// Returns whether the host may refuse memory: elsewhere it ends a process that takes too much.
fn is_limited() -> bool {
    let is_set = |resource| getrlimit(resource).current.is_some();
    let policy = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    is_set(Resource::As) || is_set(Resource::Data) || policy.trim() == "2"
}

impl Aborts {
    /// Starts the thread that says what to raise before an abort ends the process.
    pub(crate) fn explain(self, as_json: bool) -> io::Result<()> {
        let failure = Failure::new(Kind::Temporary, "the host gives no more memory")
            .hint(Limit::Memory.hint());
        let code = exit::of_kind(failure.kind, None);
        let message = report::text(&failure, code, as_json) + "\n";
        let (woken, wakes) = io::pipe()?;
        low_level::pipe::register(SIGABRT, OwnedFd::from(wakes))?;
        let held = hold_aborts()?;
        let work = move || {
            // Open to the end of the process: a pipe that breaks would let the abort go on.
            let _open = held;
            // From here on nothing allocates.
            self.at_once.store(false, Ordering::SeqCst);
            while read(&woken, &mut [0_u8]) == Err(Errno::INTR) {}
            write_unlocked(message.as_bytes());
            low_level::exit(code.into())
        };
        let thread = thread::Builder::new().name("memory".to_owned()).stack_size(SMALL_STACK);
        thread.spawn(work).map_err(not_started)?;
        Ok(())
    }
}

/// Lets every abort wait for as long as the returned end of a pipe is open.
fn hold_aborts() -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    let n_bytes = fcntl_setpipe_size(&writer, SMALL_PIPE)?;
    writer.write_all(&vec![0; n_bytes])?;
    low_level::pipe::register(SIGABRT, OwnedFd::from(writer.try_clone()?))?;
    // It made the pipe one that nothing waits for.
    fcntl_setfl(&writer, OFlags::empty())?;
    Ok(reader)
}

/// Writes to stderr without its lock, which the thread that aborts may hold.
fn write_unlocked(message: &[u8]) {
    let stderr = io::stderr();
    let mut ready = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    if poll(&mut ready, Some(&LAST_WORD)) == Ok(1) {
        let _written = write(stderr.as_fd(), message);
    }
}
