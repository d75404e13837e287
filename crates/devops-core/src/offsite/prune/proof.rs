//! Proves archives in a store without fetching them.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    StoredArchive,
    scan::{Scan, unreadable},
};
use crate::{
    archive_index::container::{FOOTER, Footer},
    retention::Proof,
    s3::{S3Error, StoreText},
    verdicts::Verdicts,
};

/// The number of last bytes that are read at once: the index of most archives is among them.
const ENDING: u64 = 64 << 10;
const CUT_OFF: &str = "it is cut off: it does not end with its footer";
const EMPTY: &str = "it holds nothing";
const NO_INDEX: &str = "it is damaged: its index is not what its footer says";
const NOT_PROVEN: &str = "not proven: another tool made it, and it is not fetched to be read";

/// The result of proving an archive.
enum Finding {
    Whole,
    /// It is not, whenever it is looked at.
    Flawed(&'static str),
    /// Nothing can be said now.
    Unreadable(String),
}

impl Scan<'_> {
    /// Proves these archives, unless there is a verdict already.
    pub(super) async fn prove(
        &self,
        group: &mut [StoredArchive],
        which: &[usize],
        verdicts: &mut Verdicts,
    ) -> Result<(), S3Error> {
        let now = self.request.now;
        let mut unknown = Vec::new();
        for &index in which {
            let archive = &mut group[index];
            let known = mark(archive).and_then(|mark| {
                let verdict = verdicts.verdict(&archive.uri.key, &mark, now)?;
                Some(proof(verdict.err()))
            });
            match known {
                Some(known) => archive.proof = known,
                None => unknown.push(index),
            }
        }
        let archives = &*group;
        let scan = stream::iter(unknown).map(async |index| {
            let finding = self.finding(&archives[index]).await?;
            Ok::<_, S3Error>((index, finding))
        });
        let found: Vec<_> = scan.buffered(self.context.store.concurrency()).try_collect().await?;
        for (index, finding) in found {
            let archive = &mut group[index];
            let flaw = match finding {
                Finding::Whole => None,
                Finding::Flawed(flaw) => Some(flaw),
                Finding::Unreadable(reason) => {
                    archive.proof = Proof::Uncounted(reason);
                    continue;
                }
            };
            if let Some(mark) = mark(archive) {
                verdicts.judge(&archive.uri.key, &mark, flaw, now);
            }
            archive.proof = proof(flaw);
        }
        Ok(())
    }

    /// Reads the end of an archive, and its index.
    async fn finding(&self, archive: &StoredArchive) -> Result<Finding, S3Error> {
        let n = archive.size.min(ENDING);
        let ending = match self.range(archive, archive.size - n, n).await? {
            Ok(ending) => ending,
            Err(reason) => return Ok(Finding::Unreadable(reason)),
        };
        let member: Option<&[u8; FOOTER]> = ending.last_chunk();
        let Some(footer) = member.and_then(|member| Footer::read(member, archive.size)) else {
            let is_ours = archive.origin.is_some();
            return Ok(Finding::Flawed(if is_ours { CUT_OFF } else { NOT_PROVEN }));
        };
        if footer.n_entries == 0 {
            return Ok(Finding::Flawed(EMPTY));
        }
        let Some(n_index) = footer.n_index_members() else { return Ok(Finding::Flawed(NO_INDEX)) };
        let before_footer = &ending[..ending.len() - FOOTER];
        let index = match usize::try_from(n_index).ok().filter(|&n| n <= before_footer.len()) {
            Some(n) => before_footer[before_footer.len() - n..].to_vec(),
            // A footer that fits the size says that nothing is cut off.
            None if n_index > self.context.store.max_memory().0 / 2 => return Ok(Finding::Whole),
            None => {
                let _turn = self.context.store.index_memory_permit().await;
                match self.range(archive, footer.index_start, n_index).await? {
                    Ok(index) => index,
                    Err(reason) => return Ok(Finding::Unreadable(reason)),
                }
            }
        };
        let is_whole = footer.unwrap_index(index).is_some();
        Ok(if is_whole { Finding::Whole } else { Finding::Flawed(NO_INDEX) })
    }

    /// Reads a range of an archive, or says why this one cannot be read.
    async fn range(
        &self,
        archive: &StoredArchive,
        at: u64,
        n: u64,
    ) -> Result<Result<Vec<u8>, String>, S3Error> {
        let etag = archive.seen.etag.as_deref();
        match self.context.get_range(&archive.uri, etag, at..at + n).await {
            Ok(bytes) => Ok(Ok(bytes.as_ref().to_vec())),
            Err(failure) => unreadable(failure).map(Err),
        }
    }
}

/// Returns the mark that tells an object from another one of its key; `None` if the store gives no
/// tag.
fn mark(archive: &StoredArchive) -> Option<String> {
    let version = archive.seen.version_id.as_ref().map(StoreText::as_sent).unwrap_or_default();
    Some(format!("{} {} {version}", archive.seen.etag.as_deref()?, archive.size))
}

fn proof(flaw: Option<&str>) -> Proof {
    flaw.map_or(Proof::Proven, |flaw| Proof::Uncounted(flaw.to_owned()))
}
