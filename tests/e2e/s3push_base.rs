//! `devops-s3push put` of archives: what the store has already is copied there.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use devops_e2e::{Run, finish};
use serde_json::Value;

use crate::s3push::{MIB, S3TestEnv, bytes, json_lines};

/// A folder whose archive has 30 MiB, and where one megabyte changes from day to day.
pub(crate) struct Home {
    pub(crate) setting: S3TestEnv,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { setting: S3TestEnv::new() };
        for n in 0..6 {
            home.setting.file(&format!("home/{n}.bin"), (5 * MIB) + n);
        }
        home
    }

    /// Makes the archive of a day, and returns where it is.
    pub(crate) fn archive(&self, day: u32) -> PathBuf {
        self.setting.env.write("home/diary.txt", bytes(MIB + day as usize));
        self.setting.env.run("devops-backup", ["create", "home", "made"]).expect_code(0);
        let mut made = fs::read_dir(self.setting.env.path("made")).unwrap();
        let made = made.next().unwrap().unwrap().path();
        let path = self.setting.env.path(format!("backups/home-2026-11-{day:02}.tar.gz"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A copy and no rename, which the rules of this house keep to one place.
        fs::copy(&made, &path).unwrap();
        fs::remove_file(made).unwrap();
        path
    }

    pub(crate) fn put(&self, archive: &str, target: &str, flags: &[&str]) -> Run {
        self.setting.run(&[&["put", archive, target, "--json"], flags].concat())
    }

    pub(crate) fn check(&self, key: &str, archive: &PathBuf) {
        assert!(self.setting.object(key) == fs::read(archive).unwrap(), "{key}");
        assert_eq!(self.setting.server.pending_uploads("backups"), 0);
    }
}

fn event(run: &Run, kind: &str) -> Option<Value> {
    run.expect_code(0);
    json_lines(&run.stdout).into_iter().find(|event| event["type"] == kind)
}

fn sent_and_copied(run: &Run) -> (u64, u64) {
    let object = event(run, "object").expect("an object");
    assert_eq!(object["proof"], "full");
    (object["bytes_sent"].as_u64().unwrap(), object["bytes_copied"].as_u64().unwrap())
}

#[test]
fn the_next_archive_is_made_of_the_one_before() {
    let home = Home::new();
    let (first, second) = (home.archive(1), home.archive(2));
    home.setting.server.put("backups", "laptop/home-2036-01-01.tar.gz", b"of a wrong clock");

    let day_1 = home.put("backups/home-2026-11-01.tar.gz", "s3://backups/laptop/", &[]);
    let day_2 = home.put("backups/home-2026-11-02.tar.gz", "s3://backups/laptop/", &[]);

    assert_eq!(event(&day_1, "composed"), None);
    assert_eq!(event(&day_1, "uncomposed"), None);
    let composed = event(&day_2, "composed").expect("it is composed");
    assert_eq!(composed["base"], "s3://backups/laptop/home-2026-11-01.tar.gz");
    let (sent, copied) = sent_and_copied(&day_2);
    let size = second.metadata().unwrap().len();
    assert_eq!(sent + copied, size);
    assert!(copied > size / 2, "{copied} of {size}");
    home.check("laptop/home-2026-11-01.tar.gz", &first);
    home.check("laptop/home-2026-11-02.tar.gz", &second);
}

#[test]
fn a_person_reads_what_is_copied() {
    let home = Home::new();
    let second = (home.archive(1), home.archive(2)).1;
    home.put("backups/home-2026-11-01.tar.gz", "s3://backups", &[]).expect_code(0);

    let run = home.setting.run(&["put", second.to_str().unwrap(), "s3://backups"]);

    run.expect_code(0);
    assert!(
        run.stderr.contains(" MiB of it from s3://backups/home-2026-11-01.tar.gz inside the store")
    );
    home.check("home-2026-11-02.tar.gz", &second);
}

#[test]
fn the_base_is_chosen_or_left_out() {
    let home = Home::new();
    let second = (home.archive(1), home.archive(2)).1;
    let (first, again) = ("backups/home-2026-11-01.tar.gz", "backups/home-2026-11-02.tar.gz");
    home.put(first, "s3://backups/elsewhere/old.tar.gz", &[]).expect_code(0);

    let named = home.put(again, "s3://backups", &["--base", "s3://backups/elsewhere/old.tar.gz"]);
    home.put(first, "s3://backups/whole.tar.gz", &[]).expect_code(0);
    let without = home.put(again, "s3://backups/whole.tar.gz", &["--no-base", "--overwrite"]);
    let missing = home.put(again, "s3://backups/b.tar.gz", &["--base", "s3://backups/none.tar.gz"]);
    let itself = home.put(first, "s3://backups/whole.tar.gz", &["--overwrite"]);

    assert!(sent_and_copied(&named).1 > 0);
    assert_eq!(sent_and_copied(&without).1, 0);
    assert_eq!(event(&without, "uncomposed"), None);
    assert_eq!(sent_and_copied(&missing).1, 0);
    let reason = event(&missing, "uncomposed").expect("it says why");
    assert_eq!(reason["reason"], "`s3://backups/none.tar.gz` does not exist");
    assert!(sent_and_copied(&itself).1 > 0);
    home.check("home-2026-11-02.tar.gz", &second);
    home.check("b.tar.gz", &second);
    let both = ["--base", "s3://backups/b.tar.gz", "--no-base", "--overwrite"];
    // On one command line the last one counts.
    assert_eq!(sent_and_copied(&home.put(again, "s3://backups/b.tar.gz", &both)).1, 0);
    home.put(again, "s3://backups", &["--base", "s3://backups/"]).expect_code(2);
    home.put(again, "s3://backups", &["--base", "s3://another/b.tar.gz"]).expect_code(2);
    // A flag is stronger than the environment.
    let mut command = home.setting.command(&["put", again, "s3://backups/b.tar.gz", "--no-base"]);
    let flag = finish(
        command.args(["--overwrite", "--json"]).env("DEVOPS_S3PUSH_BASE", "s3://backups/b.tar.gz"),
    );
    assert_eq!(sent_and_copied(&flag).1, 0);
}

#[test]
fn a_folder_of_archives_copies_too() {
    let home = Home::new();
    home.archive(1);
    home.setting.run(&["put", "backups", "s3://backups"]).expect_code(0);
    let second = home.archive(2);

    let run = home.put("backups", "s3://backups", &[]);

    let summary = event(&run, "summary").expect("a summary");
    assert_eq!((&summary["stored"], &summary["unchanged"]), (&1.into(), &1.into()));
    assert!(event(&run, "composed").is_some());
    home.check("home-2026-11-02.tar.gz", &second);
}

#[test]
fn what_is_no_archive_asks_for_no_base() {
    let home = Home::new();
    let file = home.setting.file("home-2026-11-01.tar.gz", 20 * MIB);

    let plain = home.put("home-2026-11-01.tar.gz", "s3://backups", &[]);
    let base = ["--base", "s3://backups/home-2026-11-01.tar.gz", "--overwrite"];
    let named = home.put("home-2026-11-01.tar.gz", "s3://backups", &base);

    assert_eq!(event(&plain, "uncomposed"), None);
    assert_eq!(home.setting.server.count("ListObjectsV2"), 0);
    let reason = event(&named, "uncomposed").expect("it says why");
    let archive = "home-2026-11-01.tar.gz";
    let words = format!(
        "nothing of `s3://backups/{archive}` is copied, because `{archive}` is not an archive with an index"
    );
    assert_eq!(reason["reason"], words.as_str());
    home.check("home-2026-11-01.tar.gz", &file);
}

#[test]
fn a_store_that_cannot_copy_gets_everything_and_that_is_said() {
    let home = Home::new();
    let second = (home.archive(1), home.archive(2)).1;
    home.put("backups/home-2026-11-01.tar.gz", "s3://backups", &[]).expect_code(0);
    home.setting.server.faults(&["UploadPartCopy:not-implemented:always"]);

    let run = home.setting.run(&["put", second.to_str().unwrap(), "s3://backups"]);

    run.expect_code(0);
    assert!(
        run.stderr.contains(
            "Sending all of s3://backups/home-2026-11-02.tar.gz: UploadPartCopy: NotImplemented"
        ),
        "{}",
        run.stderr
    );
    home.check("home-2026-11-02.tar.gz", &second);
}

#[test]
fn an_archive_that_breaks_off_in_a_pipe_is_not_stored() {
    let home = Home::new();
    let bytes = fs::read(home.archive(1)).unwrap();
    let put = |bytes: &[u8], key: &str| {
        let input = home.setting.env.write("stream", bytes);
        let mut command = home.setting.command(&["put", "-", &format!("s3://backups/{key}")]);
        finish(command.stdin(File::open(input).unwrap()))
    };

    put(&bytes, "whole.tar.gz").expect_code(0);
    for cut in [5000, 9 * MIB, bytes.len() / 2, bytes.len() - 126, bytes.len() - 1] {
        let run = put(&bytes[..cut], "cut.tar.gz");

        run.expect_code(1);
        let message = "error: failed to read `-`\n  caused by: the archive is cut off";
        assert!(run.stderr.contains(message), "{cut}: {}", run.stderr);
    }
    // Nobody can know where the input of others ends.
    put(b"just text", "text").expect_code(0);

    assert_eq!(home.setting.server.keys("backups"), ["text", "whole.tar.gz"]);
    assert_eq!(home.setting.server.pending_uploads("backups"), 0);
    assert!(home.setting.object("whole.tar.gz") == bytes);
}
