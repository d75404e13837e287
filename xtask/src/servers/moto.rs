//! moto: locks, versions, tags and roles, but no integrity. It takes wrong data without a word.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};

use super::{
    matrix,
    place::Place,
    process::{Server, free_port},
    python::{self, Environment},
    report::Report,
};
use crate::shell::command;

/// Makes a user and a role, and lets moto look at signatures from then on.
const SET_UP: &str = include_str!("moto.py");

/// The usual installation: without `awscrt` it answers four bytes as CRC-64/NVME.
const BARE: Environment = Environment {
    folder: "moto-bare",
    packages: &["moto[server]==5.*"],
    probe: &["python3", "-c", "import moto.server"],
};

/// Starts moto and runs the matrix on it.
pub(crate) fn run() -> Result<Report> {
    look("moto", &python::programs()?)
}

/// Does the same with a moto that lacks the library for its checksums.
pub(crate) fn run_bare() -> Result<Report> {
    look("moto-bare", &BARE.programs()?)
}

/// Starts a moto that does not look at signatures, with its log in a folder; returns its port, too.
pub(super) fn start(programs: &Path, logs: &Path) -> Result<(u16, Server)> {
    let port = free_port()?;
    let mut moto = command(programs.join("moto_server"));
    moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    Ok((port, Server::start(&mut moto, port, &logs.join("moto.log"))?))
}

fn look(name: &'static str, moto_programs: &Path) -> Result<Report> {
    let programs = python::programs()?;
    let work = tempfile::tempdir()?;
    let (port, _server) = start(moto_programs, work.path())?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut set_up = command(programs.join("python3"));
    set_up.args(["-c", SET_UP, &endpoint]).stderr(Stdio::inherit());
    let output = set_up.output().context("cannot set up moto")?;
    ensure!(output.status.success(), "moto could not be set up: {}", output.status);
    let said = String::from_utf8(output.stdout).context("moto's keys are text")?;
    let mut words = said.split_whitespace().map(str::to_owned);
    let mut next = |what: &str| words.next().with_context(|| format!("moto gave no {what}"));
    let place = Place {
        name,
        endpoint,
        region: "us-east-1",
        access_key: next("key")?,
        secret_key: next("secret")?,
        role: Some(next("role")?),
    };
    matrix::run(&place, &programs.join("python3"))
}
