//! What is there of an unfinished upload: which parts need not be sent, or not even read, again.

use std::collections::HashMap;

use super::{
    cancel_token::CancelToken,
    checksum::{Sum, hex, unhex},
    checksum_strategy::Protection,
    error::{JournalError, S3Error},
    failure::Trouble,
    journal::{Story, Taken},
    link::Link,
    payload::Payload,
    plan::Part,
    response::{Answer, ListedPart, StoredPart},
};

/// What is there of an upload that an earlier run began.
#[derive(Default)]
pub(crate) struct Earlier {
    /// What the store lists; nothing where it does not let us ask.
    listed: Option<HashMap<u32, ListedPart>>,
    story: Option<Box<Story>>,
    /// Whether the file is surely what it was when the parts were taken.
    is_same: bool,
}

impl Earlier {
    /// Asks what is there of an upload that was begun earlier; nothing if it is gone.
    pub(crate) async fn find(
        link: Link<'_>,
        story: Box<Story>,
        is_same: bool,
    ) -> Result<Option<Self>, S3Error> {
        let listed = match link.list_parts(&story.upload()).await {
            Ok(listed) => Some(listed),
            Err(failure) if matches!(failure.trouble, Trouble::NoUpload | Trouble::NoObject) => {
                return Ok(None);
            }
            // Who may send parts need not be allowed to list them, nor need the store know how, or like
            // to just now, or answer as S3 does; the completion checks them all.
            Err(failure)
                if failure.trouble == Trouble::Conflict || failure.trouble.leaves_unanswered() =>
            {
                None
            }
            Err(failure) => return Err(failure.into()),
        };
        Ok(Some(Self { listed, story: Some(story), is_same }))
    }

    /// Returns whether an earlier run began.
    pub(crate) fn is_resumed(&self) -> bool {
        self.story.is_some()
    }

    /// Returns whether the part seems to be there.
    pub(crate) fn lists(&self, part: Part) -> bool {
        match &self.listed {
            Some(listed) => listed.get(&part.number).is_some_and(|listed| listed.size == part.size),
            None => self.is_in_journal(part),
        }
    }

    /// Returns whether the journal has the part, so that it is not sent again if its bytes are the same.
    fn is_in_journal(&self, part: Part) -> bool {
        let Some(story) = &self.story else { return false };
        let taken = story.taken.get(&part.number);
        taken.is_some_and(|taken| self.is_same || taken.sum.is_some())
    }

    /// Returns a part on which the journal and the store agree: it need not even be read.
    pub(crate) fn agreed(&self, part: Part) -> Option<StoredPart> {
        let story = self.story.as_ref().filter(|_| self.is_same)?;
        let stored = story.taken.get(&part.number)?.stored(part, story.begun.protection)?;
        let Some(listed) = &self.listed else { return Some(stored) };
        let listed = listed.get(&part.number).filter(|listed| listed.size == part.size)?;
        let ours = stored.sum.as_ref().map(Sum::checksum);
        match (ours, &listed.checksum) {
            (Some(ours), Some(theirs)) if ours.algorithm == theirs.algorithm => (ours == *theirs)
                .then(|| StoredPart { etag: listed.etag.clone(), confirmed: true, ..stored }),
            _ => is_same_etag(&listed.etag, &stored.etag).then_some(stored),
        }
    }

    /// Returns the part if the store has just these bytes.
    pub(crate) async fn held(
        &self,
        part: Part,
        payload: &Payload,
        cancel_token: &CancelToken,
    ) -> Option<StoredPart> {
        if let Some(stored) = self.noted(part, payload) {
            return Some(stored);
        }
        let listed = self.listed.as_ref()?.get(&part.number)?;
        if listed.size != part.size {
            return None;
        }
        let etag = Some(listed.etag.clone());
        let checksum = listed.checksum.clone();
        let answer = Answer { etag, checksum, ..Answer::default() };
        let stored = payload.stored(part.number, (answer, 0), cancel_token).await;
        let is_by_etag = stored.md5.is_some_and(|md5| hex(&md5) == listed.etag);
        (stored.confirmed || is_by_etag).then_some(stored)
    }

    /// Returns the part if these bytes are those of the journal, and the store does not contradict.
    fn noted(&self, part: Part, payload: &Payload) -> Option<StoredPart> {
        let story = self.story.as_ref()?;
        let taken = story.taken.get(&part.number)?;
        let ours = payload.sum.as_ref()?.checksum().value;
        let is_listed = match &self.listed {
            None => true,
            Some(listed) => listed.get(&part.number).is_some_and(|listed| {
                listed.size == part.size && is_same_etag(&listed.etag, &taken.etag)
            }),
        };
        let is_it = is_listed && taken.sum.as_ref() == Some(&ours);
        is_it.then(|| taken.stored(part, story.begun.protection)).flatten()
    }

    /// Fails when these bytes are surely not those that were sent as this part.
    pub(crate) fn check(&self, part: Part, payload: &Payload) -> Result<(), JournalError> {
        let Some(story) = &self.story else { return Ok(()) };
        let sent = story.taken.get(&part.number).and_then(|taken| taken.sum.as_ref());
        let found = payload.sum.as_ref().map(|sum| sum.checksum().value);
        match sent.zip(found) {
            Some((sent, found)) if *sent != found => {
                Err(JournalError::Changed(Box::new(story.job.name())))
            }
            _ => Ok(()),
        }
    }
}

/// Some stores name no `ETag`, which says nothing.
fn is_same_etag(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

impl Taken {
    pub(crate) fn of(stored: &StoredPart) -> Self {
        Self {
            number: stored.number,
            etag: stored.etag.clone(),
            sum: stored.sum.as_ref().map(|sum| sum.checksum().value),
            confirmed: stored.confirmed,
            md5: stored.md5.map(|md5| hex(&md5)),
        }
    }

    pub(crate) fn stored(&self, part: Part, protection: Protection) -> Option<StoredPart> {
        let sum = match (protection, &self.sum) {
            (Protection::Checksum(algorithm), Some(value)) => {
                Some(Sum::of_value(algorithm, value, part.size)?)
            }
            (Protection::Checksum(_), None) => return None,
            (Protection::Md5 | Protection::Nothing, _) => None,
        };
        Some(StoredPart {
            number: part.number,
            size: part.size,
            etag: self.etag.clone(),
            sum,
            confirmed: self.confirmed,
            md5: self.md5.as_deref().and_then(unhex),
            attempts: 0,
            is_copied: false,
        })
    }
}
