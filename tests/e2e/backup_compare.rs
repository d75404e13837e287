//! What `devops-backup` says of an archive beside another one, a folder, or itself.

use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::PathBuf,
    process::Stdio,
};

use devops_e2e::{TestEnv, finish, outside};
use rustix::fs::{XattrFlags, setxattr};
use serde_json::Value;

const TOOL: &str = "devops-backup";

/// A source with two archives of it, between which it changed.
struct Fixture {
    env: TestEnv,
    before: String,
    after: String,
}

impl Fixture {
    fn new() -> Self {
        let env = TestEnv::new();
        env.write("data/stays", "stays");
        env.write("data/changes", "before");
        env.write("data/goes", "goes");
        env.write("data/mode", "mode");
        let before = create(&env);
        env.write("data/changes", "after!");
        env.write("data/new", "new");
        fs::remove_file(env.path("data/goes")).unwrap();
        fs::set_permissions(env.path("data/mode"), fs::Permissions::from_mode(0o600)).unwrap();
        let after = create(&env);
        Self { env, before, after }
    }
}

fn create(env: &TestEnv) -> String {
    let run = env.run(TOOL, ["create", "data", "backups", "--json"]);
    run.expect_code(0);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    summary["archive"].as_str().unwrap().to_owned()
}

#[test]
fn diff_names_what_came_went_and_changed() {
    let Fixture { env, before, after } = Fixture::new();

    let differing = env.run(TOOL, ["diff", &before, &after]);
    let json = env.run(TOOL, ["diff", &before, &after, "--json"]);
    let same = env.run(TOOL, ["diff", &after, &after]);

    differing.expect_code(10);
    let expected = "M . (time)\nM changes (content, time)\n- goes\nM mode (mode)\n+ new\n";
    assert_eq!(differing.stdout, expected);
    json.expect_code(10);
    let objects: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |path: &str| objects.iter().find(|object| object["path"] == path).unwrap();
    assert_eq!(of("new")["type"], "added");
    assert_eq!(of("mode")["what"], serde_json::json!(["mode"]));
    assert_eq!(objects.last().unwrap()["type"], "summary");
    same.expect_code(0);
    assert_eq!(same.stdout, "");
}

#[test]
fn diff_takes_archives_of_other_tools() {
    let Fixture { env, after, .. } = Fixture::new();
    let args = ["-C", "data", "--format=pax", "-cf", "plain.tar", "."];
    finish(env.program("tar").args(args)).expect_code(0);

    let same = env.run(TOOL, ["diff", "plain.tar", &after]);

    same.expect_code(0);
    assert_eq!(same.stdout, "");
}

#[test]
fn verify_against_a_folder_finds_what_differs_from_it() {
    let Fixture { env, before, after } = Fixture::new();
    env.run(TOOL, ["verify", &after, "--against", "data"]).expect_code(0);
    env.write("data/more", "is no difference: it may have been excluded");

    let grown = env.run(TOOL, ["verify", &after, "--against", "data"]);
    let differing = env.run(TOOL, ["verify", &before, "--against", "data"]);
    let missing = env.run(TOOL, ["verify", &after, "--against", "nowhere"]);

    differing.expect_code(10);
    for line in ["M changes (content, time)", "- goes", "M mode (mode)"] {
        assert!(differing.stdout.lines().any(|found| found == line), "{}", differing.stdout);
    }
    missing.expect_code(5);
    // The folder itself got a new name in it.
    grown.expect_code(10);
    let lines: Vec<_> = grown.stdout.lines().skip(1).collect();
    assert_eq!(lines, ["M . (time)"]);
}

#[test]
fn an_attribute_is_a_difference_and_a_tar_without_any_is_not_compared_for_them() {
    let Fixture { env, after, .. } = Fixture::new();
    let args = ["-C", "data", "--format=pax", "-cf", "plain.tar", "."];
    finish(env.program("tar").args(args)).expect_code(0);
    if setxattr(env.path("data/new"), "user.note", b"1", XattrFlags::empty()).is_err() {
        return outside::skip("the file system of the temporary folder has no attributes");
    }

    let differing = env.run(TOOL, ["diff", &after, &create(&env)]);
    let against = env.run(TOOL, ["verify", &after, "--against", "data"]);
    let plain = env.run(TOOL, ["verify", "plain.tar", "--against", "data"]);

    differing.expect_code(10);
    assert_eq!(differing.stdout, "M new (attributes)\n");
    against.expect_code(10);
    plain.expect_code(0);
    assert_eq!(plain.stderr.matches("were not compared").count(), 1, "{}", plain.stderr);
}

#[test]
fn cat_writes_one_file_and_nothing_else() {
    let Fixture { env, before, after } = Fixture::new();
    fs::create_dir(env.path("data/folder")).unwrap();

    let found = env.run(TOOL, ["cat", &before, "changes"]);
    let dotted = env.run(TOOL, ["cat", &after, "./changes"]);
    let missing = env.run(TOOL, ["cat", &after, "goes"]);
    let folder = env.run(TOOL, ["cat", &create(&env), "folder"]);

    found.expect_code(0);
    assert_eq!((found.stdout.as_str(), found.stderr.as_str()), ("before", ""));
    assert_eq!(dotted.stdout, "after!");
    missing.expect_code(5);
    assert_eq!(missing.stdout, "");
    folder.expect_code(2);
    assert!(folder.stderr.contains("only files have content"), "{}", folder.stderr);
}

#[test]
fn a_sample_of_everything_finds_a_flipped_bit() {
    let Fixture { env, after, .. } = Fixture::new();
    let path: PathBuf = env.path(&after);
    let sound = env.run(TOOL, ["verify", &after, "--sample", "100%"]);
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 300).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 300).unwrap();

    let damaged = env.run(TOOL, ["verify", &after, "--sample", "100%"]);
    let nothing = env.run(TOOL, ["verify", &after, "--sample", "0%"]);

    sound.expect_code(0);
    assert!(sound.stdout.contains("whole in a sample of"), "{}", sound.stdout);
    damaged.expect_code(10);
    nothing.expect_code(2);
}

#[test]
fn an_archive_is_read_from_standard_input_wherever_one_is_named() {
    let Fixture { env, before, after } = Fixture::new();
    let piped = |args: &[&str]| {
        let mut cat = env.program("cat");
        let mut sender = cat.arg(&after).stdout(Stdio::piped()).spawn().unwrap();
        let run = finish(env.tool(TOOL).args(args).stdin(sender.stdout.take().unwrap()));
        sender.wait().unwrap();
        run
    };

    piped(&["verify", "-"]).expect_code(0);
    piped(&["verify", "/dev/stdin"]).expect_code(0);
    assert!(piped(&["list", "-"]).stdout.contains("changes"));
    assert_eq!(piped(&["cat", "-", "changes"]).stdout, "after!");
    piped(&["diff", &after, "-"]).expect_code(0);
    piped(&["diff", "-", &before]).expect_code(10);
    piped(&["diff", "-", "-"]).expect_code(2);
    piped(&["restore", "-", "--to", "back"]).expect_code(0);
    assert_eq!(fs::read(env.path("back/new")).unwrap(), b"new");
    let nothing = finish(env.tool(TOOL).args(["list", "-"]).stdin(Stdio::null()));
    nothing.expect_code(2);
    assert!(nothing.stderr.contains("`-` is not a tar"), "{}", nothing.stderr);
}

#[test]
fn damage_is_named_and_healed_from_the_folder() {
    let Fixture { env, before, after } = Fixture::new();
    let path = env.path(&after);
    let mut bytes = fs::read(&path).unwrap();
    // Behind the first segment, which holds no entry.
    let at = bytes.windows(4).position(|bytes| bytes == [0, 0, 0xff, 0xff]).unwrap() + 40;
    bytes[at] ^= 0x55;
    env.write(&after, bytes);

    let verified = env.run(TOOL, ["verify", &after]);
    let json = env.run(TOOL, ["verify", &after, "--heal", "backups", "--json"]);
    let restored = env.run(TOOL, ["restore", &after, "--to", "back"]);
    let healed =
        env.run(TOOL, ["restore", &after, "--heal", "backups", "--to", "healed", "--json"]);
    let listed = env.run(TOOL, ["cat", &after, "stays"]);

    verified.expect_code(10);
    for path in ["changes", "new", "stays"] {
        let line = format!("{after}: lost: `{path}`: ");
        assert!(
            verified.stdout.lines().any(|found| found.starts_with(&line)),
            "{}",
            verified.stdout
        );
        assert!(restored.stderr.contains(&format!("`{path}`: lost: ")), "{}", restored.stderr);
        assert!(!env.path("back").join(path).exists());
    }
    let object: Value = serde_json::from_str(json.expect_code(10).stdout.trim()).unwrap();
    assert_eq!(
        (&object["status"], &object["healed"][0]["archive"]),
        (&"damaged".into(), &before.clone().into())
    );
    let lost: Vec<_> = object["lost"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    // What changed since is nowhere else; a file whose mode alone changed has its content there.
    assert_eq!(lost, ["changes", "new"]);
    restored.expect_code(10);
    listed.expect_code(10);
    let summary: Value = serde_json::from_str(healed.expect_code(10).stdout.trim()).unwrap();
    assert_eq!((&summary["n_lost"], &summary["healed"][0]["segments"]), (&2.into(), &1.into()));
    assert_eq!(fs::read(env.path("healed/stays")).unwrap(), b"stays");
}
