//! Addresses of the form `s3://BUCKET/KEY`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// S3 allows keys of at most this many bytes.
const MAX_KEY_BYTES: usize = 1024;

/// A bucket and a key or prefix in it; the key may be empty.
///
/// Where it names a version, reads are of that one; writes and listings do not look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct S3Uri {
    /// The bucket's name.
    pub bucket: String,
    /// The key or prefix, without a leading slash.
    pub key: String,
    /// The version that is read, instead of what the key has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// Why a text is not an address in S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// The text does not begin with `s3://`.
    #[error("`{0}` is not an address such as `s3://bucket/key`")]
    Scheme(String),
    /// The bucket is missing or no store would accept its name.
    #[error("`{0}` is not the name of a bucket")]
    Bucket(String),
    /// The key is longer than S3 allows.
    #[error("the key is longer than {MAX_KEY_BYTES} bytes: `{0}`")]
    KeyTooLong(String),
}

impl S3Uri {
    /// Returns the address of `key` in `bucket`.
    pub fn new(bucket: &str, key: &str) -> Result<Self, UriError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !(3..=255).contains(&bucket.len()) || !bucket.chars().all(valid) {
            return Err(UriError::Bucket(bucket.to_owned()));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(UriError::KeyTooLong(key.to_owned()));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None })
    }

    /// Returns the address of another key, or prefix, in the same bucket.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { bucket: self.bucket.clone(), key: key.into(), version_id: None }
    }

    /// Returns the address of this version of the object.
    pub fn with_version(self, version_id: impl Into<String>) -> Self {
        Self { version_id: Some(version_id.into()), ..self }
    }

    /// Returns whether the key names many objects: it is empty or ends with a slash.
    pub fn is_prefix(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// Returns the address of `name` under this prefix.
    pub fn join(&self, name: &str) -> Result<Self, UriError> {
        Self::new(&self.bucket, &format!("{}{name}", self.key))
    }
}

impl FromStr for S3Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| UriError::Scheme(text.to_owned()))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(bucket, key)
    }
}

/// Shows the address to a person: what would move a terminal's cursor or turn its text is escaped.
impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/", self.bucket)?;
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let version = self.version_id.iter().flat_map(|id| "?versionId=".chars().chain(id.chars()));
        self.key.chars().chain(version).try_for_each(|c| match c {
            c if c.is_control() || turns(c) => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bucket_and_key() {
        let uri: S3Uri = "s3://backups/2025/a b.tar.gz".parse().unwrap();

        assert_eq!((uri.bucket.as_str(), uri.key.as_str()), ("backups", "2025/a b.tar.gz"));
        assert_eq!(uri.to_string(), "s3://backups/2025/a b.tar.gz");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_escaped() {
        let uri: S3Uri = "s3://backups/a\nb\u{1b}[2J\u{202e}ü".parse().unwrap();

        assert_eq!(uri.key, "a\nb\u{1b}[2J\u{202e}ü");
        assert_eq!(uri.to_string(), r"s3://backups/a\nb\u{1b}[2J\u{202e}ü");
    }

    #[test]
    fn keeps_the_slashes_of_a_key() {
        let uri: S3Uri = "s3://backups//odd//key/".parse().unwrap();

        assert_eq!(uri.key, "/odd//key/");
        assert!(uri.is_prefix());
    }

    #[test]
    fn a_bucket_alone_is_a_prefix() {
        assert!("s3://backups".parse::<S3Uri>().unwrap().is_prefix());
        assert!("s3://backups/".parse::<S3Uri>().unwrap().is_prefix());
    }

    #[test]
    fn refuses_what_is_no_address() {
        assert_eq!("/tmp/x".parse::<S3Uri>(), Err(UriError::Scheme("/tmp/x".to_owned())));
        assert_eq!("s3://".parse::<S3Uri>(), Err(UriError::Bucket(String::new())));
        assert_eq!("s3://a b/x".parse::<S3Uri>(), Err(UriError::Bucket("a b".to_owned())));
        let long = format!("s3://backups/{}", "x".repeat(1025));
        assert!(matches!(long.parse::<S3Uri>(), Err(UriError::KeyTooLong(_))));
    }
}
