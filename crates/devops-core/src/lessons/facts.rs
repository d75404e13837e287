//! What this host is: names, processors, memory, limits, disks.
//!
//! Everything is read below a root path, so that a test or a container can pass a folder.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

use serde::Serialize;

/// File systems that answer at once; asking a network one could hang.
const LOCAL_FILE_SYSTEMS: [&str; 12] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "ntfs3", "overlay", "vfat",
    "xfs", "zfs",
];

/// What is known about the host; what cannot be read is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The name of the host.
    pub host: Option<String>,
    /// The name of the operating system.
    pub os: Option<String>,
    /// The release of the kernel.
    pub kernel: Option<String>,
    /// The architecture this program was built for.
    pub arch: &'static str,
    /// The number of processors there are to use.
    pub n_cpus: Option<usize>,
    /// What the processors call themselves.
    pub cpu_model: Option<String>,
    /// Load averages of 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Seconds since the host started.
    pub uptime_seconds: Option<u64>,
    /// Memory and swap.
    pub memory: Memory,
    /// Limits of the control group this process is in.
    pub cgroup: Limits,
    /// Local disks that are mounted.
    pub disks: Vec<Disk>,
}

/// Memory of the host, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: Option<u64>,
    /// What programs can still get, by the kernel's estimate.
    pub available_bytes: Option<u64>,
    /// All swap.
    pub swap_total_bytes: Option<u64>,
}

/// What the control group allows; absent where it sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// The most memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most processors, in parts of one.
    pub cpus: Option<f64>,
}

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// What is mounted.
    pub device: String,
    /// The kind of file system.
    pub file_system: String,
    /// The size of it.
    pub total_bytes: u64,
    /// What an ordinary user may still write.
    pub available_bytes: u64,
}

/// Reads the facts of the host whose file system begins at `root`.
pub fn read(root: &Path) -> Facts {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let line = |path: &str| Some(text(path).trim().to_owned()).filter(|line| !line.is_empty());
    let cpuinfo = text("proc/cpuinfo");
    Facts {
        host: line("proc/sys/kernel/hostname"),
        os: value_of(&text("etc/os-release"), '=', "PRETTY_NAME")
            .map(|name| name.trim_matches('"').to_owned()),
        kernel: line("proc/sys/kernel/osrelease"),
        arch: std::env::consts::ARCH,
        n_cpus: n_cpus(root, &cpuinfo),
        cpu_model: value_of(&cpuinfo, ':', "model name"),
        load: parse_load(&text("proc/loadavg")),
        uptime_seconds: text("proc/uptime").split('.').next().and_then(|n| n.parse().ok()),
        memory: parse_memory(&text("proc/meminfo")),
        cgroup: read_limits(root, &text("proc/self/cgroup")),
        disks: disks(root, &text("proc/self/mounts")),
    }
}

/// Counts the processors; of the running host those that this process may use, as `nproc` does.
fn n_cpus(root: &Path, cpuinfo: &str) -> Option<usize> {
    if root == Path::new("/") {
        return thread::available_parallelism().ok().map(NonZeroUsize::get);
    }
    let listed = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    (listed > 0).then_some(listed)
}

/// Returns the lines of the notes about modules, with our version in place of Python's.
pub fn transcript(folder: &Path, version: &str) -> String {
    format!("Current working directory: {}\ndevops-basics version: {version}", folder.display())
}

/// Returns what stands after `key` and `separator` on the first line that has both.
fn value_of(text: &str, separator: char, key: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

fn parse_memory(text: &str) -> Memory {
    let bytes = |key| {
        let value = value_of(text, ':', key)?;
        // The kernel writes kB and means KiB.
        value.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Memory {
        total_bytes: bytes("MemTotal"),
        available_bytes: bytes("MemAvailable"),
        swap_total_bytes: bytes("SwapTotal"),
    }
}

/// Reads the limits of a cgroup of version 2: the tightest on the way up counts.
fn read_limits(root: &Path, cgroup: &str) -> Limits {
    let Some(own) = cgroup.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Limits::default();
    };
    let top = root.join("sys/fs/cgroup");
    let mut limits = Limits::default();
    for folder in top.join(own).ancestors().take_while(|folder| folder.starts_with(&top)) {
        let text = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let memory = text("memory.max").trim().parse().ok();
        limits.memory_bytes = limits.memory_bytes.into_iter().chain(memory).min();
        let cpus = parse_cpu_limit(&text("cpu.max"));
        limits.cpus = limits.cpus.into_iter().chain(cpus).reduce(f64::min);
    }
    limits
}

/// Reads `QUOTA PERIOD`, both in microseconds; `max` is no quota.
fn parse_cpu_limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

fn disks(root: &Path, mounts: &str) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(mount), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // A device that is mounted twice (a bind mount) is still one disk.
        let seen = disks.iter().any(|disk| disk.device == device);
        if seen || !LOCAL_FILE_SYSTEMS.contains(&kind) {
            continue;
        }
        let mount = unescape(mount);
        let Ok(space) = rustix::fs::statvfs(below(root, &mount)) else { continue };
        disks.push(Disk {
            mount,
            device: unescape(device),
            file_system: kind.to_owned(),
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            available_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        });
    }
    disks
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Replaces the octal escapes the kernel writes for space, tab, line break and backslash.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{create_folders, replace};

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            create_folders(path.parent().unwrap()).unwrap();
            replace(&path, text.as_bytes(), 0o644).unwrap();
        }
        dir
    }

    #[test]
    fn reads_a_host_below_a_root() {
        let dir = host(&[
            ("proc/sys/kernel/hostname", "web-01\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast One\n\nprocessor\t: 1\n"),
            ("proc/meminfo", "MemTotal:  2048 kB\nMemAvailable: 1024 kB\nSwapTotal: 0 kB\n"),
            ("proc/loadavg", "0.50 0.25 0.10 1/100 7\n"),
            ("proc/uptime", "93.77 100.0\n"),
            ("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n"),
            ("proc/self/mounts", "/dev/a / ext4 rw 0 0\n/dev/a /b ext4 rw 0 0\nx /n nfs4 rw 0 0\n"),
        ]);

        let facts = read(dir.path());

        assert_eq!(facts.host.as_deref(), Some("web-01"));
        assert_eq!(facts.os.as_deref(), Some("Debian 12"));
        assert_eq!(facts.n_cpus, Some(2));
        assert_eq!(facts.cpu_model.as_deref(), Some("Fast One"));
        assert_eq!(facts.memory.total_bytes, Some(2 << 20));
        assert_eq!(facts.load, Some([0.5, 0.25, 0.1]));
        assert_eq!(facts.uptime_seconds, Some(93));
        assert_eq!(facts.disks.len(), 1);
        assert!(facts.disks[0].total_bytes > 0);
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let dir = host(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"),
        ]);

        let limits = read(dir.path()).cgroup;

        assert_eq!(limits, Limits { memory_bytes: Some(1000), cpus: Some(1.5) });
    }

    #[test]
    fn an_empty_root_gives_absent_facts() {
        let dir = tempfile::tempdir().unwrap();

        let facts = read(dir.path());

        assert_eq!(facts.host, None);
        assert_eq!(facts.n_cpus, None);
        assert_eq!(facts.memory, Memory::default());
        assert!(facts.disks.is_empty());
    }

    #[test]
    fn mounts_with_spaces_are_unescaped() {
        assert_eq!(unescape("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
    }

    #[test]
    fn the_transcript_has_our_version() {
        assert_eq!(
            transcript(Path::new("/srv"), "0.1.0"),
            "Current working directory: /srv\ndevops-basics version: 0.1.0"
        );
    }
}
