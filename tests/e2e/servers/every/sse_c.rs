//! Objects that the server encrypts with a key of the caller's.

use serde_json::json;

use crate::servers::{
    client::{call, digest, try_call},
    rig::{MIB, Rig, bytes, event},
    traits::{note, traits},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn what_is_put_with_a_key_comes_back_with_it_alone() {
    let rig = Rig::new();
    rig.env.write("key", KEY);
    rig.env.write("other-key", "f".repeat(32));
    if !traits().customer_keys {
        is_refused(&rig);
        return;
    }
    for (key, size) in [("single", 1000), ("parts", 11 * MIB)] {
        let with = ["--sse-c-key-file", "key", "--part-size", "5MiB", "--json"];
        let uri = rig.uri(key);

        let put = rig.put(key, &bytes(size), &with);
        let again = rig.put(key, &bytes(size), &with);
        let get = rig.run(&["get", &uri, "back", "--overwrite", "--sse-c-key-file", "key"]);
        let source = rig.env.path("source.bin");
        let verify = ["verify", source.to_str().unwrap(), &uri, "--deep"];
        let verify = rig.run(&[&verify[..], &["--sse-c-key-file", "key"]].concat());

        put.expect_code(0);
        assert_eq!(event(again.expect_code(0), "object")["outcome"], "unchanged", "{key}");
        get.expect_code(0);
        assert!(std::fs::read(rig.env.path("back")).unwrap() == bytes(size), "{key}");
        verify.expect_code(0);
        let mut args = json!({"Bucket": rig.bucket, "Key": key});
        let without = try_call("get_object", &args);
        args["SSECustomerAlgorithm"] = "AES256".into();
        args["SSECustomerKey"] = KEY.into();
        assert_eq!(call("get_object", &args)["Body"], digest(&bytes(size)), "{key}");
        assert!(without["error"].is_string(), "{without}");
        for keys in [&[][..], &["--sse-c-key-file", "other-key"]] {
            let run = rig.run(&[&["get", &uri, "lost"], keys].concat());
            assert!([1, 77].contains(&run.code), "{}: {}", run.code, run.stderr);
            assert!(!rig.env.path("lost").exists());
        }
    }
}

/// What a server would store in clear is not a success, and does not stay.
fn is_refused(rig: &Rig) {
    for (key, size) in [("single", 1000), ("parts", 11 * MIB)] {
        let run = rig.put(key, &bytes(size), &["--sse-c-key-file", "key", "--part-size", "5MiB"]);

        assert!([1, 10].contains(&run.code), "{}: {}", run.code, run.stderr);
        assert!(run.stderr.to_lowercase().contains("encrypt"), "{}", run.stderr);
        assert!(rig.is_free(key), "{key}");
    }
    note("sse_c", "refused");
}
