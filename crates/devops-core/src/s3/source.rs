//! A file that is being sent, and whether it stayed as it was.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{S3Error, blocking, plan::Part};
use crate::fs::{At, PathError, open_file};

/// An open file with the state it had when it was opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    file: Arc<File>,
    path: PathBuf,
    seen: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    modified: (i64, i64),
}

impl OpenFile {
    pub(crate) async fn open(path: &Path) -> Result<Self, PathError> {
        let path = path.to_owned();
        blocking(move || {
            let file = open_file(&path)?;
            let seen = state(&file).at(&path, "read")?;
            Ok(Self { file: Arc::new(file), path, seen })
        })
        .await
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn size(&self) -> u64 {
        self.seen.size
    }

    /// Fills `buffer` with the bytes of `part`; on a blocking thread.
    pub(crate) fn read(&self, part: Part, buffer: &mut [u8]) -> Result<(), S3Error> {
        match self.file.read_exact_at(buffer, part.offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => {
                Err(Err::<(), _>(error).at(&self.path, "read").expect_err("it failed").into())
            }
        }
    }

    /// Fails when the file is not as it was when it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), S3Error> {
        // A file that was renamed or replaced is still whole; one that was written to is not.
        if state(&self.file).at(&self.path, "read")? == self.seen {
            return Ok(());
        }
        Err(self.changed())
    }

    fn changed(&self) -> S3Error {
        S3Error::Changed(self.path.display().to_string())
    }
}

fn state(file: &File) -> io::Result<State> {
    let metadata = file.metadata()?;
    Ok(State { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
}
