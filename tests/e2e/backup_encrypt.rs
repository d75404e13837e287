//! Encrypted archives of `devops-backup`, and age without us.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::Stdio,
    time::SystemTime,
};

use devops_e2e::{Run, TestEnv, finish, outside, wait_until};
use serde_json::Value;

const TOOL: &str = "devops-backup";

/// A source, and keys that `age-keygen` made.
struct Fixture {
    env: TestEnv,
    age: PathBuf,
    recipient: String,
}

impl Fixture {
    /// Returns none where age is missing and cannot be installed.
    fn new() -> Option<Self> {
        let (age, keygen) = (outside::program("age")?, outside::program("age-keygen")?);
        let env = TestEnv::new();
        env.write("data/a/file", "content");
        env.write("data/large", "0123456789abcdef".repeat(200_000));
        let recipient = |keys: &str| {
            finish(env.program(&keygen).args(["-o", keys])).expect_code(0);
            finish(env.program(&keygen).args(["-y", keys])).stdout.trim().to_owned()
        };
        let (ours, _another) = (recipient("keys"), recipient("other-keys"));
        Some(Self { env, age, recipient: ours })
    }

    fn create(&self, args: &[&str]) -> Value {
        let all = [&["create", "data", "backups", "--json"], args].concat();
        let run = self.env.run(TOOL, all);
        run.expect_code(0);
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// Creates an archive for the keys and returns its path.
    fn create_for_us(&self) -> PathBuf {
        let summary = self.create(&["--recipient", &self.recipient]);
        self.env.path(summary["archive"].as_str().unwrap())
    }

    fn run(&self, args: &[&str]) -> Run {
        self.env.run(TOOL, args)
    }

    #[track_caller]
    fn expect_restored(&self, folder: &str) {
        finish(self.env.program("diff").args(["-r", "data", folder])).expect_code(0);
    }
}

#[test]
fn age_and_tar_restore_an_archive_without_us() {
    let Some(fixture) = Fixture::new() else { return };
    let archive = fixture.create_for_us();
    assert!(archive.to_str().unwrap().ends_with(".tar.gz.age"));
    assert_eq!(archive.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::create_dir(fixture.env.path("back")).unwrap();

    let mut age = fixture.env.program(&fixture.age);
    let mut opened =
        age.args(["-d", "-i", "keys"]).arg(&archive).stdout(Stdio::piped()).spawn().unwrap();
    let mut tar = fixture.env.program("tar");
    let run = finish(tar.args(["-xz", "-C", "back"]).stdin(opened.stdout.take().unwrap()));

    run.expect_code(0);
    assert!(opened.wait().unwrap().success());
    fixture.expect_restored("back");
}

#[test]
fn every_command_opens_an_archive_with_its_key() {
    let Some(fixture) = Fixture::new() else { return };
    let archive = fixture.create_for_us();
    let archive = archive.to_str().unwrap();
    let keys = ["--identity", "other-keys", "-i", "keys"];
    let run = |args: &[&str]| fixture.run(&[args, &keys].concat());

    let listed = run(&["list", archive]);
    let verified = run(&["verify", archive]);
    let compared = run(&["verify", archive, "--against", "data"]);
    let sampled = run(&["verify", archive, "--sample", "100%"]);
    let content = run(&["cat", archive, "a/file"]);
    let differing = run(&["diff", archive, archive]);
    let restored = run(&["restore", archive, "--to", "back"]);

    for done in [&listed, &verified, &compared, &sampled, &content, &differing, &restored] {
        done.expect_code(0);
    }
    assert_eq!(listed.stdout.lines().count(), 4);
    assert!(verified.stdout.contains("whole, 4 entries"), "{}", verified.stdout);
    assert!(sampled.stdout.contains("whole in a sample"), "{}", sampled.stdout);
    assert_eq!((content.stdout.as_str(), differing.stdout.as_str()), ("content", ""));
    fixture.expect_restored("back");
}

#[test]
fn without_its_key_an_archive_stays_closed() {
    let Some(fixture) = Fixture::new() else { return };
    let archive = fixture.create_for_us();
    let archive = archive.to_str().unwrap();
    fixture.env.write("passphrase", "guess\n");

    for (args, reason) in [
        (&[] as &[_], "no identity was given"),
        (&["--identity", "other-keys"], "it is for none of the identities given"),
        (&["--passphrase-file", "passphrase"], "it is for none of the identities given"),
    ] {
        for command in
            [&["list", archive] as &[_], &["verify", archive], &["restore", archive, "--to", "x"]]
        {
            let run = fixture.run(&[command, args].concat());
            run.expect_code(77);
            assert!(run.stderr.contains(&format!("is encrypted, and {reason}")), "{}", run.stderr);
        }
    }
    assert!(!fixture.env.path("x").exists());
    let json = fixture.run(&["verify", archive, "--json"]);
    assert!(json.stdout.contains(r#""status":"encrypted""#), "{}", json.stdout);
}

#[test]
fn a_cut_or_changed_archive_is_damaged() {
    let Some(fixture) = Fixture::new() else { return };
    let archive = fixture.create_for_us();
    let sound = fs::read(&archive).unwrap();
    let mut changed = sound.clone();
    changed[sound.len() / 2] ^= 1;
    fixture.env.write("cut", &sound[..sound.len() - 1]);
    fixture.env.write("changed", changed);

    for broken in ["cut", "changed"] {
        let run = fixture.run(&["verify", broken, "--identity", "keys"]);
        run.expect_code(10);
        assert!(run.stdout.contains("damaged"), "{}", run.stdout);
    }
}

#[test]
fn the_next_archive_copies_from_a_private_cache() {
    let Some(fixture) = Fixture::new() else { return };
    let to_us = ["--recipient", fixture.recipient.as_str()];
    // Of two files one at most is read again today.
    fixture.env.write("data/other", "fedcba9876543210".repeat(200_000));
    // What changed a moment ago may change again unseen.
    let changed = fs::metadata(fixture.env.path("data/other")).unwrap().ctime();
    wait_until("the files are old enough to be trusted", || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        now > u64::try_from(changed).unwrap() + 4
    });
    let cache = fixture.env.home().join(".cache/devops/backup");

    // A plain copy is readable for all who can enter the home folder: it is kept only on request.
    let without = fixture.create(&to_us);
    let again = fixture.run(&[&["create", "data", "backups"][..], &to_us].concat());
    assert!(!cache.exists());
    let said = "reading everything: `backups/";
    assert_eq!(again.stderr.matches(said).count(), 1, "{}", again.stderr);
    assert!(again.stderr.contains("no plain copy was kept"), "{}", again.stderr);
    let with_cache = [&to_us[..], &["--cache"]].concat();
    let first = fixture.create(&with_cache);
    let second = fixture.create(&with_cache);
    let full = fixture.create(&[&with_cache[..], &["--full"]].concat());

    let reused = [&without, &first, &second, &full].map(|summary| &summary["bytes_reused"]);
    assert_eq!(
        (reused[0].as_u64(), reused[1].as_u64(), reused[3].as_u64()),
        (Some(0), Some(0), Some(0))
    );
    assert!(reused[2].as_u64().unwrap() >= 3_200_000, "{second}");
    assert_eq!(cache.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let copies: Vec<_> = fs::read_dir(&cache).unwrap().map(|copy| copy.unwrap()).collect();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);

    fixture.create(&to_us);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0, "the copy goes with the wish for it");
}

#[test]
fn a_passphrase_closes_and_opens() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.env.write("passphrase", "correct horse\nnot this line\n");
    fixture.env.write("wrong", "incorrect horse\n");
    let summary = fixture.create(&["--passphrase-file", "passphrase"]);
    let archive = summary["archive"].as_str().unwrap();

    let verified = fixture.run(&["verify", archive, "--passphrase-file", "passphrase"]);
    let refused = fixture.run(&["verify", archive, "--passphrase-file", "wrong"]);
    let without = fixture.run(&["verify", archive]);

    verified.expect_code(0);
    refused.expect_code(77);
    assert!(refused.stderr.contains("the passphrase is another one"), "{}", refused.stderr);
    without.expect_code(77);
    assert!(without.stderr.contains("no passphrase was given"), "{}", without.stderr);
}

#[test]
fn what_is_no_key_is_refused_and_not_shown() {
    let Some(fixture) = Fixture::new() else { return };
    let secret = fs::read_to_string(fixture.env.path("keys")).unwrap();
    let secret = secret.lines().last().unwrap();
    fixture.env.write("empty", "# no keys\n");
    fixture.env.write("passphrase", "\n");

    for (args, message) in [
        (["--recipient", "age1nonsense"], "a `--recipient` is not an X25519 recipient of age"),
        (["--recipient", secret], "a `--recipient` is an age identity, which is secret"),
        (["--recipients-file", "keys"], "`keys`, line 3 is an age identity, which is secret"),
        (["--recipients-file", "empty"], "`empty` names no recipient"),
        (["--passphrase-file", "passphrase"], "`passphrase` is an empty passphrase"),
    ] {
        let run = fixture.run(&["create", "data", "backups", args[0], args[1]]);
        run.expect_code(2);
        assert!(run.stderr.contains(message), "{}", run.stderr);
        assert!(!run.stderr.contains(&secret[20..]), "a secret is shown: {}", run.stderr);
    }
    assert!(!fixture.env.path("backups").exists());
    let both = ["--recipient", &fixture.recipient, "--passphrase-file", "keys"];
    fixture.run(&[&["create", "data", "backups"][..], &both].concat()).expect_code(2);
    for (file, message) in [
        ("data/a/file", "`data/a/file`, line 1 is not an X25519 identity of age"),
        ("empty", "`empty` holds no identity"),
    ] {
        let no_key = fixture.run(&["list", "x", "--identity", file]);
        no_key.expect_code(2);
        assert!(no_key.stderr.contains(message), "{}", no_key.stderr);
    }
}

#[test]
fn a_profile_encrypts_prunes_and_is_not_asked_for_a_key() {
    let Some(fixture) = Fixture::new() else { return };
    let config = format!(
        "[backup.profile.home]\nsource = [\"data\"]\ndest = \"backups\"\nverify = true\nkeep_last = 1\n\
         recipient = [\"{}\"]\ncache = true\n",
        fixture.recipient
    );
    fixture.env.write("config.toml", config);
    let run = || fixture.run(&["run", "home", "--config", "config.toml"]);

    run().expect_code(0);
    run().expect_code(0);

    let names = fs::read_dir(fixture.env.path("backups")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let archives: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    assert_eq!(archives.len(), 1, "{archives:?}");
    let timer = ["timer", "home", "--config", "config.toml", "--only", "service"];
    let service = fixture.run(&timer);
    service.expect_code(0);
    assert!(service.stdout.contains("\nCacheDirectory=%p\n"), "{}", service.stdout);
    assert!(archives[0].starts_with("home-") && archives[0].ends_with(".tar.gz.age"));
}
