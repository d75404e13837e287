//! Puts one file into a store: asks what is there, sends, confirms.

use std::{cell::Cell, time::Instant};

use futures_util::future::LocalBoxFuture;

use super::{
    confirm::PutResult,
    existing_object::{ExistingObject, check_existing},
    fallback::{Fallbacks, lost_race},
    multipart_put::put_parts,
    object_upload::{ObjectUpload, new_upload_token},
    options::{OverwritePolicy, PutOptions},
    resume::Resumption,
    summary::summarize,
    upload_items::UploadItem,
};
use crate::s3::{
    error::{operation::S3Error, request_error::RequestErrorKind},
    object::{
        attributes::Attributes,
        event::{Event, ObjectSummary},
        precondition::Precondition,
        proof::UploadedObject,
        uri::S3Uri,
    },
    plan::{layout::Layout, parts::PartPlan, server_side_copy::Composition},
    request::{context::S3Context, source_file::OpenFile},
};

/// The plan of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The number of bytes that would be sent.
    pub size: u64,
    /// In how many parts.
    pub parts: u32,
    /// Is set if the same content is there already, so that nothing would be sent.
    pub unchanged: bool,
}

/// Puts a file; fails with [`S3Error::Exists`] when other content has the key and may not be replaced.
///
/// An interrupted put leaves no object. It leaves no multipart upload either, unless it can be taken up
/// again: then the error is [`S3Error::Resumable`].
pub fn put<'a>(
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<ObjectSummary, S3Error>> {
    Box::pin(async move {
        put_composed(context, source, options, &|_| true, &|| Box::pin(async { None })).await
    })
}

/// Finds out what the store can copy.
pub type Compose<'a> = dyn Fn() -> LocalBoxFuture<'a, Option<Composition>> + 'a;

/// Puts a file like [`put`], and asks `compose` for what the store can copy, if there is anything to send
/// in parts.
///
/// The unfinished upload of an earlier run is aborted, and another one begins, if the file changed since, or
/// is to be put in another way; unless the options say to go on with it alone.
pub fn put_composed<'a>(
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
    accepts: &'a dyn Fn(&S3Uri) -> bool,
    compose: &'a Compose<'a>,
) -> LocalBoxFuture<'a, Result<ObjectSummary, S3Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let moved = Cell::new(0);
        let events = |event: Event| {
            if let Event::BytesTransferred(bytes) = event {
                moved.update(|moved| moved + bytes);
            }
            (context.events)(event);
        };
        let told = S3Context { events: &events, ..context };
        let done = match put_once(told, source, options, accepts, compose).await {
            Err(S3Error::Journal(error)) if let Some(anew) = options.anew_after(&error) => {
                (context.events)(Event::BytesTransferred(-moved.get()));
                let (uri, reason) = (source.uri.clone(), error.to_string());
                (context.events)(Event::AbandonedUpload { uri, reason });
                put_once(context, source, &anew, accepts, compose).await?
            }
            done => done?,
        };
        summarize(&source.uri, options, done, begun.elapsed())
    })
}

async fn put_once(
    context: S3Context<'_>,
    source: &UploadItem,
    options: &PutOptions,
    accepts: &dyn Fn(&S3Uri) -> bool,
    compose: &Compose<'_>,
) -> Result<(UploadedObject, PutResult), S3Error> {
    let file = source.open(context.cancel_token).await?;
    let plan = context.store.plan(file.size(), options.part_size)?;
    let mut resumption = Resumption::open(context, source, options, (&file, plan)).await?;
    let plan = resumption.plan(context, plan)?;
    resumption.check_base(accepts)?;
    let put = Put { context, source, options, file: &file };
    let result = put.run(plan, compose, &mut resumption).await;
    resumption.close(context, result).await
}

/// Returns what [`put`] would do, without doing it.
pub fn preview<'a>(
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
) -> LocalBoxFuture<'a, Result<Preview, S3Error>> {
    Box::pin(async move {
        let file = source.open(context.cancel_token).await?;
        let plan = context.store.plan(file.size(), options.part_size)?;
        let there = check_existing(context, &source.uri, &file, options).await?;
        let unchanged = matches!(there, ExistingObject::Identical(..));
        Ok(Preview { size: file.size(), parts: plan.n_parts(), unchanged })
    })
}

/// One file on its way.
struct Put<'a> {
    context: S3Context<'a>,
    source: &'a UploadItem,
    options: &'a PutOptions,
    file: &'a OpenFile,
}

impl Put<'_> {
    async fn run(
        &self,
        plan: PartPlan,
        compose: &Compose<'_>,
        resumption: &mut Resumption,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        (self.context.events)(Event::Started {
            uri: self.source.uri.clone(),
            path: Some(self.source.path.clone()),
            size: Some(self.file.size()),
            parts: Some(plan.n_parts()),
        });
        let object = ObjectUpload::new(self.context, &self.source.uri, self.options)
            .with_resume(resumption.begun());
        if let Some(done) = resumption.find_completed(&object, self.file).await? {
            return Ok(done);
        }
        let precondition = match self.check_existing().await? {
            ExistingObject::Identical(sent, put_result) => return Ok((sent, put_result)),
            ExistingObject::Different(precondition) => precondition,
        };
        let composition = match resumption.begun() {
            Some(begun) => begun.composition.clone(),
            None if plan.is_single() => None,
            None => compose().await,
        };
        let done = self.send_until_settled(plan, composition, precondition, resumption).await;
        match self.options.replace {
            OverwritePolicy::Refuse => done,
            OverwritePolicy::Overwrite | OverwritePolicy::IfChanged => done.map_err(lost_race),
        }
    }

    /// Returns whether this run checks for concurrent writes itself, since the store ignores conditions.
    fn is_careful(&self) -> bool {
        self.options.replace == OverwritePolicy::IfChanged
            && !self.context.store.supports_preconditions()
    }

    /// Returns what the object is stored with.
    fn attributes(&self) -> Result<Attributes, S3Error> {
        let mut attributes = self.options.attributes.clone();
        if self.options.preserve {
            // What is given by name counts more.
            for (name, value) in self.file.preserved()?.to_metadata() {
                attributes.metadata.entry(name).or_insert(value);
            }
        }
        Ok(attributes)
    }

    async fn check_existing(&self) -> Result<ExistingObject, S3Error> {
        check_existing(self.context, &self.source.uri, self.file, self.options).await
    }

    /// Tries again where the store turns out to know less than hoped, or another writer was quicker.
    async fn send_until_settled(
        &self,
        plan: PartPlan,
        composition: Option<Composition>,
        precondition: Precondition,
        resumption: &mut Resumption,
    ) -> Result<(UploadedObject, PutResult), S3Error> {
        let mut layout = composition
            .filter(|composition| composition.size() == self.file.size())
            .map_or(Layout::Even(plan), Layout::Composed);
        let mut fallbacks = Fallbacks::default();
        // An attempt whose answer was lost may have been carried out: what bears its mark is ours.
        let upload_token = new_upload_token();
        let attributes = self.attributes()?;
        loop {
            let object = ObjectUpload::new(self.context, &self.source.uri, self.options);
            let object = ObjectUpload {
                upload_token: upload_token.clone(),
                attributes: &attributes,
                ..object
            }
            .with_precondition(precondition.clone())
            .with_resume(resumption.begun());
            let result = if plan.is_single() {
                object.put_single(self.file, plan).await
            } else {
                put_parts(&object, self.file, &layout, resumption).await
            };
            let result = match result {
                Err(error) if layout.is_composed() && is_refused_copy(&error) => {
                    let (uri, reason) = (self.source.uri.clone(), error.to_string());
                    (self.context.events)(Event::NoServerSideCopy { uri, reason });
                    layout = Layout::Even(plan);
                    continue;
                }
                other => other,
            };
            match result {
                Err(S3Error::Request(failure)) => {
                    fallbacks
                        .fall_back(
                            object.context,
                            object.checksum_strategy,
                            &object.precondition,
                            *failure,
                        )
                        .await?;
                }
                other => return other,
            }
            // What was there at first stays the condition: a change since then is somebody's.
            match self.check_existing().await? {
                ExistingObject::Identical(sent, put_result) => return Ok((sent, put_result)),
                ExistingObject::Different(now) if now != precondition && self.is_careful() => {
                    return Err(S3Error::Exists(self.source.uri.clone()));
                }
                ExistingObject::Different(_) => {}
            }
        }
    }
}

/// Sending does without a copy, whether the upload that needed it could be removed or not.
fn is_refused_copy(error: &S3Error) -> bool {
    match error {
        S3Error::Request(failure) => failure.error_kind == RequestErrorKind::CopyRefused,
        S3Error::AbortFailed { source, .. } => is_refused_copy(source),
        _ => false,
    }
}
