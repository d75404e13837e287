//! Finds the entry that holds the content of a path: the last of several versions, and behind a hard link the last of
//! its target that came before it, as a tar makes them one after the other.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    entry_filter::without_dot,
    reader::IndexedArchive,
    salvage::{Found, Salvage},
};
use crate::archive::{
    ArchiveError,
    format::{
        archive_file::{Archive, ArchiveFile},
        entry::{Entry, EntryKind},
    },
};
use crate::cancel::Cancel;

/// The number of hard links that are followed, each to an earlier name: more is a circle.
const MAX_LINKS: usize = 16;

/// The holder of the content of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) enum LockOwner {
    /// The entry of this number.
    File(u64),
    /// Something without content.
    Other(EntryKind),
    /// Hard links that lead to each other.
    Circle,
    /// No entry has the path.
    Nothing,
}

/// A path whose content is looked for.
struct Wish {
    /// The number of the path it is for, among those asked for.
    of: usize,
    path: Rc<Path>,
    /// The number of the link that leads here: what comes later counts only where nothing came before.
    before: u64,
}

/// A version of a path; an archive may hold many of one path, with long targets.
#[derive(Clone)]
struct Version {
    number: u64,
    kind: Rc<EntryKind>,
}

/// The search for versions of one path, in the order of the archive.
#[derive(Default)]
struct Search {
    /// Those that wait, each with the number it must come before, the smallest last.
    waiting: Vec<(u64, usize)>,
    /// The version that came last.
    current: Option<Version>,
}

impl Search {
    /// Takes in the next version; answers those that ask for one before it.
    fn offer(&mut self, version: Version, answers: &mut Vec<(usize, Option<Version>)>) {
        while let Some(&(before, of)) = self.waiting.last()
            && before <= version.number
        {
            self.waiting.pop();
            answers.push((of, Some(self.current.as_ref().unwrap_or(&version).clone())));
        }
        self.current = Some(version);
    }
}

/// Returns what holds the content of each of these paths, which are without `./` in front.
///
/// Only lists are read: of an archive with an index nothing else, of another one all, up to once a link.
pub(in crate::archive) fn holders(
    archive: Archive<'_>,
    paths: Vec<PathBuf>,
    cancel: &Cancel,
) -> Result<Vec<LockOwner>, ArchiveError> {
    let mut holders = vec![LockOwner::Circle; paths.len()];
    let wish = |(of, path): (usize, PathBuf)| Wish { of, path: path.into(), before: u64::MAX };
    let mut wishes: Vec<_> = paths.into_iter().enumerate().map(wish).collect();
    for _ in 0..MAX_LINKS {
        if wishes.is_empty() {
            break;
        }
        let mut next = Vec::new();
        for (of, found) in look(archive, wishes, cancel)? {
            let Some(Version { number, kind }) = found else {
                holders[of] = LockOwner::Nothing;
                continue;
            };
            holders[of] = match &*kind {
                EntryKind::HardLink { target } => {
                    next.push(Wish { of, path: without_dot(target).into(), before: number });
                    LockOwner::Circle
                }
                kind if kind.has_content() => LockOwner::File(number),
                kind => LockOwner::Other(kind.clone()),
            };
        }
        wishes = next;
    }
    Ok(holders)
}

/// Walks all entries once, in the index or past any damage; returns what was found for each wish.
fn look(
    archive: Archive<'_>,
    wishes: Vec<Wish>,
    cancel: &Cancel,
) -> Result<Vec<(usize, Option<Version>)>, ArchiveError> {
    let mut searches = BTreeMap::<Rc<Path>, Search>::new();
    for Wish { of, path, before } in wishes {
        searches.entry(path).or_default().waiting.push((before, of));
    }
    for search in searches.values_mut() {
        search.waiting.sort_unstable_by_key(|&(before, _)| Reverse(before));
    }
    let mut answers = Vec::new();
    let mut offer = |number, entry: &Entry| {
        if let Some(search) = searches.get_mut(without_dot(&entry.path))
            && !search.waiting.is_empty()
        {
            let kind = Rc::new(entry.kind.clone());
            search.offer(Version { number, kind }, &mut answers);
        }
    };
    if let Some(indexed) = IndexedArchive::open(&ArchiveFile::open_tolerant(archive)?) {
        for entry in indexed.index.entries() {
            offer(entry.n, &entry.record.entry);
        }
        cancel.check()?;
    } else {
        let mut reader = Salvage::open(archive, None, cancel)?;
        while let Some(found) = reader.next()? {
            if let Found::Entry(entry) = found {
                offer(reader.number(), &entry);
            }
        }
    }
    for Search { waiting, current } in searches.into_values() {
        answers.extend(waiting.into_iter().map(|(_, of)| (of, current.clone())));
    }
    Ok(answers)
}
