//! Replaces damaged parts of an archive: headers from its index, contents from archives in a folder.
//!
//! A segment whose tar bytes have the same hash in another archive is taken from there as it is. Else it is
//! put together from entries, as [`donor`](super::donor) says. One index is in memory at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    donor::{Donor, Need, within},
    indexed::IndexedArchive,
};
use crate::{
    archive::{
        ArchiveError,
        format::{
            archive_file::{Archive, ArchiveFile},
            encryption::Keys,
            index::{Index, IndexCursor, Segment},
        },
    },
    cancel::Cancel,
    fs::IoResultExt,
};

/// An archive that damaged segments of another were taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    /// Its path.
    pub archive: PathBuf,
    /// The number of segments it gave, in whole or in part.
    pub n_segments: usize,
}

/// The archives that helped, each with the number of a segment that it gave, in whole or in part.
pub(in crate::archive) type HealedSegments = BTreeSet<(PathBuf, usize)>;

/// The tar bytes of a segment, and the ranges of it that no archive has.
#[derive(Default)]
pub(super) struct Patched {
    pub(super) raw: Vec<u8>,
    pub(super) gaps: Vec<Range<usize>>,
}

impl Patched {
    /// Has nothing of the `uncompressed_len` bytes of a segment.
    pub(super) fn nothing(uncompressed_len: usize) -> Self {
        Self { raw: Vec::new(), gaps: std::iter::once(0..uncompressed_len).collect() }
    }
}

/// Finds what an archive has lost: in its own index, and in the archives of a folder.
pub(in crate::archive) struct Healer {
    /// Is set if a folder was named.
    has_folder: bool,
    keys: Keys,
    cancel: Cancel,
    /// The last one that helped first, then by name, the newest first.
    others: Vec<PathBuf>,
    open: Option<Donor>,
    /// Lies before the first entry of the segment that was healed last.
    place: Option<IndexCursor>,
    healed: HealedSegments,
}

impl Healer {
    /// Looks into no other archive.
    pub(in crate::archive) fn alone(damaged: Archive<'_>, cancel: &Cancel) -> Self {
        Self {
            has_folder: false,
            keys: damaged.keys.clone(),
            cancel: cancel.clone(),
            others: Vec::new(),
            open: None,
            place: None,
            healed: HealedSegments::new(),
        }
    }

    /// Looks for archives in `folder`; `damaged`, which is open as `stored`, is none of them.
    pub(in crate::archive) fn open(
        folder: &Path,
        damaged: Archive<'_>,
        stored: &ArchiveFile,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let own = stored.id().at(damaged.path, "read")?;
        let mut others = Vec::new();
        for entry in fs::read_dir(folder).at(folder, "list")? {
            let path = entry.at(folder, "list")?.path();
            // By the file itself: it may have several names.
            let is_other =
                rustix::fs::stat(&path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) != own);
            if is_other {
                others.push(path);
            }
        }
        others.sort_by(|a, b| b.cmp(a));
        Ok(Self { has_folder: true, others, ..Self::alone(damaged, cancel) })
    }

    /// Returns whether a folder was named to heal from.
    pub(in crate::archive) fn has_folder(&self) -> bool {
        self.has_folder
    }

    /// Returns the archives that helped.
    pub(in crate::archive) fn healed(&self) -> &HealedSegments {
        &self.healed
    }

    /// Finds the tar bytes of segment `n` of `damaged` in other archives, as far as they have them.
    pub(super) fn heal(&mut self, damaged: &IndexedArchive, n: usize) -> io::Result<Patched> {
        let segment = damaged.index.segments[n];
        for i in 0..self.others.len() {
            let Some(other) = self.look_into(i)? else { continue };
            if let Some(raw) = other.segment(&segment) {
                self.has_helped(i, n);
                return Ok(Patched { raw, gaps: Vec::new() });
            }
        }
        self.put_together(damaged, n)
    }

    /// Puts the tar bytes of a segment together from the entries of others.
    fn put_together(&mut self, damaged: &IndexedArchive, n: usize) -> io::Result<Patched> {
        let segment = damaged.index.segments[n];
        let uncompressed_len =
            usize::try_from(segment.uncompressed_len).map_err(io::Error::other)?;
        let mut raw = vec![0; uncompressed_len];
        let mut needs = self.needs(&damaged.index, &segment);
        let has_entries = !needs.is_empty();
        needs.retain(|need| {
            !need.is_header_alone() || need.write_header(segment.tar_offset, &mut raw).is_none()
        });
        for i in 0..self.others.len() {
            if needs.is_empty() {
                break;
            }
            let Some(other) = self.look_into(i)? else { continue };
            let n_before = needs.len();
            other.fill(&mut needs, segment.tar_offset, &mut raw);
            if needs.len() < n_before {
                self.healed.insert((self.others[i].clone(), n));
            }
        }
        // The end mark is zeros, which need not be found elsewhere.
        if !has_entries && *blake3::hash(&raw).as_bytes() != segment.raw_hash {
            return Ok(Patched::nothing(uncompressed_len));
        }
        let gaps = needs.iter().map(|need| within(&need.range, segment.tar_offset)).collect();
        Ok(Patched { raw, gaps })
    }

    /// Returns the entries with bytes in a segment; segments must be asked for in their order.
    fn needs(&mut self, index: &Index, segment: &Segment) -> Vec<Need> {
        let lost = segment.tar_offset..segment.tar_offset + segment.uncompressed_len;
        let mut place = self.place.take().unwrap_or_else(|| index.start());
        let mut needs = Vec::new();
        loop {
            let before = place.clone();
            let Some(entry) = index.next(&mut place) else { return needs };
            if entry.end() <= lost.start {
                continue;
            }
            self.place.get_or_insert(before);
            if entry.tar_offset >= lost.end {
                return needs;
            }
            let range = entry.tar_offset.max(lost.start)..entry.end().min(lost.end);
            needs.push(Need::new(index, entry, range));
        }
    }

    /// Opens one of the other archives; `None` when it has no index, or stays closed.
    fn look_into(&mut self, i: usize) -> io::Result<Option<&mut Donor>> {
        self.cancel.check().map_err(io::Error::other)?;
        let path = &self.others[i];
        if self.open.as_ref().is_none_or(|other| other.path() != path) {
            self.open = None;
            let stored = ArchiveFile::open(Archive { path, keys: &self.keys }).ok();
            let indexed = stored.and_then(|stored| IndexedArchive::open(&stored));
            self.open = indexed.map(|indexed| Donor::new(path.clone(), indexed));
        }
        Ok(self.open.as_mut())
    }

    fn has_helped(&mut self, i: usize, n: usize) {
        self.healed.insert((self.others[i].clone(), n));
        self.others[..=i].rotate_right(1);
    }
}

/// Returns which archives helped, each with the number of segments.
pub(in crate::archive) fn summed(healed: &HealedSegments) -> Vec<Healed> {
    let mut n_segments = BTreeMap::<&PathBuf, usize>::new();
    for (archive, _) in healed {
        *n_segments.entry(archive).or_default() += 1;
    }
    let healed =
        |(archive, n_segments): (&PathBuf, usize)| Healed { archive: archive.clone(), n_segments };
    n_segments.into_iter().map(healed).collect()
}
