//! Pieces of objects.

use bytes::Bytes;
use s3s::{S3Result, s3_error};

/// Reads `bytes=FIRST-LAST`, which S3 takes for objects above 5 MiB only.
pub(crate) fn copy_range(text: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(text) = text else { return Ok(0..size) };
    let numbers = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let range = numbers.and_then(|(first, last)| {
        Some(first.parse::<u64>().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
    });
    match range {
        Some(range) if range.start < range.end && range.end <= size && size > 5 << 20 => Ok(range),
        _ => Err(s3_error!(InvalidArgument, "The x-amz-copy-source-range value is not valid.")),
    }
}

/// Returns the bytes of `range` without copying them.
pub(crate) fn cut(pieces: &[Bytes], range: &std::ops::Range<u64>) -> Vec<Bytes> {
    let mut cut = Vec::new();
    let mut at = 0;
    for piece in pieces {
        let end = at + piece.len() as u64;
        let (from, to) = (range.start.max(at), range.end.min(end));
        if from < to {
            let index = |offset: u64| usize::try_from(offset - at).expect("within the piece");
            cut.push(piece.slice(index(from)..index(to)));
        }
        at = end;
    }
    cut
}
