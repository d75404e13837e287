//! Buffers for parts: memory stays below one limit, and freed buffers are used again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limit is counted in blocks of this size, because a semaphore counts to 2^32 only.
const BLOCK: u64 = 4096;

/// Hands out buffers within a memory limit.
#[derive(Clone)]
pub(crate) struct BufferPool {
    blocks: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    limit: u64,
}

/// A buffer on loan; dropping it, or the last [`Bytes`] made of it, gives it back.
pub(crate) struct PooledBuffer {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    _blocks: OwnedSemaphorePermit,
}

impl BufferPool {
    pub(crate) fn new(limit: u64) -> Self {
        let limit = limit.max(BLOCK);
        let blocks = usize::try_from(limit / BLOCK).unwrap_or(usize::MAX);
        Self {
            blocks: Arc::new(Semaphore::new(blocks.min(Semaphore::MAX_PERMITS))),
            free: Arc::default(),
            limit,
        }
    }

    /// Waits until `size` bytes are free and returns a buffer of that length.
    pub(crate) async fn take(&self, size: u64) -> PooledBuffer {
        let blocks = size.min(self.limit) / BLOCK;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX).max(1);
        let blocks = Arc::clone(&self.blocks).acquire_many_owned(blocks).await;
        let size = usize::try_from(size).expect("a part fits in memory");
        let mut bytes = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let fitting =
                free.iter().position(|bytes| (size..=size + size / 4).contains(&bytes.capacity()));
            if let Some(index) = fitting {
                free.swap_remove(index)
            } else {
                // What does not fit makes room, or kept buffers would add up past the limit.
                free.clear();
                Vec::new()
            }
        };
        bytes.resize(size, 0);
        PooledBuffer {
            bytes,
            free: Arc::clone(&self.free),
            _blocks: blocks.expect("the semaphore is never closed"),
        }
    }
}

impl PooledBuffer {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn truncate(&mut self, size: usize) {
        self.bytes.truncate(size);
    }

    /// Turns the buffer into bytes that can be sent again and again.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        // Small files get small buffers, which are cheap to make.
        if bytes.capacity() >= 1 << 20 {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn waits_while_the_limit_is_reached() {
        let buffer_pool = BufferPool::new(2 * MIB);
        let first = buffer_pool.take(MIB).await;
        let _second = buffer_pool.take(MIB).await;
        let mut third = pin!(buffer_pool.take(MIB));
        let early =
            std::future::poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_ready())).await;

        drop(first.freeze());

        assert!(!early);
        assert_eq!(third.await.as_ref().len(), 1 << 20);
    }

    #[tokio::test]
    async fn uses_a_freed_buffer_again() {
        let buffer_pool = BufferPool::new(2 * MIB);
        let bytes = buffer_pool.take(MIB).await.freeze();
        let address = bytes.as_ptr();
        drop(bytes);

        assert_eq!(buffer_pool.take(MIB).await.as_ref().as_ptr(), address);
    }
}
