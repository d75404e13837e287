//! One object on its way: what is sent for it, in which order.

use super::{
    confirm::{PutResult, Write, confirm_write, resolve_lost_response},
    file_upload::FileUpload,
    journal::UploadRecord,
    options::{OverwritePolicy, PutOptions},
};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{
        attributes::Attributes, checksum::Sum, checksum_strategy::ChecksumStrategy,
        precondition::Precondition, proof::UploadedObject, protection::Given, response::Upload,
        text::StoreText, uri::S3Uri,
    },
    plan::{layout::Layout, parts::PartPlan},
    request::{
        context::S3Context,
        payload::{Hashing, Payload},
        source_file::OpenFile,
    },
    store::retry_policy::random,
};

/// One object on its way.
#[derive(Clone)]
pub(crate) struct ObjectUpload<'a> {
    pub(crate) context: S3Context<'a>,
    pub(crate) uri: &'a S3Uri,
    pub(crate) attributes: &'a Attributes,
    /// The mark by which the upload knows its own object.
    pub(crate) upload_token: String,
    pub(crate) checksum_strategy: ChecksumStrategy,
    /// The precondition of the write.
    pub(crate) precondition: Precondition,
    /// The state that was found, also where the store lacks preconditions.
    pub(crate) found: Precondition,
}

/// Returns a mark that no other upload has.
pub(crate) fn new_upload_token() -> String {
    format!("{:016x}{:016x}", random(), random())
}

impl<'a> ObjectUpload<'a> {
    pub(crate) fn new(context: S3Context<'a>, uri: &'a S3Uri, options: &'a PutOptions) -> Self {
        let checksum_strategy = match options.checksum {
            Some(algorithm) if context.store.knows_checksums() => {
                ChecksumStrategy::Checksum(algorithm)
            }
            Some(_) => ChecksumStrategy::Md5,
            None => ChecksumStrategy::Nothing,
        };
        let object = Self {
            context,
            uri,
            attributes: &options.attributes,
            upload_token: new_upload_token(),
            checksum_strategy,
            precondition: Precondition::None,
            found: Precondition::None,
        };
        match options.replace {
            OverwritePolicy::Overwrite => object,
            OverwritePolicy::Refuse | OverwritePolicy::IfChanged => {
                object.with_precondition(Precondition::Absent)
            }
        }
    }

    /// Lets the write itself demand something of the key, if the store knows such writes.
    pub(crate) fn with_precondition(self, precondition: Precondition) -> Self {
        let is_known = self.context.store.supports_preconditions();
        let found = precondition.clone();
        Self {
            precondition: if is_known { precondition } else { Precondition::None },
            found,
            ..self
        }
    }

    /// Takes over how an earlier run began, if one did.
    pub(crate) fn with_resume(self, begun: Option<&UploadRecord>) -> Self {
        match begun {
            Some(begun) => Self {
                upload_token: begun.upload_token.clone(),
                checksum_strategy: begun.checksum_strategy,
                ..self
            },
            None => self,
        }
    }

    /// Returns what a later run has to know to go on with an upload.
    pub(crate) fn begun(&self, upload: &Upload, layout: &Layout) -> UploadRecord {
        let (upload_id, upload_token) = (upload.id.clone(), self.upload_token.clone());
        let composition = layout.composition().cloned();
        UploadRecord {
            upload_id,
            upload_token,
            checksum_strategy: self.checksum_strategy,
            composition,
        }
    }

    /// Returns what is hashed of the bytes that are sent next.
    pub(crate) fn hashing(&self) -> Hashing {
        let store = self.context.store;
        let with_md5 = store.confirms_nothing();
        Hashing {
            checksum_strategy: self.checksum_strategy,
            with_md5,
            plain_http: store.is_plain_http(),
        }
    }

    /// Returns what goes into the request that begins an object.
    pub(crate) fn object_headers(&self) -> (&Attributes, &str) {
        (self.attributes, &self.upload_token)
    }

    /// Returns the facts of a write by which its outcome is confirmed.
    pub(crate) fn write<'w>(
        &'w self,
        sent: &'w UploadedObject,
        upload_id: Option<&'w StoreText>,
    ) -> Write<'w> {
        let wanted = self.context.wanted(self.attributes);
        Write {
            upload_token: &self.upload_token,
            sent,
            upload_id,
            wanted,
            is_new: self.found == Precondition::Absent,
        }
    }

    pub(crate) async fn put_single(
        &self,
        file: &OpenFile,
        plan: PartPlan,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        if self.found != Precondition::Absent {
            self.prove_protection(&Given::default()).await?;
        }
        let part = plan.parts().next().expect("a plan has a part");
        let payload = self.read(file, part).await?;
        file.check_unchanged()?;
        let is_checked = payload.sum.is_some() || file.inline_bytes().is_some();
        let done = self.put_payload(payload).await?;
        // Nothing else would tell that the bytes are of two states of the file.
        if !is_checked {
            file.check_unchanged()?;
        }
        Ok(done)
    }

    pub(crate) async fn put_payload(
        &self,
        payload: Payload,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        match self
            .context
            .put_object(self.uri, &payload, self.object_headers(), &self.precondition)
            .await
        {
            Ok((part, response)) => {
                self.context.store.note_confirmed(&part);
                let sent = UploadedObject::single(part);
                let write = self.write(&sent, None);
                let put_result = confirm_write(&self.context, self.uri, write, &response).await?;
                Ok((sent, put_result))
            }
            // The store does not carry out a request whose body was cut off here.
            Err(failure) if payload.content.has_failed() && !failure.is_after_lost_response => {
                Err(payload.content.take_failure().expect("it has failed"))
            }
            Err(failure)
                if failure.error_kind == RequestErrorKind::Exists || failure.is_ambiguous() =>
            {
                let checksum = payload.sum.as_ref().map(Sum::checksum);
                let sent = UploadedObject::unanswered(payload.size(), checksum);
                let write = self.write(&sent, None);
                let put_result =
                    resolve_lost_response(&self.context, self.uri, write, failure).await?;
                Ok((sent, put_result))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Sends the missing parts of a file and completes its upload.
    pub(crate) async fn upload_all_parts(
        &self,
        work: &FileUpload<'_>,
        layout: &Layout,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        let parts = self.upload_parts(work, layout.pieces()).await?;
        work.file.check_unchanged()?;
        let completed = self.complete(&work.upload, parts).await;
        if layout.is_composed() { completed.map_err(unequal_parts) } else { completed }
    }

    /// Returns how many parts are prepared or sent at once: those on the way, and the next ones.
    pub(crate) fn in_flight(&self) -> usize {
        self.context.store.concurrency() + 2
    }
}

/// Some stores want all parts but the last alike, and say so only at the end.
fn unequal_parts(error: S3Error) -> S3Error {
    match error {
        S3Error::Request(mut failure) if failure.error_kind == RequestErrorKind::Rejected => {
            failure.error_kind = RequestErrorKind::CopyRefused;
            S3Error::Request(failure)
        }
        other => other,
    }
}
