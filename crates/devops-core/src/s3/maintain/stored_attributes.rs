//! The attributes of an object that a copy of it keeps.

use std::collections::HashMap;

use aws_sdk_s3::{
    Client,
    primitives::{DateTime, DateTimeFormat},
};
use percent_encoding::utf8_percent_encode;

use crate::s3::{
    error::request_error::{RequestError, RequestErrorKind},
    object::{attributes::UPLOAD_TOKEN_KEY, text::as_sent, uri::S3Uri},
    request::context::S3Context,
    upload::copy_part::ENCODED,
};

/// The attributes that an object was stored with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StoredWith {
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) expires: Option<DateTime>,
    /// The tags as a header has them; none where the store knows none.
    pub(crate) tags: Option<String>,
}

impl StoredWith {
    /// Returns whether both were stored with the same; the token of an upload is that of one alone.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let unmarked = |it: &Self| {
            let mut it = it.clone();
            it.metadata.remove(UPLOAD_TOKEN_KEY);
            it
        };
        unmarked(self) == unmarked(other)
    }
}

impl S3Context<'_> {
    /// Asks what an object was stored with.
    pub(crate) async fn stored_with(&self, uri: &S3Uri) -> Result<StoredWith, RequestError> {
        let send = |client: Client| {
            let request = client.head_object().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).send()
        };
        let (head, _) = self.execute(self.metadata_request("HeadObject"), send).await?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let read = |text: &str| DateTime::from_str(text, DateTimeFormat::HttpDate).ok();
        Ok(StoredWith {
            metadata: head.metadata().cloned().unwrap_or_default(),
            content_type: owned(head.content_type()),
            cache_control: owned(head.cache_control()),
            content_disposition: owned(head.content_disposition()),
            content_encoding: owned(head.content_encoding()),
            content_language: owned(head.content_language()),
            expires: head.expires_string().and_then(read),
            tags: self.tags(uri).await?,
        })
    }

    async fn tags(&self, uri: &S3Uri) -> Result<Option<String>, RequestError> {
        let send = |client: Client| {
            let request = client.get_object_tagging().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).send()
        };
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        match self.execute(self.metadata_request("GetObjectTagging"), send).await {
            Ok((output, _)) => {
                let pair = |tag: &aws_sdk_s3::types::Tag| {
                    format!("{}={}", encoded(tag.key()), encoded(tag.value()))
                };
                let mut tags: Vec<_> = output.tag_set().iter().map(pair).collect();
                tags.sort();
                Ok(Some(tags.join("&")).filter(|tags| !tags.is_empty()))
            }
            // Tags that must not be read would be lost.
            Err(failure)
                if failure.error_kind.is_unknown()
                    && failure.error_kind != RequestErrorKind::Denied =>
            {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}
