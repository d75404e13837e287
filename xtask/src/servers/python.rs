//! A Python of our own with moto, and with boto3, which reads back what the tools stored.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::folder;
use crate::shell::{command, run as check};

/// Without `awscrt` moto's CRC64NVME is wrong.
const PACKAGES: [&str; 3] = ["moto[server]==5.*", "boto3==1.*", "awscrt==0.*"];

/// Returns the folder of its programs, and makes it the first time.
pub(crate) fn programs() -> Result<PathBuf> {
    let venv = folder("python")?;
    let programs = venv.join("bin");
    let python = programs.join("python3");
    // An installation that broke off must not be taken for a whole one.
    let mut asked = command(&python);
    asked.args(["-c", "import awscrt, boto3, moto.server"]).stderr(std::process::Stdio::null());
    if python.is_file() && asked.status().is_ok_and(|status| status.success()) {
        return Ok(programs);
    }
    check(command("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .context("python3 with its module venv is needed")?;
    let mut install = command(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    check(install.args(PACKAGES)).context("moto and boto3 cannot be installed")?;
    Ok(programs)
}
