//! Plans a sync before anything is changed.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::error::{Deletion, SyncError};
use crate::s3::download::download_items::is_path_of_file;
use crate::s3::{
    object::{
        event::{ObjectSummary, Outcome},
        response::ListedObject,
        uri::S3Uri,
    },
    plan::filter::Filter,
    upload::upload_items::{UploadItem, UploadItems},
};

/// Fewer deletions than this need no second thought.
const FEW: usize = 10;

/// A file and what becomes of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// The file and its object.
    pub source: UploadItem,
    /// The action on the object.
    pub action: SyncAction,
}

/// The action on the object of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncAction {
    /// There is none: the file is put.
    Put,
    /// It has another size, and this `ETag`: the file takes its place.
    Replace(Option<String>),
    /// It has the same size, and this `ETag`: the contents decide.
    Compare(Option<String>),
}

/// An object without a file that stays though such objects are to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDeletable {
    /// The object.
    pub uri: S3Uri,
    /// The reason it stays.
    pub reason: &'static str,
}

/// The plan of a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncPlan {
    /// The files, in the order of their paths.
    pub files: Vec<PlannedFile>,
    /// The objects to delete, in the order of the store.
    pub extra: Vec<ListedObject>,
    /// The objects that nobody can say a file is missing for.
    pub kept: Vec<NotDeletable>,
    /// The unreadable path because of which nothing is deleted.
    pub unread: Option<PathBuf>,
}

/// The scope of a sync: a folder, a prefix and a filter.
#[derive(Clone, Copy)]
pub struct SyncScope<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The prefix.
    pub prefix: &'a S3Uri,
    /// The filter; other paths stay as they are on both sides.
    pub filter: &'a Filter,
}

impl SyncPlan {
    /// Decides from complete lists of both sides; refuses more deletions than are allowed.
    pub fn new(
        scope: SyncScope<'_>,
        sources: &UploadItems,
        listed: &[ListedObject],
        deletion: Option<Deletion>,
    ) -> Result<Self, SyncError> {
        let objects: HashMap<&str, &ListedObject> =
            listed.iter().map(|object| (object.uri.key.as_str(), object)).collect();
        let files = sources.files.iter().map(|source| PlannedFile {
            action: action(source, objects.get(source.uri.key.as_str()).copied()),
            source: source.clone(),
        });
        let mut plan = Self { files: files.collect(), ..Self::default() };
        let Some(deletion) = deletion else { return Ok(plan) };
        plan.unread = sources
            .skipped
            .iter()
            .find(|skipped| skipped.is_unread)
            .map(|skipped| skipped.path.clone());
        if plan.unread.is_none() {
            let n_objects = plan.find_extra(scope, sources, listed);
            if plan.files.is_empty() && !plan.extra.is_empty() {
                return Err(SyncError::NoFiles(plan.extra.len()));
            }
            let n_common = plan.files.iter().filter(|file| file.action != SyncAction::Put).count();
            deletion.check(plan.extra.len(), (n_objects, n_common))?;
        }
        Ok(plan)
    }

    /// Returns an object that was there before, with the content of its file, though no listing told of it.
    pub(super) fn found_unlisted(&self, stored: &[ObjectSummary]) -> Option<&S3Uri> {
        let is_unchanged = |summary: &&ObjectSummary| summary.outcome == Outcome::Unchanged;
        let unchanged: HashSet<_> =
            stored.iter().filter(is_unchanged).map(|summary| &summary.uri).collect();
        let unlisted = self.files.iter().filter(|file| file.action == SyncAction::Put);
        unlisted.map(|file| &file.source.uri).find(|uri| unchanged.contains(uri))
    }

    /// Returns the object of a file that this listing does not have.
    pub(super) fn missing_in(&self, listed: &[ListedObject]) -> Option<&S3Uri> {
        let listed: HashSet<_> = listed.iter().map(|object| &object.uri).collect();
        self.files.iter().map(|file| &file.source.uri).find(|uri| !listed.contains(uri))
    }

    /// Finds the objects to delete; returns how many count in all.
    fn find_extra(
        &mut self,
        scope: SyncScope<'_>,
        sources: &UploadItems,
        listed: &[ListedObject],
    ) -> usize {
        let taken: HashSet<&str> =
            sources.files.iter().map(|source| source.uri.key.as_str()).collect();
        let skipped: HashSet<&Path> = sources
            .skipped
            .iter()
            .filter_map(|skipped| skipped.path.strip_prefix(scope.folder).ok())
            .collect();
        let mut n_objects = 0;
        for object in listed {
            let relative = object.uri.key.strip_prefix(&scope.prefix.key).unwrap_or_default();
            let path = Path::new(relative);
            // Consoles make objects that end like this for folders; no file becomes one.
            if relative.is_empty() || relative.ends_with('/') || !scope.filter.covers(path) {
                continue;
            }
            n_objects += 1;
            if taken.contains(object.uri.key.as_str()) {
                continue;
            }
            if !is_path_of_file(relative) {
                self.keep(object, "no file can have this name");
            } else if path.ancestors().any(|ancestor| skipped.contains(ancestor)) {
                self.keep(object, "its path in the folder is skipped");
            } else {
                self.extra.push(object.clone());
            }
        }
        n_objects
    }

    fn keep(&mut self, object: &ListedObject, reason: &'static str) {
        self.kept.push(NotDeletable { uri: object.uri.clone(), reason });
    }
}

fn action(source: &UploadItem, object: Option<&ListedObject>) -> SyncAction {
    match object {
        None => SyncAction::Put,
        Some(object) if object.size == source.size => SyncAction::Compare(object.etag.clone()),
        Some(object) => SyncAction::Replace(object.etag.clone()),
    }
}

impl Deletion {
    /// Refuses what looks like a mistake rather than a wish: to delete `n` of all that count, where only so
    /// many are on both sides.
    ///
    /// What a number allows is many deletions, not those of a folder that is not there.
    pub(super) fn check(
        self,
        n: usize,
        (n_all, n_common): (usize, usize),
    ) -> Result<(), SyncError> {
        let limit = match self.max {
            Some(max) => usize::try_from(max).unwrap_or(usize::MAX),
            None => FEW.max(n_all / 2),
        };
        match n {
            0 => Ok(()),
            n if n_common == 0 => Err(SyncError::NothingInCommon(n)),
            n if n > limit => Err(SyncError::TooManyDeletions { n, n_all, limit }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kind::{HasKind, Kind},
        s3::Skipped,
    };

    fn uri(key: &str) -> S3Uri {
        S3Uri::new("backups", key).unwrap()
    }

    fn object(key: &str, size: u64) -> ListedObject {
        let (uri, etag) = (uri(key), Some(format!("tag of {key}")));
        ListedObject { uri, size, modified: None, etag, storage_class: None }
    }

    fn objects(keys: &[&str]) -> Vec<ListedObject> {
        keys.iter().map(|key| object(key, 1)).collect()
    }

    /// Files of one byte under `p/`.
    fn sources(names: &[&str]) -> UploadItems {
        let source = |name: &&str| {
            UploadItem::new(Path::new("dir").join(name), uri(&format!("p/{name}")), 1)
        };
        let files = names.iter().map(source).collect();
        UploadItems { files, is_tree: true, ..UploadItems::default() }
    }

    fn filtered(
        sources: &UploadItems,
        listed: &[ListedObject],
        filter: &Filter,
        max: Option<u64>,
    ) -> Result<SyncPlan, SyncError> {
        let prefix = uri("p/");
        let scope = SyncScope { folder: Path::new("dir"), prefix: &prefix, filter };
        SyncPlan::new(scope, sources, listed, Some(Deletion { max }))
    }

    fn plan(sources: &UploadItems, listed: &[ListedObject]) -> SyncPlan {
        filtered(sources, listed, &Filter::default(), None).unwrap()
    }

    fn extra(plan: &SyncPlan) -> Vec<&str> {
        plan.extra.iter().map(|object| object.uri.key.as_str()).collect()
    }

    #[test]
    fn what_is_missing_is_put_and_what_is_there_is_replaced_or_compared() {
        let listed = [object("p/longer", 2), object("p/same", 1)];

        let plan = plan(&sources(&["longer", "new", "same"]), &listed);

        let steps: Vec<_> = plan.files.iter().map(|file| file.action.clone()).collect();
        let tag = |key: &str| Some(format!("tag of {key}"));
        assert_eq!(
            steps,
            [
                SyncAction::Replace(tag("p/longer")),
                SyncAction::Put,
                SyncAction::Compare(tag("p/same"))
            ]
        );
        assert_eq!(plan.extra, []);
    }

    #[test]
    fn an_object_without_a_file_is_deleted_only_when_asked() {
        let (sources, listed) = (sources(&["a"]), objects(&["p/a", "p/b", "p/c/d"]));
        let (prefix, filter) = (uri("p/"), Filter::default());
        let scope = SyncScope { folder: Path::new("dir"), prefix: &prefix, filter: &filter };

        let unasked = SyncPlan::new(scope, &sources, &listed, None).unwrap();

        assert_eq!(extra(&plan(&sources, &listed)), ["p/b", "p/c/d"]);
        assert_eq!(unasked.extra, []);
    }

    #[test]
    fn what_is_left_out_is_never_deleted() {
        let filter = |include: &[&str], exclude: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            Filter::new(&owned(include), &owned(exclude)).unwrap()
        };
        let listed = objects(&["p/a.log", "p/b.txt", "p/tmp/x/c.txt"]);
        let surplus_of = |filter: &Filter| {
            let listed = [&listed[..], &objects(&["p/z"])].concat();
            let plan = filtered(&sources(&["z"]), &listed, filter, None).unwrap();
            assert_eq!(plan.kept, []);
            extra(&plan).join(" ")
        };

        assert_eq!(surplus_of(&filter(&[], &["tmp"])), "p/a.log p/b.txt");
        assert_eq!(surplus_of(&filter(&["*.log"], &[])), "p/a.log");
        assert_eq!(surplus_of(&filter(&["*.txt"], &["tmp/x"])), "p/b.txt");
    }

    #[test]
    fn what_no_file_stands_for_stays() {
        let mut sources = sources(&["a"]);
        let path = PathBuf::from("dir/link");
        let reason = "a symbolic link".to_owned();
        sources.skipped.push(Skipped { path, reason, is_unread: false });
        let listed =
            objects(&["p/", "p/f/", "p//x", "p/../y", "p/a", "p/link", "p/link/z", "p/linked"]);

        let plan = plan(&sources, &listed);

        let kept: Vec<_> = plan.kept.iter().map(|kept| kept.uri.key.as_str()).collect();
        assert_eq!(extra(&plan), ["p/linked"]);
        assert_eq!(kept, ["p//x", "p/../y", "p/link", "p/link/z"]);
    }

    #[test]
    fn nothing_is_deleted_when_something_could_not_be_read() {
        let mut sources = sources(&["a"]);
        let path = PathBuf::from("dir/closed");
        let reason = "Permission denied".to_owned();
        sources.skipped.push(Skipped { path: path.clone(), reason, is_unread: true });

        let plan = filtered(&sources, &objects(&["p/b"]), &Filter::default(), Some(9)).unwrap();

        assert_eq!((plan.extra.len(), plan.unread), (0, Some(path)));
    }

    #[test]
    fn a_mistake_is_told_from_a_wish_by_how_much_would_go() {
        let keys: Vec<_> = (0..30).map(|n| format!("p/{n:02}")).collect();
        let listed: Vec<_> = keys.iter().map(|key| object(key, 1)).collect();
        let kept = |n: usize, max| {
            let names: Vec<_> = keys[..n].iter().map(|key| &key[2..]).collect();
            filtered(&sources(&names), &listed, &Filter::default(), max)
                .map(|plan| plan.extra.len())
                .map_err(|error| (error.kind(), error.to_string()))
        };

        assert_eq!(kept(15, None), Ok(15));
        let text = "16 of 30 would be deleted, and not more than 15 may".to_owned();
        assert_eq!(kept(14, None), Err((Kind::Denied, text)));
        assert_eq!(kept(14, Some(16)), Ok(16));
        assert!(kept(15, Some(14)).is_err());
        assert_eq!(kept(30, Some(0)), Ok(0));
    }

    #[test]
    fn a_folder_that_has_nothing_in_common_with_the_objects_deletes_not_even_one() {
        let plan = |names: &[&str], keys: &[&str], max| {
            filtered(&sources(names), &objects(keys), &Filter::default(), max)
        };

        for max in [None, Some(0), Some(9)] {
            assert!(matches!(plan(&[], &["p/a"], max), Err(SyncError::NoFiles(1))));
            let nothing_in_common = plan(&["z"], &["p/a", "p/b"], max);
            assert!(matches!(nothing_in_common, Err(SyncError::NothingInCommon(2))));
            assert_eq!(plan(&[], &[], max).unwrap(), SyncPlan::default());
            assert_eq!(plan(&["z"], &[], max).unwrap().files.len(), 1);
        }
        // What is left alone on both sides is no sign of a pair.
        let filter = Filter::new(&[], &["*.txt".to_owned()]).unwrap();
        let apart = filtered(&sources(&["z"]), &objects(&["p/a", "p/b.txt"]), &filter, None);
        assert!(matches!(apart, Err(SyncError::NothingInCommon(1))));
        assert_eq!(extra(&plan(&["a"], &["p/a", "p/b"], None).unwrap()), ["p/b"]);
    }

    #[test]
    fn a_listing_that_lacks_what_is_stored_is_noticed() {
        let stored = |key: &str, outcome| ObjectSummary {
            uri: uri(key),
            outcome,
            size: 1,
            checksum: None,
            proof: crate::s3::Proof::Full,
            version_id: None,
            parts: 1,
            bytes_sent: 0,
            bytes_copied: 0,
            attempts: 1,
            lacks: Vec::new(),
            elapsed: std::time::Duration::ZERO,
        };
        let plan = plan(&sources(&["a", "b"]), &objects(&["p/a", "p/B"]));
        let stored = |outcome| [stored("p/a", Outcome::Unchanged), stored("p/b", outcome)];

        assert_eq!(plan.found_unlisted(&stored(Outcome::Stored)), None);
        assert_eq!(plan.found_unlisted(&stored(Outcome::Unchanged)), Some(&uri("p/b")));
        assert_eq!(plan.missing_in(&objects(&["p/a", "p/B"])), Some(&uri("p/b")));
        assert_eq!(plan.missing_in(&objects(&["p/a", "p/B", "p/b"])), None);
    }
}
