//! Reads what a prune goes by: listings, first and last bytes of archives, locks.

use std::ffi::OsStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use time::{OffsetDateTime, UtcOffset};

use super::{
    Others,
    error::PruneError,
    request::PruneRequest,
    stored_archive::{ObjectDecision, Seen, StoredArchive},
};
use crate::{
    archive_index::{
        ArchiveName, Origin,
        age_file::{self, Flaw, LONGEST_HEADER},
        sniff::{FileSignature, SNIFF_LEN},
    },
    retention::Proof,
    s3::{
        DeleteTarget, ListedObject, ListedVersion, ObjectHold, PlannedRemoval, RequestError,
        RequestErrorKind, RetentionMode, S3Context, S3Error, S3Uri, VersionStatus, keeps_versions,
        list, list_versions,
    },
};

const REPLACED: &str = "it changed while this looked at it";

/// The inputs of a prune.
pub(super) struct Scan<'a> {
    pub(super) context: S3Context<'a>,
    pub(super) request: &'a PruneRequest,
}

/// The result of reading the first bytes and the size of an object.
pub(super) enum Start {
    Ours(Origin),
    Encrypted(Option<Flaw>),
    Gzip,
    Other,
}

impl Start {
    pub(super) fn read(bytes: &[u8], size: u64) -> Self {
        match FileSignature::read(bytes) {
            FileSignature::Ours(origin) => Self::Ours(origin),
            FileSignature::Encrypted => Self::Encrypted(age_file::flaw(bytes, size)),
            FileSignature::Gzip => Self::Gzip,
            FileSignature::Other => Self::Other,
        }
    }

    /// Returns whether this is a header that more than `n` bytes may show the end of.
    fn may_go_on(&self, n: u64) -> bool {
        matches!(self, Self::Encrypted(Some(Flaw::Header))) && n < LONGEST_HEADER
    }
}

/// An object with the name of an archive.
struct Found {
    name: ArchiveName,
    object: ListedObject,
    versions: Vec<PlannedRemoval>,
}

impl Scan<'_> {
    /// Returns all archives of the name, each with what its first bytes tell.
    pub(super) async fn archives(&self) -> Result<Vec<StoredArchive>, S3Error> {
        let found =
            if self.request.versions { self.versions().await? } else { self.objects().await? };
        let scan = stream::iter(found).map(async |found| self.archive(found).await);
        scan.buffered(self.context.store.concurrency()).try_collect().await
    }

    /// Fails if the folder has other things, though no archive of the name.
    pub(super) async fn refuse_others(&self) -> Result<(), PruneError> {
        let PruneRequest { folder, name, .. } = self.request;
        let others = Box::new(Others::find(self.context, folder).await?);
        if others.is_empty() {
            return Ok(());
        }
        Err(PruneError::NoSuchName { name: name.clone(), folder: folder.clone(), others })
    }

    pub(super) async fn keeps_versions(&self) -> Result<Option<bool>, S3Error> {
        keeps_versions(self.context, &self.request.folder.bucket).await
    }

    /// Returns the prefix of the keys of all archives of the name, and of some others.
    fn prefix(&self) -> S3Uri {
        let PruneRequest { folder, name, .. } = self.request;
        folder.with_key(format!("{}{name}-", folder.key))
    }

    /// Reads the name of an archive in the folder; others are none of ours.
    fn name_of(&self, uri: &S3Uri) -> Option<ArchiveName> {
        let file = uri.key.strip_prefix(&self.request.folder.key)?;
        let name = ArchiveName::parse(OsStr::new(file))?;
        (name.name == self.request.name).then_some(name)
    }

    async fn objects(&self) -> Result<Vec<Found>, S3Error> {
        let mut found = Vec::new();
        list(self.context, &self.prefix(), &mut |object| {
            if let Some(name) = self.name_of(&object.uri) {
                found.push(Found { name, object, versions: Vec::new() });
            }
            true
        })
        .await?;
        Ok(found)
    }

    async fn versions(&self) -> Result<Vec<Found>, S3Error> {
        let versions = list_versions(self.context, &self.prefix()).await?;
        let mut found = Vec::new();
        for of_key in versions.chunk_by(|a, b| a.target.uri == b.target.uri) {
            // What a marker hides was pruned or deleted before, and is nobody's to bring up again.
            let Some(latest) =
                of_key.iter().find(|version| version.is_latest && !version.is_marker)
            else {
                continue;
            };
            if let Some(name) = self.name_of(&latest.target.uri) {
                let versions = of_key.iter().rev().cloned().map(PlannedRemoval::from).collect();
                found.push(Found { name, object: object(latest), versions });
            }
        }
        Ok(found)
    }

    async fn archive(&self, found: Found) -> Result<StoredArchive, S3Error> {
        let Found { name, object, versions } = found;
        let start = self.beginning(&object).await?;
        let archive = archive_of(&name, object, start, self.request.now.offset());
        Ok(StoredArchive { versions, ..archive })
    }

    /// Reads the first bytes of an object, or says why they say nothing.
    async fn beginning(&self, object: &ListedObject) -> Result<Result<Start, String>, S3Error> {
        if let Some(class) = object.storage_class.as_ref().filter(|class| is_cold(class.as_sent()))
        {
            return Ok(Err(format!("it is in class {class}, where it cannot be read")));
        }
        if object.size == 0 {
            return Ok(Err("it is empty".to_owned()));
        }
        let n = object.size.min(SNIFF_LEN);
        match self.first_bytes(object, n).await? {
            Ok(start) if start.may_go_on(n) && n < object.size => {
                self.first_bytes(object, object.size.min(LONGEST_HEADER)).await
            }
            other => Ok(other),
        }
    }

    async fn first_bytes(
        &self,
        object: &ListedObject,
        n: u64,
    ) -> Result<Result<Start, String>, S3Error> {
        match self.context.get_range(&object.uri, object.etag.as_deref(), 0..n).await {
            Ok(bytes) => Ok(Ok(Start::read(bytes.as_ref(), object.size))),
            Err(failure) => unreadable(failure).map(Err),
        }
    }

    /// Lets what would go stay while a lock keeps it, and leaves locks alone that are long enough.
    pub(super) async fn heed_locks(&self, group: &mut [StoredArchive]) -> Result<(), S3Error> {
        let scan = stream::iter(group).map(|archive| self.heed_lock(archive));
        scan.buffered(self.context.store.concurrency()).try_collect().await
    }

    async fn heed_lock(&self, archive: &mut StoredArchive) -> Result<(), S3Error> {
        let goes = archive.decision == ObjectDecision::Remove;
        if !goes && archive.lock.is_none() {
            return Ok(());
        }
        let version_status = self.version_status(&archive.uri.clone().into()).await?;
        let Some(version_status) =
            version_status.filter(|version_status| archive.seen.is_of(version_status))
        else {
            archive.decision = ObjectDecision::Uncounted(REPLACED.to_owned());
            archive.lock = None;
            return Ok(());
        };
        archive.seen = Seen::from(&version_status);
        if goes {
            let mut hold = version_status.hold;
            for version in archive.versions.iter().filter(|version| !version.is_marker) {
                if hold.is_in_force(self.request.now) {
                    break;
                }
                hold = self
                    .version_status(&version.target)
                    .await?
                    .map_or(hold, |version_status| version_status.hold);
            }
            if hold.is_in_force(self.request.now) {
                archive.decision = ObjectDecision::KeepLocked(hold);
            }
        } else {
            archive.lock =
                archive.lock.and_then(|(mode, until)| extended(version_status.hold, mode, until));
        }
        Ok(())
    }

    async fn version_status(
        &self,
        target: &DeleteTarget,
    ) -> Result<Option<VersionStatus>, S3Error> {
        Ok(self.context.version_status(target).await?)
    }
}

/// Returns what the name, the size and the first bytes of an archive tell; midnight is that of `offset`.
pub(super) fn archive_of(
    name: &ArchiveName,
    object: ListedObject,
    start: Result<Start, String>,
    offset: UtcOffset,
) -> StoredArchive {
    let mut archive = StoredArchive {
        origin: None,
        series: None,
        is_encrypted: false,
        time: name.time_at(offset),
        size: object.size,
        decision: ObjectDecision::Remove,
        lock: None,
        seen: Seen { etag: object.etag, ..Seen::of(object.modified) },
        uri: object.uri,
        versions: Vec::new(),
        proof: Proof::Unproven { is_costly: false },
    };
    match start {
        Ok(Start::Ours(origin)) => {
            archive.time = origin.started;
            archive.origin = Some(origin);
        }
        Ok(Start::Encrypted(flaw)) => {
            archive.is_encrypted = true;
            archive.proof = match flaw {
                None => Proof::Proven,
                Some(flaw) => Proof::Uncounted(flaw.reason().to_owned()),
            };
        }
        Ok(Start::Gzip) => {}
        Ok(Start::Other) => {
            archive.proof = Proof::Uncounted("it is not an archive".to_owned());
        }
        Err(reason) => archive.proof = Proof::Uncounted(reason),
    }
    archive
}

/// Returns the lock that is to be put, unless there is one that lasts as long; the stronger mode stays.
fn extended(
    hold: ObjectHold,
    mode: RetentionMode,
    until: OffsetDateTime,
) -> Option<(RetentionMode, OffsetDateTime)> {
    match hold.lock {
        Some((_, lasts)) if lasts.unix_timestamp() >= until.unix_timestamp() => None,
        Some((RetentionMode::Compliance, _)) => Some((RetentionMode::Compliance, until)),
        Some((RetentionMode::Governance, _)) | None => Some((mode, until)),
    }
}

/// Returns why this object alone cannot be read, or passes on what concerns all.
pub(super) fn unreadable(failure: RequestError) -> Result<String, S3Error> {
    let is_cold = failure.code() == "InvalidObjectState";
    match failure.error_kind {
        _ if is_cold => Ok("it is in a class where it cannot be read".to_owned()),
        RequestErrorKind::Exists | RequestErrorKind::NoObject => Ok(REPLACED.to_owned()),
        _ => Err(failure.into()),
    }
}

fn is_cold(storage_class: &str) -> bool {
    matches!(storage_class, "GLACIER" | "DEEP_ARCHIVE")
}

fn object(version: &ListedVersion) -> ListedObject {
    ListedObject {
        uri: version.target.uri.clone(),
        size: version.size,
        modified: version.modified,
        etag: version.etag.clone(),
        storage_class: version.storage_class.clone(),
    }
}

impl Seen {
    fn of(modified: Option<OffsetDateTime>) -> Self {
        Self { modified: modified.map(OffsetDateTime::unix_timestamp), ..Self::default() }
    }

    /// Returns whether this is the object that was seen, as far as both know.
    pub(super) fn is_of(&self, version_status: &VersionStatus) -> bool {
        let other = Self::from(version_status);
        let version = self.version_id.is_none() || self.version_id == other.version_id;
        self.etag == other.etag && self.modified == other.modified && version
    }
}

impl From<&VersionStatus> for Seen {
    fn from(version_status: &VersionStatus) -> Self {
        Self {
            etag: version_status.etag.clone(),
            version_id: version_status.version_id.clone(),
            ..Self::of(version_status.modified)
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_lock_is_extended_and_neither_shortened_nor_weakened() {
        use RetentionMode::{Compliance, Governance};
        let (soon, later) = (datetime!(2026-12-01 00:00 UTC), datetime!(2027-01-01 00:00 UTC));
        let hold = |mode, until| ObjectHold { lock: Some((mode, until)), is_legal: false };

        assert_eq!(extended(ObjectHold::default(), Governance, soon), Some((Governance, soon)));
        assert_eq!(extended(hold(Governance, later), Compliance, soon), None);
        assert_eq!(extended(hold(Governance, soon), Compliance, soon), None);
        assert_eq!(extended(hold(Governance, soon), Compliance, later), Some((Compliance, later)));
        assert_eq!(extended(hold(Compliance, soon), Governance, later), Some((Compliance, later)));
    }
}
