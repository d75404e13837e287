use std::{fs, os::unix::fs::symlink, thread};

use time::macros::datetime;

use super::*;

/// A file system across the network, as far as locks go.
struct Remote {
    lock: Result<(), Errno>,
}

impl Storage for Remote {
    fn lock(&self, _file: &File, _operation: FlockOperation) -> Result<(), Errno> {
        self.lock
    }

    fn is_remote(&self, _file: &File) -> bool {
        true
    }

    fn settling(&self) -> Duration {
        Duration::ZERO
    }
}

/// Locks for this host alone.
const ALONE: Remote = Remote { lock: Ok(()) };
const WITHOUT_LOCKS: Remote = Remote { lock: Err(Errno::NOLCK) };

fn holder() -> LockOwner {
    LockOwner::this_process(Path::new("/"), "web-1", datetime!(2026-11-22 08:49:39 +1))
}

fn lock_on(
    storage: &dyn Storage,
    folder: &Path,
    mode: LockMode,
) -> (Result<FolderLock, LockError>, Vec<String>) {
    let mut events = Vec::new();
    let request = LockRequest { holder: &holder(), mode, wait: Duration::ZERO };
    let mut on_event = |event: LockEvent<'_>| events.push(format!("{event:?}"));
    let locked = OpenFolder::open(folder)
        .map_err(LockError::from)
        .and_then(|folder| acquire_on(storage, &folder, &request, &Cancel::new(), &mut on_event));
    (locked, events)
}

fn lock(folder: &Path, mode: LockMode) -> Result<FolderLock, LockError> {
    lock_on(&Host, folder, mode).0
}

/// No process has this id: Linux gives none past 2^22.
const NO_PROCESS: u32 = 2_000_000_000;

/// Leaves a note as `change` has it, last touched `age` ago.
fn leave_note(folder: &Path, age: Duration, change: impl FnOnce(&mut LockOwner)) {
    let mut holder = LockOwner { pid: NO_PROCESS, ..holder() };
    change(&mut holder);
    let note = OwnerRecord { holder, mode: LockMode::Exclusive };
    let mut file = File::create(folder.join(FILE_NAME)).unwrap();
    file.write_all(&serde_json::to_vec(&note).unwrap()).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn n_files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn one_alone_keeps_everybody_out_and_says_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let _held = lock(dir.path(), LockMode::Exclusive).unwrap();

    for mode in [LockMode::Shared, LockMode::Exclusive] {
        let refused = lock(dir.path(), mode).unwrap_err();

        let pid = std::process::id();
        let expected = format!(
            "`{}` is locked by process {pid} on `web-1` since 2026-11-22T08:49:39+01:00",
            dir.path().display()
        );
        assert_eq!(refused.to_string(), expected);
        assert_eq!(refused.kind(), Kind::Temporary);
    }
}

#[test]
fn several_share_it_and_the_last_one_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = lock(dir.path(), LockMode::Shared).unwrap();
    let second = lock(dir.path(), LockMode::Shared).unwrap();

    drop(first);
    assert!(matches!(lock(dir.path(), LockMode::Exclusive), Err(LockError::Held { .. })));
    drop(second);

    assert_eq!(n_files(dir.path()), 0);
    lock(dir.path(), LockMode::Exclusive).unwrap();
}

#[test]
fn what_a_killed_process_left_on_this_host_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    leave_note(dir.path(), Duration::ZERO, |_| {});

    lock(dir.path(), LockMode::Exclusive).unwrap();

    assert_eq!(n_files(dir.path()), 0);
}

#[test]
fn one_that_waits_gets_it_when_the_other_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut held = Some(lock(dir.path(), LockMode::Exclusive).unwrap());

    let wait = Duration::from_mins(10);
    let request = LockRequest { holder: &holder(), mode: LockMode::Shared, wait };
    let mut n_told = 0;
    let locked = FolderLock::acquire(dir.path(), &request, &Cancel::new(), &mut |event| {
        assert!(matches!(event, LockEvent::Waiting(Some(_))));
        n_told += 1;
        held.take();
    });

    locked.unwrap();
    assert_eq!(n_told, 1);
}

#[test]
fn a_signal_ends_the_wait() {
    let dir = tempfile::tempdir().unwrap();
    let _held = lock(dir.path(), LockMode::Exclusive).unwrap();
    let cancel = Cancel::new();

    let wait = Duration::from_mins(10);
    let request = LockRequest { holder: &holder(), mode: LockMode::Exclusive, wait };
    let locked = FolderLock::acquire(dir.path(), &request, &cancel, &mut |_| cancel.cancel(15));

    assert!(matches!(locked, Err(LockError::Cancelled(Cancelled { signal: 15 }))));
}

#[test]
fn many_threads_have_it_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let n_inside = std::sync::atomic::AtomicU32::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let Ok(_held) = lock(dir.path(), LockMode::Exclusive) else { continue };
                    assert_eq!(n_inside.fetch_add(1, order), 0);
                    n_inside.fetch_sub(1, order);
                }
            });
        }
    });

    assert_eq!(n_files(dir.path()), 0);
}

#[test]
fn the_note_of_another_host_counts_while_it_is_fresh() {
    for storage in [ALONE, WITHOUT_LOCKS] {
        let dir = tempfile::tempdir().unwrap();
        let other_host = |holder: &mut LockOwner| {
            holder.boot = "other".to_owned();
            holder.host = "nas\u{1b}[2J".to_owned();
        };

        leave_note(dir.path(), Duration::from_mins(9), other_host);
        let (refused, events) = lock_on(&storage, dir.path(), LockMode::Shared);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("process 2000000000 on `nas\\u{1b}[2J`"), "{refused}");
        assert_eq!(events, [""; 0]);

        leave_note(dir.path(), Duration::from_mins(11), other_host);
        let (locked, events) = lock_on(&storage, dir.path(), LockMode::Shared);
        assert!(events[0].starts_with("StaleLockTaken"), "{events:?}");
        drop(locked.unwrap());
        assert_eq!(n_files(dir.path()), 0);
    }
}

#[test]
fn without_locks_of_the_kernel_a_running_process_counts_and_a_dead_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    leave_note(dir.path(), Duration::ZERO, |_| {});

    let (locked, events) = lock_on(&WITHOUT_LOCKS, dir.path(), LockMode::Exclusive);
    assert!(events[0].starts_with("StaleLockTaken"), "{events:?}");
    let held = locked.unwrap();
    let (refused, _) = lock_on(&WITHOUT_LOCKS, dir.path(), LockMode::Shared);
    assert!(matches!(refused, Err(LockError::Held { .. })));

    drop(held);
    assert_eq!(n_files(dir.path()), 0);
}

#[test]
fn without_locks_of_the_kernel_the_same_pid_elsewhere_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let in_a_container = |holder: &mut LockOwner| holder.pid_namespace = "pid:[1]".to_owned();
    leave_note(dir.path(), Duration::from_mins(5), in_a_container);

    let (refused, _) = lock_on(&WITHOUT_LOCKS, dir.path(), LockMode::Exclusive);

    assert!(matches!(refused, Err(LockError::Held { .. })));
}

#[test]
fn a_link_in_place_of_the_lock_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    symlink("elsewhere", dir.path().join(FILE_NAME)).unwrap();

    let refused = lock(dir.path(), LockMode::Exclusive).unwrap_err();

    let path = dir.path().join(FILE_NAME);
    let said = format!("`{}` is a symbolic link, and no lock", path.display());
    assert_eq!(refused.to_string(), said);
    assert_eq!(refused.kind(), Kind::Denied);
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn what_is_no_file_of_its_own_is_no_lock_and_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let expect = |what: &str| {
        let refused = lock(dir.path(), LockMode::Shared).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("is {what}, and no lock")), "{refused}");
    };

    fs::create_dir(&path).unwrap();
    expect("a folder");
    fs::remove_dir(&path).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
    expect("no regular file");
    fs::remove_file(&path).unwrap();
    let precious = dir.path().join("precious");
    File::create(&precious).unwrap().write_all(b"as it was").unwrap();
    fs::hard_link(&precious, &path).unwrap();
    expect("a file with other names");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
}

/// Gives the lock file another name once it is open.
struct Linking {
    other: PathBuf,
    lock: Result<(), Errno>,
}

impl Storage for Linking {
    fn lock(&self, _file: &File, _operation: FlockOperation) -> Result<(), Errno> {
        let _linked = fs::hard_link(self.other.with_file_name(FILE_NAME), &self.other);
        self.lock
    }

    fn is_remote(&self, _file: &File) -> bool {
        false
    }

    fn settling(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_file_with_other_names_is_not_written_to_though_it_was_none_when_it_was_looked_at() {
    for lock in [Ok(()), Err(Errno::NOLCK)] {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("precious");
        File::create(dir.path().join(FILE_NAME)).unwrap().write_all(b"as it was").unwrap();
        let storage = Linking { other: other.clone(), lock };

        let (refused, _) = lock_on(&storage, dir.path(), LockMode::Exclusive);

        let refused = refused.unwrap_err().to_string();
        assert!(refused.ends_with("is a file with other names, and no lock"), "{refused}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "as it was");
    }
}

#[test]
fn a_folder_that_does_not_exist_is_not_found() {
    let dir = tempfile::tempdir().unwrap();

    let refused = lock(&dir.path().join("missing"), LockMode::Exclusive).unwrap_err();

    assert_eq!(refused.kind(), Kind::NotFound);
}
