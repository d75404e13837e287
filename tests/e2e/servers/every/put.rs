//! Sizes, checksums, attributes.

use crate::servers::{
    rig::{MIB, Rig, bytes, event},
    traits::{note, traits},
};

/// The smallest part that S3 takes.
const PART: usize = 5 * MIB;

#[test]
fn every_size_around_a_part_arrives() {
    let rig = Rig::new();
    let [single, multipart] = traits().proofs;
    for (key, size, parts, proof) in [
        ("empty", 0, 1, single),
        ("one", 1, 1, single),
        ("part", PART, 1, single),
        ("part-and-one", PART + 1, 2, multipart),
        ("parts", 4 * PART, 4, multipart),
        ("many", 6 * PART + 17, 7, multipart),
    ] {
        let run = rig.put(key, &bytes(size), &["--part-size", "5MiB", "--json"]);

        run.expect_code(0);
        let object = event(&run, "object");
        assert_eq!((&object["parts"], &object["proof"]), (&parts.into(), &proof.into()), "{key}");
        assert_eq!(object["bytes_sent"], size, "{key}");
        rig.check(key, &bytes(size));
    }
    assert!(rig.uploads().is_empty());
    note("put", &format!("proof {single}, in parts {multipart}"));
}

#[test]
fn every_checksum_is_kept_with_an_object_in_one_piece() {
    let rig = Rig::new();
    for (algorithm, field) in [
        ("crc64nvme", "ChecksumCRC64NVME"),
        ("crc32c", "ChecksumCRC32C"),
        ("sha256", "ChecksumSHA256"),
    ] {
        let run = rig.put(algorithm, &bytes(MIB), &["--checksum", algorithm, "--json"]);

        run.expect_code(0);
        let object = event(&run, "object");
        assert_eq!(object["checksum_algorithm"], algorithm);
        rig.check(algorithm, &bytes(MIB));
        if traits().proofs[0] == "full" {
            assert_eq!(object["proof"], "full", "{algorithm}");
            assert_eq!(rig.head(algorithm)[field], object["checksum"], "{algorithm}");
        }
    }
    rig.put("none", &bytes(MIB), &["--checksum", "none"]).expect_code(0);
    rig.check("none", &bytes(MIB));
}

#[test]
fn a_composite_checksum_proves_the_parts() {
    let rig = Rig::new();
    let flags = ["--checksum", "sha256", "--part-size", "5MiB", "--json"];

    let run = rig.put("a.bin", &bytes(2 * PART + 1), &flags);

    run.expect_code(0);
    let object = event(&run, "object");
    assert_eq!(object["proof"], traits().composite_proof());
    assert!(object["checksum"].as_str().unwrap().ends_with("-3"), "{object}");
    rig.check("a.bin", &bytes(2 * PART + 1));
}

#[test]
fn an_object_in_parts_can_do_without_a_checksum() {
    let rig = Rig::new();
    let flags = ["--checksum", "none", "--part-size", "5MiB", "--json"];

    let run = rig.put("a.bin", &bytes(2 * PART), &flags);

    run.expect_code(0);
    rig.check("a.bin", &bytes(2 * PART));
}

#[test]
fn more_proof_than_the_server_has_is_a_failure() {
    let rig = Rig::new();
    let flags = ["--checksum", "none", "--require-proof", "full"];

    let run = rig.put("a.bin", &bytes(10), &flags);

    run.expect_code(1);
    assert!(run.stderr.contains("is proven by "), "{}", run.stderr);
}

#[test]
fn the_standard_input_arrives_whole() {
    let rig = Rig::new();
    let size = 23 * MIB + 1;
    let input = rig.env.write("input", bytes(size));
    let mut command = rig.command(&["put", "-", &rig.uri("stream"), "--json"]);

    let run = devops_e2e::finish(command.stdin(std::fs::File::open(input).unwrap()));

    assert_eq!(event(&run, "object")["proof"], traits().proofs[1]);
    rig.check("stream", &bytes(size));
}

#[test]
fn what_an_object_is_stored_with_can_be_read_back() {
    let rig = Rig::new();
    let flags = [
        "--metadata",
        "team=operations",
        "--metadata",
        "note=a b+c",
        "--content-type",
        "application/x-thing",
        "--part-size",
        "5MiB",
    ];
    for (key, size) in [("single", 10), ("parts", PART + 1)] {
        rig.put(key, &bytes(size), &flags).expect_code(0);

        let head = rig.head(key);
        assert_eq!(head["ContentType"], "application/x-thing", "{key}");
        if !traits().metadata {
            note("put", "no metadata");
            continue;
        }
        assert_eq!(head["Metadata"]["team"], "operations", "{key}");
        assert_eq!(head["Metadata"]["note"], "a b+c", "{key}");
    }
}

#[test]
fn an_object_comes_back_and_is_compared() {
    let rig = Rig::new();
    let size = 3 * PART + 5;
    rig.put("a.bin", &bytes(size), &["--part-size", "5MiB"]).expect_code(0);
    let (uri, source) = (rig.uri("a.bin"), rig.env.path("source.bin"));
    let source = source.to_str().unwrap();

    let got = rig.run(&["get", &uri, "back.bin", "--json"]);
    let shallow = rig.run(&["verify", source, &uri]);
    let deep = rig.run(&["verify", source, &uri, "--deep"]);
    let other = rig.env.write("source.bin", bytes(size + 1));
    let longer = rig.run(&["verify", other.to_str().unwrap(), &uri]);
    let mut flipped = bytes(size);
    flipped[size / 2] ^= 1;
    rig.env.write("source.bin", flipped);
    let changed = rig.run(&["verify", source, &uri]);
    let changed_deep = rig.run(&["verify", source, &uri, "--deep"]);

    got.expect_code(0);
    assert!(std::fs::read(rig.env.path("back.bin")).unwrap() == bytes(size));
    shallow.expect_code(0);
    deep.expect_code(0);
    for different in [longer, changed_deep] {
        different.expect_code(10);
        assert!(different.stdout.starts_with("DIFFERENT: "), "{}", different.stdout);
    }
    // An ETag that proves nothing does not tell what is different either.
    let word = if traits().proofs[1] == "full" { "DIFFERENT: " } else { "" };
    assert!(changed.expect_code(10).stdout.starts_with(word), "{}", changed.stdout);
    rig.run(&["get", &rig.uri("nothing"), "nothing"]).expect_code(5);
}

#[test]
fn a_bucket_that_is_not_there_is_not_found() {
    let rig = Rig::new();
    let path = rig.env.write("a.txt", "x");

    let put = rig.run(&["put", path.to_str().unwrap(), "s3://no-such-bucket-here/a.txt"]);
    let list = rig.run(&["list", "s3://no-such-bucket-here/"]);

    if !traits().needs_buckets {
        note("put", "makes buckets");
        put.expect_code(0);
        return;
    }
    for run in [put, list] {
        run.expect_code(5);
        assert!(run.stderr.contains("no-such-bucket-here"), "{}", run.stderr);
    }
}
