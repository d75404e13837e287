//! What an object was stored with beside its bytes, as a copy of it takes over.

use std::collections::HashMap;

use aws_sdk_s3::{
    Client,
    primitives::{DateTime, DateTimeFormat},
};
use percent_encoding::utf8_percent_encode;

use super::{
    attributes::ID_KEY,
    copy::ENCODED,
    failure::{CallFailure, Trouble},
    link::Link,
    text::as_sent,
    uri::S3Uri,
};

/// What an object was stored with.
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
    /// Returns whether both were stored with the same; the mark of an upload is that of one alone.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let unmarked = |it: &Self| {
            let mut it = it.clone();
            it.metadata.remove(ID_KEY);
            it
        };
        unmarked(self) == unmarked(other)
    }
}

impl Link<'_> {
    /// Asks what an object was stored with.
    pub(crate) async fn stored_with(&self, uri: &S3Uri) -> Result<StoredWith, CallFailure> {
        let send = |client: Client| {
            let request = client.head_object().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).send()
        };
        let (head, _) = self.call(self.short("HeadObject"), send).await?;
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

    async fn tags(&self, uri: &S3Uri) -> Result<Option<String>, CallFailure> {
        let send = |client: Client| {
            let request = client.get_object_tagging().bucket(&uri.bucket).key(&uri.key);
            request.set_version_id(as_sent(uri.version_id.as_ref())).send()
        };
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        match self.call(self.short("GetObjectTagging"), send).await {
            Ok((output, _)) => {
                let pair = |tag: &aws_sdk_s3::types::Tag| {
                    format!("{}={}", encoded(tag.key()), encoded(tag.value()))
                };
                let mut tags: Vec<_> = output.tag_set().iter().map(pair).collect();
                tags.sort();
                Ok(Some(tags.join("&")).filter(|tags| !tags.is_empty()))
            }
            // Tags that must not be read would be lost.
            Err(failure) if failure.trouble.is_untold() && failure.trouble != Trouble::Denied => {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}
