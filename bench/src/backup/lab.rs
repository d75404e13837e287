//! Where the benchmark works: the folder, the tree, the tool, the archive that reading is measured on.

use std::{
    cell::{Cell, OnceCell},
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use flate2::bufread::GzDecoder;
use serde_json::{Value, json};

use super::{Options, peers::Installed};
use crate::{
    change,
    measure::Place,
    shell::{release_folder, root},
    tree::{self, Shape},
};

/// Coarser than the timestamps of any file system the tool must distrust.
const SETTLE_SECONDS: &str = "3";
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

/// Keeps this process and all it starts to two processors: the bars are for two.
pub(super) fn two_processors() -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let mut two = CpuSet::new();
    let all = 0..CpuSet::MAX_CPU;
    all.filter(|&n| allowed.is_set(n)).take(2).for_each(|n| two.set(n));
    sched_setaffinity(None, &two).context("cannot choose two processors")
}

impl Lab {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let work = options.work.clone().unwrap_or_else(|| root().join("target/bench"));
        let place = Place::new(work)?;
        let (tree, described) = match &options.tree {
            Some(tree) => (tree.clone(), tree.display().to_string()),
            None => generated(&place, options.shape)?,
        };
        let (n_files, n_bytes) = change::count(&tree)?;
        let described = format!("{described}: {n_files} files, {n_bytes} bytes");
        let lab = Self {
            installed: Installed::find(&place, &options.without),
            place,
            tree,
            tool: release_folder().join("devops-backup"),
            n_rounds: options.n_rounds,
            seed: options.shape.seed,
            described,
            archive: OnceCell::new(),
            n_aside: Cell::new(0),
        };
        lab.settle()?;
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
            "processor": processor(),
            "kernel": rustix::system::uname().release().to_string_lossy(),
            "versions": self.installed.versions(),
        })
    }

    /// Returns the words of a call of the tool.
    pub(super) fn tool<const N: usize>(&self, args: [&dyn AsRef<OsStr>; N]) -> Vec<OsString> {
        let args = args.iter().map(|arg| (**arg).as_ref().to_owned());
        std::iter::once(self.tool.clone().into_os_string()).chain(args).collect()
    }

    /// Removes a file or folder of the place, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        self.place.prepare(&["rm", "-rf", "--", name], &[])
    }

    /// Makes a folder of the place anew.
    pub(super) fn empty(&self, name: &str) -> Result<()> {
        self.remove(name)?;
        fs::create_dir_all(self.place.path(name)).with_context(|| name.to_owned())
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
        self.empty(name)
    }

    /// Removes what was set aside.
    pub(super) fn remove_aside(&self) -> Result<()> {
        self.remove(ASIDE)
    }

    /// Copies a folder of the place, times and owners with it.
    pub(super) fn copy(&self, from: &Path, to: &str) -> Result<()> {
        self.remove(to)?;
        let from = from.to_str().context("a folder to copy has a UTF-8 name")?;
        self.place.prepare(&["cp", "-a", "--reflink=auto", "--", from, to], &[])
    }

    /// Waits until no file is so new that a backup could not trust its time.
    pub(super) fn settle(&self) -> Result<()> {
        self.place.prepare(&["sleep", SETTLE_SECONDS], &[])
    }

    /// Makes one archive of `tree` in a folder of the place, and returns its path.
    pub(super) fn back_up(&self, tree: &Path, folder: &str) -> Result<PathBuf> {
        self.remove(folder)?;
        let folder = self.place.path(folder);
        let argv = self.tool([&"create", &tree, &folder]);
        let argv: Vec<_> = argv.iter().map(|word| word.to_str().unwrap_or_default()).collect();
        self.place.prepare(&argv, &[])?;
        let mut archives = archives(&folder)?;
        ensure!(archives.len() == 1, "{} holds {} archives", folder.display(), archives.len());
        Ok(archives.remove(0))
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

/// Removes every archive of a folder but `base`.
pub(super) fn keep_only(base: &Path) -> Result<()> {
    let folder = base.parent().expect("an archive is in a folder");
    for archive in archives(folder)?.into_iter().filter(|archive| archive != base) {
        fs::remove_file(&archive).with_context(|| archive.display().to_string())?;
    }
    Ok(())
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "gz")).collect())
}

/// Returns the generated tree of this shape, made once, and its description.
fn generated(place: &Place, shape: Shape) -> Result<(PathBuf, String)> {
    let Shape { seed, n_bytes, n_files } = shape;
    let name = format!("home-v{}-{seed}-{n_bytes}-{n_files}", tree::VERSION);
    let (folder, made) = (place.path(&name), place.path(format!("{name}.made")));
    if !made.exists() {
        println!("\nMaking the tree in {}", folder.display());
        place.prepare(&["rm", "-rf", "--", &name], &[])?;
        let checksum = tree::generate(shape, &folder)?;
        super::write(&made, &format!("{checksum:08x}"))?;
    }
    let checksum = fs::read_to_string(&made)?;
    Ok((folder, format!("generated, version {}, seed {seed}, checksum {checksum}", tree::VERSION)))
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, model)| model.to_owned())
}
