//! Files that change, vanish or fail while they are read.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
    time::UNIX_EPOCH,
};

use devops_core::{
    archive::{CreateOptions, Created, FileIo, verify},
    cancel::Cancel,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::archive::fixture::{Fixture, paths, write};

/// Does something when a file is opened for reading.
struct OnOpen<F>(&'static str, Mutex<F>);

impl<F: FnMut(&File) + Send> FileIo for OnOpen<F> {
    fn input<'a>(&self, path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        if path == Path::new(self.0) {
            (self.1.lock().unwrap())(file);
        }
        Box::new(file)
    }
}

fn create(fixture: &Fixture, name: &'static str, act: impl FnMut(&File) + Send) -> Created {
    let created = fixture.create_through(&OnOpen(name, Mutex::new(act))).unwrap();
    verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    created
}

fn changed(created: &Created) -> Vec<(PathBuf, &str)> {
    assert_eq!(created.summary.skipped, []);
    created
        .summary
        .changed
        .iter()
        .map(|left| (left.path.clone(), left.reason.split(' ').next().unwrap()))
        .collect()
}

#[test]
fn a_file_that_grows_is_cut_at_its_first_size() {
    for size in [0, 5, 512, 3 << 20] {
        let fixture = Fixture::new();
        let path = fixture.write("a", &vec![1; size]);
        fixture.write("b", b"whole");

        let created = create(&fixture, "a", |_| {
            File::options().append(true).open(&path).unwrap().write_all(&[2; 4000]).unwrap();
        });
        fixture.restore(&created.path, "back");

        assert_eq!(changed(&created), [("a".into(), "grew")], "size {size}");
        assert_eq!(fs::read(fixture.path("back/a")).unwrap(), vec![1; size]);
        assert_eq!(fs::read(fixture.path("back/b")).unwrap(), b"whole");
    }
}

#[test]
fn a_file_that_shrinks_is_filled_with_zeros() {
    for (size, left) in [(5, 2), (5, 0), (600, 512), (3 << 20, 1 << 20), ((3 << 20) + 7, 1_500_000)]
    {
        let fixture = Fixture::new();
        let path = fixture.write("a", &vec![1; size]);
        fixture.write("b", b"whole");

        let created = create(&fixture, "a", |_| {
            File::options().write(true).open(&path).unwrap().set_len(left as u64).unwrap();
        });
        fixture.restore(&created.path, "back");

        let mut expected = vec![1; left];
        expected.resize(size, 0);
        assert_eq!(changed(&created), [("a".into(), "shrank")], "from {size} to {left}");
        assert_eq!(fs::read(fixture.path("back/a")).unwrap(), expected);
        assert_eq!(fs::read(fixture.path("back/b")).unwrap(), b"whole");
    }
}

#[test]
fn a_file_written_to_in_place_is_named() {
    let fixture = Fixture::new();
    let path = fixture.write("a", &[1; 5]);
    File::open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();

    let created = create(&fixture, "a", |_| {
        File::options().write(true).open(&path).unwrap().write_all(&[2]).unwrap();
    });

    assert_eq!(changed(&created), [("a".into(), "was")]);
}

#[test]
fn a_file_or_folder_that_vanishes_is_named() {
    let fixture = Fixture::new();
    // Large, so that it is read before the walk goes on.
    fixture.write("a", &vec![1; 2 << 20]);
    let file = fixture.write("b", b"2");
    let folder = fixture.source.join("c");
    fs::create_dir(&folder).unwrap();

    let created = create(&fixture, "a", |_| {
        fs::remove_file(&file).unwrap();
        fs::remove_dir(&folder).unwrap();
    });

    assert_eq!(changed(&created), [("b".into(), "vanished"), ("c".into(), "vanished")]);
    assert_eq!(paths(&created.path), [".", "a"]);
}

#[test]
fn a_file_that_becomes_a_pipe_is_named_and_waited_for_by_nobody() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let path = fixture.write("b", b"2");
    fixture.write("c", b"3");

    // They are small, so all were found before the first is read.
    let created = create(&fixture, "a", |_| {
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    });

    assert_eq!(changed(&created), [("b".into(), "became")]);
    assert_eq!(paths(&created.path), [".", "a", "c"]);
}

#[test]
fn another_name_made_meanwhile_is_no_change() {
    let fixture = Fixture::new();
    let path = fixture.write("a", b"1");

    let created = create(&fixture, "a", |_| fs::hard_link(&path, fixture.path("link")).unwrap());

    assert_eq!(changed(&created), []);
}

#[test]
fn a_new_file_under_the_number_of_an_old_one_is_no_link_to_it() {
    let fixture = Fixture::new();
    let first = fixture.write("a", b"old");
    // Large, so that it is read before the walk goes on.
    fixture.write("b", &vec![1; 2 << 20]);
    fs::hard_link(&first, fixture.source.join("c")).unwrap();

    // A number used again looks just so: the same one, and other facts.
    let created = create(&fixture, "b", |_| write(&first, b"entirely new"));
    fixture.restore(&created.path, "back");

    assert_eq!(fs::read(fixture.path("back/a")).unwrap(), b"old");
    assert_eq!(fs::read(fixture.path("back/c")).unwrap(), b"entirely new");
}

/// Fails reads of one file after some bytes, as a bad disk does.
struct BadDisk {
    name: &'static str,
    good: usize,
}

struct BadFile<'a> {
    file: &'a File,
    left: Cell<usize>,
}

impl FileIo for BadDisk {
    fn input<'a>(&self, path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        let is_bad = path == Path::new(self.name);
        if is_bad { Box::new(BadFile { file, left: Cell::new(self.good) }) } else { Box::new(file) }
    }
}

impl Read for BadFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.left.get().min(buffer.len());
        if n == 0 {
            return Err(io::Error::from_raw_os_error(5));
        }
        let n = self.file.read(&mut buffer[..n])?;
        self.left.set(self.left.get() - n);
        Ok(n)
    }
}

#[test]
fn a_small_file_that_cannot_be_read_is_left_out() {
    let fixture = Fixture::new();
    fixture.write("a", &[1; 5000]);
    fixture.write("b", b"whole");

    let created = fixture.create_through(&BadDisk { name: "a", good: 2000 }).unwrap();

    verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    assert_eq!(paths(&created.path), [".", "b"]);
    assert_eq!(created.summary.n_faults(), 1);
    assert_eq!(created.summary.skipped[0].path, Path::new("a"));
    assert!(created.summary.skipped[0].reason.contains("os error 5"));
}

#[test]
fn a_large_file_that_cannot_be_read_to_its_end_is_named_and_filled() {
    let fixture = Fixture::new();
    fixture.write("a", &vec![1; 4 << 20]);
    fixture.write("b", b"whole");

    let created = fixture.create_through(&BadDisk { name: "a", good: (2 << 20) + 9 }).unwrap();
    fixture.restore(&created.path, "back");

    let mut expected = vec![1; 2 << 20];
    expected.resize(4 << 20, 0);
    assert!(fs::read(fixture.path("back/a")).unwrap() == expected);
    assert_eq!(fs::read(fixture.path("back/b")).unwrap(), b"whole");
    assert_eq!(created.summary.n_faults(), 1);
    assert!(created.summary.skipped[0].reason.contains("from byte 2097152 on it holds zeros"));
}

#[test]
fn a_file_that_stands_still_when_read_again_is_no_change() {
    let fixture = Fixture::new();
    let path = fixture.write("a", b"first");
    let mut n_reads = 0;
    let act = Mutex::new(|_: &File| {
        n_reads += 1;
        if n_reads <= 2 {
            File::options().append(true).open(&path).unwrap().write_all(b", more").unwrap();
        }
    });
    let file_io = OnOpen("a", act);
    let reread_budget = std::time::Duration::from_mins(10);
    let created = fixture.create_with(&CreateOptions {
        reread_budget,
        file_io: &file_io,
        ..fixture.options()
    });

    let created = created.unwrap();
    assert_eq!(changed(&created), []);
    fixture.restore(&created.path, "back");
    assert_eq!(fs::read(fixture.path("back/a")).unwrap(), b"first, more, more");
}

/// Gives files other bytes than their size promises, others at each look as in /sys, and counts how often
/// they are read.
struct Unfit(Mutex<u32>, &'static [u8]);

impl FileIo for Unfit {
    fn input<'a>(&self, _path: &Path, file: &'a File) -> Box<dyn Read + 'a> {
        let mut n = self.0.lock().unwrap();
        *n += 1;
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(u64::from(*n))).unwrap();
        Box::new(&self.1[usize::try_from(*n).unwrap()..])
    }
}

#[test]
fn a_size_that_never_fits_is_no_reason_to_wait() {
    let text: &[u8] = b"[always] madvise never\n";
    for (size, reason) in [(4096, "shrank"), (0, "grew")] {
        let fixture = Fixture::new();
        fixture.write("a", &vec![1; size]);
        let file_io = Unfit(Mutex::new(0), text);
        let reread_budget = std::time::Duration::from_mins(1);

        let options = CreateOptions { reread_budget, file_io: &file_io, ..fixture.options() };
        let created = fixture.create_with(&options).unwrap();

        assert_eq!(changed(&created), [("a".into(), reason)]);
        assert_eq!(*file_io.0.lock().unwrap(), 2, "{reason}");
        verify(&created.path, &Cancel::new(), &mut |_| {}).unwrap();
    }
}
