//! Addresses with which a plain HTTP client gets and puts; moto fails at them once it looks at signatures.

use crate::servers::{
    client::{digest, http},
    rig::Rig,
};

#[test]
fn a_plain_client_gets_and_puts() {
    let rig = Rig::new();
    for key in ["a.txt", "odd/a b+c%20ü?.txt"] {
        rig.put(key, b"one", &[]).expect_code(0);

        let get = rig.run(&["presign", &rig.uri(key)]);
        let put = rig.run(&["presign", &rig.uri(key), "--put", "--expires", "5m"]);

        let got = http("GET", get.expect_code(0).stdout.trim_end(), None);
        assert_eq!((&got["status"], &got["Body"]), (&200.into(), &digest(b"one")), "{key}");
        let stored = http("PUT", put.expect_code(0).stdout.trim_end(), Some(b"two"));
        assert_eq!(stored["status"], 200, "{key}");
        rig.check(key, b"two");
    }
}

#[test]
fn an_address_is_for_one_object_and_one_thing() {
    let rig = Rig::new();
    rig.put("a.txt", b"one", &[]).expect_code(0);
    rig.put("b.txt", b"secret", &[]).expect_code(0);
    let get = rig.run(&["presign", &rig.uri("a.txt")]).stdout.trim_end().to_owned();

    assert_eq!(http("PUT", &get, Some(b"two"))["status"], 403);
    assert_eq!(http("GET", &get.replace("a.txt", "b.txt"), None)["status"], 403);
    rig.check("a.txt", b"one");
}
