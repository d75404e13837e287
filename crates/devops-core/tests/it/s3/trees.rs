//! Many files at once: one listing in place of a question for each.

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Event, Filter, Listed, PutOptions, find_upload_items, for_each_concurrent,
        list_absent_keys, put,
    },
};

use crate::s3::test_store::{TestStore, uri};

/// Puts a folder of twelve small files below `t/`, and returns what was refused.
fn put_tree(test_store: &TestStore) -> Vec<(String, Kind)> {
    std::fs::create_dir(test_store.path("tree")).unwrap();
    for n in 0..12 {
        test_store.file(&format!("tree/{n:02}"), 100);
    }
    let found =
        find_upload_items(&[test_store.path("tree")], &uri("t/"), &Filter::default(), false)
            .unwrap();
    let options = PutOptions::default();
    let mut refused = Vec::new();
    test_store
        .run(async |context| {
            let free = list_absent_keys(context, &found.files, &options).await?;
            for_each_concurrent(
                context,
                &found.files,
                async |source| {
                    let listed = free.contains(&source.uri).then_some(Listed::Free);
                    put(context, source, &PutOptions { listed, ..options.clone() }).await
                },
                |source, result| {
                    let kind = result.err().map(|error| error.kind());
                    refused.extend(kind.map(|kind| (source.uri.key.clone(), kind)));
                },
            )
            .await
        })
        .unwrap();
    refused
}

#[test]
fn many_files_are_looked_for_in_one_listing_and_those_there_one_by_one() {
    let test_store = TestStore::new();
    test_store.server.put("backups", "t/03", b"other");
    test_store.server.put("backups", "t/other", b"");

    let refused = put_tree(&test_store);

    assert_eq!(refused, [("t/03".to_owned(), Kind::Exists)]);
    assert_eq!(test_store.server.object("backups", "t/03").unwrap().bytes(), b"other");
    assert_eq!(
        (test_store.server.count("ListObjectsV2"), test_store.server.count("HeadObject")),
        (1, 1)
    );
    assert_eq!(test_store.server.keys("backups").len(), 13);
}

#[test]
fn what_another_writer_put_after_the_listing_stays() {
    let test_store = TestStore::new();
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::Started { uri, .. } if uri.key == "t/05") {
            test_store.server.put("backups", "t/05", b"quicker");
        }
    });

    let refused = put_tree(&test_store);

    assert_eq!(refused, [("t/05".to_owned(), Kind::Exists)]);
    assert_eq!(test_store.server.object("backups", "t/05").unwrap().bytes(), b"quicker");
}

#[test]
fn who_may_not_list_asks_for_each() {
    let test_store = TestStore::new();
    test_store.server.faults(&["ListObjectsV2:denied:always"]);
    test_store.server.put("backups", "t/03", b"other");

    assert_eq!(put_tree(&test_store), [("t/03".to_owned(), Kind::Exists)]);
    assert_eq!(test_store.server.count("HeadObject"), 12);
}

#[test]
fn a_listing_that_takes_longer_than_asking_is_given_up() {
    let test_store = TestStore::new();
    (0..130).for_each(|n| test_store.server.put("backups", &format!("t/{n:04}"), b""));

    assert_eq!(put_tree(&test_store), []);
    assert_eq!(test_store.server.count("HeadObject"), 12);
}

#[test]
fn a_store_that_refuses_conditions_is_asked_again_before_each_write() {
    let test_store = TestStore::new();
    test_store.server.faults(&["PutObject:refuse-conditions:always"]);
    test_store.on_event(|test_store, event| {
        if matches!(event, Event::Started { uri, .. } if uri.key == "t/11") {
            test_store.server.put("backups", "t/11", b"quicker");
        }
    });

    assert_eq!(put_tree(&test_store), [("t/11".to_owned(), Kind::Exists)]);
    assert_eq!(test_store.server.object("backups", "t/11").unwrap().bytes(), b"quicker");
}
