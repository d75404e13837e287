//! One object on its way: what is sent for it, in which order.

use super::{
    attributes::Attributes,
    checksum::Sum,
    checksum_strategy::Protection,
    condition::Condition,
    error::S3Error,
    failure::Trouble,
    file_upload::FileUpload,
    journal::Begun,
    layout::Layout,
    link::Link,
    payload::{Hashing, Payload},
    plan::PartPlan,
    proof::Sent,
    protection::Given,
    put_options::{OverwritePolicy, PutOptions},
    response::Upload,
    retry::random,
    settle::{Settled, Write, confirm, resolve},
    source::OpenFile,
    text::StoreText,
    uri::S3Uri,
};

/// One object on its way.
#[derive(Clone)]
pub(crate) struct Task<'a> {
    pub(crate) link: Link<'a>,
    pub(crate) uri: &'a S3Uri,
    pub(crate) attributes: &'a Attributes,
    /// The mark by which the upload knows its own object.
    pub(crate) id: String,
    pub(crate) protection: Protection,
    /// What the write itself demands of the key.
    pub(crate) condition: Condition,
    /// What was found there, whether the store knows such demands or not.
    pub(crate) found: Condition,
}

/// Returns a mark that no other upload has.
pub(crate) fn new_mark() -> String {
    format!("{:016x}{:016x}", random(), random())
}

impl<'a> Task<'a> {
    pub(crate) fn new(link: Link<'a>, uri: &'a S3Uri, options: &'a PutOptions) -> Self {
        let protection = match options.checksum {
            Some(algorithm) if link.store.knows_checksums() => Protection::Checksum(algorithm),
            Some(_) => Protection::Md5,
            None => Protection::Nothing,
        };
        let task = Self {
            link,
            uri,
            attributes: &options.attributes,
            id: new_mark(),
            protection,
            condition: Condition::None,
            found: Condition::None,
        };
        match options.replace {
            OverwritePolicy::Overwrite => task,
            OverwritePolicy::Refuse | OverwritePolicy::IfChanged => task.demanding(Condition::Free),
        }
    }

    /// Lets the write itself demand something of the key, if the store knows such writes.
    pub(crate) fn demanding(self, condition: Condition) -> Self {
        let is_known = self.link.store.knows_conditions();
        let found = condition.clone();
        Self { condition: if is_known { condition } else { Condition::None }, found, ..self }
    }

    /// Takes over how an earlier run began, if one did.
    pub(crate) fn going_on_with(self, begun: Option<&Begun>) -> Self {
        match begun {
            Some(begun) => Self { id: begun.mark.clone(), protection: begun.protection, ..self },
            None => self,
        }
    }

    /// Returns what a later run has to know to go on with an upload.
    pub(crate) fn begun(&self, upload: &Upload, layout: &Layout) -> Begun {
        let (upload_id, mark) = (upload.id.clone(), self.id.clone());
        let composition = layout.composition().cloned();
        Begun { upload_id, mark, protection: self.protection, composition }
    }

    /// Returns what is hashed of the bytes that are sent next.
    pub(crate) fn hashing(&self) -> Hashing {
        let store = self.link.store;
        let with_md5 = store.confirms_nothing();
        Hashing { protection: self.protection, with_md5, plain_http: store.is_plain_http() }
    }

    /// Returns what goes into the request that begins an object.
    pub(crate) fn marked(&self) -> (&Attributes, &str) {
        (self.attributes, &self.id)
    }

    /// Returns what is known of a write, to find out what became of it.
    pub(crate) fn write<'w>(
        &'w self,
        sent: &'w Sent,
        upload_id: Option<&'w StoreText>,
    ) -> Write<'w> {
        let wanted = self.link.wanted(self.attributes);
        Write { id: &self.id, sent, upload_id, wanted, is_new: self.found == Condition::Free }
    }

    pub(crate) async fn put_single(
        &self,
        file: &OpenFile,
        plan: PartPlan,
    ) -> Result<(Sent, Settled), S3Error> {
        if self.found != Condition::Free {
            self.prove_protection(&Given::default()).await?;
        }
        let part = plan.parts().next().expect("a plan has a part");
        let payload = self.read(file, part).await?;
        file.check_unchanged()?;
        let is_checked = payload.sum.is_some() || file.small().is_some();
        let done = self.put_payload(payload).await?;
        // Nothing else would tell that the bytes are of two states of the file.
        if !is_checked {
            file.check_unchanged()?;
        }
        Ok(done)
    }

    pub(crate) async fn put_payload(&self, payload: Payload) -> Result<(Sent, Settled), S3Error> {
        match self.link.put_object(self.uri, &payload, self.marked(), &self.condition).await {
            Ok((part, answer)) => {
                self.link.store.note_confirmed(&part);
                let sent = Sent::single(part);
                let write = self.write(&sent, None);
                let settled = confirm(&self.link, self.uri, write, &answer).await?;
                Ok((sent, settled))
            }
            // A body that broke off here was not carried out there.
            Err(failure) if payload.content.has_failed() && !failure.is_after_lost_answer => {
                Err(payload.content.take_failure().expect("it has failed"))
            }
            Err(failure) if failure.trouble == Trouble::Exists || failure.may_have_happened() => {
                let checksum = payload.sum.as_ref().map(Sum::checksum);
                let sent = Sent::unanswered(payload.size(), checksum);
                let write = self.write(&sent, None);
                let settled = resolve(&self.link, self.uri, write, failure).await?;
                Ok((sent, settled))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Sends the missing parts of a file and completes its upload.
    pub(crate) async fn bring_all(
        &self,
        work: &FileUpload<'_>,
        layout: &Layout,
    ) -> Result<(Sent, Settled), S3Error> {
        let parts = self.bring_parts(work, layout.pieces()).await?;
        work.file.check_unchanged()?;
        let completed = self.complete(&work.upload, parts).await;
        if layout.is_composed() { completed.map_err(unequal_parts) } else { completed }
    }

    /// Returns how many parts are prepared or sent at once: those on the way, and the next ones.
    pub(crate) fn in_flight(&self) -> usize {
        self.link.store.concurrency() + 2
    }
}

/// Some stores want all parts but the last alike, and say so only at the end.
fn unequal_parts(error: S3Error) -> S3Error {
    match error {
        S3Error::Call(mut failure) if failure.trouble == Trouble::Rejected => {
            failure.trouble = Trouble::CopyRefused;
            S3Error::Call(failure)
        }
        other => other,
    }
}
