//! An object in parts: how they are listed, copied, completed and confirmed.

use aws_sdk_s3::{
    operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};

use super::{
    finding::Finding,
    probe::{CONTENT, ProbeObject, conditions, conditions_finding},
};
use crate::{
    cancel::Cancelled,
    s3::{
        error::request_error::RequestError,
        object::{
            checksum::{Algorithm, Sum, md5, multipart_etag},
            proof::Proof,
            response::{Upload, unquoted},
            text::StoreText,
        },
        request::{pages::Pages, read::checksum_of},
        store::capabilities::Conditions,
        upload::copy_part::source_name,
    },
    units::count,
};

/// A part that was stored.
struct Stored {
    etag: String,
    confirmed: bool,
}

impl ProbeObject<'_> {
    /// Returns how well an object in parts is proven; nothing if there can be none.
    pub(super) async fn multipart(&self) -> Result<Option<Proof>, Cancelled> {
        let begun = match self.begin_with_part().await? {
            Ok(begun) => begun,
            Err(failure) => {
                let advice = "nothing larger than one part can be put";
                self.run.report_failure("multipart", &failure, advice);
                return Ok(None);
            }
        };
        self.copy(&begun.0).await?;
        self.list(&begun.0).await?;
        let (upload, part) = begun;
        let completed = match self.complete(&upload, &part).await? {
            Ok(completed) => completed,
            Err(failure) => {
                let advice = "nothing larger than one part can be put";
                self.run.report_failure("multipart", &failure, advice);
                return Ok(None);
            }
        };
        let proof = self.proof(&completed, &part);
        self.report(Finding::ok("multipart", format!("works, with proof {proof}")));
        self.guarded_completion().await?;
        Ok(Some(proof))
    }

    fn checksum(&self) -> Option<String> {
        let capabilities = self.capabilities.get().checksums == Some(true);
        capabilities.then(|| Sum::of(Algorithm::Crc64Nvme, CONTENT).checksum().value)
    }

    /// Begins an upload and stores its first part.
    async fn begin_with_part(&self) -> Result<Result<(Upload, Stored), RequestError>, Cancelled> {
        let (uri, checksum) = (&self.parts, self.checksum());
        let with = checksum.is_some();
        let created = self
            .run
            .ask("CreateMultipartUpload", |client| {
                let request = client.create_multipart_upload().bucket(&uri.bucket).key(&uri.key);
                request
                    .set_checksum_algorithm(with.then_some(ChecksumAlgorithm::Crc64Nvme))
                    .set_checksum_type(with.then_some(ChecksumType::FullObject))
                    .send()
            })
            .await?;
        let id = match created {
            Ok(output) => output.upload_id().unwrap_or_default().into(),
            Err(failure) => return Ok(Err(failure)),
        };
        let upload = Upload { uri: uri.clone(), id };
        self.uploads.borrow_mut().push(upload.clone());
        let sent = self
            .run
            .ask("UploadPart", |client| {
                let request = client.upload_part().bucket(&uri.bucket).key(&uri.key);
                request
                    .upload_id(upload.id.as_sent())
                    .part_number(1)
                    .set_checksum_crc64_nvme(checksum.clone())
                    .body(ByteStream::from_static(CONTENT))
                    .send()
            })
            .await?;
        Ok(sent.map(|output| {
            let confirmed = with && output.checksum_crc64_nvme() == checksum.as_deref();
            (upload, Stored { etag: unquoted(output.e_tag()).unwrap_or_default(), confirmed })
        }))
    }

    /// Lets the store copy the other probe as the second part.
    async fn copy(&self, upload: &Upload) -> Result<(), Cancelled> {
        let source = source_name(&self.whole);
        let copied = self
            .run
            .ask("UploadPartCopy", |client| {
                let request = client.upload_part_copy().copy_source(&source).part_number(2);
                let uri = &upload.uri;
                request.bucket(&uri.bucket).key(&uri.key).upload_id(upload.id.as_sent()).send()
            })
            .await?;
        // A store that does not know it takes it for a part without content.
        let copied =
            copied.map(|output| output.copy_part_result.is_some_and(|part| part.e_tag.is_some()));
        let passes = copied.as_ref().is_err_and(|failure| failure.error_kind.is_transient());
        let is_small = copied.as_ref().is_err_and(is_of_size);
        let is_confirmed = !passes && !is_small;
        self.record(|capabilities| {
            capabilities.copies = is_confirmed.then_some(matches!(copied, Ok(true)));
        });
        self.report(match copied {
            Err(failure) if passes => {
                Finding::warn("copy", format!("not found out: {failure}"), None)
            }
            Err(_) if is_small => {
                Finding::ok("copy", "not found out: the store copies nothing as small as a probe")
            }
            Ok(true) => Finding::ok("copy", "UploadPartCopy works: only what changed is sent"),
            Ok(false) => Finding::warn("copy", "UploadPartCopy copies nothing", None),
            Err(failure) => {
                let message = format!("UploadPartCopy does not work ({failure}): all is sent");
                Finding::warn("copy", message, None)
            }
        });
        Ok(())
    }

    /// Lists the parts one by one, as a resumed upload of thousands needs it.
    async fn list(&self, upload: &Upload) -> Result<(), Cancelled> {
        let mut marker = None;
        let mut listed = Vec::new();
        let mut pages = Pages::default();
        loop {
            let page = self
                .run
                .ask("ListParts", |client| {
                    let request = client.list_parts().max_parts(1).upload_id(upload.id.as_sent());
                    let request = request.set_part_number_marker(marker.clone());
                    request.bucket(&upload.uri.bucket).key(&upload.uri.key).send()
                })
                .await?;
            let page = match page {
                Ok(page) => page,
                Err(failure) => {
                    let message =
                        format!("does not work ({failure}): `resume` goes by its journal");
                    self.report(Finding::warn("list parts", message, None));
                    return Ok(());
                }
            };
            listed.extend(page.parts().iter().map(|part| part.e_tag().is_some()));
            let next = page.next_part_number_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
            match pages.next("ListParts", next, &[listed.len()]) {
                Ok(next) => marker = Some(next),
                Err(_) => break,
            }
        }
        let expected = if self.capabilities.get().copies == Some(true) { 2 } else { 1 };
        self.report(if listed.len() < expected {
            let message = format!("{} of {} in the list", listed.len(), count(expected, "part"));
            Finding::warn("list parts", format!("{message}: `resume` sends the rest again"), None)
        } else if listed.contains(&false) {
            Finding::warn("list parts", "parts have no ETag: `resume` sends them again", None)
        } else {
            Finding::ok("list parts", "works, page by page")
        });
        Ok(())
    }

    /// Makes an object of the first part; only a key that is free may be taken.
    async fn complete(
        &self,
        upload: &Upload,
        part: &Stored,
    ) -> Result<Result<CompleteMultipartUploadOutput, RequestError>, Cancelled> {
        let checksum = self.checksum();
        let completed = CompletedPart::builder()
            .part_number(1)
            .e_tag(format!("\"{}\"", part.etag))
            .set_checksum_crc64_nvme(checksum.clone())
            .build();
        let parts = CompletedMultipartUpload::builder().parts(completed).build();
        let refused = self.capabilities.get().conditions == Some(Conditions::Refused);
        let uri = &upload.uri;
        self.made.borrow_mut().push((uri.clone(), None));
        let done = self
            .run
            .ask("CompleteMultipartUpload", |client| {
                let request = client.complete_multipart_upload().bucket(&uri.bucket).key(&uri.key);
                request
                    .upload_id(upload.id.as_sent())
                    .multipart_upload(parts.clone())
                    .set_checksum_crc64_nvme(checksum.clone())
                    .set_checksum_type(checksum.is_some().then_some(ChecksumType::FullObject))
                    .set_if_none_match((!refused).then(|| "*".to_owned()))
                    .send()
            })
            .await?;
        if let Ok(output) = &done {
            self.uploads.borrow_mut().retain(|pending| pending.id != upload.id);
            let version = output.version_id().map(StoreText::from);
            self.made.borrow_mut().extend(version.map(|version| (uri.clone(), Some(version))));
        }
        Ok(done)
    }

    fn proof(&self, completed: &CompleteMultipartUploadOutput, part: &Stored) -> Proof {
        let is_md5 = unquoted(completed.e_tag())
            == Some(multipart_etag(std::slice::from_ref(&md5(CONTENT))));
        let whole = checksum_of!(completed, completed.checksum_type());
        let ours = self.checksum();
        if ours.is_some() && whole.map(|checksum| checksum.value) == ours {
            Proof::Full
        } else if part.confirmed {
            Proof::Parts
        } else if is_md5 {
            Proof::Etag
        } else {
            Proof::Size
        }
    }

    /// Completes a second upload to the key that is taken now.
    async fn guarded_completion(&self) -> Result<(), Cancelled> {
        if self.capabilities.get().conditions == Some(Conditions::Refused) {
            return Ok(());
        }
        let done = match self.begin_with_part().await? {
            Ok((upload, part)) => self.complete(&upload, &part).await?.map(|_| ()),
            Err(failure) => Err(failure),
        };
        let found = conditions(done.as_ref().copied());
        self.report(conditions_finding("if-none-match on parts", found, done.as_ref().err()));
        // Both kinds of writes are needed, and the worse one counts.
        if matches!(found, Some(Conditions::Ignored | Conditions::Refused)) {
            self.record(|capabilities| capabilities.conditions = found);
        }
        Ok(())
    }
}

/// Returns whether only the size of what was to be copied is refused: garage takes no less than a part.
fn is_of_size(failure: &RequestError) -> bool {
    failure.code() == "EntityTooSmall" || failure.message.contains("too small")
}
