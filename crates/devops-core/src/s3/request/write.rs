//! The requests of S3 that write objects, each in the smallest form.

use std::cell::Cell;

use aws_sdk_s3::{
    Client,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};

use super::{
    context::{CancelPolicy, RequestOptions, S3Context},
    payload::{Payload, signed},
    read::checksum_of,
    stall_detector::StallDetector,
};
use crate::s3::{
    error::{
        parse_response::id_of_unread,
        request_error::{RequestError, RequestErrorKind},
    },
    object::{
        attributes::{Attributes, with_attributes},
        checksum::{Algorithm, Sum},
        checksum_strategy::ChecksumStrategy,
        precondition::Precondition,
        proof::UploadedObject,
        protection::{Given, encryption_given},
        response::{StoredPart, Upload, WriteResponse, unquoted},
        text::StoreText,
        uri::S3Uri,
    },
};

/// Reads the answer to a write.
macro_rules! answer_of {
    ($output:expr, $version:expr, $kind:expr, $given:expr) => {
        WriteResponse {
            etag: unquoted($output.e_tag()),
            checksum: checksum_of!($output, $kind),
            version_id: $version.map(StoreText::from),
            given: $given,
        }
    };
}

/// Sets the checksum header of the payload's algorithm.
macro_rules! with_checksum {
    ($request:expr, $value:expr) => {{
        let value = $value;
        $request
            .set_checksum_crc64_nvme(value(Algorithm::Crc64Nvme))
            .set_checksum_crc32_c(value(Algorithm::Crc32c))
            .set_checksum_sha256(value(Algorithm::Sha256))
    }};
}

/// The form of a completion: with or without checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Their checksums and their size.
    Checked,
    /// No more than which parts there are, as before S3 knew those.
    Plain,
}

impl S3Context<'_> {
    /// Stores an object in one request.
    pub(crate) async fn put_object(
        &self,
        uri: &S3Uri,
        payload: &Payload,
        (attributes, id): (&Attributes, &str),
        precondition: &Precondition,
    ) -> Result<(StoredPart, WriteResponse), RequestError> {
        let stall_detector = StallDetector::new(self.store.rate_limiter());
        let named = payload.algorithm().filter(|_| attributes.is_locked()).map(checksum_algorithm);
        let send = |client: Client| {
            let request = client.put_object().bucket(&uri.bucket).key(&uri.key);
            let request = with_attributes!(request, attributes, id)
                .set_if_none_match(precondition.if_none_match())
                .set_if_match(precondition.if_match())
                .set_content_md5(payload.content_md5())
                // A locked object must name it beside the checksum.
                .set_checksum_algorithm(named.clone())
                .body(payload.content.counted(&stall_detector));
            signed(
                with_checksum!(request, |algorithm| payload.value(algorithm)).customize(),
                payload,
            )
            .send()
        };
        let _permit = self.store.limiter().acquire().await;
        let (output, attempts) =
            self.execute(self.with_body("PutObject", &stall_detector, payload), send).await?;
        let given = encryption_given!(output);
        let response = answer_of!(output, output.version_id(), output.checksum_type(), given);
        Ok((payload.stored(1, response.clone(), attempts, self.cancel_token).await, response))
    }

    fn with_body<'a>(
        &self,
        operation: &'static str,
        stall_detector: &'a StallDetector,
        payload: &'a Payload,
    ) -> RequestOptions<'a> {
        RequestOptions {
            response_timeout: self.store.retry_config().body_response_timeout(),
            body: Some((stall_detector, payload.size())),
            content: Some(&payload.content),
            ..self.metadata_request(operation)
        }
    }

    /// Begins a multipart upload.
    pub(crate) async fn create_upload(
        &self,
        uri: &S3Uri,
        checksum_strategy: ChecksumStrategy,
        (attributes, id): (&Attributes, &str),
    ) -> Result<(Upload, Given), RequestError> {
        let algorithm = match checksum_strategy {
            ChecksumStrategy::Checksum(algorithm) => Some(algorithm),
            ChecksumStrategy::Md5 | ChecksumStrategy::Nothing => None,
        };
        let unread = Cell::new(None);
        let send = async |client: Client| {
            let request = client.create_multipart_upload().bucket(&uri.bucket).key(&uri.key);
            let request = with_attributes!(request, attributes, id)
                .set_checksum_algorithm(algorithm.map(checksum_algorithm))
                .set_checksum_type(algorithm.map(checksum_type));
            request.send().await.inspect_err(|error| unread.set(id_of_unread(error)))
        };
        let cancel_policy = CancelPolicy::AfterAMoment;
        let request = RequestOptions {
            cancel_policy,
            creates: true,
            ..self.metadata_request("CreateMultipartUpload")
        };
        let begun = self.execute(request, send).await;
        if let Some(id) = unread.take() {
            self.abort(&Upload { uri: uri.clone(), id: id.into() }).await.ok();
        }
        let (output, _) = begun?;
        match output.upload_id() {
            Some(id) => {
                let upload = Upload { uri: uri.clone(), id: id.into() };
                Ok((upload, encryption_given!(output)))
            }
            None => Err(RequestError::local(
                "CreateMultipartUpload",
                RequestErrorKind::Rejected,
                "no upload id",
            )),
        }
    }

    /// Stores one part.
    pub(crate) async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: &Payload,
        cancel_policy: CancelPolicy,
    ) -> Result<(StoredPart, WriteResponse), RequestError> {
        let stall_detector = StallDetector::new(self.store.rate_limiter());
        let send = |client: Client| {
            let request = client
                .upload_part()
                .bucket(&upload.uri.bucket)
                .key(&upload.uri.key)
                .upload_id(upload.id.as_sent())
                .part_number(number.cast_signed())
                .set_content_md5(payload.content_md5())
                .body(payload.content.counted(&stall_detector));
            signed(
                with_checksum!(request, |algorithm| payload.value(algorithm)).customize(),
                payload,
            )
            .send()
        };
        let _permit = self.store.limiter().acquire().await;
        let request = RequestOptions {
            cancel_policy,
            ..self.with_body("UploadPart", &stall_detector, payload)
        };
        let (output, attempts) = self.execute(request, send).await?;
        let response = answer_of!(output, None::<&str>, None, encryption_given!(output));
        Ok((payload.stored(number, response.clone(), attempts, self.cancel_token).await, response))
    }

    /// Makes the parts into an object.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        sent: &UploadedObject,
        precondition: &Precondition,
        form: Form,
    ) -> Result<WriteResponse, RequestError> {
        let is_checked = form == Form::Checked;
        // A type without a value is refused by garage, and the upload knows its type already.
        let full = sent.checksum.as_ref().filter(|sum| sum.is_full() && is_checked);
        // The checksum of the whole is enough, and some stores refuse a list that says more than it once did.
        let says_sums = is_checked && full.is_none();
        let parts = sent.parts.iter().map(|part| completed_part(part, says_sums));
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let whole = |algorithm| {
            let checksum = full?;
            (checksum.algorithm == algorithm).then(|| checksum.value.clone())
        };
        let kind = full.map(|checksum| checksum_type(checksum.algorithm));
        let ask = |client: Client| {
            let request = client
                .complete_multipart_upload()
                .bucket(&upload.uri.bucket)
                .key(&upload.uri.key)
                .upload_id(upload.id.as_sent())
                .multipart_upload(parts.clone())
                .set_checksum_type(kind.clone())
                .set_mpu_object_size(is_checked.then(|| sent.size.cast_signed()))
                .set_if_none_match(precondition.if_none_match())
                .set_if_match(precondition.if_match());
            with_checksum!(request, whole).send()
        };
        let request = RequestOptions {
            response_timeout: self.store.retry_config().completion(),
            cancel_policy: CancelPolicy::AfterAMoment,
            ..self.metadata_request("CompleteMultipartUpload")
        };
        let (output, _) = self.execute(request, ask).await?;
        let given = Given {
            encryption: output.server_side_encryption().cloned(),
            kms_key_id: output.ssekms_key_id().map(str::to_owned),
            ..Given::default()
        };
        Ok(answer_of!(output, output.version_id(), output.checksum_type(), given))
    }
}

fn completed_part(part: &StoredPart, says_sum: bool) -> CompletedPart {
    let checksum = part.sum.as_ref().filter(|_| says_sum).map(Sum::checksum);
    let value = |algorithm| {
        let checksum = checksum.as_ref().filter(|checksum| checksum.algorithm == algorithm)?;
        Some(checksum.value.clone())
    };
    let request = CompletedPart::builder()
        .part_number(part.number.cast_signed())
        .e_tag(format!("\"{}\"", part.etag));
    with_checksum!(request, value).build()
}

fn checksum_algorithm(algorithm: Algorithm) -> ChecksumAlgorithm {
    match algorithm {
        Algorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        Algorithm::Crc32c => ChecksumAlgorithm::Crc32C,
        Algorithm::Sha256 => ChecksumAlgorithm::Sha256,
    }
}

fn checksum_type(algorithm: Algorithm) -> ChecksumType {
    if algorithm.combines() { ChecksumType::FullObject } else { ChecksumType::Composite }
}
