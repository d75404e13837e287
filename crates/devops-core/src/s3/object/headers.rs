//! Headers that every request of a connection carries: who pays, whose bucket it must be, which key the
//! store encrypts with.

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
};
use aws_smithy_runtime_api::client::{
    interceptors::context::BeforeTransmitInterceptorContextMut, orchestrator::Metadata,
};

use serde::{Deserialize, Serialize};

use super::checksum::{base64, md5};
use crate::secret::Secret;

/// A key of 32 bytes with which the store encrypts and decrypts, and which it forgets (SSE-C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerKey {
    key: Secret,
    md5: String,
}

impl CustomerKey {
    /// Reads the content of a key file: 32 bytes, or their base64 in one line.
    pub fn read(content: &[u8]) -> Option<Self> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let decoded;
        let bytes: &[u8] = if content.len() == 32 {
            content
        } else {
            decoded = STANDARD.decode(content.trim_ascii()).ok().filter(|key| key.len() == 32)?;
            &decoded
        };
        Some(Self { key: Secret::new(base64(bytes)), md5: base64(&md5(bytes)) })
    }

    /// Returns its MD5 in base64, by which a store tells which key it used.
    pub(crate) fn md5(&self) -> &str {
        &self.md5
    }
}

/// Headers of every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestHeaders {
    /// Is set if the requester pays.
    pub requester_pays: bool,
    /// The account that the bucket has to belong to.
    pub bucket_owner: Option<String>,
    /// Is set if objects are encrypted with a key of the customer.
    pub has_customer_key: bool,
    /// That key, which is nowhere written down.
    #[serde(skip)]
    pub customer_key: Option<CustomerKey>,
}

/// Adds the headers before a request is signed.
#[derive(Debug)]
pub(crate) struct ExtraHeaders(RequestHeaders);

/// The operations that store content, or tell of it, which the store can only do with the key
/// (S3 API reference, `x-amz-server-side-encryption-customer-key`).
const WITH_KEY: [&str; 10] = [
    "PutObject",
    "GetObject",
    "HeadObject",
    "GetObjectAttributes",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "ListParts",
];

impl ExtraHeaders {
    /// Returns nothing where there is nothing to add.
    pub(crate) fn of(headers: &RequestHeaders) -> Option<Self> {
        let is_empty = !headers.requester_pays
            && headers.bucket_owner.is_none()
            && headers.customer_key.is_none();
        (!is_empty).then(|| Self(headers.clone()))
    }

    fn headers(&self, operation: &str) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let copies = matches!(operation, "CopyObject" | "UploadPartCopy");
        if self.0.requester_pays {
            headers.push(("x-amz-request-payer", "requester".to_owned()));
        }
        if let Some(owner) = &self.0.bucket_owner {
            headers.push(("x-amz-expected-bucket-owner", owner.clone()));
            if copies {
                headers.push(("x-amz-source-expected-bucket-owner", owner.clone()));
            }
        }
        if let Some(key) = self.0.customer_key.as_ref().filter(|_| WITH_KEY.contains(&operation)) {
            let (value, md5) = (key.key.expose(), &key.md5);
            headers.extend(CUSTOMER.map(|name| (name, of_key(name, value, md5))));
            if copies {
                headers.extend(SOURCE.map(|name| (name, of_key(name, value, md5))));
            }
        }
        headers
    }
}

const CUSTOMER: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];
const SOURCE: [&str; 3] = [
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
];

fn of_key(header: &str, key: &str, md5: &str) -> String {
    if header.ends_with("algorithm") {
        "AES256".to_owned()
    } else if header.ends_with("md5") {
        md5.to_owned()
    } else {
        key.to_owned()
    }
}

impl Intercept for ExtraHeaders {
    fn name(&self) -> &'static str {
        "ExtraHeaders"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", Metadata::name).to_owned();
        let headers = context.request_mut().headers_mut();
        for (name, value) in self.headers(&operation) {
            headers.try_insert(name, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra() -> ExtraHeaders {
        ExtraHeaders(RequestHeaders {
            requester_pays: true,
            bucket_owner: Some("123456789012".to_owned()),
            has_customer_key: true,
            customer_key: CustomerKey::read(&[7; 32]),
        })
    }

    fn names(operation: &str) -> Vec<&'static str> {
        extra().headers(operation).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_key_goes_only_where_the_store_needs_it() {
        assert_eq!(names("ListObjectsV2"), ["x-amz-request-payer", "x-amz-expected-bucket-owner"]);
        assert_eq!(names("HeadObject")[2..], CUSTOMER);
        assert_eq!(names("UploadPartCopy").len(), 9);
    }

    #[test]
    fn a_key_file_has_32_bytes_or_their_base64() {
        let raw = CustomerKey::read(&[7; 32]).unwrap();

        assert_eq!(CustomerKey::read(format!("{}\n", base64(&[7; 32])).as_bytes()), Some(raw));
        assert_eq!(CustomerKey::read(&[7; 31]), None);
        assert_eq!(CustomerKey::read(base64(&[7; 31]).as_bytes()), None);
        assert_eq!(CustomerKey::read(b""), None);
    }

    #[test]
    fn a_key_is_never_shown() {
        assert!(!format!("{:?}", extra()).contains(&base64(&[7; 32])));
    }
}
