//! s3rver: it checks nothing but signatures, and ignores each condition and range that it does not know.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{
    matrix,
    place::{Place, folder},
    process::{Server, free_port},
    python,
    report::Report,
};
use crate::shell::{command, run as check};

const VERSION: &str = "3.7.1";
/// The only key that it has.
const KEY: &str = "S3RVER";

/// Starts s3rver and runs the matrix on it.
pub(crate) fn run() -> Result<Report> {
    let program = install()?;
    let python = python::programs()?.join("python3");
    let work = tempfile::tempdir()?;
    let port = free_port()?;
    let mut s3rver = command("node");
    // Its tokens are made with a cipher that newer ones leave out.
    s3rver.arg("--openssl-legacy-provider").arg(program).args([
        "--address",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]);
    s3rver.arg("--directory").arg(work.path().join("data"));
    let _server = Server::start(&mut s3rver, port, &work.path().join("log"))?;
    let (access_key, secret_key) = (KEY.to_owned(), KEY.to_owned());
    matrix::run(&Place { access_key, secret_key, ..Place::with_key("s3rver", port) }, &python)
}

/// Returns the program, and installs it the first time.
fn install() -> Result<PathBuf> {
    let root = folder(&format!("s3rver-{VERSION}"))?;
    let program = root.join("node_modules/s3rver/bin/s3rver.js");
    // npm writes this list last.
    if root.join("node_modules/.package-lock.json").is_file() {
        return Ok(program);
    }
    let mut install = command("npm");
    install.args(["install", "--no-fund", "--no-audit", "--silent", "--prefix"]).arg(&root);
    check(install.arg(format!("s3rver@{VERSION}"))).context("node with npm is needed")?;
    Ok(program)
}
