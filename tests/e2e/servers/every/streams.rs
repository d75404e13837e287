//! Streams: from a command, by way of a spool, into several places.

use std::fs::{self, File};

use devops_e2e::{Running, binaries::binary, finish, names_in};
use rustix::process::Signal;
use serde_json::json;

use crate::servers::{
    client::{call, digest},
    proxy::Proxy,
    rig::{MIB, Rig, bytes, event, place},
    traits::traits,
};

#[test]
fn a_backup_is_put_while_it_is_made_and_can_be_restored() {
    let rig = Rig::new();
    rig.env.write("home/a.bin", bytes(20 * MIB));
    let backup = binary("devops-backup");
    let uri = rig.uri("home.tar.gz");
    let put = ["put", "--json", "--from-command", &uri, "--"];

    let run = rig.run(&[&put[..], &[backup.to_str().unwrap(), "create", "home", "-"]].concat());

    run.expect_code(0);
    assert_eq!(event(&run, "object")["proof"], traits().proofs[1]);
    rig.run(&["get", &uri, "back.tar.gz"]).expect_code(0);
    rig.env.run("devops-backup", ["restore", "back.tar.gz", "--to", "back"]).expect_code(0);
    assert!(fs::read(rig.env.path("back/a.bin")).unwrap() == bytes(20 * MIB));
}

#[test]
fn a_command_that_fails_leaves_no_object_and_no_upload() {
    let rig = Rig::new();
    let uri = rig.uri("s");
    let from = |script: &str| rig.run(&["put", "--from-command", &uri, "--", "sh", "-c", script]);

    from("head -c 20000000 /dev/zero; exit 3").expect_code(1);
    from("echo x; exit 3").expect_code(1);

    assert_eq!(rig.keys(), [""; 0]);
    assert!(rig.uploads().is_empty());
}

#[test]
fn a_spooled_stream_that_was_killed_goes_on_without_its_input() {
    const SIZE: usize = 41 * MIB;
    let rig = Rig::new();
    let input = rig.env.write("input", bytes(SIZE));
    fs::create_dir(rig.env.path("spools")).unwrap();
    let proxy = Proxy::holding_after(&place().endpoint, 29 * MIB as u64);
    let uri = rig.uri("s");
    let put = ["put", "-", &uri, "--spool", "spools", "--concurrency", "2"];
    let mut command = rig.command(&put);
    command.env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint());
    command.stdin(File::open(&input).unwrap());
    let put = Running::start(command);
    proxy.wait_until_it_holds();
    put.signal(Signal::KILL);
    put.finish().expect_code(137);
    assert!(rig.is_free("s"));
    fs::remove_file(input).unwrap();
    proxy.let_go();

    let run = finish(
        rig.command(&["resume", "--json"]).env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint()),
    );

    run.expect_code(0);
    let there = event(&run, "resumed")["size"].as_u64().unwrap();
    assert!(there >= 8 * MIB as u64, "{there}");
    let sent = event(&run, "object")["bytes_sent"].as_u64().unwrap();
    assert!(sent <= SIZE as u64 - there, "{sent} after {there}");
    rig.check("s", &bytes(SIZE));
    assert_eq!(names_in(&rig.env.path("spools")), [""; 0]);
    assert!(rig.uploads().is_empty());
}

#[test]
fn several_places_get_the_same_from_one_read_each_with_its_own_result() {
    let rig = Rig::new();
    let other = format!("{}-too", rig.bucket);
    call("create_bucket", &json!({"Bucket": other}));
    let there = format!("s3://{other}/copies/");
    let stream = rig.env.write("input", bytes(23 * MIB));
    rig.env.write("small.txt", "small");

    let mut put = rig.command(&["put", "-", &rig.uri("s"), "--also", &format!("{there}s")]);
    let streamed = finish(put.stdin(File::open(stream).unwrap()));
    let small = rig.run(&["put", "small.txt", &rig.uri("x/"), "--also", &there]);
    let missing = ["put", "small.txt", &rig.uri("y/"), "--also", "s3://no-such-bucket-here/"];
    let partial = rig.run(&missing);

    streamed.expect_code(0);
    small.expect_code(0);
    if traits().needs_buckets {
        partial.expect_code(3);
        assert!(partial.stderr.contains("no-such-bucket-here"), "{}", partial.stderr);
    }
    assert_eq!(rig.keys(), ["s", "x/small.txt", "y/small.txt"]);
    rig.check("s", &bytes(23 * MIB));
    for (key, expected) in [("copies/s", bytes(23 * MIB)), ("copies/small.txt", b"small".to_vec())]
    {
        let got = call("get_object", &json!({"Bucket": other, "Key": key}));
        assert_eq!(got["Body"], digest(&expected), "{key}");
    }
}
