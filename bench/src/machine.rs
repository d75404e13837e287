//! The machine that is measured on.

use std::fs;

use anyhow::{Context, Result};

/// Keeps this process and all it starts to two processors: the bars are for two.
pub(crate) fn two_processors() -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let mut two = CpuSet::new();
    let all = 0..CpuSet::MAX_CPU;
    all.filter(|&n| allowed.is_set(n)).take(2).for_each(|n| two.set(n));
    sched_setaffinity(None, &two).context("cannot choose two processors")
}

/// Returns the name of its processor.
pub(crate) fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, model)| model.to_owned())
}

/// Returns the release of its kernel.
pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Returns how many processes wanted to run, on average over the last minute.
pub(crate) fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next().map(str::to_owned)
}
