//! Turns pieces of the tar into segments, on one thread.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::super::parent::ParentArchive;
use super::segment_job::{BuildError, Compression, MIB};
use crate::archive::{
    ArchiveError,
    format::{
        compress::{Packed, Packer},
        content_hash::{Digest, Span, digests},
        index::{Hash, Segment},
    },
};

/// The most buffers that are kept to be used again.
const MAX_SPARE: usize = 16;
/// How large those are: a run of segments, and the one it ends with.
const SPARE_SIZE: Range<usize> = MIB..3 * MIB;

/// A part of the tar that becomes a segment, or several that were some before.
pub(in crate::archive) enum Piece {
    /// Bytes to compress, and where contents are among them.
    New { raw: Vec<u8>, spans: Vec<Span> },
    /// Zeros of a hole, which need not be there to be compressed.
    Zeros { n: usize, spans: Vec<Span> },
    /// Neighbours in the parent archive, and the hashes of the contents that end in them.
    Old { segments: Range<usize>, hashes: Vec<Hash> },
    /// No bytes, but the hash of a content whose bytes came in the pieces before.
    Hash(Hash),
}

/// Segments, ready to be written.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    pub(super) segments: Vec<Segment>,
    pub(super) digests: Vec<Digest>,
}

/// Buffers to use again: fresh memory costs as much as a copy.
#[derive(Default)]
pub(super) struct SpareBuffers(Mutex<Vec<Vec<u8>>>);

impl SpareBuffers {
    /// Returns a buffer for `n` bytes; a large one for a few would be more than what was weighed.
    fn take(&self, n: usize) -> Vec<u8> {
        let spare = if n >= SPARE_SIZE.start / 2 { self.buffers().pop() } else { None };
        spare.unwrap_or_default()
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers();
        if buffers.len() < MAX_SPARE && SPARE_SIZE.contains(&buffer.capacity()) {
            buffers.push(buffer);
        }
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes segments, one piece after the other.
pub(super) struct Worker<'a> {
    packer: Packer,
    parent: Option<&'a ParentArchive>,
    spare: &'a SpareBuffers,
    /// The zeros of the last hole, and what became of them.
    zeros: Option<(Vec<u8>, Made)>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(compression: Compression<'a>, spare: &'a SpareBuffers) -> Self {
        let packer = Packer::new(compression.build_params.level);
        let parent = compression.parent;
        Self { packer, parent, spare, zeros: None }
    }

    pub(super) fn made(&mut self, piece: Piece) -> Result<Made, BuildError> {
        match piece {
            Piece::New { raw, spans } => self.new_segment(&raw, &spans),
            Piece::Zeros { n, spans } => self.zeros(n, &spans),
            Piece::Hash(hash) => {
                let digests = vec![Digest::Whole(hash)];
                Ok(Made { bytes: Vec::new(), segments: Vec::new(), digests })
            }
            Piece::Old { segments, hashes } => {
                let digests = hashes.into_iter().map(Digest::Whole).collect();
                let (bytes, segments) = self.read(segments).ok_or(BuildError::ParentDamaged)?;
                Ok(Made { bytes, segments, digests })
            }
        }
    }

    /// Compresses bytes, unless the parent archive has them: what was read may still be what it was.
    fn new_segment(&mut self, raw: &[u8], spans: &[Span]) -> Result<Made, BuildError> {
        let raw_hash = *blake3::hash(raw).as_bytes();
        let digests = digests(raw, spans);
        let known = self.parent.and_then(|parent| parent.find(&raw_hash));
        if let Some((bytes, segments)) = known.and_then(|n| self.read(n..n + 1)) {
            return Ok(Made { bytes, segments, digests });
        }
        let Packed { bytes, crc, uncompressed_len } =
            self.packer.pack(raw).map_err(ArchiveError::from)?;
        let packed_hash = *blake3::hash(&bytes).as_bytes();
        let compressed_len = bytes.len() as u64;
        // The index tells the places from the lengths.
        let segment = Segment {
            at: 0,
            compressed_len,
            tar_offset: 0,
            uncompressed_len,
            crc,
            raw_hash,
            packed_hash,
        };
        Ok(Made { bytes, segments: vec![segment], digests })
    }

    /// Compresses zeros, once for each length.
    fn zeros(&mut self, n: usize, spans: &[Span]) -> Result<Made, BuildError> {
        let is_this = |(zeros, _): &(Vec<u8>, Made)| zeros.len() == n;
        let (zeros, made) = if let Some(known) = self.zeros.take().filter(is_this) {
            known
        } else {
            let zeros = vec![0; n];
            let made = self.new_segment(&zeros, &[])?;
            (zeros, made)
        };
        let copy = Made { digests: digests(&zeros, spans), ..made.clone() };
        self.zeros = Some((zeros, made));
        Ok(copy)
    }

    fn read(&self, segments: Range<usize>) -> Option<(Vec<u8>, Vec<Segment>)> {
        let (bytes, segments) = self.parent?.read(segments, |n| self.spare.take(n))?;
        Some((bytes, segments.to_vec()))
    }
}
