//! What the server counts about itself.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Event streams served at one time; a further client gets 503 and asks again later.
const MAX_STREAMS: usize = 256;

/// Counts requests and event streams.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    handling: AtomicUsize,
    streams: AtomicUsize,
}

/// A request that is being handled; it counts until it is dropped.
pub(super) struct OpenRequest(Arc<Counters>);

/// An event stream; it counts until it is dropped.
pub(super) struct OpenStream(Arc<Counters>);

impl Counters {
    pub(super) fn open_request(self: &Arc<Self>) -> OpenRequest {
        self.requests.fetch_add(1, Relaxed);
        self.handling.fetch_add(1, Relaxed);
        OpenRequest(self.clone())
    }

    /// Returns none when there are too many already.
    pub(super) fn open_stream(self: &Arc<Self>) -> Option<OpenStream> {
        let open = OpenStream(self.clone());
        (self.streams.fetch_add(1, Relaxed) < MAX_STREAMS).then_some(open)
    }

    /// Returns how many requests and streams are being answered.
    pub(super) fn n_open(&self) -> usize {
        self.handling.load(Relaxed) + self.n_streams()
    }

    pub(super) fn n_streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    pub(super) fn n_requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.handling.fetch_sub(1, Relaxed);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_capped_and_given_back() {
        let counters = Arc::new(Counters::default());

        let mut open: Vec<_> = (0..MAX_STREAMS).map(|_| counters.open_stream().unwrap()).collect();
        assert!(counters.open_stream().is_none());
        open.pop();

        assert!(counters.open_stream().is_some());
        assert_eq!(counters.n_streams(), MAX_STREAMS - 1);
    }
}
