//! The upload that a journal is about.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::super::options::PutOptions;
use crate::s3::{
    error::operation::UnfinishedName,
    object::{checksum::hex, path_serde, text::StoreText, uri::S3Uri},
    plan::parts::{Part, PartPlan},
    request::source_file::FileState,
    store::options::ConnectOptions,
};

/// The format of the file; a journal of another one is not taken up.
pub(crate) const VERSION: u32 = 1;

/// A file that is being sent: where to, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub(crate) version: u32,
    /// The time its upload was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub begun: OffsetDateTime,
    /// The file.
    #[serde(with = "path_serde")]
    pub path: PathBuf,
    /// The object.
    pub uri: S3Uri,
    /// The store.
    pub store: ConnectOptions,
    /// The options of the upload, with the size of its parts.
    pub options: PutOptions,
    pub(crate) state: FileState,
}

/// An upload that can be taken up.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The file and the object.
    pub job: Job,
    /// The store's name for its multipart upload; a stream that was spooled may have none yet.
    pub upload_id: Option<StoreText>,
}

impl Job {
    pub(crate) fn new(
        (path, state): (PathBuf, FileState),
        (uri, store): (S3Uri, ConnectOptions),
        options: PutOptions,
        begun: OffsetDateTime,
    ) -> Self {
        Self { version: VERSION, begun, path, uri, store, options, state }
    }

    /// Returns the file and the object, for an error.
    pub(crate) fn name(&self) -> UnfinishedName {
        UnfinishedName { path: self.path.clone(), uri: self.uri.clone() }
    }

    /// Returns the name that this host has for it: the same for the same file, object and store.
    pub fn id(&self) -> String {
        id_of(&self.store, &self.uri, &self.path)
    }

    /// Returns whether it is about to put this object into that store.
    pub(crate) fn is_for(&self, uri: &S3Uri, store: &ConnectOptions) -> bool {
        self.uri == *uri && endpoint(&self.store) == endpoint(store)
    }

    /// Returns the parts that it was to be sent in.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let plan = PartPlan::of_file(self.size(), self.options.part_size);
        plan.map_or_else(|_| Vec::new(), |plan| plan.parts().collect())
    }

    /// Returns how many bytes the file has.
    pub fn size(&self) -> u64 {
        self.state.size
    }
}

pub(crate) fn endpoint(store: &ConnectOptions) -> &str {
    store.endpoint_url.as_deref().unwrap_or_default().trim_end_matches('/')
}

/// Returns a short name for a file and the object in a store that it is to be.
pub(crate) fn id_of(store: &ConnectOptions, uri: &S3Uri, path: &Path) -> String {
    let words = [
        endpoint(store).as_bytes(),
        uri.bucket.as_bytes(),
        uri.key.as_bytes(),
        path.as_os_str().as_bytes(),
    ];
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word);
        hasher.update([0]);
    }
    hex(&hasher.finalize()[..ID_BYTES])
}

/// The bytes of a hash that name a job: enough for a million jobs, short enough to type.
pub(crate) const ID_BYTES: usize = 6;
