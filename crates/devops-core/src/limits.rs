//! Limits of the host: a retry may succeed later, or after a limit of `ulimit -a` was raised.

use std::{error::Error, io, iter, thread};

use rustix::io::Errno;

/// The resource that the host gives no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Threads and processes.
    Threads,
    /// Open files.
    Files,
    /// Memory.
    Memory,
}

/// No thread or process could be started.
#[derive(Debug, thiserror::Error)]
#[error("the host starts no further thread or process: {0}")]
pub struct NoThread(io::Error);

impl Limit {
    /// Returns the limit that an error is about; `None` where it is about something else.
    pub fn of(error: &io::Error) -> Option<Self> {
        if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NoThread>) {
            return Some(Self::Threads);
        }
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files),
            Errno::NOMEM => Some(Self::Memory),
            _ => None,
        }
    }

    /// Returns the limit that an error or one of its causes is about. Where it is not `None`, what comes next
    /// would fail like it: the work ends.
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        iter::successors(Some(error), |&cause| cause.source())
            .find_map(|cause| Self::of(cause.downcast_ref()?))
    }

    /// Returns a hint that names the limits to raise.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Threads => {
                "raise the limit on processes and threads (`ulimit -u`, TasksMax of the unit, the pids limit of the container), or on memory (`ulimit -v`)"
            }
            Self::Files => "raise the limit on open files: `ulimit -n`, or LimitNOFILE of the unit",
            Self::Memory => {
                "raise the limit on memory: `ulimit -v`, MemoryMax of the unit, or the memory limit of the container"
            }
        }
    }
}

/// Returns the error of a thread or process that was not started as one that is known to be about that.
///
/// The system says "try again", as it does of much else.
pub fn not_started(error: io::Error) -> io::Error {
    // A library may have wrapped it in an error of its own.
    let error = error.downcast::<io::Error>().unwrap_or_else(|error| error);
    match Errno::from_io_error(&error) {
        Some(Errno::AGAIN) => io::Error::new(io::ErrorKind::WouldBlock, NoThread(error)),
        _ => error,
    }
}

/// Starts a thread, or fails where [`thread::spawn`] would panic.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(not_started)
}

/// Starts a thread with a stack of so many bytes, of which only the used part takes memory.
pub fn spawn_with_stack<T: Send + 'static>(
    name: &str,
    stack: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(stack);
    thread.spawn(work).map_err(not_started)
}

/// Starts a thread in a scope, or fails where [`thread::Scope::spawn`] would panic.
pub fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<thread::ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().spawn_scoped(scope, work).map_err(not_started)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{fs::IoResultExt, kind::Kind};

    #[test]
    fn what_the_host_refuses_is_worth_another_try() {
        let os = |errno: Errno| io::Error::from(errno);

        for (error, limit) in [
            (not_started(os(Errno::AGAIN)), Limit::Threads),
            (os(Errno::MFILE), Limit::Files),
            (os(Errno::NFILE), Limit::Files),
            (os(Errno::NOMEM), Limit::Memory),
            (not_started(os(Errno::NOMEM)), Limit::Memory),
            (not_started(io::Error::other(os(Errno::AGAIN))), Limit::Threads),
        ] {
            assert_eq!(Limit::of(&error), Some(limit), "{error}");
            assert_eq!(Kind::of_io(&error), Kind::Temporary, "{error}");
        }
        assert_eq!(Limit::of(&os(Errno::AGAIN)), None);
        let path = Path::new("file");
        let caused = Err::<(), _>(os(Errno::MFILE)).at(path, "open").unwrap_err();
        assert_eq!(Limit::within(&caused), Some(Limit::Files));
        assert_eq!(Limit::within(&io::Error::other(caused)), Some(Limit::Files));
        assert_eq!(Limit::of(&not_started(os(Errno::PERM))), None);
    }
}
