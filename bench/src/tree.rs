//! A folder like a developer's home, the same on every machine: planned and filled from one seed.
//!
//! Nothing in it is copied from anywhere: words, code and records are made from distributions.
//! `kind` says which fractions such a home has and why; `place` where files stand; the rest what they hold.

mod code;
mod content;
mod kind;
mod media;
mod object;
mod pages;
mod place;
mod plan;
mod prose;
mod records;
mod shape;
mod words;

use std::{
    fs::{self, File, FileTimes, Permissions},
    io::{BufWriter, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use flate2::Crc;

use crate::{place::Place, report::write};

use content::Content;
pub(crate) use kind::Kind;
use plan::{Node, Planned};
pub(crate) use shape::Shape;
use words::Words;

/// Changed whenever the generator makes other bytes: trees of different versions are not compared.
const VERSION: u32 = 1;

/// Fills `folder` with the tree and returns a checksum of all paths and bytes.
pub(crate) fn generate(shape: Shape, folder: &Path) -> Result<u32> {
    let words = Words::new(shape.seed);
    let mut crc = Crc::new();
    for planned in plan::plan(shape, &words) {
        let path = folder.join(&planned.path);
        let parent = path.parent().expect("a planned path has a folder");
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        crc.update(planned.path.as_bytes());
        make(&planned, folder, &words, &mut crc).with_context(|| planned.path.clone())?;
    }
    Ok(crc.sum())
}

fn make(planned: &Planned, folder: &Path, words: &Words, crc: &mut Crc) -> Result<()> {
    let path = folder.join(&planned.path);
    match &planned.node {
        Node::Symlink { target } => {
            crc.update(target.as_bytes());
            symlink(target, path)?;
        }
        Node::HardLink { to } => {
            crc.update(to.as_bytes());
            fs::hard_link(folder.join(to), path)?;
        }
        Node::File { kind, size, seed } => {
            let file = File::create(&path)?;
            fill(&file, *size, kind.content(*seed, words).as_mut(), crc)?;
            file.set_permissions(Permissions::from_mode(planned.mode))?;
            let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(planned.modified_ns);
            file.set_times(FileTimes::new().set_modified(modified))?;
        }
    }
    Ok(())
}

/// Writes `n` bytes of `content`.
pub(crate) fn fill_file(path: &Path, n: u64, kind: Kind, seed: u64) -> Result<()> {
    let words = Words::new(seed);
    let file = File::create(path).with_context(|| path.display().to_string())?;
    fill(&file, n, kind.content(seed, &words).as_mut(), &mut Crc::new())
}

fn fill(file: &File, n: u64, content: &mut dyn Content, crc: &mut Crc) -> Result<()> {
    let mut writer = BufWriter::with_capacity(256 << 10, file);
    let mut stretch = Vec::new();
    let mut left = n;
    while left > 0 {
        stretch.clear();
        content.more(&mut stretch);
        let n_taken = stretch.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        crc.update(&stretch[..n_taken]);
        writer.write_all(&stretch[..n_taken])?;
        left -= n_taken as u64;
    }
    writer.flush().map_err(Into::into)
}

/// Returns the generated tree of this shape, made once, and its description.
pub(crate) fn generated(place: &Place, shape: Shape) -> Result<(PathBuf, String)> {
    let Shape { seed, n_bytes, n_files } = shape;
    let name = format!("home-v{VERSION}-{seed}-{n_bytes}-{n_files}");
    let (folder, made) = (place.path(&name), place.path(format!("{name}.made")));
    if !made.exists() {
        println!("\nMaking the tree in {}", folder.display());
        place.prepare(&["rm", "-rf", "--", &name], &[])?;
        let checksum = generate(shape, &folder)?;
        write(&made, &format!("{checksum:08x}"))?;
    }
    let checksum = fs::read_to_string(&made)?;
    Ok((folder, format!("generated, version {VERSION}, seed {seed}, checksum {checksum}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Shape = Shape { seed: 1, n_bytes: 4_000_000, n_files: 400 };

    #[test]
    fn the_same_shape_gives_the_same_tree_on_every_machine() {
        let folder = tempfile::tempdir().unwrap();

        let checksum = generate(SMALL, folder.path()).unwrap();

        // Another sum means another tree: then raise `VERSION` with it.
        assert_eq!(checksum, 0x7069_36ff);
    }

    #[test]
    fn another_seed_gives_another_tree() {
        let folders = [1, 2].map(|seed| {
            let folder = tempfile::tempdir().unwrap();
            (generate(Shape { seed, ..SMALL }, folder.path()).unwrap(), folder)
        });

        assert_ne!(folders[0].0, folders[1].0);
    }
}
