//! Unfinished uploads and their age; moto says that all begin in 2010.

use serde_json::json;

use crate::servers::{client::call, rig::Rig};

#[test]
fn a_young_upload_is_left_alone() {
    let rig = Rig::new();
    call("create_multipart_upload", &json!({"Bucket": rig.bucket, "Key": "a.bin"}));

    let old = rig.run(&["uploads", "list", &rig.uri(""), "--older-than", "1h"]);
    let young = rig.run(&["uploads", "abort", &rig.uri("")]);

    assert_eq!(old.expect_code(0).stdout, "");
    assert_eq!(young.expect_code(0).stdout, "");
    assert_eq!(rig.uploads().len(), 1);
}
