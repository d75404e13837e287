//! Folders.

use crate::servers::{
    client::store,
    rig::{MIB, Rig, bytes, event},
};

#[test]
fn a_folder_is_put_with_its_large_files_and_without_what_is_excluded() {
    let rig = Rig::new();
    rig.env.write("tree/a.txt", "a");
    rig.env.write("tree/sub/large.bin", bytes(12 * MIB));
    rig.env.write("tree/sub/empty", "");
    rig.env.write("tree/sub/c.log", "no");
    let target = rig.uri("t/");
    let put = ["put", "tree", &target, "--exclude", "*.log", "--json"];

    let first = rig.run(&put);
    rig.env.write("tree/d.txt", "d");
    let second = rig.run(&put);

    first.expect_code(0);
    assert_eq!(event(&first, "summary")["stored"], 3);
    let summary = event(&second, "summary");
    assert_eq!((&summary["stored"], &summary["unchanged"]), (&1.into(), &3.into()));
    assert_eq!(rig.keys(), ["t/a.txt", "t/d.txt", "t/sub/empty", "t/sub/large.bin"]);
    rig.check("t/sub/large.bin", &bytes(12 * MIB));
    rig.check("t/sub/empty", b"");
}

#[test]
fn one_file_that_is_refused_leaves_the_others() {
    let rig = Rig::new();
    rig.env.write("tree/a.txt", "a");
    rig.env.write("tree/b.txt", "b");
    store(&rig.bucket, "a.txt", b"precious");

    let run = rig.run(&["put", "tree", &rig.uri("")]);

    run.expect_code(3);
    assert!(run.stderr.contains("a.txt"), "{}", run.stderr);
    rig.check("a.txt", b"precious");
    rig.check("b.txt", b"b");
}
