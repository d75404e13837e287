//! One put and its journal: what it takes up, what it writes down, and what it leaves for the next run.

use futures_util::future::LocalBoxFuture;
use time::Duration;

use super::{
    compare::same_content,
    earlier::Earlier,
    error::{JournalError, S3Error},
    event::{Event, Outcome},
    failure::Trouble,
    journal::{Begun, Job, Journal, Journals, Story},
    layout::Layout,
    link::Link,
    plan::{PartPlan, PartSize, PlanError},
    proof::{Sent, Verdict},
    put_options::PutOptions,
    response::Upload,
    resume_options::EarlierRun,
    settle::{Settled, protected_by_head},
    source::{Likeness, OpenFile},
    spool::release,
    task::Task,
    upload_items::UploadItem,
    uri::S3Uri,
};
use crate::{
    fs::At,
    kind::{HasKind, Kind},
    units::ByteSize,
};

/// One put and its journal; without a journal, nothing is taken up and nothing left.
#[derive(Default)]
pub(crate) struct Resumption {
    id: String,
    journal: Option<Journal>,
    /// What an earlier run left, until it is taken up.
    story: Option<Box<Story>>,
    /// Whether the file is surely what it was then.
    is_same: bool,
    /// The upload that the journal names and the store may have.
    upload: Option<Upload>,
    /// Whether the file holds what nobody can read again.
    spooled: bool,
}

/// What became of an earlier run's upload.
pub(crate) enum TakenUp {
    /// There was none, or it is gone.
    Nothing,
    /// It is there, with some parts.
    Upload(Upload, Earlier),
}

impl Resumption {
    /// Takes the journal of a put whose object has several parts.
    pub(crate) async fn open(
        link: Link<'_>,
        source: &UploadItem,
        options: &PutOptions,
        (file, plan): (&OpenFile, PartPlan),
    ) -> Result<Self, S3Error> {
        let Some(resume) = &options.resume else { return Ok(Self::default()) };
        let path = std::path::absolute(&source.path).at(&source.path, "find")?;
        let part_size = PartSize::Exactly(ByteSize(plan.part_size()));
        let planned = PutOptions { part_size, ..options.clone() };
        let address = link.store.address().clone();
        let job =
            Job::new((path, file.state()), (source.uri.clone(), address), planned, resume.now);
        // What has become too small for several parts may still have an upload to take care of.
        if plan.is_single() && !options.spooled && !resume.journals.has(&job) {
            return Ok(Self::default());
        }
        let mut journal = match resume.journals.claim(job.clone()).await {
            Ok(journal) => journal,
            Err(JournalError::Unusable(error)) => {
                (link.events)(Event::Unjournaled(error));
                return Ok(Self::default());
            }
            Err(error) => return Err(error.into()),
        };
        let id = job.id();
        let (story, is_same) = match (journal.earlier.take(), resume.earlier) {
            (None, EarlierRun::Require) if !options.spooled => {
                journal.remove().await;
                return Err(JournalError::Gone(Box::new(job.name())).into());
            }
            (Some(story), EarlierRun::GiveUp) => {
                abort_stale(link, story.upload()).await?;
                if let Err(error) = journal.restart(job).await {
                    (link.events)(Event::Unjournaled(error));
                    journal.remove().await;
                    return Ok(Self::default());
                }
                (None, false)
            }
            (Some(story), _) => {
                let is_same = compare(&job, options.part_size, &story.job)?;
                (Some(story), is_same)
            }
            (None, _) => (None, false),
        };
        let upload = story.as_ref().map(|story| story.upload());
        let spooled = options.spooled;
        Ok(Self { id, journal: Some(journal), story, is_same, upload, spooled })
    }

    /// Returns the parts that the upload has, where it was begun by an earlier run.
    pub(crate) fn plan(&self, link: Link<'_>, plan: PartPlan) -> Result<PartPlan, PlanError> {
        match &self.story {
            Some(story) => link.store.plan(story.job.size(), story.job.options.part_size),
            None => Ok(plan),
        }
    }

    /// Fails when the earlier run copies from a base that this run does not accept.
    pub(crate) fn check_base(&self, accepts: &dyn Fn(&S3Uri) -> bool) -> Result<(), JournalError> {
        let Some(story) = &self.story else { return Ok(()) };
        match &story.begun.composition {
            Some(composition) if !accepts(&composition.base) => {
                Err(JournalError::Otherwise { upload: Box::new(story.job.name()), what: "base" })
            }
            _ => Ok(()),
        }
    }

    /// Returns how an earlier run began, until that is taken up.
    pub(crate) fn begun(&self) -> Option<&Begun> {
        self.story.as_ref().map(|story| &story.begun)
    }

    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Returns the object if the earlier run completed it and did not hear of it.
    pub(crate) async fn find_completed(
        &self,
        task: &Task<'_>,
        file: &OpenFile,
    ) -> Result<Option<(Sent, Settled)>, S3Error> {
        let Some(story) = &self.story else { return Ok(None) };
        let sent = if self.is_same { story.sent(file.size()) } else { None };
        task.find_completed(file, sent).await
    }

    /// Takes up what an earlier run left; only the first time, for what comes after is this run's.
    pub(crate) async fn take_up(
        &mut self,
        task: &Task<'_>,
        layout: &Layout,
    ) -> Result<TakenUp, S3Error> {
        let Some(story) = self.story.take() else { return Ok(TakenUp::Nothing) };
        let upload = story.upload();
        let begun = story.job.begun;
        if let Some(earlier) = Earlier::find(task.link, story, self.is_same).await? {
            let parts = layout.pieces().into_iter().map(|(part, _)| part);
            let parts = parts.filter(|&part| earlier.lists(part));
            let (parts, size) = parts.fold((0, 0), |(n, size), part| (n + 1, size + part.size));
            let uri = upload.uri.clone();
            (task.link.events)(Event::Resumed { uri, begun, parts, size });
            return Ok(TakenUp::Upload(upload, earlier));
        }
        self.upload = None;
        Ok(TakenUp::Nothing)
    }

    /// Begins an upload and writes it down.
    pub(crate) async fn begin(
        &mut self,
        task: &Task<'_>,
        layout: &Layout,
    ) -> Result<Upload, S3Error> {
        let upload = task.create_upload().await?;
        if let Some(journal) = &self.journal {
            match journal.begin(task.begun(&upload, layout)).await {
                Ok(()) => self.upload = Some(upload.clone()),
                Err(error) => {
                    (task.link.events)(Event::Unjournaled(error));
                    self.close_journal().await;
                }
            }
        }
        Ok(upload)
    }

    /// Returns whether the upload stays for a later run.
    pub(crate) fn keeps(&self, result: &Result<(Sent, Settled), S3Error>) -> bool {
        self.upload.is_some() && result.as_ref().is_err_and(may_pass)
    }

    /// Forgets the upload, which is about to be an object, or no more.
    pub(crate) fn forget(&mut self) {
        self.upload = None;
    }

    /// Leaves what the next run can take up, and removes what it cannot.
    pub(crate) async fn close(
        self,
        link: Link<'_>,
        result: Result<(Sent, Settled), S3Error>,
    ) -> Result<(Sent, Settled), S3Error> {
        let Some(journal) = self.journal else { return result };
        match (result, self.upload) {
            // Going on would not help, and what was sent may be dear. Of an uncertain end, the next run
            // finds out by the mark in the journal.
            (Err(error @ (S3Error::Journal(_) | S3Error::Uncertain { .. })), _) => Err(error),
            (Err(error), Some(_)) => {
                Err(S3Error::Resumable { id: self.id, source: Box::new(error) })
            }
            // Nobody can make that file again.
            (Err(error), None) if self.spooled => {
                Err(S3Error::Resumable { id: self.id, source: Box::new(error) })
            }
            // The key has its object. What cannot be freed now can be later, by the journal.
            (Ok(done), Some(upload)) => {
                if link.abort(&upload).await.is_ok() {
                    journal.remove().await;
                }
                Ok(done)
            }
            (result, None) => {
                journal.remove().await;
                result
            }
        }
    }

    async fn close_journal(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.remove().await;
        }
    }
}

/// Aborts an upload that is of no use any more.
///
/// One that may not be aborted is left behind and named: it must not keep the next ones from being begun.
async fn abort_stale(link: Link<'_>, upload: Upload) -> Result<(), S3Error> {
    match link.abort(&upload).await {
        Err(failure) if matches!(failure.kind(), Kind::Permission | Kind::Failed) => {
            let Upload { uri, id: upload_id } = upload;
            (link.events)(Event::LeftBehind { uri, upload_id, reason: failure.to_string() });
            Ok(())
        }
        aborted => Ok(aborted?),
    }
}

/// Gives up an unfinished upload: frees its parts and forgets it, with the spool that only it needed.
pub fn give_up<'a>(
    link: Link<'a>,
    journals: &'a Journals,
    job: &'a Job,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let journal = journals.claim(job.clone()).await?;
        if let Some(story) = &journal.earlier {
            link.abort(&story.upload()).await?;
        }
        journal.remove().await;
        if job.options.spooled {
            release(Some(journals), &job.path).await;
        }
        Ok(())
    })
}

/// Returns whether the same upload may well succeed later.
fn may_pass(error: &S3Error) -> bool {
    match error {
        S3Error::Cancelled(_) | S3Error::Path(_) | S3Error::Journal(_) => true,
        S3Error::Call(failure) => match failure.trouble {
            Trouble::Unreachable
            | Trouble::Certificate
            | Trouble::NoAddress
            | Trouble::HostLimit(_)
            | Trouble::Broken
            | Trouble::Throttled
            | Trouble::Server
            | Trouble::Unreadable
            | Trouble::OtherRegion(_)
            | Trouble::NoCredentials(_)
            | Trouble::OtherScheme(_)
            | Trouble::Elsewhere(_)
            | Trouble::BadCredentials
            | Trouble::Expired
            | Trouble::Clock
            | Trouble::Denied
            | Trouble::Interrupted(_) => true,
            Trouble::OtherAnswer
            | Trouble::NoBucket
            | Trouble::NoObject
            | Trouble::DeleteMarker
            | Trouble::NoUpload
            | Trouble::Exists
            | Trouble::Conflict
            | Trouble::ChecksumRefused
            | Trouble::ConditionRefused
            | Trouble::CopyRefused
            | Trouble::InColdStorage
            | Trouble::NoExpedited
            | Trouble::Damaged
            | Trouble::Rejected => false,
        },
        _ => false,
    }
}

/// Returns whether the file is surely what it was; fails when the job is another than the earlier one.
pub(crate) fn compare(job: &Job, asked: PartSize, earlier: &Job) -> Result<bool, JournalError> {
    let likeness = match job.state.compare(&earlier.state, earlier.begun) {
        // A stream that was read again has another file; its bytes may be the same.
        Likeness::Other if job.options.spooled && job.size() == earlier.size() => {
            Likeness::Doubtful
        }
        likeness => likeness,
    };
    if likeness == Likeness::Other {
        return Err(JournalError::Changed(Box::new(earlier.name())));
    }
    let options = (&job.options, &earlier.options);
    let what = if options.0.checksum != options.1.checksum {
        Some("checksum")
    } else if asked != PartSize::Auto && asked != options.1.part_size {
        Some("part size")
    } else {
        // What is given as a time from now ends later in a later run.
        let slack = (job.begun - earlier.begun).max(Duration::ZERO) + Duration::MINUTE;
        options.0.attributes.differs_from(&options.1.attributes, slack)
    };
    match what {
        Some(what) => Err(JournalError::Otherwise { upload: Box::new(earlier.name()), what }),
        None => Ok(likeness == Likeness::Same),
    }
}

impl Task<'_> {
    /// Returns the object if an earlier run completed it without hearing of it.
    async fn find_completed(
        &self,
        file: &OpenFile,
        sent: Option<Sent>,
    ) -> Result<Option<(Sent, Settled)>, S3Error> {
        let head = match self.link.head(self.uri).await {
            Ok(Some(head)) if head.id.as_deref() == Some(&self.id) => head,
            Ok(_) => return Ok(None),
            Err(failure) if failure.trouble == Trouble::Denied => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let by_parts = sent.and_then(|sent| match sent.judge_head(&head) {
            Verdict::Proven(proof) => Some(proof),
            Verdict::Different { .. } | Verdict::Nothing => None,
        });
        let proof = match by_parts {
            Some(proof) => Some(proof),
            None => same_content(self.link, (self.uri, &head), file).await?,
        };
        let Some(proof) = proof else { return Ok(None) };
        let (outcome, version_id) = (Outcome::Unchanged, head.version_id.clone());
        let settled = Settled { outcome, proof: Some(proof), version_id, lacks: Vec::new() };
        let sent = Sent::there_already(head.clone());
        let write = self.write(&sent, None);
        let settled = protected_by_head(&self.link, self.uri, write, settled, &head).await?;
        Ok(Some((sent, settled)))
    }
}
