//! What a folder has that a prune of one name does not look at.

use std::{collections::BTreeSet, ffi::OsStr, fmt};

use crate::{
    archive_index::{ArchiveName, BackupName},
    s3::{LevelEntry, ListedObject, S3Context, S3Error, S3Uri, list_level},
};

/// So many are named.
const SHOWN: usize = 3;
/// After so many the listing need not go on: it is clear that there is something.
const MOST_LISTED: usize = 10_000;

/// What a folder has beside the archives of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The names of its other archives.
    pub names: BTreeSet<BackupName>,
    /// What else is directly in it, without the folder's own path.
    pub keys: Vec<String>,
}

impl Others {
    /// Lists what is directly in a folder.
    pub(super) async fn find(context: S3Context<'_>, folder: &S3Uri) -> Result<Self, S3Error> {
        let (mut others, mut n) = (Self::default(), 0_usize);
        list_level(context, folder, "/", &mut |entry| {
            n += 1;
            let (LevelEntry::Object(ListedObject { uri, .. }) | LevelEntry::Prefix(uri)) = entry;
            others.take(uri.key.strip_prefix(&folder.key).unwrap_or_default());
            n < MOST_LISTED
        })
        .await?;
        Ok(others)
    }

    fn take(&mut self, relative: &str) {
        match ArchiveName::parse(OsStr::new(relative)) {
            Some(archive) => drop(self.names.insert(archive.name)),
            // What stands for the folder itself is nothing in it.
            None if relative.is_empty() => {}
            None => self.keys.push(relative.to_owned()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.keys.is_empty()
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |word: &dyn fmt::Display| format!("`{word}`");
        let (what, words): (_, Vec<_>) = if self.names.is_empty() {
            ("", self.keys.iter().map(|key| quoted(key)).collect())
        } else {
            ("archives named ", self.names.iter().map(|name| quoted(name)).collect())
        };
        let shown = words[..words.len().min(SHOWN)].join(", ");
        match words.len().checked_sub(SHOWN).filter(|&n| n > 0) {
            Some(n) => write!(f, "{what}{shown} and {n} more"),
            None => write!(f, "{what}{shown}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(keys: &[&str]) -> String {
        let mut others = Others::default();
        for key in keys {
            others.take(key);
        }
        others.to_string()
    }

    #[test]
    fn names_of_archives_say_more_than_other_keys() {
        let archives =
            ["shop-2026-11-01.tar.gz", "shop-2026-11-02.tar.gz", "web-2026-11-01.tar.gz.age"];

        assert_eq!(shown(&[&archives[..], &["a.sql"]].concat()), "archives named `shop`, `web`");
        assert_eq!(shown(&["a.sql", "", "h/"]), "`a.sql`, `h/`");
        assert_eq!(shown(&["a", "b", "c", "d", "e"]), "`a`, `b`, `c` and 2 more");
    }
}
