//! `devops-backup run`, `timer` and the lock of a destination, as a user meets them.

use std::{fs, io::Write};

use devops_e2e::{
    Refusing, Run, Running, TestEnv, finish, names_in, outside, wait_until, without_root,
};
use devops_fakes::watcher::watcher;
use rustix::process::Signal;
use serde_json::Value;

use crate::backup::write_sockets;

const TOOL: &str = "devops-backup";

/// Writes the config file of the user.
pub(crate) fn configure(env: &TestEnv, text: &str) {
    let folder = env.home().join(".config/devops");
    fs::create_dir_all(&folder).unwrap();
    fs::File::create(folder.join("config.toml")).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A source, and a profile `home` of it with more keys.
pub(crate) fn profile(env: &TestEnv, keys: &str) {
    env.write("source/file", "content");
    let (source, dest) = (env.path("source"), env.path("backups"));
    let (source, dest) = (source.display(), dest.display());
    configure(
        env,
        &format!("[backup.profile.home]\nsource = \"{source}\"\ndest = \"{dest}\"\n{keys}\n"),
    );
}

pub(crate) fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_profile_backs_up_and_prunes_and_its_hooks_speak_on_stderr() {
    let env = TestEnv::new();
    let keys = "keep_last = 2\nverify = true\n\
                before = [\"echo $DEVOPS_BACKUP_PROFILE begins\"]\n\
                after = [\"echo $DEVOPS_BACKUP_STATUS; basename $DEVOPS_BACKUP_ARCHIVE\"]";
    profile(&env, keys);

    let runs: Vec<Run> = (0..3).map(|_| env.run(TOOL, ["run", "home"])).collect();

    for run in &runs {
        run.expect_code(0);
        assert!(run.stdout.starts_with("Successfully created backup: /"), "{}", run.stdout);
        assert_eq!(run.stdout.lines().count(), 1);
        for said in ["\nhome begins\n", "\nsuccess\nhome-2"] {
            assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
        }
    }
    assert_eq!(names_in(&env.path("backups")).len(), 2);
}

#[test]
fn all_profiles_run_in_their_order_and_the_worst_decides() {
    let env = TestEnv::new();
    env.write("conf/a/file", "a");
    env.write("conf/b/file", "b");
    env.write(
        "conf/c.toml",
        "[backup.profile]\ndest = \"../backups\"\n\
         [backup.profile.zebra]\nsource = [\"a\", \"b\"]\n\
         [backup.profile.ape]\nsource = \"missing\"\n\
         [backup.profile.last]\nsource = \"b\"\n",
    );

    let run = env.run(TOOL, ["run", "--config", "conf/c.toml", "--json"]);

    run.expect_code(1);
    let told = objects(&run.stdout);
    let said: Vec<_> = told
        .iter()
        .map(|object| (object["type"].as_str().unwrap(), object["profile"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("summary", "zebra"),
            ("summary", "zebra"),
            ("profile", "zebra"),
            ("profile", "ape"),
            ("summary", "last"),
            ("profile", "last")
        ]
    );
    assert_eq!((&told[3]["status"], &told[3]["exit_code"]), (&"failed".into(), &1.into()));
    let archives = names_in(&env.path("backups"));
    let starts = ["last-2", "zebra-a-2", "zebra-b-2"];
    assert!(
        archives.iter().zip(starts).all(|(name, start)| name.starts_with(start)),
        "{archives:?}"
    );
    let error = run.stderr.lines().last().unwrap();
    assert!(error.contains("profile `ape` failed: failed to back up"), "{error}");
}

#[test]
fn what_cannot_be_read_is_3_and_a_missing_profile_5_and_none_at_all_78() {
    let env = TestEnv::new();
    let none = env.run(TOOL, ["run"]);
    profile(&env, "on_failure = [\"echo never\"]");
    fs::set_permissions(
        env.path("source/file"),
        std::os::unix::fs::PermissionsExt::from_mode(0o000),
    )
    .unwrap();
    for folder in ["", "backups"] {
        fs::create_dir_all(env.path(folder)).unwrap();
        fs::set_permissions(env.path(folder), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
    }

    let partial = finish(without_root(env.tool(TOOL).args(["run", "home"])));
    let unknown = env.run(TOOL, ["run", "hom"]);

    none.expect_code(78);
    assert!(none.stderr.contains("[backup.profile.NAME]"), "{}", none.stderr);
    partial.expect_code(3);
    assert!(partial.stderr.contains("`file`"), "{}", partial.stderr);
    assert!(!partial.stderr.contains("never"), "{}", partial.stderr);
    unknown.expect_code(5);
    assert!(unknown.stderr.contains("there is `home`"), "{}", unknown.stderr);
}

#[test]
fn those_who_watch_are_told_and_their_addresses_are_never_shown() {
    let env = TestEnv::new();
    let (address, requests) = watcher(&[200]);
    let refusing = Refusing::new();
    let keys = format!(
        "healthcheck = \"{address}/ping/0b4e-secret\"\n\
         webhook = [\"{address}/hook/0b4e-secret\", \"{}/0b4e-secret\"]",
        refusing.endpoint()
    );
    profile(&env, &keys);

    let shown = env.run(TOOL, ["config", "show", "--origin"]);
    let run = env.run(TOOL, ["run", "home", "-vvv", "--json"]);

    run.expect_code(0);
    let told: Vec<_> = requests.try_iter().collect();
    let lines: Vec<_> = told.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /ping/0b4e-secret/start HTTP/1.1",
            "POST /hook/0b4e-secret HTTP/1.1",
            "POST /ping/0b4e-secret HTTP/1.1"
        ]
    );
    let report: Value = serde_json::from_str(&told[1].1).unwrap();
    assert_eq!(report, *objects(&run.stdout).last().unwrap());
    let untold = format!("could not tell `{}/***`", refusing.endpoint());
    assert!(run.stderr.contains(&untold), "{}", run.stderr);
    for text in [&run.stdout, &run.stderr, &shown.stdout] {
        assert!(!text.contains("0b4e"), "{text}");
    }
    assert!(shown.stdout.contains("profile.home.healthcheck = ***  (/"), "{}", shown.stdout);
}

#[test]
fn a_wrong_key_is_78_with_its_place_and_a_suggestion() {
    let env = TestEnv::new();
    for (keys, place, words) in [
        ("keep_dayly = 7", "config.toml:4", "did you mean `keep_daily`?"),
        ("level = 99", "config.toml:4", "invalid value '99'"),
        ("healthcheck = \"hunter2\"", "config.toml:4", "no `http://` or `https://` address"),
        ("[backup.profile.\"a/b\"]\nsource = \"x\"", "config.toml:5", "name of a profile"),
        ("[backup.profile.other]\nsource = \"x\"", "config.toml:5", "`dest` is missing"),
    ] {
        profile(&env, keys);

        let run = env.run(TOOL, ["run"]);

        run.expect_code(78);
        assert!(run.stderr.contains(place) && run.stderr.contains(words), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

/// Checks that a project file is refused for a key of this table.
pub(crate) fn expect_guarded(env: &TestEnv, table: &str, key: &str) {
    env.write("devops.toml", format!("[{table}]\n{key} = \"http://x/y\"\n"));

    let run = env.run(TOOL, ["run", "home"]);

    run.expect_code(78);
    let words = format!("devops.toml:2: a project file may not set `{key}`");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
}

#[test]
fn a_project_file_decides_neither_where_a_restore_goes_nor_who_can_read_a_backup() {
    let env = TestEnv::new();
    for key in ["privileged", "overwrite", "to", "identity"] {
        expect_guarded(&env, "backup.restore", key);
    }
    for key in
        ["recipient", "recipients_file", "passphrase_file", "cache", "reuse_from_any", "mode"]
    {
        expect_guarded(&env, "backup.create", key);
    }
}

#[test]
fn a_project_file_starts_nothing_tells_nobody_and_changes_no_profile_of_the_user() {
    let env = TestEnv::new();
    profile(&env, "");
    for key in ["before", "after", "on_failure", "finally", "healthcheck", "webhook"] {
        expect_guarded(&env, "backup.profile.theirs", key);
    }
    env.write("devops.toml", "[backup.profile.home]\nexclude = [\"*\"]\n");
    let changed = env.run(TOOL, ["run", "home"]);
    changed.expect_code(78);
    assert!(changed.stderr.contains("may not change the profile `home`"), "{}", changed.stderr);

    // What stands beside the profiles of the project does not reach those of the user.
    env.write(
        "devops.toml",
        "[backup.profile]\nkeep_last = 1\n[backup.profile.here]\nsource = \"source\"\n",
    );
    let shown = env.run(TOOL, ["config", "show"]);
    assert!(shown.stdout.contains("profile.home.keep_last = 0\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains("profile.here.keep_last = 1\n"), "{}", shown.stdout);
}

#[test]
fn a_dry_run_changes_nothing() {
    let env = TestEnv::new();
    let (address, requests) = watcher(&[200]);
    let keys = format!("keep_last = 1\nbefore = [\"touch ran\"]\nhealthcheck = \"{address}\"");
    profile(&env, &keys);

    let run = env.run(TOOL, ["run", "--dry-run"]);

    run.expect_code(0);
    assert!(run.stdout.contains("would back up /"), "{}", run.stdout);
    assert_eq!(requests.try_iter().count(), 0);
    assert_eq!(names_in(&env.path("")), ["source"]);
}

#[test]
fn a_signal_ends_the_work_and_finally_still_runs() {
    let env = TestEnv::new();
    let keys = "before = [\"echo here; exec sleep 600\"]\nfinally = [\"echo cleaned up\"]";
    profile(&env, keys);

    let mut running = env.start(TOOL, ["run", "home"]);
    running.wait_for("here");
    running.signal(Signal::TERM);
    let run = running.finish();

    run.expect_code(143);
    assert!(run.stderr.contains("\ncleaned up\n"), "{}", run.stderr);
    assert_eq!(names_in(&env.path("backups")), [""; 0]);
}

#[test]
fn a_reader_of_stdout_that_leaves_does_not_stop_the_backup() {
    let env = TestEnv::new();
    profile(&env, "after = [\"touch ../after\"]");
    let mut shell = env.program("sh");
    let tool = devops_e2e::binaries::binary(TOOL);
    shell.args(["-c", "{ \"$0\" run home; echo $? >&2; } | true"]).arg(tool);
    fs::create_dir(env.path("here")).unwrap();
    shell.current_dir(env.path("here"));

    let run = finish(&mut shell);

    assert_eq!(run.stderr.lines().last(), Some("0"), "{}", run.stderr);
    assert!(env.path("after").exists());
}

/// Starts a create that has its lock, and stands still until somebody reads its stderr.
fn long_create(env: &TestEnv) -> Running {
    write_sockets(env, "large/a");
    let noise = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[0];
    let noise: Vec<u8> = (0..24 << 20).map(noise).collect();
    env.write("large/file", noise);
    let mut tool = env.tool(TOOL);
    tool.args(["create", "large", "backups", "--name", "large", "--level", "12"]);
    let running = Running::start_unread(tool);
    wait_until("the folder is locked", || {
        names_in(&env.path("backups")).iter().any(|name| name.ends_with(".partial"))
    });
    running
}

#[test]
fn a_profile_removes_only_so_many_at_once_and_leaves_the_rest_to_later_runs() {
    let env = TestEnv::new();
    profile(&env, "keep_last = 1\nmax_delete = 2");
    let made: Vec<_> = (0..4)
        .map(|_| {
            let run = env.run(TOOL, ["create", "source", "backups", "--name", "home"]);
            run.expect_code(0);
            run.stdout.trim().rsplit('/').next().unwrap().to_owned()
        })
        .collect();

    let first = env.run(TOOL, ["run", "home", "--json"]);
    let after = names_in(&env.path("backups"));
    let second = env.run(TOOL, ["run", "home"]);

    first.expect_code(0);
    let left: Vec<_> = made.iter().map(|name| after.contains(name)).collect();
    assert_eq!(left, [false, false, true, true], "the oldest go first");
    assert_eq!(after.len(), 3);
    let pruned = &objects(&first.stdout)[1]["pruned"];
    let counts = ["kept", "removed", "postponed"].map(|key| pruned[key].as_u64());
    assert_eq!(counts, [Some(3), Some(2), Some(2)]);
    second.expect_code(0);
    assert_eq!(second.stderr.matches("left to a later run: ").count(), 1, "{}", second.stderr);
    assert_eq!(names_in(&env.path("backups")).len(), 2);
}

#[test]
fn a_profile_whose_archives_belong_to_another_user_is_partial_unless_that_is_allowed() {
    let env = TestEnv::new();
    if !rustix::process::geteuid().is_root() {
        return outside::skip("only root gives files away");
    }
    profile(&env, "keep_last = 1");
    env.run(TOOL, ["run", "home"]).expect_code(0);
    let [theirs] = <[String; 1]>::try_from(names_in(&env.path("backups"))).unwrap();
    let theirs = env.path("backups").join(theirs);
    // An archive that this host remembers making would count for any owner.
    fs::remove_dir_all(env.home().join(".local/state/devops")).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65_534), None).unwrap();

    let partial = env.run(TOOL, ["run", "home"]);
    assert!(theirs.exists());
    profile(&env, "keep_last = 1\nany_owner = true");
    let allowed = env.run(TOOL, ["run", "home"]);

    partial.expect_code(3);
    let said = "does not count: it belongs to another user, 65534";
    assert!(partial.stderr.contains(said), "{}", partial.stderr);
    allowed.expect_code(0);
    assert!(!theirs.exists());
}

#[test]
fn what_is_no_lock_is_named_and_not_touched() {
    let env = TestEnv::new();
    profile(&env, "");
    fs::create_dir_all(env.path("backups/.devops.lock")).unwrap();

    let create = env.run(TOOL, ["create", "source", "backups"]);
    let run = env.run(TOOL, ["run", "home"]);

    create.expect_code(11);
    let said =
        "`backups/.devops.lock` is a folder, and no lock\nhint: see what it is and remove it";
    assert!(create.stderr.contains(said), "{}", create.stderr);
    assert!(run.stderr.contains(".devops.lock` is a folder, and no lock"), "{}", run.stderr);
    assert_ne!(run.code, 0);
    assert_eq!(names_in(&env.path("backups")), [".devops.lock"]);
}

#[test]
fn beside_a_create_others_create_but_nobody_prunes() {
    let env = TestEnv::new();
    profile(&env, "before = [\"echo never\"]");
    let long = long_create(&env);
    let prune = |args: &[&str]| {
        finish(env.tool(TOOL).args(["prune", "backups", "--keep-last", "1"]).args(args))
    };

    let create = env.run(TOOL, ["create", "source", "backups"]);
    let (pruned, planned) = (prune(&[]), prune(&["--dry-run"]));
    let run = env.run(TOOL, ["run", "home", "--json"]);
    long.signal(Signal::INT);
    let long_pid = long.pid().as_raw_nonzero();
    let long = long.finish();

    long.expect_code(130);
    create.expect_code(0);
    planned.expect_code(0);
    pruned.expect_code(75);
    let holder = format!("`backups` is locked by process {long_pid} on `");
    assert!(pruned.stderr.contains(&holder), "{}", pruned.stderr);
    assert!(pruned.stderr.contains("--lock-wait"), "{}", pruned.stderr);
    run.expect_code(75);
    assert!(!run.stderr.contains("never"), "{}", run.stderr);
    assert_eq!(objects(&run.stdout)[0]["status"], "locked");
    assert!(run.stderr.contains("is locked by process"), "{}", run.stderr);
    assert_eq!(names_in(&env.path("backups")).len(), 1, "one archive, and no lock is left");
}

#[test]
fn one_that_waits_goes_on_when_the_other_is_done() {
    let env = TestEnv::new();
    profile(&env, "");
    let long = long_create(&env);

    let mut waiting = env.start(TOOL, ["run", "home", "--lock-wait", "10m"]);
    waiting.wait_for("waiting: ");
    long.signal(Signal::INT);
    long.finish();

    waiting.finish().expect_code(0);
}

#[test]
fn two_creates_at_once_leave_two_whole_archives() {
    let env = TestEnv::new();
    env.write("source/file", "content".repeat(100_000));
    for _ in 0..3 {
        let both = [(); 2].map(|()| env.start(TOOL, ["create", "source", "backups"]));
        for running in both {
            running.finish().expect_code(0);
        }
    }

    let archives = names_in(&env.path("backups"));
    assert_eq!(archives.len(), 6, "{archives:?}");
    for archive in archives {
        env.run(TOOL, ["verify".into(), env.path("backups").join(archive)]).expect_code(0);
    }
}

#[test]
fn a_destination_inside_the_source_does_not_archive_its_lock() {
    let env = TestEnv::new();
    env.write("source/file", "content");

    let created = env.run(TOOL, ["create", "source", "source/backups", "--json"]);

    created.expect_code(0);
    let summary = &objects(&created.stdout)[0];
    let listed = env.run(TOOL, ["list", summary["archive"].as_str().unwrap()]);
    assert!(!listed.stdout.contains("lock"), "{}", listed.stdout);
    assert_eq!(summary["skipped"], serde_json::json!([]));
}

/// A profile whose service needs a folder for a plain copy.
const ENCRYPTED: &str =
    "recipient = [\"age1cg9jwuaz9s45plxj8m6l5hcc0m5qqcwfudwg4zal3thex3ke2e2s5dgzj5\"]";

#[test]
fn systemd_accepts_the_units() {
    let Some(analyze) = outside::program("systemd-analyze") else { return };
    let env = TestEnv::new();
    for (keys, exposure) in [
        ("", "20"),
        ("before = [\"true\"]\nhealthcheck = \"https://hc.example/x\"", "70"),
        ("metrics_dir = \"/var/lib/a b%c\"", "20"),
        (ENCRYPTED, "20"),
    ] {
        profile(&env, keys);
        let unit = |suffix: &str| {
            let run = env.run(TOOL, ["timer", "home", "--only", suffix]);
            run.expect_code(0);
            env.write(format!("units/devops-backup-home.{suffix}"), run.stdout)
        };
        let units = [unit("service"), unit("timer")];

        let verified = finish(env.program(&analyze).arg("verify").args(&units));
        let security = finish(
            env.program(&analyze)
                .args(["security", "--offline=true", "--threshold", exposure])
                .arg(&units[0]),
        );

        verified.expect_code(0);
        assert_eq!(verified.stderr, "", "{}", fs::read_to_string(&units[0]).unwrap());
        security.expect_code(0);
    }
}

#[test]
fn a_timer_is_two_units_or_one_line_for_cron() {
    let env = TestEnv::new();
    profile(&env, "");
    let config = env.home().join(".config/devops/config.toml");

    let units = env.run(TOOL, ["timer", "home", "--on-calendar", "Mon *-*-* 03:00"]);
    let cron = env.run(TOOL, ["timer", "home", "--cron", "--on-calendar", "30 3 * * *"]);
    let refused = env.run(TOOL, ["timer", "home", "--cron", "--on-calendar", "Mon *-*-* 03:00"]);

    units.expect_code(0);
    for line in [
        "# /etc/systemd/system/devops-backup-home.service",
        "# /etc/systemd/system/devops-backup-home.timer",
        "OnCalendar=Mon *-*-* 03:00",
        "Persistent=yes",
        "ProtectSystem=strict",
        &format!("ReadWritePaths={}", env.path("backups").display()),
    ] {
        assert!(units.stdout.lines().any(|found| found == line), "{line}\n{}", units.stdout);
    }
    assert!(units.stderr.contains("must exist before the service can start"), "{}", units.stderr);
    cron.expect_code(0);
    let command = format!("run home --config {} --lock-wait 1h", config.display());
    assert!(cron.stdout.starts_with("30 3 * * * /"), "{}", cron.stdout);
    assert!(cron.stdout.contains(&command), "{}", cron.stdout);
    refused.expect_code(2);
}
