//! Objects that are removed, one and many.

use crate::servers::{
    client::{store, store_if_taken},
    rig::Rig,
    traits::{note, traits},
};

#[test]
fn one_object_is_removed_and_one_that_is_not_there_keeps_all_others() {
    let rig = Rig::new();
    for key in ["a.txt", "b c+d.txt"] {
        store(&rig.bucket, key, b"12345");
    }

    let missing = rig.run(&["rm", &rig.uri("a.txt"), &rig.uri("lost")]);
    let before = rig.keys();
    let odd = rig.run(&["rm", &rig.uri("b c+d.txt")]);

    missing.expect_code(5);
    assert!(missing.stderr.contains("no object `"), "{}", missing.stderr);
    assert_eq!(before, ["a.txt", "b c+d.txt"]);
    odd.expect_code(0);
    assert_eq!(rig.keys(), ["a.txt"]);
}

#[test]
fn all_under_a_prefix_is_removed_and_nothing_beside_it() {
    let rig = Rig::new();
    let odd = ["logs/a b", "logs/x&<y>", "logs/ü", "logs/sub/1", "logs/tab\tt"];
    for key in odd {
        store(&rig.bucket, key, b"12345");
    }
    // Where objects are files, none can have the name of a folder.
    let mut others = vec!["log", "logs", "logs-old/3"];
    others.retain(|key| traits().nests || *key != "logs");
    others.retain(|key| store_if_taken(&rig.bucket, key, b"12345"));
    let n_all = odd.len() + others.len();
    let rm = ["rm", &rig.uri("logs/"), "--recursive"];
    let with = |flags: &[&str]| rig.run(&[&rm[..], flags].concat());

    let planned = with(&["--dry-run"]);
    let refused = with(&["--max-delete", "4"]);
    let before = rig.keys().len();
    let some = with(&["--include", "sub/**"]);
    let left = rig.keys().len();
    let rest = with(&[]);
    let nothing = with(&[]);

    assert_eq!(planned.expect_code(0).stdout.lines().count(), 5);
    refused.expect_code(11);
    assert_eq!(before, n_all);
    assert_eq!(some.expect_code(0).stdout, format!("removed {}\n", rig.uri("logs/sub/1")));
    assert_eq!(left, n_all - 1);
    rest.expect_code(0);
    assert!(rest.stderr.contains("4 removed, 20 B freed"), "{}", rest.stderr);
    let mut keys = rig.keys();
    keys.sort();
    assert_eq!(keys, others);
    nothing.expect_code(5);
}

#[test]
fn more_objects_than_one_request_takes_are_removed() {
    let rig = Rig::new();
    for n in 0..1003 {
        rig.env.write(format!("tree/{n:04}.txt"), "x");
    }
    rig.run(&["put", "tree", &rig.uri("many/"), "-q"]).expect_code(0);
    store(&rig.bucket, "other", b"x");

    let run = rig.run(&["rm", &rig.uri("many"), "--recursive"]);

    assert_eq!(run.expect_code(0).stdout.lines().count(), 1003);
    assert_eq!(rig.keys(), ["other"]);
}

#[test]
fn versions_are_asked_for_and_where_there_are_none_nothing_is_removed_by_mistake() {
    let rig = Rig::new();
    store(&rig.bucket, "a/1", b"x");
    store(&rig.bucket, "a/2", b"x");

    let run = rig.run(&["rm", &rig.uri("a/"), "--recursive", "--versions"]);

    if traits().lists_versions {
        // The only version of each is called `null`.
        run.expect_code(0);
        assert_eq!(rig.keys(), [""; 0]);
    } else {
        // A plan from half a listing is none.
        run.expect_code(1);
        note("removal", "without versions");
        assert!(run.stderr.contains("ListObjectVersions"), "{}", run.stderr);
        assert_eq!(rig.keys(), ["a/1", "a/2"]);
    }
}
