//! What several operations read of their requests.

use bytes::Bytes;
use futures_util::StreamExt;
use s3s::{S3Result, dto::StreamingBlob, s3_error};

/// Reads a body to its end.
pub(crate) async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut bytes = Vec::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| s3_error!(IncompleteBody, "{error}"))?);
        }
    }
    Ok(bytes.into())
}

/// Reads what a put says of its object beside the bytes.
macro_rules! attributes {
    ($input:expr) => {
        Attributes {
            metadata: $input.metadata.clone().into_iter().flatten().collect(),
            content_type: $input.content_type.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            encryption: $crate::s3::encryption::encryption_of!($input),
            tagging: $input.tagging.clone(),
            keeping: Keeping::of(
                $input.object_lock_mode.as_ref(),
                $input.object_lock_retain_until_date.clone(),
                $input.object_lock_legal_hold_status.as_ref(),
            ),
        }
    };
}

pub(crate) use attributes;
