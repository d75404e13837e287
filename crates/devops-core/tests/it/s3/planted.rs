//! A folder of a get in which another process puts links while objects are on their way.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use devops_core::{
    fs::{IfExists, OpenFolder, replace, user_mode},
    kind::{HasKind, Kind},
    s3::{
        Filter, GetOptions, PartSize, find_download_items, for_each_concurrent, get_download_item,
    },
    units::ByteSize,
};

use crate::s3::test_store::{PART, TestStore, bytes, uri};

/// Gets all below `p/` into `to`, and returns what failed.
fn get_all(test_store: &TestStore, replace: IfExists) -> Vec<Kind> {
    let part_size = PartSize::Exactly(ByteSize(PART));
    let options = GetOptions { replace, mode: None, preserve: false, group: None, part_size };
    let mut failed = Vec::new();
    test_store
        .run(async |context| {
            let targets = find_download_items(context, &uri("p/"), &Filter::default()).await?;
            let folder = OpenFolder::create(&test_store.path("to"))?;
            let work = async |target| get_download_item(context, &folder, target, options).await;
            let mut tell = |_: &_, result: Result<_, devops_core::s3::S3Error>| {
                failed.extend(result.err().map(|error| error.kind()));
            };
            for_each_concurrent(context, &targets.files, work, &mut tell).await
        })
        .unwrap();
    failed
}

/// A rig with a small object and one of several ranges, whose requests are held.
fn test_store(held: &str) -> TestStore {
    let test_store = TestStore::new();
    test_store.server.put("backups", "p/d/f", held.as_bytes());
    test_store.server.put("backups", "p/d/large", &bytes(2 * PART + 1));
    fs::create_dir_all(test_store.path("to/d")).unwrap();
    fs::create_dir(test_store.path("outside")).unwrap();
    test_store
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what an attacker does need not be durable")]
fn a_folder_that_becomes_a_link_during_a_get_redirects_nothing() {
    let test_store = test_store("content");
    test_store.server.faults(&["GetObject:hold:times=2"]);
    let (folder, moved, outside) =
        (test_store.path("to/d"), test_store.path("to/away"), test_store.path("outside"));
    let swap = move |_: &_| {
        fs::rename(&folder, moved).unwrap();
        symlink(outside, folder).unwrap();
    };

    test_store.while_held(2, swap, |test_store| get_all(test_store, IfExists::Fail));

    assert!(is_empty(&test_store.path("outside")));
    // The open folder was the one that was moved.
    assert_eq!(fs::read(test_store.path("to/away/f")).unwrap(), b"content");
}

#[test]
fn a_link_put_under_the_final_name_during_a_get_is_neither_followed_nor_replaced() {
    for policy in [IfExists::Replace, IfExists::Fail] {
        let test_store = test_store("content");
        test_store.server.faults(&["GetObject:hold:times=2"]);
        replace(&test_store.path("precious"), b"precious", 0o600).unwrap();
        let (precious, names) = (test_store.path("precious"), ["f", "large"]);
        let links = names.map(|name| test_store.path("to/d").join(name));
        let plant = |_: &_| links.iter().for_each(|context| symlink(&precious, context).unwrap());

        let failed = test_store.while_held(2, plant, |test_store| get_all(test_store, policy));

        let expected = if policy == IfExists::Fail { Kind::Exists } else { Kind::Denied };
        assert_eq!(failed, [expected; 2]);
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert!(links.iter().all(|context| context.is_symlink()));
    }
}

#[test]
fn a_link_that_was_there_before_is_refused() {
    let test_store = test_store("content");
    symlink(test_store.path("outside"), test_store.path("to/d/f")).unwrap();
    fs::remove_dir(test_store.path("to/d/large")).unwrap_err();

    let failed = get_all(&test_store, IfExists::Replace);

    assert_eq!(failed, [Kind::Denied]);
    assert!(is_empty(&test_store.path("outside")));
}

#[test]
fn an_archive_is_for_its_owner_alone_and_anything_else_follows_the_umask() {
    let age = "age-encryption.org/v1\n-> X25519";
    for (content, mode) in [(age, 0o600), ("text", user_mode())] {
        let test_store = test_store(content);

        get_all(&test_store, IfExists::Fail);

        let found = fs::metadata(test_store.path("to/d/f")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{content}");
    }
}
