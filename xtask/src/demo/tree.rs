//! Trees of files for the demo: copied, changed and compared.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::shell::command;

/// Copies a folder and returns how many files it holds.
pub(super) fn copy(from: &Path, to: &Path) -> Result<usize> {
    let entries = list(from)?;
    fs::create_dir_all(to)?;
    for (name, entry) in &entries {
        copy_entry(&from.join(name), &to.join(name), entry)?;
    }
    Ok(entries.values().filter(|entry| matches!(entry, Entry::File { .. })).count())
}

/// Copies the files git tracks, or the whole folder where there is no repository.
pub(super) fn copy_tracked(root: &Path, to: &Path) -> Result<usize> {
    let listed = command("git").args(["ls-files", "-z"]).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return copy(root, to);
    };
    let text = String::from_utf8(listed.stdout).context("a tracked name is not UTF-8")?;
    let names = text.split_terminator('\0').filter(|name| root.join(name).exists());
    let mut n_files = 0;
    for name in names {
        let target = to.join(name);
        fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        fs::copy(root.join(name), target).with_context(|| name.to_owned())?;
        n_files += 1;
    }
    Ok(n_files)
}

/// Adds a file and changes one.
pub(super) fn change(dir: &Path) -> Result<()> {
    write(&dir.join("new-in-the-second-backup.txt"), "added by the demo\n")?;
    let entries = list(dir)?;
    let largest = entries.iter().filter_map(|(name, entry)| match entry {
        Entry::File { size, .. } => Some((*size, name)),
        _ => None,
    });
    if let Some((_, name)) = largest.max() {
        let path = dir.join(name);
        let mut bytes = fs::read(&path)?;
        bytes.extend_from_slice(b"\nchanged by the demo\n");
        put(&path, &bytes)?;
    }
    Ok(())
}

/// Fails unless both folders hold the same names, kinds, modes, times, link targets and bytes.
pub(super) fn compare(left: &Path, right: &Path) -> Result<String> {
    let (before, after) = (list(left)?, list(right)?);
    for (name, entry) in &before {
        let other = after.get(name).with_context(|| format!("`{}` is missing", name.display()))?;
        ensure!(entry == other, "`{}` differs: {entry:?}, {other:?}", name.display());
        if matches!(entry, Entry::File { .. }) {
            let same = fs::read(left.join(name))? == fs::read(right.join(name))?;
            ensure!(same, "the bytes of `{}` differ", name.display());
        }
    }
    let extra = after.keys().find(|name| !before.contains_key(*name));
    ensure!(
        extra.is_none(),
        "`{}` was not in the source",
        extra.map_or("".as_ref(), |name| name.as_path()).display()
    );
    Ok(format!("{} entries, all the same", before.len()))
}

/// Writes a text file and its folders.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    put(path, text.as_bytes())
}

#[allow(clippy::disallowed_methods, reason = "files of the demo need no atomic replacement")]
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder { mode: u32 },
    File { size: u64, mode: u32, modified: (i64, i64) },
    Link(PathBuf),
    Other,
}

fn list(dir: &Path) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = dir.join(&folder);
        for found in
            fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?
        {
            let name = folder.join(found?.file_name());
            let metadata = fs::symlink_metadata(dir.join(&name))?;
            let entry = if metadata.is_dir() {
                folders.push(name.clone());
                Entry::Folder { mode: metadata.mode() }
            } else if metadata.is_symlink() {
                Entry::Link(fs::read_link(dir.join(&name))?)
            } else if metadata.is_file() {
                let modified = (metadata.mtime(), metadata.mtime_nsec());
                Entry::File { size: metadata.size(), mode: metadata.mode(), modified }
            } else {
                Entry::Other
            };
            entries.insert(name, entry);
        }
    }
    Ok(entries)
}

fn copy_entry(from: &Path, to: &Path, entry: &Entry) -> Result<()> {
    match entry {
        Entry::Folder { .. } => fs::create_dir_all(to)?,
        Entry::Link(target) => symlink(target, to)?,
        Entry::File { .. } => drop(fs::copy(from, to).with_context(|| from.display().to_string())?),
        Entry::Other => {}
    }
    Ok(())
}
