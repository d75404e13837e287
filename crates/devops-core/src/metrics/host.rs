//! Which host this is: names and versions, read once.

use std::path::Path;

use serde::Serialize;

use crate::fs;

/// Names and versions of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// The operating system, such as `Debian GNU/Linux 12`.
    pub os: Option<String>,
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: Option<String>,
    /// The processor architecture, such as `x86_64`.
    pub architecture: String,
    /// The kernel's build, as `uname -v` shows it.
    #[serde(skip)]
    pub kernel_build: Option<String>,
    /// The NIS domain; `(none)` where there is none.
    #[serde(skip)]
    pub domain: Option<String>,
}

impl Host {
    /// Reads the facts of the host whose file system is at `root`.
    ///
    /// `sysinfo` knows the running host; of another root only its files are read.
    pub fn read(root: &Path) -> Self {
        let kernel = |name: &str| first_line(&root.join("proc/sys/kernel").join(name));
        let mut host = if root == Path::new("/") { Self::running() } else { Self::foreign(root) };
        host.kernel_build = kernel("version");
        host.domain = kernel("domainname");
        host
    }

    fn running() -> Self {
        use sysinfo::System;
        let os = match (System::name(), System::os_version()) {
            (Ok(name), Ok(version)) => Some(format!("{name} {version}")),
            (name, _) => name.ok(),
        };
        Self {
            name: System::host_name().unwrap_or_else(|_| "localhost".to_owned()),
            os,
            kernel: System::kernel_version().ok(),
            architecture: System::cpu_arch(),
            ..Self::default()
        }
    }

    fn foreign(root: &Path) -> Self {
        let kernel = |name: &str| first_line(&root.join("proc/sys/kernel").join(name));
        Self {
            name: kernel("hostname").unwrap_or_else(|| "localhost".to_owned()),
            os: fs::read_text(&root.join("etc/os-release"), 64 << 10)
                .ok()
                .and_then(|text| pretty_name(&text)),
            kernel: kernel("osrelease"),
            // The kernel under another root is the one that runs this program.
            architecture: std::env::consts::ARCH.to_owned(),
            ..Self::default()
        }
    }
}

fn first_line(path: &Path) -> Option<String> {
    let text = fs::read_text(path, 4096).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Reads `PRETTY_NAME` as `os-release(5)` quotes it.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir_all};
    use std::io::Write;

    use super::*;

    #[test]
    fn another_root_is_known_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
        create_dir_all(root.path().join("etc")).unwrap();
        for (name, text) in [
            ("proc/sys/kernel/hostname", "web-1\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        ] {
            File::create(root.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        }

        let host = Host::read(root.path());

        assert_eq!(host.name, "web-1");
        assert_eq!(host.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(host.kernel.as_deref(), Some("6.1.0"));
        assert_eq!(host.domain, None);
    }

    #[test]
    fn the_running_host_has_a_name_and_a_kernel() {
        let host = Host::read(Path::new("/"));

        assert!(!host.name.is_empty());
        assert!(host.kernel.is_some_and(|kernel| kernel.contains('.')));
    }
}
