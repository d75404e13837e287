//! A folder that is made what a prefix is.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use devops_core::{
    fs::{IfExists, OpenFolder},
    s3::{
        Deletion, Event, ExtraFile, Filter, GetOptions, PartSize, SyncError, SyncScope,
        check_extra, delete_extra, for_each_concurrent, get_download_item, plan_sync_down,
    },
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::s3::test_store::{TestStore, uri};

fn with(files: &[(&str, &str)], objects: &[(&str, &str)]) -> (TestStore, PathBuf) {
    let test_store = TestStore::new();
    let folder = test_store.path("folder");
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(content.as_bytes()).unwrap();
    }
    for (key, content) in objects {
        test_store.server.put("backups", key, content.as_bytes());
    }
    (test_store, folder)
}

/// Makes the folder what the prefix is; returns what was deleted, and what stays though it was to go.
fn sync(
    test_store: &TestStore,
    folder: &Path,
    max: Option<u64>,
) -> Result<(Vec<String>, Vec<String>), SyncError> {
    let (prefix, filter) = (uri("p/"), Filter::default());
    let pair = SyncScope { folder, prefix: &prefix, filter: &filter };
    let replace = IfExists::Replace;
    let options =
        GetOptions { replace, mode: None, group: None, preserve: false, part_size: PartSize::Auto };
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    test_store.run(async |context| {
        let plan = plan_sync_down(context, pair, Some(Deletion { max })).await?;
        let opened = OpenFolder::create(folder).unwrap();
        let work = async |target| get_download_item(context, &opened, target, options).await;
        for_each_concurrent(context, &plan.targets.files, work, |_, result| drop(result.unwrap()))
            .await?;
        check_extra(context, pair, &plan).await?;
        let mut each = |relative: &Path, result: Result<ExtraFile, _>| {
            let is_deleted = result.unwrap() == ExtraFile::Deleted;
            let list = if is_deleted { &mut deleted } else { &mut kept };
            list.push(relative.to_str().unwrap().to_owned());
        };
        delete_extra(context, &opened, &plan, &mut each).await?;
        Ok::<_, SyncError>(())
    })?;
    Ok((deleted, kept))
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_folder_becomes_what_the_prefix_is() {
    let (test_store, folder) = with(
        &[("a", "old"), ("b", "same"), ("d/gone", "x"), (".part.s3get-part", "ours")],
        &[("p/a", "new"), ("p/b", "same"), ("p/d/e", "missing"), ("q", "other")],
    );
    let outside = test_store.file("outside", 1);
    symlink(&outside, folder.join("link")).unwrap();

    let (deleted, kept) = sync(&test_store, &folder, None).unwrap();
    let again = sync(&test_store, &folder, None).unwrap();

    assert_eq!((deleted, kept), (vec!["d/gone".to_owned()], vec![]));
    assert_eq!(["a", "b", "d/e"].map(|name| read(&folder, name)), ["new", "same", "missing"]);
    assert!(!folder.join("d/gone").exists() && folder.join(".part.s3get-part").exists());
    assert!(outside.exists() && folder.join("link").is_symlink());
    assert_eq!(again, (vec![], vec![]));
}

#[test]
fn what_is_no_file_stays_and_is_named() {
    let (test_store, folder) = with(
        &[("a", "1"), ("gone", "x"), ("full/b", "2")],
        &[("p/a", "1"), ("p/full/b", "2"), ("p/marked/", ""), ("p/taken", "3")],
    );
    for name in ["empty", "marked"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    for name in ["pipe", "taken"] {
        mkfifoat(CWD, folder.join(name), Mode::RWXU).unwrap();
    }
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    symlink("nowhere", folder.join("link")).unwrap();
    File::create(folder.join(OsStr::from_bytes(b"\xff"))).unwrap();
    let (prefix, filter) = (uri("p/"), Filter::default());
    let pair = SyncScope { folder: &folder, prefix: &prefix, filter: &filter };
    let plan = |deletion| {
        test_store.run(async |context| plan_sync_down(context, pair, deletion).await).unwrap()
    };

    let (kept, deleted) = (plan(None), plan(Some(Deletion { max: None })));

    assert_eq!((kept.left, kept.empty_folders), (vec![], vec![]));
    assert_eq!(deleted.extra, [Path::new("gone")]);
    let mut left: Vec<_> = deleted.left.into_iter().map(|skipped| skipped.reason).collect();
    left.sort();
    assert_eq!(left, ["a named pipe", "a socket", "a symbolic link", "its name is not UTF-8"]);
    assert_eq!(deleted.empty_folders, [folder.join("empty")]);
}

#[test]
fn what_looks_like_a_mistake_deletes_nothing() {
    type Refusal = fn(&SyncError) -> bool;
    let nothing: Refusal = |error| matches!(error, SyncError::NothingInCommon(1));
    let many: Refusal = |error| matches!(error, SyncError::TooManyDeletions { n: 1, .. });
    for (objects, max, refusal) in [
        (&[("p/a", "1")][..], Some(9), nothing),
        (&[], Some(9), nothing),
        (&[("p/a", "1"), ("p/b", "2")], Some(0), many),
    ] {
        let files: &[_] =
            if objects.len() == 2 { &[("b", "2"), ("gone", "x")] } else { &[("gone", "x")] };
        let (test_store, folder) = with(files, objects);

        let error = sync(&test_store, &folder, max).unwrap_err();

        assert!(refusal(&error), "{error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), files.len());
    }
}

#[test]
fn a_file_whose_object_the_listing_lacks_stays() {
    let (test_store, folder) = with(&[("a", "1"), ("b", "2")], &[("p/a", "1"), ("p/b", "2")]);
    test_store.server.faults(&["ListObjectsV2:hide=p/b:always"]);

    let error = sync(&test_store, &folder, None).unwrap_err();

    assert!(matches!(&error, SyncError::Unlisted(uri) if uri.key == "p/b"), "{error}");
    assert_eq!(read(&folder, "b"), "2");
}

#[test]
fn a_file_that_is_that_of_an_object_by_another_name_stays() {
    let (test_store, folder) = with(&[("a", "1"), ("b", "2")], &[("p/a", "1"), ("p/b", "2")]);
    // As a folder has it that takes two names for one.
    fs::hard_link(folder.join("a"), folder.join("A")).unwrap();

    let done = sync(&test_store, &folder, None).unwrap();

    assert_eq!(done, (vec![], vec!["A".to_owned()]));
    assert_eq!(read(&folder, "a"), "1");
}

#[test]
fn a_file_that_was_written_since_the_plan_stays() {
    let (test_store, folder) = with(
        &[("a", "1"), ("again", "x"), ("anew", "y"), ("gone", "z")],
        &[("p/a", "1"), ("p/b", "2")],
    );
    let is_listed = |event: &Event| matches!(event, Event::Started { .. });
    test_store.on_event(|test_store, event| {
        // The files are fetched after the plan was made.
        if matches!(event, Event::Started { .. }) {
            let folder = test_store.path("folder");
            File::create(folder.join("again")).unwrap().write_all(b"longer").unwrap();
            let anew = File::options().write(true).open(folder.join("anew")).unwrap();
            anew.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    });

    let (deleted, kept) = sync(&test_store, &folder, Some(9)).unwrap();

    assert!(test_store.events.borrow().iter().any(is_listed));
    assert_eq!((deleted, kept), (vec!["gone".to_owned()], vec!["again".into(), "anew".into()]));
    assert_eq!((read(&folder, "again"), read(&folder, "anew")), ("longer".into(), "y".into()));
}

#[test]
fn a_replaced_file_is_readable_to_no_more_than_before() {
    let (test_store, folder) = with(
        &[("private", "old"), ("script", "old")],
        &[("p/private", "new"), ("p/script", "new")],
    );
    let set = |name: &str, mode| {
        let permissions = PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.join(name), permissions).unwrap();
    };
    set("private", 0o600);
    set("script", 0o750);

    sync(&test_store, &folder, None).unwrap();

    let mode = |name: &str| folder.join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("private"), mode("script")), (0o600, 0o750));
    assert_eq!((read(&folder, "private"), read(&folder, "script")), ("new".into(), "new".into()));
}

#[test]
fn nothing_is_deleted_where_something_could_not_be_read() {
    if rustix::process::geteuid().is_root() {
        // Root can read every folder.
        return;
    }
    let (test_store, folder) =
        with(&[("a", "1"), ("gone", "x"), ("closed/b", "2")], &[("p/a", "1")]);
    let mode = |mode| {
        let permissions = PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.join("closed"), permissions).unwrap();
    };
    mode(0);

    let done = sync(&test_store, &folder, None);

    mode(0o700);
    assert_eq!(done.unwrap(), (vec![], vec![]));
}
