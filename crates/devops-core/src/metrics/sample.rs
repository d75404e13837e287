//! What two readings say together; the document of the JSON interface.

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{
    Disk, Host, Load, Problem, Reading,
    cpu::{self, CpuUsage, Stat},
    memory::{self, MemInfo, MemoryUsage, SwapUsage},
    network::{self, NetworkUsage},
};

/// CPU or memory strictly above this is high.
pub const HIGH_PERCENT: f64 = 80.0;
/// What is said while neither is high.
pub const NORMAL: &str = "System status is normal.";
/// What is said while one is high.
pub const HIGH: &str = "High CPU or Memory utilization detected!";

/// What is said while neither is known.
pub const UNKNOWN: &str = "CPU and Memory utilization are not known.";

/// The state of the host over one interval.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Always `sample`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The time the interval ended.
    pub time: Timestamp,
    /// The length of the interval; none before two readings.
    pub interval_seconds: Option<f64>,
    /// The host's name.
    pub host: String,
    /// Names and versions of the host.
    pub system: System,
    /// Seconds since boot.
    pub uptime_seconds: Option<f64>,
    /// The time the host started.
    pub boot_time: Option<Timestamp>,
    /// How the processors spent the interval.
    pub cpu: CpuUsage,
    /// How full the memory is.
    pub memory: MemoryUsage,
    /// How full the swap space is.
    pub swap: SwapUsage,
    /// The load averages.
    pub load: Option<Load>,
    /// Space of every file system.
    pub disks: Vec<Disk>,
    /// Traffic of every interface.
    pub network: Vec<NetworkUsage>,
    /// [`NORMAL`], [`HIGH`] or [`UNKNOWN`].
    pub message: &'static str,
    /// Is set if CPU or memory is above [`HIGH_PERCENT`].
    pub high: bool,
    /// Sources that could not be read.
    pub errors: Vec<Problem>,
}

/// Names and versions of the host, but its name.
#[derive(Clone, Debug, Serialize)]
pub struct System {
    /// The operating system.
    pub os: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The processor architecture.
    pub architecture: String,
    /// Processors in use.
    pub n_cpus: usize,
}

/// Returns what the interval between two readings was like.
pub fn sample(
    previous: Option<&Reading>,
    current: &Reading,
    host: &Host,
    disks: Vec<Disk>,
) -> Sample {
    let elapsed = previous.map(|before| current.monotonic.saturating_sub(before.monotonic));
    let no_stat = Stat::default();
    let stat = current.stat.as_ref().unwrap_or(&no_stat);
    let no_meminfo = MemInfo::default();
    let meminfo = current.meminfo.as_ref().unwrap_or(&no_meminfo);
    let cpu = cpu::usage(previous.and_then(|before| before.stat.as_ref()), stat);
    let memory = memory::memory(meminfo);
    let before = previous.and_then(|before| before.interfaces.as_ref()).zip(elapsed);
    let interfaces = current.interfaces.as_ref();
    let high = is_high(cpu.percent) || is_high(memory.percent);
    let is_known = cpu.percent.or(memory.percent).is_some();
    Sample {
        kind: "sample",
        time: Timestamp(current.time),
        interval_seconds: elapsed.map(|elapsed| (elapsed.as_secs_f64() * 1000.0).round() / 1000.0),
        host: host.name.clone(),
        system: System {
            os: host.os.clone(),
            kernel: host.kernel.clone(),
            architecture: host.architecture.clone(),
            n_cpus: stat.cores.len(),
        },
        uptime_seconds: current.uptime_seconds,
        boot_time: stat.boot_time.and_then(from_epoch),
        memory,
        swap: memory::swap(meminfo),
        load: current.load,
        disks,
        network: interfaces.map(|now| network::usage(before, now)).unwrap_or_default(),
        message: match (is_known, high) {
            (false, _) => UNKNOWN,
            (true, true) => HIGH,
            (true, false) => NORMAL,
        },
        high,
        errors: current.problems.clone(),
        cpu,
    }
}

fn is_high(percent: Option<f64>) -> bool {
    percent.is_some_and(|percent| percent > HIGH_PERCENT)
}

fn from_epoch(seconds: u64) -> Option<Timestamp> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok().map(Timestamp)
}

/// A moment, shown as RFC 3339 in UTC to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let utc = self.0.to_offset(UtcOffset::UTC);
        let rounded = utc.replace_millisecond(utc.millisecond()).unwrap_or(utc);
        let text = rounded.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::*;
    use crate::{clock::FixedClock, metrics::HostCounters};

    const CLOCK: FixedClock = FixedClock(OffsetDateTime::UNIX_EPOCH);

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join("proc").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::fs::replace(&path, text.as_bytes(), 0o644).unwrap();
    }

    /// Two readings of a host with this busy share of 1000 ticks and this memory in use of 1000 kB.
    fn sample_with(busy_ticks: u64, used_kb: u64) -> Sample {
        let root = tempfile::tempdir().unwrap();
        let sources = HostCounters::new(root.path());
        let meminfo = format!("MemTotal: 1000 kB\nMemAvailable: {} kB\n", 1000 - used_kb);
        write(root.path(), "meminfo", &meminfo);
        write(root.path(), "stat", "cpu 0 0 0 0 0\n");
        let before = sources.read(&CLOCK);
        write(root.path(), "stat", &format!("cpu {busy_ticks} 0 0 {} 0\n", 1000 - busy_ticks));
        sample(Some(&before), &sources.read(&CLOCK), &Host::default(), Vec::new())
    }

    #[test]
    fn exactly_80_percent_is_normal() {
        let sample = sample_with(800, 800);

        assert_eq!((sample.cpu.percent, sample.memory.percent), (Some(80.0), Some(80.0)));
        assert_eq!((sample.message, sample.high), ("System status is normal.", false));
    }

    #[test]
    fn above_80_percent_of_either_is_high() {
        for (busy, used) in [(801, 100), (100, 801)] {
            let sample = sample_with(busy, used);

            assert_eq!(
                (sample.message, sample.high),
                ("High CPU or Memory utilization detected!", true)
            );
        }
    }

    #[test]
    fn nothing_is_called_normal_while_nothing_is_known() {
        let root = tempfile::tempdir().unwrap();
        let sources = HostCounters::new(root.path());
        let first = |sources: &HostCounters| {
            sample(None, &sources.read(&CLOCK), &Host::default(), Vec::new()).message
        };

        assert_eq!(first(&sources), "CPU and Memory utilization are not known.");
        write(root.path(), "meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n");
        assert_eq!(first(&sources), "System status is normal.");
    }

    #[test]
    fn missing_files_are_named_and_leave_no_zeros() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n");
        let sources = HostCounters::new(root.path());

        let before = sources.read(&CLOCK);
        let sample = sample(Some(&before), &sources.read(&CLOCK), &Host::default(), Vec::new());
        let json = serde_json::to_value(&sample).unwrap();

        assert_eq!(sample.memory.percent, Some(50.0));
        assert!(json["cpu"]["percent"].is_null());
        assert!(json["load"].is_null());
        assert!(json["uptime_seconds"].is_null());
        let named: Vec<_> = sample.errors.iter().map(|problem| problem.source).collect();
        assert_eq!(named, ["cpu", "load", "uptime", "network"]);
    }

    #[test]
    fn a_root_without_a_host_is_an_error() {
        let root = tempfile::tempdir().unwrap();

        assert!(HostCounters::new(root.path()).probe().is_err());
        write(root.path(), "stat", "");
        assert!(HostCounters::new(root.path()).probe().is_ok());
    }

    #[test]
    fn the_host_of_another_root_is_process_1() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "net/dev", "own: 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n");
        write(root.path(), "1/net/dev", "eth0: 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n");
        write(root.path(), "1/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        let sources = HostCounters::new(root.path());

        let reading = sources.read(&CLOCK);

        assert!(reading.interfaces.unwrap().contains_key("eth0"));
        assert_eq!(sources.mounts().unwrap()[0].device, "/dev/sda1");
    }

    #[test]
    fn rates_use_the_time_between_the_readings() {
        let reading = |bytes: u64, seconds| Reading {
            time: OffsetDateTime::UNIX_EPOCH,
            monotonic: Duration::from_secs(seconds),
            stat: None,
            meminfo: None,
            load: None,
            uptime_seconds: None,
            interfaces: Some(network::parse(&format!(
                "eth0: {bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
            ))),
            problems: Vec::new(),
        };

        let sample = sample(Some(&reading(0, 10)), &reading(300, 40), &Host::default(), Vec::new());

        assert_eq!(sample.interval_seconds, Some(30.0));
        assert_eq!(sample.network[0].receive_bytes_per_second, Some(10.0));
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_789)
            .unwrap()
            .to_offset(UtcOffset::from_hms(2, 0, 0).unwrap());

        let json = serde_json::to_value(Timestamp(time)).unwrap();

        assert_eq!(json, "2023-11-14T22:13:20.123Z");
    }
}
