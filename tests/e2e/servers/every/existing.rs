//! Keys that are taken.

use crate::servers::{
    client::store,
    rig::{MIB, Rig, bytes, event},
};

/// Garage ignores `If-None-Match`, so there only the look before the put can catch it.
#[test]
fn an_existing_key_is_refused_whatever_the_size() {
    let rig = Rig::new();
    store(&rig.bucket, "taken", b"precious");

    for size in [10, 6 * MIB] {
        let run = rig.put("taken", &bytes(size), &["--part-size", "5MiB"]);

        run.expect_code(1);
        assert!(run.stderr.contains("exists already"), "{}", run.stderr);
        rig.check("taken", b"precious");
    }
    assert!(rig.uploads().is_empty());
}

#[test]
fn an_existing_key_is_replaced_when_asked() {
    let rig = Rig::new();
    for size in [10, 6 * MIB] {
        store(&rig.bucket, "taken", b"old");

        rig.put("taken", &bytes(size), &["--part-size", "5MiB", "--overwrite"]).expect_code(0);

        rig.check("taken", &bytes(size));
    }
}

#[test]
fn only_what_was_changed_is_replaced() {
    let rig = Rig::new();
    for (key, size) in [("single", 10), ("parts", 6 * MIB)] {
        let flags = ["--part-size", "5MiB", "--if-changed", "--json"];
        let outcome = |bytes: &[u8]| {
            let run = rig.put(key, bytes, &flags);
            event(run.expect_code(0), "object")["outcome"].clone()
        };
        let (mut first, mut second) = (bytes(size), bytes(size));
        first[size / 2] = 1;
        second[size / 2] = 2;

        let told = [&first, &first, &second, &second].map(|bytes| outcome(bytes));

        assert_eq!(told, ["stored", "unchanged", "stored", "unchanged"], "{key}");
        rig.check(key, &second);
    }
}

#[test]
fn the_same_content_is_unchanged_and_not_sent() {
    let rig = Rig::new();
    for (key, size) in [("single", 10), ("parts", 6 * MIB)] {
        let flags = ["--part-size", "5MiB", "--json"];
        rig.put(key, &bytes(size), &flags).expect_code(0);
        let before = rig.head(key);

        let again = rig.put(key, &bytes(size), &flags);

        again.expect_code(0);
        let object = event(&again, "object");
        assert_eq!((&object["outcome"], &object["bytes_sent"]), (&"unchanged".into(), &0.into()));
        assert_eq!(rig.head(key)["LastModified"], before["LastModified"]);
        // What others stored is known by whatever the store tells of it.
        store(&rig.bucket, "theirs", &bytes(10));
        rig.put("theirs", &bytes(10), &[]).expect_code(0);
    }
}

#[test]
fn a_dry_run_tells_and_stores_nothing() {
    let rig = Rig::new();
    store(&rig.bucket, "taken", b"precious");

    rig.put("free", b"x", &["--dry-run"]).expect_code(0);
    rig.put("taken", b"other", &["--dry-run"]).expect_code(1);

    assert_eq!(rig.keys(), ["taken"]);
}
