//! Opening what a user named, which may be a pipe that nobody writes to.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use super::{
    path_error::{IoResultExt, PathError},
    refusal::NotRegular,
};
use crate::cancel::Cancel;

const BYTE_ORDER_MARK: char = '\u{feff}';
/// How often a wait for a writer looks whether a signal has come: every 50 milliseconds.
const CANCEL_POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A file, a pipe or a device to read; a signal ends the wait for whoever writes to it.
///
/// Such a read fails with an error whose kind is [`Kind::Interrupted`](crate::kind::Kind::Interrupted).
pub struct Input {
    file: File,
    cancel: Cancel,
}

impl Input {
    /// Opens `path` without waiting for a writer: the reads do that.
    pub fn open(path: &Path, cancel: &Cancel) -> Result<Self, PathError> {
        Ok(Self::new(open_at_once(path)?, cancel))
    }

    /// Reads what is open already, such as the standard input.
    pub fn new(open: impl Into<OwnedFd>, cancel: &Cancel) -> Self {
        Self { file: File::from(open.into()), cancel: cancel.clone() }
    }

    /// Returns what is open.
    pub fn into_open(self) -> OwnedFd {
        self.file.into()
    }

    /// Returns the metadata of what is open.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Reads a whole text of at most `limit` bytes; `path` is for the error.
    ///
    /// A leading byte order mark, as editors on Windows write it, is dropped.
    pub fn read_text(self, path: &Path, limit: u64) -> Result<String, PathError> {
        let mut text = read_limited(self, path, limit)?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        Ok(text)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.cancel.check().map_err(io::Error::other)?;
            // A pipe without a writer is not at its end before one has come and gone.
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&CANCEL_POLL)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.file.read(buffer) {
                Err(error) if is_early(&error) => {}
                read => return read,
            }
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Opens a regular file for reading; anything else is refused, and a pipe never waited for.
pub fn open_file(path: &Path) -> Result<File, PathError> {
    let file = open_at_once(path)?;
    if !file.metadata().at(path, "read")?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular)).at(path, "read");
    }
    Ok(file)
}

/// Reads a whole text of at most `limit` bytes from a file or a pipe; a signal ends the wait for it.
pub fn read_input(path: &Path, limit: u64, cancel: &Cancel) -> Result<String, PathError> {
    Input::open(path, cancel)?.read_text(path, limit)
}

/// Reads all bytes of a file or pipe that a user names, but those of a byte order mark of UTF-8.
pub fn read_input_bytes(path: &Path, limit: u64, cancel: &Cancel) -> Result<Vec<u8>, PathError> {
    let mut bytes = Vec::new();
    let input = Input::open(path, cancel)?;
    check_limit(input.take(limit + 1).read_to_end(&mut bytes), path, limit)?;
    let mark = BYTE_ORDER_MARK.to_string();
    if bytes.starts_with(mark.as_bytes()) {
        bytes.drain(..mark.len());
    }
    Ok(bytes)
}

pub(super) fn read_limited(from: impl Read, path: &Path, limit: u64) -> Result<String, PathError> {
    let mut text = String::new();
    check_limit(from.take(limit + 1).read_to_string(&mut text), path, limit)?;
    Ok(text)
}

fn check_limit(read: io::Result<usize>, path: &Path, limit: u64) -> Result<(), PathError> {
    if read.at(path, "read")? as u64 > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge)).at(path, "read");
    }
    Ok(())
}

fn open_at_once(path: &Path) -> Result<File, PathError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map(File::from).at(path, "read")
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write, path::PathBuf};

    use rustix::fs::{FileType, mknodat};

    use super::*;
    use crate::kind::{HasKind, Kind};

    fn pipe_in(dir: &tempfile::TempDir) -> PathBuf {
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        path
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        for (bytes, text) in [
            (&b"\xef\xbb\xbf*.key\r\n"[..], "*.key\r\n"),
            (b"\xef\xbb\xbf", ""),
            (b"\xef\xbb\xbf\xef\xbb\xbfa", "\u{feff}a"),
            (b"a\xef\xbb\xbf", "a\u{feff}"),
        ] {
            crate::fs::replace(&path, bytes, 0o600).unwrap();
            assert_eq!(read_input(&path, 100, &Cancel::new()).unwrap(), text);
        }
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_pipe_that_nobody_writes_to() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        let (path, stop) = (pipe_in(&dir), cancel.clone());
        let reader = std::thread::spawn(move || read_input(&path, 10, &stop));

        cancel.cancel(15);

        let error = reader.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(error.source.to_string(), "interrupted by SIGTERM");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_however_late_its_writer_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = pipe_in(&dir);
        let mut input = Input::open(&path, &Cancel::new()).unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            input.read_to_string(&mut text).map(|_| text)
        });

        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"one ").unwrap();
        writer.write_all(b"two").unwrap();
        drop(writer);

        assert_eq!(reader.join().unwrap().unwrap(), "one two");
    }

    #[test]
    fn a_device_is_read_as_what_it_is() {
        let null = read_input(Path::new("/dev/null"), 10, &Cancel::new());
        let zero = read_input(Path::new("/dev/zero"), 10, &Cancel::new());

        assert_eq!(null.unwrap(), "");
        assert_eq!(zero.unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn refuses_a_pipe_and_a_folder_where_a_file_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        for path in [pipe_in(&dir).as_path(), dir.path(), Path::new("/dev/null")] {
            let error = open_file(path).unwrap_err();

            assert_eq!(error.kind(), Kind::Usage);
            assert_eq!(error.source.to_string(), "it is not a regular file");
        }
    }
}
