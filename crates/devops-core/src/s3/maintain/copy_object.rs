//! Copies objects inside a store: their bytes do not pass here.

use std::time::{Duration, Instant};

use aws_sdk_s3::{
    Client,
    types::{ServerSideEncryption, StorageClass},
};
use futures_util::{StreamExt, TryStreamExt, future::LocalBoxFuture, stream};

use super::object_comparison::{Alike, alike, n_parts_of};
use crate::s3::{
    download::get::{Existing, head_of_existing, not_as_listed},
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        checksum::Checksum,
        event::Outcome,
        precondition::Precondition,
        proof::{Proof, UploadedObject},
        response::{ObjectHead, StoredPart, Upload},
        text::{StoreText, as_sent},
        uri::S3Uri,
    },
    plan::{
        layout::CopySource,
        parts::{MAX_PART, MIN_PART, Part, PartPlan, PartSize},
    },
    request::{
        context::{CancelPolicy, RequestOptions, S3Context},
        delete::DeleteTarget,
        read::size_of_object,
    },
    upload::{copy_part::source_name, fallback::lost_race, options::OverwritePolicy},
};
use crate::units::ByteSize;

/// The settings of a copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// The policy for a key that exists.
    pub replace: OverwritePolicy,
    /// The size of the parts that a larger object is copied in, at most 5 GiB.
    pub part_size: ByteSize,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { replace: OverwritePolicy::Refuse, part_size: ByteSize(MAX_PART) }
    }
}

/// An object that is a copy of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySummary {
    /// The object that was copied.
    pub from: S3Uri,
    /// The copy.
    pub to: S3Uri,
    /// Is set if it was there already.
    pub outcome: Outcome,
    /// The number of bytes it has.
    pub size: u64,
    /// How well it is known to be the same.
    pub proof: Proof,
    /// Its version, where the bucket keeps versions.
    pub version_id: Option<StoreText>,
    /// The duration.
    pub elapsed: Duration,
}

/// Copies an object, with its metadata and tags; fails with [`S3Error::Exists`] when other content has the key
/// and may not be replaced.
pub fn copy_object<'a>(
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    options: CopyOptions,
) -> LocalBoxFuture<'a, Result<CopySummary, S3Error>> {
    Box::pin(async move { transfer(context, from, to, options).await.map(|copied| copied.summary) })
}

/// The outcome of a dry run of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyPreview {
    /// The size of the object, in bytes.
    pub size: u64,
    /// The object that has the destination key now.
    pub there: Existing,
}

/// Returns what [`copy_object`] would do, without doing it; fails where that would.
pub fn preview_copy<'a>(
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    options: CopyOptions,
) -> LocalBoxFuture<'a, Result<CopyPreview, S3Error>> {
    Box::pin(async move {
        refuse_itself(from, to)?;
        let head = head_of_existing(context, from).await?;
        let there = context.head(to).await?;
        let decision =
            Copying { context, from, to, head: &head }.decide(there.as_ref(), options)?;
        let there = match (decision, there) {
            (Decision::Keep(proof), _) => Existing::Same(proof),
            (Decision::Copy(_), Some(_)) => Existing::Other,
            (Decision::Copy(_), None) => Existing::Nothing,
        };
        Ok(CopyPreview { size: head.size, there })
    })
}

fn refuse_itself(from: &S3Uri, to: &S3Uri) -> Result<(), S3Error> {
    if from != to {
        return Ok(());
    }
    let message = format!("`{from}` is both what is copied and where to");
    Err(RequestError::local("CopyObject", RequestErrorKind::Rejected, message).into())
}

/// The decision about an existing object at the destination.
enum Decision {
    /// It has the same content already.
    Keep(Proof),
    /// It is written to, if this holds.
    Copy(Precondition),
}

/// A copy, and what there was of both before.
pub(crate) struct Transferred {
    pub(crate) summary: CopySummary,
    /// The object that was copied.
    pub(crate) head: ObjectHead,
    /// Is set if the key had an object already.
    pub(crate) was_there: bool,
}

pub(crate) async fn transfer(
    context: S3Context<'_>,
    from: &S3Uri,
    to: &S3Uri,
    options: CopyOptions,
) -> Result<Transferred, S3Error> {
    let begun = Instant::now();
    refuse_itself(from, to)?;
    let head = head_of_existing(context, from).await?;
    let there = context.head(to).await?;
    let was_there = there.is_some();
    let (outcome, proof, version_id) =
        Copying { context, from, to, head: &head }.decided(there, options).await?;
    let summary = CopySummary {
        from: from.clone(),
        to: to.clone(),
        outcome,
        size: head.size,
        proof,
        version_id,
        elapsed: begun.elapsed(),
    };
    Ok(Transferred { summary, head, was_there })
}

/// Returns whether a key has what it had before: then nothing was copied there.
fn is_still(before: Option<&ObjectHead>, now: &ObjectHead) -> bool {
    before.is_some_and(|before| before.etag == now.etag && before.version_id == now.version_id)
}

fn shown(head: &ObjectHead) -> String {
    let checksum = head.checksum.as_ref().map(Checksum::to_string);
    checksum.or_else(|| head.etag.clone()).unwrap_or_else(|| ByteSize(head.size).to_string())
}

/// One object that is being copied.
struct Copying<'a> {
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    head: &'a ObjectHead,
}

impl Copying<'_> {
    /// Returns what is done about what has the key; fails where that is in the way.
    fn decide(
        &self,
        there: Option<&ObjectHead>,
        options: CopyOptions,
    ) -> Result<Decision, S3Error> {
        let precondition = match (there, options.replace) {
            (_, OverwritePolicy::Overwrite) => Precondition::None,
            (None, _) => Precondition::Absent,
            (Some(there), replace) => match alike(self.context, self.head, there) {
                Alike::Same(proof) if there.given.covers(&self.head.given) => {
                    return Ok(Decision::Keep(proof));
                }
                _ if replace == OverwritePolicy::Refuse => {
                    return Err(S3Error::Exists(self.to.clone()));
                }
                _ => there.etag.clone().map_or(Precondition::None, Precondition::Etag),
            },
        };
        Ok(Decision::Copy(precondition))
    }

    /// Copies unless the key has the same already, and compares the copy.
    async fn decided(
        &self,
        there: Option<ObjectHead>,
        options: CopyOptions,
    ) -> Result<(Outcome, Proof, Option<StoreText>), S3Error> {
        let Self { context, to, head, .. } = *self;
        let precondition = match self.decide(there.as_ref(), options)? {
            Decision::Keep(proof) => {
                let version_id = there.and_then(|there| there.version_id);
                return Ok((Outcome::Unchanged, proof, version_id));
            }
            Decision::Copy(precondition) => precondition,
        };
        let copied = self.copy(precondition, options).await;
        let copy = self.made(copied).await?;
        if !copy.given.covers(&head.given) {
            return Err(self.unprotected(&copy, there.is_some()).await.into());
        }
        match alike(context, head, &copy) {
            Alike::Same(proof) => Ok((Outcome::Stored, proof, copy.version_id)),
            Alike::Unknown if !is_still(there.as_ref(), &copy) => {
                Ok((Outcome::Stored, Proof::Size, copy.version_id))
            }
            Alike::Unknown | Alike::Different => Err(not_as_listed(to, &copy, &shown(head))),
        }
    }

    async fn copy(&self, precondition: Precondition, options: CopyOptions) -> Result<(), S3Error> {
        let is_known = self.context.store.supports_preconditions();
        let precondition = if is_known { precondition } else { Precondition::None };
        let part_size = options.part_size.0.min(MAX_PART);
        if let Some(own) = self.own_part_size().await? {
            return self.in_parts(&precondition, own).await;
        }
        if self.head.size > part_size {
            return self.in_parts(&precondition, part_size).await;
        }
        match self.at_once(&precondition).await {
            // The key was looked at before: that has to do.
            Err(failure) if failure.error_kind == RequestErrorKind::ConditionRefused => {
                Ok(self.at_once(&Precondition::None).await?)
            }
            copied => Ok(copied?),
        }
    }

    /// Returns the size of the parts that the object is made of, where nothing but its `ETag` can prove a copy: that is
    /// the same only for the same parts.
    async fn own_part_size(&self) -> Result<Option<u64>, RequestError> {
        let Self { context, from, head, .. } = *self;
        let has_checksum = head.checksum.as_ref().is_some_and(Checksum::is_full);
        let n_parts = head.etag.as_deref().and_then(n_parts_of);
        let proves = context.store.etag_may_prove() && !head.etag_is_opaque && !has_checksum;
        let Some(n_parts) = n_parts.filter(|n_parts| proves && *n_parts > 1) else {
            return Ok(None);
        };
        let send = |client: Client| {
            let request = client.head_object().bucket(&from.bucket).key(&from.key).part_number(1);
            request.set_version_id(as_sent(from.version_id.as_ref())).send()
        };
        match context.execute(context.metadata_request("HeadObject"), send).await {
            Ok((first, _)) => Ok(size_of_object(&first).filter(|size| {
                (MIN_PART..=MAX_PART).contains(size) && head.size.div_ceil(*size) == n_parts
            })),
            Err(failure) if failure.error_kind.is_unknown() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Says that a copy is less protected than its object; one that took no other's place is removed.
    async fn unprotected(&self, copy: &ObjectHead, was_there: bool) -> RequestError {
        let (uri, version_id) = (self.to.clone(), copy.version_id.clone());
        let target = DeleteTarget { uri, version_id };
        let is_removed =
            !was_there && self.context.delete_one(&target, copy.etag.as_deref()).await.is_ok();
        let left = if is_removed { "was removed" } else { "is there" };
        let message = format!(
            "the store did not encrypt `{}` as `{}` is encrypted: the copy {left}",
            self.to, self.from
        );
        RequestError::local("CopyObject", RequestErrorKind::Damaged, message)
    }

    /// Returns the copy that was made; after a lost answer, if there is one.
    async fn made(&self, copied: Result<(), S3Error>) -> Result<ObjectHead, S3Error> {
        match copied {
            Err(S3Error::Request(failure)) if failure.is_ambiguous() => {
                let there = self.context.head(self.to).await?;
                let is_it = |there: &ObjectHead| {
                    matches!(alike(self.context, self.head, there), Alike::Same(_))
                };
                there.filter(is_it).ok_or_else(|| lost_race(S3Error::Request(failure)))
            }
            copied => {
                copied.map_err(lost_race)?;
                head_of_existing(self.context, self.to).await
            }
        }
    }

    async fn at_once(&self, precondition: &Precondition) -> Result<(), RequestError> {
        let (encryption, kms_key_id) = self.encryption();
        let send = |client: Client| {
            client
                .copy_object()
                .bucket(&self.to.bucket)
                .key(&self.to.key)
                .copy_source(source_name(self.from))
                .set_copy_source_if_match(self.head.etag.as_ref().map(|etag| format!("\"{etag}\"")))
                .set_storage_class(self.storage_class())
                .set_server_side_encryption(encryption.clone())
                .set_ssekms_key_id(kms_key_id.clone())
                .set_if_none_match(precondition.if_none_match())
                .set_if_match(precondition.if_match())
                .send()
        };
        let response_timeout = self.context.store.retry_config().completion();
        let request = RequestOptions {
            response_timeout,
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.context.metadata_request("CopyObject")
        };
        self.context.execute(request, send).await.map(drop)
    }

    async fn in_parts(&self, precondition: &Precondition, part_size: u64) -> Result<(), S3Error> {
        let etag = self.head.etag.as_deref().ok_or_else(|| {
            let message =
                format!("`{}` has no ETag, so its parts could be of two objects", self.from);
            RequestError::local("UploadPartCopy", RequestErrorKind::CopyRefused, message)
        })?;
        let plan = PartPlan::of_file(self.head.size, PartSize::Exactly(ByteSize(part_size)))?;
        let upload = self.begin().await?;
        let copied: Result<Vec<StoredPart>, RequestError> = stream::iter(plan.parts())
            .map(|part| self.part(&upload, part, etag))
            .buffered(self.context.store.concurrency())
            .try_collect()
            .await;
        let completed = match copied {
            Ok(parts) => {
                self.context
                    .complete_as_taken(&upload, &UploadedObject::of_parts(parts), precondition)
                    .await
            }
            Err(failure) => Err(failure),
        };
        let Err(failure) = completed else { return Ok(()) };
        // An answer that was lost may have been that of a completion: the copy is looked at next.
        if failure.is_after_lost_response && failure.error_kind == RequestErrorKind::NoUpload {
            return Ok(());
        }
        match self.context.abort(&upload).await {
            Ok(()) => Err(failure.into()),
            Err(_) => Err(S3Error::AbortFailed {
                uri: self.to.clone(),
                upload_id: upload.id,
                source: Box::new(failure.into()),
            }),
        }
    }

    async fn part(
        &self,
        upload: &Upload,
        part: Part,
        etag: &str,
    ) -> Result<StoredPart, RequestError> {
        let source = CopySource { uri: self.from, etag, offset: part.offset };
        let (response, attempts) =
            self.context.copy_part(upload, part, source, CancelPolicy::AtOnce).await?;
        Ok(StoredPart {
            number: part.number,
            size: part.size,
            etag: response.etag.unwrap_or_default(),
            sum: None,
            confirmed: false,
            md5: None,
            attempts,
            is_copied: true,
        })
    }

    /// Begins an upload with what the object was stored with: a copy in parts takes over nothing by itself.
    async fn begin(&self) -> Result<Upload, S3Error> {
        let with = self.context.stored_with(self.from).await?;
        let (encryption, kms_key_id) = self.encryption();
        let send = |client: Client| {
            client
                .create_multipart_upload()
                .bucket(&self.to.bucket)
                .key(&self.to.key)
                .set_metadata(Some(with.metadata.clone()))
                .set_content_type(with.content_type.clone())
                .set_cache_control(with.cache_control.clone())
                .set_content_disposition(with.content_disposition.clone())
                .set_content_encoding(with.content_encoding.clone())
                .set_content_language(with.content_language.clone())
                .set_expires(with.expires)
                .set_tagging(with.tags.clone())
                .set_server_side_encryption(encryption.clone())
                .set_ssekms_key_id(kms_key_id.clone())
                .set_storage_class(self.storage_class())
                .send()
        };
        let cancel_policy = CancelPolicy::AfterAMoment;
        let request = RequestOptions {
            cancel_policy,
            ..self.context.metadata_request("CreateMultipartUpload")
        };
        let (output, _) = self.context.execute(request, send).await?;
        if let Some(id) = output.upload_id() {
            return Ok(Upload { uri: self.to.clone(), id: id.into() });
        }
        let operation = "CreateMultipartUpload";
        Err(RequestError::local(operation, RequestErrorKind::Rejected, "no upload id").into())
    }

    /// Returns how the copy is to be encrypted.
    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        self.head.given.encryption_of_copy(self.context.store.quirks().is_aws())
    }

    fn storage_class(&self) -> Option<StorageClass> {
        self.head.storage_class.as_ref().map(|class| class.as_sent().into())
    }
}
