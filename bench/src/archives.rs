//! The archives that devops-backup makes in a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::place::Place;

/// Makes one more archive of a tree in a folder of the place, and returns its path.
pub(crate) fn create(place: &Place, tool: &Path, (tree, folder): (&Path, &str)) -> Result<PathBuf> {
    let folder = place.path(folder);
    let before = if folder.exists() { all(&folder)? } else { Vec::new() };
    let words = [tool, Path::new("create"), tree, &folder];
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    place.prepare(&words, &[])?;
    let mut made = all(&folder)?;
    made.retain(|archive| !before.contains(archive));
    ensure!(made.len() == 1, "{} holds {} new archives", folder.display(), made.len());
    Ok(made.remove(0))
}

/// Removes every archive of a folder but `base`.
pub(crate) fn keep_only(base: &Path) -> Result<()> {
    let folder = base.parent().expect("an archive is in a folder");
    for archive in all(folder)?.into_iter().filter(|archive| archive != base) {
        fs::remove_file(&archive).with_context(|| archive.display().to_string())?;
    }
    Ok(())
}

fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "gz")).collect())
}
