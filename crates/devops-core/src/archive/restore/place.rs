//! Computes the path of an entry in the target folder.

use std::path::{Component, Path, PathBuf};

/// The most folders above each other: one entry with a path of a megabyte would make half a million.
const MAX_DEPTH: usize = 4096;

/// Returns the path without `.`, doubled slashes and those in front, as every tar restores it; refuses one
/// that could lead elsewhere.
pub(super) fn normalize(path: &Path) -> Result<PathBuf, &'static str> {
    let mut normal = PathBuf::new();
    for (depth, component) in path.components().enumerate() {
        match component {
            Component::Normal(_) if depth > MAX_DEPTH => return Err("is too many folders deep"),
            Component::Normal(name) => normal.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir => return Err("leads out of the folder with `..`"),
        }
    }
    Ok(normal)
}

/// Returns where `path` goes after taking `n_stripped` components off; `None` when nothing is left.
///
/// The empty place is the target folder itself.
pub(super) fn place(path: &Path, n_stripped: usize) -> Result<Option<PathBuf>, &'static str> {
    let normal = normalize(path)?;
    if n_stripped == 0 {
        return Ok(Some(normal));
    }
    let rest: PathBuf = normal.components().skip(n_stripped).collect();
    Ok((!rest.as_os_str().is_empty()).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_paths_that_lead_elsewhere() {
        for path in ["../a", "a/../../b", "a/..", "/../etc/passwd", "//x/..", ".."] {
            assert!(place(Path::new(path), 0).is_err(), "{path}");
        }
        // Also where stripping would take the evil part off: the archive cannot be trusted.
        assert!(place(Path::new("../a"), 1).is_err());
        assert!(place(Path::new(&"a/".repeat(500_000)), 0).is_err());
    }

    #[test]
    fn strips_components_and_dots() {
        let stripped = |path, n| place(Path::new(path), n).unwrap();

        assert_eq!(stripped("./a//b/.", 0), Some("a/b".into()));
        assert_eq!(stripped(".", 0), Some("".into()));
        assert_eq!(stripped("/", 0), Some("".into()));
        assert_eq!(stripped("//srv/./a", 0), Some("srv/a".into()));
        assert_eq!(stripped("/srv/a", 1), Some("a".into()));
        assert_eq!(stripped("a/b/c", 1), Some("b/c".into()));
        assert_eq!(stripped("a", 1), None);
    }
}
