//! Lends the terminal to a child that reads it, as a shell does with the job in its foreground.
//!
//! A child has a group of its own, so the kernel stops it when it reads the terminal, or changes how the
//! terminal works. Then its group becomes the one in the foreground, and it goes on. One child at a time has
//! the terminal, until it ends. In the background we have no terminal to lend.

use std::{
    fs::{File, OpenOptions},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, getpgrp, kill_current_process_group, kill_process_group},
    termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp},
};

/// How often a stopped child is looked after until it goes on.
const LOOK: Duration = Duration::from_millis(100);

const TTIN: i32 = Signal::TTIN.as_raw();
const TTOU: i32 = Signal::TTOU.as_raw();

/// A child has the terminal.
static IS_LENT: AtomicBool = AtomicBool::new(false);

/// The terminal while a child has it; taken back when dropped.
struct Loan {
    terminal: File,
    ours: Pid,
    /// How the terminal worked before.
    modes: Option<Termios>,
}

enum Answer {
    Lent(Loan),
    /// Another child has it.
    Busy,
    /// It is not ours to lend.
    Background,
}

/// What a stopped child waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It wants the terminal; `asked` says that we have asked our own parent for it.
    Terminal { asked: bool },
    /// A person suspended it, and us with it.
    Resume,
}

/// The job control of one child.
#[derive(Default)]
pub(super) struct Job {
    loan: Option<Loan>,
    wait: Option<(Wait, Instant)>,
    /// How often the child could not go on: the terminal was not ours to lend.
    n_refused: usize,
}

impl Job {
    /// Gives a group the terminal before it asks, if it is ours to lend.
    pub(super) fn offer(&mut self, group: Pid) {
        if let Answer::Lent(loan) = lend(group) {
            self.loan = Some(loan);
        }
    }

    /// Deals with a child that this signal has stopped.
    pub(super) fn on_stop(&mut self, group: Pid, signal: i32) {
        match signal {
            TTIN | TTOU => self.lend(group, Wait::Terminal { asked: false }),
            _ if self.loan.is_some() => {
                // Ctrl-Z reached the child alone. We stop too, and a shell above us takes over.
                self.loan = None;
                let _stopped = kill_current_process_group(Signal::TSTP);
                self.wait = Some((Wait::Resume, Instant::now() + LOOK));
            }
            // Its sender knows when it shall go on.
            _ => {}
        }
    }

    /// Returns when [`Self::look`] is to be called, if it is.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.wait.map(|(_, at)| at)
    }

    /// Tries again to let a stopped child go on.
    pub(super) fn look(&mut self, group: Pid) {
        if let Some((wait, _)) = self.wait.take() {
            self.lend(group, wait);
        }
    }

    /// Returns how often the child wanted the terminal, could not have it, and was left stopped.
    pub(super) fn n_refused(&self) -> usize {
        self.n_refused
    }

    fn lend(&mut self, group: Pid, wait: Wait) {
        // What was lent went elsewhere, such as to a job of the child that has ended since.
        self.loan = None;
        let again = match (lend(group), wait) {
            (Answer::Lent(loan), _) => {
                self.loan = Some(loan);
                None
            }
            (Answer::Busy, _) => Some(wait),
            // It was resumed in the background.
            (Answer::Background, Wait::Resume) => None,
            // A shell stops us now, until we are in the foreground. Where none would ever continue us, the
            // kernel does not stop us.
            (Answer::Background, Wait::Terminal { asked: false }) => {
                let _asked = kill_current_process_group(Signal::TTIN);
                Some(Wait::Terminal { asked: true })
            }
            (Answer::Background, Wait::Terminal { asked: true }) => {
                self.n_refused += 1;
                return;
            }
        };
        self.wait = again.map(|wait| (wait, Instant::now() + LOOK));
        if self.wait.is_none() {
            let _continued = kill_process_group(group, Signal::CONT);
        }
    }

    /// Takes the terminal back from a child that has ended, by `signal` if one killed it.
    ///
    /// Returns whether a key of the terminal ended it: the person meant us as well.
    pub(super) fn on_exit(&mut self, signal: Option<i32>) -> bool {
        self.wait = None;
        let Some(loan) = self.loan.take() else { return false };
        if signal.is_some() {
            loan.restore_modes();
        }
        let keys = [Signal::INT.as_raw(), Signal::QUIT.as_raw()];
        signal.is_some_and(|signal| keys.contains(&signal))
    }
}

/// Makes the group the one in the foreground of our terminal, if ours is.
fn lend(group: Pid) -> Answer {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let Ok(terminal) = terminal else { return Answer::Background };
    if IS_LENT.swap(true, Ordering::AcqRel) {
        return Answer::Busy;
    }
    // A group that our process namespace does not know has no number, and is not asked for.
    let foreground = tcgetpgrp(&terminal).ok();
    let is_ours = foreground.is_some_and(|foreground| foreground == getpgrp());
    let modes = tcgetattr(&terminal).ok();
    match foreground {
        Some(ours) if is_ours && tcsetpgrp(&terminal, group).is_ok() => {
            Answer::Lent(Loan { terminal, ours, modes })
        }
        _ => {
            IS_LENT.store(false, Ordering::Release);
            Answer::Background
        }
    }
}

impl Loan {
    /// Makes the terminal work as before: a killed child could not do so itself.
    fn restore_modes(&self) {
        allow_in_background();
        if let Some(modes) = &self.modes {
            // Nothing can be done about a terminal that has gone.
            let _restored = tcsetattr(&self.terminal, OptionalActions::Now, modes);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        allow_in_background();
        let _taken = tcsetpgrp(&self.terminal, self.ours);
        IS_LENT.store(false, Ordering::Release);
    }
}

/// Lets this thread change the terminal while another group is in its foreground.
///
/// Otherwise the kernel would stop us. Shells do the same. Children are not affected: they start with no
/// signal blocked.
fn allow_in_background() {
    let mut blocked = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initializes the set, and a thread may block SIGTTOU in its own mask.
    #[allow(unsafe_code, reason = "no safe interface changes the mask of a thread")]
    unsafe {
        libc::sigemptyset(blocked.as_mut_ptr());
        libc::sigaddset(blocked.as_mut_ptr(), libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), ptr::null_mut());
    }
}
