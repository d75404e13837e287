//! Remembers on this host the results of reading archives to their end.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, statat};
use time::OffsetDateTime;

use super::{
    facts::{ArchiveFacts, ArchiveState, Proven},
    paths::stem,
};
use crate::{
    archive::{
        ArchiveError,
        format::stat::Meta,
        read::ownership::{mark, verdicts},
    },
    archive_index::ArchiveName,
    fs::parent,
    verdicts::{Verdict, Verdicts},
};

/// Opens what is remembered of the archives of a NAME in a folder.
pub(super) fn open(state: Option<&Path>, folder: &Path, name: &str) -> Verdicts {
    verdicts(state, folder, name)
}

/// Completes what an archive shows by what this host found out about the same file.
pub(super) fn apply(facts: &mut ArchiveFacts, mark: &str, verdicts: &Verdicts) {
    let name = facts.path.file_name().unwrap_or_default().to_string_lossy();
    let Some(Verdict { time, flaw, is_whole }) = verdicts.last(&name, mark) else { return };
    let may_be_whole = match facts.state {
        ArchiveState::Indexed | ArchiveState::Foreign | ArchiveState::Encrypted => true,
        // A part says nothing of what was cut off with the index.
        ArchiveState::Unindexed => is_whole,
        _ => false,
    };
    match flaw {
        _ if !may_be_whole => {}
        Some(flaw) => facts.state = ArchiveState::Damaged(flaw.to_owned()),
        None => {
            facts.proven = Some(Proven { time, is_whole });
            if facts.state == ArchiveState::Unindexed {
                facts.state = ArchiveState::Foreign;
            }
        }
    }
}

/// A mark that tells the file of an archive from another one of its name, and from itself before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMark(String);

impl FileMark {
    /// Takes the mark of a regular file; `None` for anything else.
    pub fn of(path: &Path) -> Option<Self> {
        let meta = Meta::from(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?);
        (meta.kind == FileType::RegularFile).then(|| Self(mark(&meta)))
    }

    /// Remembers what reading the archive to its end has shown: that it is whole, or damaged.
    ///
    /// Nothing is remembered of a file that is another one than when the mark was taken. A failure only
    /// means that it is not known later.
    pub fn remember<T>(
        &self,
        path: &Path,
        read: &Result<T, ArchiveError>,
        state: Option<&Path>,
        now: OffsetDateTime,
    ) {
        let Some(file_name) = path.file_name() else { return };
        let flaw = match read {
            Ok(_) => None,
            Err(ArchiveError::Damaged { reason, .. }) => Some(reason.as_str()),
            // It was not read to where it is damaged.
            Err(_) => return,
        };
        if Self::of(path).as_ref() != Some(self) {
            return;
        }
        let named = ArchiveName::parse(file_name).map(|named| named.name.to_string());
        let stem = stem(file_name).unwrap_or(file_name).to_string_lossy();
        let name = named.unwrap_or_else(|| stem.into_owned());
        // Others may remember something at the same time, so the file is read only now.
        let mut verdicts = open(state, parent(path), &name);
        verdicts.judge_whole(&file_name.to_string_lossy(), &self.0, flaw, now);
        let _saved = verdicts.save();
    }
}
