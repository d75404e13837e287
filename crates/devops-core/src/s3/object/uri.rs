//! Addresses of the form `s3://BUCKET/KEY`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::text::StoreText;
use crate::terminal::Escaped;

/// S3 allows keys of at most this many bytes.
const MAX_KEY_BYTES: usize = 1024;

/// A bucket and a key or prefix in it; the key may be empty.
///
/// Where it names a version, reads are of that one; writes and listings do not look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct S3Uri {
    /// The bucket's name, or the ARN of an access point to one.
    pub bucket: String,
    /// The key or prefix, without a leading slash.
    pub key: String,
    /// The version that is read, instead of what the key has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<StoreText>,
}

/// The reason a text is not an address in S3.
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
        let is_name = (3..=255).contains(&bucket.len()) && bucket.chars().all(is_of_name);
        if !is_name && access_point(bucket) != Some(bucket.len()) {
            return Err(UriError::Bucket(bucket.to_owned()));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(UriError::KeyTooLong(key.to_owned()));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None })
    }

    /// Returns the address of another key, or prefix, in the same bucket.
    #[must_use]
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { bucket: self.bucket.clone(), key: key.into(), version_id: None }
    }

    /// Returns the address of this version of the object.
    #[must_use]
    pub fn with_version(self, version_id: impl Into<StoreText>) -> Self {
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

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// Returns where the ARN of an access point ends that an address begins with, up to the end or a slash
/// (IAM service authorization reference, "Resource types defined by Amazon S3").
///
/// The last two names of one stand behind a slash or a colon: `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`, and
/// `arn:aws:s3-outposts:REGION:ACCOUNT:outpost/ID/accesspoint/NAME`.
fn access_point(address: &str) -> Option<usize> {
    let mut fields = address.splitn(6, ':');
    let mut next = |known: &dyn Fn(&str) -> bool| fields.next().filter(|field| known(field));
    next(&|field| field == "arn")?;
    next(&|field| field.starts_with("aws"))?;
    let service = next(&|field| ["s3", "s3-outposts", "s3-object-lambda"].contains(&field))?;
    next(&|region| region.chars().all(is_of_name))?;
    next(&|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))?;
    let resource = fields.next()?;
    let kinds: &[&str] =
        if service == "s3-outposts" { &["outpost", "accesspoint"] } else { &["accesspoint"] };
    let mut rest = resource;
    for kind in kinds {
        rest = rest.strip_prefix(kind)?.strip_prefix([':', '/'])?;
        let length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        if length == 0 {
            return None;
        }
        rest = &rest[length..];
        if *kind == "outpost" {
            rest = rest.strip_prefix([':', '/'])?;
        }
    }
    (rest.is_empty() || rest.starts_with('/')).then_some(address.len() - rest.len())
}

impl FromStr for S3Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| UriError::Scheme(text.to_owned()))?;
        let (bucket, key) = match access_point(rest) {
            Some(end) => (&rest[..end], rest[end..].strip_prefix('/').unwrap_or_default()),
            None => rest.split_once('/').unwrap_or((rest, "")),
        };
        Self::new(bucket, key)
    }
}

/// Shows the address to a person: what would move a terminal's cursor or turn its text is escaped.
impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/", self.bucket)?;
        Escaped(&self.key).fmt(f)?;
        match &self.version_id {
            Some(id) => write!(f, "?versionId={id}"),
            None => Ok(()),
        }
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
    fn an_access_point_stands_for_its_bucket() {
        for arn in [
            "arn:aws:s3:us-west-2:123456789012:accesspoint/ap",
            "arn:aws:s3:us-west-2:123456789012:accesspoint:ap",
            "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/ap",
            "arn:aws:s3::123456789012:accesspoint/abc.mrap",
            "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/ap",
            "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/ap",
        ] {
            for (end, key) in [("", ""), ("/", ""), ("/a/b:c", "a/b:c")] {
                let uri: S3Uri = format!("s3://{arn}{end}").parse().unwrap();

                assert_eq!((uri.bucket.as_str(), uri.key.as_str()), (arn, key));
                assert_eq!(S3Uri::new(arn, key), Ok(uri));
            }
        }
    }

    #[test]
    fn an_arn_of_something_else_is_no_bucket() {
        for arn in [
            "arn:aws:s3:::bucket",
            "arn:aws:sqs:us-west-2:123456789012:accesspoint/ap",
            "arn:aws:s3:us-west-2:123:accesspoint/ap",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/a b",
            "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1",
        ] {
            let parsed = format!("s3://{arn}").parse::<S3Uri>();
            assert!(matches!(parsed, Err(UriError::Bucket(_))), "{arn}: {parsed:?}");
        }
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
