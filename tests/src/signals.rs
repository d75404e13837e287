//! Signals that our own parent ignores, as scripts do for jobs in the background.

use std::sync::{Arc, Once, atomic::AtomicBool};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    flag,
};

/// Makes children hear the signals they are tested with, though we were started with them ignored.
///
/// An ignored signal is inherited by a child; one with a handler falls back to its default.
pub(crate) fn hear_again() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        let deaf = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter();
        for signal in deaf.filter(|signal| ignored & (1 << (signal - 1)) != 0) {
            let handled = flag::register(signal, Arc::new(AtomicBool::new(false)));
            handled.expect("these signals can be handled");
        }
    });
}

/// Returns the mask of ignored signals, as in proc(5).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
