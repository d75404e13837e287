//! Listings of more than one page.

use crate::servers::rig::Rig;

const N: usize = 1003;

#[test]
fn a_folder_of_more_than_a_page_is_put_and_listed_whole() {
    let rig = Rig::new();
    for n in 0..N {
        rig.env.write(format!("tree/{n:04}.txt"), n.to_string());
    }

    rig.run(&["put", "tree", &rig.uri("many/"), "-q"]).expect_code(0);
    let listed = rig.run(&["list", &rig.uri("many/")]);
    let other = rig.run(&["list", &rig.uri("none/")]);
    let verified = rig.run(&["verify", "tree", &rig.uri("many/")]);

    assert_eq!(listed.expect_code(0).stdout.lines().count(), N);
    assert!(listed.stdout.lines().last().unwrap().ends_with("many/1002.txt"), "{}", listed.stdout);
    assert_eq!(other.expect_code(0).stdout, "");
    assert_eq!(verified.expect_code(0).stdout.lines().count(), N);
    let expected: Vec<String> = (0..N).map(|n| format!("many/{n:04}.txt")).collect();
    assert_eq!(rig.keys(), expected);
    rig.check("many/0777.txt", b"777");
}
