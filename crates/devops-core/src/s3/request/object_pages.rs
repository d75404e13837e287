//! The pages of a listing of objects, by either version of the request.

use aws_sdk_s3::{
    Client,
    types::{CommonPrefix, EncodingType, Object},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    context::S3Context,
    pages::{Pages, are_encoded},
};
use crate::s3::{
    error::{
        operation::S3Error,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{response::decoded, uri::S3Uri},
};

const VERSION_2: &str = "ListObjectsV2";

/// The last character there is: no key of a folder comes behind it.
const LAST: char = '\u{10ffff}';

/// The start of a page.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Start {
    /// At what the page before names, or at the first key.
    Token(Option<String>),
    /// Behind this key, where the page before names nothing.
    After(String),
    /// Behind this key, by version 1 of the request.
    Marker(String),
}

/// A page of a listing.
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    pub(crate) prefixes: Vec<CommonPrefix>,
    /// Is set if its keys are encoded as in an address.
    pub(crate) is_encoded: bool,
    /// The prefix that the page names.
    pub(crate) prefix: Option<String>,
    is_truncated: bool,
    next: Option<Start>,
}

/// Reads a page of either version.
macro_rules! page_of {
    ($output:expr, $named:expr, $behind:expr) => {{
        let output = $output;
        let keys = output.contents().iter().map(Object::key);
        let prefixes = output.common_prefixes().iter().map(CommonPrefix::prefix);
        let is_encoded = are_encoded(output.encoding_type(), keys.clone().chain(prefixes));
        let key = |key: &str| decoded(key, is_encoded);
        let last = output.contents().last().and_then(Object::key).map(key);
        let folder = output.common_prefixes().last().and_then(CommonPrefix::prefix).map(key);
        let last = last.max(folder.map(|folder| format!("{folder}{LAST}")));
        let named = $named.filter(|named: &Start| *named != Start::Token(Some(String::new())));
        Page {
            next: named.or(last.map($behind)),
            is_truncated: output.is_truncated() == Some(true),
            is_encoded,
            prefix: output.prefix().map(str::to_owned),
            objects: output.contents.unwrap_or_default(),
            prefixes: output.common_prefixes.unwrap_or_default(),
        }
    }};
}

/// The pages of a listing of objects.
pub(crate) struct ObjectPages<'a> {
    prefix: &'a S3Uri,
    delimiter: Option<&'a str>,
    /// The start of the next page; `None` after the last one.
    next: Option<Start>,
    pages: Pages,
}

impl<'a> ObjectPages<'a> {
    pub(crate) fn new(prefix: &'a S3Uri, delimiter: Option<&'a str>) -> Self {
        Self { prefix, delimiter, next: Some(Start::Token(None)), pages: Pages::default() }
    }

    pub(crate) async fn next(&mut self, context: S3Context<'_>) -> Result<Option<Page>, S3Error> {
        let Some(start) = self.next.take() else { return Ok(None) };
        let page = self.page(context, &start).await?;
        if page.is_truncated {
            let keys = page.objects.iter().map(Object::key);
            let listed: Vec<_> =
                keys.chain(page.prefixes.iter().map(CommonPrefix::prefix)).collect();
            let next = self.pages.next(VERSION_2, page.next.clone(), &listed);
            self.next = Some(next.map_err(RequestError::from)?);
        }
        Ok(Some(page))
    }

    /// Returns a page; asks by version 1 of the request where the store refuses version 2.
    async fn page(&self, context: S3Context<'_>, start: &Start) -> Result<Page, RequestError> {
        match start {
            Start::Token(None) => match self.by_version_2(context, None, None).await {
                Err(failure) if is_refused(&failure) => {
                    self.by_version_1(context, None).await.map_err(|_| failure)
                }
                answered => answered,
            },
            Start::Token(token) => self.by_version_2(context, token.as_deref(), None).await,
            Start::After(key) => self.by_version_2(context, None, Some(key)).await,
            Start::Marker(key) => self.by_version_1(context, Some(key)).await,
        }
    }

    async fn by_version_2(
        &self,
        context: S3Context<'_>,
        token: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page, RequestError> {
        // A store that takes this for version 1 gives no tokens and looks at the marker alone.
        let marker = after.map(|key| utf8_percent_encode(key, NON_ALPHANUMERIC));
        let marker = marker.map(|key| format!("&marker={key}")).unwrap_or_default();
        let send = |client: Client| {
            let marker = marker.clone();
            client
                .list_objects_v2()
                .bucket(&self.prefix.bucket)
                .prefix(&self.prefix.key)
                .set_delimiter(self.delimiter.map(str::to_owned))
                // Keys may hold characters that XML cannot carry.
                .encoding_type(EncodingType::Url)
                .set_continuation_token(token.map(str::to_owned))
                .set_start_after(after.map(str::to_owned))
                .customize()
                .mutate_request(move |request| {
                    if !marker.is_empty() {
                        let uri = format!("{}{marker}", request.uri());
                        request.set_uri(uri).expect("an address with one more parameter is one");
                    }
                })
                .send()
        };
        let (output, _) = context.execute(context.metadata_request(VERSION_2), send).await?;
        let token = output.next_continuation_token().map(str::to_owned);
        Ok(page_of!(output, token.map(|token| Start::Token(Some(token))), Start::After))
    }

    async fn by_version_1(
        &self,
        context: S3Context<'_>,
        marker: Option<&str>,
    ) -> Result<Page, RequestError> {
        let send = |client: Client| {
            client
                .list_objects()
                .bucket(&self.prefix.bucket)
                .prefix(&self.prefix.key)
                .set_delimiter(self.delimiter.map(str::to_owned))
                .encoding_type(EncodingType::Url)
                .set_marker(marker.map(str::to_owned))
                .send()
        };
        let (output, _) = context.execute(context.metadata_request("ListObjects"), send).await?;
        Ok(page_of!(output, None, Start::Marker))
    }
}

fn is_refused(failure: &RequestError) -> bool {
    matches!(failure.error_kind, RequestErrorKind::Rejected | RequestErrorKind::ConditionRefused)
}
