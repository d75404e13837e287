//! The sources of a host, and how long its disks may take.

use std::{path::Path, time::Duration};

use devops_cli::Failure;
use devops_core::metrics::HostCounters;

/// The time a file system has to tell its space, where other figures wait for it.
pub(crate) const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the sources under a root path, if there is a host.
pub(super) fn sources(root_path: &Path) -> Result<HostCounters, Failure> {
    let sources = HostCounters::new(root_path);
    sources.probe()?;
    Ok(sources)
}
