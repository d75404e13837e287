//! The folder a benchmark works in, and how programs are run there.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::shell::{command, shown};

/// Coarser than the timestamps of any file system a backup must distrust.
const SETTLE_SECONDS: &str = "3";

/// A place to run programs in, where nothing from outside reaches them but the path.
pub(crate) struct Place {
    dir: PathBuf,
}

impl Place {
    /// Makes the folder, with a home of its own.
    pub(crate) fn new(dir: PathBuf) -> Result<Self> {
        let home = dir.join("home");
        fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
        Ok(Self { dir })
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.join(relative)
    }

    /// Returns a command that runs here.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, words: &[A]) -> Command {
        let (program, args) = words.split_first().expect("a command has a program");
        let mut command = command(program);
        command.args(args).current_dir(&self.dir).env_clear();
        command.env("HOME", self.path("home")).env("LC_ALL", "C.UTF-8").env("TMPDIR", &self.dir);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that prepares something and must succeed; its output is dropped.
    pub(crate) fn prepare(&self, argv: &[&str], env: &[(&str, OsString)]) -> Result<()> {
        let mut command = self.command(argv);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let output = command.output().with_context(|| shown(&command))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}` failed: {}", shown(&command), said.trim_end());
        Ok(())
    }

    /// Removes a file or folder of the place, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.prepare(&["rm", "-rf", "--", name], &[])
    }

    /// Makes a folder of the place anew.
    pub(crate) fn empty(&self, name: &str) -> Result<()> {
        self.remove(name)?;
        fs::create_dir_all(self.path(name)).with_context(|| name.to_owned())
    }

    /// Copies a folder into the place, times and owners with it.
    pub(crate) fn copy(&self, from: &Path, to: &str) -> Result<()> {
        self.remove(to)?;
        let from = from.to_str().context("a folder to copy has a UTF-8 name")?;
        self.prepare(&["cp", "-a", "--reflink=auto", "--", from, to], &[])
    }

    /// Waits until no file is so new that a backup could not trust its time.
    pub(crate) fn settle(&self) -> Result<()> {
        self.prepare(&["sleep", SETTLE_SECONDS], &[])
    }
}
