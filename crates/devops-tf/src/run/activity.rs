//! The progress of terraform in one line.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use devops_core::{
    terraform::{Event, EventKind},
    units::format_duration,
};

/// The work of one command, as its events tell it.
pub(super) struct Activity {
    command: String,
    started: Instant,
    /// The resources that are worked on, and since when.
    running: BTreeMap<String, Instant>,
    n_done: usize,
    n_failed: usize,
}

impl Activity {
    /// Begins a command.
    pub(super) fn new(command: &str, now: Instant) -> Self {
        Self {
            command: command.to_owned(),
            started: now,
            running: BTreeMap::new(),
            n_done: 0,
            n_failed: 0,
        }
    }

    /// Takes an event.
    pub(super) fn on_event(&mut self, event: &Event, now: Instant) {
        let Some(address) = event.address() else { return };
        match event.kind() {
            EventKind::Started => {
                self.running.insert(address.to_owned(), now);
            }
            EventKind::Completed => {
                self.running.remove(address);
                self.n_done += 1;
            }
            EventKind::Failed => {
                self.running.remove(address);
                self.n_failed += 1;
            }
            _ => {}
        }
    }

    /// Says how far the work is.
    pub(super) fn line(&self, now: Instant) -> String {
        let mut line = format!("{} {}", self.command, since(now, self.started));
        let mut add = |text: String| {
            line.push_str(", ");
            line.push_str(&text);
        };
        if self.n_done > 0 {
            add(format!("{} done", self.n_done));
        }
        if self.n_failed > 0 {
            add(format!("{} failed", self.n_failed));
        }
        if !self.running.is_empty() {
            add(format!("{} running", self.running.len()));
        }
        if let Some((address, start)) = self.running.iter().min_by_key(|(_, start)| **start) {
            add(format!("longest {address} ({})", since(now, *start)));
        }
        line
    }
}

fn since(now: Instant, start: Instant) -> String {
    format_duration(Duration::from_secs(now.saturating_duration_since(start).as_secs()))
}
