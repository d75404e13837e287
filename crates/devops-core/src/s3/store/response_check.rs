//! Compares what an answer is about with what was asked; every answer of a store passes here.
//!
//! A store, a cache or a proxy that ignores a header or a parameter answers another question with a success.
//! [`Terms`] reads what a request names and what its answer names, operation by operation, and [`ROWS`] says for
//! each of these what another value means, and what silence does. What a write asks for beside keeping the bytes is
//! compared in `protection`.

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
    operation::{
        complete_multipart_upload::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput},
        create_multipart_upload::{CreateMultipartUploadInput, CreateMultipartUploadOutput},
        delete_object::{DeleteObjectInput, DeleteObjectOutput},
        get_object::{GetObjectInput, GetObjectOutput},
        head_object::{HeadObjectInput, HeadObjectOutput},
        list_parts::{ListPartsInput, ListPartsOutput},
    },
};
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef, Input,
    Output,
};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::s3::{
    error::{request_error::RequestErrorKind, response_error::OtherResponse},
    object::{
        response::{decoded, unquoted},
        xml::fits_xml,
    },
};

/// The terms of a request or a response.
#[derive(Clone, Debug, Default)]
struct Terms {
    /// The `ETag`, without quotes.
    etag: Option<String>,
    /// The first and the last byte: `0-99`.
    range: Option<String>,
    version_id: Option<String>,
    key: Option<String>,
    upload_id: Option<String>,
}

impl Storable for Terms {
    type Storer = StoreReplace<Self>;
}

/// One thing that a request names, and how its answer is compared with it.
struct Row {
    name: &'static str,
    of: fn(&Terms) -> Option<&str>,
    /// The error for a response to another request.
    other: RequestErrorKind,
    /// The error for a response without it, unless that is allowed.
    silence: Option<RequestErrorKind>,
}

const ROWS: [Row; 5] = [
    // All stores name the ETag of what they send, and another one is of another object. What names none, nor a range,
    // may come from something between us and the store, or be an error with a success.
    Row {
        name: "ETag",
        of: |terms| terms.etag.as_deref(),
        other: RequestErrorKind::Conflict,
        silence: Some(RequestErrorKind::Unreadable),
    },
    Row {
        name: "range",
        of: |terms| terms.range.as_deref(),
        other: RequestErrorKind::OtherResponse,
        silence: Some(RequestErrorKind::Unreadable),
    },
    Row {
        name: "version",
        of: |terms| terms.version_id.as_deref(),
        other: RequestErrorKind::OtherResponse,
        silence: Some(RequestErrorKind::OtherResponse),
    },
    // What was never there again need not be named: the next request says that it is missing.
    Row {
        name: "key",
        of: |terms| terms.key.as_deref(),
        other: RequestErrorKind::OtherResponse,
        silence: None,
    },
    Row {
        name: "upload",
        of: |terms| terms.upload_id.as_deref(),
        other: RequestErrorKind::OtherResponse,
        silence: None,
    },
];

/// Compares an answer with its request, row by row.
fn compare(asked: &Terms, told: &Terms) -> Result<(), OtherResponse> {
    for Row { name, of, other, silence } in ROWS {
        match (of(asked), of(told)) {
            (Some(asked), Some(told)) if asked != told => {
                return Err(match other {
                    RequestErrorKind::Conflict => OtherResponse::Replaced,
                    _ => OtherResponse::Other { name, asked: asked.into(), told: told.into() },
                });
            }
            (Some(asked), None) => {
                if let Some(error_kind) = silence {
                    return Err(OtherResponse::Silent { name, asked: asked.into(), error_kind });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Terms {
    fn of_input(input: &Input) -> Option<Self> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        if let Some(input) = input.downcast_ref::<GetObjectInput>() {
            let range = input.range().and_then(|range| range.strip_prefix("bytes="));
            let etag = unquoted(input.if_match());
            let version_id = version(input.version_id());
            return Some(Self { etag, range: owned(range), version_id, ..Self::default() });
        }
        if let Some(input) = input.downcast_ref::<HeadObjectInput>() {
            return Some(Self::of_version(version(input.version_id())));
        }
        if let Some(input) = input.downcast_ref::<DeleteObjectInput>() {
            return Some(Self::of_version(version(input.version_id())));
        }
        if let Some(input) = input.downcast_ref::<CreateMultipartUploadInput>() {
            return Some(Self::of_upload(asked_key(input.key()), None));
        }
        if let Some(input) = input.downcast_ref::<CompleteMultipartUploadInput>() {
            return Some(Self::of_upload(asked_key(input.key()), None));
        }
        let input = input.downcast_ref::<ListPartsInput>()?;
        Some(Self::of_upload(asked_key(input.key()), owned(input.upload_id())))
    }

    fn of_output(output: &Output, asked: &Self) -> Option<Self> {
        let key = |told| confirmed_key(told, asked.key.as_deref());
        if let Some(output) = output.downcast_ref::<GetObjectOutput>() {
            let (etag, range) = (unquoted(output.e_tag()), range_of(output));
            let version_id = version(output.version_id());
            return Some(Self { etag, range, version_id, ..Self::default() });
        }
        if let Some(output) = output.downcast_ref::<HeadObjectOutput>() {
            return Some(Self::of_version(version(output.version_id())));
        }
        if let Some(output) = output.downcast_ref::<DeleteObjectOutput>() {
            return Some(Self::of_version(version(output.version_id())));
        }
        if let Some(output) = output.downcast_ref::<CreateMultipartUploadOutput>() {
            return Some(Self::of_upload(key(output.key()), None));
        }
        if let Some(output) = output.downcast_ref::<CompleteMultipartUploadOutput>() {
            return Some(Self::of_upload(key(output.key()), None));
        }
        let output = output.downcast_ref::<ListPartsOutput>()?;
        let upload_id = output.upload_id().filter(|id| !id.is_empty()).map(str::to_owned);
        Some(Self::of_upload(key(output.key()), upload_id))
    }

    fn of_version(version_id: Option<String>) -> Self {
        Self { version_id, ..Self::default() }
    }

    fn of_upload(key: Option<String>, upload_id: Option<String>) -> Self {
        Self { key, upload_id, ..Self::default() }
    }
}

/// Returns a version; `null` is what was stored when the bucket kept none, and some stores do not name it.
fn version(id: Option<&str>) -> Option<String> {
    id.filter(|&id| id != "null").map(str::to_owned)
}

/// Returns a key that XML can carry; others need not come back as they were.
fn asked_key(key: Option<&str>) -> Option<String> {
    key.filter(|key| fits_xml(key)).map(str::to_owned)
}

/// Returns the key that an answer names; some stores encode it.
fn confirmed_key(told: Option<&str>, asked: Option<&str>) -> Option<String> {
    let told = told.filter(|told| !told.is_empty())?;
    let is_asked = asked.is_some_and(|asked| decoded(told, true) == asked);
    Some(if is_asked { asked? } else { told }.to_owned())
}

/// Returns the range that an answer has: that of `Content-Range`, or all of an object.
fn range_of(output: &GetObjectOutput) -> Option<String> {
    if let Some(range) = output.content_range() {
        return Some(range.trim_start_matches("bytes ").split('/').next()?.trim().to_owned());
    }
    let size = u64::try_from(output.content_length()?).ok()?;
    Some(format!("0-{}", size.checked_sub(1)?))
}

/// Lets no answer through that is for something else than was asked.
#[derive(Debug)]
pub(crate) struct Compared;

impl Intercept for Compared {
    fn name(&self) -> &'static str {
        "Compared"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(terms) = Terms::of_input(context.input()) {
            config.interceptor_state().store_put(terms);
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(asked), Ok(output)) = (config.load::<Terms>(), context.output_or_error()) else {
            return Ok(());
        };
        match Terms::of_output(output, asked) {
            Some(told) => Ok(compare(asked, &told)?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Terms {
        let some = |text: &str| Some(text.to_owned());
        Terms {
            etag: some("aa"),
            range: some("5-9"),
            version_id: some("v1"),
            key: some("a b"),
            upload_id: some("u1"),
        }
    }

    #[test]
    fn an_answer_for_anything_else_is_refused() {
        let other = || Some("other".to_owned());
        let cases: [(Terms, RequestErrorKind); 5] = [
            (Terms { etag: other(), ..asked() }, RequestErrorKind::Conflict),
            (Terms { range: other(), ..asked() }, RequestErrorKind::OtherResponse),
            (Terms { version_id: other(), ..asked() }, RequestErrorKind::OtherResponse),
            (Terms { key: other(), ..asked() }, RequestErrorKind::OtherResponse),
            (Terms { upload_id: other(), ..asked() }, RequestErrorKind::OtherResponse),
        ];

        assert!(compare(&asked(), &asked()).is_ok());
        for (told, error_kind) in cases {
            assert_eq!(compare(&asked(), &told).unwrap_err().error_kind(), error_kind, "{told:?}");
            // What was not asked for may be anything.
            assert!(compare(&Terms::default(), &told).is_ok());
        }
    }

    #[test]
    fn silence_counts_where_the_answer_could_be_for_something_else() {
        for (told, error_kind) in [
            (Terms { etag: None, ..asked() }, RequestErrorKind::Unreadable),
            (Terms { range: None, ..asked() }, RequestErrorKind::Unreadable),
            (Terms { version_id: None, ..asked() }, RequestErrorKind::OtherResponse),
        ] {
            assert_eq!(compare(&asked(), &told).unwrap_err().error_kind(), error_kind);
        }
        for told in [Terms { key: None, ..asked() }, Terms { upload_id: None, ..asked() }] {
            assert!(compare(&asked(), &told).is_ok());
        }
    }

    #[test]
    fn an_answer_without_a_range_is_the_whole() {
        let response = |range: Option<&str>, size| {
            let output = GetObjectOutput::builder();
            range_of(
                &output.set_content_range(range.map(str::to_owned)).content_length(size).build(),
            )
        };

        assert_eq!(response(Some("bytes 5-9/20"), 5).as_deref(), Some("5-9"));
        assert_eq!(response(None, 20).as_deref(), Some("0-19"));
        assert_eq!(response(None, 0), None);
    }

    #[test]
    fn a_key_may_come_back_encoded() {
        assert_eq!(confirmed_key(Some("a%20b"), Some("a b")).as_deref(), Some("a b"));
        assert_eq!(confirmed_key(Some("a b"), Some("a b")).as_deref(), Some("a b"));
        assert_eq!(confirmed_key(Some("c"), Some("a b")).as_deref(), Some("c"));
        assert_eq!(confirmed_key(Some(""), Some("a b")), None);
        assert_eq!(version(Some("null")), None);
    }
}
