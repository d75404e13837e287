//! The Rust sources of the workspace and how they hang together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::findings::Findings;

/// One source file.
pub(crate) struct Source {
    /// Its path from the root.
    pub name: String,
    pub path: PathBuf,
    pub text: String,
    pub syntax: syn::File,
}

impl Source {
    /// Returns whether the file holds tests alone.
    pub(crate) fn is_test(&self) -> bool {
        let in_folder = |folder: &str| self.name.contains(folder);
        in_folder("/tests/") || in_folder("tests/e2e/") || self.name.ends_with("/tests.rs")
    }
}

/// Reads every source file of the workspace.
pub(crate) fn all(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in ["bench", "crates", "tests", "xtask"] {
        collect(&root.join(folder), &mut paths)?;
    }
    paths.sort();
    paths.into_iter().map(|path| read(root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, path: PathBuf) -> Result<Source> {
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let syntax =
        syn::parse_file(&text).with_context(|| format!("cannot parse {}", path.display()))?;
    let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
    Ok(Source { name, path, text, syntax })
}

/// Finds files that no other file declares: cargo ignores them without a word.
pub(crate) fn check_declared(files: &[Source], findings: &mut Findings) {
    for file in files {
        if !is_root(&file.path) && !is_declared(file, files) {
            findings.error(format!("{}: no `mod` declares this file", file.name));
        }
    }
}

/// Files that cargo finds by itself.
fn is_root(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let folder = path.parent().unwrap_or(path);
    let is_target =
        ["bin", "tests", "examples", "fuzz_targets"].iter().any(|target| folder.ends_with(target));
    name == "main.rs" || name == "lib.rs" || name == "build.rs" || is_target
}

fn is_declared(file: &Source, files: &[Source]) -> bool {
    let folder = file.path.parent().expect("a file has a folder");
    let stem = file.path.file_stem().unwrap_or_default();
    let by_name = folder.with_extension("rs");
    let parents = [folder.join("main.rs"), folder.join("lib.rs"), folder.join("mod.rs"), by_name];
    let declares = |parent: &Source| {
        parent.syntax.items.iter().any(|item| {
            matches!(item, syn::Item::Mod(module) if stem == module.ident.to_string().as_str())
        })
    };
    files.iter().any(|candidate| parents.contains(&candidate.path) && declares(candidate))
}

/// Checks that every member takes the workspace's lints: cargo does not inherit them.
pub(crate) fn check_manifests(root: &Path, findings: &mut Findings) -> Result<()> {
    let mut manifests =
        vec![root.join("tests"), root.join("tests/fakes"), root.join("xtask"), root.join("bench")];
    for entry in fs::read_dir(root.join("crates"))? {
        manifests.push(entry?.path());
    }
    for folder in manifests {
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        if !text.contains("[lints]\nworkspace = true") {
            findings
                .error(format!("{}: `[lints] workspace = true` is missing", manifest.display()));
        }
    }
    Ok(())
}
