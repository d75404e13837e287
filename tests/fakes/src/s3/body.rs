//! Counts what arrives of a request's body, whole or not.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use s3s::Body;

/// The number of bytes have arrived.
#[derive(Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    /// Returns a body that is counted as it is read.
    pub(crate) fn count(&self, body: Incoming) -> Body {
        Body::http_body_unsync(Counted { body, received: Arc::clone(&self.0) })
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted {
    body: Incoming,
    received: Arc<AtomicU64>,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let n = frame.data_ref().map_or(0, Bytes::len);
            self.received.fetch_add(n as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
