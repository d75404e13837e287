//! Removes archives a policy no longer keeps; never the newest good one of a source.

use std::{
    collections::BTreeMap,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, openat, statat, unlinkat};
use time::{OffsetDateTime, Time, UtcOffset};

use super::{
    ArchiveError,
    encryption::Keys,
    list::origin_of,
    meta::{FileId, Meta},
    stored::Archive,
    verify::verify,
    walk::FOLDER,
};
use crate::{
    archive_index::{ArchiveName, BackupName, Origin},
    cancel::Cancel,
    fs::{At, sync_folder},
    kind::{HasKind, Kind},
    retention::{self, KeepPolicy, KeepReason},
};

/// An archive, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The archive.
    pub path: PathBuf,
    /// Where it came from; `None` when another tool made it.
    pub origin: Option<Origin>,
    /// When it was made: its recorded start, else the date in its name.
    pub time: OffsetDateTime,
    /// The bytes of the file.
    pub size: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether it is encrypted and none of the keys opens it: only its name tells of it.
    pub is_sealed: bool,
    id: FileId,
}

/// What becomes of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays for these reasons.
    Keep(Vec<KeepReason>),
    /// It is damaged: it counts for no rule, and is left for a person to look at.
    KeepDamaged(String),
    /// It goes.
    Remove,
}

/// What a prune does; deciding is separate from doing.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The archives, by source, newest first.
    pub candidates: Vec<Candidate>,
}

impl PrunePlan {
    /// Returns the archives that go, oldest last.
    pub fn removed(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.fate == Fate::Remove)
    }
}

/// Decides which archives of `name` in `folder` go.
///
/// Archives are grouped by host and source. Before anything of a group may go, its newest archive is
/// read whole; a damaged one counts for nothing, and the next must prove itself. Encrypted archives that
/// none of `keys` opens are a group of their own, and taken for good.
pub fn plan_prune(
    folder: &Path,
    name: &BackupName,
    policy: &KeepPolicy,
    keys: &Keys,
    now: OffsetDateTime,
    cancel: &Cancel,
) -> Result<PrunePlan, ArchiveError> {
    if policy.is_empty() {
        return Err(retention::EmptyPolicy.into());
    }
    let mut groups: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
    for (archive_name, path) in name.archives_in(folder)? {
        cancel.check()?;
        let candidate = candidate((path, &archive_name), keys, now.offset(), cancel)?;
        let origin = candidate.origin.as_ref();
        let key = origin.map(|origin| (origin.host.clone(), origin.source.clone()));
        groups.entry((candidate.is_sealed, key)).or_default().push(candidate);
    }
    let mut candidates = Vec::new();
    for (_, mut group) in groups {
        // They come by name, and of two of one time the later name is the newer.
        group.reverse();
        group.sort_by_key(|candidate| std::cmp::Reverse(candidate.time));
        decide(&mut group, (policy, keys), now, cancel)?;
        candidates.extend(group);
    }
    Ok(PrunePlan { candidates })
}

/// Removes what the plan says, the oldest first; a file that was replaced meanwhile stays.
pub fn remove_pruned(
    plan: &PrunePlan,
    folder: &Path,
    cancel: &Cancel,
    on_removed: &mut dyn FnMut(&Candidate),
) -> Result<(), ArchiveError> {
    let open = openat(CWD, folder, FOLDER - rustix::fs::OFlags::NOFOLLOW, Mode::empty());
    let open = open.at(folder, "open")?;
    let removed: Vec<_> = plan.removed().collect();
    for candidate in removed.iter().rev() {
        cancel.check()?;
        let name = candidate.path.file_name().unwrap_or_default();
        let stat = statat(open.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW);
        let meta = Meta::from(stat.at(&candidate.path, "read")?);
        if meta.id == candidate.id && meta.kind == FileType::RegularFile {
            unlinkat(open.as_fd(), name, AtFlags::empty()).at(&candidate.path, "remove")?;
            on_removed(candidate);
        }
    }
    if !removed.is_empty() {
        sync_folder(folder)?;
    }
    Ok(())
}

fn candidate(
    (path, name): (PathBuf, &ArchiveName),
    keys: &Keys,
    offset: UtcOffset,
    cancel: &Cancel,
) -> Result<Candidate, ArchiveError> {
    let stat = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).at(&path, "read")?;
    let meta = Meta::from(stat);
    let origin = origin_of(Archive { path: &path, keys }, cancel);
    let is_sealed = matches!(origin, Err(ArchiveError::Sealed { .. }));
    let (origin, fate) = match origin {
        Ok(origin) => (origin, Fate::Remove),
        Err(ArchiveError::Sealed { .. }) => (None, Fate::Remove),
        Err(error) => (None, damage(error)?),
    };
    let time = match &origin {
        Some(origin) => origin.started,
        None => name.date.with_time(name.time.unwrap_or(Time::MIDNIGHT)).assume_offset(offset),
    };
    Ok(Candidate { path, origin, time, size: meta.size, fate, is_sealed, id: meta.id })
}

/// Turns damage into a fate, and passes on what is no damage.
fn damage(error: ArchiveError) -> Result<Fate, ArchiveError> {
    let is_damage =
        matches!(error, ArchiveError::Damaged { .. } | ArchiveError::NotAnArchive { .. });
    if is_damage || error.kind() == Kind::Permission {
        return Ok(Fate::KeepDamaged(error.to_string()));
    }
    Err(error)
}

/// Decides the fates in one group, newest first, until the newest sound archive has proved itself.
fn decide(
    group: &mut [Candidate],
    (policy, keys): (&KeepPolicy, &Keys),
    now: OffsetDateTime,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let mut is_proved = false;
    loop {
        let sound: Vec<usize> = (0..group.len())
            .filter(|&index| !matches!(group[index].fate, Fate::KeepDamaged(_)))
            .collect();
        let times: Vec<_> = sound.iter().map(|&index| group[index].time).collect();
        let reasons = retention::plan(&times, policy, now)?;
        for (&index, reasons) in sound.iter().zip(reasons) {
            group[index].fate = if reasons.is_empty() { Fate::Remove } else { Fate::Keep(reasons) };
        }
        // One dated in the future stays anyway, and proves nothing about the others.
        let newest = sound.iter().find(|&&index| group[index].time <= now);
        let Some(&newest) = newest else { return Ok(()) };
        let goes = sound.iter().any(|&index| group[index].fate == Fate::Remove);
        if is_proved || !goes || group[newest].is_sealed {
            return Ok(());
        }
        let archive = Archive { path: &group[newest].path, keys };
        match verify(archive, cancel, &mut |_| {}) {
            Ok(_) => is_proved = true,
            Err(error) => group[newest].fate = damage(error)?,
        }
    }
}
