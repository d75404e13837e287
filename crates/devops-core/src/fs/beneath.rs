//! Folders that must lie in another one, as those of a project do.

use std::{
    io,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use super::{
    DirHandle, OpenFolder, RootedDir,
    destination::refused,
    path_error::{IoResultExt, PathError},
    refusal::RefusedPath,
};

impl OpenFolder {
    /// Opens a folder; if `outer` is given, only one that lies in it.
    ///
    /// Links may lead to it. Once they are resolved it is reached from the handle of `outer`, and no
    /// link is followed. `outer` must have been opened by a path without links.
    pub fn open_within(path: &Path, outer: Option<&Self>) -> Result<Self, PathError> {
        let Some(outer) = outer else { return Self::open(path) };
        let dir = outer.below(path).and_then(|below| outer.root.folder(&below));
        Ok(Self::of(dir.at(path, "open")?, path))
    }

    /// Opens a folder as [`open_within`](Self::open_within) does; one that is missing is made.
    pub fn create_within(path: &Path, outer: Option<&Self>) -> Result<Self, PathError> {
        let Some(outer) = outer else { return Self::create(path) };
        let dir = outer.below(path).and_then(|below| outer.root.make(&below));
        Ok(Self::of(dir.at(path, "create the folder")?, path))
    }

    /// Returns the directory and the name of what a path leads to, which must lie in this folder.
    #[cfg(feature = "archive")]
    pub(crate) fn entry_within(&self, path: &Path) -> io::Result<super::DirEntryPath> {
        let below = self.below(path)?;
        match (below.parent(), below.file_name()) {
            (Some(above), Some(name)) => {
                Ok(super::DirEntryPath { dir: self.root.folder(above)?, name: name.to_owned() })
            }
            _ => Ok(self.entry(".")),
        }
    }

    fn of(dir: Arc<DirHandle>, path: &Path) -> Self {
        Self { root: Arc::new(RootedDir::new(dir)), path: path.to_owned() }
    }

    fn below(&self, path: &Path) -> io::Result<PathBuf> {
        let real = real_path(path)?;
        let below = real.strip_prefix(&self.path);
        below.map(Path::to_owned).map_err(|_| refused(RefusedPath::Outside))
    }
}

/// Resolves the part of a path that exists; refuses `..` in the rest.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let path = absolute(path)?;
    let mut missing = Vec::new();
    let mut known = path.as_path();
    loop {
        match known.canonicalize() {
            Ok(found) => {
                return Ok(missing.iter().rev().fold(found, |path, part| path.join(part)));
            }
            // A dangling symbolic link would be followed by the program that creates the file.
            Err(error) if known.symlink_metadata().is_ok() => return Err(error),
            Err(error) => {
                let (Some(name), Some(parent)) = (known.file_name(), known.parent()) else {
                    return Err(error);
                };
                missing.push(name);
                known = parent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{create_dir, create_dir_all, read_dir, remove_dir},
        os::unix::fs::symlink,
    };

    use super::*;
    use crate::kind::{HasKind, Kind};

    #[test]
    fn a_folder_is_opened_and_made_where_it_leads_if_that_is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        create_dir_all(at("project/real")).unwrap();
        create_dir(at("outside")).unwrap();
        symlink("real", at("project/in")).unwrap();
        symlink("../outside", at("project/out")).unwrap();
        let project = OpenFolder::open(&at("project")).unwrap();
        let within = Some(&project);

        let made = OpenFolder::create_within(&at("project/in/new/one"), within).unwrap();
        assert_eq!(made.path(), at("project/in/new/one"));
        assert!(at("project/real/new/one").is_dir());
        OpenFolder::open_within(&at("project"), within).unwrap();
        let missing = OpenFolder::open_within(&at("project/missing"), within).unwrap_err();
        assert_eq!(missing.kind(), Kind::NotFound);
        for path in ["project/out", "project/out/new", "outside", "."] {
            let path = &at(path);
            let opened = OpenFolder::open_within(path, within).unwrap_err();
            let made = OpenFolder::create_within(path, within).unwrap_err();
            assert_eq!((opened.kind(), made.kind()), (Kind::Denied, Kind::Denied), "{path:?}");
        }
        assert_eq!(read_dir(at("outside")).unwrap().count(), 0);
    }

    #[test]
    fn a_link_that_takes_the_place_of_the_folder_itself_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (project, outside) = (root.join("project"), root.join("outside"));
        create_dir(&project).unwrap();
        create_dir(&outside).unwrap();
        let held = OpenFolder::open(&project).unwrap();
        remove_dir(&project).unwrap();
        symlink("outside", &project).unwrap();

        assert!(OpenFolder::create_within(&project.join("new"), Some(&held)).is_err());
        assert_eq!(read_dir(&outside).unwrap().count(), 0);
    }
}
