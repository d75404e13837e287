//! Tests of writing files.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use rustix::fs::CWD;

use super::*;
use crate::kind::{HasKind, Kind};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_dropped_file_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();

    let mut file = AtomicFile::create(dir.path().join("a.txt")).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);

    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn commit_keeps_an_existing_file_and_can_be_retargeted() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.txt");
    replace(&target, b"old", 0o644).unwrap();

    let mut file = AtomicFile::create(&target).unwrap();
    file.write_all(b"new").unwrap();
    let refused = file.commit(0o644, IfExists::Fail).unwrap_err();
    file.retarget(&Destination::open(&dir.path().join("b.txt")).unwrap());
    file.commit(0o600, IfExists::Fail).unwrap();

    assert_eq!(refused.kind(), Kind::Exists);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["a.txt", "b.txt"]);
}

#[test]
fn removes_the_leftover_of_a_killed_process_but_not_work_in_progress() {
    let dir = tempfile::tempdir().unwrap();
    let working = AtomicFile::create(dir.path().join("a.txt")).unwrap();
    File::create(dir.path().join(".a.txt.Xy12zz.partial")).unwrap();
    File::create(dir.path().join(".other.Xy12zz.partial")).unwrap();
    File::create(dir.path().join(".a.txt.my-own.partial")).unwrap();

    let removed =
        remove_stale(&OpenFolder::open(dir.path()).unwrap(), |name| name == "a.txt").unwrap();

    assert_eq!(removed, [dir.path().join(".a.txt.Xy12zz.partial")]);
    assert!(working.temp_path().exists());
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn work_begun_while_leftovers_are_removed_is_not_taken_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.txt");
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;

    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(order) {
                remove_stale(&OpenFolder::open(dir.path()).unwrap(), |_| true).unwrap();
            }
        });
        let made = std::panic::catch_unwind(|| {
            for _ in 0..500 {
                replace(&target, b"x", 0o600).unwrap();
            }
        });
        is_done.store(true, order);
        made.unwrap();
    });

    assert_eq!(names(dir.path()), ["a.txt"]);
}

#[test]
fn refuses_to_replace_what_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();

    let refused = replace(&pipe, b"text", 0o644).unwrap_err();

    assert_eq!(refused.to_string(), format!("failed to replace `{}`", pipe.display()));
    assert!(!fs::metadata(&pipe).unwrap().is_file());
    assert_eq!(names(dir.path()), ["pipe"]);
}

#[test]
fn a_link_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    replace(&dir.path().join("file"), b"old", 0o644).unwrap();
    symlink("file", dir.path().join("link")).unwrap();

    replace(&dir.path().join("link"), b"new", 0o644).unwrap();

    assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
}

#[test]
fn errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");

    let error = read_text(&missing, 10).unwrap_err();

    assert_eq!(error.to_string(), format!("failed to read `{}`", missing.display()));
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn refuses_a_text_past_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    replace(&path, b"12345", 0o644).unwrap();

    assert_eq!(read_text(&path, 5).unwrap(), "12345");
    assert_eq!(read_text(&path, 4).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
}

/// Makes what a test of links needs: a folder that only we can write to, with a file in it.
fn own_folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    replace(&file, b"old", 0o644).unwrap();
    (dir, file)
}

#[test]
fn a_link_of_another_or_in_a_folder_of_all_is_neither_followed_nor_replaced() {
    let (dir, file) = own_folder();
    let open_to_all = dir.path().join("open");
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut links = vec![open_to_all.join("link")];
    symlink(&file, &links[0]).unwrap();
    if rustix::process::geteuid().is_root() {
        let link = dir.path().join("foreign");
        symlink(&file, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(65534), Some(65534)).unwrap();
        links.push(link);
    }

    for link in links {
        let refused = replace(&link, b"new", 0o644).unwrap_err();

        assert_eq!(refused.kind(), Kind::Denied);
        assert_eq!(refused.to_string(), format!("failed to follow `{}`", link.display()));
        assert!(link.is_symlink());
    }
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn a_loop_of_symbolic_links_ends() {
    let (dir, _) = own_folder();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();

    assert!(replace(&dir.path().join("a"), b"new", 0o644).is_err());
}

#[test]
fn a_link_put_under_the_final_name_during_a_write_stays() {
    let (dir, file) = own_folder();
    let target = dir.path().join("target");
    let mut atomic = AtomicFile::create(&target).unwrap();
    symlink(&file, &target).unwrap();

    let refused = atomic.commit(0o644, IfExists::Replace).unwrap_err();

    assert_eq!(refused.kind(), Kind::Denied);
    assert!(target.is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what an attacker does need not be durable")]
fn a_folder_that_is_swapped_for_a_link_redirects_nothing() {
    let (dir, _) = own_folder();
    let (folder, outside) = (dir.path().join("folder"), dir.path().join("outside"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&outside).unwrap();
    let mut atomic = AtomicFile::create(folder.join("a")).unwrap();
    fs::rename(&folder, dir.path().join("away")).unwrap();
    symlink(&outside, &folder).unwrap();

    atomic.write_all(b"new").unwrap();
    atomic.commit(0o644, IfExists::Replace).unwrap();

    assert_eq!(names(&outside), [""; 0]);
    assert_eq!(fs::read(dir.path().join("away/a")).unwrap(), b"new");
}

#[test]
fn a_file_beneath_a_folder_is_reached_through_no_link() {
    let (dir, _) = own_folder();
    let folder = OpenFolder::create(&dir.path().join("in")).unwrap();
    fs::create_dir_all(dir.path().join("in/x")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    symlink("../out", dir.path().join("in/link")).unwrap();
    symlink("../../out/file", dir.path().join("in/x/file")).unwrap();

    let made = folder.make(Path::new("y/z/f")).unwrap();

    assert_eq!(made.path(), dir.path().join("in/y/z/f"));
    assert!(dir.path().join("in/y/z").is_dir());
    for path in ["link/f", "x/file", "x/file/f"] {
        assert!(folder.make(Path::new(path)).is_err(), "{path}");
    }
    assert_eq!(names(&dir.path().join("out")), [""; 0]);
}

#[test]
fn pipes_and_open_descriptors_are_written_as_streams() {
    use std::io::Read;

    let (dir, file) = own_folder();
    let (mut reader, writer) = io::pipe().unwrap();
    let descriptor = PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer)));
    let open = fs::OpenOptions::new().append(true).open(&file).unwrap();
    let appended = PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open)));
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();

    check_output(&descriptor).unwrap();
    write_output(&descriptor, b"through a pipe", 0o600).unwrap();
    write_output(&appended, b" and new", 0o600).unwrap();
    let without_reader = write_output(&pipe, b"x", 0o600).unwrap_err();
    drop(writer);

    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!(read, "through a pipe");
    assert_eq!(fs::read(&file).unwrap(), b"old and new");
    assert_eq!(without_reader.to_string(), format!("failed to write `{}`", pipe.display()));
}

#[test]
fn a_long_name_leaves_room_for_a_temporary_one() {
    let (dir, _) = own_folder();
    for name in ["n".repeat(255), "日".repeat(85), format!("x{}", "ü".repeat(127))] {
        let target = dir.path().join(&name);

        let mut file = AtomicFile::create(&target).unwrap();
        // No letter of it is cut in two, so that the leftover of a killed process is known again.
        let temp = target_name(file.temp_path().file_name().unwrap()).unwrap();
        file.commit(0o600, IfExists::Fail).unwrap();

        assert!(target.is_file() && name.starts_with(temp.to_str().unwrap()), "{temp:?}");
    }
}

#[test]
fn a_pipe_in_a_folder_of_all_is_written_to_if_only_we_can_have_put_it_there() {
    let (dir, _) = own_folder();
    let folder = dir.path().join("shared");
    fs::create_dir(&folder).unwrap();
    let pipe = folder.join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let is_stream = |mode: u32| {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        match resolve(&pipe) {
            Ok(Resolved::Stream(_)) => true,
            Ok(Resolved::File(_)) => panic!("a pipe is no file"),
            Err(error) => {
                let said = error.source.to_string();
                assert!(said.contains("a pipe or a device that another user"), "{said}");
                assert_eq!(error.kind(), Kind::Denied);
                false
            }
        }
    };

    assert!(is_stream(0o755) && is_stream(0o1777));
    assert!(!is_stream(0o777));
    fs::hard_link(&pipe, dir.path().join("other")).unwrap();
    assert!(!is_stream(0o1777), "it could have been moved there");
    fs::remove_file(dir.path().join("other")).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&pipe, Some(65_534), None).unwrap();
        assert!(!is_stream(0o1777) && !is_stream(0o755));
    }
}

#[test]
fn a_file_gets_its_name_before_a_signal_ends_the_process_or_not_at_all() {
    let (dir, _) = own_folder();
    let target = dir.path().join("new");
    let mut file = AtomicFile::create(&target).unwrap();
    let (sender, begun) = std::sync::mpsc::channel();

    // While this lasts the process may be ended.
    let unheld = crate::cancel::wait_unheld(std::time::Duration::ZERO);
    std::thread::scope(|scope| {
        let commit = scope.spawn(move || {
            sender.send(()).unwrap();
            file.commit(0o600, IfExists::Replace).unwrap();
        });
        begun.recv().unwrap();
        for _ in 0..10_000 {
            std::thread::yield_now();
            assert!(!target.exists());
        }
        drop(unheld);
        commit.join().unwrap();
    });

    assert!(target.exists());
}
