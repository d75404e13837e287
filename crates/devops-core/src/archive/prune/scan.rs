//! Looks at the archives of a prune, as far as is cheap for all of them, and proves those that must be.

use std::{collections::BTreeMap, path::PathBuf};

use super::candidate::{Candidate, PruneOptions, look};
use crate::{
    archive::{
        ArchiveError,
        format::{
            archive_file::{Archive, ArchiveFile, sealed_flaw, unread},
            index::Index,
            stat::FileId,
        },
        read::{
            ownership::{FolderOwners, Named, is_counted, mark},
            reader::{IndexedArchive, Reader},
            verify::read_all,
        },
    },
    archive_index::{ArchiveName, Origin, SeriesMap},
    cancel::Cancel,
    fs::{IoResultExt, OpenFolder},
    kind::{HasKind, Kind},
    retention::{Decision, Proof},
    verdicts::Verdicts,
};

const EMPTY: &str = "it holds nothing";
const REPLACED: &str = "it was replaced while this looked at it";

/// The inputs of a prune.
pub(super) struct Scan<'a> {
    pub(super) options: &'a PruneOptions<'a>,
    pub(super) folder: OpenFolder,
    pub(super) owners: FolderOwners<'a>,
    pub(super) verdicts: Verdicts,
    pub(super) cancel: &'a Cancel,
}

/// The results of reading the beginning and the end of an archive.
struct Ends {
    origin: Option<Origin>,
    is_encrypted: bool,
    /// The hash of its index, if it ends with a footer of ours.
    index: Option<[u8; 32]>,
    proof: Proof,
}

impl Scan<'_> {
    /// Returns the archives by their source, each newest first.
    pub(super) fn groups(&mut self) -> Result<Vec<Vec<Candidate>>, ArchiveError> {
        let archives = self.options.name.archives_in(self.options.folder)?;
        self.verdicts.retain(|name| {
            archives.iter().any(|(_, path)| path.file_name().is_some_and(|found| found == name))
        });
        let mut candidates = Vec::new();
        for (archive_name, path) in archives {
            self.cancel.check()?;
            candidates.push(self.candidate(path, &archive_name)?);
        }
        if let Some(host) = self.options.host {
            candidates.retain(|one| one.origin.as_ref().is_some_and(|origin| origin.host == host));
        }
        Ok(grouped(candidates))
    }

    fn candidate(&mut self, path: PathBuf, name: &ArchiveName) -> Result<Candidate, ArchiveError> {
        let at = self.folder.entry(path.file_name().unwrap_or_default());
        let meta = look(&at).at(&path, "read")?;
        let mark = mark(&meta);
        let Ends { origin, is_encrypted, index, mut proof } =
            self.ends(Archive { path: &path, keys: self.options.keys }, meta.id)?;
        let archive = Named { path: &path, meta: &meta };
        if !is_counted(&mut self.owners, &self.verdicts, &archive, || index) {
            proof = Proof::Uncounted(format!("it belongs to another user, {}", meta.uid));
        }
        let by_name = || name.time_at(self.options.now.offset());
        let time = origin.as_ref().map_or_else(by_name, |origin| origin.started);
        let is_weighed = index.is_none();
        Ok(Candidate {
            path,
            origin,
            series: None,
            time,
            size: meta.size,
            decision: Decision::Remove,
            is_encrypted,
            id: meta.id,
            mark,
            is_weighed,
            proof,
        })
    }

    /// Reads the beginning and the end of an archive, which must be the file that was looked at.
    fn ends(&self, archive: Archive<'_>, id: FileId) -> Result<Ends, ArchiveError> {
        let mut ends =
            Ends { origin: None, is_encrypted: false, index: None, proof: Proof::Proven };
        let stored = match ArchiveFile::open(archive) {
            Ok(stored) => stored,
            Err(ArchiveError::Encrypted { .. }) => {
                ends.is_encrypted = true;
                let (flaw, found) = sealed_flaw(archive.path)?;
                if let Some(flaw) = flaw.or((found != id).then_some(REPLACED)) {
                    ends.proof = Proof::Uncounted(flaw.to_owned());
                }
                return Ok(ends);
            }
            Err(error) => {
                ends.proof = Proof::Uncounted(damage(error)?);
                return Ok(ends);
            }
        };
        if stored.id().at(archive.path, "read")? != id {
            ends.proof = Proof::Uncounted(REPLACED.to_owned());
            return Ok(ends);
        }
        ends.index = Index::footer(&stored).map(|footer| footer.index_hash);
        let first = Reader::stream(archive.path, stored, self.cancel).and_then(|mut reader| {
            let is_empty = reader.next_entry()?.is_none();
            Ok((is_empty, reader.origin().cloned()))
        });
        ends.proof = match first {
            Ok((true, _)) => Proof::Uncounted(EMPTY.to_owned()),
            Ok((false, origin)) => {
                // An archive that claims to be ours and has no footer is rare, and doubtful.
                let is_costly = origin.is_none() && ends.index.is_none();
                ends.origin = origin;
                Proof::Unproven { is_costly }
            }
            Err(error) => Proof::Uncounted(damage(error)?),
        };
        Ok(ends)
    }

    /// Proves an archive, unless there is a verdict already.
    pub(super) fn prove(&mut self, candidate: &mut Candidate) -> Result<(), ArchiveError> {
        let now = self.options.now;
        let name = candidate.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = self.verdicts.verdict(&name, &candidate.mark, now);
        let known = known.map(|verdict| verdict.err().map(str::to_owned));
        let flaw = if let Some(flaw) = known {
            flaw
        } else {
            let archive = Archive { path: &candidate.path, keys: self.options.keys };
            let flaw = flaw(archive, candidate.id, self.cancel)?;
            if flaw.as_deref() != Some(REPLACED) {
                self.verdicts.judge(&name, &candidate.mark, flaw.as_deref(), now);
            }
            flaw
        };
        candidate.proof = flaw.map_or(Proof::Proven, Proof::Uncounted);
        Ok(())
    }
}

/// Puts archives of one series together, given by name, each series newest first.
fn grouped(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    // What does not count says nothing about others.
    let counted = candidates.iter().filter(|one| !matches!(one.proof, Proof::Uncounted(_)));
    let origins: Vec<_> = counted.filter_map(|one| one.origin.clone()).collect();
    let map = SeriesMap::new(&origins);
    let mut groups: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
    for mut candidate in candidates {
        candidate.series = candidate.origin.as_ref().map(|origin| map.series(origin));
        let key = (candidate.is_encrypted, candidate.series.clone());
        groups.entry(key).or_default().push(candidate);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        // Of two of one time the later name is the newer.
        group.reverse();
        group.sort_by_key(|candidate| std::cmp::Reverse(candidate.time));
    }
    groups
}

/// Proves an archive: one of ours by its index, its footer and some of its segments, another by reading
/// all of it; returns what is wrong.
fn flaw(archive: Archive<'_>, id: FileId, cancel: &Cancel) -> Result<Option<String>, ArchiveError> {
    let stored = match ArchiveFile::open(archive) {
        Ok(stored) => stored,
        Err(error) => return damage(error).map(Some),
    };
    if stored.id().at(archive.path, "read")? != id {
        return Ok(Some(REPLACED.to_owned()));
    }
    let Some(indexed) = IndexedArchive::open(&stored) else {
        let reader = Reader::stream(archive.path, stored, cancel);
        return match reader.and_then(|reader| read_all(reader, &mut |_| {})) {
            Ok(verified) => Ok((verified.n_entries == 0).then(|| EMPTY.to_owned())),
            Err(error) => damage(error).map(Some),
        };
    };
    let n = indexed.index.segments.len();
    // If a disk or a crash left zeros in a file, many segments are not valid.
    let mut some = vec![0, n / 2, n.saturating_sub(1)];
    some.dedup();
    for n in some {
        cancel.check()?;
        if let Err(error) = indexed.decode(n, true) {
            return damage(unread(archive.path, 0, error)).map(Some);
        }
    }
    Ok(None)
}

/// Returns what is wrong with an archive, and passes on other errors.
fn damage(error: ArchiveError) -> Result<String, ArchiveError> {
    let is_damage =
        matches!(error, ArchiveError::Damaged { .. } | ArchiveError::NotAnArchive { .. });
    if is_damage || error.kind() == Kind::Permission {
        return Ok(error.to_string());
    }
    Err(error)
}
