//! Backups on bad days: full disks, kills, sources that do not stand still, and very many files.
//!
//! After each, the destination holds only whole archives, and the next run works.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use devops_e2e::{Run, Running, TestEnv, outside, wait_until, without_root};
use rustix::process::{Signal, geteuid};

const TOOL: &str = "devops-backup";

/// Returns the archives in a folder; what has another name is not one yet.
fn archives(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".tar.gz") && !is_hidden(path)).collect()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[track_caller]
fn expect_all_whole(env: &TestEnv, folder: &Path) {
    for archive in archives(folder) {
        env.run(TOOL, ["verify".as_ref(), archive.as_os_str()]).expect_code(0);
    }
}

/// Writes bytes that do not compress, the same for the same seed.
pub(crate) fn write_noise(env: &TestEnv, name: &str, seed: u64, n: usize) -> PathBuf {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = (0..n.div_ceil(8)).flat_map(|_| next()).collect();
    env.write(name, &bytes[..n])
}

/// A small file system of its own, unmounted at the end.
pub(crate) struct SmallDisk {
    pub(crate) folder: PathBuf,
    unmount: Command,
}

impl SmallDisk {
    /// Mounts one, as the options of tmpfs say.
    pub(crate) fn mount(env: &TestEnv, options: &str) -> Option<Self> {
        let folder = env.path("disk");
        fs::create_dir(&folder).unwrap();
        let mut mount = env.program("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder);
        if !geteuid().is_root() || !mount.status().is_ok_and(|status| status.success()) {
            outside::skip("a file system cannot be mounted here");
            return None;
        }
        let mut unmount = env.program("umount");
        unmount.arg(&folder);
        Some(Self { folder, unmount })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = self.unmount.status();
    }
}

#[test]
fn a_full_disk_leaves_no_archive_and_spares_those_there() {
    let env = TestEnv::new();
    let Some(disk) = SmallDisk::mount(&env, "size=4m") else { return };
    write_noise(&env, "source/a", 1, 1 << 20);
    env.run(TOOL, ["create", "source", "disk"]).expect_code(0);
    let large = write_noise(&env, "source/b", 2, 8 << 20);

    let full = env.run(TOOL, ["create", "source", "disk"]);

    full.expect_code(1);
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
    assert_eq!(archives(&disk.folder).len(), 1);
    expect_all_whole(&env, &disk.folder);
    fs::remove_file(large).unwrap();
    env.run(TOOL, ["create", "source", "disk"]).expect_code(0);
    assert_eq!(archives(&disk.folder).len(), 2);
    expect_all_whole(&env, &disk.folder);
}

#[test]
fn a_kill_in_a_run_that_copies_leaves_only_whole_archives() {
    let env = TestEnv::new();
    for n in 0..40 {
        write_noise(&env, &format!("source/{n}"), n, 1 << 20);
    }
    let backups = env.path("backups");
    env.run(TOOL, ["create", "source", "backups"]).expect_code(0);
    // A few files change each time, so that a run reads, compresses and copies.
    for n in 0..6 {
        write_noise(&env, &format!("source/{n}"), n + 100, 1 << 20);
        let n_before = archives(&backups).len();
        let running = env.start(TOOL, ["create", "source", "backups"]);
        let size = u64::from(u32::try_from(n).unwrap()) * (8 << 20);
        wait_until("the archive has grown", || {
            archives(&backups).len() > n_before || partial_size(&backups) >= Some(size)
        });
        running.signal(if n % 2 == 0 { Signal::KILL } else { Signal::TERM });
        running.finish();
        expect_all_whole(&env, &backups);
    }

    env.run(TOOL, ["create", "source", "backups"]).expect_code(0);
    let newest = archives(&backups).into_iter().max_by_key(|path| modified(path)).unwrap();
    env.run(TOOL, ["verify".as_ref(), newest.as_os_str(), "--against".as_ref(), "source".as_ref()])
        .expect_code(0);
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn partial_size(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?;
    let partial = entries
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().ends_with(".partial"))?;
    Some(partial.metadata().ok()?.len())
}

#[test]
fn a_file_that_grows_for_ever_is_cut_and_named() {
    let env = TestEnv::new();
    let closed = write_closed(&env);
    let path = write_noise(&env, "source/growing.log", 7, 3 << 20);
    env.write("source/steady", "1");
    fs::create_dir(env.path("backups")).unwrap();
    fs::set_permissions(env.path("backups"), Permissions::from_mode(0o777)).unwrap();
    let mut tool = env.tool(TOOL);
    without_root(tool.args(["create", "source", "backups"]));

    let running = Running::start_unread(tool);
    // The size of the large file is taken before the small ones in front of it are opened.
    running.wait_for_unread();
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"x").unwrap();
    let run = grow_until_the_end(file, running);

    run.expect_code(3);
    assert!(run.stderr.lines().next().is_some_and(|line| line.contains("Permission denied")));
    assert!(run.stderr.contains("growing.log`: grew"), "{}", run.stderr);
    expect_all_whole(&env, &env.path("backups"));
    for path in closed {
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }
    env.run(TOOL, ["create", "source", "backups"]).expect_code(0);
}

/// Writes files that only root can open, in front of others and in one group with them.
///
/// Their names take more than 64 KiB.
fn write_closed(env: &TestEnv) -> Vec<PathBuf> {
    let folder = Path::new("source").join("a".repeat(250));
    let paths = (0..140).map(|n| env.write(folder.join(format!("{n:0>250}")), ""));
    let paths: Vec<PathBuf> = paths.collect();
    for path in &paths {
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    }
    paths
}

/// Appends to a file for as long as a tool runs.
fn grow_until_the_end(mut file: File, running: Running) -> Run {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A bound for a test that went wrong: far more than a run reads.
            for _ in 0..1 << 16 {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                file.write_all(&[b'x'; 4096]).unwrap();
                thread::yield_now();
            }
        });
        let run = running.finish();
        is_over.store(true, Ordering::Relaxed);
        run
    })
}

#[test]
fn a_hundred_thousand_files_and_a_giant_hole_take_little_memory() {
    let env = TestEnv::new();
    let folder = env.path("source/many");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..100_000 {
        File::create(folder.join(format!("{n:06}"))).unwrap();
    }
    let giant = File::create(env.path("source/giant")).unwrap();
    giant.set_len(5 << 30).unwrap();
    rustix::io::pwrite(&giant, b"in the middle", 3 << 30).unwrap();

    for _ in 0..2 {
        env.run_in_memory(TOOL, 512, &["create", "source", "backups", "--quiet"]).expect_code(0);
    }

    let [newest, other] = <[_; 2]>::try_from(archives(&env.path("backups"))).unwrap();
    let newest = if modified(&newest) > modified(&other) { newest } else { other };
    let newest = newest.to_str().unwrap();
    env.run_in_memory(TOOL, 512, &["restore", newest, "giant", "many/012345", "--to", "back"])
        .expect_code(0);
    let back = fs::metadata(env.path("back/giant")).unwrap();
    assert_eq!(back.len(), 5 << 30);
    assert!(std::os::unix::fs::MetadataExt::blocks(&back) < 1000);
    assert!(env.path("back/many/012345").exists());
}
