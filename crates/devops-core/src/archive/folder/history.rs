//! The versions of paths over the archives of a folder, in little memory: what stays the same from one
//! archive to the next is kept once.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use crate::archive::format::{
    content_hash::ContentHash,
    entry::{EntryKind, Timestamp},
    index::Hash,
};

/// A path, and what it was in each archive that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The path.
    pub path: PathBuf,
    runs: Vec<Run>,
}

/// A path as one archive holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// The number of the archive among those that were searched.
    pub archive: usize,
    /// The sort of thing it was.
    pub kind: &'a EntryKind,
    /// The bytes of its content.
    pub size: u64,
    /// The time at which that last changed.
    pub mtime: Timestamp,
    /// The BLAKE3 of its content, of a file that is not empty.
    pub hash: Option<&'a [u8; 32]>,
    /// Is true if the version before it in the series has the same content; `None` for the first.
    pub is_same: Option<bool>,
}

/// The content that an archive holds under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: EntryKind,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) hash: Option<ContentHash>,
}

fn whole(hash: Option<&ContentHash>) -> Option<&Hash> {
    match hash {
        Some(ContentHash::Whole(hash)) => Some(hash),
        Some(ContentHash::BetweenHoles(_)) | None => None,
    }
}

impl Content {
    fn is_same(&self, other: &Self) -> bool {
        (&self.kind, self.size, self.hash) == (&other.kind, other.size, other.hash)
    }
}

/// Neighbouring archives with the same content and times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    archives: Range<usize>,
    content: Content,
    /// The comparison of the first of them with the version before.
    is_same: Option<bool>,
}

impl History {
    /// Returns the versions in the order of the archives.
    pub fn versions(&self) -> impl Iterator<Item = Version<'_>> {
        self.runs.iter().flat_map(|run| {
            let Run { archives, content, is_same } = run;
            archives.clone().map(|archive| Version {
                archive,
                kind: &content.kind,
                size: content.size,
                mtime: content.mtime,
                hash: whole(content.hash.as_ref()),
                is_same: if archive == archives.start { *is_same } else { Some(true) },
            })
        })
    }
}

/// The histories of many paths.
#[derive(Debug, Default)]
pub(super) struct Histories {
    runs: BTreeMap<PathBuf, Vec<Run>>,
    /// The first archive of the series that is searched.
    series_start: usize,
}

impl Histories {
    /// Begins another series with an archive.
    pub(super) fn begin_series(&mut self, archive: usize) {
        self.series_start = archive;
    }

    /// Adds what an archive holds; of several entries of one path the last counts.
    pub(super) fn push(&mut self, archive: usize, path: &Path, content: Content) {
        let runs = match self.runs.get_mut(path) {
            Some(runs) => runs,
            None => self.runs.entry(path.to_owned()).or_default(),
        };
        if let Some(last) = runs.last_mut().filter(|run| run.archives.contains(&archive)) {
            last.archives.end = archive;
            if last.archives.is_empty() {
                runs.pop();
            }
        }
        let start = self.series_start;
        let before = runs.last_mut().filter(|run| run.archives.start >= start);
        let is_same = match before {
            Some(run) if run.archives.end == archive && run.content == content => {
                run.archives.end = archive + 1;
                return;
            }
            Some(run) => Some(run.content.is_same(&content)),
            None => None,
        };
        runs.push(Run { archives: archive..archive + 1, content, is_same });
    }

    /// Returns the histories by path.
    pub(super) fn finish(self) -> Vec<History> {
        self.runs.into_iter().map(|(path, runs)| History { path, runs }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(hash: u8, seconds: i64) -> Content {
        Content {
            kind: EntryKind::File,
            size: 1,
            mtime: Timestamp { seconds, nanoseconds: 0 },
            hash: Some(ContentHash::Whole([hash; 32])),
        }
    }

    fn versions(
        pushed: &[(usize, Content)],
        series_start: usize,
    ) -> Vec<(usize, i64, Option<bool>)> {
        let mut histories = Histories::default();
        for (archive, content) in pushed {
            if *archive == series_start {
                histories.begin_series(*archive);
            }
            histories.push(*archive, Path::new("a"), content.clone());
        }
        let histories = histories.finish();
        let [history] = histories.as_slice() else { panic!("{histories:?}") };
        history.versions().map(|v| (v.archive, v.mtime.seconds, v.is_same)).collect()
    }

    #[test]
    fn a_version_is_compared_with_the_one_before_it() {
        let pushed = [
            (0, content(1, 1)),
            (1, content(1, 1)),
            (2, content(1, 2)),
            (5, content(1, 2)),
            (6, content(2, 2)),
            (7, content(2, 2)),
            (8, content(1, 2)),
        ];

        let same = |archive, seconds, is_same| (archive, seconds, is_same);
        assert_eq!(
            versions(&pushed, 7),
            [
                same(0, 1, None),
                same(1, 1, Some(true)),
                same(2, 2, Some(true)),
                same(5, 2, Some(true)),
                same(6, 2, Some(false)),
                same(7, 2, None),
                same(8, 2, Some(false)),
            ]
        );
    }

    #[test]
    fn the_last_of_several_entries_of_an_archive_counts() {
        let pushed =
            [(0, content(1, 1)), (1, content(1, 1)), (1, content(2, 1)), (1, content(3, 5))];

        assert_eq!(versions(&pushed, 0), [(0, 1, None), (1, 5, Some(false))]);
        assert_eq!(versions(&pushed[1..], 1), [(1, 5, None)]);
    }

    #[test]
    fn what_stays_the_same_is_kept_once() {
        let mut histories = Histories::default();
        for archive in 0..1000 {
            histories.push(archive, Path::new("a"), content(1, 1));
        }

        assert_eq!(histories.runs.values().map(Vec::len).collect::<Vec<_>>(), [1]);
        assert_eq!(histories.finish()[0].versions().count(), 1000);
    }
}
