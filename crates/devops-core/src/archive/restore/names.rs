//! The names that a restore has given, and to what.
//!
//! A file system may take several names for one: `README` and `readme` where case does not count, or an
//! accent written in two ways. So that the thing found under a name is what the run made there does not
//! mean that it was made under this name.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    path::Path,
};

use crate::archive::format::stat::FileId;

/// The names and files of one run; 16 bytes for each, since an archive may hold millions.
///
/// Kept are hashes whose seed is secret. Two of a billion are alike with a chance of one in forty, and
/// then a name would have to be taken by just that file.
#[derive(Default)]
pub(super) struct Names {
    seed: RandomState,
    /// The places that something was made at, and those of folders that were entered.
    places: HashSet<u64>,
    /// The files that this run has made.
    made: HashSet<u64>,
    /// Folders that were there before, and that entries of the archive went into.
    entered: HashSet<u64>,
}

impl Names {
    /// Takes in what was made at a place.
    pub(super) fn make(&mut self, place: &Path, id: FileId) {
        self.places.insert(self.place(place));
        self.made.insert(self.seed.hash_one(id));
    }

    /// Takes in a folder that is found at a place; returns whether it has been known by no other.
    pub(super) fn enter(&mut self, place: &Path, id: FileId) -> bool {
        if self.has(place) {
            return true;
        }
        let folder = self.seed.hash_one(id);
        if self.made.contains(&folder) || !self.entered.insert(folder) {
            return false;
        }
        self.places.insert(self.place(place))
    }

    /// Returns whether something was made at just this place, or a folder entered there.
    pub(super) fn has(&self, place: &Path) -> bool {
        self.places.contains(&self.place(place))
    }

    /// Returns whether this run has made it.
    pub(super) fn is_made(&self, id: FileId) -> bool {
        self.made.contains(&self.seed.hash_one(id))
    }

    /// Forgets what goes away: its number may soon be that of a file of another user.
    pub(super) fn forget(&mut self, id: FileId) {
        self.made.remove(&self.seed.hash_one(id));
    }

    fn place(&self, place: &Path) -> u64 {
        self.seed.hash_one(place.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_entered_by_one_name() {
        let [upper, lower, other] = ["A", "a", "b"].map(Path::new);
        let mut names = Names::default();

        names.make(upper, (1, 1));
        assert!(names.enter(upper, (1, 1)));
        assert!(!names.enter(lower, (1, 1)));
        assert!(!names.has(lower));

        assert!(names.enter(other, (1, 2)));
        assert!(names.enter(other, (1, 2)));
        assert!(!names.enter(lower, (1, 2)));
        assert!(!names.is_made((1, 2)));
        names.forget((1, 1));
        assert!(!names.is_made((1, 1)));
        assert!(names.has(upper));
    }
}
