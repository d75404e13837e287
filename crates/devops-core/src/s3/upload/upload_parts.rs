//! Brings the parts of a file to the store: those that are not there, two of them hashed together.

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};

use super::{file_upload::FileUpload, journal::PartRecord, object_upload::ObjectUpload};
use crate::s3::{
    error::operation::S3Error,
    object::{event::Event, response::StoredPart},
    plan::{layout::PlannedPart, parts::Part},
    request::{
        context::RequestOptions,
        payload::{PairHasher, Payload, PayloadHasher},
        request_body::Content,
        source_file::OpenFile,
    },
};

/// The number of parts that are hashed together.
const HASHED_TOGETHER: usize = 2;

impl ObjectUpload<'_> {
    /// Brings parts of a file to the store, several at a time; what is surely there is not even read.
    pub(crate) async fn upload_parts(
        &self,
        of: &FileUpload<'_>,
        mut pieces: Vec<PlannedPart<'_>>,
    ) -> Result<Vec<StoredPart>, S3Error> {
        let mut parts = Vec::with_capacity(pieces.len());
        pieces.retain(|&(part, _)| {
            let confirmed = of.uploaded_parts.confirmed_part(part);
            let is_missing = confirmed.is_none();
            parts.extend(confirmed.map(|stored| self.report_not_sent(stored)));
            is_missing
        });
        // A refused copy shows before anything is sent for it.
        pieces.sort_by_key(|(_, source)| source.is_none());
        let uploaded: Vec<_> = stream::iter(pieces.chunks(HASHED_TOGETHER))
            .map(|pieces| self.upload_pair(of, pieces))
            .buffer_unordered(self.in_flight().div_ceil(HASHED_TOGETHER) + 1)
            .try_collect()
            .await?;
        parts.extend(uploaded.into_iter().flatten());
        Ok(parts)
    }

    /// Brings one or two parts: two are hashed together, if both are to be sent and have one size.
    async fn upload_pair(
        &self,
        of: &FileUpload<'_>,
        pieces: &[PlannedPart<'_>],
    ) -> Result<Vec<StoredPart>, S3Error> {
        let mut payloads = match *pieces {
            [(one, None), (other, None)] if one.size == other.size => {
                let reading = self.read_both(of.file, [one, other]);
                self.read_gracefully(of, reading).await?.map(Some)
            }
            _ => [None, None],
        }
        .into_iter();
        let uploading = |&piece| self.upload_part(of, piece, payloads.next().flatten());
        try_join_all(pieces.iter().map(uploading)).await
    }

    /// Brings one part: copied from its source, or sent, unless the store has it.
    ///
    /// It is read for that, unless there is its payload already.
    async fn upload_part(
        &self,
        of: &FileUpload<'_>,
        (part, source): PlannedPart<'_>,
        payload: Option<Payload>,
    ) -> Result<StoredPart, S3Error> {
        self.context.check_cancelled(self.part_request(of)).await?;
        let stored = match source {
            Some(source) => self.report_not_sent(self.copy_part(of, part, source).await?),
            None => self.send_unless_stored(of, part, payload).await?,
        };
        if let Some(journal) = of.journal {
            journal.take(PartRecord::of(&stored)).await;
        }
        Ok(stored)
    }

    async fn send_unless_stored(
        &self,
        of: &FileUpload<'_>,
        part: Part,
        payload: Option<Payload>,
    ) -> Result<StoredPart, S3Error> {
        let payload = match payload {
            Some(payload) => payload,
            None => self.read_gracefully(of, self.read(of.file, part)).await?,
        };
        of.uploaded_parts.check(part, &payload)?;
        match of.uploaded_parts.matching_part(part, &payload, self.context.cancel_token).await {
            Some(stored) => Ok(self.report_not_sent(stored)),
            None => self.send_part(&of.upload, part.number, &payload, of.cancel_policy()).await,
        }
    }

    /// Reads or hashes for a part; when a signal ends that, others that are under way have their moment.
    pub(crate) async fn read_gracefully<T>(
        &self,
        of: &FileUpload<'_>,
        reading: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, S3Error> {
        let result = reading.await;
        if let Err(S3Error::Cancelled(_)) = &result {
            self.context.check_cancelled(self.part_request(of)).await?;
        }
        result
    }

    fn part_request(&self, of: &FileUpload<'_>) -> RequestOptions<'_> {
        RequestOptions {
            cancel_policy: of.cancel_policy(),
            ..self.context.metadata_request("UploadPart")
        }
    }

    /// Tells of a part that is there without having moved from here.
    fn report_not_sent(&self, stored: StoredPart) -> StoredPart {
        (self.context.events)(Event::BytesTransferred(stored.size.cast_signed()));
        stored
    }

    /// Hashes bytes of a file, which are read again when they are sent unless it is small.
    pub(crate) async fn read(&self, file: &OpenFile, part: Part) -> Result<Payload, S3Error> {
        let (file, cancel) = (file.clone(), self.context.cancel_token.cancel().clone());
        if let Some(bytes) = file.inline_bytes() {
            return Ok(Payload::new(bytes.clone(), self.hashing()));
        }
        let mut hasher = PayloadHasher::new(self.hashing());
        let hash = move || {
            file.hash_range(part, &cancel, |piece| hasher.update(piece))?;
            Ok(hasher.finish(Content::of_file(file, part)))
        };
        self.context.cancel_token.run_blocking_cancellable(hash).await?
    }

    /// Hashes two parts of one size like [`Self::read`], which takes less time than one after the other.
    async fn read_both(&self, file: &OpenFile, parts: [Part; 2]) -> Result<[Payload; 2], S3Error> {
        let (file, cancel) = (file.clone(), self.context.cancel_token.cancel().clone());
        let mut hasher = PairHasher::new(self.hashing());
        let hash = move || {
            file.read_through_all(parts, &cancel, |pieces| hasher.update(pieces))?;
            Ok(hasher.finish(parts.map(|part| Content::of_file(file.clone(), part))))
        };
        self.context.cancel_token.run_blocking_cancellable(hash).await?
    }
}
