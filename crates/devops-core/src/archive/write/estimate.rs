//! Counts the bytes of a source while it is being archived, so that progress has an end in sight.

use std::{
    io,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::fs::FileType;

use crate::archive::{
    event::CreateEvent,
    scan::{
        selection::Selection,
        source::Source,
        walk::{Found, Visitor},
    },
};
use crate::{
    cancel::{Cancel, Cancelled},
    limits::spawn_scoped,
};

/// Runs `work`, and tells the total among its events as soon as it is known.
pub(in crate::archive) fn beside<T>(
    source: &Path,
    selection: &Selection,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
    work: impl FnOnce(&mut dyn FnMut(CreateEvent<'_>)) -> T,
) -> T {
    let total = OnceLock::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // If no thread can be started, the total is not reported.
        let _counting = spawn_scoped(scope, || {
            if let Some(n_bytes) = count(source, selection, &is_over) {
                total.get_or_init(|| n_bytes);
            }
        });
        let mut is_told = false;
        let done = work(&mut |event| {
            if let Some(&n_bytes) = total.get()
                && !is_told
            {
                is_told = true;
                on_event(CreateEvent::Total(n_bytes));
            }
            on_event(event);
        });
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

/// Returns the bytes of content; `None` when nobody needs them anymore.
fn count(source: &Path, selection: &Selection, is_over: &AtomicBool) -> Option<u64> {
    let mut counter = Counter { n_bytes: 0, is_over };
    Source::open(source).ok()?.visit(selection, &mut counter, &Cancel::new()).ok()?;
    Some(counter.n_bytes)
}

struct Counter<'a> {
    n_bytes: u64,
    is_over: &'a AtomicBool,
}

struct Over;

impl From<Cancelled> for Over {
    fn from(_: Cancelled) -> Self {
        Self
    }
}

impl Visitor for Counter<'_> {
    type Error = Over;

    fn found(&mut self, found: &Found<'_>) -> Result<(), Over> {
        if found.meta.kind == FileType::RegularFile {
            self.n_bytes += found.meta.size;
        }
        if self.is_over.load(Ordering::Relaxed) { Err(Over) } else { Ok(()) }
    }

    fn skipped(&mut self, _path: &Path, _reason: &'static str) {}

    fn unreadable(&mut self, _path: &Path, _error: io::Error) {}
}
