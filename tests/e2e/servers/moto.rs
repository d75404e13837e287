//! What only moto has: locks, versions, tags, classes, roles.
//!
//! What it says of integrity means nothing: it takes wrong checksums, and for parts with CRC32C it answers
//! one that S3 would not give, which the tool rightly refuses.

mod prune;
mod removal;

use std::process::Command;

use devops_e2e::finish;
use serde_json::json;

use crate::servers::{
    client::{call, try_call},
    rig::{MIB, Rig, bytes, event, place},
};

/// One piece and two parts, which go different ways.
const SIZES: [(&str, usize); 2] = [("single", 10), ("parts", 6 * MIB)];

#[test]
fn an_object_is_locked_as_asked() {
    let rig = Rig::with_bucket(&json!({"ObjectLockEnabledForBucket": true}));
    let flags = "--lock-mode governance --lock-until 2999-03-01T12:00:00Z --legal-hold --json";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    // moto keeps no lock of an object in parts.
    let run = rig.put("a.bin", b"locked", &flags);

    run.expect_code(0);
    let head = rig.head("a.bin");
    assert_eq!(head["ObjectLockMode"], "GOVERNANCE");
    assert_eq!(head["ObjectLockRetainUntilDate"], "2999-03-01T12:00:00Z");
    assert_eq!(head["ObjectLockLegalHoldStatus"], "ON");
    let version = &event(&run, "object")["version_id"];
    assert_eq!(version, &head["VersionId"]);
    let args = json!({"Bucket": rig.bucket, "Key": "a.bin", "VersionId": version});
    assert_eq!(try_call("delete_object", &args)["error"], "AccessDenied");
    rig.check("a.bin", b"locked");
}

#[test]
fn a_lock_on_a_bucket_without_locks_is_an_error() {
    let rig = Rig::new();

    let run = rig.put("a", b"x", &["--lock-mode", "governance", "--lock-until", "90d"]);

    run.expect_code(1);
    assert!(run.stderr.contains("ObjectLockConfiguration"), "{}", run.stderr);
    assert_eq!(rig.keys(), [""; 0]);
}

#[test]
fn the_version_is_told_and_the_one_before_stays() {
    let rig = Rig::new();
    let status = json!({"Bucket": rig.bucket, "VersioningConfiguration": {"Status": "Enabled"}});
    call("put_bucket_versioning", &status);
    for (key, size) in SIZES {
        let flags = ["--json", "--overwrite", "--part-size", "5MiB"];
        let put =
            |bytes: &[u8]| event(&rig.put(key, bytes, &flags), "object")["version_id"].clone();

        let first = put(&bytes(size));
        let second = put(&bytes(size + 1));

        assert!(first.is_string() && second.is_string() && first != second, "{first} {second}");
        assert_eq!(rig.head(key)["VersionId"], second);
        let args = json!({"Bucket": rig.bucket, "Key": key, "VersionId": first});
        assert_eq!(call("head_object", &args)["ContentLength"], size);
    }
}

#[test]
fn an_object_is_tagged_classed_and_encrypted_as_asked() {
    let rig = Rig::new();
    let flags = "--tag team=ops --tag tier=1 --storage-class STANDARD_IA --sse AES256 \
                 --part-size 5MiB";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    for (key, size) in SIZES {
        rig.put(key, &bytes(size), &flags).expect_code(0);

        let head = rig.head(key);
        assert_eq!(head["StorageClass"], "STANDARD_IA", "{key}");
        assert_eq!(head["ServerSideEncryption"], "AES256", "{key}");
        let tags = rig.ask("get_object_tagging", key);
        let expected = json!([{"Key": "team", "Value": "ops"}, {"Key": "tier", "Value": "1"}]);
        assert_eq!(tags["TagSet"], expected, "{key}");
    }
}

/// A home whose profile `backup` assumes a role with the keys of `base`.
fn profiles(rig: &Rig, role: &str) {
    let place = place();
    let (endpoint, region) = (&place.endpoint, &place.region);
    let config = format!(
        "[profile base]\nregion = {region}\n\
         [profile backup]\nrole_arn = {role}\nsource_profile = base\nregion = {region}\n\
         endpoint_url = {endpoint}\n"
    );
    let (key, secret) = (&place.access_key, &place.secret_key);
    let credentials =
        format!("[base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    rig.env.write("../home/.aws/config", config);
    rig.env.write("../home/.aws/credentials", credentials);
}

#[test]
fn a_profile_assumes_its_role() {
    let rig = Rig::new();
    let path = rig.env.write("a.bin", bytes(6 * MIB));
    let put = |profile: &str| -> Command {
        let uri = rig.uri("a.bin");
        let put = ["put", path.to_str().unwrap(), &uri, "--profile", profile];
        rig.bare_command(&[&put[..], &["--part-size", "5MiB"]].concat())
    };
    profiles(&rig, place().role.as_deref().expect("moto has roles"));

    finish(&mut put("backup")).expect_code(0);

    rig.check("a.bin", &bytes(6 * MIB));
    profiles(&rig, "arn:aws:iam::123456789012:role/no-such-role-at-all");
    finish(&mut put("no-such-profile")).expect_code(77);
}

#[test]
fn wrong_credentials_are_said_so() {
    let rig = Rig::new();
    let path = rig.env.write("a.txt", "x");
    let uri = rig.uri("a.txt");
    let put = ["put", path.to_str().unwrap(), &uri];
    for (name, value, said) in [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "AKIANOBODYHASTHISKEY", "InvalidAccessKeyId"),
    ] {
        let run = finish(rig.command(&put).env(name, value));

        run.expect_code(77);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    assert_eq!(rig.keys(), [""; 0]);
}
