//! The sources of a host, and how long its disks may take.

use std::{path::Path, time::Duration};

use devops_cli::Failure;
use devops_core::metrics::Sources;

/// The time a file system has to tell its space, where other figures wait for it.
pub(crate) const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the sources under a root path, if there is a host.
pub(super) fn sources(root_path: &Path) -> Result<Sources, Failure> {
    let sources = Sources::new(root_path);
    sources.probe()?;
    Ok(sources)
}
