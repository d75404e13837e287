//! The paths that are inside a project.

use std::{
    ffi::OsStr,
    io,
    path::{Component, Path, PathBuf},
};

use devops_core::fs::{IoResultExt, OpenFolder, PathError, real_path};
use rustix::fs::fstat;

/// The folder of a project file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// Resolved, without links.
    folder: PathBuf,
    /// The device and inode of the folder that the file was read from.
    id: (u64, u64),
}

impl Project {
    /// Returns the project of the file that stands in `folder`.
    pub(crate) fn new(folder: &Path, id: (u64, u64)) -> io::Result<Self> {
        Ok(Self { folder: folder.canonicalize()?, id })
    }

    /// Opens the folder, if it is still the one that the file was read from.
    pub(crate) fn open(&self) -> Result<OpenFolder, PathError> {
        let folder = OpenFolder::open(&self.folder)?;
        let stat = fstat(&folder).at(&self.folder, "open")?;
        if (stat.st_dev, stat.st_ino) != self.id {
            let error = io::Error::other("another folder took its place");
            return Err(error).at(&self.folder, "open");
        }
        Ok(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether a path leads into the project, after all links; what does not exist yet may come to
    /// exist there.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        real_path(path).is_ok_and(|path| path.starts_with(&self.folder))
    }

    /// Returns whether an operand of the command line is inside: a path, or a pattern of paths.
    pub(crate) fn holds_operand(&self, operand: &OsStr) -> bool {
        let path = Path::new(operand);
        let is_stream = operand == "-" || operand.is_empty();
        !is_stream && self.holds(&without_pattern(path))
    }
}

/// Returns the folder in which all that a pattern can match lies; a path without wildcards is itself.
fn without_pattern(path: &Path) -> PathBuf {
    let is_plain = |part: &Component<'_>| {
        let bytes = part.as_os_str().as_encoded_bytes();
        !bytes.iter().any(|byte| b"*?[{".contains(byte))
    };
    if path.symlink_metadata().is_ok() || path.components().all(|part| is_plain(&part)) {
        return path.to_owned();
    }
    // Behind the first wildcard `..` could lead anywhere.
    if path.components().any(|part| part == Component::ParentDir) {
        return PathBuf::from("/");
    }
    let plain: PathBuf = path.components().take_while(is_plain).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, create_dir_all, remove_dir},
        os::unix::fs::{MetadataExt, symlink},
    };

    use super::*;

    fn project(folder: &Path) -> Project {
        let metadata = folder.metadata().unwrap();
        Project::new(folder, (metadata.dev(), metadata.ino())).unwrap()
    }

    #[test]
    fn another_folder_in_its_place_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, other) = (dir.path().join("project"), dir.path().join("other"));
        create_dir_all(&folder).unwrap();
        create_dir_all(&other).unwrap();
        let project = project(&folder);

        assert_eq!(project.open().unwrap().path(), project.folder());
        remove_dir(&folder).unwrap();
        symlink(&other, &folder).unwrap();

        assert!(project.open().is_err());
    }

    #[test]
    fn a_path_is_inside_by_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        create_dir_all(at("project/src")).unwrap();
        create_dir_all(at("outside")).unwrap();
        create_dir_all(at("project-b")).unwrap();
        File::create(at("project/a")).unwrap();
        symlink("../outside", at("project/out")).unwrap();
        symlink("../missing", at("project/dangling")).unwrap();
        symlink("project", at("link")).unwrap();
        let project = project(&at("link"));

        for inside in
            ["project", "project/a", "project/src/../a", "link/a", "project/new/file", "link/new"]
        {
            assert!(project.holds(&at(inside)), "{inside}");
        }
        for outside in [
            "outside",
            "project/../outside",
            "project/out",
            "project/out/new",
            "project/dangling",
            "project/dangling/new",
            "project/new/../../outside",
            "project-b",
            ".",
        ] {
            assert!(!project.holds(&at(outside)), "{outside}");
        }
    }

    #[test]
    fn a_pattern_is_inside_when_all_that_it_can_match_is() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join("project/src")).unwrap();
        let project = project(&dir.path().join("project"));
        let holds = |path: &str| project.holds_operand(dir.path().join(path).as_os_str());

        assert!(holds("project/*.txt"));
        assert!(holds("project/src/*/a"));
        assert!(!holds("*/a"));
        assert!(!holds("project/*/../../outside"));
        assert!(!project.holds_operand(OsStr::new("-")));
        assert!(!project.holds_operand(OsStr::new("")));
    }
}
