//! Uploads that break off, and what the next run makes of them.

use std::{
    fs::{self, File, FileTimes},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        AfterSignal, Algorithm, Event, JournalError, Journals, ObjectSummary, Outcome,
        OverwritePolicy, PartSize, Proof, PutOptions, Resume, ResumePolicy, RetryConfig, S3Error,
        Tags, discard_upload,
    },
    units::ByteSize,
};
use devops_fakes::s3::{Entry, Server};
use time::macros::datetime;

use crate::s3::{
    put::in_small_parts,
    test_store::{LONG, PART, TestStore, bytes, time_enough, wait_until},
};

const SIZE: u64 = 4 * PART + 1;

fn journals(test_store: &TestStore) -> Journals {
    Journals::new(test_store.path("journals"))
}

fn options(test_store: &TestStore) -> PutOptions {
    // Long after any file was written, so that its times tell.
    let now = datetime!(2100-01-01 0:00 UTC);
    let resume = Resume { journals: journals(test_store), earlier: ResumePolicy::IfPresent, now };
    PutOptions { resume: Some(resume), ..in_small_parts() }
}

fn restarting(test_store: &TestStore) -> PutOptions {
    let mut options = options(test_store);
    options.resume.as_mut().unwrap().earlier = ResumePolicy::Discard;
    options
}

/// Puts a file until this goes wrong, and lets everything go well from then on.
fn break_off(test_store: &TestStore, file: &Path, rules: &[&str]) -> S3Error {
    test_store.server.faults(rules);
    let error = test_store.put(file, "a.bin", &options(test_store)).unwrap_err();
    test_store.server.clear_faults();
    assert!(test_store.server.wait_until_idle(LONG));
    error
}

/// Returns a file whose upload was interrupted at its third part, when all others were stored and in the journal.
fn half_sent(test_store: &TestStore) -> PathBuf {
    let file = test_store.file("a.bin", SIZE);
    let folder = test_store.path("journals");
    let others = move |_: &Server| {
        wait_until("the other parts are written down", || journaled_in(&folder).len() == 4);
    };
    let rules = ["UploadPart:hold:part=3", "UploadPart:denied:part=3"];
    let error = test_store.while_held(1, others, |test_store| break_off(test_store, &file, &rules));
    assert!(matches!(error, S3Error::Resumable { .. }), "{error}");
    file
}

fn is_taken(entry: &Entry) -> bool {
    entry.operation == "UploadPart" && entry.status == Some(200)
}

/// Returns the numbers of the parts that the server took, each as often as it did.
fn taken(test_store: &TestStore) -> Vec<u32> {
    let log = test_store.server.log();
    let mut taken: Vec<u32> =
        log.iter().filter(|&entry| is_taken(entry)).filter_map(|e| e.part).collect();
    taken.sort_unstable();
    taken
}

/// Checks that the object is right, each part was sent once, and nothing is left over.
fn check(test_store: &TestStore, summary: &ObjectSummary) {
    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full));
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
    assert_eq!(taken(test_store), [1, 2, 3, 4, 5]);
    check_nothing_is_left(test_store);
}

/// Returns the numbers of the parts whose answers were heard and written down.
fn journaled(test_store: &TestStore) -> Vec<u32> {
    journaled_in(&test_store.path("journals"))
}

fn journaled_in(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(journal_in(folder)).unwrap();
    let number = |line: &str| {
        let rest = line.strip_prefix(r#"{"part":{"number":"#)?;
        rest.split(',').next()?.parse().ok()
    };
    text.lines().filter_map(number).collect()
}

/// Checks that the object is right, and that no part was sent again that the journal had.
fn check_by_the_journal(test_store: &TestStore, journaled: &[u32], summary: &ObjectSummary) {
    assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full));
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
    let taken = taken(test_store);
    for part in journaled {
        assert_eq!(taken.iter().filter(|&taken| taken == part).count(), 1, "{part} of {taken:?}");
    }
    check_nothing_is_left(test_store);
}

fn check_nothing_is_left(test_store: &TestStore) {
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
    assert_eq!(journal_files(test_store), [""; 0].map(PathBuf::from));
}

fn journal_files(test_store: &TestStore) -> Vec<PathBuf> {
    files_in(&test_store.path("journals"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn journal(test_store: &TestStore) -> PathBuf {
    journal_in(&test_store.path("journals"))
}

fn journal_in(folder: &Path) -> PathBuf {
    let mut files = files_in(folder);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn resumed(test_store: &TestStore) -> Option<(u32, u64)> {
    let resumed = |event: &Event| match event {
        Event::Resumed { parts, size, .. } => Some((*parts, *size)),
        _ => None,
    };
    test_store.events.borrow().iter().find_map(resumed)
}

fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Does something to a file and gives it the time it had.
fn without_a_trace(file: &Path, change: impl FnOnce(&Path)) {
    let modified = file.metadata().unwrap().modified().unwrap();
    change(file);
    let times = FileTimes::new().set_modified(modified);
    File::options().write(true).open(file).unwrap().set_times(times).unwrap();
}

#[test]
fn an_upload_that_breaks_off_at_any_part_goes_on_without_sending_one_twice() {
    for part in 1..=5 {
        let test_store = TestStore::new();
        let file = test_store.file("a.bin", SIZE);
        let rule = format!("UploadPart:denied:part={part}");
        // Others are there by then, and perhaps not all.
        let delay = format!("UploadPart:delay=50:part={part}");
        let error = break_off(&test_store, &file, &[&delay, &rule]);
        assert_eq!(error.kind(), Kind::Permission);
        let before = taken(&test_store);

        let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

        check(&test_store, &summary);
        let n_before = before.iter().map(|&part| if part == 5 { 1 } else { PART }).sum::<u64>();
        assert_eq!(summary.bytes_sent, SIZE - n_before, "part {part}");
        assert_eq!(test_store.server.count("CreateMultipartUpload"), 1);
    }
}

#[test]
fn an_upload_that_breaks_off_at_its_completion_sends_no_part_again() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", SIZE);
    break_off(&test_store, &file, &["CompleteMultipartUpload:denied"]);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    check(&test_store, &summary);
    assert_eq!(resumed(&test_store), Some((5, SIZE)));
    assert_eq!((summary.bytes_sent, summary.attempts), (0, 0));
}

#[test]
fn an_upload_that_never_began_leaves_no_journal() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", SIZE);

    let error = break_off(&test_store, &file, &["CreateMultipartUpload:denied"]);

    assert!(matches!(error, S3Error::Request(_)), "{error}");
    check_nothing_is_left(&test_store);
}

#[test]
fn a_single_request_keeps_no_journal() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 100);

    break_off(&test_store, &file, &["PutObject:denied"]);

    assert!(!test_store.path("journals").exists());
}

#[test]
fn what_cannot_be_taken_up_is_aborted() {
    let test_store = TestStore::impatient();
    let file = test_store.file("a.bin", SIZE);

    let error = break_off(&test_store, &file, &["CompleteMultipartUpload:bad-digest:always"]);

    assert_eq!(error.kind(), Kind::Mismatch);
    check_nothing_is_left(&test_store);
}

/// Puts a file whose earlier upload is of no use: that is aborted, and all of the file is sent.
fn check_begins_anew(test_store: &TestStore, file: &Path, options: &PutOptions) {
    let moved = test_store.moved();
    let size = file.metadata().unwrap().len();

    let summary = test_store.put(file, "a.bin", options).unwrap();

    assert_eq!((summary.outcome, summary.bytes_sent), (Outcome::Stored, size));
    assert_eq!((test_store.moved() - moved).cast_unsigned(), size);
    let events = test_store.events.borrow();
    assert!(events.iter().any(|event| matches!(event, Event::AbandonedUpload { .. })));
    assert!(
        test_store.server.object("backups", "a.bin").unwrap().bytes() == fs::read(file).unwrap()
    );
    check_nothing_is_left(test_store);
}

#[test]
fn a_put_of_a_file_that_was_changed_aborts_the_old_upload_and_begins_anew() {
    for (cut, offset) in [(SIZE, SIZE - 1), (SIZE - PART, 0), (100, 0)] {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        File::options().write(true).open(&file).unwrap().set_len(cut).unwrap();
        overwrite(&file, offset, b"!");

        check_begins_anew(&test_store, &file, &options(&test_store));
    }
}

#[test]
fn a_restart_sends_a_file_that_is_the_same_again() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);

    let summary = test_store.put(&file, "a.bin", &restarting(&test_store)).unwrap();

    assert_eq!(summary.bytes_sent, SIZE);
    check_nothing_is_left(&test_store);
}

#[test]
fn a_resume_of_a_file_that_was_changed_is_refused_and_nothing_is_lost() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    overwrite(&file, SIZE - 1, b"!");
    let mut resuming = options(&test_store);
    resuming.resume.as_mut().unwrap().earlier = ResumePolicy::Required;

    for _ in 0..2 {
        let refused = test_store.put(&file, "a.bin", &resuming).unwrap_err();

        assert!(matches!(refused, S3Error::Journal(JournalError::Changed(_))), "{refused}");
        assert_eq!(refused.kind(), Kind::Denied);
    }
    assert_eq!(test_store.server.keys("backups"), [""; 0]);
    assert_eq!(test_store.server.pending_uploads("backups"), 1);
}

#[test]
fn an_old_upload_that_may_not_be_aborted_keeps_no_new_one_from_being_made() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    overwrite(&file, 0, b"!");
    test_store.server.faults(&["AbortMultipartUpload:denied:always"]);

    test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    let is_named = |event: &Event| {
        matches!(event, Event::AbortFailed { uri, upload_id, .. }
            if uri.key == "a.bin" && upload_id == "upload-1")
    };
    assert!(test_store.events.borrow().iter().any(is_named));
    assert!(
        test_store.server.object("backups", "a.bin").unwrap().bytes() == fs::read(&file).unwrap()
    );
    assert_eq!(test_store.server.pending_uploads("backups"), 1);
    assert_eq!(journal_files(&test_store).len(), 0);
}

#[test]
fn a_file_in_another_place_is_read_again_and_not_sent_again() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    without_a_trace(&file, |file| {
        let bytes = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        File::create(file).unwrap().write_all(&bytes).unwrap();
    });

    let moved = test_store.moved();
    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    assert_eq!((test_store.moved() - moved).cast_unsigned(), SIZE);
    check(&test_store, &summary);
}

#[test]
fn a_sent_part_that_was_changed_without_a_trace_is_noticed() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    let sent = u64::from(journaled(&test_store)[0] - 1) * PART;
    without_a_trace(&file, |file| overwrite(file, sent, b"!"));

    check_begins_anew(&test_store, &file, &options(&test_store));
}

#[test]
fn a_journal_may_end_anywhere() {
    // The job, the upload, and the parts that were taken.
    for n_lines in 0..=3 {
        for (more, tail) in [(0, ""), (5, ""), (0, "\0\0\0\0"), (0, "{\"part\":")] {
            let test_store = TestStore::new();
            let file = half_sent(&test_store);
            let path = journal(&test_store);
            let whole = fs::read(&path).unwrap();
            let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
            assert!(lines.len() > 3, "{}", String::from_utf8_lossy(&whole));
            let cut = lines[..n_lines].concat().len() + more;
            let left = [&whole[..cut], tail.as_bytes()].concat();
            File::create(&path).unwrap().write_all(&left).unwrap();

            test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

            let is_upload_known = n_lines >= 2;
            assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
            assert_eq!(journal_files(&test_store).len(), 0);
            // Without its name it is a stranger's, for `uploads` to find.
            assert_eq!(test_store.server.pending_uploads("backups"), usize::from(!is_upload_known));
            if is_upload_known {
                assert_eq!(taken(&test_store), [1, 2, 3, 4, 5], "{n_lines} lines and {tail:?}");
            }
        }
    }
}

#[test]
fn an_upload_that_is_gone_is_begun_anew() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    test_store.server.faults(&["ListParts:no-upload"]);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    assert_eq!((summary.proof, summary.bytes_sent), (Proof::Full, SIZE));
    assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
    assert_eq!(test_store.server.count("CreateMultipartUpload"), 2);
}

#[test]
fn a_store_that_lists_no_checksums_is_believed_by_its_etags() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    test_store.server.faults(&["ListParts:no-checksum:always"]);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    check(&test_store, &summary);
}

#[test]
fn a_part_that_the_store_lists_otherwise_is_sent_again() {
    for fault in ["wrong-checksum", "no-checksum"] {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        let n_before = taken(&test_store).len();
        let wrong_etag = "ListParts:wrong-etag:always";
        test_store.server.faults(&[&format!("ListParts:{fault}:always"), wrong_etag]);

        let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

        assert_eq!(summary.proof, Proof::Full);
        assert!(test_store.server.object("backups", "a.bin").unwrap().bytes() == bytes(SIZE));
        // The answer changes what it says of the first part only.
        assert_eq!(taken(&test_store).len(), 5 + usize::from(n_before > 0), "{fault}");
    }
}

#[test]
fn who_may_not_list_parts_goes_on_by_the_journal() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    let journaled = journaled(&test_store);
    test_store.server.faults(&["ListParts:denied:always"]);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    check_by_the_journal(&test_store, &journaled, &summary);
}

#[test]
fn an_upload_begun_in_another_way_is_aborted_and_begun_anew() {
    let others: [fn(&mut PutOptions); 3] = [
        |options| options.checksum = Some(Algorithm::Crc32c),
        |options| options.part_size = PartSize::Exactly(ByteSize::mib(6)),
        |options| {
            // As a nightly command that names the day has it.
            options.attributes.tags = Tags::new([("night".to_owned(), "2".to_owned())]).unwrap();
        },
    ];
    for other in others {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        let mut options = options(&test_store);
        other(&mut options);

        check_begins_anew(&test_store, &file, &options);
    }
}

#[test]
fn parts_of_the_size_that_was_chosen_are_taken_up_where_none_is_asked_for() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);

    let automatic = PutOptions { part_size: PartSize::Auto, ..options(&test_store) };

    check(&test_store, &test_store.put(&file, "a.bin", &automatic).unwrap());
}

#[test]
fn the_same_object_that_appears_meanwhile_ends_the_upload() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    test_store.server.put("backups", "a.bin", &bytes(SIZE));

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    assert_eq!(summary.outcome, Outcome::Unchanged);
    check_nothing_is_left(&test_store);
}

#[test]
fn another_object_that_appears_meanwhile_is_told_and_nothing_is_lost() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    test_store.server.put("backups", "a.bin", b"precious");

    let refused = test_store.put(&file, "a.bin", &options(&test_store)).unwrap_err();

    assert_eq!(refused.kind(), Kind::Exists);
    assert!(matches!(refused, S3Error::Resumable { .. }), "{refused}");
    assert_eq!(test_store.server.object("backups", "a.bin").unwrap().bytes(), b"precious");
    let overwriting = PutOptions { replace: OverwritePolicy::Overwrite, ..options(&test_store) };
    check(&test_store, &test_store.put(&file, "a.bin", &overwriting).unwrap());
}

#[test]
fn an_answer_that_is_not_the_stores_ends_no_upload() {
    for rule in ["HeadObject:invalid-part:always", "ListParts:expired-token"] {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        let error = break_off(&test_store, &file, &[rule, "GetObject:no-bucket:always"]);
        assert!(matches!(error, S3Error::Resumable { .. }), "{rule}: {error}");

        check(&test_store, &test_store.put(&file, "a.bin", &options(&test_store)).unwrap());
    }
}

#[test]
fn a_store_that_lists_no_parts_goes_on_by_the_journal() {
    for fault in ["not-implemented", "invalid-part"] {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        let journaled = journaled(&test_store);
        test_store.server.faults(&[&format!("ListParts:{fault}:always")]);

        let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

        check_by_the_journal(&test_store, &journaled, &summary);
    }
}

#[test]
fn a_list_of_parts_that_cannot_be_read_is_soon_done_without() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    let journaled = journaled(&test_store);
    let before = test_store.server.count("ListParts");
    test_store.server.faults(&["ListParts:other-root:always"]);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    check_by_the_journal(&test_store, &journaled, &summary);
    assert_eq!(test_store.server.count("ListParts"), before + 3);
}

#[test]
fn a_list_of_parts_that_breaks_off_is_asked_for_until_it_comes() {
    let test_store = TestStore::new();
    let file = half_sent(&test_store);
    test_store.server.faults(&["ListParts:truncate:times=4"]);

    check(&test_store, &test_store.put(&file, "a.bin", &options(&test_store)).unwrap());
}

#[test]
fn a_file_in_another_place_goes_on_by_the_journal_where_the_store_tells_nothing() {
    for rules in [&["ListParts:denied:always"][..], &["ListParts:no-checksum:always"]] {
        let test_store = TestStore::new();
        let file = half_sent(&test_store);
        without_a_trace(&file, |file| {
            let bytes = fs::read(file).unwrap();
            fs::remove_file(file).unwrap();
            File::create(file).unwrap().write_all(&bytes).unwrap();
        });
        let journaled = journaled(&test_store);
        test_store.server.faults(rules);

        let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

        check_by_the_journal(&test_store, &journaled, &summary);
        // What is read again and found to be there is no less there.
        let (parts, _) = resumed(&test_store).unwrap();
        assert!(parts as usize >= journaled.len(), "{parts} of {journaled:?}");
    }
}

#[test]
fn a_completion_nobody_heard_of_is_known_by_its_mark_whatever_proves_it() {
    for checksum in [Some(Algorithm::Crc64Nvme), Some(Algorithm::Sha256), None] {
        for replace in [OverwritePolicy::Refuse, OverwritePolicy::Overwrite] {
            let test_store = TestStore::impatient();
            let file = test_store.file("a.bin", SIZE);
            let options = PutOptions { replace, checksum, ..options(&test_store) };
            let heads = if replace == OverwritePolicy::Refuse { ":after=1" } else { "" };
            let no_head = format!("HeadObject:drop-before{heads}:always");
            test_store.server.faults(&["CompleteMultipartUpload:drop-after:always", &no_head]);
            let error = test_store.put(&file, "a.bin", &options).unwrap_err();
            assert_eq!(error.kind(), Kind::Uncertain, "{error}");
            test_store.server.clear_faults();

            let summary = test_store.put(&file, "a.bin", &options);

            let summary = summary.unwrap_or_else(|error| panic!("{checksum:?}: {error}"));
            assert_eq!((summary.outcome, summary.bytes_sent), (Outcome::Unchanged, 0));
            assert_eq!(taken(&test_store), [1, 2, 3, 4, 5], "{checksum:?}");
            check_nothing_is_left(&test_store);
        }
    }
}

#[test]
fn who_wants_to_go_on_does_not_begin_anew() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", SIZE);
    let mut options = options(&test_store);
    options.resume.as_mut().unwrap().earlier = ResumePolicy::Required;

    let error = test_store.put(&file, "a.bin", &options).unwrap_err();

    assert!(matches!(error, S3Error::Journal(JournalError::Gone(_))), "{error}");
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(test_store.server.log().len(), 0);
    check_nothing_is_left(&test_store);
}

#[test]
fn a_signal_ends_the_reading_of_what_was_sent() {
    const PARTS: u64 = 20;
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", PARTS * PART);
    break_off(&test_store, &file, &["CompleteMultipartUpload:denied"]);
    without_a_trace(&file, |file| {
        let bytes = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        File::create(file).unwrap().write_all(&bytes).unwrap();
    });
    let before = test_store.moved();
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::BytesTransferred(_)) {
            test_store.cancel.cancel(15);
        }
    });

    let error = test_store.put(&file, "a.bin", &options(&test_store)).unwrap_err();

    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
    // Those that were being read end, and no more begin.
    let read = (test_store.moved() - before).cast_unsigned() / PART;
    assert!(read < PARTS / 2, "{read} parts");
}

#[test]
fn a_signal_keeps_the_upload_and_what_ends_in_a_moment() {
    // The second part takes all of the moment.
    let after_signal =
        AfterSignal { response_timeout: Duration::from_secs(10), ..AfterSignal::default() };
    let test_store = TestStore::with(RetryConfig { after_signal, ..time_enough() });
    test_store.server.faults(&["UploadPart:hold:part=1", "UploadPart:stall:part=2:always"]);
    let file = test_store.file("a.bin", SIZE);
    let cancel = test_store.cancel.clone();

    let result = test_store.while_held(
        1,
        |_| cancel.cancel(15),
        |test_store| test_store.put(&file, "a.bin", &options(test_store)),
    );

    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
    assert!(matches!(error, S3Error::Resumable { .. }));
    assert!(taken(&test_store).contains(&1));
    assert_eq!(test_store.server.count("AbortMultipartUpload"), 0);
    let lines = fs::read_to_string(journal(&test_store)).unwrap();
    assert!(lines.contains(r#"{"part":{"number":1,"#), "{lines}");
}

#[test]
fn what_is_unfinished_is_listed_and_given_up() {
    let test_store = TestStore::new();
    half_sent(&test_store);
    File::create(test_store.path("journals/strange.jsonl")).unwrap().write_all(b"{}\n").unwrap();

    let unfinished = journals(&test_store).unfinished().unwrap();

    let [one] = unfinished.as_slice() else { panic!("{unfinished:?}") };
    assert_eq!((one.job.uri.key.as_str(), one.job.size()), ("a.bin", SIZE));
    assert_eq!(one.job.path, test_store.path("a.bin"));
    test_store
        .run(async |context| discard_upload(context, &journals(&test_store), &one.job).await)
        .unwrap();
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
    assert_eq!(journals(&test_store).unfinished().unwrap().len(), 0);
}

#[test]
fn an_upload_without_a_place_for_its_journal_is_made_all_the_same() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", SIZE);
    // A file where the folder would be.
    test_store.file("journals", 1);

    let summary = test_store.put(&file, "a.bin", &options(&test_store)).unwrap();

    assert_eq!(summary.proof, Proof::Full);
    let told = |event: &Event| matches!(event, Event::JournalUnavailable(_));
    assert_eq!(test_store.events.borrow().iter().filter(|event| told(event)).count(), 1);
}
