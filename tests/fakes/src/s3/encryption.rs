//! How objects are encrypted, as far as it shows: the answers tell it, and some cannot be had without their key.

use base64::{Engine, engine::general_purpose::STANDARD};
use s3s::{
    S3Result,
    dto::{SSECustomerAlgorithm, SSECustomerKeyMD5, SSEKMSKeyId, ServerSideEncryption},
    s3_error,
};

use super::hashes::md5;

/// How an object is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encryption {
    /// With keys of the store, or of a key service.
    pub(crate) method: Option<ServerSideEncryption>,
    pub(crate) key_id: Option<SSEKMSKeyId>,
    /// With a key of the customer.
    pub(crate) algorithm: Option<SSECustomerAlgorithm>,
    pub(crate) key_md5: Option<SSECustomerKeyMD5>,
}

impl Encryption {
    /// Fails without the customer's key of what is encrypted with one, and with a key of what is not.
    pub(crate) fn refuse_other_key(&self, key_md5: Option<&SSECustomerKeyMD5>) -> S3Result<()> {
        if self.key_md5.as_ref() == key_md5 {
            return Ok(());
        }
        Err(s3_error!(
            InvalidRequest,
            "The encryption parameters are not applicable to this object, or not those it was stored with."
        ))
    }
}

/// Returns the MD5 of a customer's key, both in base64.
pub(crate) fn md5_of_key(key: Option<&str>) -> Option<SSECustomerKeyMD5> {
    Some(STANDARD.encode(md5(&STANDARD.decode(key?).ok()?)))
}

/// Reads how a request wants its object encrypted.
macro_rules! encryption_of {
    ($input:expr) => {
        $crate::s3::encryption::Encryption {
            method: $input.server_side_encryption.clone(),
            key_id: $input.ssekms_key_id.clone(),
            // Without the key itself nothing is encrypted.
            algorithm: $input
                .sse_customer_algorithm
                .clone()
                .filter(|_| $input.sse_customer_key.is_some()),
            key_md5: $crate::s3::encryption::md5_of_key($input.sse_customer_key.as_deref()),
        }
    };
}
pub(crate) use encryption_of;

/// Tells in an answer how the object is encrypted.
macro_rules! show_encryption {
    ($encryption:expr, $output:expr) => {{
        let (encryption, output) = (&$encryption, &mut $output);
        output.server_side_encryption.clone_from(&encryption.method);
        output.ssekms_key_id.clone_from(&encryption.key_id);
        output.sse_customer_algorithm.clone_from(&encryption.algorithm);
        output.sse_customer_key_md5.clone_from(&encryption.key_md5);
    }};
}
pub(crate) use show_encryption;
