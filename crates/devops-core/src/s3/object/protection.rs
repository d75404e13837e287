//! Compares the protection that a write asked for with what the store confirms.
//!
//! Stores that do not know a header ignore it with a success. [`ROWS`] says for each feature who asks for it, and how an
//! answer confirms it; the answers to writes tell of encryption, and HEAD tells of all.

use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    types::{ObjectLockLegalHoldStatus, ObjectLockMode, ServerSideEncryption, StorageClass},
};
use time::OffsetDateTime;

use super::{
    attributes::{Attributes, RetentionMode},
    timestamp::time_of,
};

/// Something that a write asks for beside keeping the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Encryption with a key of the customer (SSE-C).
    CustomerKey,
    /// Encryption with a key of the store or of its key service.
    Encryption,
    /// A lock until some time.
    Lock,
    /// A legal hold.
    LegalHold,
    /// A storage class.
    StorageClass,
    /// Tags.
    Tags,
}

impl Feature {
    /// Returns what it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::CustomerKey => "encryption with the customer key",
            Self::Encryption => "server-side encryption",
            Self::Lock => "lock",
            Self::LegalHold => "legal hold",
            Self::StorageClass => "storage class",
            Self::Tags => "tags",
        }
    }

    /// Returns whether an object without it is readable by others, or can be deleted.
    pub fn is_protection(self) -> bool {
        self.is_encryption() || matches!(self, Self::Lock | Self::LegalHold)
    }

    pub(crate) fn is_encryption(self) -> bool {
        matches!(self, Self::CustomerKey | Self::Encryption)
    }
}

/// A feature that was asked for, and is not known to have been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The feature.
    pub feature: Feature,
    /// Is set if the store says that it is not there; otherwise it does not tell.
    pub is_certain: bool,
}

impl Lack {
    /// Returns what an answer to a write does not tell, where the store tells no more.
    pub(crate) fn not_confirmed(feature: Feature) -> Self {
        // All that encrypt say so in the answer to the write.
        Self { feature, is_certain: feature.is_encryption() }
    }
}

/// The protection that a write asks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) attributes: &'a Attributes,
    /// The MD5 of the customer's key, in base64.
    pub(crate) key_md5: Option<&'a str>,
}

/// The protection that a response confirms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) encryption: Option<ServerSideEncryption>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) customer_algorithm: Option<String>,
    pub(crate) customer_key_md5: Option<String>,
    /// The rest stands in answers to HEAD alone.
    pub(crate) lock: Option<(RetentionMode, OffsetDateTime)>,
    pub(crate) legal_hold: bool,
    pub(crate) storage_class: Option<StorageClass>,
    pub(crate) n_tags: Option<usize>,
}

/// Reads what an answer tells of encryption.
macro_rules! encryption_given {
    ($output:expr) => {{
        let output = &$output;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        $crate::s3::object::protection::Given {
            encryption: output.server_side_encryption().cloned(),
            kms_key_id: owned(output.ssekms_key_id()),
            customer_algorithm: owned(output.sse_customer_algorithm()),
            customer_key_md5: owned(output.sse_customer_key_md5()),
            ..$crate::s3::object::protection::Given::default()
        }
    }};
}
pub(crate) use encryption_given;

/// How one feature is asked for, and confirmed.
struct Row {
    feature: Feature,
    is_wanted: fn(&Wanted<'_>) -> bool,
    is_given: fn(&Wanted<'_>, &Given) -> bool,
}

const ROWS: [Row; 6] = [
    Row {
        feature: Feature::CustomerKey,
        is_wanted: |wanted| wanted.key_md5.is_some(),
        is_given: |wanted, given| {
            let is_other =
                given.customer_key_md5.as_deref().is_some_and(|md5| Some(md5) != wanted.key_md5);
            given.customer_algorithm.as_deref() == Some("AES256") && !is_other
        },
    },
    Row {
        feature: Feature::Encryption,
        is_wanted: |wanted| wanted.attributes.encryption.is_some(),
        is_given: has_encryption,
    },
    Row {
        feature: Feature::Lock,
        is_wanted: |wanted| wanted.attributes.lock.is_some(),
        is_given: |wanted, given| wanted.is_locked_by(given.lock),
    },
    Row {
        feature: Feature::LegalHold,
        is_wanted: |wanted| wanted.attributes.legal_hold,
        is_given: |_, given| given.legal_hold,
    },
    Row {
        feature: Feature::StorageClass,
        is_wanted: |wanted| wanted.attributes.storage_class.is_some(),
        is_given: |wanted, given| {
            // Of the usual class nothing is said.
            let given = given.storage_class.as_ref().map_or("STANDARD", StorageClass::as_str);
            wanted.attributes.storage_class.as_deref() == Some(given)
        },
    },
    Row {
        feature: Feature::Tags,
        is_wanted: |wanted| !wanted.attributes.tags.is_empty(),
        is_given: |wanted, given| given.n_tags == Some(wanted.attributes.tags.len()),
    },
];

fn has_encryption(wanted: &Wanted<'_>, given: &Given) -> bool {
    let has_key = match wanted.attributes.kms_key_id() {
        // What stands behind an alias is not told.
        Some(key) if key.contains("alias/") => given.kms_key_id.is_some(),
        // Asked for by its id alone, it is told with its whole name.
        Some(key) => given.kms_key_id.as_ref().is_some_and(|told| told.ends_with(&key)),
        None => true,
    };
    has_key && given.encryption == wanted.attributes.server_side_encryption()
}

impl Wanted<'_> {
    /// Returns what an answer does not confirm.
    pub(crate) fn lacking(&self, given: &Given) -> Vec<Feature> {
        let lacks = |row: &&Row| (row.is_wanted)(self) && !(row.is_given)(self, given);
        ROWS.iter().filter(lacks).map(|row| row.feature).collect()
    }

    /// Returns whether an `ETag` of such an object is no MD5.
    pub(crate) fn hides_md5(&self, given: &Given) -> bool {
        let has_other_key =
            given.encryption.as_ref().is_some_and(|it| *it != ServerSideEncryption::Aes256);
        self.key_md5.is_some() || given.customer_algorithm.is_some() || has_other_key
    }

    /// Returns whether a lock is as strict as the one that is wanted; stores know times to the second.
    pub(crate) fn is_locked_by(&self, given: Option<(RetentionMode, OffsetDateTime)>) -> bool {
        let (Some(wanted), Some((mode, until))) = (self.attributes.lock, given) else {
            return false;
        };
        mode == wanted.mode && until.unix_timestamp() >= wanted.until.unix_timestamp()
    }
}

/// Returns the lock that an answer to HEAD tells.
pub(crate) fn lock_of(output: &HeadObjectOutput) -> Option<(RetentionMode, OffsetDateTime)> {
    let mode = lock_mode(output.object_lock_mode()?)?;
    Some((mode, output.object_lock_retain_until_date().and_then(time_of)?))
}

/// Returns the mode of a lock that an answer tells.
pub(crate) fn lock_mode(mode: &ObjectLockMode) -> Option<RetentionMode> {
    match mode {
        ObjectLockMode::Governance => Some(RetentionMode::Governance),
        ObjectLockMode::Compliance => Some(RetentionMode::Compliance),
        _ => None,
    }
}

/// Returns whether an answer tells of a legal hold.
pub(crate) fn is_on(hold: Option<&ObjectLockLegalHoldStatus>) -> bool {
    hold == Some(&ObjectLockLegalHoldStatus::On)
}

/// The state in which an object without the protection asked for is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing was stored.
    Unsent,
    /// It was removed.
    Removed,
    /// It is there: its bytes are no less safe than before, or the object it replaced would be gone, too.
    There,
    /// It is there, because its removal failed.
    Stuck(String),
    /// It was there before, with the same content.
    Before,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;

    use super::*;
    use crate::s3::object::attributes::{Encryption, Method, ObjectLock, Tags};

    fn attributes() -> Attributes {
        Attributes {
            metadata: BTreeMap::new(),
            content_type: None,
            storage_class: Some("STANDARD_IA".to_owned()),
            encryption: Some(Encryption { method: Method::Kms, key_id: Some("1234".to_owned()) }),
            tags: Tags::new([("a".to_owned(), "b".to_owned())]).unwrap(),
            lock: Some(ObjectLock {
                mode: RetentionMode::Compliance,
                until: datetime!(2030-01-01 0:00:00.5 UTC),
                is_from_now: false,
            }),
            legal_hold: true,
        }
    }

    fn given() -> Given {
        Given {
            encryption: Some(ServerSideEncryption::AwsKms),
            kms_key_id: Some("arn:aws:kms:eu-west-1:1:key/1234".to_owned()),
            customer_algorithm: Some("AES256".to_owned()),
            customer_key_md5: Some("md5".to_owned()),
            lock: Some((RetentionMode::Compliance, datetime!(2030-01-01 0:00 UTC))),
            legal_hold: true,
            storage_class: Some(StorageClass::StandardIa),
            n_tags: Some(1),
        }
    }

    fn lacking(given: &Given) -> Vec<Feature> {
        Wanted { attributes: &attributes(), key_md5: Some("md5") }.lacking(given)
    }

    #[test]
    fn each_feature_is_confirmed_by_itself() {
        let earlier = Some((RetentionMode::Compliance, datetime!(2029-12-31 23:59 UTC)));
        let weaker = Some((RetentionMode::Governance, datetime!(2031-01-01 0:00 UTC)));
        let other = || Some("other".to_owned());
        let cases = [
            (Given { customer_algorithm: None, ..given() }, Feature::CustomerKey),
            (Given { customer_key_md5: other(), ..given() }, Feature::CustomerKey),
            (Given { encryption: None, ..given() }, Feature::Encryption),
            (
                Given { encryption: Some(ServerSideEncryption::Aes256), ..given() },
                Feature::Encryption,
            ),
            (Given { kms_key_id: other(), ..given() }, Feature::Encryption),
            (Given { kms_key_id: None, ..given() }, Feature::Encryption),
            (Given { lock: None, ..given() }, Feature::Lock),
            (Given { lock: earlier, ..given() }, Feature::Lock),
            (Given { lock: weaker, ..given() }, Feature::Lock),
            (Given { legal_hold: false, ..given() }, Feature::LegalHold),
            (Given { storage_class: None, ..given() }, Feature::StorageClass),
            (Given { n_tags: Some(2), ..given() }, Feature::Tags),
            (Given { n_tags: None, ..given() }, Feature::Tags),
        ];

        assert_eq!(lacking(&given()), []);
        for (given, lack) in cases {
            assert_eq!(lacking(&given), [lack], "{given:?}");
        }
    }

    #[test]
    fn nothing_is_lacking_where_nothing_is_wanted() {
        let wanted = Wanted { attributes: &Attributes::default(), key_md5: None };

        assert_eq!(wanted.lacking(&Given::default()), []);
    }

    #[test]
    fn the_usual_class_is_not_named() {
        let attributes =
            Attributes { storage_class: Some("STANDARD".to_owned()), ..Attributes::default() };
        let wanted = Wanted { attributes: &attributes, key_md5: None };

        assert_eq!(wanted.lacking(&Given::default()), []);
    }

    #[test]
    fn an_alias_stands_for_any_key() {
        let key_id = Some("alias/backups".to_owned());
        let encryption = Some(Encryption { method: Method::Kms, key_id });
        let attributes = Attributes { encryption, ..Attributes::default() };
        let wanted = Wanted { attributes: &attributes, key_md5: None };

        assert_eq!(wanted.lacking(&given()), []);
        assert_eq!(wanted.lacking(&Given { kms_key_id: None, ..given() }), [Feature::Encryption]);
    }
}
