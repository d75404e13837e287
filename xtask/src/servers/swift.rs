//! Swift of `OpenStack` with its S3 API: it checks XML against the schemas of long ago, compares checksums without
//! repeating them, and knows no locks and no customers' keys.

use std::fs;

use anyhow::{Context, Result};

use super::{
    matrix,
    place::Place,
    process::{Server, free_port},
    python::{self, Environment},
    report::Report,
};
use crate::shell::command;

const SWIFT: Environment = Environment {
    folder: "swift",
    packages: &["swift==2.*"],
    probe: &["python3", "-c", "import pyeclib.ec_iface, swift.proxy.server"],
};

/// Runs all of its servers in one process.
const PROGRAM: &str = include_str!("swift.py");

/// Starts Swift and runs the matrix on it.
pub(crate) fn run() -> Result<Report> {
    let python = python::programs()?.join("python3");
    let work = tempfile::tempdir()?;
    let port = free_port()?;
    let data = work.path().join("swift");
    fs::create_dir(&data).context("cannot make the folder of Swift")?;
    let mut swift = command(SWIFT.programs()?.join("python3"));
    swift.args(["-c", PROGRAM]).arg(&data).arg(port.to_string());
    let _server = Server::start(&mut swift, port, &work.path().join("log"))?;
    let (access_key, secret_key) = ("test:tester".to_owned(), "testing".to_owned());
    matrix::run(&Place { access_key, secret_key, ..Place::with_key("swift", port) }, &python)
}
