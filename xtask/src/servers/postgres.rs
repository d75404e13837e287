//! `PostgreSQL` of Debian: a cluster in a folder of its own, without a password, on loopback.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::process::{Server, free_port};
use crate::shell::{command, run as check};

/// The folder where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// `PostgreSQL` refuses to run as root; this user comes with the package.
const USER: &str = "postgres";

/// A running server; its cluster goes with it.
pub(super) struct Postgres {
    /// The address without the name of a database.
    pub(super) url: String,
    pub(super) psql: PathBuf,
    _server: Server,
    _cluster: TempDir,
    _logs: TempDir,
}

impl Postgres {
    pub(super) fn start() -> Result<Self> {
        let programs = programs()?;
        let (cluster, logs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        if is_root() {
            check(command("chown").arg(USER).arg(cluster.path()))?;
        }
        let data = cluster.path().join("data");
        let mut initialize = as_user(&programs.join("initdb"));
        initialize.args(["--auth", "trust", "--username", USER, "--no-sync", "-D"]).arg(&data);
        check(initialize.current_dir(cluster.path()))?;
        let port = free_port()?;
        let mut postgres = as_user(&programs.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        postgres.arg("-k").arg(cluster.path()).args(["-c", "fsync=off"]);
        postgres.current_dir(cluster.path());
        let server = Server::start(&mut postgres, port, &logs.path().join("log"))?;
        Ok(Self {
            url: format!("postgres://{USER}@127.0.0.1:{port}"),
            psql: programs.join("psql"),
            _server: server,
            _cluster: cluster,
            _logs: logs,
        })
    }
}

/// Returns the folder of the programs of the newest version, and installs it where that is possible.
fn programs() -> Result<PathBuf> {
    let newest = || {
        let versions = fs::read_dir(VERSIONS).ok()?.flatten();
        let folders = versions.map(|version| version.path().join("bin"));
        folders.filter(|folder| folder.join("initdb").is_file()).max()
    };
    if let Some(folder) = newest() {
        return Ok(folder);
    }
    if is_root() {
        check(command("apt-get").args(["-qq", "update"]))?;
        let mut install = command("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        check(install.args(["-qq", "-y", "--no-install-recommends", "install", "postgresql"]))?;
    }
    newest().context("install PostgreSQL with `apt-get install postgresql`")
}

/// Returns a command that runs as another user where we are root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return command(program);
    }
    let mut command = command("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
