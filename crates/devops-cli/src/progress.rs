//! Progress on stderr: a bar on a terminal, a plain line now and then otherwise.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use devops_core::units::{ByteSize, format_duration};
use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::{BARS, stderr_line};

/// How often a plain line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressPolicy {
    /// A bar that moves.
    Bar,
    /// A line every ten seconds.
    Lines,
    /// Nothing.
    Hidden,
}

/// The progress of one operation, in bytes.
pub struct Progress {
    label: String,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines(Mutex<LineProgress>),
    Nothing,
}

struct LineProgress {
    total: Option<u64>,
    started: Instant,
    next: Instant,
}

impl Progress {
    pub(crate) fn new(label: &str, total: Option<u64>, policy: ProgressPolicy) -> Self {
        let display = match policy {
            ProgressPolicy::Bar => Display::Bar(BARS.add(bar(label, total))),
            ProgressPolicy::Lines => {
                let started = Instant::now();
                let next = started + LINE_INTERVAL;
                Display::Lines(Mutex::new(LineProgress { total, started, next }))
            }
            ProgressPolicy::Hidden => Display::Nothing,
        };
        Self { label: label.to_owned(), display }
    }

    /// Shows that `done` bytes are done.
    pub fn set(&self, done: u64) {
        match &self.display {
            Display::Bar(bar) => bar.set_position(done),
            Display::Lines(plain) => {
                let mut plain = plain.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                if now >= plain.next {
                    plain.next = now + LINE_INTERVAL;
                    stderr_line(&plain_line(&self.label, done, &plain, now));
                }
            }
            Display::Nothing => {}
        }
    }

    /// Sets how many bytes there are to do.
    pub fn set_total(&self, total: u64) {
        match &self.display {
            Display::Bar(bar) => {
                bar.set_length(total);
                bar.set_style(style(true));
            }
            Display::Lines(plain) => {
                plain.lock().unwrap_or_else(PoisonError::into_inner).total = Some(total);
            }
            Display::Nothing => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A line on the terminal that is removed with this value.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Begins an empty line.
    pub(crate) fn line() -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is valid");
        Self(BARS.add(ProgressBar::new_spinner().with_style(style)))
    }

    /// Shows another text.
    pub(crate) fn set(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

fn bar(label: &str, total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.with_style(style(total.is_some())).with_message(label.to_owned())
}

fn style(known_total: bool) -> ProgressStyle {
    let template = if known_total {
        "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} ETA {eta}"
    } else {
        "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}"
    };
    ProgressStyle::with_template(template).expect("the template is valid").progress_chars("=> ")
}

fn plain_line(label: &str, done: u64, plain: &LineProgress, now: Instant) -> String {
    let elapsed = now.duration_since(plain.started);
    let rate = u128::from(done) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    let speed = format!("{}/s", ByteSize(rate));
    let Some(total) = plain.total.filter(|&total| total > 0) else {
        return format!("{label}: {}, {speed}", ByteSize(done));
    };
    // A total may be an estimate.
    let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
    let display =
        format!("{label}: {} of {} ({percent}%), {speed}", ByteSize(done), ByteSize(total));
    // What has not moved yet gives no time.
    if rate == 0 {
        return display;
    }
    let left = Duration::from_secs(total.saturating_sub(done) / rate);
    format!("{display}, ETA {}", format_duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_share_speed_and_time_left() {
        let started = Instant::now();
        let plain = LineProgress { total: Some(300 << 20), started, next: started };

        let line = plain_line("backing up", 100 << 20, &plain, started + Duration::from_secs(10));

        assert_eq!(line, "backing up: 100.0 MiB of 300.0 MiB (33%), 10.0 MiB/s, ETA 20s");
        let line = plain_line("backing up", 0, &plain, started + Duration::from_secs(10));
        assert_eq!(line, "backing up: 0 B of 300.0 MiB (0%), 0 B/s");
    }
}
