//! One put and its journal: what it takes up, what it writes down, and what it leaves for the next run.

use futures_util::future::LocalBoxFuture;
use time::Duration;

use super::{
    confirm::{PutResult, protected_by_head},
    journal::{Job, Journal, JournalState, Journals, UploadRecord},
    object_upload::ObjectUpload,
    options::PutOptions,
    resume_options::ResumePolicy,
    spool::remove_unused_spool,
    upload_items::UploadItem,
    uploaded_parts::UploadedParts,
};
use crate::s3::{
    error::{
        operation::{JournalError, S3Error},
        request_error::RequestErrorKind,
    },
    object::{
        event::{Event, Outcome},
        proof::{ProofResult, UploadedObject},
        response::Upload,
        uri::S3Uri,
    },
    plan::{
        layout::Layout,
        parts::{PartPlan, PartSize, PlanError},
    },
    request::{
        compare::same_content,
        context::S3Context,
        source_file::{FileComparison, OpenFile},
    },
};
use crate::{
    fs::IoResultExt,
    kind::{HasKind, Kind},
    units::ByteSize,
};

/// One put and its journal; without a journal, nothing is taken up and nothing left.
#[derive(Default)]
pub(crate) struct Resumption {
    id: String,
    journal: Option<Journal>,
    /// The state of an earlier run, until it resumes.
    state: Option<Box<JournalState>>,
    /// Is set if the file is surely what it was then.
    is_same: bool,
    /// The upload that the journal names and the store may have.
    upload: Option<Upload>,
    /// Is set if the file holds input that cannot be read again.
    spooled: bool,
}

/// The upload of an earlier run, if it was found.
pub(crate) enum FoundUpload {
    /// There was none, or it is gone.
    Nothing,
    /// It is there, with some parts.
    Upload(Upload, UploadedParts),
}

impl Resumption {
    /// Takes the journal of a put whose object has several parts.
    pub(crate) async fn open(
        context: S3Context<'_>,
        source: &UploadItem,
        options: &PutOptions,
        (file, plan): (&OpenFile, PartPlan),
    ) -> Result<Self, S3Error> {
        let Some(resume) = &options.resume else { return Ok(Self::default()) };
        let path = std::path::absolute(&source.path).at(&source.path, "find")?;
        let part_size = PartSize::Exactly(ByteSize(plan.part_size()));
        let planned = PutOptions { part_size, ..options.clone() };
        let address = context.store.address().clone();
        let job =
            Job::new((path, file.state()), (source.uri.clone(), address), planned, resume.now);
        // What has become too small for several parts may still have an upload to take care of.
        if plan.is_single() && !options.spooled && !resume.journals.has(&job) {
            return Ok(Self::default());
        }
        let mut journal = match resume.journals.claim(job.clone()).await {
            Ok(journal) => journal,
            Err(JournalError::Unusable(error)) => {
                (context.events)(Event::JournalUnavailable(error));
                return Ok(Self::default());
            }
            Err(error) => return Err(error.into()),
        };
        let id = job.id();
        let (state, is_same) = match (journal.earlier.take(), resume.earlier) {
            (None, ResumePolicy::Required) if !options.spooled => {
                journal.remove().await;
                return Err(JournalError::Gone(Box::new(job.name())).into());
            }
            (Some(state), ResumePolicy::Discard) => {
                abort_stale(context, state.upload()).await?;
                if let Err(error) = journal.restart(job).await {
                    (context.events)(Event::JournalUnavailable(error));
                    journal.remove().await;
                    return Ok(Self::default());
                }
                (None, false)
            }
            (Some(state), _) => {
                let is_same = compare(&job, options.part_size, &state.job)?;
                (Some(state), is_same)
            }
            (None, _) => (None, false),
        };
        let upload = state.as_ref().map(|state| state.upload());
        let spooled = options.spooled;
        Ok(Self { id, journal: Some(journal), state, is_same, upload, spooled })
    }

    /// Returns the parts that the upload has, where it was begun by an earlier run.
    pub(crate) fn plan(
        &self,
        context: S3Context<'_>,
        plan: PartPlan,
    ) -> Result<PartPlan, PlanError> {
        match &self.state {
            Some(state) => context.store.plan(state.job.size(), state.job.options.part_size),
            None => Ok(plan),
        }
    }

    /// Fails when the earlier run copies from a base that this run does not accept.
    pub(crate) fn check_base(&self, accepts: &dyn Fn(&S3Uri) -> bool) -> Result<(), JournalError> {
        let Some(state) = &self.state else { return Ok(()) };
        match &state.begun.composition {
            Some(composition) if !accepts(&composition.base) => {
                Err(JournalError::Otherwise { upload: Box::new(state.job.name()), what: "base" })
            }
            _ => Ok(()),
        }
    }

    /// Returns how an earlier run began, until that is taken up.
    pub(crate) fn begun(&self) -> Option<&UploadRecord> {
        self.state.as_ref().map(|state| &state.begun)
    }

    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Returns the object if the earlier run completed it and did not hear of it.
    pub(crate) async fn find_completed(
        &self,
        object: &ObjectUpload<'_>,
        file: &OpenFile,
    ) -> Result<Option<(UploadedObject, PutResult)>, S3Error> {
        let Some(state) = &self.state else { return Ok(None) };
        let sent = if self.is_same { state.sent(file.size()) } else { None };
        object.find_completed(file, sent).await
    }

    /// Takes up what an earlier run left; only the first time, for what comes after is this run's.
    pub(crate) async fn find_upload(
        &mut self,
        object: &ObjectUpload<'_>,
        layout: &Layout,
    ) -> Result<FoundUpload, S3Error> {
        let Some(state) = self.state.take() else { return Ok(FoundUpload::Nothing) };
        let upload = state.upload();
        let begun = state.job.begun;
        if let Some(uploaded_parts) =
            UploadedParts::find(object.context, state, self.is_same).await?
        {
            let parts = layout.pieces().into_iter().map(|(part, _)| part);
            let parts = parts.filter(|&part| uploaded_parts.contains(part));
            let (parts, size) = parts.fold((0, 0), |(n, size), part| (n + 1, size + part.size));
            let uri = upload.uri.clone();
            (object.context.events)(Event::Resumed { uri, begun, parts, size });
            return Ok(FoundUpload::Upload(upload, uploaded_parts));
        }
        self.upload = None;
        Ok(FoundUpload::Nothing)
    }

    /// Begins an upload and writes it down.
    pub(crate) async fn begin(
        &mut self,
        object: &ObjectUpload<'_>,
        layout: &Layout,
    ) -> Result<Upload, S3Error> {
        let upload = object.create_upload().await?;
        if let Some(journal) = &self.journal {
            match journal.begin(object.begun(&upload, layout)).await {
                Ok(()) => self.upload = Some(upload.clone()),
                Err(error) => {
                    (object.context.events)(Event::JournalUnavailable(error));
                    self.close_journal().await;
                }
            }
        }
        Ok(upload)
    }

    /// Returns whether the upload stays for a later run.
    pub(crate) fn is_resumable(
        &self,
        result: &Result<(UploadedObject, PutResult), S3Error>,
    ) -> bool {
        self.upload.is_some() && result.as_ref().is_err_and(may_pass)
    }

    /// Forgets the upload, which is about to be an object, or no more.
    pub(crate) fn forget(&mut self) {
        self.upload = None;
    }

    /// Leaves what the next run can take up, and removes what it cannot.
    pub(crate) async fn close(
        self,
        context: S3Context<'_>,
        result: Result<(UploadedObject, PutResult), S3Error>,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
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
                if context.abort(&upload).await.is_ok() {
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
async fn abort_stale(context: S3Context<'_>, upload: Upload) -> Result<(), S3Error> {
    match context.abort(&upload).await {
        Err(failure) if matches!(failure.kind(), Kind::Permission | Kind::Failed) => {
            let Upload { uri, id: upload_id } = upload;
            (context.events)(Event::AbortFailed { uri, upload_id, reason: failure.to_string() });
            Ok(())
        }
        aborted => Ok(aborted?),
    }
}

/// Gives up an unfinished upload: frees its parts and forgets it, with the spool that only it needed.
pub fn discard_upload<'a>(
    context: S3Context<'a>,
    journals: &'a Journals,
    job: &'a Job,
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let journal = journals.claim(job.clone()).await?;
        if let Some(state) = &journal.earlier {
            context.abort(&state.upload()).await?;
        }
        journal.remove().await;
        if job.options.spooled {
            remove_unused_spool(Some(journals), &job.path).await;
        }
        Ok(())
    })
}

/// Returns whether the same upload may well succeed later.
fn may_pass(error: &S3Error) -> bool {
    match error {
        S3Error::Cancelled(_) | S3Error::Path(_) | S3Error::Journal(_) => true,
        S3Error::Request(failure) => match failure.error_kind {
            RequestErrorKind::Unreachable
            | RequestErrorKind::Certificate
            | RequestErrorKind::NoAddress
            | RequestErrorKind::HostLimit(_)
            | RequestErrorKind::Broken
            | RequestErrorKind::Throttled
            | RequestErrorKind::Server
            | RequestErrorKind::Unreadable
            | RequestErrorKind::OtherRegion(_)
            | RequestErrorKind::NoCredentials(_)
            | RequestErrorKind::OtherScheme(_)
            | RequestErrorKind::Elsewhere(_)
            | RequestErrorKind::BadCredentials
            | RequestErrorKind::Expired
            | RequestErrorKind::Clock
            | RequestErrorKind::Denied
            | RequestErrorKind::Interrupted(_) => true,
            RequestErrorKind::OtherResponse
            | RequestErrorKind::NoBucket
            | RequestErrorKind::NoObject
            | RequestErrorKind::DeleteMarker
            | RequestErrorKind::NoUpload
            | RequestErrorKind::Exists
            | RequestErrorKind::Conflict
            | RequestErrorKind::ChecksumRefused
            | RequestErrorKind::ConditionRefused
            | RequestErrorKind::CopyRefused
            | RequestErrorKind::InColdStorage
            | RequestErrorKind::NoExpedited
            | RequestErrorKind::Damaged
            | RequestErrorKind::Rejected => false,
        },
        _ => false,
    }
}

/// Returns whether the file is surely what it was; fails when the job is another than the earlier one.
pub(crate) fn compare(job: &Job, asked: PartSize, earlier: &Job) -> Result<bool, JournalError> {
    let comparison = match job.state.compare(&earlier.state, earlier.begun) {
        // A stream that was read again has another file; its bytes may be the same.
        FileComparison::Changed if job.options.spooled && job.size() == earlier.size() => {
            FileComparison::Unknown
        }
        comparison => comparison,
    };
    if comparison == FileComparison::Changed {
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
        None => Ok(comparison == FileComparison::Unchanged),
    }
}

impl ObjectUpload<'_> {
    /// Returns the object if an earlier run completed it without hearing of it.
    async fn find_completed(
        &self,
        file: &OpenFile,
        sent: Option<UploadedObject>,
    ) -> Result<Option<(UploadedObject, PutResult)>, S3Error> {
        let head = match self.context.head(self.uri).await {
            Ok(Some(head)) if head.id.as_deref() == Some(&self.upload_token) => head,
            Ok(_) => return Ok(None),
            Err(failure) if failure.error_kind == RequestErrorKind::Denied => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let by_parts = sent.and_then(|sent| match sent.compare_with_head(&head) {
            ProofResult::Proven(proof) => Some(proof),
            ProofResult::Different { .. } | ProofResult::Nothing => None,
        });
        let proof = match by_parts {
            Some(proof) => Some(proof),
            None => same_content(self.context, (self.uri, &head), file).await?,
        };
        let Some(proof) = proof else { return Ok(None) };
        let (outcome, version_id) = (Outcome::Unchanged, head.version_id.clone());
        let put_result = PutResult { outcome, proof: Some(proof), version_id, lacks: Vec::new() };
        let sent = UploadedObject::there_already(head.clone());
        let write = self.write(&sent, None);
        let put_result =
            protected_by_head(&self.context, self.uri, write, put_result, &head).await?;
        Ok(Some((sent, put_result)))
    }
}
