//! A signal while any request waits for the store.

use std::{fs, thread, time::Duration};

use devops_core::{
    fs::{IfExists, OpenFolder},
    kind::{HasKind, Kind},
    s3::{
        DeleteTarget, Deletion, Filter, GetOptions, PartSize, PutOptions, RemoveOptions,
        RetryConfig, S3Error, SyncScope, abort_upload, check_listing, delete, find_download_items,
        for_each_concurrent, get_download_item, pending_uploads, plan_removal, plan_sync, put,
        remove, upload_if_changed,
    },
};
use devops_fakes::s3::Entry;

use crate::s3::{
    every_removal::Objects,
    test_store::{LONG, TestStore, uri},
};

/// A rig in which nothing but a signal ends what waits.
fn patient() -> TestStore {
    let an_hour = Duration::from_hours(1);
    let (before_first_response, stall) = (an_hour, an_hour);
    let test_store =
        TestStore::with(RetryConfig { before_first_response, stall, ..RetryConfig::default() });
    for (key, content) in [("p/a", "old"), ("p/b", "same"), ("p/gone", "x"), ("p/gone ", "y")] {
        test_store.server.put("backups", key, content.as_bytes());
    }
    let folder = test_store.path("folder");
    fs::create_dir(&folder).unwrap();
    for (name, content) in [("a", "new"), ("b", "same")] {
        let mut file = fs::File::create(folder.join(name)).unwrap();
        std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
    }
    test_store
}

/// Lets a signal come as soon as an operation is asked for, which is never answered.
fn ends(
    operation: &str,
    rules: &[&str],
    work: impl Fn(&TestStore) -> Result<(), Kind>,
) -> TestStore {
    let test_store = patient();
    test_store.server.faults(rules);
    test_store.server.faults(&[&format!("{operation}:stall:always")]);
    let result = thread::scope(|scope| {
        let (server, cancel) = (&test_store.server, test_store.cancel.clone());
        scope.spawn(move || {
            let asked = |log: &[Entry]| log.iter().any(|entry| entry.operation == operation);
            server.wait_for(asked, LONG);
            cancel.cancel(2);
        });
        work(&test_store)
    });
    assert_eq!(test_store.server.count(operation).min(1), 1, "{operation} was not asked for");
    assert_eq!(result, Err(Kind::Interrupted), "{operation}");
    test_store
}

fn sync(test_store: &TestStore) -> Result<(), Kind> {
    test_store.run(async |context| {
        let (folder, prefix, filter) = (test_store.path("folder"), uri("p/"), Filter::default());
        let pair = SyncScope { folder: &folder, prefix: &prefix, filter: &filter };
        let planned = plan_sync(context, pair, false, Some(Deletion::default())).await;
        let (_, plan) = planned.map_err(|error| error.kind())?;
        let options = PutOptions::default();
        let work = async |file| {
            upload_if_changed(context, file, &options, async |source, options| {
                put(context, source, options).await
            })
            .await
        };
        let mut stored = Vec::new();
        let each = |_: &_, result: Result<_, _>| stored.extend(result);
        for_each_concurrent(context, &plan.files, work, each)
            .await
            .map_err(|error| error.kind())?;
        let checked = check_listing(context, &prefix, &plan, &stored).await;
        checked.map_err(|error| error.kind())?;
        let extra = plan.extra.iter();
        let targets: Vec<DeleteTarget> = extra.map(|object| object.uri.clone().into()).collect();
        delete(context, &targets, &mut |_, _| {}).await.map_err(|error| error.kind())
    })
}

fn rm(test_store: &TestStore, named: &str, recursive: bool) -> Result<(), Kind> {
    let options = RemoveOptions { recursive, ..RemoveOptions::default() };
    test_store.run(async |context| {
        let planned =
            plan_removal(context, &[uri(named)], &options).await.map_err(|error| error.kind())?;
        remove(context, &planned, &mut |_, _| {}).await.map_err(|error| error.kind())
    })
}

fn get_all(test_store: &TestStore) -> Result<(), Kind> {
    let replace = IfExists::Fail;
    let options =
        GetOptions { replace, mode: None, preserve: false, group: None, part_size: PartSize::Auto };
    let to = test_store.path("to");
    test_store.run(async |context| {
        let targets = find_download_items(context, &uri("p/"), &Filter::default())
            .await
            .map_err(|error| error.kind())?;
        let to = OpenFolder::create(&to).map_err(|error| error.kind())?;
        let work = async |target| get_download_item(context, &to, target, options).await;
        for_each_concurrent(context, &targets.files, work, |_, _| {})
            .await
            .map_err(|error| error.kind())
    })
}

fn clear_up(test_store: &TestStore) -> Result<(), Kind> {
    test_store
        .run(async |context| {
            for upload in pending_uploads(context, &uri(""), None).await? {
                abort_upload(context, &upload).await?;
            }
            Ok::<_, S3Error>(())
        })
        .map_err(|error| error.kind())
}

fn contents(test_store: &TestStore) -> Objects {
    let keys = test_store.server.keys("backups").into_iter();
    keys.map(|key| (key.clone(), test_store.server.object("backups", &key).unwrap().bytes()))
        .collect()
}

#[test]
fn a_signal_ends_a_sync_wherever_it_waits() {
    let untouched = contents(&patient());
    for operation in ["ListObjectsV2", "PutObject"] {
        let test_store = ends(operation, &[], sync);
        assert_eq!(contents(&test_store), untouched, "{operation}");
    }
    // Then the listing's tags say nothing, and the store is asked for each object.
    let test_store = ends("HeadObject", &["ListObjectsV2:wrong-etag:always"], sync);
    assert_eq!(contents(&test_store).len(), untouched.len());
    for operation in ["DeleteObjects", "DeleteObject"] {
        let test_store = ends(operation, &[], sync);
        assert_eq!(contents(&test_store)["p/a"], b"new", "{operation}");
    }
}

#[test]
fn a_signal_ends_a_removal_wherever_it_waits() {
    let untouched = contents(&patient());
    for operation in ["ListObjectsV2", "DeleteObjects"] {
        let test_store = ends(operation, &[], |test_store| rm(test_store, "p/", true));
        assert_eq!(contents(&test_store), untouched, "{operation}");
    }
    ends("DeleteObject", &[], |test_store| rm(test_store, "p/", true));
    let test_store = ends("HeadObject", &[], |test_store| rm(test_store, "p/a", false));
    assert_eq!(contents(&test_store), untouched);
}

#[test]
fn a_signal_ends_the_fetching_of_many_wherever_it_waits() {
    for operation in ["ListObjectsV2", "GetObject"] {
        let test_store = ends(operation, &[], get_all);
        let there = fs::read_dir(test_store.path("to")).map_or(0, Iterator::count);
        assert_eq!(there, 0, "{operation}");
    }
}

#[test]
fn a_signal_ends_the_clearing_up_of_uploads() {
    ends("ListMultipartUploads", &[], clear_up);
    let begun = |test_store: &TestStore| {
        // What nobody heard of was begun all the same.
        let options = crate::s3::put::in_small_parts();
        let file = test_store.file("large", crate::s3::test_store::PART + 1);
        test_store.put(&file, "large", &options).unwrap();
        assert_eq!(test_store.server.pending_uploads("backups"), 1);
        clear_up(test_store)
    };
    ends("AbortMultipartUpload", &["CreateMultipartUpload:drop-after"], begun);
}

#[cfg(all(feature = "archive", feature = "offsite"))]
#[test]
fn a_signal_ends_a_prune_wherever_it_waits() {
    use devops_core::offsite::{plan_prune, remove_pruned};

    use crate::s3::prune::{key, last, ours};

    let prune = |test_store: &TestStore| {
        for day in [20, 21, 22] {
            test_store.server.put("backups", &key(day), ours(day));
        }
        test_store.run(async |context| {
            let plan = plan_prune(context, &last(1)).await.map_err(|error| error.kind())?;
            remove_pruned(context, &plan, &mut |_, _| {}).await.map_err(|error| error.kind())
        })
    };
    for operation in
        ["ListObjectsV2", "GetBucketVersioning", "GetObject", "HeadObject", "DeleteObject"]
    {
        let test_store = ends(operation, &[], prune);
        let keys = test_store.server.keys("backups");
        assert!([20, 21, 22].iter().all(|&day| keys.contains(&key(day))), "{operation}");
    }
}
