//! Files in a folder that say what a backup may leave out there: ignore files, and `CACHEDIR.TAG`.
//!
//! Ignore files are `.gitignore` and `.backupignore`, in the source folder and any below, with the
//! patterns of gitignore(5). `.backupignore` is ours and decides first, the deepest one before those
//! above it: so `!.env` in the topmost brings back what a `.gitignore` anywhere below keeps from git.
//! Git's own end at the folder of their repository, as they do for git, and never touch `.git`: a
//! branch may be named like what a pattern means. Nothing outside the source
//! counts: neither files above it nor the excludes of a user or a repository's `info/exclude`.
//! Hidden files are files like others, and so are ignore files. What cannot be understood ignores
//! nothing: a line that is no pattern, a link, a file larger than [`MAX_IGNORE_FILE`].

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    os::fd::BorrowedFd,
    path::Path,
};

use rustix::fs::{Mode, OFlags, openat};

use super::gitignore::Gitignore;

/// The most an ignore file may hold, in bytes.
const MAX_IGNORE_FILE: u64 = 1 << 20;
/// The name that makes a folder a repository.
const GIT: &str = ".git";
/// The file that marks the folder of a cache.
pub(in crate::archive) const CACHE_TAG: &str = "CACHEDIR.TAG";
/// Its first bytes, by <https://bford.info/cachedir/>.
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The files in a source that exclude paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExcludeMarkers {
    /// Is set if the patterns of `.gitignore` and `.backupignore` files do.
    pub ignore_files: bool,
    /// Is set if `CACHEDIR.TAG` does: its folder goes in with nothing but that file.
    pub caches: bool,
}

/// The ignore files of one folder.
pub(in crate::archive) struct IgnoreFiles {
    ours: Gitignore,
    git: Gitignore,
    is_repository: bool,
}

impl IgnoreFiles {
    /// Reads those of the folder with these sorted names; `None` when it has nothing to say.
    pub(in crate::archive) fn read(folder: BorrowedFd<'_>, names: &[OsString]) -> Option<Self> {
        let ours = patterns(folder, names, ".backupignore");
        let git = patterns(folder, names, ".gitignore");
        let is_repository = has(names, GIT);
        let says_something = is_repository || !ours.is_empty() || !git.is_empty();
        says_something.then_some(Self { ours, git, is_repository })
    }
}

/// Returns whether ignore files leave `path` out.
///
/// `levels` are those of the folder that holds it and of the folders above, innermost first, each with
/// the path from there.
pub(in crate::archive) fn is_ignored<'a>(
    path: &Path,
    levels: impl Iterator<Item = (&'a IgnoreFiles, &'a Path)> + Clone,
    is_folder: bool,
) -> bool {
    let mut by_ours = levels.clone();
    if let Some(is_ignored) = by_ours.find_map(|(files, path)| files.ours.decides(path, is_folder))
    {
        return is_ignored;
    }
    if path.iter().any(|name| name == GIT) {
        return false;
    }
    for (files, path) in levels {
        if let Some(is_ignored) = files.git.decides(path, is_folder) {
            return is_ignored;
        }
        if files.is_repository {
            break;
        }
    }
    false
}

/// Returns whether the folder with these sorted names says that it is a cache.
pub(in crate::archive) fn is_cache(folder: BorrowedFd<'_>, names: &[OsString]) -> bool {
    has(names, CACHE_TAG)
        && read(folder, CACHE_TAG, CACHE_SIGNATURE.len() as u64)
            .is_some_and(|head| head == CACHE_SIGNATURE)
}

fn has(names: &[OsString], name: &str) -> bool {
    names.binary_search_by(|found| found.as_os_str().cmp(OsStr::new(name))).is_ok()
}

fn patterns(folder: BorrowedFd<'_>, names: &[OsString], name: &str) -> Gitignore {
    if !has(names, name) {
        return Gitignore::default();
    }
    let text = read(folder, name, MAX_IGNORE_FILE + 1).unwrap_or_default();
    if text.len() as u64 > MAX_IGNORE_FILE {
        return Gitignore::default();
    }
    Gitignore::new(&text)
}

/// Reads up to `n` bytes of a regular file.
fn read(folder: BorrowedFd<'_>, name: &str, n: u64) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, name, flags | OFlags::NOCTTY, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(n).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
