//! Lets what was restored reach the disk.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::AsFd,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{fsync, syncfs};

use crate::{
    archive::format::stat::FileId,
    fs::{DirHandle, parent},
};

/// Up to so many files and folders are synced one by one: to sync a whole disk may take seconds when other
/// programs write to it.
const FEW: usize = 16;

/// The files and folders that are not on the disk yet.
pub(super) struct Unsynced(Mutex<Option<Few>>);

/// A few files, and the folders that hold a new name. The files stay open.
#[derive(Default)]
struct Few {
    files: Vec<File>,
    folders: BTreeMap<FileId, Arc<DirHandle>>,
}

impl Unsynced {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Few::default())))
    }

    /// Takes in a file that is whole.
    pub(super) fn file(&self, file: File) {
        self.add(|few| few.files.push(file));
    }

    /// Takes in a folder in which something has changed.
    pub(super) fn folder(&self, folder: &Arc<DirHandle>) {
        self.add(|few| _ = few.folders.insert(folder.id, Arc::clone(folder)));
    }

    fn add(&self, add: impl FnOnce(&mut Few)) {
        let mut some = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(few) = &mut *some {
            add(few);
            if few.files.len() + few.folders.len() > FEW {
                *some = None;
            }
        }
    }

    /// Syncs what was taken in; all of the file system below `root` if it is more than a few.
    pub(super) fn sync(&self, root: &DirHandle) -> io::Result<()> {
        let few = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Few { files, folders }) = few else { return Ok(syncfs(root.as_fd())?) };
        files.iter().try_for_each(File::sync_all)?;
        folders.values().try_for_each(|folder| sync_folder(folder))
    }
}

/// Syncs a folder; on a file system that cannot, its names are as safe as they get.
fn sync_folder(folder: &DirHandle) -> io::Result<()> {
    match fsync(folder.as_fd()) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(()),
        synced => Ok(synced?),
    }
}

/// Syncs the folders above a new one; those that may not be read were there before.
pub(super) fn sync_above(folder: &Path) {
    let mut path = folder;
    while parent(path) != path {
        path = parent(path);
        let _synced = crate::fs::sync_folder(path);
        if path == Path::new(".") {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn no_more_than_a_few_files_stay_open() {
        let dir = tempfile::tempdir().unwrap();
        let unsynced = Unsynced::new();
        let open = || File::open(dir.path()).unwrap();
        for _ in 0..FEW {
            unsynced.file(open());
        }
        let highest = open().as_raw_fd();

        for _ in 0..FEW {
            unsynced.file(open());
        }

        assert!(open().as_raw_fd() < highest);
        let root = DirHandle::reach(dir.path()).unwrap();
        unsynced.sync(&root).unwrap();
    }
}
