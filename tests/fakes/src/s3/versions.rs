//! Versions, delete markers and locks, for buckets that keep them.

use std::time::SystemTime;

use hyper::header::{HeaderName, HeaderValue};
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion},
    s3_error,
};

use super::{
    digest::strong,
    object::{Bucket, Earlier, Keeping, StoredObject},
};

/// The number of entries a page has at most.
const PAGE: i32 = 1000;

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// The version that was made or removed.
    pub(crate) version_id: Option<String>,
    /// Is set if that is a delete marker.
    pub(crate) is_marker: bool,
}

/// Returns what a store answers to a read of a delete marker.
fn no_content() -> S3Error {
    let message = "The specified method is not allowed against this resource.";
    let mut error = S3Error::with_message(S3ErrorCode::MethodNotAllowed, message);
    let headers = [("x-amz-delete-marker", "true")]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    error.set_headers(headers.into_iter().collect());
    error
}

impl Bucket {
    fn new_version(&mut self) -> String {
        self.n_versions += 1;
        format!("version-{}", self.n_versions)
    }

    /// Stores an object under a key, over another one or as its next version.
    pub(crate) fn store(&mut self, key: &str, mut object: StoredObject) -> Option<String> {
        let id = self.is_versioned.then(|| self.new_version());
        object.attributes.keeping.version_id.clone_from(&id);
        let before = self.objects.insert(key.to_owned(), object);
        if let Some(before) = before.filter(|_| self.is_versioned) {
            self.earlier.entry(key.to_owned()).or_default().push(Earlier::Object(Box::new(before)));
        }
        id
    }

    /// Deletes what a key has, or one version.
    pub(crate) fn delete(
        &mut self,
        key: &str,
        version: Option<&str>,
        bypass: bool,
    ) -> S3Result<Deletion> {
        match version {
            Some(version) => self.delete_version(key, version, bypass),
            None if self.is_versioned => {
                let id = self.new_version();
                let before = self.objects.remove(key).map(|before| Earlier::Object(before.into()));
                let marker = Earlier::Marker { id: id.clone(), modified: SystemTime::now() };
                self.earlier
                    .entry(key.to_owned())
                    .or_default()
                    .extend(before.into_iter().chain([marker]));
                Ok(Deletion { version_id: Some(id), is_marker: true })
            }
            None => {
                self.objects.remove(key);
                Ok(Deletion { version_id: None, is_marker: false })
            }
        }
    }

    fn delete_version(&mut self, key: &str, version: &str, bypass: bool) -> S3Result<Deletion> {
        let mut is_marker = false;
        let current =
            self.objects.get(key).filter(|object| object.attributes.keeping.id() == version);
        if let Some(current) = current {
            current.attributes.keeping.refuse_if_locked(bypass)?;
            self.objects.remove(key);
        } else if let Some(earlier) = self.earlier.get_mut(key)
            && let Some(at) = earlier.iter().position(|earlier| earlier.id() == version)
        {
            match &earlier[at] {
                Earlier::Object(object) => object.attributes.keeping.refuse_if_locked(bypass)?,
                Earlier::Marker { .. } => is_marker = true,
            }
            earlier.remove(at);
        }
        self.promote(key);
        Ok(Deletion { version_id: Some(version.to_owned()), is_marker })
    }

    /// Makes the version before the one that went what the key has.
    fn promote(&mut self, key: &str) {
        let Some(earlier) = self.earlier.get_mut(key) else { return };
        if !self.objects.contains_key(key)
            && let Some(Earlier::Object(object)) =
                earlier.pop_if(|last| matches!(last, Earlier::Object(_)))
        {
            self.objects.insert(key.to_owned(), *object);
        }
        if earlier.is_empty() {
            self.earlier.remove(key);
        }
    }

    /// Returns what a key has, or one version of it.
    pub(crate) fn find(&self, key: &str, version: Option<&str>) -> S3Result<&StoredObject> {
        let missing = || s3_error!(NoSuchKey, "The specified key does not exist.");
        let current = self.objects.get(key);
        let Some(version) = version else { return current.ok_or_else(missing) };
        let mut earlier = self.earlier.get(key).into_iter().flatten();
        match earlier.find(|earlier| earlier.id() == version) {
            Some(Earlier::Object(object)) => Ok(object),
            Some(Earlier::Marker { .. }) => Err(no_content()),
            None => current
                .filter(|object| object.attributes.keeping.id() == version)
                .ok_or_else(missing),
        }
    }

    /// Changes what is known of a version.
    pub(crate) fn keeping(&mut self, key: &str, version: Option<&str>) -> S3Result<&mut Keeping> {
        let missing = || s3_error!(NoSuchKey, "The specified key does not exist.");
        let current = self.objects.get_mut(key).map(|object| &mut object.attributes.keeping);
        let Some(version) = version else { return current.ok_or_else(missing) };
        let earlier = self.earlier.get_mut(key).into_iter().flatten();
        let earlier = earlier.filter_map(|earlier| match earlier {
            Earlier::Object(object) => Some(&mut object.attributes.keeping),
            Earlier::Marker { .. } => None,
        });
        earlier.chain(current).find(|keeping| keeping.id() == version).ok_or_else(missing)
    }

    /// Returns the versions, by key and then from the newest to the oldest.
    pub(crate) fn versions(&self) -> Vec<Listed> {
        let mut keys: Vec<&String> = self.objects.keys().chain(self.earlier.keys()).collect();
        keys.sort();
        keys.dedup();
        let of = |key: &String| {
            let current = self.objects.get(key).map(|object| Listed::object(key, object));
            let earlier = self.earlier.get(key).into_iter().flatten().rev();
            let earlier = earlier.map(|earlier| match earlier {
                Earlier::Object(object) => Listed::object(key, object),
                Earlier::Marker { id, modified } => Listed {
                    key: key.clone(),
                    id: id.clone(),
                    modified: *modified,
                    object: None,
                    is_latest: false,
                },
            });
            let mut versions: Vec<Listed> = current.into_iter().chain(earlier).collect();
            versions[0].is_latest = true;
            versions
        };
        keys.into_iter().flat_map(of).collect()
    }
}

/// An entry of a listing of versions; a delete marker has no object.
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) id: String,
    modified: SystemTime,
    /// Its size and `ETag`.
    pub(crate) object: Option<(usize, String)>,
    is_latest: bool,
}

impl Listed {
    fn object(key: &str, object: &StoredObject) -> Self {
        Self {
            key: key.to_owned(),
            id: object.attributes.keeping.id().to_owned(),
            modified: object.modified,
            object: Some((object.size(), object.etag.clone())),
            is_latest: false,
        }
    }
}

/// Returns a page of `ListObjectVersions`.
pub(crate) fn page(bucket: &Bucket, input: &ListObjectVersionsInput) -> ListObjectVersionsOutput {
    let prefix = input.prefix.clone().unwrap_or_default();
    let n = usize::try_from(input.max_keys.unwrap_or(PAGE).clamp(1, PAGE)).expect("clamped");
    let all = bucket.versions();
    let from = match (&input.key_marker, &input.version_id_marker) {
        (Some(key), Some(id)) => all
            .iter()
            .position(|listed| listed.key == *key && listed.id == *id)
            .map_or(0, |at| at + 1),
        (Some(key), None) => all.iter().take_while(|listed| listed.key <= *key).count(),
        (None, _) => 0,
    };
    let mut matching = all.into_iter().skip(from).filter(|listed| listed.key.starts_with(&prefix));
    let page: Vec<Listed> = matching.by_ref().take(n).collect();
    let more = matching.next().is_some();
    let last = page.last().filter(|_| more);
    let mut output = ListObjectVersionsOutput {
        is_truncated: Some(more),
        name: Some(input.bucket.clone()),
        next_key_marker: last.map(|listed| listed.key.clone()),
        next_version_id_marker: last.map(|listed| listed.id.clone()),
        prefix: Some(prefix),
        ..ListObjectVersionsOutput::default()
    };
    for listed in page {
        let (key, id) = (Some(listed.key), Some(listed.id));
        let (is_latest, modified) = (Some(listed.is_latest), Some(listed.modified.into()));
        match listed.object {
            Some((size, etag)) => output.versions.get_or_insert_default().push(ObjectVersion {
                e_tag: Some(strong(&etag)),
                is_latest,
                key,
                last_modified: modified,
                size: i64::try_from(size).ok(),
                version_id: id,
                ..ObjectVersion::default()
            }),
            None => output.delete_markers.get_or_insert_default().push(DeleteMarkerEntry {
                is_latest,
                key,
                last_modified: modified,
                version_id: id,
                ..DeleteMarkerEntry::default()
            }),
        }
    }
    output
}
