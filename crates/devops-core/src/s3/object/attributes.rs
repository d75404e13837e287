//! Attributes of objects: metadata, tags, encryption and locks.

use std::collections::BTreeMap;

use aws_sdk_s3::{
    primitives::DateTime,
    types::{ObjectLockLegalHoldStatus, ObjectLockMode, ServerSideEncryption},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The most tags an object may have, and the most characters of their keys and values
/// (S3 user guide, "Categorizing your storage using tags").
const MAX_TAGS: usize = 10;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// The characters of a tag that are escaped in a header, as in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The attributes of a new object. Defaults of the store count for what is not given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// The media type.
    pub content_type: Option<String>,
    /// The storage class.
    pub storage_class: Option<String>,
    /// The encryption by the store.
    pub encryption: Option<Encryption>,
    /// Its tags.
    pub tags: Tags,
    /// Until when nobody may delete this version of it; others can still be put over it.
    pub lock: Option<ObjectLock>,
    /// Is set if it cannot be deleted until this is lifted.
    pub legal_hold: bool,
}

/// The method of server-side encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// With keys of the store: SSE-S3.
    Store,
    /// With a key of its key management service: SSE-KMS.
    Kms,
    /// With such a key, twice: DSSE-KMS.
    KmsTwice,
}

/// The name of a method is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of AES256, aws:kms, aws:kms:dsse")]
pub struct BadMethod;

impl std::str::FromStr for Method {
    type Err = BadMethod;

    fn from_str(name: &str) -> Result<Self, BadMethod> {
        match name {
            "AES256" => Ok(Self::Store),
            "aws:kms" => Ok(Self::Kms),
            "aws:kms:dsse" => Ok(Self::KmsTwice),
            _ => Err(BadMethod),
        }
    }
}

/// The server-side encryption of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// With what sort of key.
    pub method: Method,
    /// The key of the key management service; its default if not given.
    pub key_id: Option<String>,
}

/// The mode of an Object Lock, which decides who can shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetentionMode {
    /// Whoever has a permission of their own for it.
    Governance,
    /// Nobody, the owner of the account included.
    Compliance,
}

/// The name of a mode is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither governance nor compliance")]
pub struct BadRetentionMode;

impl std::str::FromStr for RetentionMode {
    type Err = BadRetentionMode;

    fn from_str(name: &str) -> Result<Self, BadRetentionMode> {
        match name.to_ascii_lowercase().as_str() {
            "governance" => Ok(Self::Governance),
            "compliance" => Ok(Self::Compliance),
            _ => Err(BadRetentionMode),
        }
    }
}

/// Keeps an object from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLock {
    /// The mode, which decides who can shorten it.
    pub mode: RetentionMode,
    /// The time it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// Is set if that was given as a time from now, and so is later in each run.
    pub is_from_now: bool,
}

/// Tags that S3 takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(BTreeMap<String, String>);

/// S3 does not take these tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTags {
    /// There are too many.
    #[error("an object has 10 tags at most, these are {0}")]
    TooMany(usize),
    /// A key is empty or too long.
    #[error("the key of the tag `{0}` does not have 1 to 128 characters")]
    Key(String),
    /// A value is too long.
    #[error("the value of the tag `{0}` has more than 256 characters")]
    Value(String),
    /// A key comes twice.
    #[error("the tag `{0}` is given twice")]
    Twice(String),
}

impl Tags {
    /// Takes tags as S3 does.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadTags> {
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            if !(1..=MAX_TAG_KEY).contains(&key.chars().count()) {
                return Err(BadTags::Key(key));
            }
            if value.chars().count() > MAX_TAG_VALUE {
                return Err(BadTags::Value(key));
            }
            if tags.insert(key.clone(), value).is_some() {
                return Err(BadTags::Twice(key));
            }
        }
        if tags.len() > MAX_TAGS {
            return Err(BadTags::TooMany(tags.len()));
        }
        Ok(Self(tags))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether these are the tags, in any order.
    pub(crate) fn are<'t>(&self, told: impl Iterator<Item = (&'t str, &'t str)>) -> bool {
        let told: BTreeMap<&str, &str> = told.collect();
        let ours = self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        ours.eq(told)
    }

    fn to_header(&self) -> Option<String> {
        let encoded = |text| utf8_percent_encode(text, ENCODED);
        let pairs =
            self.0.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
        (!self.0.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&"))
    }
}

impl Attributes {
    /// Returns whether nobody may delete the object for a while; stores then want a checksum.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some() || self.legal_hold
    }

    /// Returns whether any are given.
    pub fn is_empty(&self) -> bool {
        self.metadata.is_empty()
            && self.content_type.is_none()
            && self.storage_class.is_none()
            && self.encryption.is_none()
            && self.tags.0.is_empty()
            && !self.is_locked()
    }

    /// Returns what differs; the ends of locks that are told from now may lie `slack` apart.
    pub(crate) fn differs_from(&self, other: &Self, slack: Duration) -> Option<&'static str> {
        let locks = (self.lock, other.lock);
        let has_same_lock = match locks {
            (Some(ours), Some(theirs)) => {
                let is_from_now = ours.is_from_now && theirs.is_from_now;
                let slack = if is_from_now { slack } else { Duration::ZERO };
                ours.mode == theirs.mode && (ours.until - theirs.until).abs() <= slack
            }
            (ours, theirs) => ours == theirs,
        };
        let same = [
            (self.metadata == other.metadata, "metadata"),
            (self.content_type == other.content_type, "content type"),
            (self.storage_class == other.storage_class, "storage class"),
            (self.encryption == other.encryption, "encryption"),
            (self.tags == other.tags, "set of tags"),
            (has_same_lock, "lock"),
            (self.legal_hold == other.legal_hold, "legal hold"),
        ];
        same.into_iter().find(|(is_same, _)| !is_same).map(|(_, what)| what)
    }

    pub(crate) fn tagging(&self) -> Option<String> {
        self.tags.to_header()
    }

    pub(crate) fn server_side_encryption(&self) -> Option<ServerSideEncryption> {
        Some(match self.encryption.as_ref()?.method {
            Method::Store => ServerSideEncryption::Aes256,
            Method::Kms => ServerSideEncryption::AwsKms,
            Method::KmsTwice => ServerSideEncryption::AwsKmsDsse,
        })
    }

    pub(crate) fn kms_key_id(&self) -> Option<String> {
        self.encryption.as_ref()?.key_id.clone()
    }

    pub(crate) fn lock_mode(&self) -> Option<ObjectLockMode> {
        Some(match self.lock?.mode {
            RetentionMode::Governance => ObjectLockMode::Governance,
            RetentionMode::Compliance => ObjectLockMode::Compliance,
        })
    }

    pub(crate) fn lock_until(&self) -> Option<DateTime> {
        Some(DateTime::from_secs(self.lock?.until.unix_timestamp()))
    }

    pub(crate) fn hold(&self) -> Option<ObjectLockLegalHoldStatus> {
        self.legal_hold.then_some(ObjectLockLegalHoldStatus::On)
    }
}

/// Sets the headers of attributes and of an upload's mark; both requests that begin an object have them.
macro_rules! with_attributes {
    ($request:expr, $attributes:expr, $id:expr) => {{
        let attributes: &Attributes = $attributes;
        $request
            .set_metadata(Some(attributes.metadata.clone().into_iter().collect()))
            .metadata($crate::s3::object::attributes::UPLOAD_TOKEN_KEY, $id)
            .set_content_type(attributes.content_type.clone())
            .set_storage_class(attributes.storage_class.as_deref().map(Into::into))
            .set_server_side_encryption(attributes.server_side_encryption())
            .set_ssekms_key_id(attributes.kms_key_id())
            .set_tagging(attributes.tagging())
            .set_object_lock_mode(attributes.lock_mode())
            .set_object_lock_retain_until_date(attributes.lock_until())
            .set_object_lock_legal_hold_status(attributes.hold())
    }};
}
pub(crate) use with_attributes;

/// The metadata key under which an upload leaves its mark, so that it knows its own object.
pub(crate) const UPLOAD_TOKEN_KEY: &str = "s3push-id";

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Result<Tags, BadTags> {
        Tags::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn tags_are_encoded_as_in_a_query() {
        let tags = tags(&[("team", "ops & dev"), ("größe", "a=b/c~1"), ("empty", "")]).unwrap();

        assert_eq!(
            tags.to_header().unwrap(),
            "empty=&gr%C3%B6%C3%9Fe=a%3Db%2Fc~1&team=ops%20%26%20dev"
        );
        assert_eq!(Tags::default().to_header(), None);
    }

    #[test]
    fn what_s3_takes_no_tags_of_is_refused() {
        let long = "é".repeat(257);
        let many: Vec<_> = (0..11).map(|n| (n.to_string(), String::new())).collect();

        assert_eq!(tags(&[("", "x")]), Err(BadTags::Key(String::new())));
        assert_eq!(tags(&[("a", &long)]), Err(BadTags::Value("a".to_owned())));
        assert_eq!(tags(&[("a", "1"), ("a", "2")]), Err(BadTags::Twice("a".to_owned())));
        assert_eq!(Tags::new(many), Err(BadTags::TooMany(11)));
        assert!(tags(&[(&"é".repeat(128), &"é".repeat(256))]).is_ok());
    }

    #[test]
    fn only_a_lock_from_now_may_end_later_in_a_later_run() {
        let locked = |day, is_from_now| Attributes {
            lock: Some(ObjectLock {
                mode: RetentionMode::Governance,
                until: time::macros::datetime!(2027-03-01 0:00 UTC) + Duration::days(day),
                is_from_now,
            }),
            ..Attributes::default()
        };
        let slack = Duration::days(2);

        assert_eq!(locked(1, true).differs_from(&locked(0, true), slack), None);
        assert_eq!(locked(3, true).differs_from(&locked(0, true), slack), Some("lock"));
        assert_eq!(locked(1, false).differs_from(&locked(0, false), slack), Some("lock"));
        assert_eq!(locked(0, false).differs_from(&Attributes::default(), slack), Some("lock"));
    }
}
