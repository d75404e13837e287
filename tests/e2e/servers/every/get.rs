//! What comes back: all under a prefix, and what is gone on with.

use std::fs;

use devops_e2e::{Running, finish, names_in, wait_until};
use rustix::process::Signal;

use crate::servers::{
    client::{store, store_if_taken},
    proxy::Proxy,
    rig::{MIB, Rig, bytes, event, place},
};

#[test]
fn all_under_a_prefix_becomes_files_and_is_not_fetched_twice() {
    let rig = Rig::new();
    let keys = ["w/a b.txt", "w/sub/ü+%.txt", "w/empty", "w/sub/deep/c&d"];
    for key in keys {
        store(&rig.bucket, key, key.trim_end_matches("w/empty").as_bytes());
    }
    rig.put("w/large.bin", &bytes(21 * MIB), &[]).expect_code(0);
    store(&rig.bucket, "beside", b"x");
    let has_odd = store_if_taken(&rig.bucket, "w/../out", b"x");
    let get = ["get", &rig.uri("w/"), "back", "--json"];

    let first = rig.run(&get);
    let again = rig.run(&get);

    // One key is no path below a folder.
    first.expect_code(if has_odd { 3 } else { 0 });
    let summary = event(&first, "summary");
    assert_eq!(summary["fetched"], 5);
    assert_eq!(summary["skipped"][0]["key"] == "w/../out", has_odd);
    for key in keys {
        let path = rig.env.path("back").join(key.trim_start_matches("w/"));
        let expected = key.trim_end_matches("w/empty");
        assert_eq!(fs::read_to_string(path).unwrap(), expected, "{key}");
    }
    assert!(fs::read(rig.env.path("back/large.bin")).unwrap() == bytes(21 * MIB));
    let summary = event(&again, "summary");
    assert_eq!((&summary["unchanged"], &summary["bytes_fetched"]), (&5.into(), &0.into()));
}

#[test]
fn a_get_that_was_killed_goes_on_where_it_stopped() {
    const SIZE: usize = 40 * MIB;
    let rig = Rig::new();
    rig.put("large", &bytes(SIZE), &[]).expect_code(0);
    let proxy = Proxy::giving_until(&place().endpoint, 25 * MIB as u64);
    let uri = rig.uri("large");
    let get = ["get", &uri, ".", "--concurrency", "2", "--json"];
    let command = || {
        let mut command = rig.command(&get);
        command.env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint());
        command
    };
    let running = Running::start(command());
    proxy.wait_until_it_holds();
    let journal = rig.env.path(".large.s3get-journal");
    wait_until("a range is written down", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("range"))
    });
    running.signal(Signal::KILL);
    running.finish().expect_code(137);
    proxy.let_go();

    let again = finish(&mut command());

    again.expect_code(0);
    let there = event(&again, "continued")["size"].as_u64().unwrap();
    assert!(there >= 8 * MIB as u64, "{there}");
    // The wire says it too, not only the tool.
    let given = proxy.given();
    assert!(given <= SIZE as u64 - there + MIB as u64, "{given} after {there} of {SIZE}");
    assert!(fs::read(rig.env.path("large")).unwrap() == bytes(SIZE));
    let left = names_in(&rig.env.path("."));
    assert!(!left.iter().any(|name| name.contains("s3get")), "{left:?}");
}

#[test]
fn a_get_of_an_object_that_was_replaced_meanwhile_begins_anew() {
    let rig = Rig::new();
    rig.put("large", &bytes(40 * MIB), &[]).expect_code(0);
    let proxy = Proxy::giving_until(&place().endpoint, 25 * MIB as u64);
    let uri = rig.uri("large");
    let get = ["get", &uri, ".", "--concurrency", "2"];
    let mut first = rig.command(&get);
    let running = Running::start({
        first.env("DEVOPS_S3PUSH_ENDPOINT_URL", proxy.endpoint());
        first
    });
    proxy.wait_until_it_holds();
    let journal = rig.env.path(".large.s3get-journal");
    wait_until("a range is written down", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("range"))
    });
    running.signal(Signal::KILL);
    running.finish().expect_code(137);
    proxy.let_go();
    let mut other = bytes(40 * MIB);
    other.reverse();
    rig.put("large", &other, &["--overwrite"]).expect_code(0);

    let again = rig.run(&get);

    again.expect_code(0);
    assert!(again.stderr.contains("Beginning anew: "), "{}", again.stderr);
    assert!(fs::read(rig.env.path("large")).unwrap() == other);
}
