//! Fetches an object to whoever reads its bytes in order, and checks at the end what went by.

use std::{
    collections::VecDeque,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{Fuse, FusedFuture, LocalBoxFuture},
    stream::FuturesOrdered,
};
use md5::{Digest, Md5};

use super::{
    get::{head_of_existing, not_as_listed},
    options::GetSummary,
};
use crate::fs::{IoResultExt, PathError};
use crate::s3::{
    error::operation::S3Error,
    object::{
        checksum::{self, Algorithm, Checksum, Hasher, Sum},
        event::Event,
        proof::Proof,
        response::ObjectHead,
        uri::S3Uri,
    },
    plan::{
        parts::{PartPlan, PartSize},
        range_plan::plan_ranges,
    },
    request::{context::S3Context, read::SameObject},
    store::buffer_pool::PooledBuffer,
};

/// Writes the bytes of an object to `sink`, which is called `name`.
///
/// They go on before all of them are known to be right: after an error, whoever has them throws them away.
/// A write that hangs is left behind on its thread when a signal comes.
pub fn get_stream<'a>(
    context: S3Context<'a>,
    uri: &'a S3Uri,
    sink: Box<dyn Write + Send>,
    name: PathBuf,
) -> LocalBoxFuture<'a, Result<GetSummary, S3Error>> {
    Box::pin(async move {
        let begun = Instant::now();
        let head = head_of_existing(context, uri).await?;
        let (plan, verifier) = plan(context, uri, &head).await?;
        (context.events)(Event::Started {
            uri: uri.clone(),
            path: None,
            size: Some(head.size),
            parts: Some(plan.n_parts()),
        });
        let ordered_sink = Arc::new(Mutex::new(OrderedSink { sink, name, verifier }));
        write_all_in_order(context, (uri, &head), plan, &ordered_sink).await?;
        write_next(context, &ordered_sink, |ordered_sink| {
            ordered_sink.sink.flush().at(&ordered_sink.name, "write")
        })
        .await?;
        let passed = Arc::into_inner(ordered_sink).expect("nothing writes any more");
        let passed = passed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (checksum, proof) = passed.verifier.judge(uri, &head)?;
        Ok(GetSummary {
            uri: uri.clone(),
            path: passed.name,
            is_unchanged: false,
            size: head.size,
            checksum,
            proof,
            elapsed: begun.elapsed(),
        })
    })
}

/// Fetches pieces and passes them on in order.
///
/// While the reader takes its time, what is on its way still arrives: a request that nobody looks after would
/// count as stalled.
async fn write_all_in_order(
    context: S3Context<'_>,
    (uri, head): (&S3Uri, &ObjectHead),
    plan: PartPlan,
    ordered_sink: &Arc<Mutex<OrderedSink>>,
) -> Result<(), S3Error> {
    let same = SameObject::new(head);
    let mut parts = plan.parts().filter(|part| part.size > 0);
    let (mut fetching, mut arrived) = (FuturesOrdered::new(), VecDeque::new());
    let mut writing = Fuse::terminated();
    loop {
        while fetching.len() + arrived.len() < context.store.concurrency() {
            let Some(part) = parts.next() else { break };
            let range = part.offset..part.offset + part.size;
            fetching.push_back(context.get_part(uri, &same, range));
        }
        if writing.is_terminated()
            && let Some(piece) = arrived.pop_front()
        {
            let piece: PooledBuffer = piece;
            let work = move |ordered_sink: &mut OrderedSink| ordered_sink.take(piece.as_ref());
            writing = Box::pin(write_next(context, ordered_sink, work)).fuse();
        }
        tokio::select! {
            Some(piece) = fetching.next() => arrived.push_back(piece?),
            done = &mut writing, if !writing.is_terminated() => done?,
            else => return Ok(()),
        }
    }
}

/// Does something with the sink, which may wait for its reader.
async fn write_next(
    context: S3Context<'_>,
    ordered_sink: &Arc<Mutex<OrderedSink>>,
    work: impl FnOnce(&mut OrderedSink) -> Result<(), PathError> + Send + 'static,
) -> Result<(), S3Error> {
    let ordered_sink = Arc::clone(ordered_sink);
    let work = move || work(&mut ordered_sink.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(context.cancel_token.run_blocking_cancellable(work).await??)
}

/// Returns the pieces that are fetched, and what is computed of them.
async fn plan(
    context: S3Context<'_>,
    uri: &S3Uri,
    head: &ObjectHead,
) -> Result<(PartPlan, StreamVerifier), S3Error> {
    let max_memory = context.store.max_memory();
    let plan = plan_ranges(head.size, PartSize::Auto, max_memory)?;
    let etag = head.etag.as_deref().filter(|_| context.store.etag_may_prove());
    let n_parts_of = |etag: &str| etag.rsplit_once('-')?.1.parse().ok();
    let (verifier, n_parts) = match (&head.checksum, etag) {
        (Some(theirs), _) if theirs.is_full() => {
            return Ok((plan, StreamVerifier::Whole(Hasher::new(theirs.algorithm))));
        }
        (Some(theirs), _) => {
            (StreamVerifier::Parts(theirs.algorithm, Vec::new()), theirs.n_parts())
        }
        (None, Some(etag)) if checksum::is_md5(etag) => {
            return Ok((plan, StreamVerifier::Md5(Md5::new())));
        }
        (None, etag) => (StreamVerifier::PartMd5s(Vec::new()), etag.and_then(n_parts_of)),
    };
    // Each part of the upload becomes one piece, if the store tells where it was cut.
    let cut = match n_parts {
        Some(n_parts) => context.plan_of_object(uri, head, n_parts).await?,
        None => None,
    };
    let fits = |cut: &PartPlan| cut.part_size() <= max_memory.0 / 4;
    match cut.filter(fits) {
        Some(cut) => Ok((cut, verifier)),
        None => Ok((plan, StreamVerifier::Whole(Hasher::new(Algorithm::default())))),
    }
}

/// Bytes on their way to someone else.
struct OrderedSink {
    sink: Box<dyn Write + Send>,
    name: PathBuf,
    verifier: StreamVerifier,
}

impl OrderedSink {
    fn take(&mut self, piece: &[u8]) -> Result<(), PathError> {
        self.verifier.add(piece);
        self.sink.write_all(piece).at(&self.name, "write")
    }
}

/// The checksum of a stream, to compare with that of the store.
enum StreamVerifier {
    /// The checksum of all.
    Whole(Hasher),
    /// The checksum of each part.
    Parts(Algorithm, Vec<Sum>),
    /// The MD5 of all.
    Md5(Md5),
    /// The MD5 of each part.
    PartMd5s(Vec<[u8; 16]>),
}

impl StreamVerifier {
    fn add(&mut self, piece: &[u8]) {
        match self {
            Self::Whole(hasher) => hasher.update(piece),
            Self::Parts(algorithm, sums) => sums.push(Sum::of(*algorithm, piece)),
            Self::Md5(hasher) => hasher.update(piece),
            Self::PartMd5s(md5s) => md5s.push(checksum::md5(piece)),
        }
    }

    /// Returns the checksum and what it proves; fails when the store tells another.
    fn judge(self, uri: &S3Uri, head: &ObjectHead) -> Result<(Option<Checksum>, Proof), S3Error> {
        let etag = |ours: &str| match head.etag.as_deref() {
            Some(theirs) if theirs == ours => Ok((None, Proof::Etag)),
            Some(_) if !head.etag_is_opaque => Err(not_as_listed(uri, head, ours)),
            _ => Ok((None, Proof::Size)),
        };
        match self {
            Self::Whole(hasher) => {
                let ours = hasher.finish().checksum();
                match &head.checksum {
                    Some(theirs) if *theirs == ours => Ok((Some(ours), Proof::Full)),
                    Some(theirs) if theirs.is_full() => {
                        Err(not_as_listed(uri, head, &ours.to_string()))
                    }
                    _ => Ok((Some(ours), Proof::Size)),
                }
            }
            Self::Parts(_, sums) => match (Sum::composite(&sums), &head.checksum) {
                (Some(ours), Some(theirs)) if ours.digits() != theirs.digits() => {
                    Err(not_as_listed(uri, head, &ours.to_string()))
                }
                _ => Ok((None, Proof::Parts)),
            },
            Self::Md5(hasher) => etag(&checksum::hex(&hasher.finalize())),
            Self::PartMd5s(md5s) => etag(&checksum::multipart_etag(&md5s)),
        }
    }
}
