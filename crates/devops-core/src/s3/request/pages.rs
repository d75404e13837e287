//! The pages of a listing: they must lead to an end, and their keys may be encoded.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
};

use aws_sdk_s3::types::EncodingType;

use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{response::decoded, uri::S3Uri},
};

/// The number of empty pages that may come one after the other: some stores look at so many keys at a time,
/// of which none need be asked for.
const MOST_EMPTY: u32 = 1_000;

/// The pages of a listing lead to no end.
#[derive(Debug)]
pub(in crate::s3) struct NoEnd {
    operation: &'static str,
    message: &'static str,
}

impl From<NoEnd> for RequestError {
    fn from(NoEnd { operation, message }: NoEnd) -> Self {
        Self::local(operation, RequestErrorKind::Server, message)
    }
}

/// The hashes of the pages that came: a few bytes of each.
#[derive(Default)]
pub(in crate::s3) struct Pages {
    hasher: RandomState,
    markers: HashSet<u64>,
    contents: HashSet<u64>,
    n_empty: u32,
}

impl Pages {
    /// Returns the marker of the next page; fails if it is missing or was there before, or if the page brings
    /// nothing new.
    ///
    /// Half a listing must not be taken for the whole.
    pub(in crate::s3) fn next<M: Hash>(
        &mut self,
        operation: &'static str,
        marker: Option<M>,
        content: &[impl Hash],
    ) -> Result<M, NoEnd> {
        let failed = |message| Err(NoEnd { operation, message });
        let Some(marker) = marker else {
            return failed("a page that is not the last one leads to no other");
        };
        if !self.markers.insert(self.hasher.hash_one(&marker)) {
            return failed("a page that is not the last one leads back to an earlier one");
        }
        self.n_empty = if content.is_empty() { self.n_empty + 1 } else { 0 };
        if self.n_empty >= MOST_EMPTY {
            return failed("one empty page comes after the other");
        }
        if !content.is_empty() && !self.contents.insert(self.hasher.hash_one(content)) {
            return failed("the same page comes again");
        }
        Ok(marker)
    }
}

/// Returns whether the keys of a page are encoded, as the store says: `SeaweedFS` says it of uploads, and does not.
pub(in crate::s3) fn are_encoded<'a>(
    said: Option<&EncodingType>,
    mut keys: impl Iterator<Item = Option<&'a str>>,
) -> bool {
    let is_raw =
        |key: &str| key.chars().any(|c| !c.is_ascii_graphic() || "<>\"{}|\\^`".contains(c));
    said == Some(&EncodingType::Url) && !keys.any(|key| key.is_some_and(is_raw))
}

/// Returns whether a listed key is below the prefix: a store that ignores that lists all it has.
///
/// Fails where the listing says that it is of this prefix, and has other keys: whatever they are, those that were
/// asked for may be missing.
pub(in crate::s3) fn is_below(
    prefix: &S3Uri,
    key: &str,
    told: Option<&str>,
) -> Result<bool, S3Error> {
    let is_confirmed = |told: &str| told == prefix.key || decoded(told, true) == prefix.key;
    if key.starts_with(&prefix.key) {
        return Ok(true);
    }
    if !key.is_empty() && !told.is_some_and(is_confirmed) {
        return Ok(false);
    }
    let message = format!("the listing has the key `{key}`, and was asked for `{}`", prefix.key);
    Err(RequestError::local("ListObjects", RequestErrorKind::OtherResponse, message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_another_prefix_is_left_out_or_refused() {
        let prefix = S3Uri::new("backups", "a b/").unwrap();
        let is_below = |key, told| is_below(&prefix, key, told).ok();

        assert_eq!(is_below("a b/c", None), Some(true));
        assert_eq!(is_below("c", None), Some(false));
        assert_eq!(is_below("c", Some("")), Some(false));
        // Encoded, and not said to be.
        assert_eq!(is_below("a%20b%2Fc", Some("a%20b%2F")), None);
        assert_eq!(is_below("c", Some("a b/")), None);
        assert_eq!(is_below("", None), None);
    }

    #[test]
    fn a_page_with_what_an_encoding_would_change_is_not_encoded() {
        let url = Some(&EncodingType::Url);
        let are =
            |said, keys: &[&'static str]| are_encoded(said, keys.iter().map(|key| Some(*key)));

        assert!(are(url, &["a+b", "c%20d"]));
        assert!(!are(None, &["a+b", "c%20d"]));
        for raw in ["a b", "ü", "tab\t", "<", "back\\slash"] {
            assert!(!are(url, &["a+b", raw]), "{raw}");
        }
    }

    #[test]
    fn decodes_keys_only_where_the_store_encoded_them() {
        assert_eq!(decoded("a+b%2Bc%01", true), "a b+c\u{1}");
        assert_eq!(decoded("a+b%2B", false), "a+b%2B");
    }

    fn ends(pages: impl Iterator<Item = (Option<u32>, Vec<u32>)>) -> Option<usize> {
        let mut known = Pages::default();
        let mut pages = pages.take(100_000);
        pages.position(|(marker, content)| known.next("ListObjectsV2", marker, &content).is_err())
    }

    #[test]
    fn a_page_that_leads_nowhere_or_back_ends_a_listing_at_once() {
        assert_eq!(ends([(Some(1), vec![1]), (None, vec![2])].into_iter()), Some(1));
        assert_eq!(ends((0..).map(|n| (Some(7), vec![n]))), Some(1));
        assert_eq!(ends((0..).map(|n| (Some(n % 2), vec![n]))), Some(2));
    }

    #[test]
    fn a_page_that_comes_again_ends_a_listing_whatever_marker_it_has() {
        assert_eq!(ends((0..).map(|n| (Some(n), vec![0]))), Some(1));
        assert_eq!(ends((0..).map(|n| (Some(n), vec![n % 3, 7]))), Some(3));
        assert_eq!(ends((0..).map(|n| (Some(n), vec![n]))), None);
    }

    #[test]
    fn empty_pages_are_followed_for_a_while() {
        assert_eq!(ends((0..).map(|n| (Some(n), Vec::new()))), Some(999));
        let now_and_then = |n| if n % 999 == 0 { vec![n] } else { Vec::new() };
        assert_eq!(ends((0..).map(|n| (Some(n), now_and_then(n)))), None);
    }
}
