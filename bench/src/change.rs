//! Changes a known part of a tree, the same part each time.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

/// A regular file of the tree.
struct Found {
    path: PathBuf,
    size: u64,
}

/// Of a larger file only so much is changed when files are changed at random.
const MOST_OF_A_FILE: u64 = 1 << 20;

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Changed {
    pub n_files: usize,
    pub n_bytes: u64,
    /// The folder all of it is in.
    pub folder: PathBuf,
}

/// Changes one byte in a hundred of the tree, all in one folder: the smallest that holds so many.
pub(crate) fn bytes_in_one_folder(tree: &Path) -> Result<Changed> {
    let mut best: Option<(u64, PathBuf)> = None;
    let all = files(tree)?;
    let wanted = all.iter().map(|file| file.size).sum::<u64>() / 100;
    for folder in folders(&all, tree) {
        let inside = all.iter().filter(|file| file.path.starts_with(folder));
        let size = inside.map(|file| file.size).sum();
        let is_better = best.as_ref().is_none_or(|(best, _)| size < *best);
        if size >= wanted && is_better {
            best = Some((size, folder.to_owned()));
        }
    }
    let (_, folder) = best.context("the tree is empty")?;
    let mut changed = Changed { n_files: 0, n_bytes: 0, folder };
    for file in all.iter().filter(|file| file.path.starts_with(&changed.folder)) {
        let n = file.size.min(wanted - changed.n_bytes);
        if n > 0 {
            change(file, n)?;
            changed.n_files += 1;
            changed.n_bytes += n;
        }
    }
    Ok(changed)
}

/// Changes one file in a hundred, drawn from all of them.
pub(crate) fn files_at_random(tree: &Path, seed: u64) -> Result<Changed> {
    let mut all = files(tree)?;
    ensure!(!all.is_empty(), "the tree is empty");
    Rng::with_seed(seed).shuffle(&mut all);
    all.truncate(all.len().div_ceil(100));
    let mut changed = Changed { n_files: all.len(), n_bytes: 0, folder: tree.to_owned() };
    for file in &all {
        let n = file.size.min(MOST_OF_A_FILE);
        change(file, n)?;
        changed.n_bytes += n;
    }
    Ok(changed)
}

/// Puts the next letter for each letter in the first `n` bytes: other bytes that compress alike.
fn change(file: &Found, n: u64) -> Result<()> {
    let context = || file.path.display().to_string();
    let handle =
        OpenOptions::new().read(true).write(true).open(&file.path).with_context(context)?;
    let mut buffer = vec![0; 256 << 10];
    let mut place = 0;
    while place < n {
        let n_wanted = buffer.len().min(usize::try_from(n - place).unwrap_or(usize::MAX));
        let stretch = &mut buffer[..n_wanted];
        handle.read_exact_at(stretch, place).with_context(context)?;
        for byte in stretch.iter_mut() {
            *byte = next(*byte);
        }
        handle.write_all_at(stretch, place).with_context(context)?;
        place += n_wanted as u64;
    }
    // A file without a letter has a new time at least.
    handle.set_modified(std::time::SystemTime::now()).with_context(context)
}

fn next(byte: u8) -> u8 {
    match byte {
        b'z' => b'a',
        b'Z' => b'A',
        byte if byte.is_ascii_alphabetic() => byte + 1,
        byte => byte,
    }
}

/// Returns the regular files of a tree, by path; each name of a hard-linked file but the first is left out.
fn files(tree: &Path) -> Result<Vec<Found>> {
    use std::{collections::HashSet, os::unix::fs::MetadataExt};
    let (mut found, mut seen, mut todo) = (Vec::new(), HashSet::new(), vec![tree.to_owned()]);
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            if metadata.is_dir() {
                todo.push(path);
            } else if metadata.is_file() && seen.insert((metadata.dev(), metadata.ino())) {
                found.push(Found { path, size: metadata.len() });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Returns every folder on the way to a file, each once.
fn folders<'a>(files: &'a [Found], tree: &'a Path) -> Vec<&'a Path> {
    let inside = |folder: &&Path| folder.starts_with(tree);
    let all = files.iter().flat_map(|file| file.path.ancestors().skip(1).take_while(inside));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all.dedup();
    all
}

/// A file of about `size` bytes, as near as there is, from the middle of the tree when there are several.
pub(crate) fn typical_file(tree: &Path, size: u64) -> Result<PathBuf> {
    let all = files(tree)?;
    let middle = &all[all.len() / 3..(all.len() * 2).div_ceil(3)];
    let nearest = middle.iter().min_by_key(|file| file.size.abs_diff(size));
    let file = nearest.context("the tree is empty")?;
    Ok(file.path.strip_prefix(tree).expect("it was found there").to_owned())
}

/// Counts the files of a tree and their bytes.
pub(crate) fn count(tree: &Path) -> Result<(usize, u64)> {
    let all = files(tree)?;
    Ok((all.len(), all.iter().map(|file| file.size).sum()))
}

/// Makes a file of `size` bytes that takes no room: data in a few places, holes between.
pub(crate) fn sparse_file(path: &Path, size: u64) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut data = vec![0; 1 << 20];
    let mut rng = Rng::with_seed(size);
    for part in 0..4 {
        rng.fill(&mut data);
        file.write_all_at(&data, part * (size / 4) + 4096)?;
    }
    file.set_len(size).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, n: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all_at(&vec![b'a'; n], 0).unwrap();
    }

    #[test]
    fn one_byte_in_a_hundred_changes_in_one_folder() {
        let tree = tempfile::tempdir().unwrap();
        for (name, n) in [("large", 8_000), ("one/a", 500), ("two/b", 60), ("two/c", 1_440)] {
            write(&tree.path().join(name), n);
        }

        let changed = bytes_in_one_folder(tree.path()).unwrap();

        let folder = tree.path().join("one");
        assert_eq!(changed, Changed { n_files: 1, n_bytes: 100, folder: folder.clone() });
        let bytes = fs::read_to_string(folder.join("a")).unwrap();
        assert_eq!(bytes, format!("{}{}", "b".repeat(100), "a".repeat(400)));
    }

    #[test]
    fn one_file_in_a_hundred_changes() {
        let tree = tempfile::tempdir().unwrap();
        for n in 0..200 {
            write(&tree.path().join(n.to_string()), 10);
        }

        let changed = files_at_random(tree.path(), 1).unwrap();

        assert_eq!((changed.n_files, changed.n_bytes), (2, 20));
        let is_changed = |n: &usize| fs::read(tree.path().join(n.to_string())).unwrap()[0] == b'b';
        assert_eq!((0..200).filter(is_changed).count(), 2);
    }
}
