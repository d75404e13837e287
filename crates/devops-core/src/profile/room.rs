//! Tells whether the next archives fit into the destination.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use time::{Duration, OffsetDateTime};

use super::options::Profile;
use crate::{
    archive::{ArchiveError, BackupName},
    fs::PathError,
    units::ByteSize,
};

/// The most that clocks of hosts that share a folder may differ.
const APART: Duration = Duration::days(1);

/// A folder with too little room for the next archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The folder.
    pub dest: PathBuf,
    /// The bytes that are free.
    pub free: u64,
    /// The bytes of the last archives.
    pub archives: u64,
    /// The bytes that are to stay free.
    pub keep_free: u64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dest, free, archives, keep_free } = self;
        let missing = archives.saturating_add(*keep_free).saturating_sub(*free);
        write!(
            f,
            "`{}` lacks {}: {} are free, and the next archives need about {}",
            dest.display(),
            ByteSize(missing),
            ByteSize(*free),
            ByteSize(*archives)
        )?;
        if *keep_free > 0 {
            write!(f, " beside the {} to keep free", ByteSize(*keep_free))?;
        }
        Ok(())
    }
}

/// Compares the free space of the destination with the last archive of each source; `None` where the next
/// ones fit, or that is not known.
pub(super) fn shortage(profile: &Profile<'_>) -> Result<Option<Shortage>, PathError> {
    let dest = profile.dest;
    let now = profile.create.clock.now();
    let mut archives = 0_u64;
    for source in profile.sources {
        archives = archives.saturating_add(last_size(&source.name, dest, now)?);
    }
    let keep_free = profile.keep_free;
    let needed = archives.saturating_add(keep_free);
    if needed == 0 {
        return Ok(None);
    }
    let free = profile.create.file_io.free_bytes(dest)?;
    let short = free.filter(|free| *free < needed);
    Ok(short.map(|free| Shortage { dest: dest.to_owned(), free, archives, keep_free }))
}

/// Returns the bytes of the last archive that is not dated in the future, of those of one day the largest;
/// 0 without one.
fn last_size(name: &BackupName, dest: &Path, now: OffsetDateTime) -> Result<u64, PathError> {
    let latest = now.date().saturating_add(APART);
    let mut archives = name.archives_in(dest)?;
    archives.retain(|(name, _)| name.date <= latest);
    let last = archives.iter().map(|(name, _)| name.date).max();
    let of_day = archives.iter().filter(|(name, _)| Some(name.date) == last);
    let sizes = of_day.filter_map(|(_, path)| Some(std::fs::symlink_metadata(path).ok()?.len()));
    Ok(sizes.max().unwrap_or(0))
}

/// Returns whether an archive could not be made because the disk is full.
pub(super) fn is_full(error: &ArchiveError) -> bool {
    let ArchiveError::Path(PathError { source, .. }) = error else { return false };
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
