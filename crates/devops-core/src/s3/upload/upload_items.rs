//! Maps files, folders and globs to objects before anything is sent.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use globset::GlobMatcher;

use crate::s3::{
    error::operation::S3Error,
    object::uri::{S3Uri, UriError},
    plan::filter::{Filter, glob},
    request::source_file::OpenFile,
    store::cancel_token::CancelToken,
};
use crate::{
    fs::{IoResultExt, OpenFolder, PathError},
    kind::{HasKind, Kind},
    limits::Limit,
};

/// A file and the object it becomes.
#[derive(Clone, Debug)]
pub struct UploadItem {
    /// The file.
    pub path: PathBuf,
    /// The object.
    pub uri: S3Uri,
    /// The number of bytes it had when it was found.
    pub size: u64,
    /// The folder it was found in and its path there, where no link is followed.
    below: Option<(OpenFolder, PathBuf)>,
}

impl UploadItem {
    /// Names the object of a file; links on the way to the file are followed.
    pub fn new(path: PathBuf, uri: S3Uri, size: u64) -> Self {
        Self { path, uri, size, below: None }
    }

    /// Opens the file as it was found.
    pub(crate) async fn open(&self, cancel_token: &CancelToken) -> Result<OpenFile, S3Error> {
        match &self.below {
            None => OpenFile::open(&self.path, cancel_token).await,
            Some((folder, relative)) => OpenFile::open_below(folder, relative, cancel_token).await,
        }
    }
}

impl PartialEq for UploadItem {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.uri, self.size) == (&other.path, &other.uri, other.size)
    }
}

impl Eq for UploadItem {}

/// Something in a folder that does not become an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The path.
    pub path: PathBuf,
    /// The reason: `a symbolic link`.
    pub reason: String,
    /// Is set if it is not known what is there, because it could not be read.
    pub is_unread: bool,
}

/// The files that were found for a put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadItems {
    /// The files, in the order of their paths.
    pub files: Vec<UploadItem>,
    /// The paths that were skipped, without those that a filter excludes.
    pub skipped: Vec<Skipped>,
    /// The folders without anything in them, which become nothing.
    pub empty_folders: Vec<PathBuf>,
    /// Is set if the paths named more than one single file.
    pub is_tree: bool,
}

/// The reason paths cannot become objects.
#[derive(Debug, thiserror::Error)]
pub enum UploadItemsError {
    /// A path cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A key would be no key.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// Many files cannot share one key.
    #[error("several files need a prefix that ends with `/`, not `{0}`")]
    NeedsPrefix(S3Uri),
    /// Two files would become the same object.
    #[error("`{}` and `{}` would both become `{uri}`", .first.display(), .second.display())]
    Collision {
        /// The file found first.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
        /// The object.
        uri: Box<S3Uri>,
    },
    /// A glob matches nothing.
    #[error("no file matches `{0}`")]
    NoMatch(String),
    /// A path is neither a file nor a folder.
    #[error("`{}` is {reason}, not a file or folder", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// The kind of thing.
        reason: &'static str,
    },
    /// A path that has to be a folder is none.
    #[error("`{}` is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A name cannot be a key.
    #[error("the name of `{}` is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
}

impl HasKind for UploadItemsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Path(error) => error.kind(),
            Self::NoMatch(_) => Kind::NotFound,
            Self::Uri(_)
            | Self::NeedsPrefix(_)
            | Self::Collision { .. }
            | Self::NotAFile { .. }
            | Self::NotAFolder(_)
            | Self::NotUtf8(_) => Kind::Usage,
        }
    }
}

/// Finds the files under `paths` and names the object of each below `destination`.
///
/// A folder gives the files in it under their relative paths, a glob those it matches relative to its
/// fixed beginning. Symbolic links given by name are followed, those in folders, and those a glob finds, only
/// when asked to.
pub fn find_upload_items(
    paths: &[PathBuf],
    destination: &S3Uri,
    filter: &Filter,
    follow_symlinks: bool,
) -> Result<UploadItems, UploadItemsError> {
    let mut search = Search {
        destination,
        filter,
        follow_symlinks,
        folder: None,
        found: UploadItems::default(),
        seen: HashMap::new(),
    };
    search.found.is_tree = paths.len() > 1;
    for path in paths {
        search.add(path)?;
    }
    if search.found.is_tree && !destination.is_prefix() {
        return Err(UploadItemsError::NeedsPrefix(destination.clone()));
    }
    Ok(search.found)
}

/// Finds the files in a folder and names the object of each below `prefix`, as [`find_upload_items`] does.
pub fn find_in_folder(
    folder: &Path,
    prefix: &S3Uri,
    filter: &Filter,
    follow_symlinks: bool,
) -> Result<UploadItems, UploadItemsError> {
    if !fs::metadata(folder).at(folder, "read")?.is_dir() {
        return Err(UploadItemsError::NotAFolder(folder.to_owned()));
    }
    find_upload_items(&[folder.to_owned()], prefix, filter, follow_symlinks)
}

struct Search<'a> {
    destination: &'a S3Uri,
    filter: &'a Filter,
    follow_symlinks: bool,
    /// The folder that is walked, unless links in it are followed.
    folder: Option<OpenFolder>,
    found: UploadItems,
    /// The file that became each key.
    seen: HashMap<String, PathBuf>,
}

impl Search<'_> {
    fn add(&mut self, path: &Path) -> Result<(), UploadItemsError> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let glob = split_glob(path).and_then(|(root, pattern)| {
                    // What is no glob is the name of a file that is not there.
                    Some((root, glob(&pattern).ok()?.compile_matcher()))
                });
                return match glob {
                    Some((root, matcher)) => self.add_glob(path, &root, &matcher),
                    None => {
                        Err(Err::<(), _>(error).at(path, "read").expect_err("it failed").into())
                    }
                };
            }
            other => other.at(path, "read")?,
        };
        if metadata.is_dir() {
            self.found.is_tree = true;
            return self.walk_from(path, &metadata, &|_| true);
        }
        if !metadata.is_file() {
            return Err(UploadItemsError::NotAFile {
                path: path.to_owned(),
                reason: kind(&metadata),
            });
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_str().ok_or_else(|| UploadItemsError::NotUtf8(path.to_owned()))?;
        let uri = if self.destination.is_prefix() {
            self.destination.join(name)?
        } else {
            self.destination.clone()
        };
        self.take(UploadItem::new(path.to_owned(), uri, metadata.len()))
    }

    fn add_glob(
        &mut self,
        path: &Path,
        root: &Path,
        matcher: &GlobMatcher,
    ) -> Result<(), UploadItemsError> {
        let n_found = |found: &UploadItems| found.files.len() + found.skipped.len();
        let before = n_found(&self.found);
        self.found.is_tree = true;
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let metadata = fs::metadata(root).at(root, "read")?;
        self.walk_from(root, &metadata, &|relative| matcher.is_match(relative))?;
        if n_found(&self.found) == before {
            return Err(UploadItemsError::NoMatch(path.display().to_string()));
        }
        Ok(())
    }

    fn take(&mut self, source: UploadItem) -> Result<(), UploadItemsError> {
        let UploadItem { path, uri, .. } = &source;
        if let Some(first) = self.seen.insert(uri.key.clone(), path.clone()) {
            let (second, uri) = (path.clone(), Box::new(uri.clone()));
            return Err(UploadItemsError::Collision { first, second, uri });
        }
        self.found.files.push(source);
        Ok(())
    }

    fn skip(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.found.skipped.push(Skipped { path, reason: reason.into(), is_unread: false });
    }

    fn cannot_read(
        &mut self,
        path: PathBuf,
        error: std::io::Error,
    ) -> Result<(), UploadItemsError> {
        if Limit::of(&error).is_some() {
            return Err(PathError { action: "read", path, source: error }.into());
        }
        let reason = error.to_string();
        self.found.skipped.push(Skipped { path, reason, is_unread: true });
        Ok(())
    }

    fn walk_from(
        &mut self,
        root: &Path,
        metadata: &Metadata,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<(), UploadItemsError> {
        // Files are opened later, and then a folder on their way may have become a link.
        self.folder = if self.follow_symlinks { None } else { Some(OpenFolder::open(root)?) };
        self.walk(root, Path::new(""), &mut vec![identity(metadata)], wanted)
    }

    fn walk(
        &mut self,
        folder: &Path,
        relative: &Path,
        ancestors: &mut Vec<(u64, u64)>,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<(), UploadItemsError> {
        let mut entries = match fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        {
            Ok(entries) => entries,
            Err(error) if relative.as_os_str().is_empty() => {
                return Err(Err::<(), _>(error).at(folder, "list").expect_err("it failed").into());
            }
            Err(error) => return self.cannot_read(folder.to_owned(), error),
        };
        if entries.is_empty() && !relative.as_os_str().is_empty() && wanted(relative) {
            self.found.empty_folders.push(folder.to_owned());
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let relative = relative.join(entry.file_name());
            match self.look(&path, &relative, wanted) {
                Found::Nothing => {}
                Found::Skipped(reason) => self.skip(path, reason),
                Found::Unread(error) => self.cannot_read(path, error)?,
                Found::File(size) => self.take_in_tree(path, &relative, size)?,
                Found::Folder(identity) if ancestors.contains(&identity) => {
                    self.skip(path, "a symbolic link that leads back up");
                }
                Found::Folder(identity) => {
                    ancestors.push(identity);
                    self.walk(&path, &relative, ancestors, wanted)?;
                    ancestors.pop();
                }
            }
        }
        Ok(())
    }

    fn take_in_tree(
        &mut self,
        path: PathBuf,
        relative: &Path,
        size: u64,
    ) -> Result<(), UploadItemsError> {
        let Some(name) = relative.to_str() else {
            self.skip(path, "its name is not UTF-8");
            return Ok(());
        };
        match self.destination.join(name) {
            Ok(uri) => {
                let below = self.folder.clone().map(|folder| (folder, relative.to_owned()));
                self.take(UploadItem { path, uri, size, below })
            }
            Err(error) => {
                self.skip(path, error.to_string());
                Ok(())
            }
        }
    }

    fn look(&self, path: &Path, relative: &Path, wanted: &dyn Fn(&Path) -> bool) -> Found {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() && self.follow_symlinks => fs::metadata(path),
            other => other,
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => return Found::Unread(error),
        };
        if metadata.is_dir() {
            let excluded = self.filter.excludes(relative);
            return if excluded { Found::Nothing } else { Found::Folder(identity(&metadata)) };
        }
        if !self.filter.takes(relative) || !wanted(relative) {
            return Found::Nothing;
        }
        if metadata.is_file() {
            Found::File(metadata.len())
        } else {
            Found::Skipped(kind(&metadata))
        }
    }
}

enum Found {
    Nothing,
    File(u64),
    Folder((u64, u64)),
    Skipped(&'static str),
    Unread(std::io::Error),
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Splits `logs/2025/*.gz` into the fixed `logs/2025` and the pattern; nothing if it is no glob.
fn split_glob(path: &Path) -> Option<(PathBuf, String)> {
    let is_pattern = |component: &Component<'_>| {
        component.as_os_str().to_string_lossy().contains(['*', '?', '[', '{'])
    };
    let components: Vec<_> = path.components().collect();
    let first = components.iter().position(is_pattern)?;
    let pattern: PathBuf = components[first..].iter().collect();
    Some((components[..first].iter().collect(), pattern.to_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(path).unwrap();
        }
        dir
    }

    fn keys(paths: &[PathBuf], filter: &Filter) -> Vec<String> {
        let uri = "s3://backups/p/".parse().unwrap();
        let sources = find_upload_items(paths, &uri, filter, false).unwrap();
        sources.files.into_iter().map(|source| source.uri.key).collect()
    }

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned =
            |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn a_folder_gives_its_files_without_its_own_name() {
        let dir = tree(&["b.txt", "a/c.txt", "a/d/e.txt"]);

        let keys = keys(&[dir.path().to_owned()], &Filter::default());

        assert_eq!(keys, ["p/a/c.txt", "p/a/d/e.txt", "p/b.txt"]);
    }

    #[test]
    fn a_file_keeps_its_name_under_a_prefix_and_takes_a_key() {
        let dir = tree(&["a.txt"]);
        let paths = [dir.path().join("a.txt")];
        let key = |uri: &str| {
            let uri = uri.parse().unwrap();
            let sources = find_upload_items(&paths, &uri, &Filter::default(), false).unwrap();
            sources.files[0].uri.key.clone()
        };

        assert_eq!(key("s3://backups"), "a.txt");
        assert_eq!(key("s3://backups/x/"), "x/a.txt");
        assert_eq!(key("s3://backups/x"), "x");
    }

    #[test]
    fn a_glob_matches_relative_to_its_fixed_beginning() {
        let dir = tree(&["l/a.gz", "l/b.txt", "l/x/c.gz"]);

        let one = keys(&[dir.path().join("l/*.gz")], &Filter::default());
        let all = keys(&[dir.path().join("l/**/*.gz")], &Filter::default());

        assert_eq!(one, ["p/a.gz"]);
        assert_eq!(all, ["p/a.gz", "p/x/c.gz"]);
    }

    #[test]
    fn what_is_neither_a_file_nor_a_glob_is_not_there() {
        let dir = tree(&["b.txt"]);
        let find = |name: &str| {
            let uri = "s3://backups/".parse().unwrap();
            find_upload_items(&[dir.path().join(name)], &uri, &Filter::default(), false)
                .unwrap_err()
        };

        let (no_glob, no_match) = (find("a[b.txt"), find("a[b].txt"));

        assert!(matches!(no_glob, UploadItemsError::Path(_)), "{no_glob}");
        assert!(matches!(no_match, UploadItemsError::NoMatch(_)), "{no_match}");
        assert_eq!((no_glob.kind(), no_match.kind()), (Kind::NotFound, Kind::NotFound));
    }

    #[test]
    fn a_link_is_followed_where_it_is_named_and_skipped_where_a_glob_finds_it() {
        let dir = tree(&["x/a.txt"]);
        symlink("x/a.txt", dir.path().join("file.lnk")).unwrap();
        symlink("x", dir.path().join("folder.lnk")).unwrap();
        let find = |name: &str| {
            let uri = "s3://backups/".parse().unwrap();
            find_upload_items(&[dir.path().join(name)], &uri, &Filter::default(), false).unwrap()
        };

        let (file, folder, globbed) = (find("file.lnk"), find("folder.lnk"), find("*.lnk"));

        assert_eq!(file.files[0].uri.key, "file.lnk");
        assert_eq!(folder.files[0].uri.key, "a.txt");
        assert_eq!((globbed.files.len(), globbed.skipped.len()), (0, 2));
    }

    #[test]
    fn a_file_whose_name_looks_like_a_glob_is_a_file() {
        let dir = tree(&["a[1].txt"]);

        assert_eq!(keys(&[dir.path().join("a[1].txt")], &Filter::default()), ["p/a[1].txt"]);
    }

    #[test]
    fn filters_look_at_names_and_at_paths() {
        let dir = tree(&["a.log", "x/a.log", "x/b.txt", "node_modules/c.txt"]);
        let path = [dir.path().to_owned()];

        assert_eq!(keys(&path, &filter(&[], &["*.log", "node_modules"])), ["p/x/b.txt"]);
        assert_eq!(keys(&path, &filter(&["x/*.log"], &[])), ["p/x/a.log"]);
        assert_eq!(keys(&path, &filter(&["*.log"], &["x/"])), ["p/a.log"]);
    }

    #[test]
    fn symbolic_links_are_named_unless_followed() {
        let dir = tree(&["a.txt"]);
        symlink("a.txt", dir.path().join("link")).unwrap();
        symlink(".", dir.path().join("loop")).unwrap();
        let uri: S3Uri = "s3://backups".parse().unwrap();
        let find = |follow| {
            find_upload_items(&[dir.path().to_owned()], &uri, &Filter::default(), follow).unwrap()
        };

        let (plain, followed) = (find(false), find(true));

        assert_eq!((plain.files.len(), plain.skipped.len()), (1, 2));
        assert_eq!(plain.skipped[0].reason, "a symbolic link");
        assert_eq!((followed.files.len(), followed.skipped.len()), (2, 1));
        assert_eq!(followed.skipped[0].reason, "a symbolic link that leads back up");
    }

    #[test]
    fn refuses_what_cannot_work() {
        let dir = tree(&["a/x.txt", "b/x.txt"]);
        let file = |name: &str| dir.path().join(name);
        let find = |paths: &[PathBuf], uri: &str| {
            find_upload_items(paths, &uri.parse().unwrap(), &Filter::default(), false).unwrap_err()
        };

        let same = find(&[file("a/x.txt"), file("b/x.txt")], "s3://backups/p/");
        let no_prefix = find(&[dir.path().to_owned()], "s3://backups/key");
        let no_match = find(&[file("*.gz")], "s3://backups/");
        let missing = find(&[file("c.txt")], "s3://backups/");

        assert!(matches!(same, UploadItemsError::Collision { .. }));
        assert!(matches!(no_prefix, UploadItemsError::NeedsPrefix(_)));
        assert_eq!((no_match.kind(), missing.kind()), (Kind::NotFound, Kind::NotFound));
    }
}
