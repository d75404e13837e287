//! A list that lives in a file, one item a line; edits replace the file in one step.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use super::LessonError;
use crate::{
    cancel::Cancel,
    fs::{
        AtomicFile, Destination, IfExists, IoResultExt, PathError, parent, read_input, user_mode,
    },
};

/// How large a list may be, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// How often, and how many times, a lock that somebody else holds is tried again: 5 s in all.
const LOCK_RETRY: Duration = Duration::from_millis(50);
const LOCK_TRIES: u32 = 100;

/// A change of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds an item at the end.
    Append(String),
    /// Adds an item before the one at that index; negative ones count from the end.
    Insert(i64, String),
    /// Takes the first item that equals the text.
    Remove(String),
    /// Takes the item at that index.
    Pop(i64),
}

/// Returns the items of the list in `path`; blank lines are none.
///
/// It may be a pipe; a signal ends the wait for it.
pub fn load(path: &Path, cancel: &Cancel) -> Result<Vec<String>, LessonError> {
    let text = read_input(path, MAX_BYTES, cancel)?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// Changes the list in `path` and returns it; a file that is missing is made when items are added.
///
/// Edits of several processes follow each other: the folder is locked meanwhile.
pub fn edit(path: &Path, edit: &Edit, cancel: &Cancel) -> Result<Vec<String>, LessonError> {
    // An edit through a symlink replaces the file, not the link.
    let target = Destination::open(path)?;
    let path = target.path().to_owned();
    let _lock = lock(&path, cancel)?;
    let mut items = match load(&path, cancel) {
        Err(LessonError::Path(error)) if is_missing(&error) && edit.adds() => Vec::new(),
        loaded => loaded?,
    };
    apply(&mut items, edit)?;
    let mut text = items.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    let mode =
        fs::metadata(&path).map_or_else(|_| user_mode(), |file| file.permissions().mode() & 0o7777);
    let mut file = AtomicFile::create_at(&target)?;
    file.write_all(text.as_bytes()).at(&path, "write")?;
    file.commit(mode, IfExists::Replace)?;
    Ok(items)
}

fn is_missing(error: &PathError) -> bool {
    error.source.kind() == ErrorKind::NotFound
}

fn lock(path: &Path, cancel: &Cancel) -> Result<File, LessonError> {
    let folder = parent(path);
    let handle = File::open(folder).at(folder, "open")?;
    for _ in 0..LOCK_TRIES {
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => cancel.wait(LOCK_RETRY)?,
            locked => return Ok(locked.map(|()| handle).at(folder, "lock")?),
        }
    }
    Err(LessonError::Locked(PathBuf::from(path)))
}

impl Edit {
    fn adds(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Insert(..))
    }
}

/// Applies one change to `items`.
pub fn apply(items: &mut Vec<String>, edit: &Edit) -> Result<(), LessonError> {
    match edit {
        Edit::Append(item) => items.push(checked(item)?),
        Edit::Insert(index, item) => {
            let item = checked(item)?;
            let at = position(*index, items.len(), items.len())?;
            items.insert(at, item);
        }
        Edit::Remove(item) => {
            if items.is_empty() {
                return Err(LessonError::EmptyList);
            }
            let found = items.iter().position(|known| known == item);
            items.remove(found.ok_or_else(|| LessonError::NotListed(item.clone()))?);
        }
        Edit::Pop(index) => {
            let at = position_of_item(*index, items.len())?;
            items.remove(at);
        }
    }
    Ok(())
}

/// Returns the item at `index`; negative ones count from the end.
pub fn get(items: &[String], index: i64) -> Result<&str, LessonError> {
    Ok(&items[position_of_item(index, items.len())?])
}

fn position_of_item(index: i64, length: usize) -> Result<usize, LessonError> {
    match length {
        0 => Err(LessonError::EmptyList),
        _ => position(index, length, length - 1),
    }
}

/// Returns the place `index` stands for, which is `highest` at most.
fn position(index: i64, length: usize, highest: usize) -> Result<usize, LessonError> {
    let signed = |n: usize| i64::try_from(n).expect("lists fit into memory");
    let from_start = if index < 0 { index.saturating_add(signed(length)) } else { index };
    usize::try_from(from_start).ok().filter(|&at| at <= highest).ok_or(LessonError::Index {
        index,
        length,
        lowest: -signed(length),
        highest: signed(highest),
    })
}

fn checked(item: &str) -> Result<String, LessonError> {
    if item.trim().is_empty() || item.contains(char::is_control) {
        let given = item.escape_debug().to_string();
        return Err(LessonError::NotA { given, wanted: "an item: one line of text" });
    }
    Ok(item.to_owned())
}

/// Shows a list as Python does: `['aws', 'azure']`.
pub fn show<T: AsRef<str>>(items: &[T]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| quote(item.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if c == mark => out.extend(['\\', c]),
            _ if c.is_control() => out.extend(["\\x".to_owned(), format!("{:02x}", u32::from(c))]),
            _ => out.push(c),
        }
    }
    out.push(mark);
    out
}

/// Returns the lines of the notes about lists.
pub fn transcript() -> [String; 4] {
    let mut providers: Vec<&str> = vec!["aws", "azure", "gcp", "digitalocean"];
    let first = format!("The first cloud provider is: {}", providers[0]);
    let count = format!("There are {} providers in the list.", providers.len());
    providers.push("ibm_cloud");
    let appended = format!("After append: {}", show(&providers));
    providers.insert(2, "heroku");
    let inserted = format!("After insert: {}", show(&providers));
    [first, count, appended, inserted]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<String> {
        ["aws", "azure", "gcp", "digitalocean"].map(str::to_owned).to_vec()
    }

    fn edited(edit: &Edit) -> Result<String, String> {
        let mut items = list();
        apply(&mut items, edit).map_err(|error| error.to_string())?;
        Ok(items.join(" "))
    }

    #[test]
    fn edits_as_python_does_inside_the_list() {
        let insert = |index| edited(&Edit::Insert(index, "x".to_owned())).unwrap();

        assert_eq!(insert(0), "x aws azure gcp digitalocean");
        assert_eq!(insert(4), "aws azure gcp digitalocean x");
        assert_eq!(insert(-1), "aws azure gcp x digitalocean");
        assert_eq!(insert(-4), "x aws azure gcp digitalocean");
        assert_eq!(edited(&Edit::Pop(-1)).unwrap(), "aws azure gcp");
        assert_eq!(edited(&Edit::Remove("gcp".into())).unwrap(), "aws azure digitalocean");
    }

    #[test]
    fn an_index_outside_the_list_is_refused_instead_of_moved() {
        assert_eq!(
            edited(&Edit::Insert(100, "x".into())).unwrap_err(),
            "index 100 out of range (length 4, allowed -4..=4)"
        );
        assert_eq!(
            get(&list(), 4).unwrap_err().to_string(),
            "index 4 out of range (length 4, allowed -4..=3)"
        );
        assert!(edited(&Edit::Pop(i64::MIN)).is_err());
    }

    #[test]
    fn nothing_can_be_taken_from_an_empty_list() {
        let mut empty = Vec::new();

        assert!(matches!(get(&empty, 0), Err(LessonError::EmptyList)));
        assert!(matches!(apply(&mut empty, &Edit::Pop(-1)), Err(LessonError::EmptyList)));
        assert!(matches!(
            apply(&mut empty, &Edit::Remove("x".into())),
            Err(LessonError::EmptyList)
        ));
        assert!(apply(&mut empty, &Edit::Insert(0, "x".into())).is_ok());
    }

    #[test]
    fn shows_lists_as_python_does() {
        assert_eq!(show::<&str>(&[]), "[]");
        assert_eq!(
            show(&["a", "it's", "\"'\"", "b\\", "é\x01"]),
            r#"['a', "it's", '"\'"', 'b\\', 'é\x01']"#
        );
    }

    #[test]
    fn edits_survive_in_the_file_and_keep_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("providers.txt");
        let cancel = Cancel::new();

        edit(&path, &Edit::Append("aws".into()), &cancel).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        edit(&path, &Edit::Insert(0, "gcp".into()), &cancel).unwrap();

        assert_eq!(load(&path, &Cancel::new()).unwrap(), ["gcp", "aws"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "gcp\naws\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_refused_edit_leaves_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("providers.txt");

        let missing = edit(&path, &Edit::Pop(0), &Cancel::new()).unwrap_err();
        let two_lines = edit(&path, &Edit::Append("a\nb".into()), &Cancel::new()).unwrap_err();

        assert!(matches!(missing, LessonError::Path(_)));
        assert_eq!(two_lines.to_string(), r"'a\nb' is not an item: one line of text");
        assert!(!path.exists());
    }

    /// Appends, however long the others take with the file.
    fn append(path: &Path, n: u32) {
        let edit = || edit(path, &Edit::Append(format!("p{n}")), &Cancel::new());
        while let Err(error) = edit() {
            assert!(matches!(error, LessonError::Locked(_)), "{error}");
        }
    }

    #[test]
    fn edits_of_several_threads_all_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("providers.txt");

        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || append(path, n));
            }
        });

        assert_eq!(load(&path, &Cancel::new()).unwrap().len(), 8);
    }

    #[test]
    fn an_edit_through_a_symlink_keeps_the_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        edit(&real, &Edit::Append("aws".into()), &Cancel::new()).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();

        edit(&link, &Edit::Append("gcp".into()), &Cancel::new()).unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(load(&real, &Cancel::new()).unwrap(), ["aws", "gcp"]);
    }
}
