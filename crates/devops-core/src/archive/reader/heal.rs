//! Replaces damaged parts of an archive by the same content from archives in a folder.
//!
//! A segment whose tar bytes have the same hash in another archive is taken from there as it is. Else it is
//! put together from entries: one whose path, kind, size, mode, owner, time and content hash are the same
//! in another archive has the same bytes in the tar. Nothing is used before its hash was computed: that of
//! the segment, or that of the segments the entry was found in. One index is in memory at a time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use super::indexed::Indexed;
use crate::{
    archive::{
        ArchiveError,
        encryption::Keys,
        index::{Index, Indexed as IndexedEntry, Place, Segment},
        stored::{Archive, Stored},
    },
    cancel::Cancel,
    fs::At,
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
    /// Has nothing of the `n_raw` bytes of a segment.
    pub(super) fn nothing(n_raw: usize) -> Self {
        Self { raw: Vec::new(), gaps: std::iter::once(0..n_raw).collect() }
    }
}

/// The archives of a folder that may hold what another one has lost.
pub(in crate::archive) struct Healer {
    keys: Keys,
    cancel: Cancel,
    /// The last one that helped first, then by name, the newest first.
    others: Vec<PathBuf>,
    open: Option<Other>,
    /// Lies before the first entry of the segment that was healed last.
    place: Option<Place>,
    healed: HealedSegments,
}

/// An archive that is being searched.
struct Other {
    path: PathBuf,
    indexed: Indexed,
    decoded: Option<(usize, Vec<u8>)>,
}

/// An entry with bytes in a damaged segment.
struct Need {
    entry: IndexedEntry,
    /// The range of those bytes in the tar.
    range: Range<u64>,
}

impl Healer {
    /// Looks for archives in `folder`; `damaged`, which is open as `stored`, is none of them.
    pub(in crate::archive) fn open(
        folder: &Path,
        damaged: Archive<'_>,
        stored: &Stored,
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
        Ok(Self {
            keys: damaged.keys.clone(),
            cancel: cancel.clone(),
            others,
            open: None,
            place: None,
            healed: HealedSegments::new(),
        })
    }

    /// Returns the archives that helped.
    pub(in crate::archive) fn healed(&self) -> &HealedSegments {
        &self.healed
    }

    /// Finds the tar bytes of segment `n` of `damaged` in other archives, as far as they have them.
    pub(super) fn heal(&mut self, damaged: &Indexed, n: usize) -> io::Result<Patched> {
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
    fn put_together(&mut self, damaged: &Indexed, n: usize) -> io::Result<Patched> {
        let segment = damaged.index.segments[n];
        let n_raw = usize::try_from(segment.n_raw).map_err(io::Error::other)?;
        let mut raw = vec![0; n_raw];
        let mut needs = self.needs(&damaged.index, &segment);
        let has_entries = !needs.is_empty();
        for i in 0..self.others.len() {
            if needs.is_empty() {
                break;
            }
            let Some(other) = self.look_into(i)? else { continue };
            let n_before = needs.len();
            other.fill(&mut needs, segment.raw_at, &mut raw);
            if needs.len() < n_before {
                self.healed.insert((self.others[i].clone(), n));
            }
        }
        // The end mark is zeros, which need not be found elsewhere.
        if !has_entries && *blake3::hash(&raw).as_bytes() != segment.raw_hash {
            return Ok(Patched::nothing(n_raw));
        }
        let gaps = needs.iter().map(|need| within(&need.range, segment.raw_at)).collect();
        Ok(Patched { raw, gaps })
    }

    /// Returns the entries with bytes in a segment; segments must be asked for in their order.
    fn needs(&mut self, index: &Index, segment: &Segment) -> Vec<Need> {
        let lost = segment.raw_at..segment.raw_at + segment.n_raw;
        let mut place = self.place.take().unwrap_or_else(|| index.start());
        let mut needs = Vec::new();
        loop {
            let before = place.clone();
            let Some(entry) = index.next(&mut place) else { return needs };
            if entry.end() <= lost.start {
                continue;
            }
            self.place.get_or_insert(before);
            if entry.raw_at >= lost.end {
                return needs;
            }
            let range = entry.raw_at.max(lost.start)..entry.end().min(lost.end);
            needs.push(Need { entry, range });
        }
    }

    /// Opens one of the other archives; `None` when it has no index, or stays closed.
    fn look_into(&mut self, i: usize) -> io::Result<Option<&mut Other>> {
        self.cancel.check().map_err(io::Error::other)?;
        let path = &self.others[i];
        if self.open.as_ref().is_none_or(|other| other.path != *path) {
            self.open = None;
            let stored = Stored::open(Archive { path, keys: &self.keys }).ok();
            let indexed = stored.and_then(|stored| Indexed::open(&stored));
            self.open = indexed.map(|indexed| Other { path: path.clone(), indexed, decoded: None });
        }
        Ok(self.open.as_mut())
    }

    fn has_helped(&mut self, i: usize, n: usize) {
        self.healed.insert((self.others[i].clone(), n));
        self.others[..=i].rotate_right(1);
    }
}

impl Other {
    /// Returns the tar bytes of a segment that it has as well.
    fn segment(&self, segment: &Segment) -> Option<Vec<u8>> {
        let is_same =
            |other: &Segment| (other.n_raw, other.raw_hash) == (segment.n_raw, segment.raw_hash);
        let n = self.indexed.index.segments.iter().position(is_same)?;
        self.indexed.decode(n, false).ok()
    }

    /// Copies what it has as well into the tar bytes `raw` of a segment that begins at `raw_at`.
    fn fill(&mut self, needs: &mut Vec<Need>, raw_at: u64, raw: &mut [u8]) {
        let by_path: HashMap<&Path, usize> = needs
            .iter()
            .enumerate()
            .map(|(n, need)| (need.entry.record.entry.path.as_path(), n))
            .collect();
        let has_need = |entry: &IndexedEntry| {
            let n = *by_path.get(entry.record.entry.path.as_path())?;
            is_same(&needs[n].entry, entry).then_some((n, entry.raw_at))
        };
        let found: Vec<_> =
            self.indexed.index.entries().filter_map(|entry| has_need(&entry)).collect();
        let mut is_filled = vec![false; needs.len()];
        for (n, entry_at) in found {
            let Need { entry, range } = &needs[n];
            let start = entry_at + (range.start - entry.raw_at);
            is_filled[n] |= self.copy(start, &mut raw[within(range, raw_at)]).is_some();
        }
        let mut is_filled = is_filled.into_iter();
        needs.retain(|_| is_filled.next() == Some(false));
    }

    /// Copies the bytes of its tar at `at`.
    fn copy(&mut self, mut at: u64, mut out: &mut [u8]) -> Option<()> {
        while !out.is_empty() {
            let n = self.indexed.index.segment_at(at)?;
            if self.decoded.as_ref().is_none_or(|(decoded, _)| *decoded != n) {
                self.decoded = Some((n, self.indexed.decode(n, false).ok()?));
            }
            let (_, raw) = self.decoded.as_ref()?;
            let from = usize::try_from(at - self.indexed.index.segments[n].raw_at).ok()?;
            let n_bytes = raw.len().checked_sub(from)?.min(out.len());
            let (filled, rest) = out.split_at_mut(n_bytes);
            filled.copy_from_slice(&raw[from..from + n_bytes]);
            (at, out) = (at + n_bytes as u64, rest);
        }
        Some(())
    }
}

/// Returns whether two entries have the same bytes in the tar, by all that their indexes say.
fn is_same(one: &IndexedEntry, other: &IndexedEntry) -> bool {
    let facts = |entry: &IndexedEntry| {
        let record = &entry.record;
        (record.n_header, record.attributes, entry.hash, record.extents())
    };
    one.record.entry == other.record.entry && facts(one) == facts(other)
}

/// Returns where bytes of the tar are in the segment that begins at `raw_at`.
fn within(range: &Range<u64>, raw_at: u64) -> Range<usize> {
    let at = |n: u64| usize::try_from(n - raw_at).expect("a segment fits in memory");
    at(range.start)..at(range.end)
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
