//! The limits of an answer: all but the body of an object is read into memory, from any server.

use crate::s3::error::response_error::{MOST_BODY, MOST_HEADERS, TooLong};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::{
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Returns whether a success of this request is the content of an object, which is streamed.
///
/// The SDK names the operation in the query of every request that could be mistaken for another.
pub(in crate::s3) fn asks_for_content(request: &HttpRequest) -> bool {
    let query = request.uri().split_once('?').map_or("", |(_, query)| query);
    request.method() == "GET" && query.split('&').any(|pair| pair == "x-id=GetObject")
}

/// Returns the answer with a body that ends with an error where it gets too long.
pub(in crate::s3) fn bounded(
    mut response: HttpResponse,
    is_content: bool,
) -> Result<HttpResponse, ConnectorError> {
    let n_header_bytes: usize =
        response.headers().iter().map(|(name, value)| name.len() + value.len()).sum();
    if n_header_bytes > MOST_HEADERS {
        return Err(ConnectorError::other(TooLong::Headers.into(), None));
    }
    if !(is_content && response.status().is_success()) {
        let body = std::mem::replace(response.body_mut(), SdkBody::empty());
        *response.body_mut() = SdkBody::from_body_1_x(Bounded { body, n_left: MOST_BODY });
    }
    Ok(response)
}

/// A body that fails once it is longer than it may be.
struct Bounded {
    body: SdkBody,
    n_left: u64,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = aws_sdk_s3::error::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let n = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let n = n.map_or(0, |data| data.len() as u64);
        Poll::Ready(match self.n_left.checked_sub(n) {
            Some(n_left) => {
                self.n_left = n_left;
                frame
            }
            None => Some(Err(TooLong::Body.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::ByteStream;

    use super::*;

    fn request(method: &str, uri: &str) -> HttpRequest {
        let mut request = HttpRequest::empty();
        request.set_method(method).unwrap();
        request.set_uri(uri).unwrap();
        request
    }

    fn response(status: u16, body: Vec<u8>) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), body.into())
    }

    async fn length(response: HttpResponse) -> Result<usize, String> {
        let body = ByteStream::new(response.into_body()).collect().await;
        body.map(|bytes| bytes.into_bytes().len()).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn only_a_get_of_an_object_asks_for_content() {
        assert!(asks_for_content(&request("GET", "http://s/b/k?versionId=1&x-id=GetObject")));
        assert!(!asks_for_content(&request("HEAD", "http://s/b/k?x-id=GetObject")));
        assert!(!asks_for_content(&request("GET", "http://s/b/x-id=GetObject")));
        assert!(!asks_for_content(&request(
            "GET",
            "http://s/b?list-type=2&prefix=x-id%3DGetObject"
        )));
    }

    #[tokio::test]
    async fn a_long_body_is_an_objects_or_an_error() {
        let most = usize::try_from(MOST_BODY).unwrap();

        for (status, is_content, size, is_read) in [
            (200, true, most + 1, true),
            (206, true, most + 1, true),
            (200, false, most, true),
            (200, false, most + 1, false),
            (403, true, most + 1, false),
            (403, false, most, true),
        ] {
            let response = bounded(response(status, vec![b'x'; size]), is_content).unwrap();

            let length = length(response).await;

            assert_eq!(length.is_ok_and(|length| length == size), is_read, "{status} {size}");
        }
    }

    #[test]
    fn headers_are_bounded() {
        let mut long = response(200, Vec::new());
        for n in 0..17 {
            long.headers_mut().insert(format!("x-amz-meta-{n}"), "v".repeat(4096));
        }

        let error = bounded(long, true).unwrap_err();

        assert!(error.into_source().downcast_ref() == Some(&TooLong::Headers));
    }
}
