//! Nights of backups that go off-site unattended, each command a process: some are killed, and some find no disk, no
//! credentials or no folder. The dates are those in the names of the archives.

use std::{collections::HashSet, env, fs, io::Write, process::Command};

use devops_e2e::{Running, finish, names_in};
use devops_fakes::s3::Entry;
use rustix::process::Signal;

use crate::{
    backup_faults::SmallDisk,
    s3push::{LONG, MIB, S3TestEnv, bytes},
    s3push_resume::journals,
};

const DUMP: &str = "db.dump";
/// Three parts and a rest.
const LARGE: usize = 15 * MIB + 1000;
/// So many archives stay here.
const HERE: u32 = 10;
/// So many nights show every trouble and what follows it; `DEVOPS_EVERY_NIGHT` asks for a month.
const NIGHTS: u32 = 14;
const MONTH: u32 = 30;
const KEEP: [&str; 4] = ["--keep-daily", "4", "--keep-weekly", "2"];

/// The fault of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InjectedFault {
    /// `kill -9` while the archive is sent.
    KilledInArchive,
    /// `kill -9` while the dump is sent, which is another one the next night.
    KilledInDump,
    /// The disk of the journals is full.
    FullDisk,
    /// The credentials end while a part is sent.
    Expired,
    /// The folder is empty, since its disk is not mounted.
    Unmounted,
}

fn fault(day: u32) -> Option<InjectedFault> {
    match day % NIGHTS {
        3 => Some(InjectedFault::KilledInArchive),
        5 | 6 => Some(InjectedFault::KilledInDump),
        8 => Some(InjectedFault::FullDisk),
        10 => Some(InjectedFault::Expired),
        12 => Some(InjectedFault::Unmounted),
        _ => None,
    }
}

fn name(day: u32) -> String {
    format!("backup-2020-11-{day:02}.tar.gz")
}

/// A host and its store.
struct Nights {
    setting: S3TestEnv,
    small: Vec<u8>,
    large: Vec<u8>,
}

impl Nights {
    fn new() -> Self {
        let setting = S3TestEnv::new();
        setting.env.write("small/a", "1");
        setting.file("large/a", LARGE);
        let [small, large] = ["small", "large"].map(|source| {
            let made = format!("made-{source}");
            let create = ["create", source, &made, "--reproducible"];
            setting.env.run("devops-backup", create).expect_code(0);
            let made = setting.env.path(made);
            fs::read(made.join(&names_in(&made)[0])).expect("an archive")
        });
        Self { setting, small, large }
    }

    /// Makes the archive and the dump of a day, and removes the archive that is too old here.
    fn back_up(&self, day: u32, fault: Option<InjectedFault>) {
        let is_large = !matches!(fault, None | Some(InjectedFault::KilledInDump));
        let archive = if is_large { &self.large } else { &self.small };
        self.setting.env.write(format!("backups/{}", name(day)), archive);
        let is_large = fault == Some(InjectedFault::KilledInDump);
        let mut dump = bytes(if is_large { LARGE } else { 1000 });
        dump[0] = u8::try_from(day).expect("a month is short");
        self.setting.env.write(format!("backups/{DUMP}"), dump);
        if let Some(old) = day.checked_sub(HERE) {
            let _gone = fs::remove_file(self.setting.env.path(format!("backups/{}", name(old))));
        }
    }

    fn put(&self) -> Command {
        let put = ["put", "backups", "s3://backups/daily/", "--if-changed"];
        let flags = ["--part-size", "5MiB", "--no-base"];
        self.setting.command(&[&put[..], &flags, &KEEP].concat())
    }

    fn prune(&self) -> Command {
        self.setting.command(&[&["prune", "s3://backups/daily/"][..], &KEEP].concat())
    }

    /// Runs both commands, which end well, and finds the newest content off-site.
    fn good_night(&self, day: u32, disk: Option<&SmallDisk>) {
        let n_before = self.setting.server.log().len();
        for mut command in [self.put(), self.prune()] {
            if let Some(disk) = disk {
                command.env("XDG_STATE_HOME", &disk.folder);
            }
            finish(&mut command).expect_code(0);
        }

        for name in [&name(day), DUMP] {
            let here = fs::read(self.setting.env.path(format!("backups/{name}"))).unwrap();
            assert!(self.setting.object(&format!("daily/{name}")) == here, "{name}");
        }
        let log = self.setting.server.log();
        let of_dump = log[n_before..].iter().filter(|entry| is_of_dump(entry) && is_taken(entry));
        assert_eq!(of_dump.count(), 1, "the dump of the {day}th");
    }

    /// Ends the put as nothing can be heard, when a part is on its way and others are there.
    fn killed(&self) {
        self.setting.server.faults(&["UploadPart:hold:part=3"]);
        let n_before = self.setting.server.log().len();
        let put = Running::start(self.put());
        let is_stuck = |log: &[Entry]| {
            let parts = log[n_before..].iter().filter(|entry| entry.operation == "UploadPart");
            let (held, others): (Vec<_>, Vec<_>) = parts.partition(|entry| entry.part == Some(3));
            !held.is_empty() && others.into_iter().filter(|entry| is_taken(entry)).count() >= 2
        };
        assert!(self.setting.server.wait_for(is_stuck, LONG), "no part was held");
        put.signal(Signal::KILL);
        put.finish().expect_code(137);
        self.all_well_again();
    }

    fn all_well_again(&self) {
        self.setting.server.clear_faults();
        self.setting.server.release();
        assert!(self.setting.server.wait_until_idle(LONG));
    }

    fn expired(&self) {
        self.setting.server.faults(&["UploadPart:expired-token:part=2:always"]);
        finish(&mut self.put()).expect_code(77);
        self.all_well_again();
    }

    fn unmounted(&self) {
        let before = self.setting.server.keys("backups");
        fs::create_dir_all(self.setting.env.path("unmounted")).unwrap();
        let put = ["put", "unmounted", "s3://backups/daily/", "--if-changed"];
        let sync = ["sync", "unmounted", "s3://backups/daily/", "--delete", "--max-delete", "99"];

        self.setting.run(&[&put[..], &KEEP].concat()).expect_code(5);
        self.setting.run(&sync).expect_code(11);

        assert_eq!(self.setting.server.keys("backups"), before);
    }

    fn night(&self, day: u32) {
        let fault = fault(day);
        self.back_up(day, fault);
        match fault {
            Some(InjectedFault::KilledInArchive | InjectedFault::KilledInDump) => self.killed(),
            Some(InjectedFault::FullDisk) => {
                let disk = SmallDisk::mount(&self.setting.env, "size=64k");
                if let Some(disk) = &disk {
                    let mut file = fs::File::create(disk.folder.join("large")).unwrap();
                    file.write_all(&bytes(MIB)).unwrap_err();
                }
                self.good_night(day, disk.as_ref());
                drop(disk);
                let _gone = fs::remove_dir(self.setting.env.path("disk"));
            }
            Some(InjectedFault::Expired) => self.expired(),
            Some(InjectedFault::Unmounted) => self.unmounted(),
            None => self.good_night(day, None),
        }
    }
}

fn is_taken(entry: &Entry) -> bool {
    matches!(&*entry.operation, "PutObject" | "UploadPart") && entry.status == Some(200)
}

fn is_of_dump(entry: &Entry) -> bool {
    entry.path.ends_with(DUMP)
}

#[test]
fn nights_with_trouble_need_no_person_and_send_nothing_twice() {
    let nights = Nights::new();
    let n_nights = if env::var_os("DEVOPS_EVERY_NIGHT").is_some() { MONTH } else { NIGHTS };

    for day in 1..=n_nights {
        nights.night(day);
    }

    let log = nights.setting.server.log();
    let mut seen = HashSet::new();
    for entry in log.iter().filter(|entry| is_taken(entry) && !is_of_dump(entry)) {
        let part = (&entry.path, entry.part);
        assert!(seen.insert(part), "{part:?} was sent twice");
    }
    assert!(seen.len() > 20, "{seen:?}");
    assert_eq!(nights.setting.server.pending_uploads("backups"), 0);
    // What is known of archives stays.
    let unfinished =
        journals(&nights.setting).into_iter().filter(|it| !it.starts_with("archives-"));
    assert_eq!(unfinished.collect::<Vec<_>>(), [""; 0]);
}
