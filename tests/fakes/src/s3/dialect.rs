//! How stores speak S3 that are not AWS: honest, and otherwise than the reference has it.

use std::sync::atomic::{AtomicU32, Ordering};

use hyper::{Response, Uri};
use percent_encoding::percent_decode_str;
use s3s::{
    Body, S3Result,
    dto::{
        CompleteMultipartUploadInput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
        ListObjectsV2Output,
    },
    s3_error,
};

use super::{
    answers::with_short_checksums,
    fault::Dialect,
    response::{Dropped, split},
};

impl Dialect {
    /// Changes what a listing is asked for.
    pub(super) fn hear(self, uri: &Uri, input: &mut ListObjectsV2Input) {
        match self {
            Self::Version1 => {
                let query = uri.query().unwrap_or_default();
                let marker = query.split('&').find_map(|pair| pair.strip_prefix("marker="));
                input.continuation_token = None;
                input.start_after =
                    marker.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
            }
            Self::Forgetful => input.continuation_token = None,
            _ => {}
        }
    }

    /// Changes what a listing says.
    pub(super) fn say(self, output: &mut ListObjectsV2Output) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        match self {
            Self::Version1 => output.next_continuation_token = None,
            Self::Forgetful => {
                let token = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
                output.next_continuation_token = Some(token);
                output.is_truncated = Some(true);
            }
            _ => {}
        }
    }

    /// Returns for how many days a restored object stays.
    pub(super) fn days(self, asked: Option<i32>) -> Option<i32> {
        if self == Self::OneDay { asked.map(|_| 1) } else { asked }
    }

    /// Refuses a list of parts that says too much.
    pub(super) fn check(self, input: &CompleteMultipartUploadInput) -> S3Result<()> {
        let parts = input.multipart_upload.as_ref().and_then(|list| list.parts.as_deref());
        let says_more = parts.unwrap_or_default().iter().any(|part| {
            part.checksum_crc64nvme.is_some()
                || part.checksum_crc32c.is_some()
                || part.checksum_sha256.is_some()
        });
        if self == Self::StrictParts && says_more {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        Ok(())
    }

    /// Changes an answer.
    pub(super) async fn spoken(self, answer: Response<Body>) -> Result<Response<Body>, Dropped> {
        match self {
            Self::RenamedRoot => renamed(answer).await,
            Self::ShortChecksums => with_short_checksums(answer).await,
            _ => Ok(answer),
        }
    }
}

/// Returns an answer whose root has another name.
async fn renamed(answer: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((declaration, document)) =
        text.split_once("?><").filter(|(start, _)| start.starts_with("<?xml"))
    else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    let ends = |c: char| c.is_ascii_whitespace() || c == '>' || c == '/';
    let name = &document[..document.find(ends).unwrap_or_default()];
    let renamed = document.replacen(name, "Answer", 1);
    let renamed = renamed.replace(&format!("</{name}>"), "</Answer>");
    parts.headers.remove("content-length");
    Ok(Response::from_parts(parts, Body::from(format!("{declaration}?><{renamed}"))))
}

/// Returns the request of version 2 that asks for the same.
pub(super) fn of_version_1(input: ListObjectsInput) -> ListObjectsV2Input {
    ListObjectsV2Input {
        bucket: input.bucket,
        encoding_type: input.encoding_type,
        max_keys: input.max_keys,
        prefix: input.prefix,
        start_after: input.marker,
        ..ListObjectsV2Input::default()
    }
}

/// Returns the answer of version 1 that says the same.
pub(super) fn in_version_1(output: ListObjectsV2Output) -> ListObjectsOutput {
    ListObjectsOutput {
        contents: output.contents,
        encoding_type: output.encoding_type,
        is_truncated: output.is_truncated,
        name: output.name,
        prefix: output.prefix,
        ..ListObjectsOutput::default()
    }
}
