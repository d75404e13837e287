//! What this program itself costs.

/// CPU time and memory of the running program.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnUsage {
    /// CPU time since the start, in user and kernel mode.
    pub cpu_seconds: f64,
    /// Memory it holds now.
    pub resident_bytes: u64,
}

/// Returns what this program has cost so far; none where `/proc/self` cannot be read.
#[expect(clippy::cast_precision_loss, reason = "ticks of a process stay far below 52 bits")]
pub fn own() -> Option<OwnUsage> {
    let stat = procfs::process::Process::myself().ok()?.stat().ok()?;
    let ticks = stat.utime.saturating_add(stat.stime);
    Some(OwnUsage {
        cpu_seconds: ticks as f64 / procfs::ticks_per_second() as f64,
        resident_bytes: stat.rss.saturating_mul(procfs::page_size()),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_running_program_holds_memory() {
        assert!(super::own().unwrap().resident_bytes > 0);
    }
}
