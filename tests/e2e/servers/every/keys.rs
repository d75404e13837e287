//! Keys with every awkward character.

use crate::servers::{
    client::store,
    rig::Rig,
    traits::{note, traits},
};

const AWKWARD: [&str; 31] = [
    "a b",
    " leading",
    "trailing ",
    "plus+plus",
    "100%",
    "%41",
    "%2F",
    "ünï-日本-😀",
    "e\u{301}",
    "semi;colon",
    "q?uestion",
    "#hash",
    "am&per",
    "quo\"te",
    "sin'gle",
    "back\\slash",
    "tab\tt",
    "<xml>",
    "~tilde",
    "(par)[br]{cu}",
    "col:on",
    "eq=ual",
    "at@at",
    "com,ma",
    "dol$ar",
    "*star",
    "!bang",
    "x..y",
    "deep/er/still",
    "a//b",
    "^caret|pipe`tick",
];

/// What XML cannot carry.
const CONTROL: [&str; 3] = ["new\nline", "\u{1}control", "\u{7f}delete"];

const SLASHED: [&str; 2] = ["/leading-slash", "//two"];

fn keys() -> Vec<String> {
    let names = || AWKWARD.iter().chain(&CONTROL).chain(&SLASHED).map(|name| (*name).to_owned());
    let keys = names().chain(names().map(|name| format!("under/{name}")));
    let (mut kept, lost): (Vec<String>, Vec<String>) = keys.partition(|key| (traits().keeps)(key));
    for odd in ["//", "\\", "\u{1}"] {
        if lost.iter().any(|key| key.contains(odd)) {
            note("keys", &format!("not `{}`", odd.escape_default()));
        }
    }
    kept.sort();
    kept
}

#[test]
fn every_key_is_put_found_and_brought_back() {
    let rig = Rig::new();
    for key in keys() {
        rig.put(&key, key.as_bytes(), &[]).expect_code(0);

        let (uri, source) = (rig.uri(&key), rig.env.path("source.bin"));
        let source = source.to_str().unwrap();
        rig.check(&key, key.as_bytes());
        rig.run(&["verify", source, &uri, "--deep"]).expect_code(0);
        rig.run(&["get", &uri, "back", "--overwrite"]).expect_code(0);
        assert_eq!(std::fs::read(rig.env.path("back")).unwrap(), key.as_bytes());
        rig.put(&key, b"another", &[]).expect_code(1);
    }
}

#[test]
fn every_key_is_listed_as_it_is() {
    let rig = Rig::new();
    for key in keys() {
        store(&rig.bucket, &key, b"x");
    }

    let run = rig.run(&["list", &rig.uri(""), "--json"]);

    run.expect_code(0);
    let key = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["key"].as_str().unwrap().to_owned()
    };
    let mut listed: Vec<String> = run.stdout.lines().map(key).collect();
    listed.sort();
    assert_eq!(listed, keys());
}

#[test]
fn the_names_of_files_become_keys() {
    let rig = Rig::new();
    let is_file = |name: &&str| !name.contains("//") && (traits().keeps)(name);
    let names: Vec<&str> = AWKWARD.into_iter().filter(is_file).collect();
    for name in &names {
        rig.env.write(format!("tree/{name}"), name);
    }

    rig.run(&["put", "tree", &rig.uri("in/")]).expect_code(0);

    let mut expected: Vec<String> = names.iter().map(|name| format!("in/{name}")).collect();
    expected.sort();
    let mut keys = rig.keys();
    keys.sort();
    assert_eq!(keys, expected);
    rig.run(&["verify", "tree", &rig.uri("in/")]).expect_code(0);
}
