//! The journal of an unfinished upload, by which it resumes.
//!
//! `FOLDER/ID.jsonl` holds one JSON object a line: first the [`Job`], then the multipart upload that was
//! begun for it, then the parts that the store has taken. A later upload makes the earlier lines void.
//!
//! The job is on the disk before the store hears of it, and the upload before its first part. Nobody
//! waits for the lines of parts: a lost one only means that this part is read again and compared. That
//! is also why lines are added instead of the file being replaced, which for thousands of parts would
//! write it thousands of times. A line that a crash or a full disk has cut off ends what counts.
//!
//! The file is locked while a process works at it, and removed when there is nothing to take up.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock},
    io::Errno,
};

use tokio::time::sleep;

use crate::s3::{error::operation::JournalError, store::blocking::blocking};
use crate::{
    fs::{DirEntryPath, IoResultExt, PathError, create_private_folders, open_file},
    lock::is_unsupported,
};
use record::Record;

mod folder;
mod job;
mod record;

pub use folder::Journals;
pub use job::{Job, Unfinished};
pub(crate) use job::{VERSION, id_of};
pub(crate) use record::{JournalState, PartRecord, UploadRecord, append};

const EXTENSION: &str = "jsonl";
/// A journal of 10,000 parts has 2 MB; a larger file is none of ours.
const LARGEST: u64 = 64 << 20;
const BREATH: Duration = Duration::from_millis(20);

/// The journal of a job that this process has to itself.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    at: DirEntryPath,
    file: Arc<File>,
    /// The state that an earlier process left.
    pub(crate) earlier: Option<Box<JournalState>>,
    end: Arc<End>,
}

/// The end of a journal, after which the next line is written.
#[derive(Debug, Default)]
struct End {
    /// The number of uploads this process has begun.
    n_begun: AtomicUsize,
    /// Is set if the last line is cut off; locked, perhaps for long, while a line is written.
    is_broken: Mutex<bool>,
}

impl Journals {
    /// Returns the unfinished uploads, in the order of their beginning.
    ///
    /// A file that is none of ours, or of another version of this tool, is passed over.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, PathError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at(&self.folder, "list")?,
        };
        let mut unfinished = Vec::new();
        for entry in entries {
            let path = entry.at(&self.folder, "list")?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Ok(file) = open_file(&path)
                && let Ok(bytes) = read(&file)
                && let Some(found) = unfinished_in(&bytes)
            {
                unfinished.push(found);
            }
        }
        unfinished.sort_by_key(|unfinished| unfinished.job.begun);
        Ok(unfinished)
    }

    /// Returns where the journal of this job is.
    pub fn path(&self, job: &Job) -> PathBuf {
        path(&self.folder, job)
    }

    /// Returns whether there is a journal of this job.
    pub(crate) fn has(&self, job: &Job) -> bool {
        self.path(job).exists()
    }

    /// Takes the journal of a job, with what an earlier process wrote; a new one holds the job already.
    pub(crate) async fn claim(&self, job: Job) -> Result<Journal, JournalError> {
        let end = Instant::now() + self.let_go_within;
        loop {
            let (folder, job) = (self.folder.clone(), job.clone());
            match blocking(move || claim(&folder, job)).await {
                // Its owner may be gone and only the last of its lines be on its way to the file.
                Err(JournalError::Busy(_)) if Instant::now() < end => sleep(BREATH).await,
                claimed => return claimed,
            }
        }
    }
}

fn unfinished_in(journal: &[u8]) -> Option<Unfinished> {
    if let Some(state) = JournalState::parse(journal) {
        return Some(Unfinished { upload_id: Some(state.begun.upload_id), job: state.job });
    }
    let job = JournalState::job(journal).filter(|job| job.options.spooled)?;
    Some(Unfinished { upload_id: None, job })
}

fn path(folder: &Path, job: &Job) -> PathBuf {
    folder.join(job.id()).with_extension(EXTENSION)
}

fn claim(folder: &Path, job: Job) -> Result<Journal, JournalError> {
    create_private_folders(folder)?;
    let path = path(folder, &job);
    let at = DirEntryPath::in_folder(folder, path.file_name().unwrap_or_default())?;
    let file = loop {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::APPEND;
        let file = at.open(flags, Mode::RUSR | Mode::WUSR).at(&path, "create")?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its owner may have removed it between the two steps.
            Ok(()) if !at.is(&file) => {}
            Err(Errno::WOULDBLOCK) => return Err(JournalError::Busy(Box::new(job.name()))),
            Err(error) if !is_unsupported(error) => Err(error).at(&path, "lock")?,
            Ok(()) | Err(_) => break file,
        }
    };
    let earlier = JournalState::parse(&read(&file).at(&path, "read")?);
    // What was cut off must not run into the next line.
    let length = earlier.as_ref().map_or(0, |state| state.length);
    file.set_len(length as u64).at(&path, "write")?;
    let earlier = earlier.map(Box::new);
    let journal = Journal { path, at, file: Arc::new(file), earlier, end: Arc::default() };
    if journal.earlier.is_none() {
        append(&journal.file, &Record::Job(Box::new(job)), File::sync_all)
            .at(&journal.path, "write")?;
        journal.at.sync_dir().at(folder, "sync")?;
    }
    Ok(journal)
}

impl Journal {
    /// Begins anew with another job, as if there had been none.
    pub(crate) async fn restart(&mut self, job: Job) -> Result<(), PathError> {
        self.earlier = None;
        let file = Arc::clone(&self.file);
        let again = move || {
            file.set_len(0)?;
            append(&file, &Record::Job(Box::new(job)), File::sync_all)
        };
        blocking(again).await.at(&self.path, "write")
    }

    /// Writes down an upload; only then may its parts be sent.
    pub(crate) async fn begin(&self, begun: UploadRecord) -> Result<(), PathError> {
        let (file, end) = (Arc::clone(&self.file), Arc::clone(&self.end));
        let write = move || {
            let mut is_broken = end.is_broken.lock().unwrap_or_else(PoisonError::into_inner);
            // Behind half a line it would not count, and the upload would be lost with its parts.
            file.set_len(record::whole(&read(&file)?) as u64)?;
            *is_broken = false;
            end.n_begun.fetch_add(1, Ordering::SeqCst);
            append(&file, &Record::Upload(begun), File::sync_data)
        };
        blocking(write).await.at(&self.path, "write")
    }

    /// Writes down a part of the upload that was begun last.
    pub(crate) async fn take(&self, part: PartRecord) {
        let (file, end) = (Arc::clone(&self.file), Arc::clone(&self.end));
        let n_begun = end.n_begun.load(Ordering::SeqCst);
        let take = move || {
            let mut is_broken = end.is_broken.lock().unwrap_or_else(PoisonError::into_inner);
            // A line behind half a line would not count, and a missing one is no loss. Nor may one that
            // comes late be taken for a part of an upload that was begun since.
            if end.n_begun.load(Ordering::SeqCst) == n_begun && !*is_broken {
                *is_broken = append(&file, &Record::Part(part), |_| Ok(())).is_err();
            }
        };
        blocking(take).await;
    }

    /// Removes it: there is nothing to take up.
    pub(crate) async fn remove(self) {
        // If it stays, the next run finds that the upload is gone.
        let at = self.at.clone();
        let _removed = blocking(move || at.remove()).await;
    }
}

impl Drop for Journal {
    /// Lets the next one have it at once, though a line may still be on its way to the file.
    fn drop(&mut self) {
        // A disk that hangs keeps the lock, and nobody here waits for it.
        if let Ok(mut is_broken) = self.end.is_broken.try_lock() {
            *is_broken = true;
            let _unlocked = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

/// Reads a journal from its beginning.
pub(crate) fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use time::OffsetDateTime;

    use super::*;
    use crate::s3::{ConnectOptions, PutOptions, S3Uri};

    use crate::{
        cancel::Cancel,
        s3::{
            object::checksum_strategy::ChecksumStrategy, request::source_file::OpenFile,
            store::cancel_token::CancelToken,
        },
    };

    async fn claimed(folder: &Path) -> Journal {
        let path = folder.join("source");
        File::create(&path).unwrap();
        let cancel_token = CancelToken::new(&Cancel::new());
        let state = OpenFile::open(&path, &cancel_token).await.unwrap().state();
        let place = (S3Uri::new("backups", "a.bin").unwrap(), ConnectOptions::default());
        let job = Job::new((path, state), place, PutOptions::default(), OffsetDateTime::UNIX_EPOCH);
        // However slow the machine is: who lets go does so.
        let let_go_within = Duration::from_mins(1);
        let journals = Journals { let_go_within, ..Journals::new(folder.join("journals")) };
        journals.claim(job).await.unwrap()
    }

    fn begun(id: &str) -> UploadRecord {
        let checksum_strategy = ChecksumStrategy::Nothing;
        UploadRecord {
            upload_id: id.into(),
            upload_token: String::new(),
            checksum_strategy,
            composition: None,
        }
    }

    fn part(number: u32) -> PartRecord {
        PartRecord { number, etag: "tag".to_owned(), sum: None, confirmed: false, md5: None }
    }

    #[tokio::test]
    async fn an_upload_that_is_begun_after_half_a_line_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let journal = claimed(dir.path()).await;
        journal.begin(begun("first")).await.unwrap();
        journal.take(part(1)).await;
        // As a full disk leaves it.
        (&*journal.file).write_all(b"{\"part\":{\"number\":2,\"et").unwrap();

        journal.begin(begun("second")).await.unwrap();
        journal.take(part(7)).await;
        drop(journal);
        let state = claimed(dir.path()).await.earlier.take().unwrap();

        assert_eq!(state.begun.upload_id, "second");
        assert_eq!(state.taken.into_keys().collect::<Vec<_>>(), [7]);
    }

    #[tokio::test]
    async fn a_journal_that_was_let_go_can_be_claimed_though_a_line_is_on_its_way() {
        let dir = tempfile::tempdir().unwrap();
        let journal = claimed(dir.path()).await;
        journal.begin(begun("first")).await.unwrap();
        let on_its_way = (Arc::clone(&journal.file), Arc::clone(&journal.end));
        drop(journal);

        let state = claimed(dir.path()).await.earlier.take().unwrap();

        assert_eq!(state.begun.upload_id, "first");
        assert!(*on_its_way.1.is_broken.lock().unwrap(), "it is not written any more");
    }

    #[tokio::test]
    async fn a_journal_that_is_about_to_be_let_go_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        drop(claimed(dir.path()).await);
        let path =
            fs::read_dir(dir.path().join("journals")).unwrap().next().unwrap().unwrap().path();
        let owner = open_file(&path).unwrap();
        flock(&owner, FlockOperation::NonBlockingLockExclusive).unwrap();

        let let_go = async {
            sleep(BREATH * 5).await;
            drop(owner);
        };
        let (journal, ()) = tokio::join!(claimed(dir.path()), let_go);

        assert_eq!(journal.path, path);
    }

    #[tokio::test]
    async fn a_folder_behind_a_link_is_opened_once_and_held() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, real) = (dir.path().join("journals"), dir.path().join("real"));
        let other = dir.path().join("other");
        fs::create_dir(&real).unwrap();
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&real, &folder).unwrap();
        let files = |folder: &Path| fs::read_dir(folder).unwrap().count();

        let journal = claimed(dir.path()).await;
        let name = journal.path.file_name().unwrap().to_owned();
        File::create(other.join(&name)).unwrap();
        fs::remove_file(&folder).unwrap();
        std::os::unix::fs::symlink(&other, &folder).unwrap();
        assert_eq!(files(&real), 1);
        journal.remove().await;

        assert_eq!((files(&real), files(&other)), (0, 1));
    }
}
