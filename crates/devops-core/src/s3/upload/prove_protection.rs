//! Finds out whether a store protects objects as asked, before it has any byte of one; removes what it did not.

use aws_sdk_s3::{Client, primitives::ByteStream, types::ObjectLockEnabled};

use super::object_upload::ObjectUpload;
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        attributes::{Attributes, with_attributes},
        event::Event,
        protection::{Feature, Given, Lack, Left, Wanted, encryption_given, is_on},
        text::{StoreText, as_sent},
        timestamp::time_of,
        uri::S3Uri,
    },
    request::{
        context::{CancelPolicy, RequestOptions, S3Context},
        delete::{DeleteOutcome, DeleteTarget},
    },
    store::retry_policy::random,
};

/// The content of a test object, which says what it is if it is left behind.
const CONTENT: &[u8] =
    b"stored by `devops-s3push` to see whether it is encrypted; this object can be deleted\n";

impl<'a> S3Context<'a> {
    /// Returns what a write with these attributes asks for beside keeping the bytes.
    pub(crate) fn wanted<'w>(&self, attributes: &'w Attributes) -> Wanted<'w>
    where
        'a: 'w,
    {
        let key = self.store.address().headers.customer_key.as_ref();
        Wanted { attributes, key_md5: key.map(crate::s3::object::headers::CustomerKey::md5) }
    }
}

impl ObjectUpload<'_> {
    /// Fails unless the store is known to protect objects as this one has to be.
    ///
    /// `given` is what the beginning of an upload has confirmed already.
    pub(crate) async fn prove_protection(&self, given: &Given) -> Result<(), S3Error> {
        let wanted = self.context.wanted(self.attributes);
        let lacking = wanted.lacking(given);
        let encryption: Vec<_> = lacking.iter().copied().filter(|it| it.is_encryption()).collect();
        if !encryption.is_empty() {
            self.prove_encryption(&wanted, encryption).await?;
        }
        let locks = [Feature::Lock, Feature::LegalHold];
        let wanted: Vec<_> = lacking.into_iter().filter(|it| locks.contains(it)).collect();
        if !wanted.is_empty() && self.context.locks(&self.uri.bucket).await? == Some(false) {
            return Err(unsent(self.uri, wanted));
        }
        Ok(())
    }

    /// Encrypts a throwaway object, unless the store was seen to do that, or is one that cannot but do it.
    async fn prove_encryption(
        &self,
        wanted: &Wanted<'_>,
        features: Vec<Feature>,
    ) -> Result<(), S3Error> {
        let store = self.context.store;
        let _turn = store.turn_to_prove().await;
        if store.encrypts(wanted) {
            return Ok(());
        }
        let lacking = self.context.encrypt_throwaway(self.uri, wanted).await?;
        let lacking: Vec<_> = features.into_iter().filter(|it| lacking.contains(it)).collect();
        if !lacking.is_empty() {
            return Err(unsent(self.uri, lacking));
        }
        store.note_encryption(wanted);
        Ok(())
    }
}

impl S3Context<'_> {
    /// Stores a throwaway object beside `uri` and returns which encryption it lacks.
    async fn encrypt_throwaway(
        &self,
        uri: &S3Uri,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Feature>, S3Error> {
        let folder = uri.key.rfind('/').map_or("", |at| &uri.key[..=at]);
        let key = format!("{folder}.devops-s3push-probe-{:016x}", random());
        let probe = uri.with_key(key);
        let encryption = wanted.attributes.encryption.clone();
        let attributes = Attributes { encryption, ..Attributes::default() };
        let send = |client: Client| {
            let request = client.put_object().bucket(&probe.bucket).key(&probe.key);
            with_attributes!(request, &attributes, "probe")
                .body(ByteStream::from_static(CONTENT))
                .send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request("PutObject")
        };
        let (output, _) = self.execute(request, send).await?;
        let mut lacking = wanted.lacking(&encryption_given!(output));
        lacking.retain(|feature| feature.is_encryption());
        if !lacking.is_empty()
            && let Ok(Some(head)) = self.head(&probe).await
        {
            // Some stores tell it there alone.
            let still = wanted.lacking(&head.given);
            lacking.retain(|feature| still.contains(feature));
        }
        let version_id = output.version_id().map(StoreText::from);
        let target = DeleteTarget { uri: probe.clone(), version_id };
        if let Err(failure) = self.remove(&target, None).await {
            (self.events)(Event::ProbeLeft { uri: probe, reason: failure.to_string() });
        }
        Ok(lacking)
    }

    /// Removes what must not stay; a signal does not end it.
    async fn remove(&self, target: &DeleteTarget, etag: Option<&str>) -> Result<(), RequestError> {
        match self.delete_one(target, etag).await? {
            DeleteOutcome::Hidden { .. } => {
                let message = "a delete marker hides it, and its bytes stay as an earlier version";
                Err(RequestError::local("DeleteObject", RequestErrorKind::Rejected, message))
            }
            _ => Ok(()),
        }
    }

    /// Removes an object that this run created and that is not encrypted as asked.
    pub(crate) async fn withdraw(
        &self,
        target: &DeleteTarget,
        id: &str,
        etag: Option<&str>,
    ) -> Left {
        // Another writer's object may be there by now; a version is surely ours.
        if target.version_id.is_none()
            && let Ok(Some(head)) = self.head(&target.uri).await
            && head.id.as_deref().is_some_and(|there| there != id)
        {
            return Left::Removed;
        }
        let removed = match self.remove(target, etag).await {
            Err(failure) if failure.error_kind == RequestErrorKind::ConditionRefused => {
                self.remove(target, None).await
            }
            other => other,
        };
        let failure = match removed {
            Ok(()) if target.version_id.is_some() => return Left::Removed,
            // What says that it is gone may have ignored the request.
            Ok(()) => match self.head(&target.uri).await {
                Ok(Some(head)) if head.id.as_deref() == Some(id) || head.id.is_none() => {
                    "the store still has it".to_owned()
                }
                _ => return Left::Removed,
            },
            Err(failure) => failure.to_string(),
        };
        Left::Stuck(failure)
    }

    /// Returns whether objects of a bucket can be locked, as far as the store tells.
    pub(crate) async fn locks(&self, bucket: &str) -> Result<Option<bool>, RequestError> {
        let send = |client: Client| client.get_object_lock_configuration().bucket(bucket).send();
        let request = self.metadata_request("GetObjectLockConfiguration");
        match self.execute(request, send).await {
            Ok((output, _)) => {
                let told = output.object_lock_configuration();
                let enabled = told.and_then(|told| told.object_lock_enabled());
                Ok(Some(enabled == Some(&ObjectLockEnabled::Enabled)))
            }
            Err(failure) if failure.error_kind == RequestErrorKind::Denied => Ok(None),
            Err(failure) if is_answer_no(&failure) => Ok(Some(false)),
            Err(failure) => Err(failure),
        }
    }

    /// Looks more closely at what HEAD does not confirm: it leaves out what the credentials may not read.
    pub(crate) async fn certain(
        &self,
        target: &DeleteTarget,
        wanted: &Wanted<'_>,
        lacking: Vec<Feature>,
    ) -> Vec<Lack> {
        let mut lacks = Vec::new();
        for feature in lacking {
            let given = match feature {
                Feature::Lock => self.is_locked(target, wanted).await,
                Feature::LegalHold => self.is_held(target).await,
                Feature::Tags => self.is_tagged(target, wanted).await,
                _ => Ok(false),
            };
            match given {
                Ok(true) => {}
                Ok(false) => lacks.push(Lack { feature, is_certain: true }),
                Err(failure) => {
                    lacks.push(Lack { feature, is_certain: is_answer_no(&failure) });
                }
            }
        }
        lacks
    }

    async fn is_locked(
        &self,
        target: &DeleteTarget,
        wanted: &Wanted<'_>,
    ) -> Result<bool, RequestError> {
        let send = |client: Client| {
            let request = client.get_object_retention().bucket(&target.uri.bucket);
            request.key(&target.uri.key).set_version_id(as_sent(target.version_id.as_ref())).send()
        };
        let (output, _) = self.execute(self.metadata_request("GetObjectRetention"), send).await?;
        let lock = output.retention().and_then(|told| {
            let mode = told.mode()?.as_str().into();
            Some((
                crate::s3::object::protection::lock_mode(&mode)?,
                told.retain_until_date().and_then(time_of)?,
            ))
        });
        Ok(wanted.is_locked_by(lock))
    }

    async fn is_held(&self, target: &DeleteTarget) -> Result<bool, RequestError> {
        let send = |client: Client| {
            let request = client.get_object_legal_hold().bucket(&target.uri.bucket);
            request.key(&target.uri.key).set_version_id(as_sent(target.version_id.as_ref())).send()
        };
        let (output, _) = self.execute(self.metadata_request("GetObjectLegalHold"), send).await?;
        Ok(is_on(output.legal_hold().and_then(|hold| hold.status())))
    }

    async fn is_tagged(
        &self,
        target: &DeleteTarget,
        wanted: &Wanted<'_>,
    ) -> Result<bool, RequestError> {
        let send = |client: Client| {
            let request = client.get_object_tagging().bucket(&target.uri.bucket);
            request.key(&target.uri.key).set_version_id(as_sent(target.version_id.as_ref())).send()
        };
        let (output, _) = self.execute(self.metadata_request("GetObjectTagging"), send).await?;
        let told = output.tag_set().iter().map(|tag| (tag.key(), tag.value()));
        Ok(wanted.attributes.tags.are(told))
    }
}

/// Returns whether a failure means that there is nothing of the kind, or that the store knows none.
fn is_answer_no(failure: &RequestError) -> bool {
    failure.error_kind.is_unknown() && failure.error_kind != RequestErrorKind::Denied
}

fn unsent(uri: &S3Uri, features: Vec<Feature>) -> S3Error {
    S3Error::Unprotected { uri: uri.clone(), features: features.into(), left: Left::Unsent }
}
