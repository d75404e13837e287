//! What the first process of a container owes to others: it reaps every orphan.
//!
//! A process that waits for any child would take the ends of those that a library started and waits for. So
//! this program starts itself again for its work, and stands above it with nothing else to do.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, child_subreaper, getpid, kill_process,
    kill_process_group, wait,
};

use super::{exit::ChildStatus, start::pid as pid_of, terminal::Job};
use crate::cancel::Cancel;

/// The pause between two looks at whether stopped work can go on.
const LOOK: Duration = Duration::from_millis(100);

/// Returns whether orphans become our children: we are the first process, or a subreaper.
pub fn adopts_orphans() -> bool {
    getpid() == Pid::INIT || child_subreaper().is_ok_and(|adopts| adopts.is_some())
}

/// This program, started again for its work.
pub struct Work {
    pid: Pid,
    job: Job,
    /// It is reaped with the orphans.
    _handle: duct::Handle,
}

impl Work {
    /// Starts `program` with our streams, and with the terminal if we have it.
    pub fn start(program: &OsStr, args: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let handle = duct::cmd(program, args)
            .unchecked()
            // Keys of the terminal reach it alone, and not a second time through us.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .start()?;
        let pid = pid_of(*handle.pids().first().expect("one command is one child"));
        let mut job = Job::default();
        job.offer(pid);
        Ok(Self { pid, job, _handle: handle })
    }

    /// Passes on a signal that came to us.
    pub fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _sent = kill_process(self.pid, signal);
        }
    }

    /// Reaps every child that has ended, and returns how the work ended, once it has.
    pub fn reap(&mut self) -> Option<ChildStatus> {
        let mut ended = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            match status.stopping_signal() {
                _ if pid != self.pid => {}
                Some(signal) => self.on_stop(signal),
                None => ended = Some(end(status)),
            }
        }
        if let Some(end) = ended {
            self.job.on_exit(match end {
                ChildStatus::Code(_) => None,
                ChildStatus::Signal(signal) => Some(signal),
            });
        }
        ended
    }

    fn on_stop(&mut self, signal: i32) {
        let n_refused = self.job.n_refused();
        self.job.on_stop(self.pid, signal);
        while self.job.look_at().is_some() {
            let _waited = Cancel::new().wait(LOOK);
            self.job.look(self.pid);
        }
        if self.job.n_refused() == n_refused {
            return;
        }
        // At first it may say itself what is wrong, unless it is the one that reads.
        if n_refused > 0 {
            let _told = kill_process_group(self.pid, Signal::TERM);
        }
        let _continued = kill_process_group(self.pid, Signal::CONT);
    }
}

fn end(status: WaitStatus) -> ChildStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ChildStatus::Code(code),
        (None, signal) => ChildStatus::Signal(signal.unwrap_or_default()),
    }
}
