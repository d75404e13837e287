//! Which files of a folder go off-site.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use devops_core::{
    offsite::{Selection, select_kept, select_newest},
    retention::KeepPolicy,
    s3::{Filter, UploadItem, find_upload_items},
};
use time::{OffsetDateTime, macros::datetime};

use crate::s3::{
    prune::{key, ours},
    test_store::{TestStore, uri},
};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

/// A rig with archives of these days here, among other files.
fn with_archives(days: impl IntoIterator<Item = u8>) -> (TestStore, PathBuf) {
    let test_store = TestStore::new();
    let folder = test_store.path("here");
    fs::create_dir_all(folder.join("daily/logs")).unwrap();
    days.into_iter().for_each(|day| write(&folder, &key(day), ours(day)));
    (test_store, folder)
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    File::create(folder.join(name)).unwrap().write_all(content).unwrap();
}

fn last(n: u32) -> KeepPolicy {
    KeepPolicy { last: n, ..KeepPolicy::default() }
}

fn found(folder: &Path) -> Vec<UploadItem> {
    find_upload_items(&[folder.to_owned()], &uri(""), &Filter::default(), false).unwrap().files
}

fn kept(test_store: &TestStore, folder: &Path, policy: &KeepPolicy) -> Selection {
    let files = found(folder);
    test_store.run(async |context| select_kept(context, &files, policy, NOW).await).unwrap()
}

fn newest(test_store: &TestStore, folder: &Path, n: u32) -> Selection {
    let files = found(folder);
    test_store.run(async |context| select_newest(context, &files, n, NOW).await).unwrap()
}

fn keys(sources: &[UploadItem]) -> Vec<&str> {
    sources.iter().map(|source| source.uri.key.as_str()).collect()
}

#[test]
fn what_a_prune_of_the_store_would_not_keep_is_left_out() {
    for (here, there, n, chosen) in [
        (vec![20, 21, 22], vec![], 2, vec![21, 22]),
        (vec![20, 21, 22], vec![], 9, vec![20, 21, 22]),
        // What was pruned there does not go up again, and what is there needs no place twice.
        (vec![20, 21, 22], vec![21, 22], 2, vec![21, 22]),
        (vec![20, 22], vec![21], 2, vec![22]),
        // Those there may be newer.
        (vec![20, 21], vec![23, 24], 2, vec![]),
        (vec![20, 21], vec![23], 2, vec![21]),
    ] {
        let (test_store, folder) = with_archives(here.iter().copied());
        for &day in &there {
            test_store.server.put("backups", &key(day), ours(day));
        }

        let selection = kept(&test_store, &folder, &last(n));

        let chosen: Vec<_> = chosen.into_iter().map(key).collect();
        assert_eq!(keys(&selection.chosen), chosen, "{here:?} {there:?} {n}");
        assert_eq!(selection.chosen.len() + selection.skipped.len(), here.len());
        assert!(!selection.is_blind);
    }
}

#[test]
fn other_names_and_folders_are_series_of_their_own_and_other_files_are_always_put() {
    let (test_store, folder) = with_archives([20, 21]);
    for name in ["daily/shop-2026-11-01.tar.gz", "backup-2026-11-02.tar.gz", "daily/notes.txt"] {
        write(&folder, name, ours(1));
    }

    let selection = kept(&test_store, &folder, &last(1));

    assert_eq!(keys(&selection.skipped), [key(20)]);
    assert_eq!(selection.chosen.len(), 4);
}

#[test]
fn an_archive_that_is_cut_off_takes_no_place_of_a_good_one() {
    let (test_store, folder) = with_archives([20, 21]);
    write(&folder, &key(22), &ours(22)[..ours(22).len() - 9]);

    let selection = kept(&test_store, &folder, &last(1));

    assert_eq!(keys(&selection.skipped), [key(20)]);
}

#[test]
fn what_only_has_the_name_of_an_archive_is_chosen_by_its_date() {
    let (test_store, folder) = with_archives([20]);
    for day in 1..=9 {
        write(&folder, &key(day), b"x");
    }

    for selection in [kept(&test_store, &folder, &last(2)), newest(&test_store, &folder, 2)] {
        assert_eq!(keys(&selection.chosen), [key(8), key(9), key(20)]);
    }
}

#[test]
fn who_may_not_read_the_store_decides_by_what_is_here() {
    for rule in ["ListObjectsV2:denied:always", "GetObject:denied:always"] {
        let (test_store, folder) = with_archives([20, 21, 22]);
        test_store.server.put("backups", &key(23), ours(23));
        test_store.server.faults(&[rule]);

        let selection = kept(&test_store, &folder, &last(2));

        assert_eq!(keys(&selection.chosen), [key(21), key(22)]);
        assert!(selection.is_blind);
    }
}

#[test]
fn a_store_that_fails_is_no_reason_to_send_everything() {
    let test_store = TestStore::impatient();
    let folder = test_store.path("here");
    fs::create_dir_all(folder.join("daily")).unwrap();
    write(&folder, &key(20), ours(20));
    test_store.server.faults(&["ListObjectsV2:internal-error:always"]);
    let files = found(&folder);

    let selection =
        test_store.run(async |context| select_kept(context, &files, &last(1), NOW).await);

    assert!(selection.is_err());
}

#[test]
fn the_newest_are_those_of_each_series_and_of_the_other_files_of_each_folder() {
    let (test_store, folder) = with_archives([20, 21, 22]);
    for (name, days) in [("daily/a.sql", 3), ("daily/b.sql", 1), ("daily/c.sql", 2), ("x", 9)] {
        write(&folder, name, b"x");
        let modified = SystemTime::from(NOW) - Duration::from_hours(24 * days);
        let file = File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(modified).unwrap();
    }
    test_store.server.put("backups", &key(24), ours(24));

    let selection = newest(&test_store, &folder, 2);

    let mut wanted = [key(21), key(22), "daily/b.sql".into(), "daily/c.sql".into(), "x".into()];
    wanted.sort();
    assert_eq!(keys(&selection.chosen), wanted);
    assert_eq!(test_store.server.log(), []);
}
