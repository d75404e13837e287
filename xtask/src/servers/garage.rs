//! garage: it checks every signature and every checksum. A program of its own, since it is AGPL.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use super::{
    matrix,
    place::{Place, folder},
    process::{Server, free_port},
    python,
    report::Report,
};
use crate::shell::{cargo, command, run as check};

const VERSION: &str = "2.5.0";
const REGION: &str = "garage";
/// Keys of garage have this form; the server lives for one run on loopback.
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Starts garage and runs the matrix on it.
#[allow(clippy::disallowed_methods, reason = "the file is new, in a folder of this run's own")]
pub(crate) fn run() -> Result<Report> {
    let program = install()?;
    let python = python::programs()?.join("python3");
    let work = tempfile::tempdir()?;
    let (port, rpc_port) = (free_port()?, free_port()?);
    let settings = work.path().join("garage.toml");
    let text = configuration(&work.path().display().to_string(), port, rpc_port);
    fs::write(&settings, text).context("cannot write the configuration of garage")?;
    let mut garage = command(&program);
    garage.arg("-c").arg(&settings).args(["server", "--single-node", "--default-access-key"]);
    garage.env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY);
    garage.env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY);
    let _server = Server::start(&mut garage, port, &work.path().join("log"))?;
    let place = Place {
        name: "garage",
        endpoint: format!("http://127.0.0.1:{port}"),
        region: REGION,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        role: None,
    };
    matrix::run(&place, &python)
}

/// Returns the program, and builds it the first time, which takes long.
fn install() -> Result<PathBuf> {
    let root = folder(&format!("garage-{VERSION}"))?;
    let program = root.join("bin/garage");
    if program.is_file() {
        return Ok(program);
    }
    let mut install = cargo(["install", "--locked", "garage", "--version", VERSION]);
    // What is left out is not tested here.
    install.args(["--no-default-features", "--features", "bundled-libs,sqlite", "--root"]);
    install.arg(&root).arg("--target-dir").arg(folder("build")?);
    check(install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")).context("garage cannot be built")?;
    Ok(program)
}

fn configuration(folder: &str, port: u16, rpc_port: u16) -> String {
    format!(
        r#"metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc_port}"
rpc_public_addr = "127.0.0.1:{rpc_port}"
rpc_secret = "{SECRET_KEY}"

[s3_api]
s3_region = "{REGION}"
api_bind_addr = "127.0.0.1:{port}"
"#
    )
}
