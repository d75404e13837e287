//! `/events`: every reading as a server-sent event.
//!
//! Each client holds at most the newest reading: one that reads slowly misses some, and nothing piles up.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::CONTENT_TYPE},
    web::{Bytes, Data},
};
use futures_util::stream::{empty, unfold};
use tokio::{sync::watch, time::sleep};

use super::{counters::OpenStream, response::text_response, shared::Shared, snapshot::Snapshot};

/// Proxies cut connections that stay silent for a minute or less.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A client comes back this long after its stream ended, and up to a second later,
/// so that not all come back at once.
const RETRY_MS: u64 = 2000;

struct Client {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    closing: watch::Receiver<bool>,
    first: Option<Bytes>,
    _counted: OpenStream,
}

pub(super) async fn stream(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let Some(counted) = shared.counters.open_stream() else {
        let mut busy = HttpResponse::ServiceUnavailable();
        busy.insert_header(("Retry-After", "5"));
        return text_response(busy, "too many event streams");
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // nginx would hold events back, and a compressing proxy too.
        .insert_header(("X-Accel-Buffering", "no"))
        .insert_header(("Content-Encoding", "identity"));
    if request.method() == Method::HEAD {
        // The same headers, and no body to wait for.
        return response.streaming(empty::<Result<Bytes, actix_web::Error>>());
    }
    let mut snapshots = shared.snapshots.clone();
    let newest = snapshots.borrow_and_update().event.clone();
    let retry = RETRY_MS + shared.counters.n_requests().wrapping_mul(619) % 1000;
    let first = [format!("retry: {retry}\n\n").as_bytes(), &newest].concat();
    let client = Client {
        snapshots,
        closing: shared.closing.clone(),
        first: Some(first.into()),
        _counted: counted,
    };
    response.streaming(unfold(client, |mut client| async move {
        let bytes = client.next().await?;
        Some((Ok::<_, actix_web::Error>(bytes), client))
    }))
}

impl Client {
    /// Returns the next bytes to send; none when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => None,
            changed = self.snapshots.changed() => {
                changed.ok()?;
                Some(self.snapshots.borrow_and_update().event.clone())
            }
            () = sleep(KEEP_ALIVE) => Some(Bytes::from_static(b": keep-alive\n\n")),
        }
    }
}
