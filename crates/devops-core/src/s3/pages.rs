//! The pages of a listing, which must lead to an end.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
};

use super::failure::{CallFailure, Trouble};

/// The number of pages of a listing that may repeat an earlier one: some stores give empty ones
/// between.
const MOST_REPEATED: u32 = 10_000;

/// The pages of a listing lead to no end.
#[derive(Debug)]
pub(super) struct NoEnd {
    operation: &'static str,
    message: &'static str,
}

impl From<NoEnd> for CallFailure {
    fn from(NoEnd { operation, message }: NoEnd) -> Self {
        Self::local(operation, Trouble::Server, message)
    }
}

/// The hashes of the pages that came: a few bytes of each.
#[derive(Default)]
pub(super) struct Pages {
    hasher: RandomState,
    markers: HashSet<u64>,
    contents: HashSet<u64>,
    n_repeated: u32,
}

impl Pages {
    /// Returns the marker of the next page; fails if it is missing, was there before, or leads to
    /// the same pages again and again.
    ///
    /// Half a listing must not be taken for the whole.
    pub(super) fn next<M: Hash>(
        &mut self,
        operation: &'static str,
        marker: Option<M>,
        content: impl Hash,
    ) -> Result<M, NoEnd> {
        let failed = |message| Err(NoEnd { operation, message });
        let Some(marker) = marker else {
            return failed("a page that is not the last one leads to no other");
        };
        if !self.markers.insert(self.hasher.hash_one(&marker)) {
            return failed("a page that is not the last one leads back to an earlier one");
        }
        if !self.contents.insert(self.hasher.hash_one(content)) {
            self.n_repeated += 1;
        }
        if self.n_repeated >= MOST_REPEATED {
            return failed("the same pages come again and again");
        }
        Ok(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(pages: impl Iterator<Item = (Option<u32>, u32)>) -> Option<usize> {
        let mut known = Pages::default();
        let mut pages = pages.take(1_000_000);
        pages.position(|(marker, content)| known.next("ListObjectsV2", marker, content).is_err())
    }

    #[test]
    fn a_page_that_leads_nowhere_or_back_ends_a_listing_at_once() {
        assert_eq!(ends([(Some(1), 1), (None, 2)].into_iter()), Some(1));
        assert_eq!(ends((0..).map(|n| (Some(7), n))), Some(1));
        assert_eq!(ends((0..).map(|n| (Some(n % 2), n))), Some(2));
    }

    #[test]
    fn pages_that_repeat_are_followed_for_a_while() {
        assert_eq!(ends((0..).map(|n| (Some(n), 0))), Some(10_000));
        assert_eq!(ends((0..).map(|n| (Some(n), n % 3))), Some(10_002));
        assert_eq!(ends((0..).map(|n| (Some(n), n))), None);
    }
}
