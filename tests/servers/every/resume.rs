//! Uploads that are killed, and what goes on with them.
//!
//! The root of moto's `ListParts` is not the one of S3, and the AWS SDK for Rust does not read it.

use devops_e2e::{Running, finish};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    client::call,
    proxy::Proxy,
    rig::{MIB, Rig, bytes, event, place},
};

const PART: usize = 5 * MIB;
const SIZE: usize = 12 * PART + 123;
/// Headers, looks at the object and the listing of parts.
const OVERHEAD: u64 = 1 << 20;

/// Returns the number and the size of the parts that the server has.
fn parts(rig: &Rig) -> Vec<(u64, u64)> {
    let uploads = rig.uploads();
    assert_eq!(uploads.len(), 1, "{uploads:?}");
    let args = json!({"Bucket": rig.bucket, "Key": "a.bin", "UploadId": uploads[0]["UploadId"]});
    let listed = call("list_parts", &args);
    let part = |part: &serde_json::Value| {
        (part["PartNumber"].as_u64().unwrap(), part["Size"].as_u64().unwrap())
    };
    listed["Parts"].as_array().unwrap().iter().map(part).collect()
}

#[test]
fn a_put_that_is_killed_in_the_middle_goes_on_and_sends_no_finished_part_again() {
    let rig = Rig::new();
    rig.env.write("a.bin", bytes(SIZE));
    let proxy = Proxy::holding_after(&place().endpoint, 6 * PART as u64 + PART as u64 / 2);
    let uri = rig.uri("a.bin");
    let args = ["put", "a.bin", &uri, "--part-size", "5MiB", "--concurrency", "2", "--json"];
    let command = || {
        let mut command = rig.command(&args);
        command.env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint());
        command
    };
    let put = Running::start(command());
    proxy.wait_until_it_holds();
    put.signal(Signal::KILL);
    put.finish().expect_code(137);
    assert!(rig.is_free("a.bin"));
    let finished = parts(&rig);
    assert!((2..=6).contains(&finished.len()), "{finished:?}");
    proxy.let_go();

    let run = finish(&mut command());

    run.expect_code(0);
    let n_finished: u64 = finished.iter().map(|(_, size)| size).sum();
    let object = event(&run, "object");
    assert!(event(&run, "resumed")["size"].as_u64().unwrap() >= n_finished);
    assert_eq!(object["proof"], "full");
    assert!(object["bytes_sent"].as_u64().unwrap() <= SIZE as u64 - n_finished);
    // The wire says it too, not only the tool.
    let sent = proxy.sent();
    assert!(sent <= SIZE as u64 - n_finished + OVERHEAD, "{sent} after {n_finished} of {SIZE}");
    rig.check("a.bin", &bytes(SIZE));
    assert!(rig.uploads().is_empty());
}
