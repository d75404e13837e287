//! The capabilities of a store, cached for later runs.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::s3::object::{attributes::Method, checksum::hex, protection::Wanted};

/// The format; what was written in another one is not read.
const VERSION: u32 = 1;
/// Stores are updated: what was found out holds for so long.
const LIFETIME: Duration = Duration::days(7);

/// How a store treats `If-None-Match` on writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conditions {
    /// A key that is taken is refused.
    Honoured,
    /// The header is an error.
    Refused,
    /// The header is not looked at, and the object replaced.
    Ignored,
}

/// The known capabilities of a store; `None` where it was not tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Is set if checksum headers are taken.
    pub checksums: Option<bool>,
    /// How conditional writes are treated.
    pub conditions: Option<Conditions>,
    /// Is set if pieces of objects are copied into multipart uploads.
    pub copies: Option<bool>,
    /// Is set if an `ETag` is an MD5.
    pub etag_is_md5: Option<bool>,
    /// Is set if checksums are compared with the bytes, and not only repeated.
    pub compares_checksums: Option<bool>,
    /// How objects were seen to be encrypted when that was asked for.
    pub encrypts: Encrypts,
}

/// The encryption that a store was seen to give; others are tested again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encrypts {
    /// With a key of the customer.
    pub customer_key: bool,
    /// With keys of the store, with a key of its key service, and with such a key twice.
    pub methods: [bool; 3],
}

impl Encrypts {
    fn of(&mut self, method: Method) -> &mut bool {
        match method {
            Method::Store => &mut self.methods[0],
            Method::Kms => &mut self.methods[1],
            Method::KmsTwice => &mut self.methods[2],
        }
    }

    /// Returns whether all of that was seen to be given.
    pub(crate) fn covers(mut self, wanted: &Wanted<'_>) -> bool {
        let method = wanted.attributes.encryption.as_ref().map(|wanted| wanted.method);
        (wanted.key_md5.is_none() || self.customer_key)
            && method.is_none_or(|method| *self.of(method))
    }

    /// Notes that all of that was given.
    pub(crate) fn note(&mut self, wanted: &Wanted<'_>) {
        self.customer_key |= wanted.key_md5.is_some();
        if let Some(wanted) = &wanted.attributes.encryption {
            *self.of(wanted.method) = true;
        }
    }
}

/// The file in which it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CachedCapabilities {
    version: u32,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    endpoint: Option<String>,
    bucket: String,
    #[serde(rename = "known")]
    capabilities: Capabilities,
}

impl CachedCapabilities {
    /// Takes what was found out at `time` about a bucket of a store.
    pub fn new(
        endpoint: Option<&str>,
        bucket: &str,
        capabilities: Capabilities,
        time: OffsetDateTime,
    ) -> Self {
        let endpoint = endpoint.map(trimmed).map(str::to_owned);
        Self { version: VERSION, time, endpoint, bucket: bucket.to_owned(), capabilities }
    }

    /// Returns the name of the file for a bucket of a store.
    pub fn file_name(endpoint: Option<&str>, bucket: &str) -> String {
        let place = format!("{}\n{bucket}", endpoint.map_or("", trimmed));
        format!("{}.json", &hex(&Sha256::digest(place))[..16])
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("what is known is JSON")
    }

    /// Reads the text of a file; nothing if it is another store's, too old, or not readable.
    pub fn read(
        text: &str,
        endpoint: Option<&str>,
        bucket: &str,
        now: OffsetDateTime,
    ) -> Option<Capabilities> {
        Self::read_whole(text, endpoint, bucket, now).map(|found| found.capabilities)
    }

    /// Returns the text of the file with what was learned since; it is forgotten no later for that.
    pub fn updated(
        text: &str,
        endpoint: Option<&str>,
        bucket: &str,
        capabilities: Capabilities,
        now: OffsetDateTime,
    ) -> String {
        let found = Self::read_whole(text, endpoint, bucket, now);
        Self::new(endpoint, bucket, capabilities, found.map_or(now, |found| found.time)).text()
    }

    fn read_whole(
        text: &str,
        endpoint: Option<&str>,
        bucket: &str,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let found: Self = serde_json::from_str(text).ok()?;
        let is_its = found.endpoint.as_deref() == endpoint.map(trimmed) && found.bucket == bucket;
        let age = now - found.time;
        let is_fresh = age <= LIFETIME && age >= -LIFETIME;
        (found.version == VERSION && is_its && is_fresh).then_some(found)
    }
}

fn trimmed(endpoint: &str) -> &str {
    endpoint.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::s3::object::attributes::{Attributes, Encryption};

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);
    const STORE: Option<&str> = Some("https://s3.example.com/");

    fn capabilities() -> Capabilities {
        let conditions = Some(Conditions::Ignored);
        let encrypts = Encrypts { methods: [false, true, false], ..Encrypts::default() };
        Capabilities {
            checksums: Some(false),
            conditions,
            etag_is_md5: Some(true),
            encrypts,
            ..Capabilities::default()
        }
    }

    fn read_at(now: OffsetDateTime) -> Option<Capabilities> {
        let text = CachedCapabilities::new(STORE, "backups", capabilities(), NOW).text();
        CachedCapabilities::read(&text, Some("https://s3.example.com"), "backups", now)
    }

    #[test]
    fn what_was_written_is_read_for_a_week() {
        assert_eq!(read_at(NOW), Some(capabilities()));
        assert_eq!(read_at(NOW + Duration::days(7)), Some(capabilities()));
        assert_eq!(read_at(NOW + Duration::days(8)), None);
    }

    #[test]
    fn what_is_learned_later_is_forgotten_with_the_rest() {
        let text = CachedCapabilities::new(STORE, "backups", Capabilities::default(), NOW).text();
        let later = NOW + Duration::days(6);

        let text = CachedCapabilities::updated(&text, STORE, "backups", capabilities(), later);

        let read = |now| CachedCapabilities::read(&text, STORE, "backups", now);
        assert_eq!(read(later), Some(capabilities()));
        assert_eq!(read(NOW + Duration::days(8)), None);
        let anew = CachedCapabilities::updated("", STORE, "backups", capabilities(), later);
        assert!(
            CachedCapabilities::read(&anew, STORE, "backups", NOW + Duration::days(8)).is_some()
        );
    }

    #[test]
    fn one_encryption_says_nothing_of_another() {
        let of = |method| Attributes {
            encryption: Some(Encryption { method, key_id: None }),
            ..Attributes::default()
        };
        let (kms, store) = (of(Method::Kms), of(Method::Store));
        let wanted = |attributes, key_md5| Wanted { attributes, key_md5 };
        let mut seen = Encrypts::default();

        seen.note(&wanted(&kms, None));

        assert!(seen.covers(&wanted(&kms, None)));
        assert!(!seen.covers(&wanted(&store, None)));
        assert!(!seen.covers(&wanted(&kms, Some("md5"))));
    }

    #[test]
    fn another_store_and_a_damaged_file_say_nothing() {
        let text = CachedCapabilities::new(STORE, "backups", capabilities(), NOW).text();

        assert_eq!(CachedCapabilities::read(&text, STORE, "other", NOW), None);
        assert_eq!(CachedCapabilities::read(&text, None, "backups", NOW), None);
        assert_eq!(CachedCapabilities::read(&text[1..], STORE, "backups", NOW), None);
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(CachedCapabilities::read(&newer, STORE, "backups", NOW), None);
    }

    #[test]
    fn each_bucket_of_each_store_has_its_file() {
        let name = CachedCapabilities::file_name;

        assert_eq!(name(STORE, "a"), name(Some("https://s3.example.com"), "a"));
        assert_ne!(name(STORE, "a"), name(STORE, "b"));
        assert_ne!(name(STORE, "a"), name(None, "a"));
    }
}
