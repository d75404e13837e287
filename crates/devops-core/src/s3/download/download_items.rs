//! Maps the objects under a prefix to files before anything is fetched.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::partial_file::is_own_name;
use crate::lock;
use crate::s3::{
    object::{response::ListedObject, uri::S3Uri},
    plan::filter::Filter,
};

/// An object and the file it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadItem {
    /// The object.
    pub object: ListedObject,
    /// The file's path in the folder.
    pub relative: PathBuf,
}

/// The files that the objects under a prefix become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadItems {
    /// Those that become files.
    pub files: Vec<DownloadItem>,
    /// The folders of markers: objects without bytes whose keys end with a slash.
    pub folders: Vec<PathBuf>,
    /// Those that cannot, with the reason; without what a filter excludes.
    pub skipped: Vec<(S3Uri, &'static str)>,
    /// The number of objects there are, those included that a filter excludes.
    pub n_listed: usize,
}

/// Decides which objects become files; a key never leads out of the folder.
pub fn plan_download_items(
    prefix: &S3Uri,
    listed: Vec<ListedObject>,
    filter: &Filter,
) -> DownloadItems {
    let mut targets = DownloadItems { n_listed: listed.len(), ..DownloadItems::default() };
    for object in listed {
        let Some(relative) = object.uri.key.strip_prefix(&prefix.key) else { continue };
        // Patterns are for names, and the slash at the end is part of none.
        let path = Path::new(relative.trim_end_matches('/'));
        // The object that stands for the folder itself has nothing to say.
        if relative.is_empty() || !filter.covers(path) {
            continue;
        }
        if object.size == 0
            && let Some(folder) = folder_of_marker(relative)
        {
            targets.folders.push(folder);
            continue;
        }
        match reason_to_skip(relative) {
            None => targets.files.push(DownloadItem { relative: path.to_owned(), object }),
            Some(reason) => targets.skipped.push((object.uri.clone(), reason)),
        }
    }
    let mut folders: HashSet<PathBuf> = targets.files.iter().flat_map(folders_of).collect();
    folders
        .extend(targets.folders.iter().flat_map(|folder| folder.ancestors().map(Path::to_owned)));
    let (clashing, files) =
        targets.files.into_iter().partition(|target| folders.contains(&target.relative));
    targets.files = files;
    let clashing: Vec<DownloadItem> = clashing;
    targets.skipped.extend(
        clashing.into_iter().map(|target| (target.object.uri, "other objects need it as a folder")),
    );
    targets
}

/// Returns the folder that an object without bytes stands for: consoles and other tools make these.
fn folder_of_marker(relative: &str) -> Option<PathBuf> {
    let folder = relative.strip_suffix('/')?;
    let is_path = !folder.contains('\0') && is_path_of_file(folder);
    is_path.then(|| PathBuf::from(folder))
}

fn folders_of(target: &DownloadItem) -> impl Iterator<Item = PathBuf> {
    target.relative.ancestors().skip(1).map(Path::to_owned)
}

fn reason_to_skip(relative: &str) -> Option<&'static str> {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    if relative.ends_with('/') {
        Some("its key ends with `/` like that of a folder, and it has content")
    } else if relative.contains('\0') {
        Some("its key has a NUL byte")
    } else if !is_path_of_file(relative) {
        Some("its key is no path below a folder")
    } else if is_own_name(name) || name == lock::FILE_NAME {
        Some("a file of its name would be taken for one of this tool's own")
    } else {
        None
    }
}

/// Returns whether a file below a folder can have this relative path.
pub(crate) fn is_path_of_file(relative: &str) -> bool {
    !relative.contains('\0') && relative.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(keys: &[&str], filter: &Filter) -> (Vec<String>, Vec<String>) {
        let object = |key: &&str| ListedObject {
            uri: S3Uri::new("backups", key).unwrap(),
            size: 1,
            modified: None,
            etag: None,
            storage_class: None,
        };
        let prefix = S3Uri::new("backups", "p/").unwrap();
        let targets = plan_download_items(&prefix, keys.iter().map(object).collect(), filter);
        let path = |target: DownloadItem| target.relative.to_str().unwrap().to_owned();
        let files = targets.files.into_iter().map(path).collect();
        (files, targets.skipped.into_iter().map(|(uri, _)| uri.key).collect())
    }

    #[test]
    fn a_key_becomes_the_path_behind_the_prefix() {
        let (files, skipped) = plan(&["p/a", "p/b c/ü", "p/..d", "p/"], &Filter::default());

        assert_eq!(files, ["a", "b c/ü", "..d"]);
        assert_eq!(skipped, [""; 0]);
    }

    #[test]
    fn what_is_not_below_the_prefix_is_no_target() {
        let (files, skipped) = plan(&["p/a", "q/private", "other", "x/p/a"], &Filter::default());

        assert_eq!((files, skipped), (vec!["a".to_owned()], vec![]));
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let keys = ["p//etc/x", "p/../x", "p/a/../../x", "p/a//b", "p/./x", "p/f/", "p/a\0"];

        let (files, skipped) = plan(&keys, &Filter::default());

        assert_eq!(files, [""; 0]);
        assert_eq!(skipped, keys);
    }

    #[test]
    fn what_cannot_be_both_a_file_and_a_folder_is_skipped() {
        let (files, skipped) = plan(&["p/a", "p/a.b", "p/a/b/c", "p/a/b"], &Filter::default());

        assert_eq!(files, ["a.b", "a/b/c"]);
        assert_eq!(skipped, ["p/a", "p/a/b"]);
    }

    #[test]
    fn a_marker_without_bytes_is_a_folder() {
        let listed = |(key, size): (&str, u64)| ListedObject {
            uri: S3Uri::new("backups", key).unwrap(),
            size,
            modified: None,
            etag: None,
            storage_class: None,
        };
        let prefix = S3Uri::new("backups", "p/").unwrap();
        let keys = [
            ("p/", 0),
            ("p/a/", 0),
            ("p/a/b/c/", 0),
            ("p/a/f", 1),
            ("p/clash", 1),
            ("p/clash/", 0),
            ("p/full/", 7),
            ("p//x/", 0),
            ("p/../y/", 0),
            ("p/d//", 0),
        ];

        let targets = plan_download_items(&prefix, keys.map(listed).to_vec(), &Filter::default());

        assert_eq!(targets.folders, ["a", "a/b/c", "clash"].map(PathBuf::from));
        assert_eq!(targets.files.len(), 1);
        let skipped: Vec<_> = targets.skipped.iter().map(|(uri, _)| uri.key.as_str()).collect();
        assert_eq!(skipped, ["p/full/", "p//x/", "p/../y/", "p/d//", "p/clash"]);
    }

    #[test]
    fn filters_look_at_the_path_behind_the_prefix() {
        let exclude = ["tmp".to_owned(), "f".to_owned()];
        let filter = Filter::new(&["*.txt".to_owned()], &exclude).unwrap();

        let (files, skipped) = plan(&["p/a.txt", "p/tmp/a.txt", "p/b.bin", "p/f/"], &filter);

        assert_eq!((files, skipped), (vec!["a.txt".to_owned()], vec![]));
    }

    #[test]
    fn names_of_our_own_files_are_skipped() {
        let keys = ["p/.a.s3get-part", "p/d/.a.s3get-journal", "p/.devops.lock"];

        let (files, skipped) = plan(&[&keys[..], &["p/a.s3get-part"]].concat(), &Filter::default());

        assert_eq!(files, ["a.s3get-part"]);
        assert_eq!(skipped, keys);
    }
}
