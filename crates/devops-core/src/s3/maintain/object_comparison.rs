//! Compares two objects of a store by what it tells of them.

use crate::s3::{
    object::{
        checksum::{Checksum, is_md5},
        proof::Proof,
        response::ObjectHead,
    },
    request::context::S3Context,
};

/// The relation of two objects, as far as their store tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Alike {
    Same(Proof),
    Different,
    Unknown,
}

pub(crate) fn alike(context: S3Context<'_>, one: &ObjectHead, other: &ObjectHead) -> Alike {
    let by_etag = context.store.etag_may_prove() && !one.etag_is_opaque && !other.etag_is_opaque;
    compare(one, other, by_etag)
}

fn compare(one: &ObjectHead, other: &ObjectHead, by_etag: bool) -> Alike {
    if one.size != other.size {
        return Alike::Different;
    }
    let of_whole = |head: &ObjectHead| head.checksum.clone().filter(Checksum::is_full);
    match (of_whole(one), of_whole(other)) {
        (Some(one), Some(other)) if one.algorithm == other.algorithm => {
            return if one == other { Alike::Same(Proof::Full) } else { Alike::Different };
        }
        _ => {}
    }
    // The tag of several parts depends on their sizes too: only equal ones tell something.
    let md5s_of = |head: &ObjectHead| head.etag.clone().filter(|etag| by_etag && has_md5(etag));
    match (md5s_of(one), md5s_of(other)) {
        (Some(one), Some(other)) if one.eq_ignore_ascii_case(&other) => Alike::Same(Proof::Etag),
        (Some(one), Some(other)) if is_md5(&one) && is_md5(&other) => Alike::Different,
        _ => Alike::Unknown,
    }
}

/// Returns whether an `ETag` may be the MD5 of an object, or of the MD5s of its parts.
fn has_md5(etag: &str) -> bool {
    is_md5(etag) || n_parts_of(etag).is_some()
}

/// Returns how many parts an object was made of, as its `ETag` tells.
pub(crate) fn n_parts_of(etag: &str) -> Option<u64> {
    let (digest, n_parts) = etag.split_once('-')?;
    n_parts.parse().ok().filter(|_| is_md5(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Algorithm;

    #[test]
    fn a_checksum_decides_and_a_tag_only_if_it_is_an_md5() {
        let head = |size, etag: &str, checksum: Option<&str>| ObjectHead {
            size,
            etag: Some(etag.to_owned()),
            checksum: checksum
                .map(|value| Checksum { algorithm: Algorithm::Crc64Nvme, value: value.to_owned() }),
            ..ObjectHead::default()
        };
        let (a, b) = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100");
        let in_parts = |md5: &str| format!("{md5}-2");
        let (sum, other_sum) = (Some("AAAAAAAAAAA="), Some("BBBBBBBBBBA="));

        for (one, other, by_etag, wanted) in [
            (head(3, a, sum), head(3, b, sum), true, Alike::Same(Proof::Full)),
            (head(3, a, sum), head(3, a, other_sum), true, Alike::Different),
            (head(3, a, sum), head(4, a, sum), true, Alike::Different),
            (head(3, a, sum), head(3, a, None), true, Alike::Same(Proof::Etag)),
            (head(3, a, None), head(3, &a.to_uppercase(), None), true, Alike::Same(Proof::Etag)),
            (head(3, a, None), head(3, a, None), false, Alike::Unknown),
            (head(3, a, None), head(3, b, None), true, Alike::Different),
            (head(3, a, None), head(3, b, None), false, Alike::Unknown),
            (head(3, a, None), head(3, &in_parts(b), None), true, Alike::Unknown),
            (
                head(3, &in_parts(a), None),
                head(3, &in_parts(a), None),
                true,
                Alike::Same(Proof::Etag),
            ),
            (head(3, &in_parts(a), None), head(3, &in_parts(b), None), true, Alike::Unknown),
            (head(3, "t", None), head(3, "t", None), true, Alike::Unknown),
            (head(3, "t", None), head(3, "u", None), true, Alike::Unknown),
        ] {
            assert_eq!(compare(&one, &other, by_etag), wanted, "{one:?} {other:?}");
        }
    }
}
