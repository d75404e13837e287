//! One multipart upload: its parts, its completion, and its removal when anything goes wrong.

use std::time::Duration;

use bytes::Bytes;

use super::{
    S3Error, blocking,
    event::Event,
    failure::{CallFailure, Trouble},
    link::{Call, Link, StopPolicy},
    payload::Payload,
    plan::Part,
    proof::{Sent, StoredPart},
    put::Task,
    requests::Upload,
    settle::{Settled, Write, confirm, resolve},
    source::OpenFile,
};

/// A person who pressed Ctrl-C waits for this; an upload that cannot be removed in it is named.
const TIME_TO_ABORT: Duration = Duration::from_secs(10);

/// How often an upload is aborted: a part that was on its way may bring it back to life.
const ABORTS: usize = 3;

impl Task<'_> {
    /// Reads one part of a file, hashes it and sends it.
    pub(crate) async fn send_file_part(
        &self,
        upload: &Upload,
        file: &OpenFile,
        part: Part,
    ) -> Result<StoredPart, S3Error> {
        let payload = self.read(file, part).await?;
        self.send_part(upload, part.number, payload).await
    }

    /// Reads and hashes bytes of a file.
    pub(crate) async fn read(&self, file: &OpenFile, part: Part) -> Result<Payload, S3Error> {
        let store = self.link.store;
        let mut buffer = store.buffers().take(part.size).await;
        let (file, protection, plain_http) = (file.clone(), self.protection, store.is_plain_http());
        blocking(move || {
            file.read(part, buffer.bytes_mut())?;
            Ok(Payload::new(buffer.freeze(), protection, plain_http))
        })
        .await
    }

    /// Hashes bytes and sends them as a part.
    pub(crate) async fn send_bytes(
        &self,
        upload: &Upload,
        number: u32,
        bytes: Bytes,
    ) -> Result<StoredPart, S3Error> {
        let payload = self.hash(bytes).await;
        self.send_part(upload, number, payload).await
    }

    pub(crate) async fn hash(&self, bytes: Bytes) -> Payload {
        let (protection, plain_http) = (self.protection, self.link.store.is_plain_http());
        blocking(move || Payload::new(bytes, protection, plain_http)).await
    }

    async fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
    ) -> Result<StoredPart, S3Error> {
        let (part, answer) = self.link.upload_part(upload, number, &payload).await?;
        if let (Some(ours), Some(theirs)) = (&part.sum, answer.checksum)
            && ours.checksum() != theirs
        {
            let (expected, found) = (ours.checksum().to_string(), theirs.to_string());
            return Err(S3Error::Mismatch { uri: upload.uri.clone(), expected, found });
        }
        (self.link.events)(Event::Part {
            uri: upload.uri.clone(),
            number,
            size: part.size,
            attempts: part.attempts,
        });
        Ok(part)
    }

    /// Makes the parts into an object and confirms it.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        mut parts: Vec<StoredPart>,
    ) -> Result<(Sent, Settled), S3Error> {
        parts.sort_by_key(|part| part.number);
        let sent = Sent::of_parts(parts);
        let settled = match self.link.complete(upload, &sent, self.guarded).await {
            Ok(answer) => confirm(&self.link, &upload.uri, &sent, &answer).await?,
            Err(failure) if leaves_open(&failure) => {
                let write = Write { id: &self.id, sent: &sent, upload_id: Some(&upload.id) };
                resolve(&self.link, &upload.uri, write, failure).await?
            }
            Err(failure) => return Err(failure.into()),
        };
        Ok((sent, settled))
    }

    /// Begins an upload, and removes it again unless `work` makes an object of it.
    pub(crate) async fn with_upload<W>(
        &self,
        work: impl FnOnce(Upload) -> W,
    ) -> Result<(Sent, Settled), S3Error>
    where
        W: Future<Output = Result<(Sent, Settled), S3Error>>,
    {
        let upload = self.link.create_upload(self.uri, self.protection, self.marked()).await?;
        match work(upload.clone()).await {
            // Same content under another mark: ours was not needed.
            Ok((sent, settled)) => {
                if settled.outcome == super::event::Outcome::Unchanged {
                    self.link.abort(&upload).await.ok();
                }
                Ok((sent, settled))
            }
            // The completion may still be at work, and a completed object is not the upload's any more.
            Err(error @ (S3Error::Uncertain { .. } | S3Error::ProofTooWeak { .. })) => Err(error),
            Err(error) => match self.link.abort(&upload).await {
                Ok(()) => Err(error),
                Err(_failure) => Err(S3Error::LeftBehind {
                    uri: upload.uri,
                    upload_id: upload.id,
                    source: Box::new(error),
                }),
            },
        }
    }
}

/// Returns whether a completion that failed like this may have happened.
fn leaves_open(failure: &CallFailure) -> bool {
    match failure.trouble {
        // A signal ends the upload; removing it cannot harm an object that is complete.
        Trouble::Interrupted(_) => false,
        // The answer to an earlier attempt was lost.
        Trouble::NoUpload | Trouble::Exists => true,
        _ => failure.trouble.is_ambiguous(),
    }
}

impl Link<'_> {
    /// Removes a multipart upload, parts that are still on their way included; a signal does not end it.
    pub(crate) async fn abort(&self, upload: &Upload) -> Result<(), CallFailure> {
        let abort = async {
            for _ in 0..ABORTS {
                match self.abort_once(upload).await {
                    Err(failure) if failure.trouble == Trouble::NoUpload => return Ok(()),
                    Err(failure) if failure.trouble == Trouble::NoObject => return Ok(()),
                    Err(failure) => return Err(failure),
                    Ok(()) if !self.has_parts(upload).await => return Ok(()),
                    Ok(()) => {}
                }
            }
            Err(CallFailure::local("AbortMultipartUpload", Trouble::Broken, "parts keep coming"))
        };
        match tokio::time::timeout(TIME_TO_ABORT, abort).await {
            Ok(result) => result,
            Err(_late) => {
                let message = "no answer in time";
                Err(CallFailure::local("AbortMultipartUpload", Trouble::Broken, message))
            }
        }
    }

    async fn abort_once(&self, upload: &Upload) -> Result<(), CallFailure> {
        let send = |client: aws_sdk_s3::Client| {
            let request = client.abort_multipart_upload();
            request.bucket(&upload.uri.bucket).key(&upload.uri.key).upload_id(&upload.id).send()
        };
        let call = Call { stop: StopPolicy::Never, ..self.short("AbortMultipartUpload") };
        self.call(call, send).await.map(|_| ())
    }

    /// Returns whether the upload still has parts, as far as the store tells.
    async fn has_parts(&self, upload: &Upload) -> bool {
        let send = |client: aws_sdk_s3::Client| {
            let request = client.list_parts().max_parts(1);
            request.bucket(&upload.uri.bucket).key(&upload.uri.key).upload_id(&upload.id).send()
        };
        let call = Call { stop: StopPolicy::Never, retry: false, ..self.short("ListParts") };
        match self.call(call, send).await {
            Ok((output, _)) => !output.parts().is_empty(),
            Err(_) => false,
        }
    }
}
