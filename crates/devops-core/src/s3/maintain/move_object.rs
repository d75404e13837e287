//! Moves objects inside a store: copies them, and deletes what was copied.

use futures_util::future::LocalBoxFuture;

use super::copy_object::{
    CopyOptions, CopyPreview, CopySummary, Transferred, preview_copy, transfer,
};
use crate::s3::{
    download::get::Existing,
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        event::Outcome,
        proof::Proof,
        response::{ListedObject, ObjectHead},
        uri::S3Uri,
    },
    request::{context::S3Context, delete::DeleteTarget, list::list},
};

const OPERATION: &str = "DeleteObject";

/// Copies an object and then deletes it, if it is still the one that was copied.
///
/// It stays where the store does not prove that the copy has the same content, and where both may be one object.
pub fn move_object<'a>(
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    options: CopyOptions,
) -> LocalBoxFuture<'a, Result<CopySummary, S3Error>> {
    Box::pin(async move {
        refuse_unmovable(from, to)?;
        let copied = transfer(context, from, to, options).await?;
        let moving = Moving { context, from, to, copied: &copied };
        if moving.may_delete().await? {
            moving.delete().await?;
        }
        Ok(copied.summary)
    })
}

/// Returns what [`move_object`] would do, without doing it; fails where that would.
pub fn preview_move<'a>(
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    options: CopyOptions,
) -> LocalBoxFuture<'a, Result<CopyPreview, S3Error>> {
    Box::pin(async move {
        refuse_unmovable(from, to)?;
        let preview = preview_copy(context, from, to, options).await?;
        if matches!(preview.there, Existing::Same(_)) {
            refuse_other_metadata(context, from, to).await?;
        }
        Ok(preview)
    })
}

fn refuse_unmovable(from: &S3Uri, to: &S3Uri) -> Result<(), S3Error> {
    if (&from.bucket, &from.key) == (&to.bucket, &to.key) {
        let message = format!("`{from}` is both what is moved and where to");
        return Err(RequestError::local("CopyObject", RequestErrorKind::Rejected, message).into());
    }
    if from.version_id.is_some() {
        let message = "a version is copied, not moved";
        return Err(RequestError::local("CopyObject", RequestErrorKind::Rejected, message).into());
    }
    Ok(())
}

/// Fails where an object of the same content was stored with something else: its own would be lost.
async fn refuse_other_metadata(
    context: S3Context<'_>,
    from: &S3Uri,
    to: &S3Uri,
) -> Result<(), S3Error> {
    if context.stored_with(from).await?.is_same(&context.stored_with(to).await?) {
        return Ok(());
    }
    Err(S3Error::Exists(to.clone()))
}

/// An object whose copy is there.
struct Moving<'a> {
    context: S3Context<'a>,
    from: &'a S3Uri,
    to: &'a S3Uri,
    copied: &'a Transferred,
}

impl Moving<'_> {
    /// Returns whether there is something left to delete; fails where it has to stay.
    async fn may_delete(&self) -> Result<bool, S3Error> {
        let Self { context, from, to, copied } = *self;
        if copied.summary.proof < Proof::Etag {
            let why = "the store proves no more than the size of the copy";
            return Err(self.stays(RequestErrorKind::Damaged, why).into());
        }
        if copied.summary.outcome == Outcome::Unchanged {
            refuse_other_metadata(context, from, to).await?;
        }
        // Many stores do not look at the condition of a deletion.
        let target = DeleteTarget::from(from.clone());
        let Some(now) = context.version_status(&target).await? else { return Ok(false) };
        let ObjectHead { etag, version_id, .. } = &copied.head;
        if (&now.etag, &now.version_id) != (etag, version_id) || now.size != copied.head.size {
            return Err(self
                .stays(RequestErrorKind::Conflict, "the object was changed after it was copied")
                .into());
        }
        if copied.was_there {
            let there = context.version_status(&DeleteTarget::from(to.clone())).await?;
            if there.as_ref() == Some(&now) && !self.are_two().await? {
                let message = format!("`{from}` and `{to}` may be one object with two names");
                return Err(self.stays(RequestErrorKind::Damaged, &message).into());
            }
        }
        Ok(true)
    }

    /// Returns whether two objects that look the same are two.
    ///
    /// A store may take two keys for one, and knows some buckets by two names.
    async fn are_two(&self) -> Result<bool, S3Error> {
        let Self { context, from, to, .. } = *self;
        if from.bucket != to.bucket {
            let is_alias =
                |bucket: &str| bucket.starts_with("arn:") || bucket.ends_with("-s3alias");
            return Ok(!is_alias(&from.bucket) && !is_alias(&to.bucket));
        }
        for uri in [from, to] {
            let mut is_listed = false;
            let mut look = |object: ListedObject| {
                is_listed = object.uri.key == uri.key;
                false
            };
            list(context, uri, &mut look).await?;
            if !is_listed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn delete(&self) -> Result<(), RequestError> {
        let target = DeleteTarget::from(self.from.clone());
        let etag = self.copied.head.etag.as_deref();
        let deleted = match self.context.delete_one(&target, etag).await {
            // A store that knows no such condition was asked before whether it holds.
            Err(failure) if failure.error_kind == RequestErrorKind::ConditionRefused => {
                self.context.delete_one(&target, None).await
            }
            deleted => deleted,
        };
        match deleted {
            Ok(_) => Ok(()),
            Err(failure) if failure.error_kind == RequestErrorKind::Exists => Err(self
                .stays(RequestErrorKind::Conflict, "the object was changed after it was copied")),
            Err(failure) => {
                let message = format!("{}; the copy `{}` is there", failure.message, self.to);
                Err(RequestError { message: message.as_str().into(), ..failure })
            }
        }
    }

    fn stays(&self, error_kind: RequestErrorKind, why: &str) -> RequestError {
        let copy = match self.copied.summary.outcome {
            Outcome::Stored => format!(", and its copy `{}` is there", self.to),
            Outcome::Unchanged => String::new(),
        };
        RequestError::local(OPERATION, error_kind, format!("{why}: it stays{copy}"))
    }
}
