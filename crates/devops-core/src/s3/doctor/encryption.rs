//! Tests server-side encryption with a small object.

use super::{
    finding::Finding,
    probe::{ProbeObject, ProbePut},
};
use crate::{
    cancel::Cancelled,
    s3::object::{
        attributes::{Attributes, Encryption, Method},
        protection::{Feature, encryption_given},
    },
};

impl ProbeObject<'_> {
    /// Puts the probe so that it is to be encrypted, with the customer's key where there is one, and compares what
    /// the store says of it.
    pub(super) async fn encryption(&self) -> Result<(), Cancelled> {
        let context = self.run.context;
        let has_key = context.wanted(&Attributes::default()).key_md5.is_some();
        let method = (!has_key).then_some(Encryption { method: Method::Store, key_id: None });
        let attributes = Attributes { encryption: method, ..Attributes::default() };
        let wanted = context.wanted(&attributes);
        let asked = if has_key { "--sse-c-key-file" } else { "--sse AES256" };
        let mut lacking = match self.store(ProbePut::encrypted(!has_key)).await? {
            Ok(output) => wanted.lacking(&encryption_given!(output)),
            Err(failure) => {
                let message = format!("`{asked}` does not work: {failure}");
                self.report(Finding::warn("sse", message, None));
                return Ok(());
            }
        };
        // Some stores tell it there alone.
        if !lacking.is_empty()
            && let Ok(Some(head)) = context.head(&self.whole).await
        {
            lacking = wanted.lacking(&head.given);
        }
        self.report(if lacking.into_iter().any(Feature::is_encryption) {
            let message = format!("`{asked}` is ignored: what is put is stored in clear");
            let advice = "`devops-backup --recipient` encrypts before anything is put";
            Finding::warn("sse", message, advice)
        } else {
            self.record(|capabilities| capabilities.encrypts.note(&wanted));
            Finding::ok("sse", format!("`{asked}` is confirmed"))
        });
        Ok(())
    }
}
