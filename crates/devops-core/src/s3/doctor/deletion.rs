//! Deletes what the probes left, which also shows what these credentials can destroy.

use std::collections::BTreeSet;

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;

use super::{finding::Finding, probe::ProbeObject};
use crate::s3::{
    error::request_error::{RequestError, RequestErrorKind},
    object::{
        text::{StoreText, as_sent},
        uri::S3Uri,
    },
};

impl ProbeObject<'_> {
    /// Removes every upload, object and version of the probes.
    pub(super) async fn clear(&self) {
        let context = &self.run.context;
        // Without a signal the requests have deadlines of their own.
        let late = async {
            context.cancel_token.requested().await;
            tokio::time::sleep(context.store.retry_config().after_signal.probes).await;
        };
        tokio::select! {
            biased;
            () = self.clear_all() => {}
            () = late => self.report(left_behind(&self.whole, "there was no time to delete it")),
        }
    }

    async fn clear_all(&self) {
        let uploads = self.uploads.borrow().clone();
        for upload in &uploads {
            if let Err(failure) = self.run.context.abort(upload).await {
                let why = format!("its upload is unfinished: {failure}");
                self.report(left_behind(&upload.uri, &why));
            }
        }
        let made = self.made.borrow().clone();
        let with_version =
            |key: &str| made.iter().any(|(uri, version)| uri.key == key && version.is_some());
        let plain: BTreeSet<&str> = made.iter().map(|(uri, _)| uri.key.as_str()).collect();
        let plain = plain.into_iter().filter(|key| !with_version(key));
        let kept = self.delete_versions(&made).await;
        self.delete_keys(plain.chain(kept.iter().map(String::as_str))).await;
    }

    /// Deletes versions for good; returns the keys of those that stay.
    async fn delete_versions(&self, made: &[(S3Uri, Option<StoreText>)]) -> BTreeSet<String> {
        let mut kept = BTreeSet::new();
        let mut outcome = None;
        for (uri, version) in made.iter().filter(|(_, version)| version.is_some()) {
            let deleted = self.delete(uri, version.clone()).await;
            if deleted.is_err() {
                kept.insert(uri.key.clone());
            }
            outcome = Some(deleted.err().or(outcome.flatten()));
        }
        // Some stores name a version where there is only ever one.
        let has_versions = self.run.keeps_versions.get() != Some(false);
        if let Some(refused) = outcome.filter(|_| has_versions) {
            self.report(version_deletion(refused.as_ref()));
        }
        kept
    }

    /// Deletes keys; where versions are kept, that only hides them.
    async fn delete_keys(&self, keys: impl Iterator<Item = &str>) {
        let mut outcome = None;
        for key in keys {
            let uri = self.whole.with_key(key);
            let refused = self.delete(&uri, None).await.err();
            if let Some(failure) = &refused {
                self.report(left_behind(&uri, &failure.to_string()));
            }
            outcome = Some(refused.or(outcome.flatten()));
        }
        if let Some(refused) = outcome {
            self.report(deletion(refused.as_ref()));
        }
    }

    async fn delete(
        &self,
        uri: &S3Uri,
        version: Option<StoreText>,
    ) -> Result<DeleteObjectOutput, RequestError> {
        self.run
            .ask_to_the_end("DeleteObject", |client| {
                let request = client.delete_object().bucket(&uri.bucket).key(&uri.key);
                request.set_version_id(as_sent(version.as_ref())).send()
            })
            .await
    }
}

fn left_behind(uri: &S3Uri, why: &str) -> Finding {
    let message = format!("`{uri}` is left behind: {why}");
    Finding::warn("clean", message, "delete it with credentials that may")
}

fn deletion(refused: Option<&RequestError>) -> Finding {
    match refused {
        None => Finding::ok("delete", "allowed: `rm` and `prune` work"),
        Some(failure) if failure.error_kind == RequestErrorKind::Denied => {
            Finding::ok("delete", "not allowed: objects are safe from these credentials")
        }
        Some(failure) => Finding::warn("delete", format!("does not work: {failure}"), None),
    }
}

fn version_deletion(refused: Option<&RequestError>) -> Finding {
    match refused {
        None => Finding::warn(
            "delete versions",
            "allowed: who has these credentials can delete backups for good",
            "deny s3:DeleteObjectVersion here, or lock objects with --lock-mode",
        ),
        Some(_) => {
            Finding::ok("delete versions", "not allowed: versions are safe from these credentials")
        }
    }
}
