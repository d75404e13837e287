//! Mounted file systems: `/proc/PID/mountinfo`, without the ones that hold no files of their own.
//!
//! Source of the format: `proc_pid_mountinfo(5)`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted: `/dev/sda1`, `server:/export`, `tmpfs`.
    pub device: String,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The type: `ext4`, `nfs4`, `tmpfs`.
    pub filesystem: String,
    /// Is set if it is mounted read-only.
    pub read_only: bool,
    /// The device number, the same for every mount of one file system.
    pub device_number: String,
}

/// Types without files of their own; `node_exporter` leaves out the same by default.
const PSEUDO_TYPES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// Folders of the kernel and of container engines.
const PSEUDO_FOLDERS: &[&str] = &[
    "/dev",
    "/proc",
    "/run/credentials",
    "/sys",
    "/var/lib/containers/storage",
    "/var/lib/docker",
];

/// Returns the file systems of a `mountinfo` text that hold files, each once, by mount point.
///
/// Of several mounts of one file system the one with the shortest path stands for all;
/// of several on one mount point the last covers the others.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let mut by_mount_point = BTreeMap::new();
    for mount in text.split(|&byte| byte == b'\n').filter_map(parse_line) {
        by_mount_point.insert(mount.mount_point.clone(), mount);
    }
    let mut by_device: BTreeMap<String, Mount> = BTreeMap::new();
    for mount in by_mount_point.into_values().filter(holds_files) {
        let length = |mount: &Mount| mount.mount_point.as_os_str().len();
        match by_device.get(&mount.device_number) {
            Some(known) if length(known) <= length(&mount) => {}
            _ => {
                by_device.insert(mount.device_number.clone(), mount);
            }
        }
    }
    let mut mounts: Vec<_> = by_device.into_values().collect();
    mounts.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    mounts
}

fn holds_files(mount: &Mount) -> bool {
    // The root of a container is an overlay, and the one thing there that can fill up.
    let root = mount.mount_point == Path::new("/");
    let pseudo_type = PSEUDO_TYPES.contains(&mount.filesystem.as_str());
    let pseudo_folder = PSEUDO_FOLDERS.iter().any(|folder| mount.mount_point.starts_with(folder));
    (root && mount.filesystem == "overlay") || (!pseudo_type && !pseudo_folder)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device_number = fields.nth(2)?;
    let mount_point = fields.nth(1)?;
    let options = fields.next()?;
    // Optional fields end with a single dash.
    fields.find(|field| *field == b"-")?;
    let (filesystem, device, super_options) = (fields.next()?, fields.next()?, fields.next()?);
    let text = |bytes: &[u8]| String::from_utf8_lossy(&unescape(bytes)).into_owned();
    Some(Mount {
        device: text(device),
        mount_point: OsString::from_vec(unescape(mount_point)).into(),
        filesystem: text(filesystem),
        read_only: has_option(options, b"ro") || has_option(super_options, b"ro"),
        device_number: text(device_number),
    })
}

fn has_option(options: &[u8], name: &[u8]) -> bool {
    options.split(|&byte| byte == b',').any(|option| option == name)
}

/// The kernel writes blanks, line ends and backslashes as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3).and_then(parse_octal)).flatten();
        if let Some(byte) = octal {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    bytes
}

fn parse_octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Returns where a path of the host is found under `root`.
pub fn under(root: &Path, path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let start = bytes.iter().position(|&byte| byte != b'/').unwrap_or(bytes.len());
    let relative = std::ffi::OsStr::from_bytes(&bytes[start..]);
    if relative.is_empty() { root.to_owned() } else { root.join(relative) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount_points(text: &str) -> Vec<PathBuf> {
        parse(text.as_bytes()).into_iter().map(|mount| mount.mount_point).collect()
    }

    #[test]
    fn leaves_pseudo_file_systems_out() {
        let text = "\
22 27 0:21 / /proc rw - proc proc rw
23 27 0:22 / /sys rw - sysfs sysfs rw
24 27 0:6 / /dev rw - devtmpfs devtmpfs rw
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 23 0:28 / /run/lock rw - tmpfs tmpfs rw
not a mount
";

        assert_eq!(mount_points(text), [Path::new("/"), Path::new("/run/lock")]);
    }

    #[test]
    fn one_file_system_stands_once_and_the_last_mount_covers() {
        let text = "\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
3 1 8:2 / /data rw - ext4 /dev/sdb1 rw
4 3 8:3 / /data rw - xfs /dev/sdc1 rw
";

        let mounts = parse(text.as_bytes());

        assert_eq!(mount_points(text), [Path::new("/"), Path::new("/data")]);
        assert_eq!(mounts[1].filesystem, "xfs");
    }

    #[test]
    fn an_overlay_counts_only_as_the_root() {
        let text = "\
1 0 0:50 / / rw - overlay overlay rw
2 1 0:51 / /var/lib/other rw - overlay overlay rw
";

        assert_eq!(mount_points(text), [Path::new("/")]);
    }

    #[test]
    fn reads_escaped_names_and_the_read_only_flag() {
        let mounts = parse(b"1 0 8:1 / /media/my\\040disk\\134x ro - ext4 /dev/a\\040b rw\n");

        assert_eq!(mounts[0].mount_point, Path::new("/media/my disk\\x"));
        assert_eq!(mounts[0].device, "/dev/a b");
        assert!(mounts[0].read_only);
    }

    #[test]
    fn paths_of_the_host_are_found_under_the_root() {
        assert_eq!(under(Path::new("/host"), Path::new("/")), Path::new("/host"));
        assert_eq!(under(Path::new("/host"), Path::new("//var/lib")), Path::new("/host/var/lib"));
        assert_eq!(under(Path::new("/"), Path::new("/var")), Path::new("/var"));
    }
}
