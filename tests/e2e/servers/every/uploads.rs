//! Unfinished uploads of others.

use serde_json::json;

use crate::servers::{
    client::call,
    rig::Rig,
    traits::{note, traits},
};

#[test]
fn unfinished_uploads_are_listed_and_aborted() {
    let rig = Rig::new();
    for key in ["in/a.bin", "in/b c+d.bin", "out/c.bin"] {
        call("create_multipart_upload", &json!({"Bucket": rig.bucket, "Key": key}));
    }

    let listed = rig.run(&["uploads", "list", &rig.uri("in/"), "--json"]);
    if !traits().lists_uploads {
        listed.expect_code(1);
        assert!(listed.stderr.contains("ListMultipartUploads: "), "{}", listed.stderr);
        note("uploads", "refused");
        return;
    }
    let planned =
        rig.run(&["uploads", "abort", &rig.uri("in/"), "--older-than", "0s", "--dry-run"]);
    let still = rig.uploads().len();
    let aborted = rig.run(&["uploads", "abort", &rig.uri("in/"), "--older-than", "0s"]);

    assert_eq!(listed.expect_code(0).stdout.lines().count(), 2);
    assert!(listed.stdout.contains("in/b c+d.bin"), "{}", listed.stdout);
    assert_eq!(planned.expect_code(0).stdout.lines().count(), 2);
    assert_eq!(still, 3);
    assert_eq!(aborted.expect_code(0).stdout.lines().count(), 2);
    let left = rig.uploads();
    assert_eq!((left.len(), &left[0]["Key"]), (1, &"out/c.bin".into()));
}
