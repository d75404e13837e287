//! What only garage does: it looks at every checksum, and knows when an upload began.

mod presign;
mod uploads;

use devops_e2e::finish;
use serde_json::json;

use crate::servers::{
    client::try_call,
    rig::{MIB, Rig, bytes, event},
};

#[test]
fn the_server_refuses_a_wrong_checksum() {
    let rig = Rig::new();

    let args = json!({
        "Bucket": rig.bucket, "Key": "a", "Body": "eA==", "ChecksumCRC64NVME": "AAAAAAAAAAA=",
    });

    // Without this, nothing the matrix says about checksums would mean anything.
    assert_eq!(try_call("put_object", &args)["error"], "InvalidDigest");
}

#[test]
fn the_whole_object_is_proven_by_the_server() {
    let rig = Rig::new();
    let size = 11 * MIB;
    for (algorithm, field) in [("crc64nvme", "ChecksumCRC64NVME"), ("crc32c", "ChecksumCRC32C")] {
        let flags = ["--checksum", algorithm, "--part-size", "5MiB", "--json", "--require-proof"];

        let run = rig.put(algorithm, &bytes(size), &[&flags[..], &["full"]].concat());

        run.expect_code(0);
        let head = rig.head(algorithm);
        assert_eq!(head[field], event(&run, "object")["checksum"], "{algorithm}");
        assert_eq!(head["ChecksumType"], "FULL_OBJECT", "{algorithm}");
        rig.check(algorithm, &bytes(size));
    }
}

#[test]
fn wrong_credentials_are_said_so() {
    let rig = Rig::new();
    let path = rig.env.write("a.txt", "x");
    let uri = rig.uri("a.txt");
    let put = ["put", path.to_str().unwrap(), &uri];
    for (name, value) in
        [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "GK000000000000000000000000")]
    {
        let run = finish(rig.command(&put).env(name, value));

        run.expect_code(77);
        assert!(run.stderr.contains("AccessDenied"), "{}", run.stderr);
    }
    assert_eq!(rig.keys(), [""; 0]);
}

#[test]
fn a_wrong_region_is_corrected_from_the_answer() {
    let rig = Rig::new();
    let path = rig.env.write("a.bin", bytes(6 * MIB));
    let uri = rig.uri("a.bin");
    let put = ["put", path.to_str().unwrap(), &uri, "--part-size", "5MiB"];

    finish(rig.command(&put).env("AWS_REGION", "eu-west-3")).expect_code(0);

    rig.check("a.bin", &bytes(6 * MIB));
}
