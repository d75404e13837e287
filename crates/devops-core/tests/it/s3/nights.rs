//! Thirty nights of backups that go off-site unattended, some of them bad.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use devops_core::{
    archive::{CreateOptions, create_to_writer},
    cancel::Cancel,
    clock::FixedClock,
    kind::{HasKind, Kind},
    offsite::{self, Base, PruneRequest, plan_prune, remove_pruned, select_kept, select_newest},
    retention::KeepPolicy,
    s3::{
        Deletion, Event, Filter, Journals, OverwritePolicy, PutOptions, Resume, ResumePolicy,
        S3Context, SyncError, SyncScope, UploadItem, find_upload_items, plan_sync,
    },
};
use devops_fakes::s3::Entry;
use time::{OffsetDateTime, macros::datetime};

use crate::{
    archive::fixture::create_options,
    s3::{
        prune::{key, last, ours},
        put::in_small_parts,
        test_store::{LONG, PART, TestStore, bytes, uri},
    },
};

/// So many archives stay here.
const HERE: u8 = 10;
const DUMP: &str = "daily/db.dump";
const LARGE: u64 = 3 * PART;

/// What goes wrong in a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InjectedFault {
    /// The process is killed while it sends this part.
    Killed(u32),
    /// The disk of the journals is full.
    FullDisk,
    /// The credentials end while a part is sent.
    Expired,
    /// The folder is empty, since its disk is not mounted.
    Unmounted,
}

/// Returns what goes wrong in the night of a day: on the 9th and 10th with the dump, which is another one each
/// night, else with the archive.
fn fault(day: u8) -> Option<InjectedFault> {
    match day {
        5 => Some(InjectedFault::Killed(3)),
        9 | 10 => Some(InjectedFault::Killed(2)),
        14 => Some(InjectedFault::FullDisk),
        18 => Some(InjectedFault::Expired),
        22 => Some(InjectedFault::Unmounted),
        _ => None,
    }
}

fn evening(day: u8) -> OffsetDateTime {
    datetime!(2026-11-01 23:00 UTC).replace_day(day).unwrap()
}

fn write(path: &Path, content: &[u8]) {
    File::create(path).unwrap().write_all(content).unwrap();
}

/// How the files that go off-site are chosen.
enum Choice {
    /// Those that a prune by the same policy would keep.
    Kept,
    /// The newest ones.
    Newest(u32),
}

/// A host and its store.
struct Nights {
    test_store: TestStore,
    folder: PathBuf,
    policy: KeepPolicy,
    choice: Choice,
}

impl Nights {
    fn new(policy: KeepPolicy, choice: Choice) -> Self {
        let test_store = TestStore::new();
        let folder = test_store.path("backups");
        fs::create_dir(test_store.path("disk")).unwrap();
        symlink(test_store.path("disk"), &folder).unwrap();
        Self { test_store, folder, policy, choice }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key.strip_prefix("daily/").unwrap())
    }

    fn journals(&self) -> Journals {
        Journals::new(self.test_store.path("journals"))
    }

    /// Makes the archive and the dump of a day, and removes the archives that are too old here.
    fn back_up(&self, day: u8, (archive_is_large, dump_is_large): (bool, bool)) {
        let mut file = File::create(self.path(&key(day))).unwrap();
        if archive_is_large {
            let source = tempfile::tempdir().unwrap();
            write(&source.path().join("large"), &bytes(LARGE + u64::from(day)));
            let clock = FixedClock(evening(day));
            let source_as = Some(Path::new("/srv/large"));
            let options = CreateOptions { source_as, ..create_options(source.path(), &clock) };
            create_to_writer(&options, &mut file, None, &Cancel::new(), &mut |_| {}).unwrap();
        } else {
            file.write_all(ours(day)).unwrap();
        }
        let mut dump = bytes(if dump_is_large { LARGE } else { 1000 });
        dump[0] = day;
        write(&self.path(DUMP), &dump);
        for old in 1..=day.saturating_sub(HERE) {
            let _gone = fs::remove_file(self.path(&key(old)));
        }
    }

    /// Does what the nightly commands do: puts what is chosen, then prunes.
    async fn go_off_site(
        &self,
        context: S3Context<'_>,
        day: u8,
        journals: Journals,
    ) -> Result<(), Kind> {
        let resume = Resume { journals, earlier: ResumePolicy::IfPresent, now: evening(day) };
        let replace = OverwritePolicy::IfChanged;
        let options = PutOptions { resume: Some(resume), replace, ..in_small_parts() };
        for source in self.chosen(context, day).await? {
            let put = offsite::put(context, &source, &options, &Base::None).await;
            put.map_err(|error| error.kind())?;
        }
        let request = PruneRequest { policy: self.policy.clone(), now: evening(day), ..last(1) };
        let plan = plan_prune(context, &request).await.map_err(|error| error.kind())?;
        let pruned = remove_pruned(context, &plan, &mut |_, _| {}).await;
        pruned.map_err(|error| error.kind())
    }

    async fn chosen(&self, context: S3Context<'_>, day: u8) -> Result<Vec<UploadItem>, Kind> {
        let paths = [self.folder.clone()];
        let found = find_upload_items(&paths, &uri("daily/"), &Filter::default(), false).unwrap();
        if found.files.is_empty() {
            return Err(Kind::NotFound);
        }
        let (files, now) = (&found.files, evening(day));
        let selection = match self.choice {
            Choice::Kept => select_kept(context, files, &self.policy, now).await,
            Choice::Newest(n) => select_newest(context, files, n, now).await,
        };
        Ok(selection.map_err(|error| error.kind())?.chosen)
    }

    fn good_night(&self, day: u8, journals: Journals) {
        let done =
            self.test_store.run(async |context| self.go_off_site(context, day, journals).await);

        assert_eq!(done, Ok(()), "the night of the {day}th");
        for key in [&key(day), DUMP] {
            let stored = self.test_store.server.object("backups", key).unwrap().bytes();
            assert!(stored == fs::read(self.path(key)).unwrap(), "{key}");
        }
    }

    /// Ends the work as `kill -9` does, when this part is on its way and the others are there.
    fn killed(&self, day: u8, part: u32) {
        self.test_store.server.faults(&[&format!("UploadPart:hold:part={part}")]);
        let n_before = self.test_store.server.log().len();
        let is_stuck = || {
            let log = self.test_store.server.log();
            let parts = log[n_before..].iter().filter(|entry| entry.operation == "UploadPart");
            let (held, others): (Vec<_>, Vec<_>) =
                parts.partition(|entry| entry.part == Some(part));
            !held.is_empty() && others.iter().filter(|entry| is_taken(entry)).count() >= 2
        };
        self.test_store.run(async |context| {
            let stuck = async {
                while !is_stuck() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                done = self.go_off_site(context, day, self.journals()) => panic!("{done:?}"),
                () = stuck => {}
            }
        });
        self.all_well_again();
    }

    fn all_well_again(&self) {
        self.test_store.server.clear_faults();
        self.test_store.server.release();
        assert!(self.test_store.server.wait_until_idle(LONG));
    }

    fn unmounted(&self, day: u8) {
        let stray = self.folder.join(".keep");
        fs::remove_file(&self.folder).unwrap();
        fs::create_dir(&self.folder).unwrap();
        let before = self.test_store.server.keys("backups");
        let mirror = || {
            let (prefix, filter) = (uri("daily/"), Filter::default());
            let pair = SyncScope { folder: &self.folder, prefix: &prefix, filter: &filter };
            let deletion = Some(Deletion { max: Some(1000) });
            self.test_store
                .run(async |context| plan_sync(context, pair, false, deletion).await.unwrap_err())
        };

        let put = self
            .test_store
            .run(async |context| self.go_off_site(context, day, self.journals()).await);
        assert_eq!(put, Err(Kind::NotFound));
        assert!(matches!(mirror(), SyncError::NoFiles(_)));
        write(&stray, b"");
        assert!(matches!(mirror(), SyncError::NothingInCommon(_)));

        assert_eq!(self.test_store.server.keys("backups"), before);
        fs::remove_dir_all(&self.folder).unwrap();
        symlink(self.test_store.path("disk"), &self.folder).unwrap();
    }

    fn night(&self, day: u8) {
        match fault(day) {
            Some(InjectedFault::Killed(part)) => {
                self.back_up(day, (part == 3, part == 2));
                self.killed(day, part);
            }
            Some(InjectedFault::FullDisk) => {
                self.back_up(day, (true, false));
                // A file where the folder would be takes no journal either.
                self.good_night(day, Journals::new(self.path(DUMP)));
            }
            Some(InjectedFault::Expired) => {
                self.back_up(day, (true, false));
                self.test_store.server.faults(&["UploadPart:expired-token:part=2:always"]);
                let put = self
                    .test_store
                    .run(async |context| self.go_off_site(context, day, self.journals()).await);
                assert_eq!(put, Err(Kind::Permission));
                self.all_well_again();
            }
            Some(InjectedFault::Unmounted) => self.unmounted(day),
            None => {
                self.back_up(day, (false, false));
                self.good_night(day, self.journals());
            }
        }
    }

    /// Checks that the parts of each archive were sent once, and so was each dump that was stored.
    fn check_nothing_was_sent_twice(&self) {
        let log = self.test_store.server.log();
        let sent = log.iter().filter(|entry| is_taken(entry) && !entry.path.ends_with("db.dump"));
        let mut seen = HashSet::new();
        for entry in sent {
            let part = (entry.path.clone(), entry.part);
            assert!(seen.insert(part), "{} {:?} was sent twice", entry.path, entry.part);
        }
        assert!(seen.len() > 25, "{seen:?}");
        assert_eq!(self.test_store.server.pending_uploads("backups"), 0);
        assert_eq!(self.journals().unfinished().unwrap().len(), 0);
    }

    fn n_archives(&self) -> usize {
        self.test_store.server.keys("backups").len() - 1
    }
}

fn is_taken(entry: &Entry) -> bool {
    matches!(&*entry.operation, "PutObject" | "UploadPart") && entry.status == Some(200)
}

#[test]
fn thirty_nights_with_trouble_need_no_person_and_send_nothing_twice() {
    let policy = KeepPolicy { daily: 4, weekly: 2, ..KeepPolicy::default() };
    let nights = Nights::new(policy, Choice::Kept);

    for day in 1..=30 {
        nights.night(day);
    }

    nights.check_nothing_was_sent_twice();
    let given_up = |event: &&Event| matches!(event, Event::AbandonedUpload { .. });
    assert_eq!(nights.test_store.events.borrow().iter().filter(given_up).count(), 2);
    let is_resumed = |event: &&Event| matches!(event, Event::Resumed { .. });
    assert_eq!(nights.test_store.events.borrow().iter().filter(is_resumed).count(), 2);
}

#[test]
fn a_nightly_put_and_prune_send_nothing_twice_by_any_rules() {
    let policy = |last, daily, weekly, monthly| KeepPolicy {
        last,
        daily,
        weekly,
        monthly,
        ..KeepPolicy::default()
    };
    let within = Duration::from_hours(4 * 24);
    for (policy, choice, n_kept) in [
        (policy(3, 0, 0, 0), Choice::Kept, 3),
        (policy(3, 0, 0, 0), Choice::Newest(3), 3),
        (policy(5, 0, 0, 0), Choice::Newest(2), 5),
        (policy(0, 4, 3, 1), Choice::Kept, 5),
        (KeepPolicy { within: Some(within), ..KeepPolicy::default() }, Choice::Kept, 5),
        // More than there is here: what was removed here stays there.
        (policy(20, 0, 0, 0), Choice::Kept, 20),
    ] {
        let nights = Nights::new(policy, choice);

        for day in 1..=30 {
            nights.back_up(day, (false, false));
            nights.good_night(day, nights.journals());
        }

        nights.check_nothing_was_sent_twice();
        assert_eq!(nights.n_archives(), n_kept);
    }
}
