//! The bytes of an archive file, decrypted where need be: by position, and from any thread.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    iter,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use age::{DecryptError, Decryptor, Identity, stream::StreamReader};
use age_core::format::FileKey;
use rustix::{
    buffer::spare_capacity,
    fs::{CWD, Mode, OFlags, Stat, fstat, openat},
    io::{Errno, pread},
};

use super::{
    encryption::{self, Keys, NotDecrypted},
    stat::{FileId, Meta},
};
use crate::archive::ArchiveError;
use crate::{
    archive_index::age_file::{self, LONGEST_HEADER, MARK},
    fs::{IoResultExt, PathError},
    limits::Limit,
    owners::FileAccess,
};

/// An archive file, and what opens it if it is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    /// The path.
    pub path: &'a Path,
    /// The keys that may open it.
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
pub(in crate::archive) struct ArchiveFile(Arc<Content>);

enum Content {
    Plain {
        file: File,
        n_bytes: u64,
    },
    /// Whoever reads, decrypts.
    Encrypted {
        opened: Mutex<Decrypting>,
        n_bytes: u64,
    },
}

/// An encrypted file being read.
struct Decrypting {
    reader: StreamReader<File>,
    file: File,
    key: FileKey,
}

impl Decrypting {
    fn read_at(&mut self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let read = self.reader.seek(SeekFrom::Start(at)).and_then(|_| self.reader.read(buffer));
        self.restarted_after(read)
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let read =
            self.reader.seek(SeekFrom::Start(at)).and_then(|_| self.reader.read_exact(buffer));
        self.restarted_after(read)
    }

    /// A reader that met a bad chunk reads no other one: a new one takes its place.
    fn restarted_after<T>(&mut self, read: io::Result<T>) -> io::Result<T> {
        if read.is_err() {
            let again = Decryptor::new(rewound(&self.file)?).map_err(io::Error::other)?;
            let key: &dyn Identity = &encryption::FileKeyIdentity(&self.key);
            self.reader = again.decrypt(iter::once(key)).map_err(io::Error::other)?;
        }
        read
    }
}

/// Returns the file at its beginning, where a header is.
fn rewound(file: &File) -> io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

impl ArchiveFile {
    /// Opens what may be an archive.
    pub(in crate::archive) fn open(archive: Archive<'_>) -> Result<Self, ArchiveError> {
        Self::open_with(archive, false)
    }

    /// Opens what may be an archive, and an encrypted one that is cut off as well: the length of that is not
    /// known, and at most what [`n_bytes`](Self::n_bytes) says.
    pub(in crate::archive) fn open_tolerant(archive: Archive<'_>) -> Result<Self, ArchiveError> {
        Self::open_with(archive, true)
    }

    fn open_with(archive: Archive<'_>, is_tolerant: bool) -> Result<Self, ArchiveError> {
        let Archive { path, keys } = archive;
        let file = match keys.stream(path) {
            // A file description of its own: reading moves it.
            Some(file) => open(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))?,
            None => open(path)?,
        };
        let n_bytes = file.metadata().at(path, "read")?.len();
        if !is_encrypted(&file).at(path, "read")? {
            return Ok(Self(Arc::new(Content::Plain { file, n_bytes })));
        }
        let decryptor = rewound(&file).at(path, "read").map(Decryptor::new)?;
        let decryptor = decryptor.map_err(|error| undecrypted(path, error))?;
        let (reader, key) = keys.open(decryptor).map_err(|closed| match closed {
            NotDecrypted::Encrypted(reason) => {
                ArchiveError::Encrypted { path: path.to_owned(), reason }
            }
            NotDecrypted::Failed(error) => undecrypted(path, error),
        })?;
        let mut opened = Decrypting { reader, file, key };
        // This reads the last chunk, which says that it is the last: a cut file is found here.
        let end = opened.reader.seek(SeekFrom::End(0));
        let n_bytes = match opened.restarted_after(end) {
            Err(error) if is_tolerant && error.raw_os_error().is_none() => n_bytes,
            end => end.map_err(|error| unread(path, 0, error))?,
        };
        let opened = Mutex::new(opened);
        Ok(Self(Arc::new(Content::Encrypted { opened, n_bytes })))
    }

    /// Returns whether the file is encrypted.
    pub(in crate::archive) fn is_encrypted(&self) -> bool {
        matches!(*self.0, Content::Encrypted { .. })
    }

    /// Returns who owns the open file and may write to it.
    pub(in crate::archive) fn access(&self) -> io::Result<FileAccess> {
        self.stat().map(|stat| FileAccess::from(&stat))
    }

    /// Returns which file is open.
    pub(in crate::archive) fn id(&self) -> io::Result<FileId> {
        self.stat().map(|stat| Meta::from(stat).id)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(match &*self.0 {
            Content::Plain { file, .. } => fstat(file)?,
            Content::Encrypted { opened, .. } => fstat(&lock(opened).file)?,
        })
    }

    /// Returns the length of the archive, which is shorter than an encrypted file.
    pub(in crate::archive) fn n_bytes(&self) -> u64 {
        match &*self.0 {
            Content::Plain { n_bytes, .. } | Content::Encrypted { n_bytes, .. } => *n_bytes,
        }
    }

    /// Reads what stands at `at`, 0 bytes at the end.
    pub(in crate::archive) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match &*self.0 {
            Content::Plain { file, .. } => file.read_at(buffer, at),
            Content::Encrypted { opened, .. } => lock(opened).read_at(buffer, at),
        }
    }

    /// Fills `buffer` with what stands at `at`.
    pub(in crate::archive) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match &*self.0 {
            Content::Plain { file, .. } => file.read_exact_at(buffer, at),
            Content::Encrypted { opened, .. } => lock(opened).read_exact_at(buffer, at),
        }
    }

    /// Reads the `n` bytes at `at`, with room for `more` behind them.
    pub(in crate::archive) fn bytes(&self, at: u64, n: usize, more: usize) -> io::Result<Vec<u8>> {
        let Content::Plain { file, .. } = &*self.0 else {
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

/// Returns why an encrypted file cannot be whole, if it is not, without any key; and which file it is.
pub(in crate::archive) fn sealed_flaw(
    path: &Path,
) -> Result<(Option<&'static str>, FileId), ArchiveError> {
    let file = open(path)?;
    let meta = Meta::from(fstat(&file).at(path, "read")?);
    let (n_bytes, id) = (meta.size, meta.id);
    let mut head = Vec::new();
    (&file).take(LONGEST_HEADER).read_to_end(&mut head).at(path, "read")?;
    Ok((age_file::flaw(&head, n_bytes).map(age_file::Flaw::reason), id))
}

fn is_encrypted(file: &File) -> io::Result<bool> {
    let mut head = [0; MARK.len()];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(head == MARK),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock(opened: &Mutex<Decrypting>) -> MutexGuard<'_, Decrypting> {
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what the disk failed to read from what was read and is not what was written.
pub(in crate::archive) fn unread(path: &Path, n_entries: u64, error: io::Error) -> ArchiveError {
    if error.raw_os_error().is_some() || Limit::of(&error).is_some() {
        return PathError { action: "read", path: path.to_owned(), source: error }.into();
    }
    ArchiveError::Damaged { path: path.to_owned(), n_entries, reason: error.to_string() }
}

fn undecrypted(path: &Path, error: DecryptError) -> ArchiveError {
    let error = match error {
        DecryptError::Io(error) => error,
        other => io::Error::other(other),
    };
    unread(path, 0, error)
}
