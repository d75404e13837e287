//! Objects that are made of what another one in the store has already.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use devops_core::{
    kind::HasKind,
    s3::{
        Composition, Event, Journals, ObjectSummary, Outcome, PartRules, Proof, PutOptions, Resume,
        ResumePolicy, RetryConfig, S3Error, SharedRange, UploadItem, put_composed,
    },
};
use devops_fakes::s3::Server;
use time::macros::datetime;

use crate::s3::{
    fault_case::STALLS,
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, in_one_line, time_enough, uri},
};

/// The new file has a part's worth of new bytes in the middle of the old ones.
const OLD: u64 = 8 * PART;
const NEW: u64 = 9 * PART;

struct Made {
    test_store: TestStore,
    file: PathBuf,
}

fn new_bytes() -> Vec<u8> {
    let old = bytes(OLD);
    let (before, behind) = old.split_at(usize::try_from(4 * PART).unwrap());
    [before, &vec![7; usize::try_from(PART).unwrap()], behind].concat()
}

impl Made {
    fn new() -> Self {
        Self::with(TestStore::new())
    }

    fn with(test_store: TestStore) -> Self {
        test_store.server.put("backups", "old.bin", &bytes(OLD));
        let file = test_store.file("new.bin", 0);
        std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), &new_bytes())
            .unwrap();
        Self { test_store, file }
    }

    fn etag(&self) -> String {
        self.test_store.server.object("backups", "old.bin").unwrap().etag
    }

    fn composition(&self) -> Composition {
        let shared = [
            SharedRange { at: 0, from: 0, size: 4 * PART },
            SharedRange { at: 5 * PART, from: 4 * PART, size: 4 * PART },
        ];
        self.composed_of(&shared)
    }

    fn composed_of(&self, shared: &[SharedRange]) -> Composition {
        let rules = PartRules { part_size: PART, max_parts: 10_000 };
        Composition::plan(uri("old.bin"), self.etag(), NEW, shared, rules).unwrap()
    }

    fn put(
        &self,
        composition: &Composition,
        options: &PutOptions,
    ) -> Result<ObjectSummary, S3Error> {
        let source = UploadItem::new(self.file.clone(), uri("new.bin"), NEW);
        self.test_store.run(async |context| {
            let compose = async || Some(composition.clone());
            put_composed(context, &source, options, &|_| true, &|| Box::pin(compose())).await
        })
    }

    /// Checks that the object is right although nothing was copied, and that this was told.
    fn check_sent_whole(&self, summary: &ObjectSummary) {
        assert_eq!(
            (summary.proof, summary.bytes_sent, summary.bytes_copied),
            (Proof::Full, NEW, 0)
        );
        self.check();
        let told = |event: &Event| matches!(event, Event::NoServerSideCopy { .. });
        assert_eq!(self.test_store.events.borrow().iter().filter(|event| told(event)).count(), 1);
    }

    fn check(&self) {
        assert!(
            self.test_store.server.object("backups", "new.bin").unwrap().bytes() == new_bytes()
        );
        assert_eq!(self.test_store.server.pending_uploads("backups"), 0);
    }
}

fn resumable(journals: &Path) -> PutOptions {
    let now = datetime!(2100-01-01 0:00 UTC);
    let resume =
        Resume { journals: Journals::new(journals), earlier: ResumePolicy::IfPresent, now };
    PutOptions { resume: Some(resume), ..in_small_parts() }
}

#[test]
fn only_what_the_other_object_has_not_is_sent() {
    let made = Made::new();

    let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full));
    assert_eq!((summary.bytes_sent, summary.bytes_copied, summary.parts), (PART, OLD, 3));
    assert_eq!(made.test_store.server.count("UploadPart"), 1);
    assert_eq!(made.test_store.moved().cast_unsigned(), NEW);
    made.check();
}

#[test]
fn every_checksum_confirms_copies() {
    use devops_core::s3::Algorithm::{Crc32c, Sha256};
    for algorithm in [Crc32c, Sha256] {
        let made = Made::new();
        let options = PutOptions { checksum: Some(algorithm), ..in_small_parts() };

        let summary = made.put(&made.composition(), &options).unwrap();

        assert!(summary.proof >= Proof::Parts, "{algorithm:?}");
        made.check();
    }
}

#[test]
fn a_store_without_checksums_confirms_copies_by_their_etags() {
    let made = Made::new();
    made.test_store.server.faults(&["*:no-checksum:always"]);

    let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

    assert_eq!((summary.proof, summary.bytes_copied), (Proof::Etag, OLD));
    made.check();
}

#[test]
fn a_store_that_copies_nothing_gets_everything() {
    for fault in ["not-implemented", "denied", "invalid-part", "bad-digest"] {
        let made = Made::new();
        let options = PutOptions { resume: None, ..in_small_parts() };
        made.test_store.server.faults(&[&format!("UploadPartCopy:{fault}")]);

        let summary = made.put(&made.composition(), &options);

        let summary = summary.unwrap_or_else(|error| panic!("{fault}: {error}"));
        if fault == "bad-digest" {
            // What may pass is tried again.
            assert_eq!(summary.bytes_copied, OLD);
        } else {
            made.check_sent_whole(&summary);
        }
    }
}

#[test]
fn a_store_that_wants_equal_parts_gets_them() {
    let made = Made::new();
    made.test_store.server.faults(&["CompleteMultipartUpload:invalid-part"]);

    let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

    made.check_sent_whole(&summary);
}

#[test]
fn a_copy_that_is_not_what_the_file_has_is_not_believed() {
    let made = Made::new();
    // The plan is wrong by a byte, as if the index of the other object lied.
    let shared = [SharedRange { at: 0, from: 1, size: 4 * PART }];

    let summary = made.put(&made.composed_of(&shared), &in_small_parts()).unwrap();

    made.check_sent_whole(&summary);
}

#[test]
fn an_object_that_was_replaced_meanwhile_is_not_copied_from() {
    let made = Made::new();
    let composition = made.composition();
    made.test_store.server.put("backups", "old.bin", &vec![1; usize::try_from(OLD).unwrap()]);

    let summary = made.put(&composition, &in_small_parts()).unwrap();

    made.check_sent_whole(&summary);
}

#[test]
fn an_object_in_an_archive_is_not_copied_from() {
    let made = Made::new();
    made.test_store.server.archive("backups", "old.bin", "GLACIER");

    let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

    assert!(made.test_store.server.count("UploadPartCopy") > 0);
    made.check_sent_whole(&summary);
}

#[test]
fn a_copy_that_fails_for_a_while_is_tried_again() {
    for fault in ["internal-error", "slow-down", "drop-before", "drop-after", "error-after"] {
        let made = Made::new();
        made.test_store.server.faults(&[&format!("UploadPartCopy:{fault}:times=2")]);

        let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

        assert_eq!((summary.proof, summary.bytes_copied), (Proof::Full, OLD), "{fault}");
        made.check();
    }
}

#[test]
fn a_copy_that_never_ends_well_is_sent_instead() {
    for fault in ["internal-error", "error-in-200", "drop-before"] {
        let made = Made::with(TestStore::impatient());
        made.test_store.server.faults(&[&format!("UploadPartCopy:{fault}:always")]);

        let summary = made.put(&made.composition(), &resumable(&made.test_store.path("journals")));

        let summary = summary.unwrap_or_else(|error| panic!("{fault}: {error}"));
        made.check_sent_whole(&summary);
    }
}

#[test]
fn a_copy_that_stands_still_is_sent_instead() {
    for stall in STALLS {
        let before_first_response = Duration::from_millis(500);
        let test_store =
            TestStore::with(RetryConfig { before_first_response, stall, ..time_enough() });
        let made = Made::with(test_store);
        made.test_store.server.faults(&["UploadPartCopy:stall:always"]);

        let summary = made.put(&made.composition(), &resumable(&made.test_store.path("journals")));

        let failures: Vec<_> = summary.as_ref().err().map(in_one_line).into_iter().collect();
        if stall == STALLS[2] || !made.test_store.has_missed(&failures) {
            made.check_sent_whole(&summary.unwrap());
            return;
        }
    }
}

#[test]
fn who_may_not_abort_puts_all_the_same() {
    let made = Made::new();
    made.test_store.server.faults(&["UploadPartCopy:denied", "AbortMultipartUpload:denied:always"]);

    let summary = made.put(&made.composition(), &in_small_parts()).unwrap();

    assert_eq!((summary.proof, summary.bytes_sent), (Proof::Full, NEW));
    assert_eq!(made.test_store.server.pending_uploads("backups"), 1);
}

#[test]
fn an_upload_made_of_another_base_begins_anew() {
    let made = Made::new();
    let options = resumable(&made.test_store.path("journals"));
    made.test_store.server.faults(&["CompleteMultipartUpload:denied"]);
    made.put(&made.composition(), &options).unwrap_err();

    let source = UploadItem::new(made.file.clone(), uri("new.bin"), NEW);
    let summary = made.test_store.run(async |context| {
        put_composed(context, &source, &options, &|_| false, &|| Box::pin(async { None })).await
    });

    let summary = summary.unwrap();
    assert_eq!((summary.proof, summary.bytes_sent), (Proof::Full, NEW));
    assert_eq!(made.test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_composed_upload_that_breaks_off_goes_on() {
    let made = Made::new();
    let options = resumable(&made.test_store.path("journals"));
    made.test_store.server.faults(&["CompleteMultipartUpload:denied"]);
    let error = made.put(&made.composition(), &options).unwrap_err();
    assert!(matches!(error, S3Error::Resumable { .. }), "{}", error.kind().name());

    let summary = made.put(&made.composition(), &options).unwrap();

    assert_eq!((summary.proof, summary.bytes_sent, summary.bytes_copied), (Proof::Full, 0, 0));
    assert_eq!(made.test_store.server.count("UploadPartCopy"), 2);
    assert_eq!(made.test_store.server.count("UploadPart"), 1);
    made.check();
}

#[test]
fn a_composed_upload_whose_base_is_gone_begins_anew() {
    let gone: [fn(&Server); 2] = [
        |server| server.put("backups", "old.bin", b"another"),
        |server| server.archive("backups", "old.bin", "GLACIER"),
    ];
    for gone in gone {
        let made = Made::new();
        let options = resumable(&made.test_store.path("journals"));
        made.test_store.server.faults(&["UploadPartCopy:expired-token:always"]);
        made.put(&made.composition(), &options).unwrap_err();
        made.test_store.server.clear_faults();
        let composition = made.composition();
        gone(&made.test_store.server);

        let summary = made.put(&composition, &options).unwrap();

        made.check_sent_whole(&summary);
    }
}
