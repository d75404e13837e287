//! Config files: their paths, their text, and its possible authors.

use std::{
    env,
    ffi::OsString,
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use devops_core::{
    cancel::Cancel,
    fs::{Input, IoResultExt, PathError, parent},
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};

use crate::{folders::config_folder, owners::Owners};

/// A config file larger than this is a mistake.
const SIZE_LIMIT: u64 = 1 << 20;

/// The name of the file of a project.
const PROJECT_FILE: &str = "devops.toml";

/// A config file, and whether it was found by walking up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    pub(super) is_of_project: bool,
}

/// A config file with its text and its owners.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) owners: Owners,
    /// The device and inode of its folder.
    pub(super) folder: (u64, u64),
}

impl Source {
    /// Reads a file; its owners are those of the open file, even if the name is replaced later.
    ///
    /// A pipe is waited for only if it was named: in a shared folder any user could make one.
    pub(super) fn read(path: &Path, is_named: bool) -> Result<Self, PathError> {
        let folder = openat(
            CWD,
            parent(path),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .at(path, "read")?;
        let above = fstat(&folder).at(path, "read")?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        let named = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).at(path, "read")?;
        let is_link = FileType::from_raw_mode(named.st_mode) == FileType::Symlink;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(&folder, name, flags, Mode::empty()).map(File::from).at(path, "read")?;
        let owners = Owners {
            file: file.metadata().at(path, "read")?,
            link: is_link.then_some(named.st_uid),
            folder: above.st_uid,
        };
        if !is_named && !owners.file.is_file() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(error).at(path, "read");
        }
        // Signals are not caught yet: they end a wait for a pipe by ending the process.
        let text = Input::new(file, &Cancel::new()).read_text(path, SIZE_LIMIT)?;
        let folder = (above.st_dev, above.st_ino);
        Ok(Self { path: path.to_owned(), text, owners, folder })
    }

    /// Returns whether `path` names this file.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|found| identity(&found) == identity(&self.owners.file))
    }
}

/// Returns the stranger who owns a file that could not be read, or the link to it.
pub(super) fn stranger_at(path: &Path) -> Option<u32> {
    let named = path.symlink_metadata().ok()?;
    let owners = Owners {
        file: path.metadata().ok()?,
        link: named.is_symlink().then_some(named.uid()),
        folder: parent(path).metadata().ok()?.uid(),
    };
    owners.stranger()
}

/// Returns whether two paths lead to one file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.metadata().ok().map(|file| identity(&file));
    id(one).is_some_and(|found| Some(found) == id(other))
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Returns the one file that was named, or the places of files, the strongest first, whether one is there or not.
pub(super) fn locations(named: Option<OsString>) -> Vec<Location> {
    let trusted = |path: PathBuf| Location { path, is_of_project: false };
    if let Some(path) = named {
        return vec![trusted(path.into())];
    }
    let user = config_folder().map(|folder| trusted(folder.join("devops/config.toml")));
    let here = env::current_dir().ok();
    let project = here.map(|dir| project_file(&dir).unwrap_or_else(|| dir.join(PROJECT_FILE)));
    let project = project.map(|path| Location { path, is_of_project: true });
    let system = trusted(PathBuf::from("/etc/devops/config.toml"));
    project.into_iter().chain(user).chain([system]).collect()
}

/// Returns the nearest `devops.toml` between `dir` and the root of its repository.
///
/// Outside a repository only `dir` itself counts, so that no file of others in `/` or `/tmp` counts.
fn project_file(dir: &Path) -> Option<PathBuf> {
    let root = dir.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(dir);
    dir.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join(PROJECT_FILE))
        .find(|file| file.exists())
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;

    use super::*;

    #[test]
    fn the_project_file_is_the_nearest_one_inside_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("repo/a/b");
        create_dir_all(&inner).unwrap();
        create_dir_all(dir.path().join("repo/.git")).unwrap();
        File::create(dir.path().join("devops.toml")).unwrap();

        assert_eq!(project_file(&inner), None);

        File::create(dir.path().join("repo/devops.toml")).unwrap();
        assert_eq!(project_file(&inner), Some(dir.path().join("repo/devops.toml")));
    }

    #[test]
    fn outside_a_repository_only_the_current_folder_counts() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join("a")).unwrap();
        File::create(dir.path().join("devops.toml")).unwrap();

        assert_eq!(project_file(&dir.path().join("a")), None);
        assert_eq!(project_file(dir.path()), Some(dir.path().join("devops.toml")));
    }
}
