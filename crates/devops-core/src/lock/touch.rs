//! Shows over a network from time to time that a lock is still held.

use std::{
    fs::File,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

/// The interval at which a holder shows that it is still there.
const TOUCH_EVERY: Duration = Duration::from_mins(1);

/// Touches the lock file from time to time until it is dropped.
#[derive(Debug)]
pub(super) struct Touch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Touch {
    /// Starts the thread that refreshes the lock file. Returns `None` if no thread can be started: the lock
    /// then expires early, but stays valid until then.
    pub(super) fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (stop, stopped) = mpsc::channel();
        let touch = move || {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let times = Timestamps { last_access: omit, last_modification: now };
            while stopped.recv_timeout(TOUCH_EVERY) == Err(RecvTimeoutError::Timeout) {
                let _touched = futimens(&file, &times);
            }
        };
        let thread = thread::Builder::new().name("lock".to_owned()).spawn(touch).ok()?;
        Some(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Touch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only touches a file.
            let _joined = thread.join();
        }
    }
}
