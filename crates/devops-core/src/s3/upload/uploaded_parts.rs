//! Parts of an unfinished upload that need not be sent, or read, again.

use std::collections::HashMap;

use super::journal::{JournalState, PartRecord};
use crate::s3::{
    error::{
        operation::{JournalError, S3Error},
        request_error::RequestErrorKind,
    },
    object::{
        checksum::{Sum, hex, unhex},
        checksum_strategy::ChecksumStrategy,
        response::{ListedPart, StoredPart, WriteResponse},
    },
    plan::parts::Part,
    request::{context::S3Context, payload::Payload},
    store::cancel_token::CancelToken,
};

/// The parts of an upload that an earlier run began.
#[derive(Default)]
pub(crate) struct UploadedParts {
    /// The parts that the store lists; nothing where it does not allow the request.
    listed: Option<HashMap<u32, ListedPart>>,
    state: Option<Box<JournalState>>,
    /// Is set if the file is surely what it was when the parts were taken.
    is_same: bool,
}

impl UploadedParts {
    /// Asks what is there of an upload that was begun earlier; nothing if it is gone.
    pub(crate) async fn find(
        context: S3Context<'_>,
        state: Box<JournalState>,
        is_same: bool,
    ) -> Result<Option<Self>, S3Error> {
        let listed = match context.list_parts(&state.upload()).await {
            Ok(listed) => Some(listed),
            Err(failure)
                if matches!(
                    failure.error_kind,
                    RequestErrorKind::NoUpload | RequestErrorKind::NoObject
                ) =>
            {
                return Ok(None);
            }
            // Who may send parts need not be allowed to list them, nor need the store know how, or like
            // to just now, or answer as S3 does; the completion checks them all.
            Err(failure)
                if failure.error_kind == RequestErrorKind::Conflict
                    || failure.error_kind.is_unsupported_or_denied() =>
            {
                None
            }
            Err(failure) => return Err(failure.into()),
        };
        Ok(Some(Self { listed, state: Some(state), is_same }))
    }

    /// Returns whether an earlier run began.
    pub(crate) fn is_resumed(&self) -> bool {
        self.state.is_some()
    }

    /// Returns whether the part seems to be there.
    pub(crate) fn contains(&self, part: Part) -> bool {
        match &self.listed {
            Some(listed) => listed.get(&part.number).is_some_and(|listed| listed.size == part.size),
            None => self.is_in_journal(part),
        }
    }

    /// Returns whether the journal has the part, so that it is not sent again if its bytes are the same.
    fn is_in_journal(&self, part: Part) -> bool {
        let Some(state) = &self.state else { return false };
        let taken = state.taken.get(&part.number);
        taken.is_some_and(|taken| self.is_same || taken.sum.is_some())
    }

    /// Returns a part on which the journal and the store agree: it need not even be read.
    pub(crate) fn confirmed_part(&self, part: Part) -> Option<StoredPart> {
        let state = self.state.as_ref().filter(|_| self.is_same)?;
        let stored = state.taken.get(&part.number)?.stored(part, state.begun.checksum_strategy)?;
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
    pub(crate) async fn matching_part(
        &self,
        part: Part,
        payload: &Payload,
        cancel_token: &CancelToken,
    ) -> Option<StoredPart> {
        if let Some(stored) = self.journaled_part(part, payload) {
            return Some(stored);
        }
        let listed = self.listed.as_ref()?.get(&part.number)?;
        if listed.size != part.size {
            return None;
        }
        let etag = Some(listed.etag.clone());
        let checksum = listed.checksum.clone();
        let response = WriteResponse { etag, checksum, ..WriteResponse::default() };
        let stored = payload.stored(part.number, response, 0, cancel_token).await;
        let is_by_etag = stored.md5.is_some_and(|md5| hex(&md5) == listed.etag);
        (stored.confirmed || is_by_etag).then_some(stored)
    }

    /// Returns the part if these bytes are those of the journal, and the store does not contradict.
    fn journaled_part(&self, part: Part, payload: &Payload) -> Option<StoredPart> {
        let state = self.state.as_ref()?;
        let taken = state.taken.get(&part.number)?;
        let ours = payload.sum.as_ref()?.checksum().value;
        let is_listed = match &self.listed {
            None => true,
            Some(listed) => listed.get(&part.number).is_some_and(|listed| {
                listed.size == part.size && is_same_etag(&listed.etag, &taken.etag)
            }),
        };
        let is_it = is_listed && taken.sum.as_ref() == Some(&ours);
        is_it.then(|| taken.stored(part, state.begun.checksum_strategy)).flatten()
    }

    /// Fails when these bytes are surely not those that were sent as this part.
    pub(crate) fn check(&self, part: Part, payload: &Payload) -> Result<(), JournalError> {
        let Some(state) = &self.state else { return Ok(()) };
        let sent = state.taken.get(&part.number).and_then(|taken| taken.sum.as_ref());
        let found = payload.sum.as_ref().map(|sum| sum.checksum().value);
        match sent.zip(found) {
            Some((sent, found)) if *sent != found => {
                Err(JournalError::Changed(Box::new(state.job.name())))
            }
            _ => Ok(()),
        }
    }
}

/// Some stores name no `ETag`, which says nothing.
fn is_same_etag(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

impl PartRecord {
    pub(crate) fn of(stored: &StoredPart) -> Self {
        Self {
            number: stored.number,
            etag: stored.etag.clone(),
            sum: stored.sum.as_ref().map(|sum| sum.checksum().value),
            confirmed: stored.confirmed,
            md5: stored.md5.map(|md5| hex(&md5)),
        }
    }

    pub(crate) fn stored(
        &self,
        part: Part,
        checksum_strategy: ChecksumStrategy,
    ) -> Option<StoredPart> {
        let sum = match (checksum_strategy, &self.sum) {
            (ChecksumStrategy::Checksum(algorithm), Some(value)) => {
                Some(Sum::of_value(algorithm, value, part.size)?)
            }
            (ChecksumStrategy::Checksum(_), None) => return None,
            (ChecksumStrategy::Md5 | ChecksumStrategy::Nothing, _) => None,
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
