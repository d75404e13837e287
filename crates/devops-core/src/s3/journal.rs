//! What an unfinished upload needs to be taken up again: a file of this host that grows with it.
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
    os::unix::ffi::OsStrExt,
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
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::time::sleep;

use super::{
    blocking,
    checksum::hex,
    connect::ConnectOptions,
    escaped,
    plan::{Part, PartPlan},
    put::PutOptions,
    source::FileState,
    text::StoreText,
    uri::S3Uri,
};
use crate::{
    fs::{At, DirEntryPath, PathError, create_private_folders, open_file},
    kind::{HasKind, Kind},
    lock::is_unsupported,
};

mod lines;

use lines::Line;
pub(crate) use lines::{Begun, Story, Taken, append};

/// The format of the file; a journal of another one is not taken up.
const VERSION: u32 = 1;
const EXTENSION: &str = "jsonl";
/// How many bytes of a hash name a job: enough for a million jobs, short enough to type.
const ID_BYTES: usize = 6;
/// A journal of 10,000 parts has 2 MB; a larger file is none of ours.
const LARGEST: u64 = 64 << 20;
/// Who still holds a journal after this is at work with it.
const LET_GO_WITHIN: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(20);

/// The folder with the journals of one user.
#[derive(Clone, Debug)]
pub struct Journals {
    folder: PathBuf,
    let_go_within: Duration,
}

/// A file that is being sent: where to, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    version: u32,
    /// When its upload was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub begun: OffsetDateTime,
    /// The file.
    #[serde(with = "escaped")]
    pub path: PathBuf,
    /// The object.
    pub uri: S3Uri,
    /// The store.
    pub store: ConnectOptions,
    /// How it is put, with the size of its parts.
    pub options: PutOptions,
    pub(crate) state: FileState,
}

/// An upload that can be taken up.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// What is sent where.
    pub job: Job,
    /// The store's name for its multipart upload; a stream that was spooled may have none yet.
    pub upload_id: Option<StoreText>,
}

/// Why an unfinished upload is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the file cannot be used.
    #[error(transparent)]
    Unusable(#[from] PathError),
    /// Another process is at it.
    #[error("another process is uploading `{}` to `{}`", .0.path.display(), .0.uri)]
    Busy(Box<Job>),
    /// There is nothing to take up any more.
    #[error("the upload of `{}` to `{}` is not unfinished any more", .0.path.display(), .0.uri)]
    Gone(Box<Job>),
    /// The file is not what it was.
    #[error("`{}` is not what it was when its upload to `{}` began", .0.path.display(), .0.uri)]
    Changed(Box<Job>),
    /// It was begun in another way.
    #[error("the unfinished upload of `{}` to `{}` was begun with another {what}", .job.path.display(), .job.uri)]
    Otherwise {
        /// The job as it was begun.
        job: Box<Job>,
        /// What differs: `checksum`.
        what: &'static str,
    },
}

impl HasKind for JournalError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unusable(error) => error.kind(),
            Self::Busy(_) => Kind::Temporary,
            Self::Gone(_) => Kind::NotFound,
            Self::Changed(_) => Kind::Denied,
            Self::Otherwise { .. } => Kind::Usage,
        }
    }
}

impl Job {
    pub(crate) fn new(
        (path, state): (PathBuf, FileState),
        (uri, store): (S3Uri, ConnectOptions),
        options: PutOptions,
        begun: OffsetDateTime,
    ) -> Self {
        Self { version: VERSION, begun, path, uri, store, options, state }
    }

    /// Returns the name that this host has for it: the same for the same file, object and store.
    pub fn id(&self) -> String {
        id_of(&self.store, &self.uri, &self.path)
    }

    /// Returns whether it is about to put this object into that store.
    pub(crate) fn is_for(&self, uri: &S3Uri, store: &ConnectOptions) -> bool {
        self.uri == *uri && endpoint(&self.store) == endpoint(store)
    }

    /// Returns the parts that it was to be sent in.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let plan = PartPlan::of_file(self.size(), self.options.part_size);
        plan.map_or_else(|_| Vec::new(), |plan| plan.parts().collect())
    }

    /// Returns how many bytes the file has.
    pub fn size(&self) -> u64 {
        self.state.size
    }
}

fn endpoint(store: &ConnectOptions) -> &str {
    store.endpoint_url.as_deref().unwrap_or_default().trim_end_matches('/')
}

/// Returns a short name for a file and the object in a store that it is to be.
pub(crate) fn id_of(store: &ConnectOptions, uri: &S3Uri, path: &Path) -> String {
    let words = [
        endpoint(store).as_bytes(),
        uri.bucket.as_bytes(),
        uri.key.as_bytes(),
        path.as_os_str().as_bytes(),
    ];
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word);
        hasher.update([0]);
    }
    hex(&hasher.finalize()[..ID_BYTES])
}

/// The journal of a job that this process has to itself.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    at: DirEntryPath,
    file: Arc<File>,
    /// What an earlier process left.
    pub(crate) earlier: Option<Box<Story>>,
    end: Arc<End>,
}

/// What the next line of a journal has to go by.
#[derive(Debug, Default)]
struct End {
    /// How many uploads this process has begun.
    n_begun: AtomicUsize,
    /// Whether the last line is cut off; locked, perhaps for long, while a line is written.
    is_broken: Mutex<bool>,
}

impl Journals {
    /// Keeps journals in `folder`, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), let_go_within: LET_GO_WITHIN }
    }

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
    if let Some(story) = Story::parse(journal) {
        return Some(Unfinished { upload_id: Some(story.begun.upload_id), job: story.job });
    }
    let job = Story::job(journal).filter(|job| job.options.spooled)?;
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
            Err(Errno::WOULDBLOCK) => return Err(JournalError::Busy(Box::new(job))),
            Err(error) if !is_unsupported(error) => Err(error).at(&path, "lock")?,
            Ok(()) | Err(_) => break file,
        }
    };
    let earlier = Story::parse(&read(&file).at(&path, "read")?);
    // What was cut off must not run into the next line.
    let length = earlier.as_ref().map_or(0, |story| story.length);
    file.set_len(length as u64).at(&path, "write")?;
    let earlier = earlier.map(Box::new);
    let journal = Journal { path, at, file: Arc::new(file), earlier, end: Arc::default() };
    if journal.earlier.is_none() {
        append(&journal.file, &Line::Job(Box::new(job)), File::sync_all)
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
            append(&file, &Line::Job(Box::new(job)), File::sync_all)
        };
        blocking(again).await.at(&self.path, "write")
    }

    /// Writes down an upload; only then may its parts be sent.
    pub(crate) async fn begin(&self, begun: Begun) -> Result<(), PathError> {
        let (file, end) = (Arc::clone(&self.file), Arc::clone(&self.end));
        let write = move || {
            let mut is_broken = end.is_broken.lock().unwrap_or_else(PoisonError::into_inner);
            // Behind half a line it would not count, and the upload would be lost with its parts.
            file.set_len(lines::whole(&read(&file)?) as u64)?;
            *is_broken = false;
            end.n_begun.fetch_add(1, Ordering::SeqCst);
            append(&file, &Line::Upload(begun), File::sync_data)
        };
        blocking(write).await.at(&self.path, "write")
    }

    /// Writes down a part of the upload that was begun last.
    pub(crate) async fn take(&self, part: Taken) {
        let (file, end) = (Arc::clone(&self.file), Arc::clone(&self.end));
        let n_begun = end.n_begun.load(Ordering::SeqCst);
        let take = move || {
            let mut is_broken = end.is_broken.lock().unwrap_or_else(PoisonError::into_inner);
            // A line behind half a line would not count, and a missing one is no loss. Nor may one that
            // comes late be taken for a part of an upload that was begun since.
            if end.n_begun.load(Ordering::SeqCst) == n_begun && !*is_broken {
                *is_broken = append(&file, &Line::Part(part), |_| Ok(())).is_err();
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

    use super::*;
    use crate::{
        cancel::Cancel,
        s3::{payload::Protection, source::OpenFile, stop::Stop},
    };

    async fn claimed(folder: &Path) -> Journal {
        let path = folder.join("source");
        File::create(&path).unwrap();
        let stop = Stop::new(&Cancel::new());
        let state = OpenFile::open(&path, &stop).await.unwrap().state();
        let place = (S3Uri::new("backups", "a.bin").unwrap(), ConnectOptions::default());
        let job = Job::new((path, state), place, PutOptions::default(), OffsetDateTime::UNIX_EPOCH);
        // However slow the machine is: who lets go does so.
        let let_go_within = Duration::from_mins(1);
        let journals = Journals { let_go_within, ..Journals::new(folder.join("journals")) };
        journals.claim(job).await.unwrap()
    }

    fn begun(id: &str) -> Begun {
        let protection = Protection::Nothing;
        Begun { upload_id: id.into(), mark: String::new(), protection, composition: None }
    }

    fn part(number: u32) -> Taken {
        Taken { number, etag: "tag".to_owned(), sum: None, confirmed: false, md5: None }
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
        let story = claimed(dir.path()).await.earlier.take().unwrap();

        assert_eq!(story.begun.upload_id, "second");
        assert_eq!(story.taken.into_keys().collect::<Vec<_>>(), [7]);
    }

    #[tokio::test]
    async fn a_journal_that_was_let_go_can_be_claimed_though_a_line_is_on_its_way() {
        let dir = tempfile::tempdir().unwrap();
        let journal = claimed(dir.path()).await;
        journal.begin(begun("first")).await.unwrap();
        let on_its_way = (Arc::clone(&journal.file), Arc::clone(&journal.end));
        drop(journal);

        let story = claimed(dir.path()).await.earlier.take().unwrap();

        assert_eq!(story.begun.upload_id, "first");
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
