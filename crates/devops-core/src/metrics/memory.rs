//! Memory and swap: `/proc/meminfo` and what it means.
//!
//! Source of the format: `proc_meminfo(5)`.

use serde::Serialize;

use super::round_percent;

/// One reading of `/proc/meminfo`: every line, in bytes where the kernel gives a size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// The lines in the order of the file.
    pub fields: Vec<MemField>,
}

/// One line of `/proc/meminfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemField {
    /// The kernel's name, such as `MemTotal` or `Active(anon)`.
    pub name: String,
    /// The value; in bytes when `is_size`.
    pub value: u64,
    /// Is set if the value is a size and not a count.
    pub is_size: bool,
}

impl MemInfo {
    /// Reads the text of `/proc/meminfo`; lines without a number are left out.
    pub fn parse(text: &str) -> Self {
        let fields = text.lines().filter_map(parse_line).collect();
        Self { fields }
    }

    /// Returns the value of a field, if the kernel has it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value)
    }

    /// Returns what programs can still take without swapping.
    ///
    /// Kernels before 3.14 have no `MemAvailable`; the sum of what could be given back stands in.
    /// A container may report more than there is.
    fn available(&self, total: u64) -> Option<u64> {
        let estimate = || {
            let get = |name| self.get(name).unwrap_or(0);
            let cached = get("Buffers")
                .saturating_add(get("Cached"))
                .saturating_add(get("SReclaimable"))
                .saturating_sub(get("Shmem"));
            Some(self.get("MemFree")?.saturating_add(cached))
        };
        Some(self.get("MemAvailable").or_else(estimate)?.min(total))
    }
}

fn parse_line(line: &str) -> Option<MemField> {
    let (name, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let is_size = words.next() == Some("kB");
    let value = if is_size { number.saturating_mul(1024) } else { number };
    Some(MemField { name: name.trim().to_owned(), value, is_size })
}

/// How full the memory is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MemoryUsage {
    /// (total - available) / total, 0 to 100, to a tenth; none when the total is unknown or zero.
    pub percent: Option<f64>,
    /// Memory the kernel manages.
    pub total_bytes: Option<u64>,
    /// Memory that programs can still take without swapping.
    pub available_bytes: Option<u64>,
    /// Total less available.
    pub used_bytes: Option<u64>,
    /// Memory that holds nothing at all.
    pub free_bytes: Option<u64>,
    /// Buffers of block devices.
    pub buffers_bytes: Option<u64>,
    /// The page cache, shared memory included.
    pub cached_bytes: Option<u64>,
}

/// How full the swap space is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SwapUsage {
    /// (total - free) / total, 0 to 100; none when there is no swap.
    pub percent: Option<f64>,
    /// All swap space.
    pub total_bytes: Option<u64>,
    /// Swap space in use: total less free.
    pub used_bytes: Option<u64>,
}

/// Returns how full the memory is.
pub fn memory(info: &MemInfo) -> MemoryUsage {
    let total = info.get("MemTotal");
    let available = total.and_then(|total| info.available(total));
    let used = total.zip(available).map(|(total, available)| total.saturating_sub(available));
    MemoryUsage {
        percent: used.zip(total).and_then(|(used, total)| round_percent(used, total)),
        total_bytes: total,
        available_bytes: available,
        used_bytes: used,
        free_bytes: info.get("MemFree"),
        buffers_bytes: info.get("Buffers"),
        cached_bytes: info.get("Cached"),
    }
}

/// Returns how full the swap space is.
pub fn swap(info: &MemInfo) -> SwapUsage {
    let total = info.get("SwapTotal");
    let used = total.zip(info.get("SwapFree")).map(|(total, free)| total.saturating_sub(free));
    SwapUsage {
        percent: used.zip(total).and_then(|(used, total)| round_percent(used, total)),
        total_bytes: total,
        used_bytes: used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_what_is_not_available() {
        let info = MemInfo::parse("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n");

        let usage = memory(&info);

        assert_eq!(usage.percent, Some(75.0));
        assert_eq!(usage.used_bytes, Some(750 * 1024));
        assert_eq!(usage.free_bytes, Some(100 * 1024));
    }

    #[test]
    fn more_available_than_there_is_means_nothing_is_used() {
        let usage = memory(&MemInfo::parse("MemTotal: 1000 kB\nMemAvailable: 5000 kB\n"));

        assert_eq!((usage.percent, usage.used_bytes), (Some(0.0), Some(0)));
        assert_eq!(usage.available_bytes, usage.total_bytes);
    }

    #[test]
    fn an_old_kernel_gets_an_estimate() {
        let info = MemInfo::parse(
            "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 200 kB\n\
             SReclaimable: 50 kB\nShmem: 100 kB\n",
        );

        assert_eq!(memory(&info).percent, Some(70.0));
    }

    #[test]
    fn nothing_known_is_not_zero() {
        assert_eq!(memory(&MemInfo::parse("")).percent, None);
        assert_eq!(memory(&MemInfo::parse("MemTotal: 0 kB\nMemAvailable: 0 kB")).percent, None);
        assert_eq!(memory(&MemInfo::parse("MemTotal: 10 kB\n")).percent, None);
    }

    #[test]
    fn no_swap_has_no_percentage() {
        let none = swap(&MemInfo::parse("SwapTotal: 0 kB\nSwapFree: 0 kB\n"));
        let half = swap(&MemInfo::parse("SwapTotal: 100 kB\nSwapFree: 50 kB\n"));
        let absurd = swap(&MemInfo::parse("SwapTotal: 100 kB\nSwapFree: 150 kB\n"));

        assert_eq!((none.percent, none.total_bytes), (None, Some(0)));
        assert_eq!(half.percent, Some(50.0));
        assert_eq!((absurd.percent, absurd.used_bytes), (Some(0.0), Some(0)));
    }

    #[test]
    fn counts_are_not_sizes() {
        let info = MemInfo::parse("HugePages_Total:       3\nActive(anon):  4 kB\nBad\nNoise: x\n");

        assert_eq!(info.get("HugePages_Total"), Some(3));
        assert_eq!(info.get("Active(anon)"), Some(4096));
        assert_eq!(info.fields.len(), 2);
        assert!(!info.fields[0].is_size);
    }
}
