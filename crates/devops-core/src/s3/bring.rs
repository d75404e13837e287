//! Brings the parts of a file to the store: those that are not there, two of them hashed together.

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};

use super::{
    content::Content,
    error::S3Error,
    event::Event,
    file_upload::FileUpload,
    journal::Taken,
    layout::Piece,
    link::Call,
    payload::{PairHasher, Payload, PayloadHasher},
    plan::Part,
    response::StoredPart,
    source::OpenFile,
    task::Task,
};

/// How many parts are hashed together.
const TOGETHER: usize = 2;

impl Task<'_> {
    /// Brings parts of a file to the store, several at a time; what is surely there is not even read.
    pub(crate) async fn bring_parts(
        &self,
        of: &FileUpload<'_>,
        mut pieces: Vec<Piece<'_>>,
    ) -> Result<Vec<StoredPart>, S3Error> {
        let mut parts = Vec::with_capacity(pieces.len());
        pieces.retain(|&(part, _)| {
            let agreed = of.earlier.agreed(part);
            let is_missing = agreed.is_none();
            parts.extend(agreed.map(|stored| self.not_sent(stored)));
            is_missing
        });
        // A refused copy shows before anything is sent for it.
        pieces.sort_by_key(|(_, source)| source.is_none());
        let brought: Vec<_> = stream::iter(pieces.chunks(TOGETHER))
            .map(|pieces| self.bring_together(of, pieces))
            .buffer_unordered(self.in_flight().div_ceil(TOGETHER) + 1)
            .try_collect()
            .await?;
        parts.extend(brought.into_iter().flatten());
        Ok(parts)
    }

    /// Brings one or two parts: two are hashed together, if both are to be sent and have one size.
    async fn bring_together(
        &self,
        of: &FileUpload<'_>,
        pieces: &[Piece<'_>],
    ) -> Result<Vec<StoredPart>, S3Error> {
        let mut payloads = match *pieces {
            [(one, None), (other, None)] if one.size == other.size => {
                let reading = self.read_both(of.file, [one, other]);
                self.unhurried(of, reading).await?.map(Some)
            }
            _ => [None, None],
        }
        .into_iter();
        let bringing = |&piece| self.bring_part(of, piece, payloads.next().flatten());
        try_join_all(pieces.iter().map(bringing)).await
    }

    /// Brings one part: copied from its source, or sent, unless the store has it.
    ///
    /// It is read for that, unless there is its payload already.
    async fn bring_part(
        &self,
        of: &FileUpload<'_>,
        (part, source): Piece<'_>,
        payload: Option<Payload>,
    ) -> Result<StoredPart, S3Error> {
        self.link.heed(self.brief(of)).await?;
        let stored = match source {
            Some(source) => self.not_sent(self.copy_part(of, part, source).await?),
            None => self.send_unless_held(of, part, payload).await?,
        };
        if let Some(journal) = of.journal {
            journal.take(Taken::of(&stored)).await;
        }
        Ok(stored)
    }

    async fn send_unless_held(
        &self,
        of: &FileUpload<'_>,
        part: Part,
        payload: Option<Payload>,
    ) -> Result<StoredPart, S3Error> {
        let payload = match payload {
            Some(payload) => payload,
            None => self.unhurried(of, self.read(of.file, part)).await?,
        };
        of.earlier.check(part, &payload)?;
        match of.earlier.held(part, &payload, self.link.cancel_token).await {
            Some(stored) => Ok(self.not_sent(stored)),
            None => self.send_part(&of.upload, part.number, &payload, of.cancel_policy()).await,
        }
    }

    /// Reads or hashes for a part; when a signal ends that, others that are under way have their moment.
    pub(crate) async fn unhurried<T>(
        &self,
        of: &FileUpload<'_>,
        reading: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, S3Error> {
        let result = reading.await;
        if let Err(S3Error::Cancelled(_)) = &result {
            self.link.heed(self.brief(of)).await?;
        }
        result
    }

    fn brief(&self, of: &FileUpload<'_>) -> Call<'_> {
        Call { cancel_policy: of.cancel_policy(), ..self.link.short("UploadPart") }
    }

    /// Tells of a part that is there without having moved from here.
    fn not_sent(&self, stored: StoredPart) -> StoredPart {
        (self.link.events)(Event::Moved(stored.size.cast_signed()));
        stored
    }

    /// Hashes bytes of a file, which are read again when they are sent unless it is small.
    pub(crate) async fn read(&self, file: &OpenFile, part: Part) -> Result<Payload, S3Error> {
        let (file, cancel) = (file.clone(), self.link.cancel_token.cancel().clone());
        if let Some(bytes) = file.small() {
            return Ok(Payload::new(bytes.clone(), self.hashing()));
        }
        let mut hasher = PayloadHasher::new(self.hashing());
        let hash = move || {
            file.read_through(part, &cancel, |piece| hasher.update(piece))?;
            Ok(hasher.finish(Content::of_file(file, part)))
        };
        self.link.cancel_token.run_blocking_cancellable(hash).await?
    }

    /// Hashes two parts of one size like [`Self::read`], which takes less time than one after the other.
    async fn read_both(&self, file: &OpenFile, parts: [Part; 2]) -> Result<[Payload; 2], S3Error> {
        let (file, cancel) = (file.clone(), self.link.cancel_token.cancel().clone());
        let mut hasher = PairHasher::new(self.hashing());
        let hash = move || {
            file.read_through_all(parts, &cancel, |pieces| hasher.update(pieces))?;
            Ok(hasher.finish(parts.map(|part| Content::of_file(file.clone(), part))))
        };
        self.link.cancel_token.run_blocking_cancellable(hash).await?
    }
}
