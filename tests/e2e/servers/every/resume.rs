//! Uploads that are killed, and what goes on with them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use devops_e2e::{Running, finish};
use rustix::process::Signal;
use serde_json::json;

use crate::servers::{
    client::call,
    proxy::Proxy,
    rig::{MIB, Rig, bytes, event, place},
    traits::{note, traits},
};

const PART: usize = 5 * MIB;
const SIZE: usize = 12 * PART + 123;
/// Headers, looks at the object and the listing of parts.
const OVERHEAD: u64 = 1 << 20;

/// Returns the number and the size of the parts that the server has, as far as it tells.
fn parts(rig: &Rig) -> Vec<(u64, u64)> {
    if !traits().lists_parts {
        note("resume", "by the journal");
        return Vec::new();
    }
    let uploads = rig.uploads();
    assert_eq!(uploads.len(), 1, "{uploads:?}");
    let args = json!({"Bucket": rig.bucket, "Key": "a.bin", "UploadId": uploads[0]["UploadId"]});
    let listed = call("list_parts", &args);
    let part = |part: &serde_json::Value| {
        (part["PartNumber"].as_u64().unwrap(), part["Size"].as_u64().unwrap())
    };
    listed["Parts"].as_array().unwrap().iter().map(part).collect()
}

/// A put through a proxy that is killed in the middle; returns the parts that the server has then.
fn killed(rig: &Rig, proxy: &Proxy, args: &[&str]) -> Vec<(u64, u64)> {
    let put = Running::start(through(rig, proxy, args));
    proxy.wait_until_it_holds();
    put.signal(Signal::KILL);
    put.finish().expect_code(137);
    assert!(rig.is_free("a.bin"));
    let finished = parts(rig);
    assert!((2..=6).contains(&finished.len()) || !traits().lists_parts, "{finished:?}");
    proxy.let_go();
    finished
}

fn through(rig: &Rig, proxy: &Proxy, args: &[&str]) -> Command {
    let mut command = rig.command(args);
    command.env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint());
    command
}

#[test]
fn a_put_that_is_killed_in_the_middle_goes_on_and_sends_no_finished_part_again() {
    for resume in [false, true] {
        let rig = Rig::new();
        rig.env.write("a.bin", bytes(SIZE));
        let proxy = Proxy::holding_after(&place().endpoint, 6 * PART as u64 + PART as u64 / 2);
        let uri = rig.uri("a.bin");
        let put = ["put", "a.bin", &uri, "--part-size", "5MiB", "--concurrency", "2", "--json"];
        let finished = killed(&rig, &proxy, &put);
        let again = if resume { &["resume", "--json"][..] } else { &put[..] };

        let begun = Instant::now();
        let run = finish(&mut through(&rig, &proxy, again));

        run.expect_code(0);
        // An answer that cannot be read is no reason to wait for another.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        let n_there = event(&run, "resumed")["size"].as_u64().unwrap();
        let n_finished: u64 = finished.iter().map(|(_, size)| size).sum();
        assert!(n_there >= n_finished.max(1), "{n_there} of {n_finished}");
        let object = event(&run, "object");
        assert_eq!(object["proof"], traits().proofs[1]);
        assert_eq!(object["bytes_sent"], SIZE as u64 - n_there);
        // The wire says it too, not only the tool.
        let sent = proxy.sent();
        assert!(sent <= SIZE as u64 - n_there + OVERHEAD, "{sent} after {n_there} of {SIZE}");
        rig.check("a.bin", &bytes(SIZE));
        assert!(rig.uploads().is_empty());
    }
}

#[test]
fn an_upload_that_is_given_up_after_a_kill_is_freed() {
    let rig = Rig::new();
    rig.env.write("a.bin", bytes(SIZE));
    let proxy = Proxy::holding_after(&place().endpoint, 6 * PART as u64 + PART as u64 / 2);
    let uri = rig.uri("a.bin");
    let put = ["put", "a.bin", &uri, "--part-size", "5MiB", "--concurrency", "2"];
    killed(&rig, &proxy, &put);
    let shown = finish(&mut through(&rig, &proxy, &["resume", "--dry-run"]));
    let kept = rig.uploads().len();

    let dropped = finish(&mut through(&rig, &proxy, &["resume", "--drop"]));

    assert!(shown.expect_code(0).stdout.contains(&uri), "{}", shown.stdout);
    assert_eq!(kept, usize::from(traits().lists_uploads));
    if !traits().aborts {
        dropped.expect_code(1);
        assert!(dropped.stderr.contains("AbortMultipartUpload: "), "{}", dropped.stderr);
        note("resume", "nothing is freed");
        return;
    }
    dropped.expect_code(0);
    assert!(rig.uploads().is_empty());
    assert!(rig.is_free("a.bin"));
}

#[test]
fn a_file_that_was_changed_after_the_kill_is_put_anew_and_not_resumed() {
    let rig = Rig::new();
    rig.env.write("a.bin", bytes(SIZE));
    let proxy = Proxy::holding_after(&place().endpoint, 6 * PART as u64 + PART as u64 / 2);
    let uri = rig.uri("a.bin");
    let put = ["put", "a.bin", &uri, "--part-size", "5MiB", "--concurrency", "2"];
    killed(&rig, &proxy, &put);
    rig.env.write("a.bin", bytes(SIZE + 1));

    let refused = finish(&mut through(&rig, &proxy, &["resume"]));
    let anew = finish(&mut through(&rig, &proxy, &put));

    refused.expect_code(11);
    anew.expect_code(0);
    // What cannot be removed is named, and keeps no other from being put.
    assert_eq!(anew.stderr.contains("AbortMultipartUpload: "), !traits().aborts);
    rig.check("a.bin", &bytes(SIZE + 1));
    assert!(rig.uploads().is_empty());
}
