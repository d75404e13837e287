//! The guards of a profile: sources that shrank, full disks, rehearsals.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use devops_e2e::{TestEnv, finish, names_in};
use devops_fakes::watcher::watcher;
use serde_json::Value;

use crate::{
    backup_faults::{SmallDisk, write_noise},
    backup_run::{configure, expect_guarded, objects, profile},
};

const TOOL: &str = "devops-backup";

#[test]
fn a_source_that_shrank_is_3_every_night_until_a_person_accepts_it_once() {
    let env = TestEnv::new();
    let (address, requests) = watcher(&[200]);
    fs::create_dir(env.path("metrics")).unwrap();
    let keys = format!(
        "keep_last = 1\nhealthcheck = \"{address}\"\nmetrics_dir = \"{}\"",
        env.path("metrics").display()
    );
    profile(&env, &keys);
    for name in ["a", "b", "c"] {
        env.write(format!("source/{name}"), "content");
    }
    let whole = env.run(TOOL, ["run", "home"]);
    for name in ["a", "b", "c"] {
        fs::remove_file(env.path("source").join(name)).unwrap();
    }

    let shrunk = env.run(TOOL, ["run", "home", "--json"]);
    let again = env.run(TOOL, ["run", "home"]);
    let looked = env.run(TOOL, ["run", "home", "--dry-run"]);
    let as_json = env.run(TOOL, ["run", "home", "--dry-run", "--json"]);
    let accepting = env.run(TOOL, ["run", "home", "--dry-run", "--accept-shrunk"]);
    let n_held = names_in(&env.path("backups")).len();
    let metrics = fs::read_to_string(env.path("metrics/devops-backup-home.prom")).unwrap();
    let allowed = env.run(TOOL, ["run", "home", "--shrink-limit", "90%"]);
    let accepted = env.run(TOOL, ["run", "home", "--accept-shrunk"]);
    let after = env.run(TOOL, ["run", "home"]);

    let source = env.path("source");
    let named = format!("profile home: {} shrank: 1 of 4 entries", source.display());
    whole.expect_code(0);
    shrunk.expect_code(3);
    again.expect_code(3);
    for said in [&named, "`--accept-shrunk`", "(home): kept 3, removed 0"] {
        assert!(again.stderr.contains(said), "{said}: {}", again.stderr);
    }
    assert!(!again.stderr.contains("left to a later run"), "{}", again.stderr);
    assert!(looked.stderr.contains(&named) && !looked.stdout.contains("remove"), "{looked:?}");
    assert!(
        looked.expect_code(3).stderr.contains("1 source shrank, and nothing of it would be pruned")
    );
    assert_eq!(objects(&as_json.expect_code(3).stdout)[0]["shrunk"]["entries"], 1);
    accepting.expect_code(0);
    assert_eq!(n_held, 3);
    let report = &objects(&shrunk.stdout)[1];
    assert_eq!((&report["status"], &report["exit_code"]), (&"partial".into(), &3.into()));
    assert_eq!(report["sources"][0]["shrunk"]["entries"], 1);
    assert!(metrics.contains("devops_backup_last_shrunk_sources{profile=\"home\"} 1\n"));
    allowed.expect_code(0);
    accepted.expect_code(0);
    after.expect_code(0);
    assert_eq!(names_in(&env.path("backups")).len(), 1);
    let fails = requests.try_iter().filter(|(line, _)| line.starts_with("POST /fail "));
    let texts: Vec<_> = fails.map(|(_, text)| text).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("shrank, and nothing of it was pruned: 1 of 4"), "{}", texts[0]);
}

#[test]
fn a_project_file_accepts_no_loss() {
    for key in ["accept_shrunk", "keep_free", "shrink_limit"] {
        expect_guarded(&TestEnv::new(), "backup.run", key);
    }
}

#[test]
fn a_full_disk_is_pruned_by_hand_and_by_a_profile_that_needs_room() {
    let env = TestEnv::new();
    let Some(disk) = SmallDisk::mount(&env, "size=4m,nr_inodes=10") else { return };
    write_noise(&env, "source/a", 1, 1 << 20);
    let (source, dest) = (env.path("source"), disk.folder.display());
    let configured = |keys: &str| {
        let source = source.display();
        let text =
            format!("[backup.profile.home]\nsource = \"{source}\"\ndest = \"{dest}\"\n{keys}");
        configure(&env, &text);
    };
    configured("keep_last = 3\n");
    for _ in 0..3 {
        env.run(TOOL, ["run", "home", "--quiet"]).expect_code(0);
    }
    let first = names_in(&disk.folder);

    let made_room = env.run(TOOL, ["run", "home"]);

    made_room.expect_code(0);
    assert!(made_room.stderr.contains("to make room for the next one"), "{}", made_room.stderr);
    let now = names_in(&disk.folder);
    assert_eq!((first.len(), now.len()), (3, 3));

    configured("keep_last = 9\n");
    let lacking = env.run(TOOL, ["run", "home"]);
    lacking.expect_code(1);
    assert!(lacking.stderr.contains("lacks "), "{}", lacking.stderr);
    assert!(!lacking.stderr.contains("backing up"), "nothing was read: {}", lacking.stderr);
    assert_eq!(names_in(&disk.folder), now);

    fill(&disk.folder);
    let prune = env.run(TOOL, ["prune", "disk", "--name", "home", "--keep-last", "1"]);
    prune.expect_code(0);
    let archives = names_in(&disk.folder).into_iter().filter(|name| name.starts_with("home-"));
    assert_eq!(archives.count(), 1);
}

/// Leaves neither a byte nor a name to others.
fn fill(folder: &Path) {
    let mut filler = File::create(folder.join("filler")).unwrap();
    while filler.write(&[7; 4096]).is_ok() {}
    let more = (0..99).find(|n| File::create(folder.join(format!("filler-{n}"))).is_err());
    assert!(more.is_some_and(|n| n > 0));
    File::create(folder.join("another")).unwrap_err();
}

#[test]
fn a_rehearsal_says_its_seed_and_names_what_differs() {
    let env = TestEnv::new();
    for n in 0..30 {
        write_noise(&env, &format!("source/{n}"), n + 1, 10_000);
    }
    env.run(TOOL, ["create", "source", "backups", "--level", "1"]).expect_code(0);
    let archive = env.path("backups").join(&names_in(&env.path("backups"))[0]);
    let name = archive.to_str().unwrap();

    let one = env.run(TOOL, ["rehearse", name, "--json"]);
    let seed = objects(&one.stdout)[0]["seed"].to_string();
    let again = env.run(TOOL, ["rehearse", name, "--seed", &seed]);
    let mut bytes = fs::read(&archive).unwrap();
    let mut piped = env.tool(TOOL);
    piped.args(["rehearse", "-", "--seed", &seed]).stdin(File::open(&archive).unwrap());
    let piped = finish(&mut piped);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    env.write(&archive, bytes);
    let damaged = env.run(TOOL, ["rehearse", name, "--sample", "100%"]);
    let missing = env.run(TOOL, ["rehearse", "missing.tar.gz"]);

    one.expect_code(0);
    let said: Value = objects(&one.stdout).remove(0);
    assert_eq!((&said["type"], &said["status"]), (&"rehearsed".into(), &"same".into()));
    assert_eq!((&said["entries"], &said["of"]), (&1.into(), &31.into()));
    // The folder itself is an entry, too.
    let bytes = if said["kinds"]["file"] == 1 { 10_000 } else { 0 };
    assert_eq!(said["bytes"], bytes);
    again.expect_code(0);
    let compared = "and compared kind, content, target, mode, time";
    assert!(again.stdout.contains("restored 1 of 31 entries (1 f"), "{}", again.stdout);
    assert!(again.stdout.contains(compared), "{}", again.stdout);
    assert!(again.stdout.contains(&format!("(seed {seed})")), "{}", again.stdout);
    assert_eq!(piped.expect_code(0).stdout, again.stdout.replace(name, "-"));
    damaged.expect_code(10);
    missing.expect_code(5);
    let state = env.home().join(".local/state/devops/backup");
    assert!(names_in(&state).iter().all(|name| !name.starts_with("devops-rehearsal-")));
}
