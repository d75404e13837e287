//! Buckets, objects and multipart uploads, kept in memory and, if asked, written to a folder.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use s3s::{S3Result, s3_error};

use super::{
    object::{Attributes, Bucket, StoredObject},
    options::Options,
    sync::lock,
};

pub(crate) struct Store {
    buckets: Mutex<BTreeMap<String, Bucket>>,
    dir: Option<PathBuf>,
    restores_take: Option<Duration>,
    next_upload: AtomicU64,
}

impl Store {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let names = options.buckets.iter();
        let mut buckets: BTreeMap<_, _> =
            names.map(|name| (name.clone(), Bucket::default())).collect();
        if let Some(dir) = &options.dir {
            load(dir, &mut buckets)?;
        }
        Ok(Self {
            buckets: Mutex::new(buckets),
            dir: options.dir.clone(),
            restores_take: options.restores_take,
            next_upload: AtomicU64::new(1),
        })
    }

    pub(crate) fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        lock(&self.buckets)
    }

    /// Returns how long a restoration takes, unless it ends only when it is told to.
    pub(crate) fn restores_take(&self) -> Option<Duration> {
        self.restores_take
    }

    /// Runs `work` on a bucket that exists.
    pub(crate) fn with<T>(
        &self,
        bucket: &str,
        work: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        match self.buckets().get_mut(bucket) {
            Some(bucket) => work(bucket),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }

    pub(crate) fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let is_empty = self.with(name, |bucket| Ok(bucket.objects.is_empty()))?;
        if !is_empty {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        self.buckets().remove(name);
        Ok(())
    }

    pub(crate) fn new_upload_id(&self) -> String {
        format!("upload-{}", self.next_upload.fetch_add(1, Ordering::Relaxed))
    }

    /// Writes an object that became visible to the folder, if there is one.
    pub(crate) fn mirror(&self, bucket: &str, key: &str, object: &StoredObject) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let relative = Path::new(key);
        if !relative.components().all(|part| matches!(part, Component::Normal(_)))
            || key.ends_with('/')
        {
            return Ok(());
        }
        let path = dir.join(bucket).join(relative);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        object.pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.persist(path)?;
        Ok(())
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<StoredObject> {
        self.buckets().get(bucket)?.objects.get(key).cloned()
    }

    pub(crate) fn put_foreign(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let object = StoredObject::of_bytes(Bytes::copy_from_slice(bytes), Attributes::default());
        self.buckets().entry(bucket.to_owned()).or_default().store(key, object);
    }

    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let buckets = self.buckets();
        buckets
            .get(bucket)
            .map(|bucket| bucket.objects.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn pending_uploads(&self, bucket: &str) -> usize {
        self.buckets().get(bucket).map_or(0, |bucket| bucket.uploads.len())
    }
}

fn load(dir: &Path, buckets: &mut BTreeMap<String, Bucket>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            load_folder(&entry.path(), "", buckets.entry(name).or_default())?;
        }
    }
    Ok(())
}

fn load_folder(folder: &Path, prefix: &str, bucket: &mut Bucket) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            load_folder(&entry.path(), &format!("{key}/"), bucket)?;
        } else {
            let mut bytes = Vec::new();
            io::copy(&mut File::open(entry.path())?, &mut bytes)?;
            bucket.objects.insert(key, StoredObject::of_bytes(bytes.into(), Attributes::default()));
        }
    }
    Ok(())
}
