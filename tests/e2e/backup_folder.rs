//! `devops-backup` with a folder of archives, as a user runs it.

#![allow(clippy::disallowed_methods, reason = "a test may rename plain files")]

use std::{
    fs::{self, File},
    path::PathBuf,
};

use devops_e2e::{Run, TestEnv, finish, names_in};
use serde_json::Value;

const TOOL: &str = "devops-backup";

/// Creates an archive in `vault` with these flags, gives it another name there, and returns its path.
#[track_caller]
fn create(env: &TestEnv, name: &str, flags: &[&str]) -> PathBuf {
    let run = env.run(TOOL, [&["create", "data", "vault", "--json"], flags].concat());
    run.expect_code(0);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    let path = env.path("vault").join(name);
    fs::rename(env.path(summary["archive"].as_str().unwrap()), &path).unwrap();
    path
}

#[track_caller]
fn objects(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of<'a>(objects: &'a [Value], archive: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["archive"] == format!("vault/{archive}"));
    found.unwrap_or_else(|| panic!("{archive} is not among {objects:?}"))
}

/// A folder with two archives of a source, between which it changed.
fn vault() -> TestEnv {
    let env = TestEnv::new();
    env.write("data/docs/a.txt", "one");
    // Larger than what stands behind it in an archive.
    let noise = |n: u32| (n.wrapping_mul(n) ^ n << 7).wrapping_mul(2_654_435_761).to_le_bytes()[3];
    env.write("data/b.jpg", (0..40_000).map(noise).collect::<Vec<_>>());
    create(&env, "backup-2026-11-20.tar.gz", &[]);
    env.write("data/docs/a.txt", "two!");
    create(&env, "backup-2026-11-21.tar.gz", &[]);
    env
}

#[test]
fn list_shows_the_archives_of_a_folder() {
    let env = vault();
    env.write("pass", "secret\n");
    fs::set_permissions(env.path("pass"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    create(&env, "home-2026-11-21.tar.gz.age", &["--name", "home", "--passphrase-file", "pass"]);
    finish(env.program("tar").args(["-czf", "vault/photos.tgz", "data"])).expect_code(0);
    env.write("vault/notes.txt", "");

    let text = env.run(TOOL, ["list", "vault"]);
    let json = env.run(TOOL, ["list", "vault", "--json"]);

    text.expect_code(0);
    let headings: Vec<_> = text
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(headings, ["backup", "home", "photos"]);
    assert!(text.stdout.contains("vault/backup-2026-11-20.tar.gz\n"), "{}", text.stdout);
    assert!(
        text.stdout.contains("vault/home-2026-11-21.tar.gz.age  encrypted\n"),
        "{}",
        text.stdout
    );
    assert!(text.stderr.starts_with("4 archives, "), "{}", text.stderr);
    assert!(text.stderr.ends_with("; 1 other file was not looked at\n"), "{}", text.stderr);
    json.expect_code(0);
    assert_eq!(json.stderr, "");
    let objects = objects(&json);
    assert_eq!(objects.len(), 4);
    let ours = of(&objects, "backup-2026-11-21.tar.gz");
    assert_eq!(ours["type"], "archive");
    assert_eq!(
        (&ours["name"], &ours["entries"], &ours["encrypted"]),
        (&"backup".into(), &4.into(), &false.into())
    );
    assert_eq!(ours["source"], env.path("data").canonicalize().unwrap().to_str().unwrap());
    assert_eq!(
        ours["size"],
        fs::metadata(env.path("vault/backup-2026-11-21.tar.gz")).unwrap().len()
    );
    assert!(ours["bytes_new"].as_u64().unwrap() > 0 && ours.get("verified").is_none());
    let sealed = of(&objects, "home-2026-11-21.tar.gz.age");
    assert_eq!((&sealed["status"], &sealed["encrypted"]), (&"encrypted".into(), &true.into()));
    let foreign = of(&objects, "photos.tgz");
    assert_eq!(foreign["status"], "no-index");
    for unknown in ["entries", "bytes_new", "host", "verified"] {
        assert!(foreign.get(unknown).is_none() && sealed.get(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn verify_reads_all_archives_of_a_folder_and_list_remembers_it() {
    let env = vault();
    let verified = env.run(TOOL, ["verify", "vault"]);
    verified.expect_code(0);
    assert_eq!(verified.stdout.lines().count(), 2);
    assert!(verified.stdout.lines().all(|line| line.contains(": whole, ")), "{}", verified.stdout);
    let whole = objects(&env.run(TOOL, ["list", "vault", "--json"]));
    assert!(whole.iter().all(|object| object["verified"].is_string()), "{whole:?}");

    let path = env.path("vault/backup-2026-11-20.tar.gz");
    let bytes = fs::read(&path).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
    let suspected = env.run(TOOL, ["list", "vault"]);
    suspected.expect_code(10);
    assert!(suspected.stdout.contains("20.tar.gz  cut off or damaged\n"), "{}", suspected.stdout);
    let damaged = env.run(TOOL, ["verify", "vault"]);
    let listed = env.run(TOOL, ["list", "vault"]);

    damaged.expect_code(10);
    let of_archives = damaged.stdout.lines().filter(|line| !line.contains(": lost: "));
    assert_eq!(of_archives.count(), 2, "{}", damaged.stdout);
    assert!(
        damaged.stdout.starts_with("vault/backup-2026-11-20.tar.gz: damaged "),
        "{}",
        damaged.stdout
    );
    listed.expect_code(10);
    assert!(
        listed.stdout.contains("vault/backup-2026-11-20.tar.gz  damaged\n"),
        "{}",
        listed.stdout
    );
    assert!(listed.stderr.contains("`vault/backup-2026-11-20.tar.gz` "), "{}", listed.stderr);
    // Only the index is gone: all that other tools see is whole.
    fs::remove_file(&path).unwrap();
    env.write("vault/backup-2026-11-20.tar.gz", &bytes[..bytes.len() - 1]);
    env.run(TOOL, ["list", "vault"]).expect_code(10);
    env.run(TOOL, ["verify", "vault"]).expect_code(0);
    env.run(TOOL, ["list", "vault"]).expect_code(0);
    // Nothing read is nothing proven.
    fs::create_dir(env.path("none")).unwrap();
    env.run(TOOL, ["verify", "none"]).expect_code(2);
    env.run(TOOL, ["list", "none"]).expect_code(0);
    env.run(TOOL, ["list", "gone"]).expect_code(5);
}

#[test]
fn find_shows_every_version_of_a_path() {
    let env = vault();
    let text = env.run(TOOL, ["find", "vault", "a.txt"]);
    let json = env.run(TOOL, ["find", "vault", "docs/*.txt", "b.jpg", "--json"]);

    text.expect_code(0);
    let words: Vec<Vec<&str>> =
        text.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["docs/a.txt"]);
    assert_eq!(words[1], ["archived", "size", "modified", "content", "archive"]);
    assert_eq!((words[2][2], words[2][5]), ("3", "first"), "{}", text.stdout);
    assert_eq!((words[3][2], words[3][5]), ("4", "changed"), "{}", text.stdout);
    assert_eq!(words[3][6], "vault/backup-2026-11-21.tar.gz");
    json.expect_code(0);
    let found = objects(&json);
    let same: Vec<_> = found.iter().map(|object| (&object["path"], &object["same"])).collect();
    let (picture, text) = (Value::from("b.jpg"), Value::from("docs/a.txt"));
    let (yes, no) = (Value::from(true), Value::from(false));
    assert_eq!(same[..4], [(&picture, &no), (&picture, &yes), (&text, &no), (&text, &no)]);
    assert_eq!((&found[4]["type"], &found[4]["versions"]), (&"summary".into(), &4.into()));
    let missing = env.run(TOOL, ["find", "vault", "c.txt"]);
    missing.expect_code(5);
    assert_eq!(missing.stdout, "");
    let none = env.run(TOOL, ["list", "vault", "*.txt"]);
    none.expect_code(5);
    assert!(none.stderr.contains("find DIR GLOB"), "{}", none.stderr);
    create(&env, "home-2026-11-22.tar.gz", &["--name", "home"]);
    for (patterns, wanted) in [
        (&["ho*"][..], &["home-2026-11-22.tar.gz"][..]),
        (&["*-21.tar.gz"], &["backup-2026-11-21.tar.gz"]),
        (
            &["home", "backup"],
            &["backup-2026-11-20.tar.gz", "backup-2026-11-21.tar.gz", "home-2026-11-22.tar.gz"],
        ),
    ] {
        let run = env.run(TOOL, [&["list", "vault", "--json"], patterns].concat());
        let shown = objects(run.expect_code(0));
        let shown: Vec<_> =
            shown.iter().map(|archive| archive["archive"].as_str().unwrap()).collect();
        assert_eq!(shown, wanted.iter().map(|name| format!("vault/{name}")).collect::<Vec<_>>());
    }
    // The one before counts, though it is not shown.
    let alone = env.run(TOOL, ["list", "vault", "*-21.tar.gz", "--json"]);
    let all = env.run(TOOL, ["list", "vault", "--json"]);
    assert_eq!(
        of(&objects(&alone), "backup-2026-11-21.tar.gz"),
        of(&objects(&all), "backup-2026-11-21.tar.gz")
    );
}

#[test]
fn restore_takes_the_newest_archive_of_a_folder_or_one_of_a_time() {
    let env = vault();
    let restored = |to: &str, flags: &[&str]| {
        env.run(TOOL, [&["restore", "vault", "--to", to], flags].concat())
    };

    restored("newest", &[]).expect_code(0);
    assert_eq!(fs::read_to_string(env.path("newest/docs/a.txt")).unwrap(), "two!");
    restored("some", &["*.jpg"]).expect_code(0);
    assert_eq!(names_in(&env.path("some")), ["b.jpg"]);
    let listed = objects(&env.run(TOOL, ["list", "vault", "--json"]));
    let first = restored("first", &["--at", listed[0]["time"].as_str().unwrap()]);
    first.expect_code(0);
    assert!(first.stderr.contains("`vault/backup-2026-11-20.tar.gz`"), "{}", first.stderr);
    assert_eq!(fs::read_to_string(env.path("first/docs/a.txt")).unwrap(), "one");
    let before = restored("before", &["--at", "2001-02-03"]);
    before.expect_code(5);
    assert!(!env.path("before").exists());
    let file = ["restore", "vault/backup-2026-11-20.tar.gz", "--to", "x", "--at", "1d"];
    env.run(TOOL, file).expect_code(2);
}

#[test]
fn restore_of_a_folder_with_several_series_names_them() {
    let env = vault();
    create(&env, "home-2026-11-22.tar.gz", &["--name", "home"]);
    let restored = |to: &str, flags: &[&str]| {
        env.run(TOOL, [&["restore", "vault", "--to", to], flags].concat())
    };

    let refused = restored("x", &[]);
    refused.expect_code(2);
    for said in ["  backup, source ", "  home, source ", "--name", "--host"] {
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert!(!env.path("x").exists());
    restored("home", &["--name", "home"]).expect_code(0);
    restored("other", &["--name", "other"]).expect_code(5);
    restored("host", &["--name", "home", "--host", "another"]).expect_code(5);
    assert_eq!(names_in(&env.path("home")), ["b.jpg", "docs"]);
}

#[test]
fn a_newcomer_is_told_what_is_meant() {
    let env = vault();
    let archive = "vault/backup-2026-11-21.tar.gz";
    let outside = env.path("data/b.jpg");
    for (args, code, said) in [
        (&["backup", "data", "vault"][..], 2, "'create'"),
        (&["restore", archive, "-C", "x"], 2, "'--to'"),
        (&["restore", archive], 2, "`--to DIR`"),
        (&["restore", archive, "/b.jpg", "--to", "x"], 0, ""),
        (&["restore", archive, "data/docs/a.txt", "--to", "x"], 5, "try `docs/a.txt`"),
        (&["restore", archive, outside.to_str().unwrap(), "--to", "x"], 5, "try `b.jpg`"),
        (&["restore", archive, "gone", "--to", "x"], 5, "relative to the source"),
        (&["list", archive, "/docs/a.txt"], 0, ""),
        (&["list", archive, "data/docs"], 5, "try `docs`"),
        (&["cat", archive, "/docs/a.txt"], 0, ""),
        (&["find", "vault", "data/docs"], 5, "try `docs`"),
        (&["create", "data", "data.tar.gz"], 2, "name the folder"),
    ] {
        let run = env.run(TOOL, args);

        run.expect_code(code);
        assert!(run.stderr.contains(said), "{args:?}: {}", run.stderr);
    }
    assert!(!env.path("data.tar.gz").exists());
    // A folder of that name that is there already is what is meant.
    fs::create_dir(env.path("data.tar.gz")).unwrap();
    env.run(TOOL, ["create", "data", "data.tar.gz"]).expect_code(0);
}
