//! Where the benchmark works: the folder, the tree, the tool, the archive that reading is measured on.

use std::{
    cell::{Cell, OnceCell},
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::bufread::GzDecoder;
use serde_json::{Value, json};

use super::{Options, peers::PROGRAMS};
use crate::{
    archives, change, machine,
    place::Place,
    programs::Installed,
    shell::{release_folder, root},
    tree,
};

/// Where folders go that are not removed yet.
const ASIDE: &str = "aside";

pub(super) struct Lab {
    pub(super) place: Place,
    /// The tree all candidates read; nothing changes it.
    pub(super) tree: PathBuf,
    pub(super) tool: PathBuf,
    pub(super) installed: Installed,
    pub(super) n_rounds: usize,
    pub(super) seed: u64,
    described: String,
    archive: OnceCell<PathBuf>,
    n_aside: Cell<u32>,
}

impl Lab {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let work = options.output.work.clone().unwrap_or_else(|| root().join("target/bench"));
        let place = Place::new(work)?;
        let (tree, described) = match &options.tree {
            Some(tree) => (tree.clone(), tree.display().to_string()),
            None => tree::generated(&place, options.shape())?,
        };
        let (n_files, n_bytes) = change::count(&tree)?;
        let described = format!("{described}: {n_files} files, {n_bytes} bytes");
        let lab = Self {
            installed: Installed::find(&place, PROGRAMS, &options.without),
            place,
            tree,
            tool: release_folder().join("devops-backup"),
            n_rounds: options.n_rounds,
            seed: options.shape().seed,
            described,
            archive: OnceCell::new(),
            n_aside: Cell::new(0),
        };
        lab.place.settle()?;
        // The first candidate must not be the one that reads the disk.
        let read = format!("tar -C {} -cf - . | cat", lab.tree.display());
        lab.place.prepare(&["bash", "-c", &format!("{read} > /dev/null")], &[])?;
        Ok(lab)
    }

    pub(super) fn print(&self) {
        println!("\nTree: {}", self.described);
        println!("Work: {}", self.place.path("").display());
        self.installed.print();
    }

    pub(super) fn facts(&self) -> Value {
        json!({
            "tree": self.described,
            "rounds": self.n_rounds,
            "processor": machine::processor(),
            "kernel": machine::kernel(),
            "versions": self.installed.versions(),
        })
    }

    /// Returns the words of a call of the tool.
    pub(super) fn tool<const N: usize>(&self, args: [&dyn AsRef<OsStr>; N]) -> Vec<OsString> {
        let args = args.iter().map(|arg| (**arg).as_ref().to_owned());
        std::iter::once(self.tool.clone().into_os_string()).chain(args).collect()
    }

    /// Makes a folder of the place anew, and keeps the old one until [`Self::remove_aside`], emptied.
    ///
    /// A file system may take long to give new files the numbers of those removed a minute ago: ext4
    /// without a journal passes each of them by, and the next candidate would pay for it.
    pub(super) fn set_aside(&self, name: &str) -> Result<()> {
        let n = self.n_aside.get();
        if self.place.path(name).exists() {
            let aside = format!("{ASIDE}/{n}");
            fs::create_dir_all(self.place.path(ASIDE)).context(ASIDE)?;
            self.place.prepare(&["mv", "--", name, &aside], &[])?;
            let files = ["find", &aside, "-type", "f", "-exec", "chmod", "u+w", "{}", "+"];
            let emptied = ["-exec", "truncate", "-s0", "{}", "+"];
            self.place.prepare(&[&files[..], &emptied].concat(), &[])?;
            self.n_aside.set(n + 1);
        }
        self.place.empty(name)
    }

    /// Removes what was set aside.
    pub(super) fn remove_aside(&self) -> Result<()> {
        self.place.remove(ASIDE)
    }

    /// Makes one archive of `tree` in a folder of the place, made anew, and returns its path.
    pub(super) fn back_up(&self, tree: &Path, folder: &str) -> Result<PathBuf> {
        self.place.remove(folder)?;
        archives::create(&self.place, &self.tool, (tree, folder))
    }

    /// Returns the archive of the tree that reading is measured on, made at first need.
    pub(super) fn archive(&self) -> Result<&Path> {
        if self.archive.get().is_none() {
            let archive = self.back_up(&self.tree, "archive")?;
            self.archive.set(archive).expect("it was not there");
        }
        Ok(self.archive.get().expect("it was made"))
    }

    /// Returns how much of the archive stands behind its first gzip member: the index, if there is one.
    ///
    /// What aligns the segments inside the member cannot be told from outside.
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    pub(super) fn index_share(&self) -> Result<Option<f64>> {
        let Some(archive) = self.archive.get() else { return Ok(None) };
        let mut member = GzDecoder::new(BufReader::new(File::open(archive)?));
        std::io::copy(&mut member.by_ref(), &mut std::io::sink())?;
        let mut rest = member.into_inner();
        let (end, size) = (rest.stream_position()?, archive.metadata()?.len());
        Ok((size > end).then(|| (size - end) as f64 / size as f64))
    }
}
