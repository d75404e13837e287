//! Turns signals into a `Cancel`, and ends work that does not check it.

use std::{
    env, io,
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use devops_core::{
    cancel::{Cancel, Cancelled, wait_unheld},
    kind::Kind,
    limits,
    process::{ChildStatus, Work, adopts_orphans},
};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
    low_level,
};

use crate::{failure::Failure, report, tool::SecondSignal};

/// The time that our own work has to stop after the first signal: users are promised 2 s.
const PATIENCE: Duration = Duration::from_millis(1900);
/// The time that the last message may take: stderr may be a pipe that no process reads.
const LAST_WORD: Duration = Duration::from_millis(50);

/// The signals that ask a program to end.
const ENDS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Runs this program again in a child, where orphans become our children, and returns its exit code.
///
/// The child does the work. Here orphans are reaped and signals passed on, as the first process of a container
/// must. Returns nothing elsewhere, and where no child can be started: then this process does the work.
pub(crate) fn stand_above_orphans() -> Option<u8> {
    if !adopts_orphans() {
        return None;
    }
    let mut args = env::args_os();
    let called = args.next().unwrap_or_default();
    // Where there is no /proc, it is found as it was called.
    let program = env::current_exe().map_or(called, Into::into);
    let mut signals = Signals::new(wanted().chain([SIGCHLD])).ok()?;
    let mut work = Work::start(&program, args).ok()?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            work.signal(signal);
        } else if let Some(end) = work.reap() {
            let code = match end {
                ChildStatus::Code(code) => code,
                ChildStatus::Signal(signal) => 128 + signal,
            };
            return Some(u8::try_from(code).unwrap_or(u8::MAX));
        }
    }
    None
}

/// Returns the signals that we wait for: one that the parent ignores on our behalf (`nohup`, background jobs of
/// scripts) stays ignored.
fn wanted() -> impl Iterator<Item = i32> {
    let ignored = ignored_signals();
    ENDS.into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}

/// Makes SIGHUP, SIGINT, SIGQUIT and SIGTERM set the returned flag.
///
/// Work that does not check the flag in time is ended with the process, except while a child lives
/// or during a step that must not be interrupted.
pub(crate) fn install(second: SecondSignal, as_json: bool) -> io::Result<Cancel> {
    // Past the limit of `ulimit -f`: caught, it lets the write fail with "file too large", which is an error like a full disk.
    let _caught = flag::register(SIGXFSZ, Arc::default());
    let cancel = Cancel::new();
    let mut signals = Signals::new(wanted())?;
    let shared = cancel.clone();
    let watchdog = watchdog(as_json)?;
    limits::spawn("signals", move || {
        for signal in signals.forever() {
            shared.cancel(signal);
            match shared.n_signals() {
                // There is room for the one that it waits for.
                1 => drop(watchdog.try_send(signal)),
                _ if second == SecondSignal::EndsAtOnce => low_level::exit(128 + signal),
                _ => {}
            }
        }
    })?;
    Ok(cancel)
}

/// Starts the thread that ends the process when its time after the first signal is over; that signal is
/// sent to it. Later the host may give no thread, and the signal would be lost.
fn watchdog(as_json: bool) -> io::Result<SyncSender<i32>> {
    let (sender, first) = mpsc::sync_channel(1);
    limits::spawn("watchdog", move || {
        let Ok(signal) = first.recv() else { return };
        let _unheld = wait_unheld(PATIENCE);
        say(signal, as_json);
        low_level::exit(128 + signal);
    })?;
    Ok(sender)
}

/// Reports the signal that ended the run; gives up if stderr is not read.
fn say(signal: i32, as_json: bool) {
    let (sender, said) = mpsc::channel();
    let saying = move || {
        let failure = Failure::new(Kind::Interrupted, Cancelled { signal });
        report::failure(&failure, u8::try_from(128 + signal).unwrap_or(u8::MAX), as_json);
        let _sent = sender.send(());
    };
    if thread::Builder::new().spawn(saying).is_ok() {
        let _in_time = said.recv_timeout(LAST_WORD);
    }
}

/// Returns the mask of ignored signals, as in proc(5).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
