//! Signals become a `Cancel`.

use std::{sync::Arc, thread};

use devops_core::cancel::Cancel;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
    low_level,
};

use crate::tool::SecondSignal;

/// Makes SIGINT, SIGTERM and SIGHUP set the returned flag.
///
/// A signal that the parent ignores on our behalf (`nohup`, background jobs of scripts) stays ignored.
pub(crate) fn install(second: SecondSignal) -> Cancel {
    // Past the limit of `ulimit -f`: caught, it lets the write fail with "file too large", which is an error like a full disk.
    let _caught = flag::register(SIGXFSZ, Arc::default());
    let cancel = Cancel::new();
    let ignored = ignored_signals();
    let wanted =
        [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let Ok(mut signals) = Signals::new(wanted) else { return cancel };
    let shared = cancel.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            shared.cancel(signal);
            if second == SecondSignal::EndsAtOnce && shared.n_signals() > 1 {
                low_level::exit(128 + signal);
            }
        }
    });
    cancel
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
