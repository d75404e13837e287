//! Lets the disk begin with a large file while the rest of it is still being made.
//!
//! Left to the system, what is written waits in memory until the file is synced, and that would then take
//! as long as all the writing before it.

use std::{
    fs::File,
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

/// The number of bytes that are sent to the disk at a time.
const STRETCH: usize = 16 << 20;

/// Syncs a file again and again, beside the one who writes it.
#[derive(Debug, Default)]
pub(super) struct WriteBehind {
    n_waiting: usize,
    syncing: Option<Syncing>,
}

#[derive(Debug)]
struct Syncing {
    wake: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl WriteBehind {
    /// Takes note of `n` more bytes in `file`.
    pub(super) fn written(&mut self, file: &File, n: usize) {
        self.n_waiting += n;
        if self.n_waiting < STRETCH {
            return;
        }
        self.n_waiting = 0;
        if self.syncing.is_none() {
            self.syncing = Syncing::start(file);
        }
        if let Some(Syncing { wake, .. }) = &self.syncing {
            // One that is still at it takes this stretch along the next time.
            let _woken = wake.try_send(());
        }
    }

    /// Waits for the last time, and returns the first error: the system tells each but once.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let Some(Syncing { wake, thread }) = self.syncing.take() else { return Ok(()) };
        drop(wake);
        thread.join().expect("the thread does not panic")
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        // Nobody wants the file any more.
        let _synced = self.finish();
    }
}

impl Syncing {
    /// Starts a thread; without one, the bytes reach the disk at the end.
    fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (wake, woken) = sync_channel(1);
        let work = move || woken.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("write-behind".to_owned()).spawn(work).ok()?;
        Some(Self { wake, thread })
    }
}
