//! Objects that are stored to see what the store makes of them.

use std::cell::{Cell, RefCell};

use aws_sdk_s3::{
    operation::put_object::PutObjectOutput,
    primitives::{ByteStream, ByteStreamError},
    types::{ChecksumMode, ObjectAttributes, ServerSideEncryption},
};

use super::{
    doctor_run::DoctorRun,
    finding::{Diagnosis, Finding},
};
use crate::{
    cancel::Cancelled,
    s3::{
        error::request_error::{RequestError, RequestErrorKind},
        object::{
            checksum::{Algorithm, Checksum, Sum, base64, hex, md5},
            proof::Proof,
            response::{Upload, unquoted},
            text::StoreText,
            uri::S3Uri,
        },
        request::read::checksum_of,
        store::{
            capabilities::{Capabilities, Conditions},
            retry_policy::random,
        },
    },
};

/// The content of probes, which says what they are if one is left behind.
pub(super) const CONTENT: &[u8] = b"stored by `devops-s3push doctor`; this object can be deleted\n";

/// Stores objects of its own, and deletes them.
pub(super) struct ProbeObject<'a> {
    pub(super) run: &'a DoctorRun<'a>,
    /// The object in one piece.
    pub(super) whole: S3Uri,
    /// The object in parts.
    pub(super) parts: S3Uri,
    /// The objects to delete: keys, each with the version if the store named one.
    pub(super) made: RefCell<Vec<(S3Uri, Option<StoreText>)>>,
    pub(super) uploads: RefCell<Vec<Upload>>,
    pub(super) capabilities: Cell<Capabilities>,
}

/// How a probe is put.
#[derive(Clone, Default)]
pub(super) struct ProbePut {
    checksum: Option<Checksum>,
    md5: bool,
    guarded: bool,
    encrypted: bool,
}

impl ProbePut {
    pub(super) fn encrypted(encrypted: bool) -> Self {
        Self { encrypted, ..Self::default() }
    }

    fn with(algorithm: Algorithm) -> Self {
        Self { checksum: Some(Sum::of(algorithm, CONTENT).checksum()), ..Self::default() }
    }
}

impl<'a> ProbeObject<'a> {
    pub(super) fn new(run: &'a DoctorRun<'a>) -> Self {
        let prefix = run.options.prefix;
        let key = format!("{}.devops-s3push-doctor-{:016x}", prefix.key, random());
        let uri = |key: String| prefix.with_key(key);
        Self {
            run,
            parts: uri(format!("{key}-parts")),
            whole: uri(key),
            made: RefCell::default(),
            uploads: RefCell::default(),
            capabilities: Cell::default(),
        }
    }

    /// Tries everything, and deletes what that left.
    pub(super) async fn run(self) -> Result<Diagnosis, Cancelled> {
        let tried = self.try_all().await;
        self.clear().await;
        let proof = tried?;
        Ok(Diagnosis { capabilities: self.capabilities.get(), proof, failed: None })
    }

    async fn try_all(&self) -> Result<Option<Proof>, Cancelled> {
        let Some(single) = self.put().await? else { return Ok(None) };
        for algorithm in [Algorithm::Crc32c, Algorithm::Sha256] {
            self.other_checksum(algorithm).await?;
        }
        self.wrong_checksum().await?;
        self.condition().await?;
        let single = single.max(self.head().await?);
        self.get().await?;
        self.attributes().await?;
        self.encryption().await?;
        let in_parts = self.multipart().await?;
        self.report_responses();
        let proof = in_parts.map_or(single, |in_parts| single.min(in_parts));
        let capabilities = self.capabilities.get();
        Ok(Some(match (capabilities.compares_checksums, capabilities.etag_is_md5) {
            (Some(false), Some(true)) => proof.min(Proof::Etag),
            (Some(false), _) => Proof::Size,
            _ => proof,
        }))
    }

    pub(super) fn report(&self, finding: Finding) {
        self.run.report(finding);
    }

    pub(super) fn record(&self, change: impl FnOnce(&mut Capabilities)) {
        let mut capabilities = self.capabilities.get();
        change(&mut capabilities);
        self.capabilities.set(capabilities);
    }

    pub(super) async fn store(
        &self,
        put: ProbePut,
    ) -> Result<Result<PutObjectOutput, RequestError>, Cancelled> {
        let uri = &self.whole;
        // It may be carried out without an answer.
        self.made.borrow_mut().push((uri.clone(), None));
        let value = |algorithm| {
            let checksum = put.checksum.as_ref().filter(|sum| sum.algorithm == algorithm)?;
            Some(checksum.value.clone())
        };
        let stored = self
            .run
            .ask("PutObject", |client| {
                let request = client.put_object().bucket(&uri.bucket).key(&uri.key);
                request
                    .body(ByteStream::from_static(CONTENT))
                    .set_checksum_crc64_nvme(value(Algorithm::Crc64Nvme))
                    .set_checksum_crc32_c(value(Algorithm::Crc32c))
                    .set_checksum_sha256(value(Algorithm::Sha256))
                    .set_content_md5(put.md5.then(|| base64(&md5(CONTENT))))
                    .set_if_none_match(put.guarded.then(|| "*".to_owned()))
                    .set_server_side_encryption(
                        put.encrypted.then_some(ServerSideEncryption::Aes256),
                    )
                    .send()
            })
            .await?;
        if let Some(version) = stored.as_ref().ok().and_then(PutObjectOutput::version_id) {
            self.made.borrow_mut().push((uri.clone(), Some(version.into())));
        }
        Ok(stored)
    }

    /// Puts the probe with the usual checksum; without one where the store does not know it.
    async fn put(&self) -> Result<Option<Proof>, Cancelled> {
        let put = ProbePut::with(Algorithm::Crc64Nvme);
        match self.store(put.clone()).await? {
            Ok(output) => {
                self.record(|capabilities| capabilities.checksums = Some(true));
                let returned = checksum_of!(output, output.checksum_type()) == put.checksum;
                self.report(Finding::ok(
                    "crc64nvme",
                    if returned {
                        "taken and confirmed"
                    } else {
                        "taken, not confirmed by the answer"
                    },
                ));
                self.md5().await?;
                Ok(Some(if returned { Proof::Full } else { Proof::Size }))
            }
            Err(failure) if failure.error_kind == RequestErrorKind::Denied => {
                let advice = "allow s3:PutObject below this prefix, or name another prefix";
                self.run.report_failure("put", &failure, advice);
                Ok(None)
            }
            Err(failure) => {
                if self.md5().await? {
                    // A failure that passes says nothing of the next week.
                    let lasts = !failure.error_kind.is_transient();
                    self.record(|capabilities| capabilities.checksums = lasts.then_some(false));
                    let message = if lasts {
                        format!("not taken ({failure}): puts go with Content-MD5 instead")
                    } else {
                        format!("not found out: {failure}")
                    };
                    self.report(Finding::warn("crc64nvme", message, None));
                    Ok(Some(Proof::Size))
                } else {
                    let advice = "no put will work; ask the store's operator";
                    self.run.report_failure("put", &failure, advice);
                    Ok(None)
                }
            }
        }
    }

    async fn md5(&self) -> Result<bool, Cancelled> {
        let stored = self.store(ProbePut { md5: true, ..ProbePut::default() }).await?;
        self.report(match &stored {
            Ok(_) => Finding::ok("content-md5", "taken"),
            Err(failure) => Finding::warn("content-md5", format!("not taken: {failure}"), None),
        });
        Ok(stored.is_ok())
    }

    async fn other_checksum(&self, algorithm: Algorithm) -> Result<(), Cancelled> {
        let put = ProbePut::with(algorithm);
        let name = algorithm.name();
        self.report(match self.store(put.clone()).await? {
            Ok(output) if checksum_of!(output, output.checksum_type()) == put.checksum => {
                Finding::ok(name, "taken and confirmed")
            }
            Ok(_) => Finding::ok(name, "taken, not confirmed by the answer"),
            Err(failure) => {
                let message = format!("--checksum {name} does not work: {failure}");
                Finding::warn(name, message, None)
            }
        });
        Ok(())
    }

    /// A store that takes a wrong checksum only repeats what it hears.
    async fn wrong_checksum(&self) -> Result<(), Cancelled> {
        if self.capabilities.get().checksums != Some(true) {
            return Ok(());
        }
        let value = base64(&[0; 8]);
        let checksum = Some(Checksum { algorithm: Algorithm::Crc64Nvme, value });
        let stored = self.store(ProbePut { checksum, ..ProbePut::default() }).await?;
        let compares = match &stored {
            Ok(_) => Some(false),
            Err(failure) => refuses(failure).then_some(true),
        };
        self.record(|capabilities| capabilities.compares_checksums = compares);
        self.report(match stored {
            Ok(_) => {
                let message = "taken: the store repeats checksums without comparing them";
                let advice = "puts go with Content-MD5, and checksums count for nothing here";
                Finding::warn("wrong checksum", message, advice)
            }
            Err(_) if compares == Some(true) => {
                Finding::ok("wrong checksum", "refused, so the store does compare")
            }
            Err(failure) => {
                Finding::warn("wrong checksum", format!("not found out: {failure}"), None)
            }
        });
        // Later checks look at the object; here it is again as it was.
        self.store(ProbePut::with(Algorithm::Crc64Nvme)).await?.ok();
        Ok(())
    }

    async fn condition(&self) -> Result<(), Cancelled> {
        // Where the condition is ignored, this is what later checks look at.
        let usual = self.capabilities.get().checksums == Some(true);
        let put = if usual { ProbePut::with(Algorithm::Crc64Nvme) } else { ProbePut::default() };
        let stored = self.store(ProbePut { guarded: true, ..put }).await?;
        let conditions = conditions(stored.as_ref().map(|_| ()));
        self.record(|capabilities| capabilities.conditions = conditions);
        self.report(conditions_finding("if-none-match", conditions, stored.as_ref().err()));
        Ok(())
    }

    /// Tells what was left out of answers, if anything was.
    fn report_responses(&self) {
        let interceptor = self.run.context.store.interceptor();
        if interceptor.saw_echo() {
            let message = "the headers of requests come back: what answers say of checksums, encryption, locks and classes counts for nothing";
            self.report(Finding::warn("answers", message, None));
        }
        if interceptor.saw_wrong_length() {
            let message = "wrong in answers: such checksums say nothing of the bytes";
            let advice = "Content-MD5 goes with what is put, and ETags prove it";
            self.report(Finding::warn("checksum length", message, advice));
        }
    }

    /// Returns how well the answer to HEAD proves the probe.
    async fn head(&self) -> Result<Proof, Cancelled> {
        let uri = &self.whole;
        let head = self
            .run
            .ask("HeadObject", |client| {
                let request = client.head_object().bucket(&uri.bucket).key(&uri.key);
                request.checksum_mode(ChecksumMode::Enabled).send()
            })
            .await?;
        let output = match head {
            Ok(output) => output,
            Err(failure) => {
                let message = format!("does not work ({failure}): what is there is not compared");
                let advice = "allow s3:GetObject, so that the same content is not sent again";
                self.report(Finding::warn("head", message, advice));
                return Ok(Proof::Size);
            }
        };
        let shown = checksum_of!(output, output.checksum_type());
        let checksum = shown.as_ref().map_or_else(|| "no checksum".to_owned(), ToString::to_string);
        self.report(Finding::ok("head", format!("allowed, and tells {checksum}")));
        let is_md5 = unquoted(output.e_tag()) == Some(hex(&md5(CONTENT)));
        self.record(|capabilities| capabilities.etag_is_md5 = Some(is_md5));
        let keys = output.server_side_encryption() == Some(&ServerSideEncryption::AwsKms);
        self.report(Finding::ok(
            "etag",
            match (is_md5, keys) {
                (true, _) => "the MD5 of the content",
                (false, true) => "no MD5, because a key service encrypts: it proves nothing",
                (false, false) => "no MD5: it proves nothing",
            },
        ));
        let is_ours = |checksum: Checksum| {
            checksum.is_full() && Sum::of(checksum.algorithm, CONTENT).checksum() == checksum
        };
        Ok(match (shown.is_some_and(is_ours), is_md5) {
            (true, _) => Proof::Full,
            (false, true) => Proof::Etag,
            (false, false) => Proof::Size,
        })
    }

    async fn get(&self) -> Result<(), Cancelled> {
        let uri = &self.whole;
        let got = self
            .run
            .ask("GetObject", |client| client.get_object().bucket(&uri.bucket).key(&uri.key).send())
            .await?;
        let content = match got {
            Err(failure) => {
                let message = format!("does not work: {failure}");
                let advice = "`get` and `verify --deep` need s3:GetObject";
                self.report(Finding::warn("get", message, advice));
                return Ok(());
            }
            Ok(output) => beginning(output.body).await,
        };
        self.report(match content {
            Ok(bytes) if bytes == CONTENT => Finding::ok("get", "gives what was put"),
            Ok(_) => Finding::fail("get", "gives something else than was put", None),
            Err(error) => Finding::warn("get", format!("interrupted: {error}"), None),
        });
        Ok(())
    }

    async fn attributes(&self) -> Result<(), Cancelled> {
        let uri = &self.whole;
        let response = self
            .run
            .ask("GetObjectAttributes", |client| {
                let request = client.get_object_attributes().bucket(&uri.bucket).key(&uri.key);
                request.object_attributes(ObjectAttributes::Checksum).send()
            })
            .await?;
        self.report(match response {
            Ok(_) => Finding::ok("attributes", "GetObjectAttributes works"),
            Err(failure) => {
                let message =
                    format!("GetObjectAttributes does not work ({failure}): `verify` has to do without parts");
                Finding::warn("attributes", message, None)
            }
        });
        Ok(())
    }
}

/// Reads an answer as far as it could be what was put, and one piece more.
async fn beginning(mut body: ByteStream) -> Result<Vec<u8>, ByteStreamError> {
    let mut bytes = Vec::new();
    while bytes.len() <= CONTENT.len()
        && let Some(more) = body.next().await
    {
        bytes.extend_from_slice(&more?);
    }
    Ok(bytes)
}

/// Returns whether a failure is about the bytes, and not about the way to the store.
fn refuses(failure: &RequestError) -> bool {
    matches!(
        failure.error_kind,
        RequestErrorKind::Damaged | RequestErrorKind::Rejected | RequestErrorKind::ChecksumRefused
    )
}

/// Returns how a conditional write to a key that is taken was treated.
pub(super) fn conditions(stored: Result<(), &RequestError>) -> Option<Conditions> {
    match stored.map_err(|failure| &failure.error_kind) {
        Ok(()) => Some(Conditions::Ignored),
        Err(RequestErrorKind::Exists) => Some(Conditions::Honoured),
        Err(RequestErrorKind::ConditionRefused | RequestErrorKind::Rejected) => {
            Some(Conditions::Refused)
        }
        Err(_) => None,
    }
}

pub(super) fn conditions_finding(
    check: &'static str,
    conditions: Option<Conditions>,
    failure: Option<&RequestError>,
) -> Finding {
    let another = "what another writer puts at the same moment could be overwritten";
    match conditions {
        Some(Conditions::Honoured) => {
            Finding::ok(check, "honoured: a key that is taken is refused")
        }
        Some(Conditions::Ignored) => {
            let advice = "let no two writers use the same keys";
            Finding::warn(check, format!("ignored: {another}"), advice)
        }
        Some(Conditions::Refused) => Finding::warn(
            check,
            format!("not known: {another}"),
            "let no two writers use the same keys",
        ),
        None => {
            let failure = failure.map(ToString::to_string).unwrap_or_default();
            Finding::warn(check, format!("not found out: {failure}"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_is_not_looked_at_shows_by_success() {
        let after = |error_kind| conditions(Err(&RequestError::local("PutObject", error_kind, "")));

        assert_eq!(conditions(Ok(())), Some(Conditions::Ignored));
        assert_eq!(after(RequestErrorKind::Exists), Some(Conditions::Honoured));
        assert_eq!(after(RequestErrorKind::ConditionRefused), Some(Conditions::Refused));
        assert_eq!(after(RequestErrorKind::Server), None);
    }
}
