//! Finds the next entry of a tar behind damage.

use std::io;

use super::{
    entries::{Entries, Fault},
    fields::{MARK, MARK_AT, is_header},
    input::Input,
};
use crate::archive::format::block::BLOCK;

/// The bytes that are searched at once.
const STEP: usize = 4096;

impl Entries<Input> {
    /// Goes on at the next sound header; returns how many bytes were passed over, or `None` when there is no
    /// further header. `has_input_failed` says that the input itself could not be read.
    ///
    /// Headers begin on whole blocks; only one with a mark counts elsewhere too, since damage to compressed
    /// bytes may have moved all that follows.
    pub(in crate::archive) fn resync(
        &mut self,
        has_input_failed: bool,
    ) -> Result<Option<u64>, Fault> {
        // What is known to be content is not searched for headers: it may be a tar itself.
        let mut is_broken = has_input_failed || self.skip_content().is_err();
        let (mut n_skipped, mut n_since) = (0, 0);
        let mut window = Vec::new();
        self.forget();
        loop {
            if is_broken {
                self.input()
                    .check_cancel()
                    .map_err(|error| Fault::Stream(io::Error::other(error)))?;
                if !self.input_mut().recover() {
                    return Ok(None);
                }
                (n_skipped, n_since) = (n_skipped + window.len() as u64, 0);
                window.clear();
            }
            let n_before = window.len();
            window.resize(n_before + STEP, 0);
            let read = self.read(&mut window[n_before..]);
            window.truncate(n_before + read.as_ref().copied().unwrap_or(0));
            is_broken = match read {
                Ok(0) => return Ok(None),
                Ok(_) => false,
                Err(Fault::Stream(_)) => true,
                Err(fault) => return Err(fault),
            };
            if let Some(at) = first_header(&window, n_since) {
                self.restart(window.split_off(at));
                return Ok(Some(n_skipped + at as u64));
            }
            // A header may have begun.
            let n_done = window.len().saturating_sub(BLOCK - 1);
            window.drain(..n_done);
            (n_skipped, n_since) = (n_skipped + n_done as u64, n_since + n_done);
        }
    }
}

/// Returns where the first sound header begins in bytes that have `n_before` others before them.
fn first_header(bytes: &[u8], n_before: usize) -> Option<usize> {
    bytes.windows(BLOCK).enumerate().position(|(at, block)| {
        let is_marked = block[MARK_AT..].starts_with(MARK);
        let may_begin = is_marked || (n_before + at).is_multiple_of(BLOCK);
        may_begin && block.first_chunk().is_some_and(is_header)
    })
}
