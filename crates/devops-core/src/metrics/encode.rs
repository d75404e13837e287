//! A reading as Prometheus metrics.
//!
//! A name of `node_exporter` is used only where meaning, type, unit and labels are its own;
//! everything else starts with `devops_monitor_`.

use std::collections::BTreeMap;

use super::{
    Disk, Host, Reading, Sample,
    cpu::Stat,
    disk::Space,
    memory::MemInfo,
    network::{DirectionCounters, InterfaceCounters},
};
use crate::exposition::{
    Exposition,
    MetricKind::{Counter, Gauge, Info},
};

/// What one scrape is made of.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The raw counters.
    pub reading: &'a Reading,
    /// What they say together with the reading before.
    pub sample: &'a Sample,
    /// Names and versions.
    pub host: &'a Host,
}

/// Writes everything known about the host.
pub fn write_host(to: &mut Exposition, scrape: Scrape<'_>) {
    let Scrape { reading, sample, host } = scrape;
    write_uname(to, host);
    to.gauge("node_time_seconds", "System time in seconds since epoch (1970).", {
        let time = reading.time;
        float(u64::try_from(time.unix_timestamp()).unwrap_or(0))
            + f64::from(time.millisecond()) / 1000.0
    });
    if let Some(stat) = &reading.stat {
        write_stat(to, stat);
    }
    if let Some(load) = reading.load {
        to.gauge("node_load1", "1m load average.", load.one);
        to.gauge("node_load5", "5m load average.", load.five);
        to.gauge("node_load15", "15m load average.", load.fifteen);
    }
    if let Some(meminfo) = &reading.meminfo {
        write_memory(to, meminfo);
    }
    write_filesystems(to, &sample.disks);
    if let Some(interfaces) = &reading.interfaces {
        write_network(to, interfaces);
    }
    write_judgement(to, sample);
}

fn write_uname(to: &mut Exposition, host: &Host) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let help = "Labeled system information as provided by the uname system call.";
    // node_exporter has no info type: a gauge of this name is the same in both dialects.
    to.family("node_uname_info", Gauge, help).sample(
        &[
            ("domainname", &text(&host.domain)),
            ("machine", &host.architecture),
            ("nodename", &host.name),
            ("release", &text(&host.kernel)),
            ("sysname", "Linux"),
            ("version", &text(&host.kernel_build)),
        ],
        1.0,
    );
}

fn write_stat(to: &mut Exposition, stat: &Stat) {
    let ticks_per_second = float(procfs::ticks_per_second());
    let seconds = |ticks| float(ticks) / ticks_per_second;
    let help = "Seconds the CPUs spent in each mode.";
    let mut family = to.family("node_cpu_seconds", Counter, help);
    for (cpu, times) in &stat.cores {
        for (mode, ticks) in times.modes() {
            family.sample(&[("cpu", &cpu.to_string()), ("mode", mode)], seconds(ticks));
        }
    }
    let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
    let mut family = to.family("node_cpu_guest_seconds", Counter, help);
    for (cpu, times) in &stat.cores {
        for (mode, ticks) in [("nice", times.guest_nice), ("user", times.guest)] {
            family.sample(&[("cpu", &cpu.to_string()), ("mode", mode)], seconds(ticks));
        }
    }
    if let Some(time) = stat.boot_time {
        to.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", float(time));
    }
    if let Some(count) = stat.context_switches {
        to.counter("node_context_switches", "Total number of context switches.", float(count));
    }
    if let Some(count) = stat.forks {
        to.counter("node_forks", "Total number of forks.", float(count));
    }
    if let Some(count) = stat.processes_running {
        to.gauge("node_procs_running", "Number of processes in runnable state.", float(count));
    }
    if let Some(count) = stat.processes_blocked {
        let help = "Number of processes blocked waiting for I/O to complete.";
        to.gauge("node_procs_blocked", help, float(count));
    }
}

/// Names fields as `node_exporter` does: `Active(anon)` in kB becomes `node_memory_Active_anon_bytes`.
fn write_memory(to: &mut Exposition, meminfo: &MemInfo) {
    for field in &meminfo.fields {
        let mut key = field.name.replace('(', "_").replace(')', "");
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        if field.is_size {
            key.push_str("_bytes");
        }
        let help = format!("Memory information field {key}.");
        to.gauge(&format!("node_memory_{key}"), &help, float(field.value));
    }
}

fn write_filesystems(to: &mut Exposition, disks: &[Disk]) {
    type Figure = fn(&Space) -> u64;
    let sizes: [(&str, &str, Figure); 5] = [
        ("avail_bytes", "Filesystem space available to non-root users in bytes.", |space| {
            space.available_bytes
        }),
        ("files", "Filesystem total file nodes.", |space| space.files),
        ("files_free", "Filesystem total free file nodes.", |space| space.files_free),
        ("free_bytes", "Filesystem free space in bytes.", |space| space.free_bytes),
        ("size_bytes", "Filesystem size in bytes.", |space| space.total_bytes),
    ];
    for (name, help, figure) in sizes {
        write_filesystem(to, (name, help), disks, |disk| {
            disk.space.as_ref().ok().map(|space| float(figure(space)))
        });
    }
    let help = "Filesystem read-only status.";
    write_filesystem(to, ("readonly", help), disks, |disk| {
        disk.space.is_ok().then(|| flag(disk.mount.read_only))
    });
    let help = "Whether an error occurred while getting statistics for the given device.";
    write_filesystem(to, ("device_error", help), disks, |disk| Some(flag(disk.space.is_err())));
}

fn write_filesystem(
    to: &mut Exposition,
    (name, help): (&str, &str),
    disks: &[Disk],
    figure: impl Fn(&Disk) -> Option<f64>,
) {
    let name = format!("node_filesystem_{name}");
    let mut family = to.family(&name, Gauge, help);
    for disk in disks {
        let mount_point = disk.mount.mount_point.to_string_lossy();
        let labels = [
            ("device", disk.mount.device.as_str()),
            ("fstype", &disk.mount.filesystem),
            ("mountpoint", &mount_point),
        ];
        if let Some(value) = figure(disk) {
            family.sample(&labels, value);
        }
    }
}

fn write_network(to: &mut Exposition, interfaces: &BTreeMap<String, InterfaceCounters>) {
    type Side = fn(&InterfaceCounters) -> &DirectionCounters;
    type Figure = fn(&DirectionCounters) -> u64;
    let sides: [(&str, Side); 2] =
        [("receive", |counters| &counters.receive), ("transmit", |counters| &counters.transmit)];
    let figures: [(&str, Figure); 4] = [
        ("bytes", |counters| counters.bytes),
        ("drop", |counters| counters.dropped),
        ("errs", |counters| counters.errors),
        ("packets", |counters| counters.packets),
    ];
    let pairs = sides.iter().flat_map(|side| figures.iter().map(move |figure| (side, figure)));
    for ((direction, side), (name, figure)) in pairs {
        let help = format!("Network device statistic {direction}_{name}.");
        let name = format!("node_network_{direction}_{name}");
        let mut family = to.family(&name, Counter, &help);
        for (device, counters) in interfaces {
            family.sample(&[("device", device)], float(figure(side(counters))));
        }
    }
}

fn write_judgement(to: &mut Exposition, sample: &Sample) {
    if let Some(percent) = sample.cpu.percent {
        let help = "Busy share of all CPUs over the last interval, idle and iowait left out.";
        to.gauge("devops_monitor_cpu_utilization_ratio", help, percent / 100.0);
    }
    if let Some(percent) = sample.memory.percent {
        let help = "Share of the memory that is not available.";
        to.gauge("devops_monitor_memory_utilization_ratio", help, percent / 100.0);
    }
    let help = "Whether CPU or memory is above 80 percent.";
    to.gauge("devops_monitor_high", help, flag(sample.high));
    let mut family =
        to.family("devops_monitor_source_error", Gauge, "A source that could not be read.");
    for problem in &sample.errors {
        family.sample(&[("source", problem.source)], 1.0);
    }
}

/// Writes what this program itself is and costs.
pub fn write_own(to: &mut Exposition, version: &str) {
    to.family("devops_monitor_build", Info, "The version that runs.")
        .sample(&[("version", version)], 1.0);
    if let Some(usage) = super::usage::own() {
        let help = "Total user and system CPU time spent in seconds.";
        to.counter("process_cpu_seconds", help, usage.cpu_seconds);
        let help = "Resident memory size in bytes.";
        to.gauge("process_resident_memory_bytes", help, float(usage.resident_bytes));
    }
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

#[expect(clippy::cast_precision_loss, reason = "both formats know only 64-bit floats")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::FixedClock,
        exposition::Dialect,
        metrics::{HostCounters, mounts, sample},
    };

    fn scrape(files: &[(&str, &str)], dialect: Dialect) -> String {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("proc").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::fs::replace(&path, text.as_bytes(), 0o644).unwrap();
        }
        let reading =
            HostCounters::new(root.path()).read(&FixedClock(time::OffsetDateTime::UNIX_EPOCH));
        let mount = mounts::parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 ro\n").remove(0);
        let space = Ok(Space { total_bytes: 100, free_bytes: 50, ..Space::default() });
        let host = Host { name: "web-1".to_owned(), ..Host::default() };
        let sample = sample(None, &reading, &host, vec![Disk { mount, space }]);
        let mut to = Exposition::new(dialect);
        write_host(&mut to, Scrape { reading: &reading, sample: &sample, host: &host });
        to.finish()
    }

    #[test]
    fn uses_the_names_and_labels_of_node_exporter() {
        let text = scrape(
            &[
                ("stat", "cpu 100 0 0 0\ncpu3 150 0 0 0 0 0 0 0 7 0\nbtime 1700000000\n"),
                ("meminfo", "MemTotal: 2 kB\nActive(anon): 1 kB\nHugePages_Total: 3\n"),
                ("loadavg", "0.5 0.25 0.1 1/2 3\n"),
                ("net/dev", "eth0: 11 0 0 4 0 0 0 0 22 0 0 0 0 0 0 0\n"),
            ],
            Dialect::Prometheus,
        );

        for line in [
            "node_cpu_seconds_total{cpu=\"3\",mode=\"user\"} 1.5",
            "node_cpu_guest_seconds_total{cpu=\"3\",mode=\"user\"} 0.07",
            "node_boot_time_seconds 1700000000",
            "node_memory_MemTotal_bytes 2048",
            "node_memory_Active_anon_bytes 1024",
            "node_memory_HugePages_Total 3",
            "node_load1 0.5",
            "node_network_receive_bytes_total{device=\"eth0\"} 11",
            "node_network_receive_drop_total{device=\"eth0\"} 4",
            "node_filesystem_size_bytes{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"} 100",
            "node_filesystem_readonly{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"} 1",
            "devops_monitor_high 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
        }
        assert!(text.contains("nodename=\"web-1\""));
        assert!(!text.contains("cpu_utilization_ratio"), "one reading gives no percentage");
    }

    #[test]
    fn a_missing_source_is_absent_and_named() {
        let text = scrape(&[("stat", "cpu 1 0 0 0\n")], Dialect::OpenMetrics);

        assert!(!text.contains("node_memory_"));
        assert!(text.contains("devops_monitor_source_error{source=\"memory\"} 1\n"));
        assert!(text.ends_with("# EOF\n"));
    }
}
