//! Answers that are longer or shorter than those of S3.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::{
    Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{Body, dto::StreamingBlob};

use super::response::{Dropped, split};

/// Returns an answer without an end, as a broken proxy would give it.
pub(super) fn endless(status: u16) -> Response<Body> {
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let start = stream::once(async { Ok(Bytes::from_static(b"<Error><Message>")) });
    let rest = stream::repeat_with(move || Ok::<_, io::Error>(piece.clone()));
    let mut answer = Response::new(Body::from(StreamingBlob::wrap(start.chain(rest))));
    *answer.status_mut() = StatusCode::from_u16(status).expect("rules have real statuses");
    answer
}

/// Adds 80 KiB of headers.
pub(super) fn with_long_headers(mut answer: Response<Body>) -> Response<Body> {
    for n in 0..20 {
        let name = HeaderName::try_from(format!("x-amz-meta-long-{n}"));
        let value = HeaderValue::try_from("v".repeat(4096)).expect("it is ASCII");
        answer.headers_mut().insert(name.expect("it is ASCII"), value);
    }
    answer
}

/// Lets the page of a listing say that it is not the last one, and name itself as the next.
pub(super) async fn with_same_page(answer: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    parts.headers.remove("content-length");
    let changed = String::from_utf8_lossy(&bytes).replace(
        "<IsTruncated>false</IsTruncated>",
        "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>",
    );
    Ok(Response::from_parts(parts, Body::from(changed)))
}

/// Takes a key out of the page of a listing.
pub(super) async fn without_key(
    answer: Response<Body>,
    key: &str,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    parts.headers.remove("content-length");
    let key = format!("<Key>{}</Key>", utf8_percent_encode(key, NON_ALPHANUMERIC));
    let text = String::from_utf8_lossy(&bytes);
    let kept = |entry: &'_ str| {
        let length = if entry.contains(&key) { entry.find("<Contents>") } else { None };
        entry[..length.unwrap_or(entry.len())].to_owned()
    };
    let changed: String = text.split_inclusive("</Contents>").map(kept).collect();
    Ok(Response::from_parts(parts, Body::from(changed)))
}
