//! Lines on stderr, beside the bars that are shown there.

use std::{
    io::Write,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use devops_core::terminal;
use indicatif::MultiProgress;

/// All bars of the process, so that other lines can be written beside them.
pub(crate) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// The labels of messages are colored.
static IS_COLORED: AtomicBool = AtomicBool::new(false);

/// Colors the labels of messages from now on, or does not.
pub(crate) fn color_labels(is_wanted: bool) {
    IS_COLORED.store(is_wanted, Ordering::Relaxed);
}

/// Returns a label as it is shown on stderr, in the colors that clap gives to those of its own messages.
pub(crate) fn label(name: &str) -> String {
    let style = match name {
        "error" => "1;31",
        "warning" => "1;33",
        "hint" => "32",
        _ => return format!("{name}:"),
    };
    if IS_COLORED.load(Ordering::Relaxed) {
        format!("\x1b[{style}m{name}:\x1b[0m")
    } else {
        format!("{name}:")
    }
}

/// Prints a line on stderr beside a progress bar, without what would steer a terminal; a closed stderr
/// changes nothing.
pub(crate) fn stderr_line(line: &str) {
    let line = terminal::lines(line);
    suspend_progress(|| {
        let _written = writeln!(std::io::stderr().lock(), "{line}");
    });
}

/// Runs `print` while no bar is on the screen.
pub(crate) fn suspend_progress<T>(print: impl FnOnce() -> T) -> T {
    BARS.suspend(print)
}
