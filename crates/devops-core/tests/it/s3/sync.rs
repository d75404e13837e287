//! A folder and a prefix that are made alike.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        DeleteTarget, Deletion, Filter, ObjectSummary, Outcome, Proof, PutOptions, S3Error,
        SyncError, SyncPlan, SyncScope, check_listing, delete, for_each_concurrent, plan_sync, put,
        upload_if_changed,
    },
};
use proptest::prelude::*;

use crate::s3::test_store::{PART, TestStore, uri};

/// What a sync came to.
#[derive(Debug, Default)]
struct Done {
    stored: Vec<String>,
    unchanged: Vec<(String, Proof)>,
    failed: Vec<(String, Kind)>,
    deleted: Vec<String>,
}

fn plan(
    test_store: &TestStore,
    folder: &Path,
    deletion: Option<Deletion>,
) -> Result<SyncPlan, SyncError> {
    let (prefix, filter) = (uri("p/"), Filter::default());
    let pair = SyncScope { folder, prefix: &prefix, filter: &filter };
    let planned = test_store.run(async |context| plan_sync(context, pair, false, deletion).await);
    planned.map(|(_, plan)| plan)
}

/// Does what a plan says, deletions included.
fn carry_out(
    test_store: &TestStore,
    plan: &SyncPlan,
    options: &PutOptions,
) -> Result<Done, SyncError> {
    let (mut done, mut objects) = (Done::default(), Vec::new());
    test_store.run(async |context| {
        let work = async |file| {
            upload_if_changed(context, file, options, async |source, options| {
                put(context, source, options).await
            })
            .await
        };
        for_each_concurrent(
            context,
            &plan.files,
            work,
            |file, result: Result<ObjectSummary, S3Error>| {
                let key = file.source.uri.key.clone();
                match &result {
                    Ok(object) if object.outcome == Outcome::Stored => done.stored.push(key),
                    Ok(object) => done.unchanged.push((key, object.proof)),
                    Err(error) => done.failed.push((key, error.kind())),
                }
                objects.extend(result);
            },
        )
        .await?;
        if plan.extra.is_empty() {
            return Ok(());
        }
        check_listing(context, &uri("p/"), plan, &objects).await?;
        let targets: Vec<DeleteTarget> =
            plan.extra.iter().map(|object| object.uri.clone().into()).collect();
        let mut each = |target: &DeleteTarget, _| done.deleted.push(target.uri.key.clone());
        Ok::<_, SyncError>(delete(context, &targets, &mut each).await?)
    })?;
    done.stored.sort();
    Ok(done)
}

fn sync(test_store: &TestStore, folder: &Path) -> Done {
    let plan = plan(test_store, folder, Some(Deletion::default())).unwrap();
    carry_out(test_store, &plan, &PutOptions::default()).unwrap()
}

/// A rig with a folder of these files.
fn with_files(files: &[(&str, &str)]) -> (TestStore, PathBuf) {
    let test_store = TestStore::new();
    let folder = test_store.path("folder");
    fs::create_dir(&folder).unwrap();
    for (name, content) in files {
        write(&folder, name, content.as_bytes());
    }
    (test_store, folder)
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut fs::File::create(path).unwrap(), content).unwrap();
}

fn objects(test_store: &TestStore) -> BTreeMap<String, Vec<u8>> {
    let keys = test_store.server.keys("backups");
    keys.into_iter()
        .map(|key| {
            let bytes = test_store.server.object("backups", &key).unwrap().bytes();
            (key, bytes)
        })
        .collect()
}

#[test]
fn a_prefix_becomes_what_the_folder_is() {
    let (test_store, folder) =
        with_files(&[("a", "1"), ("b", "22"), ("d/e", "new"), ("d/f", "same")]);
    for (key, content) in [("p/b", "33"), ("p/a", "longer"), ("p/d/f", "same"), ("p/g", "gone")] {
        test_store.server.put("backups", key, content.as_bytes());
    }
    test_store.server.put("backups", "q/other", b"x");

    let done = sync(&test_store, &folder);

    assert_eq!(done.stored, ["p/a", "p/b", "p/d/e"]);
    assert_eq!(done.unchanged, [("p/d/f".to_owned(), Proof::Etag)]);
    assert_eq!((done.deleted, done.failed), (vec!["p/g".to_owned()], vec![]));
    let contents: Vec<_> = objects(&test_store).into_values().collect();
    assert_eq!(contents, [&b"1"[..], b"22", b"new", b"same", b"x"]);
}

#[test]
fn a_small_file_is_compared_by_the_listing_alone_and_a_new_one_sent_at_once() {
    let (test_store, folder) = with_files(&[("a", "1"), ("b", "2")]);
    test_store.server.put("backups", "p/a", b"1");

    sync(&test_store, &folder);

    let log = test_store.server.log();
    let operations: Vec<_> = log.iter().map(|entry| entry.operation.as_str()).collect();
    assert_eq!(operations, ["ListObjectsV2", "PutObject"]);
}

#[test]
fn a_large_object_is_compared_by_the_checksum_of_the_store() {
    let (test_store, folder) = with_files(&[]);
    let file = test_store.file("folder/large", 2 * PART);
    let options = crate::s3::put::in_small_parts();
    let sync = || {
        let plan = plan(&test_store, &folder, None).unwrap();
        carry_out(&test_store, &plan, &options).unwrap()
    };

    let (first, second) = (sync(), sync());
    std::os::unix::fs::FileExt::write_all_at(
        &fs::File::options().write(true).open(&file).unwrap(),
        b"x",
        PART,
    )
    .unwrap();
    let third = sync();

    assert_eq!((first.stored.len(), third.stored.len()), (1, 1));
    assert_eq!(second.unchanged, [("p/large".to_owned(), Proof::Full)]);
    assert!(
        test_store.server.object("backups", "p/large").unwrap().bytes() == fs::read(&file).unwrap()
    );
}

#[test]
fn a_tag_that_is_no_md5_decides_nothing() {
    let (test_store, folder) = with_files(&[("a", "1")]);
    test_store.server.put("backups", "p/a", b"1");
    test_store.server.faults(&["ListObjectsV2:wrong-etag:always"]);

    let done = sync(&test_store, &folder);

    assert_eq!(done.unchanged, [("p/a".to_owned(), Proof::Full)]);
}

#[test]
fn a_listing_that_fails_halfway_changes_nothing() {
    let (test_store, folder) = with_files(&[("new", "1")]);
    for n in 0..1005 {
        test_store.server.put("backups", &format!("p/{n:04}"), b"x");
    }
    test_store.server.faults(&["ListObjectsV2:denied:after=1:always"]);
    let deletion = Deletion { max: Some(u64::MAX) };

    let error = plan(&test_store, &folder, Some(deletion)).unwrap_err();

    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!(test_store.server.keys("backups").len(), 1005);
    assert!(test_store.server.log().iter().all(|entry| entry.operation == "ListObjectsV2"));
}

#[test]
fn too_many_deletions_are_refused_and_a_missing_folder_is_no_empty_one() {
    let (test_store, folder) = with_files(&[("a", "1")]);
    test_store.server.put("backups", "p/a", b"1");
    for n in 0..12 {
        test_store.server.put("backups", &format!("p/{n:02}"), b"x");
    }
    let kind = |folder: &Path, max| {
        plan(&test_store, folder, Some(Deletion { max }))
            .map(|plan| plan.extra.len())
            .map_err(|error| error.kind())
    };
    let empty = test_store.path("empty");
    fs::create_dir(&empty).unwrap();

    assert_eq!(kind(&folder, None), Err(Kind::Denied));
    assert_eq!(kind(&folder, Some(12)), Ok(12));
    assert_eq!(kind(&empty, Some(13)), Err(Kind::Denied));
    assert_eq!(kind(&test_store.path("missing"), Some(12)), Err(Kind::NotFound));
    assert_eq!(kind(&folder.join("a"), Some(12)), Err(Kind::Usage));
}

#[test]
fn a_change_after_the_listing_is_not_lost() {
    let (test_store, folder) = with_files(&[("old", "1"), ("new", "2"), ("same", "3")]);
    test_store.server.put("backups", "p/old", b"0");
    test_store.server.put("backups", "p/same", b"3");
    let plan = plan(&test_store, &folder, None).unwrap();
    for key in ["p/old", "p/new"] {
        test_store.server.put("backups", key, b"by someone else");
    }

    let mut done = carry_out(&test_store, &plan, &PutOptions::default()).unwrap();

    done.failed.sort_by(|a, b| a.0.cmp(&b.0));
    let lost = |key: &str| (key.to_owned(), Kind::Temporary);
    assert_eq!(done.failed, [lost("p/new"), lost("p/old")]);
    assert_eq!(done.unchanged.len(), 1);
    for key in ["p/old", "p/new"] {
        assert_eq!(test_store.server.object("backups", key).unwrap().bytes(), b"by someone else");
    }
}

#[test]
fn an_object_that_goes_after_the_listing_is_not_brought_back() {
    let (test_store, folder) = with_files(&[("old", "1")]);
    test_store.server.put("backups", "p/old", b"22");
    let plan = plan(&test_store, &folder, None).unwrap();
    test_store
        .run(async |context| delete(context, &[uri("p/old").into()], &mut |_, _| {}).await)
        .unwrap();

    let done = carry_out(&test_store, &plan, &PutOptions::default()).unwrap();

    assert_eq!(done.failed, [("p/old".to_owned(), Kind::Temporary)]);
}

#[test]
fn a_store_that_fails_for_good_ends_the_sync_before_anything_is_deleted() {
    let (test_store, folder) = with_files(&[("a", "1"), ("b", "2")]);
    test_store.server.put("backups", "p/b", b"2");
    test_store.server.put("backups", "p/gone", b"x");
    test_store.server.faults(&["PutObject:denied:always"]);
    let plan = plan(&test_store, &folder, Some(Deletion::default())).unwrap();

    let error = carry_out(&test_store, &plan, &PutOptions::default()).unwrap_err();

    assert_eq!((error.kind(), plan.extra.len()), (Kind::Permission, 1));
    assert_eq!(test_store.server.keys("backups"), ["p/b", "p/gone"]);
}

#[test]
fn a_store_that_folds_or_hides_names_is_shown_by_its_listing_and_nothing_is_deleted() {
    let table = [
        // It lists what it took as `p/A` in lower case, and always did.
        ("always", Some("p/a"), true, Err(Kind::Denied)),
        ("always", Some("p/a"), false, Err(Kind::Denied)),
        // It does not list what it has.
        ("always", None, false, Err(Kind::Denied)),
        // It lists that only after a while.
        ("times=1", None, true, Err(Kind::Denied)),
        ("times=1", None, false, Ok(vec!["p/gone".to_owned()])),
    ];
    for (times, folded, is_there, wanted) in table {
        let (test_store, folder) = with_files(&[("A", "1"), ("b", "2")]);
        let there = [Some("p/b"), Some("p/gone"), folded, is_there.then_some("p/A")];
        for key in there.into_iter().flatten() {
            test_store.server.put("backups", key, if key == "p/b" { b"2" } else { b"1" });
        }
        test_store.server.faults(&[&format!("ListObjectsV2:hide=p/A:{times}")]);
        let plan = plan(&test_store, &folder, Some(Deletion::default())).unwrap();

        let done = carry_out(&test_store, &plan, &PutOptions::default());

        let deleted = done.map(|done| done.deleted).map_err(|error| error.kind());
        let kept = [Some("p/A"), folded, Some("p/b"), deleted.is_err().then_some("p/gone")];
        assert_eq!(
            test_store.server.keys("backups"),
            kept.into_iter().flatten().collect::<Vec<_>>()
        );
        assert_eq!(deleted, wanted);
    }
}

#[test]
fn files_are_put_several_at_a_time() {
    let (test_store, folder) = with_files(&[]);
    for n in 0..12 {
        write(&folder, &n.to_string(), b"x");
    }
    test_store.server.faults(&["PutObject:hold:times=2"]);

    let done = test_store.while_held(2, |_| (), |test_store| sync(test_store, &folder));

    assert_eq!(done.stored.len(), 12);
    assert!(test_store.server.log().iter().any(|entry| entry.alongside > 1));
    assert!(test_store.server.wait_until_idle(Duration::from_secs(9)));
}

/// Names that may stand beside each other, files and folders apart.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "d/a", "d/ü b+c", "d/e/%41", "f/&<x>"])
}

type Contents = BTreeMap<&'static str, Vec<u8>>;

fn contents() -> impl Strategy<Value = Contents> {
    prop::collection::btree_map(name(), prop::collection::vec(0_u8..3, 0..3), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn after_a_sync_both_are_alike_and_another_one_does_nothing(
        here in contents(),
        there in contents(),
    ) {
        let (test_store, folder) = with_files(&[]);
        for (name, content) in &here {
            write(&folder, name, content);
        }
        // Without anything in common nothing would be deleted.
        let (shared, _) = here.first_key_value().unwrap();
        test_store.server.put("backups", &format!("p/{shared}"), b"shared");
        for (name, content) in &there {
            test_store.server.put("backups", &format!("p/{name}"), content);
        }

        let first = sync(&test_store, &folder);
        let n_requests = test_store.server.log().len();
        let second = sync(&test_store, &folder);

        let wanted: BTreeMap<_, _> =
            here.iter().map(|(name, content)| (format!("p/{name}"), content.clone())).collect();
        prop_assert_eq!(objects(&test_store), wanted);
        prop_assert_eq!(first.stored.len() + first.unchanged.len(), here.len());
        prop_assert_eq!(second.unchanged.len(), here.len());
        // One listing, and nothing else.
        prop_assert_eq!(test_store.server.log().len(), n_requests + 1);
    }
}
