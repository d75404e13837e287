//! Deletes objects and versions, many at a time.

use std::{collections::HashMap, time::Instant};

use aws_sdk_s3::{
    Client,
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
    operation::delete_objects::DeleteObjectsOutput,
    types::{Delete, Error as KeyError, ObjectIdentifier},
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use futures_util::{StreamExt, future::LocalBoxFuture, stream};
use md5::{Digest, Md5};

use super::context::{CancelPolicy, RequestOptions, S3Context};
use crate::s3::{
    error::{
        operation::S3Error,
        parse_response::error_kind_of,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        checksum::base64,
        text::{StoreText, as_sent},
        uri::S3Uri,
        xml::fits_xml,
    },
    store::retry_policy::{Attempt, jitter},
};

/// The most keys that `DeleteObjects` takes.
const MAX_KEYS: usize = 1000;
const DELETE_OBJECTS: &str = "DeleteObjects";
const DELETE_OBJECT: &str = "DeleteObject";

/// An object or a version to delete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeleteTarget {
    /// The object.
    pub uri: S3Uri,
    /// The version; without one a bucket that keeps versions only hides the object behind a marker.
    pub version_id: Option<StoreText>,
}

/// The result of deleting a [`DeleteTarget`].
#[derive(Debug)]
pub enum DeleteOutcome {
    /// It is gone, or was gone already.
    Deleted,
    /// The bucket keeps versions: a delete marker hides the object, whose bytes stay.
    Hidden {
        /// The version of the marker.
        marker: Option<StoreText>,
    },
    /// It is locked, or the credentials do not allow it: the store does not tell these apart for sure.
    Refused(RequestError),
    /// It may be there or not.
    Failed(RequestError),
}

impl From<S3Uri> for DeleteTarget {
    fn from(uri: S3Uri) -> Self {
        Self { uri, version_id: None }
    }
}

/// Deletes all of these, in their order, and tells what became of each.
///
/// Ends with an error, and leaves the rest, when the store or the way to it fails as a whole, or when a
/// signal comes between two requests; what was told until then has happened.
pub fn delete<'a>(
    context: S3Context<'a>,
    targets: &'a [DeleteTarget],
    each: &'a mut dyn FnMut(&DeleteTarget, DeleteOutcome),
) -> LocalBoxFuture<'a, Result<(), S3Error>> {
    Box::pin(async move {
        let mut one_by_one = false;
        let buckets = targets.chunk_by(|a, b| a.uri.bucket == b.uri.bucket);
        for batch in buckets.flat_map(|targets| targets.chunks(MAX_KEYS)) {
            let (together, alone): (Vec<_>, Vec<_>) =
                batch.iter().partition(|target| !one_by_one && fits_xml(&target.uri.key));
            let alone = match context.delete_together(&together, each).await? {
                Pending::All => {
                    one_by_one = true;
                    batch.iter().collect()
                }
                // A deletion that was carried out already succeeds again.
                Pending::Unnamed(unnamed) => [unnamed, alone].concat(),
            };
            context.delete_alone(&alone, each).await?;
        }
        Ok(())
    })
}

/// The rest of a batch, which is deleted one by one.
enum Pending<'a> {
    /// The keys that the answer does not name.
    Unnamed(Vec<&'a DeleteTarget>),
    /// All: the store does not know how to delete many at once.
    All,
}

type OnDeleted<'a> = &'a mut dyn FnMut(&DeleteTarget, DeleteOutcome);

impl S3Context<'_> {
    /// Deletes one object or version; `etag` lets the store refuse another object than that.
    ///
    /// The refusal is a failure with [`RequestErrorKind::Exists`]. Stores that know no such condition on deletions
    /// ignore them, or say so by [`RequestErrorKind::ConditionRefused`].
    pub(crate) async fn delete_one(
        &self,
        target: &DeleteTarget,
        etag: Option<&str>,
    ) -> Result<DeleteOutcome, RequestError> {
        let send = |client: Client| {
            client
                .delete_object()
                .bucket(&target.uri.bucket)
                .key(&target.uri.key)
                .set_version_id(as_sent(target.version_id.as_ref()))
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .send()
        };
        let request = RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request(DELETE_OBJECT)
        };
        let response = self.execute(request, send).await;
        match response {
            Ok((output, _))
                if target.version_id.is_none() && output.delete_marker() == Some(true) =>
            {
                Ok(DeleteOutcome::Hidden { marker: output.version_id().map(StoreText::from) })
            }
            Ok(_) => Ok(DeleteOutcome::Deleted),
            Err(failure) if failure.error_kind == RequestErrorKind::NoObject => {
                Ok(DeleteOutcome::Deleted)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Deletes by requests of one key each.
    async fn delete_alone(
        &self,
        targets: &[&DeleteTarget],
        each: OnDeleted<'_>,
    ) -> Result<(), S3Error> {
        let mut running = stream::iter(targets)
            .map(async |&target| (target, self.delete_one(target, None).await))
            .buffered(self.store.concurrency());
        while let Some((target, result)) = running.next().await {
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(failure) if is_refusal(&failure) => DeleteOutcome::Refused(failure),
                Err(failure) if is_of_one_key(&failure.error_kind) => {
                    DeleteOutcome::Failed(failure)
                }
                Err(failure) => return Err(failure.into()),
            };
            each(target, outcome);
        }
        Ok(())
    }

    /// Deletes by one request, and again what failed in a way that passes.
    async fn delete_together<'t>(
        &self,
        targets: &[&'t DeleteTarget],
        each: OnDeleted<'_>,
    ) -> Result<Pending<'t>, S3Error> {
        let begun = Instant::now();
        let (mut wanted, mut attempt) = (targets.to_vec(), 0);
        let mut unnamed = Vec::new();
        while !wanted.is_empty() {
            let output = match self.delete_objects(&wanted).await {
                Ok(output) => output,
                // A store that knew it once does not forget it.
                Err(failure) if attempt == 0 && is_unknown(&failure) => return Ok(Pending::All),
                Err(failure) => return Err(failure.into()),
            };
            attempt += 1;
            let mut again = Vec::new();
            for (target, outcome) in outcomes(wanted, &output) {
                match outcome {
                    None => unnamed.push(target),
                    Some(DeleteOutcome::Failed(failure)) if failure.error_kind.is_transient() => {
                        again.push((target, failure));
                    }
                    Some(outcome) => each(target, outcome),
                }
            }
            let Some((_, failure)) = again.first() else { break };
            let (elapsed, asked) = (begun.elapsed(), failure.retry_after);
            let last_attempt = Attempt { number: attempt, elapsed, has_answered: true, asked };
            let pause =
                self.store.retry_config().pause(&failure.error_kind, last_attempt, jitter());
            let Some(pause) = pause else {
                let failed = again.into_iter();
                failed.for_each(|(target, why)| each(target, DeleteOutcome::Failed(why)));
                break;
            };
            self.retry_after(self.delete_call(), failure, attempt, pause).await?;
            wanted = again.into_iter().map(|(target, _)| target).collect();
        }
        Ok(Pending::Unnamed(unnamed))
    }

    fn delete_call(&self) -> RequestOptions<'_> {
        RequestOptions {
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request(DELETE_OBJECTS)
        }
    }

    async fn delete_objects(
        &self,
        targets: &[&DeleteTarget],
    ) -> Result<DeleteObjectsOutput, RequestError> {
        let objects: Vec<ObjectIdentifier> =
            targets.iter().map(|target| identifier(target)).collect();
        let delete = Delete::builder().set_objects(Some(objects)).quiet(false).build();
        let delete = delete.expect("the objects are given");
        let send = |client: Client| {
            client
                .delete_objects()
                .bucket(&targets[0].uri.bucket)
                .delete(delete.clone())
                .customize()
                .interceptor(Md5Alone)
                .send()
        };
        let response_timeout = self.store.retry_config().deletion(targets.len());
        Ok(self.execute(RequestOptions { response_timeout, ..self.delete_call() }, send).await?.0)
    }
}

fn identifier(target: &DeleteTarget) -> ObjectIdentifier {
    let identifier = ObjectIdentifier::builder()
        .key(&target.uri.key)
        .set_version_id(as_sent(target.version_id.as_ref()));
    identifier.build().expect("the key is given")
}

/// Returns what the answer says of each; nothing of those that it does not name.
fn outcomes<'a>(
    targets: Vec<&'a DeleteTarget>,
    output: &DeleteObjectsOutput,
) -> Vec<(&'a DeleteTarget, Option<DeleteOutcome>)> {
    let deleted = output
        .deleted()
        .iter()
        .map(|deleted| ((deleted.key().unwrap_or_default(), deleted.version_id()), deleted));
    let deleted: HashMap<_, _> = deleted.collect();
    let errors = output.errors().iter();
    let errors = errors.map(|error| ((error.key().unwrap_or_default(), error.version_id()), error));
    let errors: HashMap<_, _> = errors.collect();
    // Garage names the version that a deletion without one took.
    let unasked: HashMap<_, _> =
        deleted.iter().map(|((key, _), deleted)| (*key, deleted)).collect();
    let of = |target: &DeleteTarget| {
        let version_id = target.version_id.as_ref().map(StoreText::as_sent);
        let named = (target.uri.key.as_str(), version_id);
        // Some stores leave the version out of an error.
        let error = errors.get(&named).or_else(|| errors.get(&(named.0, None)));
        let of_any = || unasked.get(named.0).copied().filter(|_| version_id.is_none());
        match (deleted.get(&named).or_else(of_any), error) {
            (_, Some(error)) => Some(outcome_of(error)),
            (Some(deleted), None) => Some(match deleted.delete_marker() {
                Some(true) if version_id.is_none() => DeleteOutcome::Hidden {
                    marker: deleted.delete_marker_version_id().map(StoreText::from),
                },
                _ => DeleteOutcome::Deleted,
            }),
            (None, None) => None,
        }
    };
    targets.into_iter().map(|target| (target, of(target))).collect()
}

/// Reads an error that is for one key, which has no status.
fn outcome_of(error: &KeyError) -> DeleteOutcome {
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    let error_kind = match code {
        "AccessDenied" => RequestErrorKind::Denied,
        _ => error_kind_of(400, code, message, None),
    };
    if error_kind == RequestErrorKind::NoObject {
        return DeleteOutcome::Deleted;
    }
    let failure = RequestError {
        code: error.code().map(StoreText::from),
        ..RequestError::local(DELETE_OBJECTS, error_kind, message)
    };
    if is_refusal(&failure) {
        DeleteOutcome::Refused(failure)
    } else {
        DeleteOutcome::Failed(failure)
    }
}

fn is_refusal(failure: &RequestError) -> bool {
    // MinIO says of a locked version that it is an invalid request, "WORM protected".
    failure.error_kind == RequestErrorKind::Denied
        || failure.code() == "ObjectLocked"
        || failure.message.contains("WORM")
}

/// Returns whether the same may go well with another key.
fn is_of_one_key(error_kind: &RequestErrorKind) -> bool {
    matches!(
        error_kind,
        RequestErrorKind::Rejected
            | RequestErrorKind::Conflict
            | RequestErrorKind::Exists
            | RequestErrorKind::Server
            | RequestErrorKind::OtherResponse
    )
}

/// Returns whether the store does not know `DeleteObjects`.
fn is_unknown(failure: &RequestError) -> bool {
    failure.error_kind == RequestErrorKind::ConditionRefused
        || matches!(failure.code(), "NotImplemented" | "MethodNotAllowed")
}

/// Protects the body by `Content-MD5`, which every store knows and some ask for, in place of the CRC-32 that
/// the SDK insists on and some refuse (aws-sdk-rust#1240).
#[derive(Debug)]
pub(crate) struct Md5Alone;

impl Intercept for Md5Alone {
    fn name(&self) -> &'static str {
        "Md5Alone"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = request.body().bytes().ok_or("the body of DeleteObjects is not in memory")?;
        let md5 = base64(&Md5::digest(body));
        let headers = request.headers_mut();
        headers.remove("x-amz-checksum-crc32");
        headers.remove("x-amz-sdk-checksum-algorithm");
        headers.insert("content-md5", md5);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::DeletedObject;

    use super::{DeleteOutcome as Is, *};

    fn target(key: &str, version_id: Option<&str>) -> DeleteTarget {
        let uri = S3Uri::new("backups", key).unwrap();
        DeleteTarget { uri, version_id: version_id.map(StoreText::from) }
    }

    fn error(key: &str, code: &str) -> KeyError {
        KeyError::builder().key(key).code(code).message("why").build()
    }

    #[test]
    fn every_key_gets_what_the_answer_says_of_it() {
        let targets = ["gone", "hidden", "locked", "missing", "broken", "silent"];
        let targets: Vec<_> = targets.into_iter().map(|key| target(key, None)).collect();
        let output = DeleteObjectsOutput::builder()
            .deleted(DeletedObject::builder().key("gone").build())
            .deleted(DeletedObject::builder().key("hidden").delete_marker(true).build())
            .errors(error("locked", "AccessDenied"))
            .errors(error("missing", "NoSuchKey"))
            .errors(error("broken", "InternalError"))
            .build();

        let outcomes = outcomes(targets.iter().collect(), &output);

        let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        assert!(
            matches!(
                &outcomes[..],
                [
                    Some(Is::Deleted),
                    Some(Is::Hidden { .. }),
                    Some(Is::Refused(_)),
                    Some(Is::Deleted),
                    Some(Is::Failed(passing)),
                    None,
                ] if passing.error_kind.is_transient()
            ),
            "{outcomes:?}"
        );
    }

    #[test]
    fn a_version_that_nobody_asked_for_is_still_an_answer() {
        let targets = [target("a", None), target("b", Some("1"))];
        let deleted = |key| DeletedObject::builder().key(key).version_id("2").build();
        let output =
            DeleteObjectsOutput::builder().deleted(deleted("a")).deleted(deleted("b")).build();

        let outcomes = outcomes(targets.iter().collect(), &output);

        // Of a version that was asked for, another one says nothing.
        assert!(
            matches!((&outcomes[0].1, &outcomes[1].1), (Some(Is::Deleted), None)),
            "{outcomes:?}"
        );
    }

    #[test]
    fn a_marker_that_was_itself_deleted_is_gone() {
        let targets = [target("a", Some("marker-1"))];
        let deleted = DeletedObject::builder().key("a").version_id("marker-1").delete_marker(true);
        let output = DeleteObjectsOutput::builder().deleted(deleted.build()).build();

        let outcomes = outcomes(targets.iter().collect(), &output);

        assert!(matches!(outcomes[0].1, Some(Is::Deleted)), "{outcomes:?}");
    }

    #[test]
    fn keys_that_xml_changes_go_alone() {
        for key in ["a b/c", "é", "&<>", "-"] {
            assert!(fits_xml(key), "{key:?}");
        }
        for key in ["a\u{1}", "a\nb", " a", "a ", "\u{ffff}"] {
            assert!(!fits_xml(key), "{key:?}");
        }
    }
}
