//! Responses made or taken apart.

use bytes::Bytes;

use http_body_util::BodyExt;
use hyper::{Response, StatusCode, header::HeaderValue};
use s3s::Body;

/// Ends the connection without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

pub(super) fn error(status: u16, code: &str, message: &str) -> Response<Body> {
    told(status, &format!("<Code>{code}</Code><Message>{message}</Message>"))
}

pub(super) fn told(status: u16, elements: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{elements}<RequestId>fake</RequestId></Error>"
    );
    let mut answer = Response::new(Body::from(xml));
    *answer.status_mut() = StatusCode::from_u16(status).expect("rules have real statuses");
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
    answer.headers_mut().insert("x-amz-request-id", HeaderValue::from_static("fake"));
    answer
}

pub(super) async fn split(
    answer: Response<Body>,
) -> Result<(hyper::http::response::Parts, Bytes), Dropped> {
    let (parts, body) = answer.into_parts();
    let bytes = BodyExt::collect(body).await.map_err(|_| Dropped)?.to_bytes();
    Ok((parts, bytes))
}
