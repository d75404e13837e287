//! Every pair of faults at every pair of requests of a put.
//!
//! There are tens of thousands of them, and a usual run takes some; [`check_pairs`] says how to try all.

use crate::s3::{
    every_fault::OnePut,
    fault_case::{InjectedError, Run, UploadKind},
    fault_matrix::{Place, check_pairs, pairs},
    test_store::PART,
};

/// Of so many pairs a usual run takes one: a prime, so that all faults and places have their turn.
const STRIDE: usize = 401;

const HEAD: Place = ("HeadObject", None);
const CREATE: Place = ("CreateMultipartUpload", None);
const FIRST: Place = ("UploadPart", Some(1));
const LAST: Place = ("UploadPart", Some(2));
const COMPLETE: Place = ("CompleteMultipartUpload", None);
const ABORT: Place = ("AbortMultipartUpload", None);

#[track_caller]
fn check_all(name: &str, pairs: &[[InjectedError; 2]], put: impl Fn(&[InjectedError]) -> OnePut) {
    check_pairs(name, STRIDE, pairs, put);
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[HEAD, ("PutObject", None)]);
    check_all("file", &pairs, |pair| OnePut::new(UploadKind::Single, Run::new(pair)));
    check_all("short stream", &pairs, |pair| OnePut::new(UploadKind::ShortStream, Run::new(pair)));
}

#[test]
fn an_upload_in_parts_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[HEAD, CREATE, FIRST, LAST, COMPLETE]);
    // Both parts have one size, so that they are hashed together.
    check_all("parts", &pairs, |pair| {
        OnePut::new(UploadKind::Parts, Run::new(pair).journaled()).of(2 * PART)
    });
}

#[test]
fn a_stream_in_parts_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[HEAD, CREATE, FIRST, LAST, COMPLETE]);
    check_all("stream", &pairs, |pair| OnePut::new(UploadKind::Stream, Run::new(pair)));
}

#[test]
fn what_is_composed_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[HEAD, CREATE, ("UploadPartCopy", None), LAST, COMPLETE]);
    check_all("composed", &pairs, |pair| {
        OnePut::new(UploadKind::Composed, Run::new(pair).journaled())
    });
}

#[test]
fn what_is_taken_up_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[HEAD, ("ListParts", None), LAST, COMPLETE]);
    check_all("taken up", &pairs, |pair| {
        let earlier = InjectedError::once("UploadPart", "denied").at(2);
        OnePut::new(UploadKind::Parts, Run::new(pair).journaled()).after(earlier)
    });
}

#[test]
fn what_is_removed_after_a_failure_is_told_of_whatever_goes_wrong_meanwhile() {
    let mut pairs = pairs(&[CREATE, FIRST, COMPLETE, ABORT]);
    pairs.retain(|pair| pair[0].operation != ABORT.0 && pair[1].operation == ABORT.0);
    check_all("removed", &pairs, |pair| OnePut::new(UploadKind::Parts, Run::new(pair)));
}
