//! One line about work whose size is not known: it moves on a terminal, and is written now and then otherwise.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use devops_core::terminal;

use crate::{
    progress::{Bar, ProgressPolicy},
    stderr::stderr_line,
};

/// The interval between updates of the line on a terminal.
const MOVES: Duration = Duration::from_millis(200);

/// The interval between lines where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// A line that tells of work as long as it lives.
pub struct Live {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Shows what `text` says, again and again; nothing if there is nothing to say.
    pub(crate) fn start(
        policy: ProgressPolicy,
        text: impl Fn() -> Option<String> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let pause = if policy == ProgressPolicy::Bar { MOVES } else { HEARTBEAT };
        let work = move || {
            let bar = (policy == ProgressPolicy::Bar).then(Bar::line);
            every(pause, &stopped, || match (&bar, text()) {
                (Some(bar), text) => bar.set(&terminal::lines(&text.unwrap_or_default())),
                (None, Some(text)) => stderr_line(&text),
                (None, None) => {}
            });
        };
        // Work without a line is still work.
        let thread = match policy {
            ProgressPolicy::Hidden => None,
            _ => thread::Builder::new().name("live".to_owned()).spawn(work).ok(),
        };
        Self { stop: Some(stop), thread }
    }
}

/// Shows after each pause, until the other end is gone.
fn every(pause: Duration, stopped: &Receiver<()>, mut show: impl FnMut()) {
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        show();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Its end is the signal.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_until_the_work_ends() {
        let (work, stopped) = mpsc::channel();
        let (mut work, mut n_shown) = (Some(work), 0);

        every(Duration::from_millis(1), &stopped, || {
            n_shown += 1;
            if n_shown == 3 {
                work = None;
            }
        });

        assert_eq!(n_shown, 3);
    }
}
