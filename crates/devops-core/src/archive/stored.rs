//! The bytes of an archive file, decrypted where need be: by position, and from any thread.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use age::{Decryptor, stream::StreamReader};
use rustix::{
    buffer::spare_capacity,
    fs::{CWD, Mode, OFlags, openat},
    io::{Errno, pread},
};

use super::{ArchiveError, encryption::Keys};
use crate::fs::At;

/// How every file of age begins.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// An archive file, and what opens it if it is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What may open it.
    pub keys: &'a Keys,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Archive<'a> {
    /// An archive that is not encrypted.
    fn from(path: &'a P) -> Self {
        static NONE: Keys = Keys::none();
        Self { path: path.as_ref(), keys: &NONE }
    }
}

/// An open archive file; copies share it.
#[derive(Clone)]
pub(super) struct Stored(Arc<Bytes>);

enum Bytes {
    Plain {
        file: File,
        n_bytes: u64,
    },
    /// Whoever reads, decrypts.
    Sealed {
        file: Mutex<StreamReader<File>>,
        n_bytes: u64,
    },
}

impl Stored {
    /// Opens what may be an archive.
    pub(super) fn open(archive: Archive<'_>) -> Result<Self, ArchiveError> {
        let Archive { path, keys } = archive;
        let file = open(path)?;
        if !is_encrypted(&file).at(path, "read")? {
            let n_bytes = file.metadata().at(path, "read")?.len();
            return Ok(Self(Arc::new(Bytes::Plain { file, n_bytes })));
        }
        let decryptor = Decryptor::new(file).map_err(|error| damaged(path, &error))?;
        let mut file = keys
            .open(decryptor)
            .map_err(|reason| ArchiveError::Sealed { path: path.to_owned(), reason })?;
        // This reads the last chunk, which says that it is the last: a cut file is found here.
        let n_bytes = file.seek(SeekFrom::End(0)).map_err(|error| match error.raw_os_error() {
            Some(_) => At::<()>::at(Err(error), path, "read").expect_err("an error").into(),
            None => damaged(path, &error),
        })?;
        Ok(Self(Arc::new(Bytes::Sealed { file: Mutex::new(file), n_bytes })))
    }

    /// Returns the length of the archive, which is shorter than an encrypted file.
    pub(super) fn n_bytes(&self) -> u64 {
        match &*self.0 {
            Bytes::Plain { n_bytes, .. } | Bytes::Sealed { n_bytes, .. } => *n_bytes,
        }
    }

    /// Reads what stands at `at`, 0 bytes at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match &*self.0 {
            Bytes::Plain { file, .. } => file.read_at(buffer, at),
            Bytes::Sealed { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(at))?;
                file.read(buffer)
            }
        }
    }

    /// Fills `buffer` with what stands at `at`.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match &*self.0 {
            Bytes::Plain { file, .. } => file.read_exact_at(buffer, at),
            Bytes::Sealed { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(buffer)
            }
        }
    }

    /// Reads the `n` bytes at `at`, with room for `more` behind them.
    pub(super) fn bytes(&self, at: u64, n: usize, more: usize) -> io::Result<Vec<u8>> {
        let Bytes::Plain { file, .. } = &*self.0 else {
            let mut bytes = Vec::with_capacity(n + more);
            bytes.resize(n, 0);
            return self.read_exact_at(&mut bytes, at).map(|()| bytes);
        };
        // Many megabytes go through here, which need not be zeros before.
        let mut bytes = Vec::with_capacity(n + more);
        while bytes.len() < n {
            let here = at + bytes.len() as u64;
            match pread(file, spare_capacity(&mut bytes), here) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(n);
        Ok(bytes)
    }
}

fn open(path: &Path) -> Result<File, ArchiveError> {
    // NONBLOCK, lest opening a FIFO waits for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        // A socket.
        Err(Errno::NXIO) => return Err(ArchiveError::NotAnArchive { path: path.to_owned() }),
        Err(error) => return Err(error).at(path, "read").map_err(Into::into),
    };
    if file.metadata().at(path, "read")?.is_file() {
        Ok(file)
    } else {
        Err(ArchiveError::NotAnArchive { path: path.to_owned() })
    }
}

fn is_encrypted(file: &File) -> io::Result<bool> {
    let mut head = [0; AGE.len()];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(head == AGE),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn damaged(path: &Path, error: &dyn std::error::Error) -> ArchiveError {
    ArchiveError::Damaged { path: path.to_owned(), n_entries: 0, reason: error.to_string() }
}
