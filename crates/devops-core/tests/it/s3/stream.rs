//! Streams that go to several places, come from commands, or are written down first.

use std::{
    fs::{self, Permissions},
    io::{self, Cursor, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use devops_core::{
    kind::{HasKind, Kind},
    offsite::{self, Base, StreamError, StreamInput, StreamPut},
    process::CommandSpec,
    s3::{
        Algorithm, Event, Journals, ObjectSummary, Outcome, OverwritePolicy, Proof, PutOptions,
        Resume, ResumePolicy, S3Error, S3Uri, UploadItem, UploadStream, discard_upload, put_stream,
        remove_unused_spool,
    },
};
use devops_fakes::s3::Entry;
use time::macros::datetime;

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

const LONG: Duration = Duration::from_secs(30);

type Stored = Vec<Result<ObjectSummary, S3Error>>;

/// Counts what is read of it, and may fail at its end.
struct Counted {
    inner: Cursor<Vec<u8>>,
    read: Arc<AtomicU64>,
    fails: bool,
}

impl Counted {
    fn new(size: u64) -> (Self, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let inner = Cursor::new(bytes(size));
        (Self { inner, read: Arc::clone(&read), fails: false }, read)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        if n == 0 && self.fails { Err(io::Error::other("it broke off")) } else { Ok(n) }
    }
}

fn elsewhere(key: &str) -> S3Uri {
    S3Uri::new("no-such-bucket", key).unwrap()
}

fn is_stored(test_store: &TestStore, key: &str, size: u64) -> bool {
    test_store.server.object("backups", key).is_some_and(|object| object.bytes() == bytes(size))
}

#[test]
fn an_upload_of_one_part_has_a_checksum_of_checksums_too() {
    let test_store = TestStore::new();
    let (reader, _) = Counted::new(PART);
    let options = PutOptions { checksum: Some(Algorithm::Sha256), ..in_small_parts() };

    let stored = test_store
        .run(async |context| {
            put_stream(context, UploadStream::new(reader), &[uri("a")], &options).await
        })
        .unwrap();

    assert_eq!(stored[0].as_ref().unwrap().proof, Proof::Parts);
    assert_eq!(
        (test_store.server.object("backups", "a").unwrap().parts, test_store.n_retries()),
        (1, 0)
    );
}

#[test]
fn each_piece_is_read_once_and_sent_everywhere() {
    for size in [100, 3 * PART + 7] {
        let test_store = TestStore::new();
        let (reader, read) = Counted::new(size);
        let places = [uri("a"), uri("b"), uri("c")];

        let stored = test_store
            .run(async |context| {
                put_stream(context, UploadStream::new(reader), &places, &in_small_parts()).await
            })
            .unwrap();

        assert!(stored.iter().flatten().all(|summary| summary.proof == Proof::Full));
        assert!(["a", "b", "c"].iter().all(|key| is_stored(&test_store, key, size)), "{stored:?}");
        assert_eq!(read.load(Ordering::Relaxed), size);
        assert_eq!(test_store.moved().cast_unsigned(), 3 * size);
    }
}

#[test]
fn a_place_that_fails_does_not_keep_the_others_from_their_object() {
    // Where an upload cannot even begin, and where it breaks off.
    for size in [100, 4 * PART] {
        let test_store = TestStore::new();
        let (reader, _) = Counted::new(size);
        let places = [elsewhere("a"), uri("b")];

        let stored = test_store
            .run(async |context| {
                put_stream(context, UploadStream::new(reader), &places, &in_small_parts()).await
            })
            .unwrap();

        assert_eq!(stored[0].as_ref().unwrap_err().kind(), Kind::NotFound);
        assert_eq!(stored[1].as_ref().unwrap().outcome, Outcome::Stored);
        assert!(is_stored(&test_store, "b", size));
    }
    let test_store = TestStore::new();
    test_store.server.faults(&["UploadPart:denied:part=2"]);
    let (reader, _) = Counted::new(4 * PART);

    let stored = test_store
        .run(async |context| {
            put_stream(context, UploadStream::new(reader), &[uri("a"), uri("b")], &in_small_parts())
                .await
        })
        .unwrap();

    let failed: Vec<_> = stored.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!(failed.iter().map(|error| error.kind()).collect::<Vec<_>>(), [Kind::Permission]);
    assert_eq!(test_store.server.keys("backups").len(), 1);
    assert!(is_stored(&test_store, "a", 4 * PART) || is_stored(&test_store, "b", 4 * PART));
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_stream_that_no_place_takes_is_not_read_to_its_end() {
    let test_store = TestStore::new();
    test_store.server.faults(&["UploadPart:denied:always"]);
    let (reader, read) = Counted::new(40 * PART);

    let stored = test_store
        .run(async |context| {
            put_stream(context, UploadStream::new(reader), &[uri("a"), uri("b")], &in_small_parts())
                .await
        })
        .unwrap();

    assert!(stored.iter().all(|result| result.as_ref().unwrap_err().kind() == Kind::Permission));
    assert!(read.load(Ordering::Relaxed) < 40 * PART);
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_stream_that_breaks_off_is_stored_nowhere() {
    for size in [100, 3 * PART + 7] {
        let test_store = TestStore::new();
        let (reader, _) = Counted::new(size);
        let stream = UploadStream::new(Counted { fails: true, ..reader }).named("read", "tape");

        let error = test_store
            .run(async |context| {
                put_stream(context, stream, &[uri("a"), uri("b")], &in_small_parts()).await
            })
            .unwrap_err();

        assert_eq!(error.to_string(), "failed to read `tape`");
        assert_eq!(test_store.server.keys("backups"), [""; 0]);
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
    }
}

#[test]
fn a_store_that_knows_less_still_takes_a_stream() {
    let rules = [
        "CreateMultipartUpload:refuse-checksums:always",
        "UploadPart:refuse-checksums:always",
        "CompleteMultipartUpload:refuse-conditions:always",
    ];
    for rule in rules {
        let test_store = TestStore::new();
        test_store.server.faults(&[rule]);
        let (reader, read) = Counted::new(3 * PART + 7);
        let places = [uri("a"), uri("b")];

        let stored = test_store
            .run(async |context| {
                put_stream(context, UploadStream::new(reader), &places, &in_small_parts()).await
            })
            .unwrap();

        let proofs: Vec<_> = stored.iter().map(|stored| stored.as_ref().unwrap().proof).collect();
        let least = if rule.contains("checksums") { Proof::Etag } else { Proof::Full };
        assert!(proofs.iter().all(|proof| *proof >= least), "{rule}: {proofs:?}");
        assert!(
            is_stored(&test_store, "a", 3 * PART + 7) && is_stored(&test_store, "b", 3 * PART + 7),
            "{rule}"
        );
        assert_eq!(read.load(Ordering::Relaxed), 3 * PART + 7);
        let told = |event: &Event| matches!(event, Event::FeatureUnsupported(_));
        assert_eq!(
            test_store.events.borrow().iter().filter(|event| told(event)).count(),
            1,
            "{rule}"
        );
        assert_eq!(test_store.server.pending_uploads("backups"), 0, "{rule}");
    }
    // Without the condition a look has to do.
    let test_store = TestStore::new();
    test_store.server.faults(&["CompleteMultipartUpload:refuse-conditions:always"]);
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::Part { number: 4, .. }) {
            test_store.server.put("backups", "a", b"of another");
        }
    });
    let (reader, _) = Counted::new(3 * PART + 7);

    let stored = test_store
        .run(async |context| {
            put_stream(context, UploadStream::new(reader), &[uri("a")], &in_small_parts()).await
        })
        .unwrap();

    assert_eq!(stored[0].as_ref().unwrap_err().kind(), Kind::Exists);
    assert_eq!(test_store.server.object("backups", "a").unwrap().bytes(), b"of another");
    assert_eq!(test_store.server.pending_uploads("backups"), 0);
}

#[test]
fn a_short_stream_that_came_although_nobody_heard_of_it_is_no_stranger() {
    for refusal in ["refuse-conditions", "refuse-checksums", "not-implemented"] {
        let test_store = TestStore::new();
        test_store
            .server
            .faults(&["PutObject:drop-after", &format!("PutObject:{refusal}:after=1")]);
        let stream = UploadStream::new(Cursor::new(bytes(100)));
        let options = PutOptions::default();

        let stored: Stored = test_store
            .run(async |context| put_stream(context, stream, &[uri("a.bin")], &options).await)
            .unwrap();

        assert_eq!(stored[0].as_ref().unwrap().outcome, Outcome::Stored, "{refusal}");
        assert!(is_stored(&test_store, "a.bin", 100), "{refusal}");
    }
}

#[test]
fn a_long_stream_that_came_although_nobody_heard_of_it_is_no_stranger() {
    for refusal in ["refuse-conditions", "refuse-checksums", "conflict"] {
        let test_store = TestStore::new();
        let refusal = format!("CompleteMultipartUpload:{refusal}:after=1");
        test_store.server.faults(&["CompleteMultipartUpload:drop-after", &refusal]);
        let (reader, _) = Counted::new(3 * PART + 7);

        let stored: Stored = test_store
            .run(async |context| {
                put_stream(context, UploadStream::new(reader), &[uri("a.bin")], &in_small_parts())
                    .await
            })
            .unwrap();

        assert_eq!(stored[0].as_ref().unwrap().outcome, Outcome::Stored, "{refusal}");
        assert!(is_stored(&test_store, "a.bin", 3 * PART + 7), "{refusal}");
    }
}

#[test]
fn a_signal_while_one_looks_for_ones_own_object_is_told_instead_of_the_refusal() {
    let test_store = TestStore::new();
    test_store.server.faults(&["CompleteMultipartUpload:drop-after", "HeadObject:stall:always"]);
    test_store.server.faults(&["CompleteMultipartUpload:refuse-checksums:after=1"]);
    let options = PutOptions { replace: OverwritePolicy::Overwrite, ..in_small_parts() };
    let (reader, _) = Counted::new(3 * PART + 7);

    let stored: Result<Stored, _> = thread::scope(|scope| {
        let (server, cancel) = (&test_store.server, test_store.cancel.clone());
        scope.spawn(move || {
            let looked = |log: &[Entry]| log.iter().any(|entry| entry.operation == "HeadObject");
            server.wait_for(looked, LONG);
            cancel.cancel(2);
        });
        test_store.run(async |context| {
            put_stream(context, UploadStream::new(reader), &[uri("a.bin")], &options).await
        })
    });

    assert_eq!(test_store.server.count("CompleteMultipartUpload"), 2);
    let stored = stored.and_then(|mut stored| stored.remove(0));
    assert_eq!(stored.unwrap_err().kind(), Kind::Interrupted);
}

fn journals(test_store: &TestStore) -> Journals {
    Journals::new(test_store.path("journals"))
}

fn options(test_store: &TestStore) -> PutOptions {
    let resume = Resume {
        journals: journals(test_store),
        earlier: ResumePolicy::IfPresent,
        // Long after any file was written, so that its times tell.
        now: datetime!(2100-01-01 0:00 UTC),
    };
    PutOptions { resume: Some(resume), ..in_small_parts() }
}

fn put_from(
    test_store: &TestStore,
    origin: StreamInput,
    spool: Option<&Path>,
    (places, options): (&[S3Uri], &PutOptions),
) -> Result<Stored, StreamError> {
    test_store.run(async |context| {
        let to = StreamPut { context, options, base: &Base::None, spool, expect_size: None };
        offsite::put_stream(&to, origin, places).await
    })
}

/// A folder for spools.
fn folder(test_store: &TestStore) -> PathBuf {
    let folder = test_store.path("spools");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder).unwrap().map(name).collect()
}

fn spooled(test_store: &TestStore, content: Vec<u8>) -> Result<ObjectSummary, S3Error> {
    let origin = StreamInput::Input(Box::new(Cursor::new(content)));
    let options = options(test_store);
    match put_from(test_store, origin, Some(&folder(test_store)), (&[uri("s")], &options)) {
        Ok(mut stored) => stored.remove(0),
        Err(StreamError::S3(error)) => Err(error),
        Err(StreamError::Command(error)) => panic!("{error}"),
    }
}

#[test]
fn a_spool_is_private_and_goes_when_the_object_is_there() {
    for size in [0, 100, PART, 2 * PART + 1] {
        let test_store = TestStore::new();
        test_store.on_event(|test_store, event| {
            if let Event::Started { path, .. } = event {
                let mode = path.as_ref().unwrap().metadata().unwrap().permissions();
                assert_eq!(mode.mode() & 0o777, 0o600);
                assert_eq!(names(&test_store.path("spools")).len(), 1);
            }
        });

        let summary = spooled(&test_store, bytes(size)).unwrap();

        assert_eq!((summary.proof, summary.size), (Proof::Full, size));
        assert!(is_stored(&test_store, "s", size));
        assert_eq!(names(&folder(&test_store)), [""; 0]);
        assert_eq!(journals(&test_store).unfinished().unwrap().len(), 0);
    }
}

/// Goes on with the only unfinished upload, as `resume` does.
fn resume(test_store: &TestStore) -> Result<ObjectSummary, S3Error> {
    let unfinished = journals(test_store).unfinished().unwrap().remove(0);
    let mut resume = options(test_store).resume;
    resume.as_mut().unwrap().earlier = ResumePolicy::Required;
    let job = unfinished.job;
    let options = PutOptions { resume, ..job.options.clone() };
    let source = UploadItem::new(job.path.clone(), job.uri.clone(), job.size());
    test_store.run(async |context| {
        let put = offsite::put(context, &source, &options, &Base::None).await;
        remove_unused_spool(Some(&journals(test_store)), &job.path).await;
        put
    })
}

fn n_taken(test_store: &TestStore) -> usize {
    let log = test_store.server.log();
    log.iter().filter(|e| e.operation == "UploadPart" && e.status == Some(200)).count()
}

#[test]
fn a_spooled_stream_that_breaks_off_goes_on_without_its_producer() {
    // At its beginning, at a part, at the end; and where one request is all.
    for (size, rule) in [
        (4 * PART, "CreateMultipartUpload:denied"),
        (4 * PART, "UploadPart:denied:part=3"),
        (4 * PART, "CompleteMultipartUpload:denied"),
        (100, "PutObject:denied"),
    ] {
        let test_store = TestStore::new();
        test_store.server.faults(&[rule]);

        let error = spooled(&test_store, bytes(size)).unwrap_err();
        assert!(test_store.server.wait_until_idle(LONG));
        assert!(matches!(error, S3Error::Resumable { .. }), "{rule}: {error}");
        assert_eq!(names(&folder(&test_store)).len(), 1);
        let summary = resume(&test_store).unwrap();

        assert_eq!((summary.outcome, summary.proof), (Outcome::Stored, Proof::Full), "{rule}");
        assert!(is_stored(&test_store, "s", size), "{rule}");
        assert_eq!(n_taken(&test_store), if size > PART { 4 } else { 0 }, "{rule}");
        assert_eq!(names(&folder(&test_store)), [""; 0], "{rule}");
        assert_eq!(journals(&test_store).unfinished().unwrap().len(), 0);
    }
}

#[test]
fn the_same_stream_again_sends_no_finished_part_again_and_another_begins_anew() {
    let test_store = TestStore::new();
    let break_off = |rule: &str| {
        test_store.server.faults(&[rule]);
        spooled(&test_store, bytes(4 * PART)).unwrap_err();
        test_store.server.clear_faults();
        assert!(test_store.server.wait_until_idle(LONG));
    };
    break_off("CompleteMultipartUpload:denied");
    spooled(&test_store, bytes(4 * PART)).unwrap();
    assert_eq!(n_taken(&test_store), 4);
    assert_eq!(names(&folder(&test_store)), [""; 0]);

    // Of another length, and of the same.
    for content in [bytes(3 * PART), vec![7; 20 << 20]] {
        let test_store = TestStore::new();
        test_store.server.faults(&["CompleteMultipartUpload:denied"]);
        spooled(&test_store, bytes(4 * PART)).unwrap_err();

        spooled(&test_store, content.clone()).unwrap();

        assert!(test_store.server.object("backups", "s").unwrap().bytes() == content);
        assert!(
            test_store
                .events
                .borrow()
                .iter()
                .any(|event| matches!(event, Event::AbandonedUpload { .. }))
        );
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
        assert_eq!(names(&folder(&test_store)), [""; 0]);
    }
}

#[test]
fn a_spooled_stream_that_is_given_up_leaves_nothing() {
    for rule in ["UploadPart:denied:part=3", "CreateMultipartUpload:denied"] {
        let test_store = TestStore::new();
        test_store.server.faults(&[rule]);
        spooled(&test_store, bytes(4 * PART)).unwrap_err();
        let unfinished = journals(&test_store).unfinished().unwrap().remove(0);

        test_store
            .run(async |context| {
                discard_upload(context, &journals(&test_store), &unfinished.job).await
            })
            .unwrap();

        assert_eq!(test_store.server.pending_uploads("backups"), 0);
        assert_eq!(names(&folder(&test_store)), [""; 0]);
        assert_eq!(journals(&test_store).unfinished().unwrap().len(), 0);
    }
}

#[test]
fn a_spool_stays_for_the_place_that_failed() {
    let test_store = TestStore::new();
    test_store.server.faults(&["CompleteMultipartUpload:denied"]);
    let origin = StreamInput::Input(Box::new(Cursor::new(bytes(2 * PART))));
    let places = [uri("a"), uri("b")];

    let stored =
        put_from(&test_store, origin, Some(&folder(&test_store)), (&places, &options(&test_store)))
            .unwrap();

    assert_eq!(stored.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(names(&folder(&test_store)).len(), 1);
    resume(&test_store).unwrap();
    assert!(is_stored(&test_store, "a", 2 * PART) && is_stored(&test_store, "b", 2 * PART));
    assert_eq!(names(&folder(&test_store)), [""; 0]);
}

fn sh(script: &str) -> StreamInput {
    StreamInput::Command(Box::new(CommandSpec::new("sh").arg("-c").arg(script)), Box::new(|_| {}))
}

#[test]
fn a_command_that_fails_stores_nothing_with_a_spool_and_without() {
    for script in [
        "head -c 12000000 /dev/zero; exit 3",
        "echo x; exit 3",
        "head -c 12000000 /dev/zero; kill -9 $$",
    ] {
        for is_spooled in [false, true] {
            let test_store = TestStore::new();
            let folder = folder(&test_store);
            let spool = is_spooled.then_some(folder.as_path());

            let error =
                put_from(&test_store, sh(script), spool, (&[uri("s")], &options(&test_store)))
                    .unwrap_err();

            assert_eq!(error.kind(), Kind::Failed);
            assert_eq!(error.to_string(), "failed to read the output of `sh`");
            assert_eq!(test_store.server.keys("backups"), [""; 0]);
            assert_eq!(test_store.server.pending_uploads("backups"), 0);
            assert_eq!(names(&folder), [""; 0]);
        }
    }
}

#[test]
fn a_command_is_not_started_for_a_key_that_is_taken_or_a_bucket_that_is_missing() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "s", b"there");
    let trace = test_store.path("trace");
    let script = format!("echo x; : >{}", trace.display());
    let put =
        |options: &PutOptions| put_from(&test_store, sh(&script), None, (&[uri("s")], options));

    let refused = put(&in_small_parts()).unwrap();
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), Kind::Exists);
    let nowhere = [S3Uri::new("nowhere", "s").unwrap()];
    let lost = put_from(&test_store, sh(&script), None, (&nowhere, &in_small_parts())).unwrap();
    assert_eq!(lost[0].as_ref().unwrap_err().kind(), Kind::NotFound);
    assert!(!trace.exists());
    let overwriting = PutOptions { replace: OverwritePolicy::Overwrite, ..in_small_parts() };
    put(&overwriting).unwrap().remove(0).unwrap();

    assert!(trace.exists());
    assert_eq!(test_store.server.object("backups", "s").unwrap().bytes(), b"x\n");
}

#[test]
fn a_spool_needs_a_folder_and_removes_what_a_killed_run_left() {
    let test_store = TestStore::new();
    let origin = || StreamInput::Input(Box::new(Cursor::new(bytes(10))));
    let missing = test_store.path("missing");

    let error =
        put_from(&test_store, origin(), Some(&missing), (&[uri("s")], &options(&test_store)))
            .unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);

    let folder = folder(&test_store);
    fs::File::create(folder.join(".s3push-0123456789ab.spool.Xy12zz.partial")).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    spooled(&test_store, bytes(10)).unwrap();
    assert_eq!(names(&folder), [""; 0]);
}

#[test]
fn a_signal_ends_a_stream_that_is_written_down_and_one_that_is_sent() {
    for is_spooled in [true, false] {
        let test_store = TestStore::unhurried();
        let folder = folder(&test_store);
        let spool = is_spooled.then_some(folder.as_path());
        test_store.on_event(|test_store, event| {
            if matches!(event, Event::Spooled(_) | Event::Part { .. }) {
                test_store.cancel.cancel(15);
            }
        });
        let origin = sh("head -c 12000000 /dev/zero; exec sleep 600");

        let error =
            put_from(&test_store, origin, spool, (&[uri("s")], &options(&test_store))).unwrap_err();

        assert_eq!(error.to_string(), "interrupted by SIGTERM");
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(test_store.server.keys("backups"), [""; 0]);
        assert_eq!(test_store.server.pending_uploads("backups"), 0);
        assert_eq!(names(&folder), [""; 0]);
    }
}
