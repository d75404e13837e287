//! Watches a running child: passes signals on, keeps the deadlines, and waits for its end.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use duct::Handle;
use os_pipe::PipeReader;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{
    drain::{Output, Sink},
    error::ProcessError,
    event::{ProcessEvent, SignalReason, StdStream},
    exit::{ChildExit, ChildStatus},
    group::Group,
    listen::{Message, spawn_reader, spawn_waiter},
    orphan_guard::OrphanGuard,
    spec::{CommandSpec, OrphanPolicy, StopPolicy},
    start::{Started, pid as pid_of, start as start_child},
    terminal::Job,
};
use crate::{
    cancel::{Cancel, Hold, hold_child},
    limits,
};

/// After the child's exit, how long its streams must be silent to count as ended though a grandchild
/// holds them open. What the child itself wrote is read to its last byte, however long that takes.
const QUIET: Duration = Duration::from_millis(200);

/// After the child's exit, how long a grandchild that keeps writing is listened to.
const DRAIN: Duration = Duration::from_secs(2);

/// The pause between two looks at whether the child's last bytes were read.
const LOOK: Duration = Duration::from_millis(10);

/// The pause between two looks at whether what a launcher left behind has ended.
const LOOK_LEFT: Duration = Duration::from_millis(50);

const HUP: i32 = Signal::HUP.as_raw();
const INT: i32 = Signal::INT.as_raw();

/// A child under supervision.
pub(super) struct SupervisedChild {
    pub(super) pid: u32,
    pub(super) output: Output,
    supervisor: JoinHandle<io::Result<Ended>>,
}

/// The child has ended.
struct Ended {
    exit: ChildExit,
    /// It was stopped because it wanted the terminal and could not have it.
    refused_terminal: bool,
}

impl SupervisedChild {
    /// Waits for the end.
    pub(super) fn exit(self, program: &OsStr) -> Result<ChildExit, ProcessError> {
        let program = program.to_owned();
        match self.supervisor.join().expect("the supervisor does not panic") {
            Ok(Ended { refused_terminal: true, .. }) => Err(ProcessError::NoTerminal { program }),
            Ok(Ended { exit, .. }) => Ok(exit),
            Err(source) => Err(ProcessError::NotSupervised { program, source }),
        }
    }
}

/// Tells the supervisor that nobody wants the child any more.
pub(super) struct StopHandle(Sender<Message>);

impl StopHandle {
    /// Stops the child as a signal would; does nothing if it is over.
    pub(super) fn stop(&self) {
        let _sent = self.0.send(Message::OutputDropped);
    }
}

/// Starts the child and the threads that look after it.
pub(super) fn start(
    spec: &CommandSpec,
    cancel: &Cancel,
    sink: Sink,
) -> Result<SupervisedChild, ProcessError> {
    cancel.check()?;
    let hold = hold_child();
    let Started { handle, pid, stdout, stderr } = start_child(spec)?;
    let orphan_guard = match spec.orphan {
        OrphanPolicy::Leave => None,
        OrphanPolicy::Interrupt => orphan_guard(pid, spec, [&stdout, &stderr]).ok(),
    };
    let pipes = vec![(StdStream::Stdout, stdout), (StdStream::Stderr, stderr)];
    let child = Child { handle, pid: pid_of(pid), orphan_guard, is_reaped: false, _hold: hold };
    let (running, _stopper) = supervise(spec, cancel, sink, child, pipes)?;
    Ok(running)
}

/// Starts the child like [`start`], but leaves its stdout to the caller, and takes its stderr only.
pub(super) fn start_reader(
    spec: &CommandSpec,
    cancel: &Cancel,
) -> Result<(SupervisedChild, StopHandle, PipeReader), ProcessError> {
    cancel.check()?;
    let hold = hold_child();
    let Started { handle, pid, stdout, stderr } = start_child(spec)?;
    let pipes = vec![(StdStream::Stderr, stderr)];
    let child =
        Child { handle, pid: pid_of(pid), orphan_guard: None, is_reaped: false, _hold: hold };
    let (running, stop_handle) = supervise(spec, cancel, Sink::chunks(), child, pipes)?;
    Ok((running, stop_handle, stdout))
}

/// Starts the threads that look after a child.
fn supervise(
    spec: &CommandSpec,
    cancel: &Cancel,
    sink: Sink,
    child: Child,
    pipes: Vec<(StdStream, PipeReader)>,
) -> Result<(SupervisedChild, StopHandle), ProcessError> {
    let output = Output::new(sink);
    let (sender, messages) = mpsc::channel();
    let pid = child.pid;
    let kept = pipes.iter().map(|(_, pipe)| pipe.try_clone()).collect::<io::Result<Vec<_>>>();

    let supervise = || -> io::Result<_> {
        let kept = kept?;
        for (stream, pipe) in pipes {
            spawn_reader(&output, stream, pipe, &sender)?;
        }
        spawn_waiter(pid, &sender)?;
        let supervisor = Supervisor::new(spec, child, output.clone(), kept);
        let cancel = cancel.clone();
        limits::spawn("supervisor", move || supervisor.watch(&messages, &cancel))
    };
    let supervisor = supervise()
        .map_err(|source| ProcessError::NotSupervised { program: spec.program.clone(), source })?;
    let stop_handle = StopHandle(sender.clone());
    cancel.on_signal(move |signal| {
        // Once the child is gone nobody listens any more.
        let _sent = sender.send(Message::Signal(signal));
    });
    Ok((SupervisedChild { pid: pid.as_raw_pid().cast_unsigned(), output, supervisor }, stop_handle))
}

fn orphan_guard(
    child: u32,
    spec: &CommandSpec,
    pipes: [&PipeReader; 2],
) -> io::Result<OrphanGuard> {
    let [stdout, stderr] = pipes;
    OrphanGuard::start(child, spec.launched, [stdout.try_clone()?, stderr.try_clone()?])
}

/// A child that is killed with its group when it is dropped before it was reaped: it must not run
/// unless a thread reads its output and another one supervises it.
struct Child {
    handle: Handle,
    pid: Pid,
    orphan_guard: Option<OrphanGuard>,
    is_reaped: bool,
    /// Its own limits say how long it may take to stop.
    _hold: Hold,
}

impl Child {
    /// Waits for its end; from then on its process id may be that of another process.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(orphan_guard) = self.orphan_guard.take() {
            orphan_guard.release();
        }
        self.is_reaped = true;
        Ok(self.handle.wait()?.status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _killed = kill_process_group(self.pid, Signal::KILL);
            let _reaped = self.reap();
        }
    }
}

#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Supervisor {
    child: Child,
    output: Output,
    job: Job,
    stop: StopPolicy,
    launched: &'static [&'static str],
    /// Processes that were interrupted after the launcher that started them had died of it.
    left: Vec<Pid>,
    grace_period: Duration,
    started: Instant,
    timeout_at: Option<Instant>,
    silence: Option<Duration>,
    /// The group was told to terminate, and gets its grace.
    terminating: bool,
    kill_at: Option<Instant>,
    n_stops: usize,
    timed_out: bool,
    was_silent: bool,
    killed: bool,
    exited: Option<Instant>,
    /// The read ends of the child's streams.
    pipes: Vec<PipeReader>,
    open_streams: usize,
    /// Bytes that the streams had when the child's exit was seen: all of its own are among them.
    n_own_bytes: u64,
}

impl Supervisor {
    fn new(spec: &CommandSpec, child: Child, output: Output, pipes: Vec<PipeReader>) -> Self {
        let started = Instant::now();
        Self {
            child,
            output,
            job: Job::default(),
            stop: spec.stop,
            launched: spec.launched,
            left: Vec::new(),
            grace_period: spec.grace_period,
            started,
            // A timeout past the end of time is none.
            timeout_at: spec.timeout.and_then(|timeout| started.checked_add(timeout)),
            silence: spec.silence,
            terminating: false,
            kill_at: None,
            n_stops: 0,
            timed_out: false,
            was_silent: false,
            killed: false,
            exited: None,
            open_streams: pipes.len(),
            pipes,
            n_own_bytes: 0,
        }
    }

    fn watch(mut self, messages: &Receiver<Message>, cancel: &Cancel) -> io::Result<Ended> {
        while !self.is_over() {
            match receive(messages, self.deadline()) {
                Some(Message::Signal(signal)) => self.on_signal(signal),
                Some(Message::OutputDropped) => self.end_unless_ending(SignalReason::OutputDropped),
                Some(Message::StreamEnded) => self.open_streams -= 1,
                Some(Message::Stopped(signal)) => {
                    self.job.on_stop(self.child.pid, signal);
                    self.end_if_refused();
                }
                Some(Message::Exited(signal)) => self.on_exit(signal, cancel),
                None => self.on_deadline(),
            }
        }
        if self.in_grace() {
            // Members of the group that closed their streams are invisible from here.
            self.signal_group(Signal::KILL, None);
        }
        self.output.close();
        self.reap()
    }

    fn on_exit(&mut self, killed_by: Option<i32>, cancel: &Cancel) {
        self.n_own_bytes = self.output.n_written(&self.pipes);
        self.exited = Some(Instant::now());
        if killed_by == Some(INT) && self.n_stops > 0 && self.stop == StopPolicy::InterruptOnce {
            self.interrupt_left();
        }
        if let Some(key) = killed_by.filter(|_| self.job.on_exit(killed_by)) {
            cancel.cancel(key);
        }
    }

    /// Interrupts what a launcher started, which does not know yet that it is to stop.
    fn interrupt_left(&mut self) {
        self.left = Group::of(self.child.pid).roots();
        for pid in &self.left {
            let _sent = kill_process(*pid, Signal::INT);
        }
    }

    /// Looks whether what was left has ended; from then on its last words count as the child's.
    fn look_left(&mut self) {
        let group = Group::of(self.child.pid);
        self.left.retain(|pid| group.has(*pid));
        if self.left.is_empty() {
            self.exited = Some(Instant::now());
            self.n_own_bytes = self.output.n_written(&self.pipes);
        }
    }

    fn end_if_refused(&mut self) {
        if self.job.n_refused() > 0 {
            self.end_unless_ending(SignalReason::NoTerminal);
        }
    }

    /// Returns whether the child is gone and nothing more is expected of its streams.
    fn is_over(&self) -> bool {
        let Some(exited) = self.exited else { return false };
        if !self.left.is_empty() {
            return false;
        }
        if self.open_streams == 0 {
            return true;
        }
        !self.in_grace() && Instant::now() >= self.drained_at(exited)
    }

    fn in_grace(&self) -> bool {
        self.terminating && !self.killed
    }

    /// Returns when the streams count as ended, as far as is known now.
    fn drained_at(&self, exited: Instant) -> Instant {
        if self.output.n_read() < self.n_own_bytes {
            return Instant::now() + LOOK;
        }
        (self.output.last_bytes().max(exited) + QUIET).min(exited + DRAIN)
    }

    fn deadline(&self) -> Option<Instant> {
        [self.job.look_at(), self.stop_deadline()].into_iter().flatten().min()
    }

    fn stop_deadline(&self) -> Option<Instant> {
        if self.in_grace() {
            return self.kill_at;
        }
        match self.exited {
            Some(_) if !self.left.is_empty() => Some(Instant::now() + LOOK_LEFT),
            Some(exited) => Some(self.drained_at(exited)),
            None if self.n_stops == 0 => {
                [self.timeout_at, self.silent_at()].into_iter().flatten().min()
            }
            None => None,
        }
    }

    /// Returns when the child has written nothing for too long, if it goes on so.
    fn silent_at(&self) -> Option<Instant> {
        self.output.last_bytes().checked_add(self.silence?)
    }

    fn on_signal(&mut self, signal: i32) {
        if signal == HUP && self.n_stops > 0 {
            return;
        }
        self.n_stops += 1;
        let reason = SignalReason::Received(signal);
        match (self.stop, self.n_stops) {
            (StopPolicy::InterruptOnce, 1 | 2) => self.signal_child(Signal::INT, reason),
            (StopPolicy::InterruptOnce, _) => self.signal_child(Signal::KILL, reason),
            (StopPolicy::TerminateGroup, 1) => self.terminate_group(reason),
            (StopPolicy::TerminateGroup, _) => self.kill_group(reason),
        }
    }

    fn on_deadline(&mut self) {
        let now = Instant::now();
        if !self.left.is_empty() {
            self.look_left();
        }
        if self.job.look_at().is_some_and(|at| at <= now) {
            self.job.look(self.child.pid);
            self.end_if_refused();
        }
        if self.in_grace() && self.kill_at.is_some_and(|at| at <= now) {
            self.kill_group(SignalReason::GracePeriodExpired);
        } else if self.exited.is_none() && self.timeout_at.is_some_and(|at| at <= now) {
            self.timeout_at = None;
            self.timed_out = true;
            self.stop_once(SignalReason::Timeout);
        } else if self.exited.is_none()
            && self.n_stops == 0
            && self.silent_at().is_some_and(|at| at <= now)
        {
            self.was_silent = true;
            self.stop_once(SignalReason::Silence);
        }
    }

    fn end_unless_ending(&mut self, reason: SignalReason) {
        if self.n_stops == 0 {
            self.stop_once(reason);
        }
    }

    fn stop_once(&mut self, reason: SignalReason) {
        self.n_stops += 1;
        match self.stop {
            StopPolicy::InterruptOnce => self.signal_child(Signal::INT, reason),
            StopPolicy::TerminateGroup => self.terminate_group(reason),
        }
    }

    fn terminate_group(&mut self, reason: SignalReason) {
        self.terminating = true;
        self.kill_at = Instant::now().checked_add(self.grace_period);
        self.signal_group(Signal::TERM, Some(reason));
    }

    fn kill_group(&mut self, reason: SignalReason) {
        self.killed = true;
        self.signal_group(Signal::KILL, Some(reason));
    }

    fn signal_child(&self, signal: Signal, reason: SignalReason) {
        let targets = match self.exited {
            Some(_) => self.left.clone(),
            None => vec![self.target(signal)],
        };
        let send = |pid: &Pid| {
            let sent = kill_process(*pid, signal);
            // What is stopped would see the signal only when it goes on.
            sent.and_then(|()| kill_process(*pid, Signal::CONT)).is_ok()
        };
        if targets.iter().filter(|pid| send(pid)).count() > 0 {
            self.output.notice(ProcessEvent::Signalled { signal: signal.as_raw(), reason });
        }
    }

    /// Returns the process that a signal is for: the program that was meant, behind whatever launched it.
    fn target(&self, signal: Signal) -> Pid {
        if signal == Signal::KILL || self.launched.is_empty() {
            return self.child.pid;
        }
        Group::of(self.child.pid).running(self.launched).unwrap_or(self.child.pid)
    }

    fn signal_group(&self, signal: Signal, reason: Option<SignalReason>) {
        let sent = kill_process_group(self.child.pid, signal);
        // What is stopped would see the signal only when it goes on.
        let _continued = kill_process_group(self.child.pid, Signal::CONT);
        if let (Ok(()), Some(reason)) = (sent, reason) {
            self.output.notice(ProcessEvent::Signalled { signal: signal.as_raw(), reason });
        }
    }

    fn reap(mut self) -> io::Result<Ended> {
        let status = self.child.reap()?;
        let end = match (status.code(), status.signal()) {
            (Some(code), _) => ChildStatus::Code(code),
            (None, signal) => ChildStatus::Signal(signal.unwrap_or_default()),
        };
        let duration = self.exited.unwrap_or_else(Instant::now) - self.started;
        let exit = ChildExit {
            status: end,
            timed_out: self.timed_out,
            was_silent: self.was_silent,
            duration,
        };
        Ok(Ended { exit, refused_terminal: self.job.n_refused() > 0 })
    }
}

/// Waits for a message until the deadline; `None` when it has passed.
fn receive(messages: &Receiver<Message>, deadline: Option<Instant>) -> Option<Message> {
    let received = match deadline {
        None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
    };
    match received {
        Ok(message) => Some(message),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => panic!("the waiter speaks before it leaves"),
    }
}
