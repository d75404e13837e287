//! Which entry holds the content of a path: the last of several versions, and behind a hard link the last of
//! its target that came before it, as a tar makes them one after the other.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    ArchiveError,
    entry::{Entry, EntryKind},
    reader::Indexed,
    salvage::{Found, Salvage},
    stored::{Archive, Stored},
    wanted::plain,
};
use crate::cancel::Cancel;

/// How many hard links are followed, each to an earlier name: more is a circle.
const MAX_LINKS: usize = 16;

/// What holds the content of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The entry of this number.
    File(u64),
    /// Something without content.
    Other(EntryKind),
    /// Hard links that lead to each other.
    Circle,
    /// No entry has the path.
    Nothing,
}

/// A version that is looked for.
struct Wish {
    /// Which of the paths asked for it is for.
    of: usize,
    path: PathBuf,
    /// The number of the link that leads here: what comes later counts only where nothing came before.
    before: u64,
    found: Option<(u64, EntryKind)>,
}

impl Wish {
    fn offer(&mut self, number: u64, kind: &EntryKind) {
        if number < self.before || self.found.is_none() {
            self.found = Some((number, kind.clone()));
        }
    }
}

/// Returns what holds the content of each of these paths, which are without `./` in front.
///
/// Only lists are read: of an archive with an index nothing else, of another one all, up to once a link.
pub(super) fn holders(
    archive: Archive<'_>,
    paths: Vec<PathBuf>,
    cancel: &Cancel,
) -> Result<Vec<Holder>, ArchiveError> {
    let mut holders = vec![Holder::Circle; paths.len()];
    let wish = |(of, path)| Wish { of, path, before: u64::MAX, found: None };
    let mut wishes: Vec<_> = paths.into_iter().enumerate().map(wish).collect();
    for _ in 0..MAX_LINKS {
        if wishes.is_empty() {
            break;
        }
        look(archive, &mut wishes, cancel)?;
        let mut next = Vec::new();
        for Wish { of, found, .. } in wishes {
            holders[of] = match found {
                Some((number, EntryKind::HardLink { target })) => {
                    let path = plain(&target).to_owned();
                    next.push(Wish { of, path, before: number, found: None });
                    Holder::Circle
                }
                Some((number, kind)) if kind.has_content() => Holder::File(number),
                Some((_, kind)) => Holder::Other(kind),
                None => Holder::Nothing,
            };
        }
        wishes = next;
    }
    Ok(holders)
}

/// Walks all entries once, in the index or past any damage.
fn look(archive: Archive<'_>, wishes: &mut [Wish], cancel: &Cancel) -> Result<(), ArchiveError> {
    let mut by_path = BTreeMap::<PathBuf, Vec<usize>>::new();
    for (n, wish) in wishes.iter().enumerate() {
        by_path.entry(wish.path.clone()).or_default().push(n);
    }
    let mut offer = |number, entry: &Entry| {
        for &n in by_path.get(plain(&entry.path)).into_iter().flatten() {
            wishes[n].offer(number, &entry.kind);
        }
    };
    if let Some(indexed) = Indexed::open(&Stored::open_tolerant(archive)?) {
        for entry in indexed.index.entries() {
            offer(entry.n, &entry.record.entry);
        }
        return Ok(cancel.check()?);
    }
    let mut reader = Salvage::open(archive, None, cancel)?;
    while let Some(found) = reader.next()? {
        if let Found::Entry(entry) = found {
            offer(reader.number(), &entry);
        }
    }
    Ok(())
}
