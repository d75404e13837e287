//! Fetching many objects, and one in several goes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use devops_core::{
    fs::{Destination, IfExists, OpenFolder},
    kind::{HasKind, Kind},
    s3::{
        Event, Filter, GetOptions, GetSummary, PartSize, S3Context, S3Error, delete,
        find_download_items, for_each_concurrent, get, get_download_item,
    },
    units::ByteSize,
};

use crate::s3::{
    put::in_small_parts,
    test_store::{PART, TestStore, bytes, uri},
};

const SIZE: u64 = 2 * PART + 99;

fn options() -> GetOptions {
    let part_size = PartSize::Exactly(ByteSize(PART));
    GetOptions { replace: IfExists::Fail, mode: None, preserve: false, group: None, part_size }
}

fn get_to(test_store: &TestStore, path: &Path) -> Result<GetSummary, S3Error> {
    test_store.run(async |context| {
        get(context, &uri("a.bin"), &Destination::open(path)?, options()).await
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A rig with one object of three ranges, of which the first was fetched before the get was interrupted.
fn broken_off() -> (TestStore, PathBuf) {
    // It is there before the next one is asked for.
    let test_store = TestStore::one_by_one();
    test_store.put(&test_store.file("source.bin", SIZE), "a.bin", &in_small_parts()).unwrap();
    fs::create_dir(test_store.path("to")).unwrap();
    let path = test_store.path("to/back.bin");
    test_store.server.faults(&["GetObject:denied:after=1:always"]);
    let error = get_to(&test_store, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Permission);
    test_store.server.clear_faults();
    (test_store, path)
}

fn n_kept(test_store: &TestStore) -> u64 {
    let events = test_store.events.borrow();
    events
        .iter()
        .map(|event| if let Event::PartialKept { size, .. } = event { *size } else { 0 })
        .sum()
}

#[test]
fn what_was_fetched_before_the_work_broke_off_is_not_fetched_again() {
    let (test_store, path) = broken_off();
    let kept = names(&test_store.path("to"));
    let n_before = test_store.server.count("GetObject");
    let at_first = n_kept(&test_store);

    get_to(&test_store, &path).unwrap();

    assert_eq!(kept, [".back.bin.s3get-journal", ".back.bin.s3get-part"]);
    assert_eq!(at_first, PART);
    assert_eq!(test_store.server.count("GetObject") - n_before, 2);
    assert!(fs::read(&path).unwrap() == bytes(SIZE));
    assert_eq!(names(&test_store.path("to")), ["back.bin"]);
    let is_continued = |event: &Event| matches!(event, Event::Continued { parts: 1, .. });
    assert!(test_store.events.borrow().iter().any(is_continued));
}

#[test]
fn an_object_that_was_changed_meanwhile_is_fetched_from_the_beginning() {
    let (test_store, path) = broken_off();
    test_store.server.put("backups", "a.bin", &bytes(SIZE - 1));

    get_to(&test_store, &path).unwrap();

    assert!(fs::read(&path).unwrap() == bytes(SIZE - 1));
    assert!(
        test_store
            .events
            .borrow()
            .iter()
            .any(|event| matches!(event, Event::RestartedDownload { .. }))
    );
    assert_eq!(names(&test_store.path("to")), ["back.bin"]);
}

#[test]
fn bytes_of_an_earlier_run_that_were_damaged_are_fetched_again() {
    use std::os::unix::fs::FileExt;
    let (test_store, path) = broken_off();
    let part =
        fs::File::options().write(true).open(test_store.path("to/.back.bin.s3get-part")).unwrap();
    for offset in [1, PART + 1, 2 * PART + 1] {
        part.write_all_at(b"\0\x01\x02\x03\x04\x05\x06\x07", offset).unwrap();
    }
    let n_before = test_store.server.count("GetObject");

    get_to(&test_store, &path).unwrap();

    assert_eq!(test_store.server.count("GetObject") - n_before, 3);
    assert!(fs::read(&path).unwrap() == bytes(SIZE));
}

#[test]
fn bytes_that_are_not_those_of_the_store_leave_nothing() {
    let (test_store, path) = broken_off();
    test_store.server.faults(&["HeadObject:wrong-checksum:always"]);

    let error = get_to(&test_store, &path).unwrap_err();

    assert_eq!(error.kind(), Kind::Mismatch);
    assert_eq!(names(&test_store.path("to")), [""; 0]);
}

#[test]
fn a_file_that_is_the_same_already_is_not_fetched() {
    let (test_store, path) = broken_off();
    fs::copy(test_store.path("source.bin"), &path).unwrap();
    let n_before = test_store.server.count("GetObject");

    let summary = get_to(&test_store, &path).unwrap();

    assert!(summary.is_unchanged);
    assert_eq!(test_store.server.count("GetObject"), n_before);
    assert_eq!(names(&test_store.path("to")), ["back.bin"]);
}

#[derive(Debug, Default)]
struct Done {
    fetched: Vec<String>,
    n_unchanged: usize,
    failed: Vec<(String, Kind)>,
}

fn get_all(test_store: &TestStore, before: impl AsyncFnOnce(S3Context<'_>)) -> Done {
    let folder = test_store.path("tree");
    let mut done = Done::default();
    test_store
        .run(async |context| {
            let targets = find_download_items(context, &uri("p/"), &Filter::default()).await?;
            before(context).await;
            let folder = OpenFolder::create(&folder)?;
            let work = async |target| get_download_item(context, &folder, target, options()).await;
            for_each_concurrent(context, &targets.files, work, |target, result| {
                let name = target.relative.to_str().unwrap().to_owned();
                match result {
                    Ok(summary) if summary.is_unchanged => done.n_unchanged += 1,
                    Ok(_) => done.fetched.push(name),
                    Err(error) => done.failed.push((name, error.kind())),
                }
            })
            .await
        })
        .unwrap();
    done.fetched.sort();
    done
}

#[test]
fn the_objects_under_a_prefix_come_several_at_a_time_and_only_once() {
    let test_store = TestStore::new();
    let keys: Vec<_> = (0..12).map(|n| format!("{n:02}/ü {n}")).collect();
    for key in &keys {
        test_store.server.put("backups", &format!("p/{key}"), key.as_bytes());
    }
    test_store.server.put("backups", "p/../../out", b"x");
    test_store.server.put("backups", "q/other", b"x");
    test_store.server.faults(&["GetObject:hold:times=2"]);

    let first = test_store.while_held(2, |_| (), |test_store| get_all(test_store, async |_| ()));
    let second = get_all(&test_store, async |_| ());

    assert_eq!((first.fetched, first.failed), (keys.clone(), vec![]));
    assert_eq!((second.fetched.len(), second.n_unchanged), (0, 12));
    assert!(
        keys.iter()
            .all(|key| fs::read(test_store.path("tree").join(key)).unwrap() == key.as_bytes())
    );
    assert!(test_store.server.log().iter().any(|entry| entry.alongside > 1));
    assert!(!test_store.path("out").exists());
    // One request for each, and none for those that are here.
    assert_eq!(
        (test_store.server.count("GetObject"), test_store.server.count("HeadObject")),
        (12, 0)
    );
}

#[test]
fn an_object_that_was_replaced_after_the_listing_comes_as_it_is_now() {
    let test_store = TestStore::new();
    for key in ["p/a", "p/b"] {
        test_store.server.put("backups", key, b"old");
    }

    let done = get_all(&test_store, async |_| {
        test_store.server.put("backups", "p/a", b"new");
        test_store.server.put("backups", "p/b", b"longer");
    });

    assert_eq!(done.fetched, ["a", "b"]);
    assert_eq!(fs::read(test_store.path("tree/a")).unwrap(), b"new");
    assert_eq!(fs::read(test_store.path("tree/b")).unwrap(), b"longer");
}

#[test]
fn a_small_object_that_arrives_as_another_becomes_no_file() {
    let test_store = TestStore::new();
    for key in ["p/a", "p/b"] {
        test_store.server.put("backups", key, b"content");
    }
    test_store.server.faults(&["GetObject:wrong-checksum"]);

    let done = get_all(&test_store, async |_| ());

    assert_eq!((done.fetched.len(), done.failed.len()), (1, 1));
    assert_eq!(done.failed[0].1, Kind::Mismatch);
    assert_eq!(names(&test_store.path("tree")), [done.fetched[0].as_str()]);
}

#[test]
fn a_file_that_is_another_and_an_object_that_goes_keep_nothing_else_from_coming() {
    let test_store = TestStore::new();
    for key in ["p/a", "p/b", "p/c", "p/d/e"] {
        test_store.server.put("backups", key, b"x");
    }
    fs::create_dir(test_store.path("tree")).unwrap();
    test_store.file("tree/a", 3);
    test_store.file("tree/d", 0);

    let mut done = get_all(&test_store, async |context| {
        delete(context, &[uri("p/b").into()], &mut |_, _| {}).await.unwrap();
    });

    done.failed.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(done.fetched, ["c"]);
    let kinds: Vec<_> = done.failed.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(kinds, [("a", Kind::Exists), ("b", Kind::NotFound), ("d/e", Kind::Failed)]);
    assert_eq!(fs::read(test_store.path("tree/a")).unwrap(), bytes(3));
}

#[test]
fn a_listing_that_fails_halfway_fetches_nothing() {
    let test_store = TestStore::new();
    for n in 0..1001 {
        test_store.server.put("backups", &format!("p/{n}"), b"x");
    }
    test_store.server.faults(&["ListObjectsV2:denied:after=1:always"]);

    let found = test_store
        .run(async |context| find_download_items(context, &uri("p/"), &Filter::default()).await);

    assert_eq!(found.unwrap_err().kind(), Kind::Permission);
    assert_eq!(test_store.server.count("GetObject"), 0);
}
