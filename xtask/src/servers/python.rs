//! Environments of Python: one with moto, and with boto3, which reads back what the tools stored, and one for
//! each server that pip installs.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result};

use super::place::folder;
use crate::shell::{command, run as check};

/// What pip installs into a folder of its own.
pub(crate) struct Environment {
    pub(crate) folder: &'static str,
    pub(crate) packages: &'static [&'static str],
    /// A program of it with arguments, which succeeds once all is there.
    pub(crate) probe: &'static [&'static str],
}

/// Without `awscrt` moto's CRC64NVME is wrong.
const CLIENT: Environment = Environment {
    folder: "python",
    packages: &["moto[server]==5.*", "boto3==1.*", "awscrt==0.*"],
    probe: &["python3", "-c", "import awscrt, boto3, moto.server"],
};

/// Returns the folder of the programs with moto and boto3.
pub(crate) fn programs() -> Result<PathBuf> {
    CLIENT.programs()
}

impl Environment {
    /// Returns the folder of its programs, and makes it the first time.
    pub(crate) fn programs(&self) -> Result<PathBuf> {
        let venv = folder(self.folder)?;
        let programs = venv.join("bin");
        let (program, args) = self.probe.split_first().context("a probe is a program")?;
        // An installation that broke off must not be taken for a whole one.
        let mut asked = command(programs.join(program));
        asked.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        if asked.status().is_ok_and(|status| status.success()) {
            return Ok(programs);
        }
        check(command("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("python3 with its module venv is needed")?;
        let mut install = command(programs.join("python3"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        check(install.args(self.packages))
            .with_context(|| format!("pip cannot install {}", self.packages.join(", ")))?;
        Ok(programs)
    }
}
