//! Objects that go to whoever reads their bytes in order.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, mpsc},
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{Algorithm, GetSummary, Proof, PutOptions, S3Error, get_stream},
};

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

/// Keeps what is written to it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A pipe takes what it likes.
        let some = &bytes[..bytes.len().min(60_000)];
        self.0.lock().unwrap().extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stream(test_store: &TestStore, key: &str) -> (Result<GetSummary, S3Error>, Vec<u8>) {
    let sink = Sink::default();
    let result = test_store.run(async |context| {
        get_stream(context, &uri(key), Box::new(sink.clone()), "standard output".into()).await
    });
    let bytes = sink.0.lock().unwrap().clone();
    (result, bytes)
}

#[test]
fn the_bytes_go_by_in_order_and_are_proven_as_well_as_the_store_tells() {
    let sha256 = Some(Algorithm::Sha256);
    let cases = [
        (0, PutOptions::default(), Proof::Full),
        (1000, PutOptions::default(), Proof::Full),
        (1000, PutOptions { checksum: sha256, ..PutOptions::default() }, Proof::Full),
        (1000, PutOptions { checksum: None, ..PutOptions::default() }, Proof::Etag),
        (5 * PART + 7, in_small_parts(), Proof::Full),
        (5 * PART + 7, PutOptions { checksum: sha256, ..in_small_parts() }, Proof::Parts),
        (5 * PART + 7, PutOptions { checksum: None, ..in_small_parts() }, Proof::Etag),
    ];
    for (size, options, proof) in cases {
        let test_store = TestStore::new();
        let file = test_store.file("a.bin", size);
        test_store.put(&file, "a.bin", &options).unwrap();
        // The first ranges come last.
        test_store.server.faults(&["GetObject:delay=200", "GetObject:internal-error:after=2"]);
        if options.checksum.is_none() {
            test_store.server.faults(&["HeadObject:no-checksum:always"]);
        }

        let (streamed, passed) = stream(&test_store, "a.bin");

        let streamed = streamed.unwrap();
        assert!(passed == bytes(size), "{size} {options:?}");
        assert_eq!((streamed.size, streamed.proof), (size, proof), "{options:?}");
    }
}

#[test]
fn what_is_not_as_the_store_says_is_told_at_the_end() {
    for options in
        [in_small_parts(), PutOptions { checksum: Some(Algorithm::Sha256), ..in_small_parts() }]
    {
        let test_store = TestStore::new();
        let file = test_store.file("a.bin", 3 * PART);
        test_store.put(&file, "a.bin", &options).unwrap();
        test_store.server.faults(&["HeadObject:wrong-checksum"]);

        let (streamed, passed) = stream(&test_store, "a.bin");

        assert_eq!(streamed.unwrap_err().kind(), Kind::Mismatch, "{options:?}");
        assert!(passed == bytes(3 * PART));
    }
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one() {
    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 3 * PART);
    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();
    test_store.server.faults(&["GetObject:conflict:after=1"]);

    assert_eq!(stream(&test_store, "a.bin").0.unwrap_err().kind(), Kind::Temporary);
    assert_eq!(stream(&test_store, "b.bin").0.unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_reader_that_takes_nothing_more_does_not_keep_a_signal_from_ending_it() {
    struct Hangs(mpsc::Sender<()>, mpsc::Receiver<()>);

    impl Write for Hangs {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.send(()).unwrap();
            self.1.recv().unwrap_err();
            Ok(0)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let test_store = TestStore::new();
    let file = test_store.file("a.bin", 3 * PART);
    test_store.put(&file, "a.bin", &in_small_parts()).unwrap();
    let (sender, hangs) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let sink = Hangs(sender, ended);

    let result = std::thread::scope(|scope| {
        let cancel = test_store.cancel.clone();
        scope.spawn(move || {
            hangs.recv().unwrap();
            cancel.cancel(2);
        });
        test_store.run(async |context| {
            get_stream(context, &uri("a.bin"), Box::new(sink), "pipe".into()).await
        })
    });
    drop(end);

    assert!(matches!(result, Err(S3Error::Cancelled(_))), "{result:?}");
}
