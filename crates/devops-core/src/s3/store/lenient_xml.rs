//! Reads answers as leniently as other clients do: the SDK reads XML only under the name that AWS gives its root, and
//! no header that stands there twice, and other stores answer so. A checksum of a wrong length is left out of every
//! answer, since it says nothing of the bytes, and so is what an answer only repeats of a request.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
    primitives::SdkBody,
};
use aws_smithy_runtime_api::{
    client::{
        interceptors::context::BeforeDeserializationInterceptorContextMut, orchestrator::Metadata,
    },
    http::Headers,
};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::response_interceptor::ResponseInterceptor;
use crate::s3::object::{
    echoed, wrong_length,
    xml::{Tag, local, tags},
};

/// The answer to an operation.
#[derive(Clone, Copy, Debug)]
struct Root {
    operation: &'static str,
    /// The name that the SDK expects.
    name: &'static str,
    /// Elements right below the root that no other answer has there.
    tell: &'static [&'static str],
}

/// The answers with an XML root (S3 API reference).
const ROOTS: [Root; 13] = [
    root("CreateMultipartUpload", "InitiateMultipartUploadResult", &["UploadId"]),
    root("ListParts", "ListPartsResult", &["UploadId", "Part"]),
    root("CompleteMultipartUpload", "CompleteMultipartUploadResult", &["ETag"]),
    root("UploadPartCopy", "CopyPartResult", &["ETag"]),
    root("CopyObject", "CopyObjectResult", &["ETag"]),
    root("ListObjects", "ListBucketResult", &["Contents", "MaxKeys"]),
    root("ListObjectsV2", "ListBucketResult", &["Contents", "KeyCount", "MaxKeys"]),
    root(
        "ListObjectVersions",
        "ListVersionsResult",
        &["Version", "DeleteMarker", "VersionIdMarker"],
    ),
    root("ListMultipartUploads", "ListMultipartUploadsResult", &["Upload", "MaxUploads"]),
    root("DeleteObjects", "DeleteResult", &["Deleted"]),
    root("GetBucketVersioning", "VersioningConfiguration", &["Status"]),
    root("GetObjectRetention", "Retention", &["Mode", "RetainUntilDate"]),
    root("GetObjectAttributes", "GetObjectAttributesResponse", &["ObjectParts", "ObjectSize"]),
];

const fn root(operation: &'static str, name: &'static str, tell: &'static [&'static str]) -> Root {
    Root { operation, name, tell }
}

/// Gives the answers of every store the form that the SDK expects.
#[derive(Clone, Debug)]
pub(crate) struct Lenient(pub(crate) ResponseInterceptor);

impl Intercept for Lenient {
    fn name(&self) -> &'static str {
        "Lenient"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response_mut().headers_mut();
        once(headers);
        if wrong_length::leave_out(headers) {
            self.0.note_wrong_length();
        }
        if echoed::leave_out(headers) {
            self.0.note_echo();
        }
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        let Some(root) = ROOTS.iter().find(|root| root.operation == operation) else {
            return Ok(());
        };
        let response = context.response_mut();
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::empty());
            let read = Some(BytesMut::new());
            let mended = Mended { body, root, interceptor: self.0.clone(), read };
            *response.body_mut() = SdkBody::from_body_1_x(mended);
        }
        Ok(())
    }
}

/// Leaves one of the headers that say the same twice, as `SeaweedFS` does of a customer's key.
fn once(headers: &mut Headers) {
    let is_repeated = |name: &str| {
        let mut values = headers.get_all(name);
        let first = values.next();
        let mut rest = values.peekable();
        rest.peek().is_some() && rest.all(|value| Some(value) == first)
    };
    let names = headers.iter().map(|(name, _)| name).filter(|name| is_repeated(name));
    let mut repeated: Vec<_> = names.map(str::to_owned).collect();
    repeated.dedup();
    for name in repeated {
        if let Some(value) = headers.get(&name).map(str::to_owned) {
            headers.insert(name, value);
        }
    }
}

/// A body that comes in one piece, with the root that is expected.
struct Mended {
    body: SdkBody,
    root: &'static Root,
    interceptor: ResponseInterceptor,
    /// The bytes that came; `None` once they were passed on.
    read: Option<BytesMut>,
}

impl Body for Mended {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(read) = &mut this.read else { return Poll::Ready(None) };
        loop {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    read.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => break,
            }
        }
        let read = this.read.take().unwrap_or_default().freeze();
        let Ok(xml) = std::str::from_utf8(&read) else {
            return Poll::Ready(Some(Ok(Frame::data(read))));
        };
        let renamed = mended(xml, this.root);
        let shortened = wrong_length::without(renamed.as_deref().unwrap_or(xml));
        if shortened.is_some() {
            this.interceptor.note_wrong_length();
        }
        let changed = shortened.or(renamed).map(Bytes::from);
        Poll::Ready(Some(Ok(Frame::data(changed.unwrap_or(read)))))
    }
}

/// Returns the document under the expected root, if it has another one and is the answer all the same: its root
/// bears the name of the operation, or has an element that tells.
///
/// What has neither is something else, such as the page of a proxy, and is not taken for an empty answer.
fn mended(xml: &str, root: &Root) -> Option<String> {
    let Tag { at, name, text } = tags(xml).next()?;
    let tells = |child: &str| root.tell.contains(&local(child));
    if local(name) == root.name || !(name.contains(root.operation) || children(xml).any(tells)) {
        return None;
    }
    let expected = format!("{}{}", &name[..name.len() - local(name).len()], root.name);
    let (before, rest) = split_around(xml, at + 1, name);
    if text.ends_with("/>") {
        return Some(format!("{before}{expected}{rest}"));
    }
    let close = rest.rfind(&format!("</{name}"))? + 2;
    let (content, after) = split_around(rest, close, name);
    Some(format!("{before}{expected}{content}{expected}{after}"))
}

/// Returns what stands before a name and behind it.
fn split_around<'a>(text: &'a str, at: usize, name: &str) -> (&'a str, &'a str) {
    (&text[..at], &text[at + name.len()..])
}

/// Returns the names of the elements right below the root.
fn children(xml: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    tags(xml).filter_map(move |tag| {
        if tag.text.starts_with("</") {
            depth = depth.saturating_sub(1);
            return None;
        }
        let is_child = depth == 1;
        if !tag.text.ends_with("/>") {
            depth += 1;
        }
        is_child.then_some(tag.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(operation: &str) -> &'static Root {
        ROOTS.iter().find(|root| root.operation == operation).unwrap()
    }

    #[test]
    fn a_header_that_says_the_same_twice_says_it_once() {
        let mut headers = Headers::new();
        for (name, value) in
            [("a", "1"), ("a", "1"), ("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")]
        {
            headers.append(name, value);
        }

        once(&mut headers);

        let all = |name| headers.get_all(name).collect::<Vec<_>>();
        assert_eq!((all("a"), all("b"), all("c")), (vec!["1"], vec!["1", "2"], vec!["1"]));
    }

    #[test]
    fn a_root_of_another_name_is_mended() {
        for (operation, given, expected) in [
            (
                "CreateMultipartUpload",
                "<?xml version=\"1.0\"?>\n<InitiateMultipartUpload><Key>a</Key><UploadId>1</UploadId></InitiateMultipartUpload>\n",
                "<?xml version=\"1.0\"?>\n<InitiateMultipartUploadResult><Key>a</Key><UploadId>1</UploadId></InitiateMultipartUploadResult>\n",
            ),
            (
                "ListParts",
                "<!-- <ListPartsOutput xmlns=\"http://s3\"> --><ListPartsOutput xmlns=\"http://s3\"><Part><ETag>e</ETag></Part></ListPartsOutput>",
                "<!-- <ListPartsOutput xmlns=\"http://s3\"> --><ListPartsResult xmlns=\"http://s3\"><Part><ETag>e</ETag></Part></ListPartsResult>",
            ),
            (
                "GetBucketVersioning",
                "<s3:Versioning xmlns:s3=\"http://s3\"><s3:Status>Enabled</s3:Status></s3:Versioning >",
                "<s3:VersioningConfiguration xmlns:s3=\"http://s3\"><s3:Status>Enabled</s3:Status></s3:VersioningConfiguration >",
            ),
            (
                "GetBucketVersioning",
                "<GetBucketVersioningOutput xmlns=\"http://s3\"/>",
                "<VersioningConfiguration xmlns=\"http://s3\"/>",
            ),
        ] {
            assert_eq!(mended(given, of(operation)).as_deref(), Some(expected), "{operation}");
        }
    }

    #[test]
    fn what_is_no_answer_to_the_question_stays_what_it_is() {
        for (operation, given) in [
            ("ListParts", "<ListPartsResult><UploadId>1</UploadId></ListPartsResult>"),
            ("ListParts", "<html><body><UploadId>1</UploadId></body></html>"),
            ("ListObjectsV2", "<html><head><title>sign in</title></head></html>"),
            ("ListObjectVersions", "<ListBucketResult><MaxKeys>1</MaxKeys></ListBucketResult>"),
            ("ListMultipartUploads", "<ListBucketResult><Contents/></ListBucketResult>"),
            ("GetBucketVersioning", "<ListBucketResult><Name>b</Name></ListBucketResult>"),
            ("CompleteMultipartUpload", "<Error><Code>InternalError</Code></Error>"),
            ("CreateMultipartUpload", "<Other><A><UploadId>1</UploadId></A></Other>"),
            ("CreateMultipartUpload", "<Other><UploadId>1</UploadId>"),
            ("CreateMultipartUpload", "<Other/>"),
            ("CreateMultipartUpload", "<"),
            ("CreateMultipartUpload", ""),
        ] {
            assert_eq!(mended(given, of(operation)), None, "{operation}: {given}");
        }
    }
}
