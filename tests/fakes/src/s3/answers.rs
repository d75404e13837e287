//! What goes wrong with an answer that the service has given.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream};
use hyper::{Response, header::HeaderValue};
use s3s::{Body, dto::StreamingBlob};

use super::{
    excess::{with_long_headers, with_same_page, without_key},
    fault::Fault,
    ignorer::slipped,
    response::{Dropped, error, split},
};

/// The header and the element of each checksum, with a value that is not that of the bytes.
const ZEROS: [(&str, &str, &str); 3] = [
    ("x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", "AAAAAAAAAAA="),
    ("x-amz-checksum-crc32c", "ChecksumCRC32C", "AAAAAA=="),
    ("x-amz-checksum-sha256", "ChecksumSHA256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
];

/// Changes the service's answer.
pub(super) async fn afterwards(
    faults: &[Fault],
    mut answer: Response<Body>,
) -> Result<Response<Body>, Dropped> {
    for fault in faults {
        answer = match fault {
            Fault::DropAfter => return Err(Dropped),
            Fault::ErrorAfter => error(500, "InternalError", "We encountered an internal error."),
            Fault::WrongEtag => {
                rewrite(answer, "etag", "ETag", "\"00000000000000000000000000000000\"").await?
            }
            Fault::WrongChecksum => {
                for (header, element, zeros) in ZEROS {
                    answer = rewrite(answer, header, element, zeros).await?;
                }
                answer
            }
            Fault::NegativeSize => rewrite(answer, "x-amz-object-size", "Size", "-5").await?,
            Fault::NoChecksum => without_checksums(answer).await?,
            Fault::OtherRoot => with_other_root(answer).await?,
            Fault::NoMetadata => {
                let headers = answer.headers_mut();
                let names: Vec<_> = headers
                    .keys()
                    .filter(|name| name.as_str().starts_with("x-amz-meta-"))
                    .cloned()
                    .collect();
                for name in names {
                    headers.remove(name);
                }
                answer
            }
            Fault::Slip(slip, name) => slipped(answer, *slip, name).await?,
            Fault::LongHeaders => with_long_headers(answer),
            Fault::SamePage => with_same_page(answer).await?,
            Fault::Hide(key) => without_key(answer, key).await?,
            Fault::Truncate => half(answer, false).await?,
            Fault::StallBody => half(answer, true).await?,
            _ => answer,
        };
    }
    Ok(answer)
}

/// Replaces a header and an XML element where they are present.
async fn rewrite(
    answer: Response<Body>,
    header: &'static str,
    element: &str,
    value: &'static str,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    if parts.headers.contains_key(header) {
        parts.headers.insert(header, HeaderValue::from_static(value));
    }
    let text = String::from_utf8_lossy(&bytes);
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let changed = match (text.find(&open), text.find(&close)) {
        (Some(from), Some(to)) => format!("{}{value}{}", &text[..from + open.len()], &text[to..]),
        _ => return Ok(Response::from_parts(parts, Body::from(bytes))),
    };
    parts.headers.remove("content-length");
    Ok(Response::from_parts(parts, Body::from(changed)))
}

/// Leaves half of the bytes of each checksum.
pub(super) async fn with_short_checksums(
    answer: Response<Body>,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    let mut text = std::str::from_utf8(&bytes).ok().map(str::to_owned);
    for (header, element, _) in ZEROS {
        let value = parts.headers.get(header).and_then(|value| value.to_str().ok());
        if let Some(short) = value.map(halved) {
            let short = HeaderValue::try_from(short).expect("base64 is ASCII");
            parts.headers.insert(header, short);
        }
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        if let Some(text) = text.as_mut().filter(|text| text.contains(&open)) {
            let pieces = text.split(&open).map(|piece| match piece.split_once(&close) {
                Some((value, rest)) => format!("{}{close}{rest}", halved(value)),
                None => piece.to_owned(),
            });
            *text = pieces.collect::<Vec<_>>().join(&open);
            parts.headers.remove("content-length");
        }
    }
    Ok(Response::from_parts(parts, text.map_or_else(|| Body::from(bytes), Body::from)))
}

/// Returns half of the bytes of a checksum, with the count of parts that it has.
fn halved(value: &str) -> String {
    let (digits, count) = value.split_once('-').map_or((value, None), |(it, n)| (it, Some(n)));
    let bytes = STANDARD.decode(digits).expect("our own checksums are base64");
    let half = STANDARD.encode(&bytes[..bytes.len() / 2]);
    count.map_or(half.clone(), |count| format!("{half}-{count}"))
}

async fn without_checksums(answer: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    let names: Vec<_> = parts
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-checksum-"))
        .cloned()
        .collect();
    for name in names {
        parts.headers.remove(name);
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    if !text.contains("<Checksum") {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    }
    parts.headers.remove("content-length");
    let changed = without_elements(text, "Checksum");
    Ok(Response::from_parts(parts, Body::from(changed)))
}

/// Puts the document of an answer into an element that nobody knows.
async fn with_other_root(answer: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((_, document)) = text.strip_prefix("<?xml").and_then(|text| text.split_once("?>"))
    else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    parts.headers.remove("content-length");
    Ok(Response::from_parts(parts, Body::from(format!("<Other>{document}</Other>"))))
}

/// Removes the elements whose names begin like this, of which none is in another.
fn without_elements(xml: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let mut pieces = xml.split(&open);
    let mut left = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let behind = piece.split_once(&close).and_then(|(_, rest)| rest.split_once('>'));
        left.push_str(behind.map_or("", |(_, rest)| rest));
    }
    left
}

/// Sends half of the body; then nothing, or the end of the connection.
async fn half(answer: Response<Body>, stall: bool) -> Result<Response<Body>, Dropped> {
    let (parts, bytes) = split(answer).await?;
    let first = stream::iter([Ok(bytes.slice(..bytes.len() / 2))]);
    let then = stream::once(async move {
        if stall {
            std::future::pending::<()>().await;
        }
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let body = StreamingBlob::wrap::<_, io::Error>(first.chain(then));
    Ok(Response::from_parts(parts, Body::from(body)))
}
